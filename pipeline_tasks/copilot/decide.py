"""The decision of a plan: battery and day-ahead hedge under mean and shortfall, its profit and risk, and the desk's limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.risk import Desk, Risk
from models._kernel.hedge_lp import cvar_hedge
from models._kernel.shortfall import expected_shortfall, value_at_risk
from pipeline_tasks.copilot.battery import BatteryPlan, no_battery, plan_battery
from pipeline_tasks.copilot.forecasts import Prices
from pipeline_tasks.copilot.request import PlanRequest

Array = npt.NDArray[np.float64]
DAYS_A_YEAR = 365.0
DRAWDOWN_LEVEL = 0.95
ROUNDING_CCY = 1e-6


@dataclass(frozen=True, slots=True)
class Solved:
    """A plan at one risk aversion: s scenarios, h hubs, t intervals.

    Attributes:
        risk_aversion: weight of the shortfall.
        hedge_mw: sold day-ahead of each open position, purchases below zero, shape (h, t).
        battery: what the battery does.
        open_profit: what the open position earns at the balancing price beyond its mark, shape (s, t), currency.
        hedge_profit: what the hedge adds, fees taken off, shape (s, t).
    """

    risk_aversion: float
    hedge_mw: Array
    battery: BatteryPlan
    open_profit: Array
    hedge_profit: Array

    @property
    def running(self) -> Array:
        """Profit by interval, all parts together, shape (s, t)."""
        return self.open_profit + self.hedge_profit + self.battery.profit

    @property
    def profit(self) -> Array:
        """Profit of every scenario, shape (s,)."""
        return np.asarray(self.running.sum(axis=1))


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: what the plan needs of it, what there is, and whether it holds."""

    name: str
    value: float
    limit: float
    unit: str

    @property
    def holds(self) -> bool:
        """Whether the plan stays within it, rounding aside."""
        return self.value <= self.limit + ROUNDING_CCY

    @property
    def reason(self) -> str:
        """What is wrong; empty where it holds."""
        return "" if self.holds else f"{self.name} is {self.value:,.0f} {self.unit}, at most {self.limit:,.0f} is allowed"


