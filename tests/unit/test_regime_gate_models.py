"""The gate before and after on the walked forecasts of other models: which regime a row had, what was done to it, what it was worth."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.markets import resolve_market
from models._kernel.bootstrap import ratio_ci
from models._kernel.gating import ALLOW, BLOCK, DOWN_WEIGHT
from models._kernel.metrics import crps_losses
from models._kernel.registry import spec_of
from models._kernel.spec import ModelSpec
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.gate_table import gate_table
from pipeline_tasks.scorecard.panel import KEY, Money, Panel
from pipeline_tasks.scorecard.regime_gate import MODELS, _alone
from pipeline_tasks.scorecard.regime_models import Case, Gated, gated_panel, model_rows
from pipeline_tasks.scorecard.regime_slices import Told, read_reason
from pipeline_tasks.scorecard.rows import ScoreRow
from pipeline_tasks.scorecard.runner import Judged
from pipeline_tasks.scorecard.sources import DataAbsentError, DataSet, WarehouseSource, quiet
from pipeline_tasks.scorecard.systems import SystemJob
from pipeline_tasks.scorecard.walk import Walked
from pipeline_tasks.scorecard.window import Window

DAYS, FIRST = 80, date(2026, 1, 1)
TWIN = resolve_market("twin")
JOB = SystemJob("regime_gate", "twin", WarehouseSource(), None, None, 7, quiet)
DATES = [FIRST + timedelta(days=d) for d in range(DAYS)]
REGIME, IMBALANCE, INTRADAY, NODAL = (spec_of(n) for n in ("regime", "imbalance", "price_prediction", "lmp_nowcast"))


@pytest.mark.parametrize("name", sorted({m for models in MODELS.values() for m in models}))
def test_a_model_is_walked_once(name: str) -> None:
    own = _alone(name)
    assert [b.name for b in own.baselines] == [own.gate_baseline]
    assert not any(b.params or b.joint for b in own.baselines)  # either would walk it again


def _gate(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 11, tzinfo=UTC) - timedelta(days=1)


def _case(actions: list[str], *, late: bool = False) -> Case:
    """A market whose even days are stressed; one row a day of the regime, its gate as given."""
    keys = {"market": "twin", "hub": "HUB_NORTH", "product": "da"}
    ladder = {REGIME.point_column: 50.0, **dict.fromkeys(REGIME.quantile_columns.values(), 50.0)}
    rows = [
        {**keys, "delivery_date": d, "delivery_ts": datetime(d.year, d.month, d.day, tzinfo=UTC), **ladder,
         "as_of": _gate(d) + timedelta(days=2 * late), "state": "stressed" if k % 2 == 0 else "normal", "gate": actions[k],
         "stressed_probability": 0.9 - 0.001 * k if k % 2 == 0 else 0.1, "change_probability": 0.0, "surprise_share": 0.5}
        for k, d in enumerate(DATES)
    ]  # fmt: skip
    label = pl.DataFrame({**dict.fromkeys(keys, ""), "delivery_date": DATES, "stressed": [k % 2 == 0 for k in range(DAYS)]})
    data = DataSet("twin", DataClass.TWIN, TWIN, pl.DataFrame(), Path())
    return Case(data, pl.DataFrame(rows), label.with_columns(pl.lit(v).alias(c) for c, v in keys.items()), DataClass.TWIN)


def _judged(spec: ModelSpec, rows: pl.DataFrame, answers: dict[str, Any], money: Money | None = None) -> Judged:
    """A walk that answered every row with the given columns."""
    names = list(spec.quantile_columns.values())
    frame = rows.select(KEY).with_columns(**answers)
    panel = Panel(rows, rows["price_ccy_per_mwh"].to_numpy(), frame[spec.point_column].to_numpy(), np.asarray(spec.levels),
                  frame.select(names).to_numpy(), {}, {}, money=money)  # fmt: skip
    data = DataSet("twin", DataClass.TWIN, TWIN, rows, Path())
    return Judged(panel, data, Window(DATES[0], DATES[-1], (), ()), Walked(frame, 0.0, 0, {}))


def _intraday_rows(hub: str = "HUB_NORTH") -> pl.DataFrame:
    """Two rows a day: at noon, and an hour after local midnight decided before it; prices far above where the day under way is stressed."""
    made = []
    for k, d in enumerate(DATES):
        midnight = datetime(d.year, d.month, d.day, tzinfo=UTC) - timedelta(hours=1)
        for start, under_way in ((midnight + timedelta(minutes=30), k - 1), (midnight + timedelta(hours=12), k)):
            made.append(
                {"market": "twin", "hub": hub, "product": "rt", "delivery_ts": start, "as_of": start - timedelta(hours=1),
                 "delivery_date": d, "price_last_ccy_per_mwh": 45.0, "price_ccy_per_mwh": 80.0 if under_way % 2 == 0 else 50.5}
            )  # fmt: skip
    return pl.DataFrame(made)


def _ladder(spec: ModelSpec, width: float) -> dict[str, Any]:
    """A point of 50 and a straight ladder around it."""
    return {spec.point_column: pl.lit(50.0), **{c: pl.lit(50.0 + width * (v - 0.5)) for v, c in spec.quantile_columns.items()}}


def _named(rows: list[ScoreRow]) -> dict[str, ScoreRow]:
    return {r.metric: r for r in rows}


def test_an_interval_has_the_regime_of_the_day_under_way_when_it_was_decided() -> None:
    told = gated_panel(_case([ALLOW] * DAYS), INTRADAY, _judged(INTRADAY, _intraday_rows(), _ladder(INTRADAY, 2.0)))
    night, noon = told.told[::2], told.told[1::2]
    assert noon["day"].to_list() == DATES
    assert night["day"].to_list() == [d - timedelta(days=1) for d in DATES]
    assert night["regime"].to_list()[:2] == ["unknown", "stressed"]  # the first night's day before has none
    assert told.known.tolist() == [False] + [True] * (2 * DAYS - 1)
    assert told.stressed[1::2].tolist() == [k % 2 == 0 for k in range(DAYS)]


def test_a_regime_decided_after_the_forecast_is_not_scored_with_it() -> None:
    with pytest.raises(DataAbsentError, match="no row of price_prediction"):
        gated_panel(_case([BLOCK] * DAYS, late=True), INTRADAY, _judged(INTRADAY, _intraday_rows(), _ladder(INTRADAY, 2.0)))


def test_a_node_without_a_label_of_its_own_has_the_markets() -> None:
    told = gated_panel(_case([ALLOW] * DAYS), NODAL, _judged(NODAL, _intraday_rows("NODE_7"), _ladder(NODAL, 2.0)))
    assert told.stressed[1::2].tolist() == [k % 2 == 0 for k in range(DAYS)]


def test_a_wider_band_is_worth_what_its_rows_say() -> None:
    """Gates that down-weight the stressed days alone: there the wider band is better, elsewhere nothing changes."""
    case = _case([DOWN_WEIGHT if k % 2 == 0 else ALLOW for k in range(DAYS)])
    told = gated_panel(case, INTRADAY, _judged(INTRADAY, _intraday_rows(), _ladder(INTRADAY, 20.0)))
    found = _named(model_rows(JOB, case, told))
    levels = np.asarray(INTRADAY.levels)
    before, after = (crps_losses(np.array([80.0]), (50 + w * (levels - 0.5))[None, :], levels)[0] for w in (20.0, 22.0))
    row = found["price_prediction_crps_widened_stressed_ratio"]
    assert row.value == pytest.approx(after / before)
    assert after < before
    said = read_reason(row.reason)
    assert said is not None
    assert (said.days, said.acted) == (40, 100)
    assert (said.before, said.after) == (pytest.approx(before, rel=1e-3), pytest.approx(after, rel=1e-3))
    assert found["price_prediction_crps_widened_normal_ratio"].value == pytest.approx(1.0)
    assert "price_prediction_mae_widened_stressed_ratio" not in found  # no point moves
    assert "price_prediction_crps_configured_stressed_ratio" not in found  # what is configured is the wider band
    covered = found["price_prediction_coverage_90_widened_normal"]
    assert (covered.value, covered.baseline_value) == (1.0, 1.0)
    assert found["price_prediction_coverage_90_widened_stressed"].value == 0.0
    area = found["price_prediction_mae_coverage_risk_area"]
    assert area.value is not None
    assert area.baseline_value is not None
    assert area.baseline_value <= area.value < 1
    lines = [r for r in gate_table(r.to_dict() for r in found.values()) if r["forecast: loss gate"].endswith("widened")]
    assert [r["days"] for r in lines] == ["40 stressed", "40 normal"]
    assert {r["data set"] for r in lines} == {"twin (synthetic)"}
    assert lines[1]["ratio (95 %)"].startswith("1.000")
    unknown = gate_table([found["price_prediction_crps_widened_stressed_ratio"].to_dict() | {"value": None, "reason": "too few"}])
    assert unknown[0]["verdict"] == "not measurable"


def _decisions() -> Iterator[dict[str, Any]]:
    for k, d in enumerate(DATES):
        for hour in (0, 12):
            start = datetime(d.year, d.month, d.day, hour, tzinfo=UTC)
            yield {"market": "twin", "hub": "HUB_NORTH", "product": "spread", "delivery_ts": start, "as_of": _gate(d), "delivery_date": d,
                   IMBALANCE.naive_column: 0.0, "price_ccy_per_mwh": 5.0 if k % 2 == 0 else 1.0}  # fmt: skip


def test_a_blocked_decision_costs_what_no_position_costs() -> None:
    case = _case([BLOCK if k % 4 == 0 else ALLOW for k in range(DAYS)])
    rows, n = pl.DataFrame(list(_decisions())), 2 * DAYS
    cost = np.random.default_rng(3).uniform(1, 5, n)
    idle, volume, nothing = np.full(n, 4.0), np.full(n, 10.0), np.zeros(n)
    money = Money(cost, idle, nothing, volume, np.ones((n, 1)), nothing, nothing, nothing)
    answers = {
        **_ladder(IMBALANCE, 2.0), "hedge_share": pl.lit(0.1), "spread_mean_ccy_per_mwh": pl.lit(50.0),
        "spread_centre_ccy_per_mwh": pl.lit(50.0), "scheduled_mwh": pl.lit(10.0), "expected_saving_ccy": pl.lit(0.0),
    }  # fmt: skip
    told: Gated = gated_panel(case, IMBALANCE, _judged(IMBALANCE, rows, answers, money))
    found = _named(model_rows(JOB, case, told))
    saving = found["imbalance_saving_configured_stressed_per_mwh"]
    stressed = np.repeat([k % 2 == 0 for k in range(DAYS)], 2)
    blocked = np.repeat([k % 4 == 0 for k in range(DAYS)], 2)
    daily = np.where(blocked, 0.0, idle - cost)[stressed].reshape(-1, 2).sum(axis=1)
    assert saving.baseline_value == pytest.approx((idle - cost)[stressed].sum() / volume[stressed].sum())
    assert saving.value == pytest.approx(ratio_ci(daily, np.full(len(daily), 20.0), seed=7).estimate)
    assert "40 of 80 intervals without a position" in saving.reason
    normal = found["imbalance_saving_configured_normal_per_mwh"]
    assert normal.value == pytest.approx(normal.baseline_value)
    assert normal.p_value is None


@given(
    st.text(st.characters(categories=("L",)), min_size=1), st.floats(0, 1e6), st.floats(0, 1e6), st.integers(0, 9999), st.integers(0, 100)
)
def test_what_a_reason_says_is_read_back(name: str, after: float, before: float, days: int, acted: int) -> None:
    said = Told(f"{name}: crps mixed", float(f"{after:.4g}"), float(f"{before:.4g}"), days, acted)
    assert read_reason(f"{said.reason('stressed')}; p: something") == said
    assert read_reason(f"{name}: crps mixed: 12 stressed days; 20 are needed") is None
