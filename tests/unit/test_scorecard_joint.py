"""Joint scores and recalibration in the scorecard: right by hand, point in time, chosen before the window."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from config.markets import resolve_market
from models._kernel.registry import spec_of, yardstick_of
from models._kernel.scenarios import METHODS, SCHAAKE
from models._kernel.spec import Kind
from models._kernel.synthetic import SyntheticMarket, day_ahead_features
from models._kernel.tenors import EPOCH
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard import coupled, joint, recalibration
from pipeline_tasks.scorecard.joint_metrics import joint_measurers
from pipeline_tasks.scorecard.measures import NotMeasurableError
from pipeline_tasks.scorecard.panel import Comparator, Panel
from pipeline_tasks.scorecard.sources import DataSet
from pipeline_tasks.scorecard.systems import SystemJob
from pipeline_tasks.scorecard.verdicts import metric_rows

SPEC = spec_of("curve_dist")
FIRST, LAST = date(2020, 1, 20), date(2020, 2, 16)


@lru_cache(maxsize=1)
def features():
    return day_ahead_features(SyntheticMarket(date(2019, 8, 20), date(2020, 2, 25), hubs=("HUB_A",)))


def answers(frame, width=8):
    """A normal band around yesterday's price."""
    asked = frame.filter(pl.col("delivery_date").is_between(FIRST - timedelta(days=40), LAST))
    ladder = asked["price_lag_1d_ccy_per_mwh"].to_numpy()[:, None] + width * stats.norm.ppf(SPEC.levels)
    return asked.select("market", "hub", "product", "delivery_ts", "as_of", "delivery_date").hstack(
        pl.DataFrame(ladder, schema=list(SPEC.quantile_columns.values()))
    )


def score(frame=None, told=None):
    frame = features() if frame is None else frame
    return joint.joint_of(SPEC, frame, answers(features()) if told is None else told, (FIRST - EPOCH).days, (LAST - EPOCH).days)


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(joint, "COUNT", 60)


@pytest.fixture(scope="module")
def scored():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joint, "COUNT", 60)
        return score()


def test_every_day_of_the_window_is_scored_with_every_method(scored):
    assert scored.day == [(FIRST - EPOCH).days + i for i in range(28)]
    assert {len(v) for v in (*scored.energy.values(), *scored.variogram.values(), scored.loss, scored.rank)} == {28}
    assert max(scored.coherence) <= 1e-9
    assert np.mean(scored.variogram[SCHAAKE]) < np.mean(scored.variogram["independent_hours"])


def test_later_outcomes_change_no_earlier_score(scored):
    day = FIRST + timedelta(days=14)
    price = pl.when(pl.col("delivery_date") > day).then(pl.col("price_ccy_per_mwh") + 500).otherwise(pl.col("price_ccy_per_mwh"))
    again = score(features().with_columns(price.alias("price_ccy_per_mwh")), answers(features()))
    for name in (*METHODS, "independent_hours"):
        assert again.energy[name][:15] == scored.energy[name][:15]
    assert again.var["short"][:15] == scored.var["short"][:15]
    assert again.energy[SCHAAKE][20] > scored.energy[SCHAAKE][20]


SPREAD = spec_of("imbalance")


def spread_of(share):
    """A spread that gives back a share of the day-ahead price's error, and an honest normal band around its mean of zero."""
    rng = np.random.default_rng(4)
    error = (features()["price_ccy_per_mwh"] - features()["price_lag_1d_ccy_per_mwh"]).fill_null(0.0).to_numpy()
    frame = features().with_columns(
        pl.lit("spread").alias("product"), pl.Series("price_ccy_per_mwh", -share * error + rng.normal(0, 2, error.size))
    )
    asked = frame.filter(pl.col("delivery_date").is_between(FIRST - timedelta(days=40), LAST))
    width = float(asked["price_ccy_per_mwh"].std())
    ladder = pl.DataFrame(np.tile(width * stats.norm.ppf(SPREAD.levels), (asked.height, 1)), schema=list(SPREAD.quantile_columns.values()))
    return coupled.Told(SPREAD, frame, asked.select("market", "hub", "product", "delivery_ts", "as_of", "delivery_date").hstack(ladder))


def both(share):
    prices = coupled.Told(SPEC, features(), answers(features(), 36))  # as wide as the errors are
    found = coupled.coupled_of(prices, spread_of(share), (FIRST - EPOCH).days, (LAST - EPOCH).days)
    assert found.day == [(FIRST - EPOCH).days + i for i in range(28)]
    return np.mean(found.energy[joint.SHUFFLED]) / np.mean(found.energy[joint.OWN])


def test_scenarios_of_both_prices_paired_by_number_score_better_where_the_spread_answers_the_price():
    assert both(0.8) > 1.05
    assert both(0.0) == pytest.approx(1.0, abs=0.02)


