"""Rows of bess_backtest on days made by hand, and battery_policy on a simulated market."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from config.markets import resolve_market
from config.settings import get_settings
from models._kernel.storage.opportunity import ValueSettings
from models._kernel.storage.q_learning import QSettings
from models._kernel.synthetic import SyntheticMarket, day_ahead_features
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard import battery_days, battery_policy, bess_backtest
from pipeline_tasks.scorecard.battery_days import panel_of
from pipeline_tasks.scorecard.bess_case import Case
from pipeline_tasks.scorecard.bess_quantiles import quantile_rows
from pipeline_tasks.scorecard.bess_walk import LAMBDAS, Walked
from pipeline_tasks.scorecard.sources import DataAbsentError, DataSet
from pipeline_tasks.scorecard.systems import SystemJob

N = 60


def _job(source: Any = None, data_set: str = "be") -> SystemJob:
    return SystemJob("bess_backtest", data_set, source, None, None, 7, lambda _: None)


def _case(profit: dict[str, np.ndarray], told: np.ndarray | None = None) -> Case:
    rng = np.random.default_rng(1)
    days = []
    for k in range(N):
        outcome = rng.normal(0, 10, 24)
        wide = np.tile(np.array([-12.8, -6.7, 0.0, 6.7, 12.8]), (24, 2, 1))
        day: Any = SimpleNamespace(date=19000 + k, slot=np.arange(24), slots=24, raw=wide / 2, ladder=wide)
        pool = np.zeros(10) if told is None else told[k]
        foretold = {"lambda_0.25": pool, "without_cqr": pool}
        earned = {name: float(values[k]) for name, values in profit.items()}
        days.append(Walked(day, outcome, outcome, earned, foretold, pool, (), int(rng.integers(0, 20)), (1.0 + 0.1 * (k % 2), 1.5)))
    return Case(_job(), DataClass.REAL, days)


def _profits(**given: float) -> dict[str, np.ndarray]:
    noise = np.random.default_rng(2).normal(0, 5, N)
    names = [*(f"lambda_{v:g}" for v in LAMBDAS), *bess_backtest.OTHERS]
    return {name: given.get(name, 60.0) + noise for name in names} | {"perfect_foresight": np.full(N, 100.0)}


def _named(rows: list[Any], metric: str, baseline: str = "") -> Any:
    return next(r for r in rows if r.metric == metric and r.baseline == baseline)


def test_captures_are_shares_of_foresight_and_gains_are_judged():
    rows = bess_backtest._captures(_case(_profits(median=57.0, naive_week=61.0)))
    assert _named(rows, "capture_median").value == pytest.approx(_named(rows, "capture_lambda_0.25").value - 0.03)
    good, bad = (_named(rows, "capture_gain", name) for name in ("median", "naive_week"))
    assert (good.verdict, round(good.value, 6), good.target) == ("pass", 0.03, 0.02)
    assert (bad.verdict, round(bad.value, 6)) == ("miss", -0.01)


def test_a_dominated_risk_aversion_and_a_falling_tail_are_found():
    clean = bess_backtest._frontier(_case(_profits(**{f"lambda_{v:g}": 60 - v for v in LAMBDAS})))
    profit = _profits()
    profit["lambda_0.5"] = profit["lambda_0.5"] - 20.0
    broken = bess_backtest._frontier(_case(profit))
    assert _named(broken, "frontier_dominated").value == 1.0
    assert _named(broken, "frontier_reversals").value >= 1.0
    assert _named(broken, "frontier_dominated").verdict == "miss"
    assert _named(clean, "frontier_dominated").value <= 4.0  # a mean that falls while the tail falls too is dominated
    assert _named(bess_backtest._frontier(_case(_profits())), "frontier_reversals").verdict == "pass"


def test_a_tail_foretold_as_it_came_has_no_gap():
    profit = _profits()
    told = np.repeat(profit["lambda_0.25"][:, None], 10, axis=1)
    same = bess_backtest._tails(_case(profit, told))
    assert _named(same, "cvar_gap_recalibrated").value == pytest.approx(0.0)
    far = bess_backtest._tails(_case(profit, told + 30.0))
    assert _named(far, "cvar_gap_recalibrated").verdict == "miss"
    assert _named(far, "cvar_gap_recalibrated").value < -0.2


def test_quantile_rows_cut_the_coverage_error_of_narrow_bands():
    rows = quantile_rows(_case(_profits()))
    assert _named(rows, "coverage_error_cut_da", "without_cqr").verdict == "pass"
    assert _named(rows, "interval_score_80_rt", "without_cqr").verdict == "pass"
    assert _named(rows, "quantile_crossings").value == 0.0


def test_scenario_rows_test_flatness_and_dependence():
    rows = bess_backtest._scenarios(_case(_profits()))
    assert _named(rows, "variogram_score", "independent").verdict == "pass"
    assert 0 <= _named(rows, "rank_histogram_p").value <= 1


class _Source:
    """A simulated market in place of a warehouse."""

    def __init__(self, days: int) -> None:
        self.days = days

    def load(self, name: str, table: Any, say: Any) -> DataSet:
        del table, say
        frame = day_ahead_features(SyntheticMarket(date(2020, 10, 30), date(2020, 10, 30) + timedelta(days=self.days - 1)))
        selection = resolve_market("epf_de").model_copy(update={"hubs": (frame["hub"][0],)})
        market = selection.market.model_copy(update={"product": str(frame["product"][0])})
        return DataSet(name, DataClass.REAL, selection.model_copy(update={"market": market}), frame, get_settings().data_dir)


def test_policies_keep_every_limit_and_are_compared_on_the_same_days(monkeypatch):
    monkeypatch.setattr(battery_policy, "SEEDS", 2)
    monkeypatch.setattr(battery_policy, "TEST_DAYS", 10)
    monkeypatch.setattr(battery_policy, "ValueSettings", partial(ValueSettings, rounds=15))
    monkeypatch.setattr(battery_policy, "QSettings", partial(QSettings, epochs=4))
    monkeypatch.setattr(battery_days, "SETTINGS", replace(battery_days.SETTINGS, rounds=15))
    rows = battery_policy.rows(_job(_Source(80), "epf_de"))
    faults = _named(rows, "faults")
    assert (faults.value, faults.verdict, faults.n) == (0.0, "pass", 10)
    share = {r.metric: r.value for r in rows if r.metric.startswith("capture_") and not r.baseline}
    assert {f"capture_{name}" for name in (*battery_policy.PLAIN, *battery_policy.LEARNED)} == set(share)
    assert max(share.values()) <= 1.0
    gains = [r for r in rows if r.metric == "capture_gain_value_policy"]
    assert {r.baseline for r in gains} == {*battery_policy.PLAIN, "q_learning"}
    assert all(r.verdict == ("pass" if r.ci_low > 0 or r.target is None else "miss") for r in gains)


def test_too_short_a_history_is_told():
    rows = battery_policy.rows(_job(_Source(40), "epf_de"))
    assert [r.verdict for r in rows] == ["not_measurable"]
    assert "before the window are needed" in rows[0].reason


def test_a_lesson_is_forecast_by_what_came_before_it():
    """Prices of the last training day change no forecast of the lesson but those of later days: there are none."""
    frame = _Source(60).load("x", None, None).frame
    panel = panel_of(frame.filter(frame["hub"] == frame["hub"][0]))
    changed = replace(panel, prices=panel.prices + 500.0 * (np.arange(len(panel.dates)) == 39)[:, None])
    one, other = (p.lesson(slice(0, 40), seed=1) for p in (panel, changed))
    assert one.prices.shape == (30, 24)
    assert np.array_equal(one.forecast, other.forecast)


def test_absent_data_are_a_row():
    class Absent:
        def load(self, name: str, table: Any, say: Any) -> DataSet:
            raise DataAbsentError(f"no files of {name}")

    assert bess_backtest.rows(_job(Absent()))[0].reason.startswith("no files of be")
