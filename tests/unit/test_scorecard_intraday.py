"""Slices, non-inferiority and baselines of intraday forecasts, by hand and on the synthetic market."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from models._kernel.spec import Kind
from models._kernel.splitter import Fold
from models._kernel.synthetic import SyntheticMarket, gate, intraday_features
from models._kernel.yardstick import Baseline, DataClass, DataSetSpec, Direction, MetricTarget, Slice, Yardstick
from pipeline_tasks.scorecard.distribution import MARGIN, distribution_measurers
from pipeline_tasks.scorecard.intraday_baselines import climatology_last, ridge_change
from pipeline_tasks.scorecard.panel import Comparator, Panel
from pipeline_tasks.scorecard.point_baselines import historical_quantiles, persistence_last
from pipeline_tasks.scorecard.verdicts import Stamp, score

FIRST = date(2020, 3, 2)
LEVELS = np.array([0.1, 0.5, 0.9])


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return intraday_features(SyntheticMarket(date(2020, 1, 1), date(2020, 3, 15)))


@pytest.fixture(scope="module")
def folds(frame: pl.DataFrame) -> tuple[Fold, ...]:
    weeks = [tuple(FIRST + timedelta(days=7 * w + d) for d in range(7)) for w in range(2)]
    return tuple(Fold(i, days, gate(days[0]), gate(days[0]), date(2020, 1, 1), days[0] - timedelta(days=1)) for i, days in enumerate(weeks))


def _panel(frame: pl.DataFrame, shrink: float) -> Panel:
    """A forecast whose errors are `shrink` times those of the last price."""
    rows = frame.filter(pl.col("delivery_date") >= FIRST, pl.col("price_last_ccy_per_mwh").is_not_null())
    y, last = rows["price_ccy_per_mwh"].to_numpy(), rows["price_last_ccy_per_mwh"].to_numpy()
    point = y + shrink * (last - y)
    width = 1.2816 * float(np.std(y - point)) + 1e-9
    quantiles = np.column_stack((point - width, point, point + width))
    return Panel(rows, y, point, LEVELS, quantiles, {"persistence_last": Comparator("persistence_last", last)}, {})


def test_a_slice_has_its_own_rows(frame: pl.DataFrame) -> None:
    panel = _panel(frame, 0.9)
    part = panel.part(Slice("h15", "horizon_min", 15))
    assert part.n == panel.n // 2
    assert part.rows["horizon_min"].unique().to_list() == [15]
    assert part.outcome.tolist() == part.rows["price_ccy_per_mwh"].to_list()
    assert len(part.quantiles) == len(part.comparators["persistence_last"].point) == part.n
    assert panel.part(Slice("none", "horizon_min", 5)).n == 0


def test_intervals_without_a_move_are_left_out(frame: pl.DataFrame) -> None:
    flat = frame.with_columns(
        pl.when(pl.col("local_hour") % 4 == 3)
        .then(pl.col("price_ccy_per_mwh").first().over("hub", "delivery_date"))
        .otherwise(1.0)
        .alias("price_ccy_per_mwh")
    )
    part = _panel(flat, 0.5).part(Slice("moves", "horizon_min", 60, moves_only=True))
    assert set(part.rows["local_hour"].unique().to_list()) <= {3, 7, 11, 15, 19, 23, 0, 4, 8, 12, 16, 20}
    assert 0 < part.n < _panel(flat, 0.5).part(Slice("all", "horizon_min", 60)).n


def test_not_worse_is_tested_against_the_margin(frame: pl.DataFrame) -> None:
    measure = distribution_measurers(1)["rmae_margin"]
    for shrink, good in ((0.97, True), (1.0, True), (1.05, False)):
        panel = _panel(frame, shrink)
        found = measure(panel, panel.comparators["persistence_last"])
        assert found.value == pytest.approx(shrink)
        assert found.baseline_value == 1 + MARGIN
        assert found.p_value is not None
        assert (found.p_value < 0.05) is good


def test_rows_of_slices_are_named_and_judged(frame: pl.DataFrame) -> None:
    yardstick = Yardstick(
        system="demo",
        identifier="X",
        claim="c",
        data_sets=(DataSetSpec("twin"),),
        baselines=(Baseline("persistence_last", "b"),),
        metrics=(
            MetricTarget("rmae", Direction.AT_MOST, target=1.0, baseline="persistence_last", test="dm", where="h15"),
            MetricTarget("coverage_80", Direction.WITHIN, target=0.8, where="h5"),
        ),
        gate_metric="crps",
        gate_baseline="persistence_last",
        slices=(Slice("h15", "horizon_min", 15), Slice("h5", "horizon_min", 5)),
    )
    rows = {
        (r.metric, r.baseline): r
        for r in score(_panel(frame, 0.9), yardstick, Kind.DISTRIBUTION, Stamp("demo", "twin", DataClass.TWIN, 1, 1.0, "s"))
    }
    assert rows["rmae_h15", "persistence_last"].verdict == "pass"
    assert rows["rmae_h15", "persistence_last"].n * 2 == rows["mae", ""].n
    assert rows["coverage_80_h5", ""].verdict == "not_measurable"
    with pytest.raises(ValueError, match=r"slice\(s\) \['h15', 'h5'\] are not declared"):
        replace(yardstick, slices=())


def test_climatology_is_the_median_change_of_the_hour_of_the_week(frame: pl.DataFrame, folds: tuple[Fold, ...]) -> None:
    made = climatology_last(frame, folds)
    tested = frame.select(pl.col("delivery_date") >= FIRST).to_series().to_numpy()
    assert np.isfinite(made[tested]).all()
    assert not np.isfinite(made[~tested]).any()
    row = int(np.flatnonzero(tested)[40])
    one = frame.row(row, named=True)
    past = folds[0].train(frame).filter(*(pl.col(c) == one[c] for c in ("hub", "horizon_min", "day_of_week", "local_hour")))
    change = (past["price_ccy_per_mwh"] - past["price_last_ccy_per_mwh"]).median()
    assert made[row] == pytest.approx(one["price_last_ccy_per_mwh"] + change)


def test_ridge_beats_the_last_price_and_learns_from_the_past_only(frame: pl.DataFrame, folds: tuple[Fold, ...]) -> None:
    tested = frame.select(pl.col("delivery_date") >= FIRST).to_series().to_numpy()
    made, y = ridge_change(frame, folds), frame["price_ccy_per_mwh"].to_numpy()
    assert np.abs(made - y)[tested].mean() < 0.97 * np.abs(persistence_last(frame) - y)[tested].mean()
    late = pl.col("price_known_ts") > folds[0].cutoff
    poisoned = frame.with_columns(pl.when(late).then(1e6).otherwise(pl.col("price_ccy_per_mwh")).alias("price_ccy_per_mwh"))
    first = frame.select(pl.col("delivery_date").is_in(folds[0].test_dates)).to_series().to_numpy()
    for baseline in (ridge_change, climatology_last):
        assert baseline(poisoned, folds)[first] == pytest.approx(baseline(frame, folds)[first], abs=1e-9)


def test_error_quantiles_do_not_mix_horizons(frame: pl.DataFrame) -> None:
    last = persistence_last(frame)
    chosen = frame.select(pl.col("delivery_date") == date(2020, 3, 15)).to_series().to_numpy()
    quantiles = historical_quantiles(frame, last, LEVELS, only=chosen)
    width = pl.Series(quantiles[chosen][:, 2] - quantiles[chosen][:, 0])
    by_horizon = (
        frame.filter(pl.Series(chosen)).select("horizon_min").with_columns(width.alias("w")).group_by("horizon_min").agg(pl.col("w").mean())
    )
    widths = dict(by_horizon.iter_rows())
    assert widths[60] > 1.1 * widths[15]