def test_measures_of_both_prices_say_why_there_are_none(scored):
    panel = Panel(pl.DataFrame(), np.zeros(28), np.zeros(28), np.empty(0), np.empty((28, 0)), {}, {}, joint=scored)
    with pytest.raises(NotMeasurableError, match="names no model"):
        joint_measurers(1)["energy_score_da_rt"](panel, None)


def test_measures_of_the_joint_scores(scored):
    panel = Panel(pl.DataFrame(), np.zeros(28), np.zeros(28), np.empty(0), np.empty((28, 0)), {}, {}, joint=scored)
    measurers = joint_measurers(1)
    beside = measurers["variogram_score"](panel, Comparator("independent_hours", np.empty(0)))
    assert beside.value == pytest.approx(np.mean(scored.variogram[SCHAAKE]))
    assert beside.baseline_value == pytest.approx(np.mean(scored.variogram["independent_hours"]))
    assert beside.p_value is not None
    same = measurers["energy_score"](panel, Comparator(SCHAAKE, np.empty(0)))
    assert same.value == same.baseline_value
    assert "it is the model's own" in same.note
    z2 = measurers["es_z2"](panel, None)
    assert z2.band is not None
    assert z2.band[0] < 0 < z2.band[1]
    assert measurers["coherence_error"](panel, None).value <= 1e-6
    with pytest.raises(NotMeasurableError, match="no way to put hours together"):
        measurers["energy_score"](panel, Comparator("naive_week", np.empty(0)))
    with pytest.raises(NotMeasurableError, match="no joint baseline"):
        measurers["es_z2"](Panel(pl.DataFrame(), np.zeros(1), np.zeros(1), np.empty(0), np.empty((1, 0)), {}, {}), None)


def test_the_relative_error_of_the_shortfall_is_zero_under_the_forecast_s_own_law():
    rng = np.random.default_rng(4)
    levels = np.asarray(SPEC.levels)
    ladder = np.tile(stats.norm.ppf(levels), (9_600, 1))
    from models._kernel.scenarios import quantile_at

    outcome = quantile_at(ladder[:1], levels, rng.random((9_600, 1)))[:, 0]
    rows = pl.DataFrame({"delivery_date": [EPOCH + timedelta(days=int(i)) for i in np.arange(9_600) // 24]})
    for stretch, wanted in ((1.0, 0.0), (1.3, 0.15)):
        panel = Panel(rows, outcome * stretch, ladder[:, 10], levels, ladder, {}, {})
        assert joint_measurers(1)["es_relative_error"](panel, None).value == pytest.approx(wanted, abs=0.12)


def test_joint_baselines_are_compared_on_joint_scores_only():
    named = [(m.metric, m.baseline) for m in metric_rows(yardstick_of("curve_dist"), Kind.DISTRIBUTION)]
    assert ("crps", "independent_hours") not in named
    assert ("energy_score", "independent_hours") in named
    assert len(named) == len(set(named))


def test_block_errors_by_hand():
    price = np.zeros((10, 24))
    ladder = np.tile([-1.0, 0.0, 1.0], (10, 24, 1))
    price[0, :6] = 5.0  # one day of ten outside at night: exactly nominal
    price[:2, 6:12] = 5.0
    assert recalibration.block_errors(price, ladder) == pytest.approx([0.0, 0.1, 0.1, 0.1])


class _Source:
    def __init__(self, frame):
        self.frame = frame

    def load(self, name, table, say):
        return DataSet(name, DataClass.TWIN, resolve_market("twin"), self.frame, Path())


def test_recalibration_rows_and_figure(monkeypatch, tmp_path):
    monkeypatch.setenv("DESK_HOME", str(tmp_path))
    monkeypatch.setattr(recalibration, "ROUNDS", 12)
    monkeypatch.setattr(recalibration, "LEAVES", 7)
    monkeypatch.setattr(recalibration, "REFIT_DAYS", 120)
    from config.settings import get_settings

    get_settings.cache_clear()
    frame = day_ahead_features(SyntheticMarket(date(2019, 3, 28), date(2020, 1, 31), hubs=("HUB_NORTH",)))
    rows = recalibration.rows(SystemJob("recalibration", "twin_hub_north", _Source(frame), None, None, 7, lambda _: None))
    get_settings.cache_clear()
    found = {r.metric: r for r in rows}
    assert sorted(found) == sorted(recalibration._metrics())
    assert all(found[f"crossing_{m}"].value == 0 for m in recalibration.METHODS)
    raw, kept = found["block_coverage_error_kept"].baseline_value, found["block_coverage_error_kept"].value
    assert raw is not None
    assert kept is not None
    assert kept < raw, "twelve rounds of boosting are far too narrow; any correction helps"
    assert found["winkler_90_kept"].reason.startswith("kept before the window:")
    assert all(r.reason.endswith("synthetic data") for r in rows)
    assert (tmp_path / "scorecard" / "recalibration" / "twin_hub_north.svg").read_text().startswith("<svg")
