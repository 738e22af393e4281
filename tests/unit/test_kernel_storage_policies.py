"""Values of charge, the game, Q-learning and learned opportunity values: limits, what they see, and what they earn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from config.settings import REPO_ROOT
from models._kernel.cooptimise import Day, optimal_battery
from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.environment import CHARGE, DISCHARGE, HOLD, BatteryEnvironment
from models._kernel.storage.opportunity import Days, OpportunityPolicy, ValueSettings, opportunity_values
from models._kernel.storage.q_learning import QLearningAgent, QSettings
from models._kernel.storage.rules import MarketRules, profits
from models._kernel.storage.two_stage import perfect_foresight
from models._kernel.storage.value import Problem, dispatch, value_of_charge

ASSET = StorageAsset.of(yaml.safe_load((REPO_ROOT / "config/assets/bess.yaml").read_text(encoding="utf-8")), "bess")
RULES = MarketRules(60, -500, 4000, 0.0, 0.5)
T = 24


def _days(seed: int, n: int, noise: float = 12.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = 50 - 25 * np.cos((np.arange(T) - 3) * 2 * np.pi / 12)
    return shape + rng.normal(0, 8, (n, 1)) + rng.normal(0, noise, (n, T))


def test_values_on_one_path_earn_nearly_what_the_exact_program_earns():
    for seed in range(4):
        path = _days(seed, 1)
        problem = Problem(ASSET, RULES, np.zeros(T), path[0], path)
        net = dispatch(value_of_charge(problem, levels=161), path)
        earned = profits(RULES, committed_mw=np.zeros(T), net_mw=net, day_ahead=path, real_time=path, power_mw=20.0, wear_ccy_per_mwh=6.0)[
            0
        ]
        exact = optimal_battery(Day(1.0, path[0] - 0.0, np.empty((0, T)), (), np.zeros(T)), replace(ASSET, degradation_ccy_per_mwh=7.08))
        best = float((path[0] * exact.energy_mw - 6.0 * np.maximum(exact.energy_mw, 0) - 0.5 * np.abs(exact.energy_mw)).sum())
        assert 0.92 * best < earned <= best + 1e-6


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), delay=st.integers(0, 2), low=st.sampled_from([-300.0, 20.0]))
def test_dispatch_keeps_every_limit_whatever_the_prices(seed, delay, low):
    paths = _days(seed, 12)
    paths[np.random.default_rng(seed).random(paths.shape) < 0.1] = low
    schedule = perfect_foresight(ASSET, RULES, paths[0], paths[0]).day_ahead_mw
    problem = Problem(ASSET, replace(RULES, price_delay_intervals=delay), schedule, paths.mean(axis=0), paths[:8])
    net = dispatch(value_of_charge(problem, levels=17), paths[8:])
    assert [ASSET.faults(day, 1.0) for day in net] == [[]] * 4


@pytest.mark.parametrize("delay", [0, 1, 2])
def test_dispatch_sees_no_price_before_its_time(delay):
    """Prices changed from an interval on change no delivery before it, nor within the delay."""
    paths = _days(3, 30)
    values = value_of_charge(
        Problem(ASSET, replace(RULES, price_delay_intervals=delay), np.zeros(T), paths.mean(axis=0), paths[:24]), levels=17
    )
    other = paths[24:].copy()
    other[:, 10:] += 400.0
    before, after = dispatch(values, paths[24:]), dispatch(values, other)
    assert np.array_equal(before[:, : 10 + delay], after[:, : 10 + delay])
    assert not np.array_equal(before, after)


def test_seeing_the_price_is_worth_something_and_so_is_knowing_its_law():
    paths = _days(5, 80, noise=25.0)
    taught, unseen = paths[:40], paths[40:]

    def earned(scenarios: np.ndarray, delay: int) -> float:
        problem = Problem(ASSET, replace(RULES, price_delay_intervals=delay), np.zeros(T), taught.mean(axis=0), scenarios)
        net = dispatch(value_of_charge(problem, levels=33), unseen)
        told = {"day_ahead": unseen, "real_time": unseen, "power_mw": 20.0, "wear_ccy_per_mwh": 6.0}
        return float(profits(RULES, committed_mw=np.zeros(T), net_mw=net, **told).mean())

    assert earned(taught, 0) > earned(taught, 1) > 0
    assert earned(taught, 0) > earned(np.median(taught, axis=0)[None, :], 0)


def test_the_game_pays_by_hand_and_keeps_its_limits():
    game = BatteryEnvironment(ASSET, np.full((1, T), 100.0), 1.0, fee_ccy_per_mwh=1.0)
    start = game.state.level_mwh[0]
    state, reward, over = game.step([DISCHARGE])
    given = (start - 4.0) * 0.93  # down to a tenth of 40 MWh; 20 MW would be more
    assert reward[0] == pytest.approx(given * (100 - 6 - 1))
    assert state.level_mwh[0] == pytest.approx(4.0)
    assert not over
    state, reward, _ = game.step([CHARGE])
    assert reward[0] == pytest.approx(-20 * 101)
    assert state.level_mwh[0] == pytest.approx(4.0 + 20 * 0.93)
    state, reward, _ = game.step([HOLD])
    assert reward[0] == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_random_play_never_leaves_the_limits(seed):
    rng = np.random.default_rng(seed)
    game, over, net = BatteryEnvironment(ASSET, _days(seed, 20), 1.0), False, []
    while not over:
        delivered, _, _, over = game.deliver(rng.uniform(-40, 40, 20))
        net.append(delivered)
    assert {f for day in np.stack(net, axis=1) for f in ASSET.faults(day, 1.0)} == set()


def test_q_learning_learns_the_day_and_tells_its_values():
    taught, unseen = _days(1, 200), _days(2, 60)
    agent = QLearningAgent(ASSET, QSettings(epochs=25)).train(taught, 1.0, seed=3)
    game, over, total = BatteryEnvironment(ASSET, unseen, 1.0), False, np.zeros(60)
    while not over:
        action, values = agent.get_action(game.state)
        assert values.shape == (60, 3)
        assert set(action.tolist()) <= {CHARGE, HOLD, DISCHARGE}
        _, reward, over = game.step(action)
        total += reward
    none = np.empty((0, T))
    best = [optimal_battery(Day(1.0, p, none, (), np.zeros(T)), ASSET).energy_mw for p in unseen]
    foresight = sum(float((p * n - 6 * np.maximum(n, 0)).sum()) for p, n in zip(unseen, best, strict=True))
    assert total.sum() > 0.45 * foresight
    again = QLearningAgent(ASSET, QSettings(epochs=25)).train(taught, 1.0, seed=3)
    assert np.array_equal(again.table, agent.table)


def test_a_discount_that_cannot_see_a_day_is_refused():
    """Finding 12: 0.95 per minute looks twenty minutes ahead."""
    with pytest.raises(ValueError, match="looks 20 of 1440 intervals ahead"):
        QSettings(discount=0.95).check(1440)
    QSettings(discount=0.9999).check(1440)


def test_learned_values_beat_the_profile_and_see_nothing_ahead():
    taught, unseen = _days(1, 150, noise=20.0), _days(2, 40, noise=20.0)
    profile = taught.mean(axis=0)
    lesson = Days(taught, np.broadcast_to(profile, taught.shape).copy())
    policy = OpportunityPolicy(ASSET, 1.0, settings=ValueSettings(rounds=40))
    policy.learn(policy.lesson(lesson, seed=1), seed=1)
    days = Days(unseen, np.broadcast_to(profile, unseen.shape).copy())
    net, earned = policy.run(days)
    assert {f for day in net for f in ASSET.faults(day, 1.0)} == set()
    plan = optimal_battery(Day(1.0, profile, np.empty((0, T)), (), np.zeros(T)), ASSET).energy_mw
    fixed = (unseen * plan - 6 * np.maximum(plan, 0)).sum(axis=1)
    assert earned.sum() > fixed.sum()
    later = unseen.copy()
    later[:, 12:] += 300.0
    assert np.array_equal(policy.run(Days(later, days.forecast))[0][:, :12], net[:, :12])


def test_opportunity_value_is_the_price_that_charge_will_fetch():
    """One dear hour after cheap ones: a MWh of charge is worth the dear price less wear, times the discharge efficiency."""
    prices = np.full((1, 6), 20.0)
    prices[0, 4] = 200.0
    slopes = opportunity_values(replace(ASSET, terminal="free"), prices, 1.0, 0.0)
    assert slopes[0, 3, 0] == pytest.approx((200 - 6) * 0.93, rel=1e-6)
    assert slopes[0, 5].tolist() == [0.0] * 8
