"""Arrivals and their effect: expectations without look ahead, effects recovered, strength of instruments, placebo, variance explained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models._kernel.cross.arrivals import FIRST_DAYS, KNOWN_LAG, daily, due_days, expected_arrivals
from models._kernel.cross.effects import Panel, effective_f, instrumented, placebo, projection, projections, random_cause
from models._kernel.cross.explained import explained, windows
from models._kernel.cross.forests import blocked_folds
from pipeline_tasks.cross_asset.lng_panel import until
from pipeline_tasks.cross_asset.publication import effect_rows

EFFECT = -0.02


def _panel(n: int = 3000, seed: int = 1, *, effect: float = EFFECT, weak: float = 1.0) -> Panel:
    """Cold moves price and arrivals; two closures move arrivals alone; the effect grows with tightness."""
    rng = np.random.default_rng(seed)
    cold, z = rng.standard_normal(n), rng.standard_normal((n, 2))
    shock = weak * (0.5 * z[:, 0] + 0.4 * z[:, 1]) - 0.6 * cold + 0.5 * rng.standard_normal(n)
    tightness = rng.uniform(0, 1, n)
    truth = effect * (0.5 + tightness)
    move = truth * shock + 0.01 * cold + 0.01 * rng.standard_normal(n)
    seen = cold + 0.0 * z[:, 0]
    return Panel(
        np.arange(n) + 15_000, np.cumsum(move), shock, seen[:, None], z, tightness, ("cold",), ("a", "b"), truth, truth * shock
    )  # fmt: skip


def test_a_cargo_is_due_after_its_distance() -> None:
    due = due_days(np.array([10, 10, 10]), np.array([24 * 16.5 * 12, 1.0, 24 * 16.5 * 3.4]))
    assert due.tolist() == [22, 11, 13]
    assert daily(due, np.array([1.0, 2.0, 4.0]), 15).sum() == 6.0


def test_expected_arrivals_follow_departures_and_never_look_ahead() -> None:
    rng = np.random.default_rng(2)
    n = 700
    due = rng.uniform(0, 4, n)
    arrived = np.maximum(np.roll(due, 1) + rng.normal(0, 0.3, n), 0)
    found = expected_arrivals(arrived, due)
    assert np.isnan(found[:FIRST_DAYS]).all()
    late = slice(300, n)
    assert np.corrcoef(found[late], arrived[late])[0, 1] > 0.9
    cut = 500
    later = arrived.copy()
    later[cut - KNOWN_LAG + 1 :] = 1e6
    assert np.array_equal(expected_arrivals(later, due)[: cut + 1], found[: cut + 1], equal_nan=True)


def test_projection_and_instruments_recover_the_effect_given_the_confounder() -> None:
    panel = _panel()
    for effect in (projection(panel, 0), instrumented(panel).effect):
        assert effect.estimate == pytest.approx(effect.truth, rel=0.05)
        assert effect.interval[0] < effect.truth < effect.interval[1]
        assert effect.p_value < 1e-6
    assert instrumented(panel).effective_f > 100
    assert instrumented(panel).j_p_value > 0.01


def test_without_the_confounder_only_instruments_are_right() -> None:
    blind = replace(_panel(), controls=np.zeros((3000, 0)), control_names=())
    assert projection(blind, 0).estimate < 1.1 * projection(blind, 0).truth
    found = instrumented(blind)
    assert found.effect.estimate == pytest.approx(found.effect.truth, rel=0.08)


def test_an_instrument_that_is_no_cause_is_weak_and_one_that_acts_itself_is_found_out() -> None:
    assert instrumented(_panel(weak=0.01)).effective_f < 10
    panel = _panel()
    acting = replace(panel, level=panel.level + np.cumsum(0.01 * panel.instruments[:, 0]))
    assert instrumented(acting).j_p_value < 0.001
    with pytest.raises(ValueError, match="no instrument"):
        instrumented(replace(panel, instruments=np.zeros((3000, 0))))


def test_the_effective_f_of_one_instrument_is_its_squared_robust_t() -> None:
    rng = np.random.default_rng(9)
    z = rng.standard_normal((2000, 1))
    x = 0.2 * z[:, 0] + rng.standard_normal(2000)
    slope = float(z[:, 0] @ x / (z[:, 0] @ z[:, 0]))
    left = x - slope * z[:, 0]
    robust = float(((z[:, 0] * left - (z[:, 0] * left).mean()) ** 2).sum() / (z[:, 0] @ z[:, 0]) ** 2)
    assert effective_f(x, z, lags=0) == pytest.approx(slope**2 / robust, rel=0.01)


def test_placebo_arrivals_do_nothing_and_a_random_cause_changes_nothing() -> None:
    panel = _panel()
    assert placebo(panel).p_value > 0.01
    assert random_cause(panel, seed=3, draws=5) < 0.5
    told = projections(panel, (0, 2))
    assert abs(told[2].estimate - told[0].estimate) < 4 * told[2].error  # moves are permanent here


def test_variance_explained_out_of_sample_is_the_true_share() -> None:
    found = explained(_panel(4000))
    assert found.gain == pytest.approx(found.truth, abs=0.05)
    assert found.gain > 0.3
    low, high = found.interval(seed=0, draws=300)
    assert low < found.gain < high
    nothing = explained(_panel(4000, effect=0.0))
    assert nothing.gain < 0.01
    with pytest.raises(ValueError, match="longer history"):
        explained(_panel(150))


def test_windows_reach_from_a_day_before_to_a_week_after() -> None:
    shock = np.zeros(40)
    shock[20] = 5.0
    assert np.flatnonzero(windows(shock, 1.0)).tolist() == list(range(19, 28))


def test_folds_are_blocks_with_a_gap() -> None:
    folds = blocked_folds(500, blocks=5, gap=20)
    assert sorted(np.concatenate([test for _, test in folds]).tolist()) == list(range(500))
    for train, test in folds:
        assert np.abs(train[:, None] - test[None, :]).min() >= 20


def test_published_effects_name_every_check_and_leave_out_what_is_too_short() -> None:
    rows = effect_rows({"gas": _panel(900)}, seed=1, trees=0)
    found = {(r["estimator"], r["at"]): r for r in rows.iter_rows(named=True)}
    assert {e for e, _ in found} == {"projection", "placebo", "random_cause", "gmm", "first_stage_f", "over_identification_p", "r2_gain"}
    assert found["projection", 0.0]["low_95"] < found["projection", 0.0]["estimate"] < found["projection", 0.0]["high_95"]
    assert found["first_stage_f", 0.0]["low_95"] is None
    short = effect_rows({"gas": until(_panel(900), 15_000 + 180)}, seed=1, trees=0)
    assert "r2_gain" not in set(short["estimator"])
    assert short["days"].max() <= 181
