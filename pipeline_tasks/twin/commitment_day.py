"""The commitment problem of a day: thermal units one by one, stores and renewables pooled, on the day-ahead view alone.

The horizon is the day and some hours after it; for those the day's own early hours stand in, because nothing newer is published at the
gate. Pools keep the integer programme small: one reservoir and one store per technology, wind and sun by the height of their support.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models._kernel.grid.commitment_types import (
    Commitment,
    CommitmentProblem,
    EnergyLimited,
    Penalties,
    Renewable,
    Storage,
    ThermalUnit,
    UnitState,
)
from models._kernel.grid.network import Floats, Ints
from pipeline_tasks.twin.ancillary import ReserveNeeds, scarcity_worth
from pipeline_tasks.twin.fleet import Fleet
from pipeline_tasks.twin.fleet_config import TradingConfig
from pipeline_tasks.twin.market_types import RESERVES, WINDOWS, DayForecast, FleetState, Offers, Reserve, window_of

START_HEAT_OF_WARM = (0.6, 1.0, 1.4)
"""Cost of a hot, warm and cold start over that of a warm one."""
LARGEST_HYDRO_DAY = 2.2
"""A reservoir delivers in a day at most so many times its mean inflow of a day."""
STORE_TARGET = 0.5
"""Share of a store that the commitment leaves after its horizon."""
SUPPORT_EDGES = (3.0, 20.0)
"""Edges, EUR/MWh, between the pools of renewables."""


@dataclass(frozen=True)
class Pools:
    """Which units stand behind the pooled elements of the problem, in the order of its renewables, stores and reservoirs."""

    thermal: Ints
    renewables: tuple[Ints, ...]
    storage: tuple[Ints, ...]
    hydro: tuple[Ints, ...]


def pools_of(fleet: Fleet) -> Pools:
    """Pools of a fleet; fixed over days."""
    units = fleet.units
    level = np.digitize(units.support, SUPPORT_EDGES)
    free = units.renewable | units.river
    flexible = units.thermal & ~units.committed
    groups = [np.flatnonzero(free & (level == k)) for k in range(len(SUPPORT_EDGES) + 1)]
    groups += [np.array([k]) for k in np.flatnonzero(flexible)]
    stores = [np.flatnonzero(units.storage & units.of(t)) for t in dict.fromkeys(units.technology)]
    return Pools(
        np.flatnonzero(units.committed),
        tuple(g for g in groups if len(g)),
        tuple(g for g in stores if len(g)),
        tuple(g for g in (np.flatnonzero(units.reservoir),) if len(g)),
    )


def horizon_of(forecast: DayForecast, lookahead: int) -> Ints:
    """Hours of the day that stand for each hour of the horizon."""
    hours = len(forecast.local_hour)
    return np.concatenate([np.arange(hours), np.arange(lookahead) % hours])


def mean_offers(fleet: Fleet, offers: Offers, forecast: DayForecast) -> Floats:
    """(unit, block) offered prices, windows weighted by their hours; 0 where a block is not used."""
    hours = np.bincount(window_of(forecast.local_hour), minlength=len(WINDOWS))
    total = np.zeros(fleet.units.block_mw.shape)
    np.add.at(total, (offers.unit, offers.block), offers.price * hours[offers.window])
    return np.asarray(total / hours.sum())


def commitment_problem(
    fleet: Fleet, config: TradingConfig, forecast: DayForecast, state: FleetState, drawn: tuple[Offers, Floats, ReserveNeeds, Pools]
) -> CommitmentProblem:
    """The problem of a day.

    Args:
        fleet: the units.
        config: the rules.
        forecast: the day-ahead view.
        state: end of the day before.
        drawn: offers, values of stored energy, reserve needs of the day's hours, pools.
    """
    offers, values, needs, pools = drawn
    units = fleet.units
    span = horizon_of(forecast, config.dayahead.lookahead_h)
    available = forecast.available_mw[span]
    thermal = pools.thermal
    out = len(forecast.local_hour)
    available[out:, thermal] = forecast.available_mw[-1, thermal]
    prices = mean_offers(fleet, offers, forecast)
    free = prices + start_adders(fleet, config, forecast)[:, None]
    bid = forecast.load_mw.sum(axis=1) * (1 + config.losses.share) * (1 + config.dayahead.load_premium)
    spinning = needs.nested()[:, RESERVES.index(Reserve.SPINNING)]
    return CommitmentProblem(
        demand_mw=bid[span],
        units=tuple(_thermal_unit(fleet, config, forecast, prices[u], int(u)) for u in thermal),
        state=tuple(_unit_state(fleet, state, int(u)) for u in thermal),
        reserve_mw=spinning[span] * sum(config.dayahead.curve_share),
        renewables=tuple(_renewable(fleet, available, free, group) for group in pools.renewables),
        storage=tuple(_storage(fleet, available, state, group) for group in pools.storage),
        hydro=tuple(_reservoir(fleet, available, (state, values, forecast), group) for group in pools.hydro),
        availability_mw=np.ascontiguousarray(np.where(units.p_min_mw[thermal] > available[:, thermal], 0.0, available[:, thermal]).T),
        penalties=Penalties(
            unserved_energy=forecast.price_cap,
            oversupply=-forecast.price_floor,
            reserve_shortfall=_shortfall(config, float(spinning.mean()), scarcity_worth(config.dayahead, offers, forecast.price_cap)),
        ),
    )


def _thermal_unit(fleet: Fleet, config: TradingConfig, forecast: DayForecast, prices: Floats, u: int) -> ThermalUnit:
    units = fleet.units
    size, low = units.block_mw[u], float(max(units.p_min_mw[u], 0.0))
    used = np.flatnonzero(size > 1e-9)
    ends, cost = np.cumsum(size[used]), np.cumsum(size[used] * prices[used])
    points = [(float(e), float(c)) for e, c in zip(ends, cost, strict=True)]
    if low <= 0:
        points = [(0.0, 0.0), *points]
    high = float(units.p_max_mw[u])
    ramp = float(60 * units.ramp_mw_per_min[u])
    return ThermalUnit(
        name=units.names[u],
        power_output_minimum=points[0][0],
        power_output_maximum=points[-1][0],
        piecewise_production=tuple(points),
        startup=_start_tiers(fleet, config, forecast, u),
        time_up_minimum=int(units.up_h[u]),
        time_down_minimum=int(units.down_h[u]),
        ramp_up_limit=min(ramp, high),
        ramp_down_limit=min(ramp, high),
        must_run=bool(units.must_run[u]),
        reserve_maximum=float(units.reserve_share[u] * high),
    )


def _start_tiers(fleet: Fleet, config: TradingConfig, forecast: DayForecast, u: int) -> tuple[tuple[int, float], ...]:
    units = fleet.units
    fuel = {"gas": float(forecast.gas[u]), "coal": forecast.coal}.get(units.fuel[u], config.fleet.fuels.prices.get(units.fuel[u], 0.0))
    warm = start_cost(fleet, u, fuel, forecast.co2)
    first = int(units.down_h[u])
    second = max(int(units.cool_h[u, 0]), first + 1)
    lags = (first, second, max(int(units.cool_h[u, 1]), second + 1))
    return tuple((lag, warm * factor) for lag, factor in zip(lags, START_HEAT_OF_WARM, strict=True))


def start_cost(fleet: Fleet, u: int, fuel_price: float, co2: float) -> float:
    """Cost of a warm start, EUR: wear, and fuel with its carbon."""
    units = fleet.units
    return float(units.start_wear[u] + units.start_heat[u] * (fuel_price + units.emission[u] * co2))


def start_adders(fleet: Fleet, config: TradingConfig, forecast: DayForecast) -> Floats:
    """EUR/MWh (unit,) that a start costs when spread over the configured hours of full output; 0 for units that are not fast."""
    prices = config.fleet.fuels.prices
    adder = np.zeros(len(fleet.units.names))
    for u in np.flatnonzero(fleet.units.fast):
        fuel = float(forecast.gas[u]) if fleet.units.fuel[u] == "gas" else prices.get(fleet.units.fuel[u], forecast.coal)
        cost = start_cost(fleet, int(u), fuel, forecast.co2)
        adder[u] = cost / (config.realtime.fast_start_h * fleet.units.p_max_mw[u])
    return adder


def _unit_state(fleet: Fleet, state: FleetState, u: int) -> UnitState:
    on = bool(state.on[u])
    low, high = float(fleet.units.p_min_mw[u]), float(fleet.units.p_max_mw[u])
    output = float(np.clip(state.output_mw[u], low, high)) if on else 0.0
    return UnitState(on, max(int(state.hours_in_state[u]), 1), output)


def _renewable(fleet: Fleet, available: Floats, prices: Floats, group: Ints) -> Renewable:
    total = available[:, group].sum(axis=1)
    used = fleet.units.block_mw[group] > 0
    mean = (prices[group] * used).sum(axis=1) / np.maximum(used.sum(axis=1), 1)
    weight = np.maximum(fleet.units.p_max_mw[group], 1e-9)
    return Renewable(
        "+".join(fleet.units.names[k] for k in group[:3]), np.zeros(len(total)), total, float(np.average(mean, weights=weight))
    )


def _storage(fleet: Fleet, available: Floats, state: FleetState, group: Ints) -> Storage:
    units = fleet.units
    share = float(available[:, group].sum(axis=1).min() / units.p_max_mw[group].sum())
    energy = float(units.store_mwh[group].sum())
    half = float(np.sqrt(units.round_trip[group[0]]))
    inside = float(np.clip(state.energy_mwh[group].sum(), 0.0, energy))
    reachable = inside + share * half * float(-units.p_min_mw[group].sum()) * len(available) / 2
    return Storage(
        name=units.technology[group[0]],
        charge_mw=float(-units.p_min_mw[group].sum()) * share,
        discharge_mw=float(units.p_max_mw[group].sum()) * share,
        energy_mwh=energy,
        initial_mwh=inside,
        charge_efficiency=half,
        discharge_efficiency=half,
        terminal_minimum_mwh=min(STORE_TARGET * energy, reachable),
        discharge_cost=float(units.vom[group].mean()),
    )


def _reservoir(fleet: Fleet, available: Floats, seen: tuple[FleetState, Floats, DayForecast], group: Ints) -> EnergyLimited:
    state, values, forecast = seen
    units = fleet.units
    days = len(available) / 24
    inflow = float((units.capacity_factor[group] * units.p_max_mw[group]).sum()) * 24 * days
    stored = float(state.energy_mwh[group].sum())
    released = np.minimum(units.p_min_mw[group], available[:, group]).sum(axis=1)
    budget = max(min(stored + inflow * forecast.inflow, LARGEST_HYDRO_DAY * inflow), float(released.sum()))
    value = float(np.average(values[group], weights=units.p_max_mw[group]))
    return EnergyLimited("reservoir", released, available[:, group].sum(axis=1), budget, 0.0, value)


def _shortfall(config: TradingConfig, size: float, worth: float) -> tuple[tuple[float, float], ...]:
    shares = config.dayahead.curve_share[::-1]
    prices = config.dayahead.curve_price[Reserve.SPINNING][::-1]
    steps = [(share * size, worth * price) for share, price in zip(shares, prices, strict=True)]
    return (*steps[:-1], (float("inf"), steps[-1][1]))


def unit_schedule(fleet: Fleet, pools: Pools, answer: Commitment, available: Floats) -> Floats:
    """Output (hour, unit) of the day's hours: pools are split in proportion to what their units could do beyond their minimum.

    Args:
        fleet: the units.
        pools: who stands behind what.
        answer: what came out.
        available: (hour, unit) of the day.
    """
    hours = len(available)
    schedule = np.zeros_like(available)
    schedule[:, pools.thermal] = answer.output_mw[:, :hours].T
    for k, group in enumerate(pools.renewables):
        schedule[:, group] = _split(answer.renewable_mw[k, :hours], available[:, group])
    for k, group in enumerate(pools.hydro):
        released = np.minimum(fleet.units.p_min_mw[group], available[:, group])
        rest = answer.hydro_mw[k, :hours] - released.sum(axis=1)
        schedule[:, group] = released + _split(np.maximum(rest, 0.0), available[:, group] - released)
    for k, group in enumerate(pools.storage):
        schedule[:, group] = _split(answer.discharge_mw[k, :hours] - answer.charge_mw[k, :hours], available[:, group])
    return schedule


def _split(total: Floats, available: Floats) -> Floats:
    weight = available / np.maximum(available.sum(axis=1, keepdims=True), 1e-9)
    return np.asarray(total[:, None] * weight)
