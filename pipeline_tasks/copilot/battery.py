"""The battery of a plan: its day-ahead schedule and what it does in real time, from the two-stage program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from config.risk import Risk
from models._kernel.registry import params_of
from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.rules import MarketRules, profits
from pipeline_tasks.copilot.forecasts import Prices
from pipeline_tasks.copilot.request import PlanRequest, PlanRequestError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BatteryPlan:
    """What a battery does: s scenarios, t intervals.

    Attributes:
        day_ahead_mw: sold day-ahead, purchases below zero, shape (t,).
        output_mw: what it delivers in each scenario, charging below zero, shape (s, t).
        charge_mwh: charge at the end of each interval, shape (s, t).
        profit: profit of each interval, wear, fees and penalties taken off, currency, shape (s, t).
    """

    day_ahead_mw: Array
    output_mw: Array
    charge_mwh: Array
    profit: Array


def no_battery(shape: tuple[int, ...]) -> BatteryPlan:
    """A battery that is not there, for prices of shape (s, h, t)."""
    nothing = np.zeros((shape[0], shape[2]))
    return BatteryPlan(np.zeros(shape[2]), nothing, nothing, nothing)


def plan_battery(prices: Prices, request: PlanRequest, risk: Risk, lambdas: Sequence[float]) -> dict[float, BatteryPlan]:
    """The schedule that is best at each risk aversion, at the battery's hub.

    In real time the program sees each scenario's whole path, so its expectation is an upper bound of what can be had (docs/bess.md).

    Raises:
        PlanRequestError: the market has no rules for a battery.
    """
    from models._kernel.storage.two_stage import frontier

    if not prices.has_balancing:
        raise PlanRequestError(f"battery is asked for and {request.market} has no balancing price; plan without it")
    asset, rules = _battery(request, float(prices.hours[0]))
    hub = request.hubs.index(request.battery_hub or request.hubs[0])
    first, second = (rules.clipped(cube[:, hub]) for cube in (prices.day_ahead, prices.real_time))
    plans = frontier(asset, rules, first, second, lambdas=lambdas, alpha=risk.level)
    return {
        a: BatteryPlan(p.day_ahead_mw, p.net_mw, p.charge_level_mwh, _profit(asset, rules, first, second, p.day_ahead_mw, p.net_mw))
        for a, p in zip(lambdas, plans, strict=True)
    }


def settled_battery(request: PlanRequest, numbers: pl.DataFrame, prices: pl.DataFrame, hours: float) -> float:
    """Profit of the plan's day-ahead schedule at realised prices, delivered as well as prices known in advance of each day allow.

    Deliveries are decided by the same program with one path of prices, so that the charge is kept; currency.
    """
    from models._kernel.storage.two_stage import solve_two_stage

    place = request.battery_hub or request.hubs[0]
    schedule = numbers.filter(pl.col("quantity") == "battery_day_ahead_mw").sort("delivery_ts")
    if schedule.is_empty():
        return 0.0
    asset, rules = _battery(request, hours)
    own = schedule.select("delivery_ts", "value").join(prices.filter(pl.col("hub") == place), on="delivery_ts").sort("delivery_ts")
    first, second = (rules.clipped(own[c].to_numpy())[None, :] for c in ("day_ahead", "real_time"))
    return solve_two_stage(asset, rules, first, second, risk_aversion=0.0, committed=own["value"].to_numpy()).expected_ccy


def _battery(request: PlanRequest, hours: float) -> tuple[StorageAsset, MarketRules]:
    """The battery and its market's rules, for intervals of that length.

    Raises:
        PlanRequestError: the market has no rules for a battery.
    """
    market = request.context.selection.market
    if market.storage is None:
        raise PlanRequestError(f"battery is asked for and {market.key} has no storage rules in config/markets.yaml; plan without it")
    given = market.model_dump()
    asset = StorageAsset.of(params_of("bess_vpp")["assets"]["bess"], "bess").on(given)
    return asset, replace(MarketRules.of_market(given), interval_min=round(60 * hours))


def _profit(asset: StorageAsset, rules: MarketRules, first: Array, second: Array, committed: Array, net: Array) -> Array:
    """Profit interval by interval: each is settled as a horizon of its own, shape (s, t)."""
    return profits(
        rules,
        committed_mw=committed[:, None],
        net_mw=net[..., None],
        day_ahead=first[..., None],
        real_time=second[..., None],
        power_mw=asset.power_mw,
        wear_ccy_per_mwh=asset.degradation_ccy_per_mwh,
    )


__all__ = ["BatteryPlan", "no_battery", "plan_battery", "settled_battery"]
