"""Policies over days: the tuned heuristic that also wrote the log, buy and hold, the myopic CVaR program, networks, hindsight.

A policy is asked day by day for its wish; `follow` applies limits and charges fees, the same for all, so that a difference in profit is a
difference in decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from models.rl_hedger import networks
from models.rl_hedger.days import STATE, StateScale, Steps
from models.rl_hedger.limits import ACTIONS, IDLE, LATTICE, HedgeRules
from models.rl_hedger.params import Params
from models.rl_hedger.spec import IQL

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Wish = Callable[[Steps, int, Array], Array]  # days, which of them, hedge of the day before -> wished hedge of (day, night)
SIGNALS = ("price_hour_mean_28d_ccy_per_mwh", "price_lag_2d_ccy_per_mwh", "price_lag_7d_ccy_per_mwh")
THRESHOLDS = (0.0, 0.25, 0.5, 1.0)
SCENARIO_DAYS = 90
CLONE = "clone"


@dataclass(frozen=True, slots=True)
class Followed:
    """A policy that was followed.

    Attributes:
        hedge: of (day, night), shape (n, 2).
        saving: after all fees, currency per MWh of load, NaN where spreads are unknown, shape (n,).
        traded: energy traded day-ahead for it, MWh per MWh of load, shape (n,).
        moved: change of the hedge, MWh per MWh of load, shape (n,).
    """

    hedge: Array
    saving: Array
    traded: Array
    moved: Array


@dataclass(frozen=True, slots=True)
class Heuristic:
    """Hedge by the sign of a signal where it is larger than a threshold, outright and between the blocks apart.

    Attributes:
        signal: one of `SIGNALS`.
        outright, shape: thresholds in units of the training days' typical spread.
        unit: that unit, currency/MWh.
    """

    signal: str
    outright: float
    shape: float
    unit: float

    def actions(self, days: Steps) -> Ints:
        """Action of every day; idle where the signal is unknown."""
        at = [STATE.index(f"{self.signal}_{block}") for block in ("day", "night")]
        told = days.state[:, at] / self.unit
        mean, gap = (days.share * told).sum(axis=1), told[:, 0] - told[:, 1]
        wanted = [np.where(np.abs(v) > t, np.sign(v), 0.0) for v, t in ((mean, self.outright), (gap, self.shape))]
        pairs = np.nan_to_num(np.column_stack(wanted))
        return np.asarray((pairs[:, None, :] == LATTICE[None]).all(axis=2).argmax(axis=1), dtype=np.int64)

    @classmethod
    def tuned(cls, series: Mapping[str, Steps] | list[Steps], params: Params, rules: HedgeRules) -> Heuristic:
        """The setting with the highest Sharpe ratio on training days: as many were tried as there are signals and pairs of thresholds."""
        parts = list(series.values()) if isinstance(series, Mapping) else series
        unit = max(float(np.nanmedian(np.abs(np.concatenate([p.spread for p in parts])))), 0.1)
        best, found = -np.inf, cls(SIGNALS[0], 0.0, 0.0, unit)
        for signal, outright, shape in product(SIGNALS, THRESHOLDS, THRESHOLDS):
            made = cls(signal, outright, shape, unit)
            saving = np.concatenate([follow_actions(p, made.actions(p), params, rules).saving for p in parts])
            value = sharpe(saving)
            if value > best:
                best, found = value, made
        return found


def sharpe(saving: Array) -> float:
    """Annual Sharpe ratio of daily savings; 0 where they do not vary."""
    known = saving[np.isfinite(saving)]
    deviation = float(known.std(ddof=1)) if known.size > 1 else 0.0
    return float(known.mean() / deviation * np.sqrt(365)) if deviation > 1e-12 else 0.0


def by_action(days: Steps, action: Ints) -> Wish:
    """The policy that takes a given action on each day."""
    wanted = days.positions[np.arange(days.count), action]
    return lambda _, i, __: np.asarray(wanted[i])


def follow(days: Steps, wish: Wish, params: Params, rules: HedgeRules, *, scale: float = 1.0) -> Followed:
    """What a policy does within the limits, and saves: the first day moves from no hedge.

    Args:
        days: days of one series.
        wish: the policy.
        params: fees.
        rules: limits.
        scale: its hedges are multiplied by, in [0, 1], to compare policies at equal turnover.
    """
    hedge, before = np.zeros((days.count, 2)), np.zeros(2)
    for i in range(days.count):
        before = rules.admitted(wish(days, i, before), before, days.share[i], float(days.widest[i]))
        hedge[i] = before
    return settled(days, scale * hedge, params)


def follow_actions(days: Steps, action: Ints, params: Params, rules: HedgeRules) -> Followed:
    """`follow` of a given action on each day; actions keep all limits but the step, so that a wide one leaves nothing to check."""
    if rules.step < 2 * float(days.widest.max(initial=0.0)):
        return follow(days, by_action(days, action), params, rules)
    return settled(days, days.positions[np.arange(days.count), action], params)


def settled(days: Steps, hedge: Array, params: Params) -> Followed:
    """Saving of hedges given, shape (n, 2), with fees; the fee on deviation is that of the nearest action, in proportion."""
    moved = (np.abs(np.diff(hedge, axis=0, prepend=np.zeros((1, 2)))) * days.share).sum(axis=1)
    traded = (np.abs(hedge) * days.share).sum(axis=1)
    near = np.abs(days.positions - hedge[:, None, :]).sum(axis=2).argmin(axis=1)
    row = np.arange(days.count)
    there = (np.abs(days.positions[row, near]) * days.share).sum(axis=1)
    part = np.divide(traded, there, out=np.zeros_like(traded), where=there > 1e-12)
    gross = (hedge * days.share * days.spread).sum(axis=1) + part * days.fee_saving[row, near]
    return Followed(hedge, gross - params.trade_fee_ccy_per_mwh * traded - params.move_fee_ccy_per_mwh * moved, traded, moved)


def held(parts: list[Steps], params: Params, rules: HedgeRules) -> int:
    """The single action that saved most on training days: buy and hold."""
    total = [sum(float(np.nansum(follow_actions(p, np.full(p.count, a), params, rules).saving)) for p in parts) for a in range(ACTIONS)]
    return int(np.argmax(total)) if max(total) > 0 else IDLE


def cvar_program(past: Array, params: Params, rules: HedgeRules) -> Wish:
    """The myopic program: mean and CVaR of tomorrow's saving over the last `SCENARIO_DAYS` known days, less fees, within all limits.

    Args:
        past: spreads of (day, night) of days before the first asked, shape (m, 2), dates rising.
        params: fees and risk aversion.
        rules: limits.
    """

    def wish(days: Steps, i: int, before: Array) -> Array:
        known = (days.known[:i] <= days.as_of[i]) & np.isfinite(days.spread[:i]).all(axis=1)
        seen = np.concatenate((past[np.isfinite(past).all(axis=1)], days.spread[:i][known]))[-SCENARIO_DAYS:]
        if len(seen) < 20:
            return np.zeros(2)
        return _programmed(seen * days.share[i], before, days.share[i], float(days.widest[i]), params, rules)

    return wish


def _programmed(worth: Array, before: Array, share: Array, widest: float, params: Params, rules: HedgeRules) -> Array:
    """Hedge of (day, night): a linear program in its parts bought and sold, the moves, value at risk and the shortfalls beyond it."""
    from scipy.optimize import linprog

    m, risk, tail = len(worth), params.risk_aversion, params.tail
    # columns: hedge up (2), hedge down (2), move (2), value at risk (1), shortfall (m)
    mean = worth.mean(axis=0)
    trade, move = params.trade_fee_ccy_per_mwh * share, params.move_fee_ccy_per_mwh * share
    cost = np.concatenate((trade - (1 - risk) * mean, trade + (1 - risk) * mean, move, [-risk], np.full(m, risk / (tail * m))))
    eye, none = np.eye(2), np.zeros((2, m))
    rows = np.vstack(
        (
            np.hstack((-worth, worth, np.zeros((m, 2)), np.ones((m, 1)), -np.eye(m))),  # value at risk - saving <= shortfall
            np.hstack((eye, -eye, -eye, np.zeros((2, 1)), none)),  # hedge - before <= move
            np.hstack((-eye, eye, -eye, np.zeros((2, 1)), none)),
            np.hstack((share, -share, np.zeros(3 + m)))[None],
            np.hstack((-share, share, np.zeros(3 + m)))[None],
        )
    )
    bound = np.concatenate((np.zeros(m), before, -before, [rules.net, rules.net]))
    limits = [(0, widest)] * 4 + [(0, rules.step)] * 2 + [(None, None)] + [(0, None)] * m
    solved = linprog(cost, A_ub=rows, b_ub=bound, bounds=limits, method="highs")
    return np.asarray(solved.x[:2] - solved.x[2:4]) if solved.x is not None else np.zeros(2)


def decided(weights: Mapping[str, Array], head: str, inputs: Array, params: Params) -> Array:
    """Preference for every action of one network's head, shape (n, actions); the highest is taken."""
    if head in {IQL, CLONE}:
        return np.asarray(networks.answered(np, weights, "policy" if head == IQL else CLONE, inputs))
    return np.asarray(networks.ranked(networks.returns(np, weights, head, inputs, ACTIONS), params.risk_aversion, params.tail))


