"""Behaviour kernel: costs by inverse optimisation, rewards of stores, habits of bids; no warehouse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models._kernel.behaviour import entropy_irl as irl
from models._kernel.behaviour.bid_policy import LAST_WEEK, NEWEST, learn_policies
from models._kernel.behaviour.habits import LEVELS, learn_habits
from models._kernel.behaviour.hourly_bids import CANDIDATES, KINDS, HourlyBids, cost_paths, kinds_of
from models._kernel.behaviour.inverse import InverseError, cost_of_dispatch, cost_of_offers, fit_cost
from models._kernel.behaviour.learned_offers import Offers, learn_offers, rising
from models._kernel.behaviour.thermal_policy import State

MEDIAN = int(np.argmin(np.abs(LEVELS - 0.5)))


def _fuels(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack([25 + 6 * rng.standard_normal(n), 60 + 8 * rng.standard_normal(n), np.ones(n)])


@settings(max_examples=25, deadline=None)
@given(st.floats(0.5, 3.0), st.floats(0.0, 0.9), st.floats(0.0, 8.0))
def test_costs_are_exact_where_offers_are_costs(heat: float, carbon: float, other: float) -> None:
    inputs, theta = _fuels(40), np.array([heat, carbon, other])
    fit = cost_of_offers(inputs, inputs @ theta, level=0.1)
    assert fit.loss == pytest.approx(0, abs=1e-8)
    assert fit.cost(inputs) == pytest.approx(inputs @ theta, rel=1e-6, abs=1e-6)


def test_a_tenth_of_offers_lies_below_the_cost_that_is_told() -> None:
    inputs, rng = _fuels(400), np.random.default_rng(1)
    price = inputs @ np.array([2.0, 0.35, 3.0]) * (1 + rng.exponential(0.05, 400))
    below = (price < cost_of_offers(inputs, price, level=0.1).cost(inputs) - 1e-9).mean()
    assert 0.08 <= below <= 0.11


def test_dispatch_alone_brackets_the_cost() -> None:
    rng, inputs = np.random.default_rng(2), _fuels(600)
    cost = inputs @ np.array([1.8, 0.4, 2.0])
    price = cost + 15 * rng.standard_normal(600)
    marginal = np.abs(price - cost) < 2
    price[marginal] = cost[marginal]
    share = np.where(marginal, 0.5, np.where(price > cost, 1.0, 0.0))
    fit = cost_of_dispatch(inputs, price, share)
    assert fit.loss == pytest.approx(0, abs=1e-7)
    assert np.abs(fit.cost(inputs) / cost - 1).max() < 0.01


@pytest.mark.parametrize(
    ("inputs", "price", "weight", "said"),
    [
        (np.ones((0, 2)), np.zeros(0), np.zeros(0), "at least one row"),
        (np.ones((2, 1)), np.zeros(3), np.ones(2), "price has shape"),
        (np.ones((2, 1)), np.array([1.0, np.nan]), np.ones(2), "price holds a missing"),
        (np.ones((2, 1)), np.ones(2), np.array([1.0, -1.0]), "negative"),
    ],
)
def test_observations_that_tell_nothing_are_refused(inputs: np.ndarray, price: np.ndarray, weight: np.ndarray, said: str) -> None:
    with pytest.raises(InverseError, match=said):
        fit_cost(inputs, price, weight, weight)


def _store(days: int = 60, seed: int = 0) -> irl.StoreProblem:
    rng = np.random.default_rng(seed)
    shape = 1 + 0.4 * np.sin(np.arange(12) / 12 * 4 * np.pi)
    return irl.StoreProblem(shape + 0.2 * rng.standard_normal((days, 12)), 7, np.array([-1, 0, 1]), 0.8, np.full(days, 3))


def _played(problem: irl.StoreProblem, theta: np.ndarray, seed: int = 0) -> np.ndarray:
    log_policy, _ = irl.soft_policy(problem, theta)
    rng, level = np.random.default_rng(seed), problem.start.copy()
    action = np.empty(problem.price.shape, dtype=np.int64)
    for step in range(problem.price.shape[1]):
        chance = np.exp(log_policy[np.arange(len(level)), step, level]).cumsum(axis=1)
        action[:, step] = np.minimum((chance < rng.random(len(level))[:, None]).sum(axis=1), len(problem.actions) - 1)
        level = level + problem.actions[action[:, step]]
    return action


def test_the_gradient_of_the_normaliser_is_what_the_policy_does() -> None:
    problem, theta, step = _store(), np.array([3.0, 0.3, 2.5, 0.4]), 1e-5
    start = np.arange(len(problem.start)), problem.start

    def normaliser(at: np.ndarray) -> float:
        return float(irl.soft_policy(problem, at)[1][start].mean())

    numeric = [(normaliser(theta + step * e) - normaliser(theta - step * e)) / (2 * step) for e in np.eye(4)]
    assert irl.expected(problem, theta)[0] == pytest.approx(numeric, abs=1e-6)


def test_a_known_reward_is_recovered() -> None:
    problem, theta = _store(300), np.array([4.0, 0.5, 3.0, 0.5])
    action = _played(problem, theta)
    policy = irl.learn_store(problem, action)
    assert policy.gradient < 1e-3
    assert policy.log_likelihood >= irl.log_likelihood(problem, theta, action).mean() / 12 - 1e-3
    assert policy.theta[0] == pytest.approx(4.0, rel=0.15)


def test_policies_are_laws_and_never_leave_the_grid() -> None:
    problem = _store(5)
    log_policy, _ = irl.soft_policy(problem, np.array([5.0, 0.1, 1.0, 0.0]))
    chance = np.exp(log_policy)
    assert chance.sum(axis=3) == pytest.approx(1.0)
    assert (chance[:, :, ~problem.allowed] == 0).all()
    with pytest.raises(ValueError, match="leaves the grid"):
        irl.seen(problem, np.zeros((5, 12), dtype=np.int64))


def _bids(days: int = 40) -> HourlyBids:
    """A weekly pattern (unit 0), a constant (unit 1), each with bids 50 below; bids of a day are known at its eleventh hour's gate."""
    hour = np.arange(days * 24)
    weekly, flat = 60 + 20 * (hour // 24 % 7 >= 5) + (hour % 24), np.full(len(hour), 200.0)
    known = np.where(hour >= 24, (hour // 24 - 1) * 24 + 9, -1)
    return HourlyBids(np.stack([weekly, weekly - 50, flat, flat - 250]).astype(float), known)


def test_candidates_use_nothing_that_is_not_known() -> None:
    bids = _bids()
    series, hour = np.repeat([0, 2], 24), np.tile(np.arange(30 * 24, 31 * 24), 2)
    told = bids.candidates(series, hour)
    poisoned = bids.price.copy()
    poisoned[:, int(bids.known[30 * 24]) + 1 :] = 1e6
    assert np.array_equal(HourlyBids(poisoned, bids.known).candidates(series, hour), told)
    with pytest.raises(ValueError, match="earlier hour"):
        HourlyBids(bids.price, np.arange(bids.price.shape[1]))


def test_habits_find_the_week_and_beat_yesterday() -> None:
    bids = _bids()
    series, hour = (a.ravel() for a in np.meshgrid(np.arange(4), np.arange(15 * 24, 38 * 24), indexing="ij"))
    kind = kinds_of(bids.price[0::2], bids.price[1::2], np.zeros(2))
    policies = learn_policies(bids, series, hour, kind)
    asked, when = np.zeros(48, dtype=np.int64), np.arange(38 * 24, 40 * 24)
    assert np.abs(policies.quantiles(bids, asked, when)[:, MEDIAN] - bids.price[0, when]).max() < 1e-9
    yesterday = learn_policies(bids, series, hour, kind, (NEWEST,))
    assert policies.log_density(bids, asked, when).mean() > yesterday.log_density(bids, asked, when).mean()
    week = policies.habits.candidate_weights(np.array([0, 1]))[:, [LAST_WEEK, CANDIDATES.index("stepped")]].sum(axis=1)
    assert (week > 0.5).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_densities_integrate_to_one_and_quantiles_rise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    candidates = np.round(rng.uniform(20, 80, (60, 3)), 1)
    candidates[rng.random((60, 3)) < 0.3] = np.nan
    candidates[:, 0] = 50.0
    price = np.where(np.isfinite(candidates[:, 1]), candidates[:, 1], 50.0)
    habits = learn_habits(candidates, price, rng.integers(0, 3, 60), np.zeros(3, dtype=np.int64))
    fine = [c + np.linspace(-0.5, 0.5, 2001) for c in candidates[0] if np.isfinite(c)]
    grid = np.unique(np.concatenate([np.linspace(-400, 500, 9001), *fine]))
    one = np.repeat(candidates[:1], len(grid), axis=0)
    density = np.exp(habits.log_density(one, grid, np.zeros(len(grid), dtype=np.int64)))
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=0.02)
    assert (np.diff(habits.quantiles(candidates, np.zeros(60, dtype=np.int64)), axis=1) >= 0).all()


def test_kinds_follow_what_units_do() -> None:
    hours = np.arange(14 * 24)
    shape = 50 + 40 * np.sin(hours % 24 / 24 * 2 * np.pi)
    offer = np.stack([np.full(336, 90.0), np.full(336, np.nan), shape, np.full(336, 220.0), np.full(336, 55.0)])
    bid = np.stack([np.full(336, -60.0), np.full(336, np.nan), shape - 20, np.full(336, 5.0), np.full(336, 30.0)])
    found = [KINDS[k] for k in kinds_of(offer, bid, np.array([0, 1.0, 0, 0, 0]))]
    assert found == ["renewable", "base_load", "storage", "peaker", "mid_merit"]


def test_cost_paths_need_enough_days() -> None:
    daily = np.full((2, 40), np.nan)
    inputs = _fuels(40)
    daily[0] = inputs @ np.array([2.0, 0.3, 1.0])
    daily[1, :5] = 50.0
    paths = cost_paths(daily, inputs, slice(0, 30))
    assert paths[0, 30:] == pytest.approx(daily[0, 30:], rel=1e-6)
    assert np.isnan(paths[1]).all()


def test_markups_answer_to_tightness_and_forecast_offers_rise() -> None:
    rng, days = np.random.default_rng(3), 200
    fuels, names = np.column_stack([_fuels(days, 4)[:, 0], _fuels(days, 5)[:, 1]]), ("gas/HUB", "co2/HUB")
    state = State(rng.uniform(0.4, 0.95, (days, 3)), rng.uniform(0, 0.2, days), 2, 0)
    unit, window, block = (a.ravel() for a in np.meshgrid([0], [0, 1, 2], [0, 1, 2], indexing="ij"))
    offers = Offers(unit, window, block, ("gas",) * 9)
    cost = (1.9 + 0.05 * block) * fuels[:, :1] + 0.38 * fuels[:, 1:] + 2
    tight = np.stack([state.tightness[:, w] for w in window], axis=1)
    share = 0.02 + np.where(window == 0, 0, 0.6) * np.maximum(tight - 0.7, 0)
    price = rising(np.where(block == 0, cost - 30, cost * (1 + share)), offers)
    learned = learn_offers(
        price[:150], offers, (fuels[:150], names), State(state.tightness[:150], state.outage[:150], 2, 0), np.full(150, 60.0)
    )
    told = learned.forecast(fuels[150:], names, State(state.tightness[150:], state.outage[150:], 2, 0), np.full(50, 60.0))
    upper = block > 0
    assert np.abs(learned.cost(fuels[150:], names)[:, upper] / cost[150:, upper] - 1).max() < 0.04
    assert np.abs(told - price[150:])[:, upper].mean() < 0.3 * np.abs(price[149] - price[150:])[:, upper].mean()
    for start in (0, 3, 6):
        assert (np.diff(told[:, start : start + 3], axis=1) >= 0).all()
