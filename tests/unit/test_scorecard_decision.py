"""Decisions in the scorecard: money by hand, baselines that know only the past, ablations walked like the model, verdicts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from config.markets import resolve_market
from models._kernel import registry
from models._kernel.settlement import settlement_of
from models._kernel.synthetic import SyntheticMarket
from models._kernel.synthetic_spread import spread_features
from models._kernel.yardstick import Baseline, DataClass, DataSetSpec, Yardstick
from models.imbalance.spec import SPEC
from pipeline_tasks.scorecard import run_scorecard, runner
from pipeline_tasks.scorecard.decision import decision_measurers
from pipeline_tasks.scorecard.decision_baselines import expectation, known_mean
from pipeline_tasks.scorecard.measures import NotMeasurableError
from pipeline_tasks.scorecard.panel import Comparator, Money, Panel
from pipeline_tasks.scorecard.sources import DataSet

FIRST, LAST = date(2019, 6, 1), date(2020, 3, 1)
DAYS = 60
MEASURERS = decision_measurers(5)
PARAMS = registry.params_of("imbalance", "test")


def _panel(cost: float, idle: float, oracle: float, *, metered: bool = True) -> Panel:
    """Sixty days of two intervals: the second costs nothing; every tenth day costs ten times as much."""
    n = 2 * DAYS
    days = [date(2026, 1, 1) + timedelta(days=i // 2) for i in range(n)]
    shape = np.array([(10.0 if (i // 2) % 10 == 0 else 1.0) * (i % 2 == 0) for i in range(n)])
    rows = pl.DataFrame({"hub": ["h"] * n, "delivery_date": days, "local_hour": [i % 2 for i in range(n)]})
    deviation = np.full(n, 2.0 if metered else np.nan)
    money = Money(
        cost * shape,
        idle * shape,
        oracle * shape,
        np.full(n, 100.0),
        np.tile([0.05, -0.05], DAYS)[:, None],
        1.04 * deviation,
        deviation,
        np.zeros(n),
    )
    comparators = {"zero_position": Comparator("zero_position", np.zeros(n), cost=idle * shape), "price": Comparator("price", np.zeros(n))}
    return Panel(rows, np.zeros(n), np.zeros(n), np.empty(0), np.empty((n, 0)), comparators, {}, money=money)


def _measure(panel: Panel, metric: str, baseline: str = "zero_position"):
    return MEASURERS[metric](panel, panel.comparators.get(baseline))


def test_money_by_hand():
    panel, total = _panel(6.0, 10.0, 2.0), 6 * 10 + 54
    share = _measure(panel, "saving_share")
    assert share.value == pytest.approx(0.4)
    assert (share.ci_low, share.ci_high, share.baseline_value) == (pytest.approx(0.4), pytest.approx(0.4), 0.0)
    assert share.p_value == pytest.approx(1 / 5001)
    assert _measure(panel, "saving_per_mwh").value == pytest.approx(4 * total / (2 * DAYS * 100))
    assert _measure(panel, "cost_per_mwh").baseline_value == pytest.approx(10 * total / (2 * DAYS * 100))
    assert _measure(panel, "oracle_share").value == pytest.approx(0.5)
    assert _measure(panel, "oracle_saving_per_mwh").value == pytest.approx(8 * total / (2 * DAYS * 100))
    tail = _measure(panel, "cvar_95")
    assert (tail.value, tail.baseline_value) == (pytest.approx(60 / 200), pytest.approx(100 / 200))
    assert _measure(panel, "net_share").value == pytest.approx(0.0)
    assert _measure(panel, "gross_ratio").value == pytest.approx(1.04)
    assert _measure(panel, "quarters_not_worse").value == 1.0


def test_a_worse_policy_is_called_worse():
    panel = _panel(12.0, 10.0, 2.0)
    assert _measure(panel, "saving_share").value == pytest.approx(-0.2)
    assert _measure(panel, "saving_per_mwh").p_value == 1.0
    assert _measure(panel, "quarters_not_worse").value == 0.0


@pytest.mark.parametrize(
    ("panel", "metric", "baseline", "message"),
    [
        (_panel(6.0, 10.0, 2.0, metered=False), "saving_share", "zero_position", "metered for 0%"),
        (_panel(6.0, 10.0, 2.0, metered=False), "gross_ratio", "zero_position", "metered for 0%"),
        (_panel(-6.0, -1.0, -9.0), "saving_share", "zero_position", "earned"),
        (_panel(6.0, 10.0, 10.0), "oracle_share", "zero_position", "hindsight saves nothing"),
        (_panel(6.0, 10.0, 2.0), "cost_per_mwh", "price", "is a forecast"),
        (replace(_panel(6.0, 10.0, 2.0), money=None), "cvar_95", "zero_position", "decides nothing"),
    ],
)
def test_what_cannot_be_measured_says_why(panel, metric, baseline, message):
    with pytest.raises(NotMeasurableError, match=message):
        _measure(panel, metric, baseline)


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return spread_features(SyntheticMarket(FIRST, LAST, hubs=("HUB_NORTH",), market="twin"))


def test_policies_use_only_what_their_decision_knew(frame):
    cut = frame["as_of"].unique().sort()[120]
    later = pl.col("price_known_ts") > cut
    poisoned = frame.with_columns(pl.when(later).then(1e6).otherwise(pl.col("price_ccy_per_mwh")).alias("price_ccy_per_mwh"))
    early = (frame["as_of"] <= cut).to_numpy()
    assert np.array_equal(known_mean(poisoned)[early], known_mean(frame)[early], equal_nan=True)
    known = frame.filter(pl.col("price_known_ts") <= cut)
    assert known_mean(frame)[(frame["as_of"] == cut).to_numpy()] == pytest.approx(known["price_ccy_per_mwh"].mean())
    sign = expectation("yesterday_sign", frame)
    rule = settlement_of(SPEC, PARAMS)
    hedge = rule.best(frame, sign)
    assert np.abs(hedge).max() <= 0.05 + 1e-9
    assert expectation("zero_position", frame).tolist() == [0.0] * frame.height


class Synthetic:
    def __init__(self, data: DataSet) -> None:
        self.data = data

    def load(self, name: str, table: Any, say: Any) -> DataSet:
        return self.data


def test_a_walk_scores_decisions_beside_policies_and_ablations(frame, monkeypatch, tmp_path):
    from config.settings import get_settings

    monkeypatch.setenv("DESK_HOME", str(tmp_path))
    get_settings.cache_clear()
    real = registry.yardstick_of("imbalance")
    ablation = Baseline("without_conformal", "Uncalibrated.", params=(("aci_gamma", 0.0),))
    others = tuple(b for b in real.baselines if b.name != ablation.name)
    short = Yardstick(
        "imbalance", "M2", "c", (DataSetSpec("twin", test_days=28, refit_days=28, calibration_days=0),), (*others, ablation), real.metrics,
        real.gate_metric, real.gate_baseline,
    )  # fmt: skip
    monkeypatch.setattr(runner, "yardstick_of", lambda _: short)
    monkeypatch.setattr(runner, "params_of", lambda *_: PARAMS)
    data = DataSet("twin", DataClass.TWIN, resolve_market("twin"), frame, tmp_path)
    rows = run_scorecard(models=["imbalance"], source=Synthetic(data), record=False)
    monkeypatch.undo()
    get_settings.cache_clear()
    found = {(r.metric, r.baseline): r for r in rows}
    against = found["saving_per_mwh", "zero_position"]
    assert against.value > 0
    assert "paired stationary block bootstrap" in against.reason
    assert found["oracle_share", "zero_position"].value < 1
    assert found["net_share", ""].verdict == "pass"
    assert found["pinball", "without_conformal"].baseline_value > 0
    assert all(r.value is not None for r in rows if r.metric != "saving_share"), [r for r in rows if r.value is None]