@dataclass(frozen=True, slots=True)
class Decision:
    """The plan that is proposed.

    Attributes:
        chosen: the plan: at the risk aversion asked for, or at the first higher one of the frontier that keeps the risk budget.
        frontier: plans at every risk aversion of config/risk.yaml.
        limits: every limit that was checked.
    """

    chosen: Solved
    frontier: tuple[Solved, ...]
    limits: tuple[Limit, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Limits that are broken, in words."""
        return tuple(limit.reason for limit in self.limits if not limit.holds)


def decide(prices: Prices, request: PlanRequest, risk: Risk, *, used: float = 0.0) -> Decision:
    """Solve the plan and check it.

    Args:
        prices: scenarios of the horizon.
        request: position, battery and appetite for risk.
        risk: limits and assumptions.
        used: expected shortfall of the desk's other plans of the delivery date that wait or are approved, currency.
    """
    lambdas = sorted({*risk.frontier, request.risk_aversion})
    none = no_battery(prices.day_ahead.shape)
    batteries = plan_battery(prices, request, risk, lambdas) if request.battery else dict.fromkeys(lambdas, none)
    frontier = {a: solve(prices, request, risk, a, batteries[a]) for a in lambdas}
    budget = request.risk_budget_ccy or float("inf")
    admissible = [a for a in frontier if a >= request.risk_aversion and _shortfall(frontier[a], risk) <= budget + ROUNDING_CCY]
    chosen = frontier[admissible[0] if admissible else max(frontier)]
    limits = limits_of(chosen, prices, request, risk, used=used)
    return Decision(chosen, tuple(frontier[a] for a in risk.frontier), limits)


def solve(prices: Prices, request: PlanRequest, risk: Risk, risk_aversion: float, battery: BatteryPlan) -> Solved:
    """The plan at one risk aversion: the hedge of the position, beside a battery that was planned by itself."""
    position = np.repeat(np.array(request.position_mw)[:, None], len(prices.starts), axis=1)
    energy = position * prices.hours
    open_profit = np.einsum("ht,sht->st", energy, prices.real_time - prices.mark)
    margin = prices.day_ahead - prices.real_time
    s, h, t = margin.shape
    volume = np.zeros((h, t))
    if prices.has_balancing and np.any(position):
        room = (1 + risk.overhedge_share) * energy
        solved = cvar_hedge(
            margin.reshape(s, h * t),
            (open_profit + battery.profit).sum(axis=1),
            np.minimum(room, 0.0).ravel(),
            np.maximum(room, 0.0).ravel(),
            fee=risk.hedge_fee_ccy_per_mwh,
            risk_aversion=risk_aversion,
            level=risk.level,
        )
        volume = solved.volume.reshape(h, t)
    hedge_profit = np.einsum("ht,sht->st", volume, margin) - risk.hedge_fee_ccy_per_mwh * np.abs(volume).sum(axis=0)
    return Solved(risk_aversion, volume / prices.hours, battery, open_profit, hedge_profit)


def figures(solved: Solved, risk: Risk) -> Mapping[str, tuple[float, str]]:
    """Profit and risk of a plan by name, with units; a Sharpe ratio is of the day's profit, scaled to a year."""
    profit, unhedged = solved.profit, solved.open_profit.sum(axis=1)
    spread = float(profit.std(ddof=1)) if profit.size > 1 else 0.0
    falls = drawdowns(solved.running)
    level = round(100 * risk.level)
    return {
        "expected_profit_ccy": (float(profit.mean()), "currency"),
        "expected_open_profit_ccy": (float(unhedged.mean()), "currency"),
        "expected_hedge_profit_ccy": (float(solved.hedge_profit.sum(axis=1).mean()), "currency"),
        "expected_battery_profit_ccy": (float(solved.battery.profit.sum(axis=1).mean()), "currency"),
        f"var_{level}_ccy": (float(value_at_risk(-profit, risk.level)), "currency"),
        f"es_{level}_ccy": (float(expected_shortfall(-profit, risk.level)), "currency"),
        f"unhedged_es_{level}_ccy": (float(expected_shortfall(-unhedged, risk.level)), "currency"),
        "profit_sd_ccy": (spread, "currency"),
        "sharpe_annual": (float(profit.mean() / spread * np.sqrt(DAYS_A_YEAR)) if spread > 0 else 0.0, "1"),
        "drawdown_mean_ccy": (float(falls.mean()), "currency"),
        "drawdown_95_ccy": (float(value_at_risk(falls, DRAWDOWN_LEVEL)), "currency"),
        "risk_aversion": (solved.risk_aversion, "1"),
    }


def drawdowns(running: Array) -> Array:
    """Deepest fall of each scenario's running profit from its highest point so far, the start included; shape (s,)."""
    path = np.concatenate((np.zeros((running.shape[0], 1)), running.cumsum(axis=1)), axis=1)
    return np.asarray((np.maximum.accumulate(path, axis=1) - path).max(axis=1))


def limits_of(solved: Solved, prices: Prices, request: PlanRequest, risk: Risk, *, used: float) -> tuple[Limit, ...]:
    """Every limit of the desk and of the request beside what the plan needs of it.

    A shortfall below zero (a plan that earns even in its worst scenarios) takes nothing of a budget.
    """
    desk: Desk = risk.desk(request.desk)
    shortfall = max(_shortfall(solved, risk), 0.0)
    traded = float((np.abs(solved.hedge_mw) * prices.hours).sum() + (np.abs(solved.battery.day_ahead_mw) * prices.hours).sum())
    found = [
        Limit("largest open position of a hub", max(abs(p) for p in request.position_mw), desk.position_mw, "MW"),
        Limit("energy traded day-ahead", traded, desk.day_ahead_mwh, "MWh"),
        Limit("expected shortfall of the plan", shortfall, desk.es_95_ccy, "currency"),
        Limit("expected shortfall of the desk's plans of the day", used + shortfall, desk.es_95_ccy, "currency"),
        Limit("drawdown (95 %)", figures(solved, risk)["drawdown_95_ccy"][0], desk.drawdown_95_ccy, "currency"),
    ]
    if request.risk_budget_ccy:
        found.append(Limit("expected shortfall against the risk budget asked for", shortfall, request.risk_budget_ccy, "currency"))
    return tuple(found)


def _shortfall(solved: Solved, risk: Risk) -> float:
    return float(expected_shortfall(-solved.profit, risk.level))


__all__ = ["Decision", "Limit", "Solved", "decide", "drawdowns", "figures", "limits_of", "solve"]