def inputs_of(scaled: Array, before: Array, rules: HedgeRules) -> Array:
    """What networks read: scaled state, and the hedge of the day before in units of the band, shape (n, k + 2)."""
    return np.column_stack((scaled, before / max(rules.band, 1e-9)))


def network(weights: Mapping[str, Array], head: str, scale: StateScale, params: Params, rules: HedgeRules) -> Wish:
    """The policy of one network, or of several (a first axis of seeds) by the mean of their preferences in standard units."""
    several = weights["cql_a"].ndim == 3
    seeds = range(len(weights["cql_a"])) if several else ()
    each: list[Mapping[str, Array]] = [{k: v[s] for k, v in weights.items()} for s in seeds] or [weights]

    def wish(days: Steps, i: int, before: Array) -> Array:
        told = inputs_of(scale.scaled(days.state[i : i + 1]), before[None], rules)
        preference = [decided(one, head, told, params)[0] for one in each]
        common = np.mean([(p - p.mean()) / max(float(p.std()), 1e-12) for p in preference], axis=0)
        return np.asarray(days.positions[i, int(np.argmax(common))])

    return wish


def hindsight(days: Steps, params: Params) -> Wish:
    """The action that saves most with the spread known, day by day: the limit of what any policy can earn, fees for moving aside."""
    value = np.nan_to_num(days.saving()) - params.trade_fee_ccy_per_mwh * days.traded()
    return by_action(days, value.argmax(axis=1))
