"""A battery between a day-ahead and a real-time market: two-stage stochastic program with mean and CVaR, solved to a proven optimum.

First stage: the day-ahead schedule g of every interval, itself a schedule the battery could deliver. Second stage, in every scenario: the
delivery, once prices are known. What delivery leaves of the schedule is traded in real time or deviates at a penalty (`rules`). Objective
(Rockafellar & Uryasev 2000, written as Noyan 2012):

    maximise (1 - risk_aversion) E[profit] + risk_aversion CVaR_alpha(profit).

Charge and discharge in one interval are excluded. A lossy battery gains from doing both only where a price is negative, so the program is
solved without binaries first; intervals where the answer does both get one and it is solved again, until there are none. The answer then
is feasible for the program with all binaries, of which each step is a relaxation: it is optimal for it.

Where the schedule can be left without fee or penalty, or cannot be left at all, a risk-neutral program is linear in each scenario's prices
and its schedule is that of their means: the value of the stochastic solution (`worth_of`) is nought. It comes from costly recourse or risk
aversion alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.program import Program, ScheduleError
from models._kernel.storage.rules import MarketRules, cvar, profits, shares_of

__all__ = [
    "MarketRules",
    "ScheduleError",
    "StorageAsset",
    "StoragePlan",
    "Worth",
    "frontier",
    "perfect_foresight",
    "solve_two_stage",
    "worth_of",
]

Array = npt.NDArray[np.float64]
ALPHA = 0.95
TIME_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class StoragePlan:
    """A solved program of T intervals and S scenarios.

    Attributes:
        day_ahead_mw: day-ahead schedule, output less charge, shape (T,).
        charge_mw, discharge_mw: delivery of every scenario, at the meter, shape (S, T); never both above zero.
        charge_level_mwh: charge at the end of every interval, shape (S, T).
        profit_ccy: profit of every scenario, fees, penalties and wear included, shape (S,).
        expected_ccy: their mean.
        cvar_ccy: mean of their worst 1 - alpha.
        objective_ccy: (1 - risk_aversion) expected + risk_aversion cvar.
        risk_aversion, alpha: as asked.
        status: `optimal`, or `time_limit` where the solver stopped with a feasible plan before it proved it best.
        solver_s: seconds inside the solver.
        build_s: seconds of writing the program down and reading it back.
    """

    day_ahead_mw: Array
    charge_mw: Array
    discharge_mw: Array
    charge_level_mwh: Array
    profit_ccy: Array
    expected_ccy: float
    cvar_ccy: float
    objective_ccy: float
    risk_aversion: float
    alpha: float
    status: str
    solver_s: float
    build_s: float

    @property
    def net_mw(self) -> Array:
        """Delivery, output less charge, shape (S, T)."""
        return self.discharge_mw - self.charge_mw


@dataclass(frozen=True, slots=True)
class Worth:
    """What information and the stochastic program are worth, in the objective's currency (Birge & Louveaux 2011, ch. 4).

    Attributes:
        stochastic_ccy: objective of the program.
        wait_and_see_ccy: the same functional of the profits with every scenario known in advance.
        expected_value_ccy: objective when the schedule is that of the mean prices, delivery free.
        schedule_of_means_mw: that schedule, shape (T,).
    """

    stochastic_ccy: float
    wait_and_see_ccy: float
    expected_value_ccy: float
    schedule_of_means_mw: Array

    @property
    def evpi_ccy(self) -> float:
        """Expected value of perfect information, at least 0."""
        return self.wait_and_see_ccy - self.stochastic_ccy

    @property
    def vss_ccy(self) -> float:
        """Value of the stochastic solution, at least 0."""
        return self.stochastic_ccy - self.expected_value_ccy


def solve_two_stage(
    asset: StorageAsset,
    rules: MarketRules,
    day_ahead: npt.ArrayLike,
    real_time: npt.ArrayLike,
    probability: npt.ArrayLike | None = None,
    *,
    risk_aversion: float,
    alpha: float = ALPHA,
    committed: npt.ArrayLike | None = None,
    delivered: npt.ArrayLike | None = None,
    time_limit_s: float = TIME_LIMIT_S,
) -> StoragePlan:
    """The day-ahead schedule, and deliveries in every scenario, that maximise (1 - risk_aversion) mean + risk_aversion CVaR of profit.

    Pure and deterministic (one thread, fixed seed): same arguments, same plan.

    Args:
        asset: the battery.
        rules: rules of the market, `MarketRules.of_market(...)`.
        day_ahead: scenarios of the day-ahead price, currency/MWh, shape (S, T).
        real_time: scenarios of the real-time price, same shape.
        probability: of the scenarios, shape (S,), summing to one; None for equal ones.
        risk_aversion: weight of CVaR, 0 (mean alone) to 1 (CVaR alone).
        alpha: the tail is the worst 1 - alpha, inside (0, 1).
        committed: a day-ahead schedule that is given, MW, shape (T,); only deliveries are decided then.
        delivered: deliveries that are given, MW, shape (S, T), say those of a controller that sees prices one by one; only the schedule
            is decided then, for what it can count on.
        time_limit_s: seconds after which the best plan found so far is returned with status `time_limit`.

    Raises:
        ValueError: shapes, prices, probabilities or settings cannot be; the message names the argument.
        ScheduleError: there is no plan (a committed schedule that cannot be left and not be delivered), or none in time.
    """
    prices = _Prices.of(rules, day_ahead, real_time, probability)
    return _solved(asset, rules, prices, (risk_aversion,), alpha=alpha, given=(committed, delivered), time_limit_s=time_limit_s)[0]


def frontier(
    asset: StorageAsset,
    rules: MarketRules,
    day_ahead: npt.ArrayLike,
    real_time: npt.ArrayLike,
    probability: npt.ArrayLike | None = None,
    *,
    lambdas: Sequence[float],
    alpha: float = ALPHA,
    delivered: npt.ArrayLike | None = None,
    time_limit_s: float = TIME_LIMIT_S,
) -> list[StoragePlan]:
    """One plan per risk aversion, as `solve_two_stage` gives it; the program is written down once."""
    prices = _Prices.of(rules, day_ahead, real_time, probability)
    return _solved(asset, rules, prices, tuple(lambdas), alpha=alpha, given=(None, delivered), time_limit_s=time_limit_s)


def perfect_foresight(asset: StorageAsset, rules: MarketRules, day_ahead: npt.ArrayLike, real_time: npt.ArrayLike) -> StoragePlan:
    """The best of both markets with prices known in advance; prices of one day, shape (T,)."""
    first, second = (np.asarray(v, dtype=np.float64)[None, :] for v in (day_ahead, real_time))
    return solve_two_stage(asset, rules, first, second, risk_aversion=0.0)


def worth_of(
    asset: StorageAsset,
    rules: MarketRules,
    day_ahead: npt.ArrayLike,
    real_time: npt.ArrayLike,
    probability: npt.ArrayLike | None = None,
    *,
    risk_aversion: float = 0.0,
    alpha: float = ALPHA,
    plan: StoragePlan | None = None,
) -> Worth:
    """EVPI and VSS of a program; arguments as of `solve_two_stage`, and its answer to them where there is one. Solves S + 3 programs."""
    prices = _Prices.of(rules, day_ahead, real_time, probability)
    first, second, share = prices.first, prices.second, prices.share

    def functional(profit: Array) -> float:
        return (1 - risk_aversion) * float(share @ profit) + risk_aversion * cvar(profit, share, alpha)

    plan = plan or solve_two_stage(asset, rules, first, second, share, risk_aversion=risk_aversion, alpha=alpha)
    seen = np.array([perfect_foresight(asset, rules, first[s], second[s]).profit_ccy[0] for s in range(share.size)])
    means = perfect_foresight(asset, rules, share @ first, share @ second).day_ahead_mw
    held = solve_two_stage(asset, rules, first, second, share, risk_aversion=risk_aversion, alpha=alpha, committed=means)
    return Worth(functional(plan.profit_ccy), functional(seen), functional(held.profit_ccy), means)


@dataclass(frozen=True, slots=True)
class _Prices:
    """Checked scenarios, shape (S, T), and their probabilities, shape (S,)."""

    first: Array
    second: Array
    share: Array

    @classmethod
    def of(cls, rules: MarketRules, day_ahead: npt.ArrayLike, real_time: npt.ArrayLike, probability: npt.ArrayLike | None) -> _Prices:
        first, second = rules.checked("day_ahead", day_ahead), rules.checked("real_time", real_time)
        if first.ndim != 2 or first.shape != second.shape or 0 in first.shape:
            raise ValueError(f"day_ahead has shape {first.shape}, real_time {second.shape}; give both as (scenarios, intervals)")
        return cls(first, second, shares_of(probability, first.shape[0]))


def _solved(
    asset: StorageAsset,
    rules: MarketRules,
    prices: _Prices,
    lambdas: tuple[float, ...],
    *,
    alpha: float,
    given: tuple[npt.ArrayLike | None, npt.ArrayLike | None],
    time_limit_s: float,
) -> list[StoragePlan]:
    first, second, share = prices.first, prices.second, prices.share
    if not lambdas or not all(0 <= value <= 1 for value in lambdas):
        raise ValueError(f"risk_aversion is {list(lambdas)}; every one must lie in 0..1")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; it must lie strictly between 0 and 1")
    committed, delivered = (None if v is None else np.asarray(v, dtype=np.float64) for v in given)
    if committed is not None and (committed.shape != first.shape[1:] or not np.isfinite(committed).all()):
        raise ValueError(f"committed has shape {committed.shape}; give one finite MW for each of the {first.shape[1]} intervals")
    if delivered is not None and (delivered.shape != first.shape or not np.isfinite(delivered).all()):
        raise ValueError(f"delivered has shape {delivered.shape}; give one finite MW for each scenario and interval, {first.shape}")
    began = time.perf_counter()
    program = Program(asset, rules, first, second, share, alpha=alpha, committed=committed, delivered=delivered, time_limit_s=time_limit_s)
    build, plans = time.perf_counter() - began, []
    for value in lambdas:
        answer = program.solve(value)
        charge, discharge = np.maximum(-answer.net_mw, 0.0), np.maximum(answer.net_mw, 0.0)
        profit = profits(
            rules,
            committed_mw=answer.committed_mw,
            net_mw=answer.net_mw,
            day_ahead=first,
            real_time=second,
            power_mw=asset.power_mw,
            wear_ccy_per_mwh=asset.degradation_ccy_per_mwh,
        )
        expected, tail = float(share @ profit), cvar(profit, share, alpha)
        plan = StoragePlan(
            day_ahead_mw=answer.committed_mw,
            charge_mw=charge,
            discharge_mw=discharge,
            charge_level_mwh=asset.levels(answer.net_mw, rules.hours),
            profit_ccy=profit,
            expected_ccy=expected,
            cvar_ccy=tail,
            objective_ccy=(1 - value) * expected + value * tail,
            risk_aversion=value,
            alpha=alpha,
            status=answer.status,
            solver_s=answer.solver_s,
            build_s=build,
        )
        plans.append(plan)
        build = 0.0  # written down once
    return plans
