"""Value of charge by stochastic dynamic programming over price scenarios, and the battery that acts on it interval by interval.

The recursion of Xu, Korpas & Botterud (2020) with a Markov state of the price: at every interval scenarios are sorted into equally likely
nodes by the newest price that may be seen, and

    V_t(level, node) = mean over the node's scenarios of  max over actions of  profit_t(action, price) + V_(t+1)(level', node').

Where the present interval's price may be seen (a bid curve clears at it), the action follows it; where it may not (`delay` intervals), the
maximum stands outside the mean. Nothing but the scenarios is used. Levels are a grid with linear interpolation; actions are exact: a level
out of bounds, or from which the day's end could not be reached, is never entered. The day's discharge is held to the cycle budget twice: a
multiplier prices it in the recursion, and what is left of it bounds every action.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.rules import MarketRules

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
LEVELS, SHARES, NODES = 41, 9, 3
STEPS_OF_BUDGET, NEAR = 5, 0.9


@dataclass(frozen=True, slots=True)
class Problem:
    """What the battery stands before on one day.

    Attributes:
        asset: the battery.
        rules: rules of the market.
        committed_mw: day-ahead schedule, shape (T,).
        reference: price that penalties refer to, shape (T,); the day-ahead price, or its forecast.
        scenarios: real-time prices, equally likely, shape (S, T).
    """

    asset: StorageAsset
    rules: MarketRules
    committed_mw: Array
    reference: Array
    scenarios: Array

    @property
    def delay(self) -> int:
        """Intervals by which the newest price that is seen lags; 0: the present one is seen."""
        return self.rules.price_delay_intervals

    @property
    def intervals(self) -> int:
        """Intervals of the day."""
        return int(self.committed_mw.size)


@dataclass(frozen=True, slots=True)
class Values:
    """Values of charge of a day.

    Attributes:
        problem: what they are for.
        grid: levels, MWh, rising, shape (L,).
        edges: prices between nodes, seen at every interval, shape (T, N - 1).
        onward: value of the level at the interval's end by node, currency, shape (T, N, L).
        price_of_budget: multiplier of the cycle budget, currency/MWh discharged.
    """

    problem: Problem
    grid: Array
    edges: Array
    onward: Array
    price_of_budget: float


def value_of_charge(problem: Problem, *, levels: int = LEVELS, nodes: int = NODES) -> Values:
    """Values of charge; the budget's multiplier lets scenarios discharge at most it on average, and nearly all where it binds."""
    if problem.scenarios.ndim != 2 or problem.scenarios.shape[1] != problem.intervals or not np.isfinite(problem.scenarios).all():
        raise ValueError(f"scenarios have shape {problem.scenarios.shape}; give finite prices of shape (scenarios, {problem.intervals})")
    count = max(1, min(nodes, problem.scenarios.shape[0] // 4))
    first = _recursion(problem, 0.0, levels, count)
    budget = problem.asset.throughput_mwh

    def discharged(values: Values) -> float:
        return float(np.maximum(dispatch(values, problem.scenarios, budgeted=False), 0.0).sum(axis=1).mean() * problem.rules.hours)

    if discharged(first) <= budget:
        return first
    low, high, best = 0.0, float(np.abs(problem.scenarios).mean()) + 1.0, first
    for _ in range(STEPS_OF_BUDGET):
        middle = (low + high) / 2
        found = _recursion(problem, middle, levels, count)
        used = discharged(found)
        low, high, best = (middle, high, best) if used > budget else (low, middle, found)
        if NEAR * budget <= used <= budget:
            break
    return best


def dispatch(values: Values, prices: npt.ArrayLike, *, budgeted: bool = True) -> Array:
    """What the battery delivers along price paths, output less charge, MW, shape (S, T).

    At every interval only the price `delay` intervals before it (with no delay: its own) has been seen. Feasible whatever the prices.

    Args:
        values: values of charge.
        prices: real-time prices, shape (S, T).
        budgeted: hold every path to the cycle budget.
    """
    problem, paths = values.problem, np.asarray(prices, dtype=np.float64)
    asset, h = problem.asset, problem.rules.hours
    level = np.full(paths.shape[0], asset.start_mwh)
    left = np.full(paths.shape[0], asset.throughput_mwh if budgeted else np.inf)
    net = np.zeros(paths.shape)
    expected = problem.scenarios
    for t in range(problem.intervals):
        node = _node(values.edges[t], _seen(paths, t, problem.delay))
        actions = _actions(problem, t, level, left)
        if problem.delay == 0:
            profit = _profit(problem, t, actions, paths[:, t, None], values.price_of_budget)
        else:
            own = _node(values.edges[t], _seen(expected, t, problem.delay))
            profit = np.empty_like(actions)
            for k in np.unique(node):
                price = expected[own == k, t] if np.any(own == k) else expected[:, t]
                here = node == k
                profit[here] = _profit(problem, t, actions[here][..., None], price, values.price_of_budget).mean(axis=-1)
        onward = _onward(values, t, node, asset.after_mwh(level[:, None], actions, h))
        chosen = actions[np.arange(level.size), np.argmax(profit + onward, axis=1)]
        net[:, t] = chosen
        level = asset.after_mwh(level, chosen, h)
        left = left - h * np.maximum(chosen, 0.0)
    return net


def _recursion(problem: Problem, price_of_budget: float, levels: int, nodes: int) -> Values:
    asset, paths, h = problem.asset, problem.scenarios, problem.rules.hours
    grid, count, t_count = np.linspace(*asset.bounds_mwh, levels), paths.shape[0], problem.intervals
    cuts = np.arange(1, nodes) / nodes
    edges = np.stack([np.quantile(_seen(paths, t, problem.delay), cuts) for t in range(t_count)])
    values = Values(problem, grid, edges, np.zeros((t_count, nodes, levels)), price_of_budget)
    following = np.zeros((count, levels))  # value at the end of interval t, by scenario
    unlimited = np.full(levels, np.inf)
    for t in range(t_count - 1, -1, -1):
        node = _node(edges[t], _seen(paths, t, problem.delay))
        for k in range(nodes):
            values.onward[t, k] = following[node == k].mean(axis=0) if np.any(node == k) else following.mean(axis=0)
        actions = _actions(problem, t, grid, unlimited)  # (L, A)
        after = asset.after_mwh(grid[:, None], actions, h)
        profit = _profit(problem, t, actions[None], paths[:, t, None, None], price_of_budget)  # (S, L, A)
        onward = np.stack([np.interp(after, grid, row) for row in values.onward[t]])  # (N, L, A)
        if problem.delay == 0:
            following = (profit + onward[node]).max(axis=2)
            continue
        following = np.empty((count, levels))
        for k in np.unique(node):
            following[node == k] = (profit[node == k].mean(axis=0) + onward[k]).max(axis=1)
    return values


def _seen(paths: Array, t: int, delay: int) -> Array:
    """Newest price seen at interval t, shape (S,); zeros where none of the day is."""
    return paths[:, t - delay] if t >= delay else np.zeros(paths.shape[0])


def _node(edges: Array, price: Array) -> Ints:
    return np.searchsorted(edges, price, side="right").astype(np.int64)


def _actions(problem: Problem, t: int, level: Array, left: Array) -> Array:
    """Deliveries to choose among, MW, shape (n, A): shares of the power, nothing, and the schedule, each as far as it can be reached."""
    asset = problem.asset
    least, most = asset.reach_mw(level, left, problem.rules.hours, problem.intervals - t - 1)
    wanted = np.concatenate((np.linspace(-1, 1, SHARES) * asset.power_mw, [problem.committed_mw[t]]))
    return np.clip(wanted[None, :], least[:, None], most[:, None])


def _profit(problem: Problem, t: int, net: Array, price: Array, price_of_budget: float) -> Array:
    """What a delivery earns beyond the day-ahead sale, currency."""
    rules, g = problem.rules, float(problem.committed_mw[t])
    moved = net - g
    reference = np.maximum(price, problem.reference[t])
    cost = rules.deviation_cost(moved, reference, problem.asset.power_mw)
    wear = (problem.asset.degradation_ccy_per_mwh + price_of_budget) * np.maximum(net, 0.0)
    return np.asarray(rules.hours * (price * moved - cost - wear), dtype=np.float64)


def _onward(values: Values, t: int, node: Ints, after: Array) -> Array:
    """Value of the levels `after`, shape (n, A), by the node of each row."""
    found = np.empty_like(after)
    for k in np.unique(node):
        found[node == k] = np.interp(after[node == k], values.grid, values.onward[t, k])
    return found
