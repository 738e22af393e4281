"""What each market may see of the world: the day-ahead view stops at the gate, the actual view is for real time alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np

from config.markets import Market
from models._kernel.grid.network import Floats, Ints
from models._kernel.grid.topology import bridges
from pipeline_tasks.twin.fleet import Fleet
from pipeline_tasks.twin.fleet_config import FleetConfig
from pipeline_tasks.twin.market_types import Bools, DayActual, DayForecast
from pipeline_tasks.twin.outage_types import OutageElement
from pipeline_tasks.twin.world_types import World

KEY = 0x7761_7465
SEASON_OF_INFLOW = (0.38, 140)
"""Half range and day of year of the peak (melt in May) of inflow over its mean."""
RIVER_FACTOR = 0.55
"""Mean output of run of river over capacity."""


def outage_elements(fleet: Fleet, config: FleetConfig) -> tuple[OutageElement, ...]:
    """What can be out: every unit of the case, and the branches whose loss does not split the network."""
    units, branches = fleet.units, fleet.network.branches
    found = []
    for k in np.flatnonzero(units.site < 0).tolist():
        rate, repair = float(units.forced_rate[k]), float(units.repair_h[k])
        forced = 8760 * rate / repair
        planned = 7 * float(units.planned_weeks[k])
        found.append(OutageElement("unit", units.names[k], float(units.p_max_mw[k]), forced, repair, planned, int(units.hub[k])))
    radial = set(bridges(fleet.network).tolist())
    for k, name in enumerate(branches.names):
        if k not in radial:
            rating = float(min(branches.rating_mw[k], fleet.peak_load_mw))
            hub = int(fleet.hub_of_bus[branches.from_bus[k]])
            planned = 7 * config.branch_planned_weeks
            found.append(OutageElement("line", name, rating, config.branch_forced_per_year, config.branch_repair_h, planned, hub))
    return tuple(found)


def gate_instant(market: Market, delivery: date) -> datetime:
    """UTC instant of the day-ahead gate of a delivery date."""
    hour, minute = (int(x) for x in str(market.gate_time)[:5].split(":"))
    before = delivery - timedelta(days=1)
    return datetime(before.year, before.month, before.day, hour, minute, tzinfo=market.zone).astimezone(UTC)


def day_forecast(fleet: Fleet, market: Market, world: World, day: int) -> DayForecast:
    """The day-ahead view: forecasts of the morning before, outages announced by the gate, the regime of the day before."""
    hours, calendar = world.hours_of(day), world.calendar
    delivery = calendar.start + timedelta(days=day)
    as_of = gate_instant(market, delivery)
    gas, coal, co2 = world.fuels.known_at_gate(day)
    inflow = inflow_of(delivery)
    caps = [d.cap_eur_per_mwh for d in world.dials.price_caps if d.covers(delivery)]
    frame = calendar.frame[hours]
    return DayForecast(
        day=day,
        local_hour=frame.get_column("local_hour").to_numpy().astype(np.int64),
        load_mw=np.ascontiguousarray(world.bus_load(world.load.forecast_mw[:, hours]).T),
        available_mw=_available(fleet, world, hours, world.sites.forecast_mw[:, hours].T, inflow, as_of=as_of),
        branch_out=_branches_out(fleet, world, hours, as_of=as_of),
        gas=gas[gas_hub_of_unit(fleet, world)],
        coal=coal,
        co2=co2,
        inflow=inflow,
        stress=int(world.regimes.path[max(day - 1, 0)]),
        day_of_year=delivery.timetuple().tm_yday,
        price_floor=float(market.price_floor),
        price_cap=float(min([*caps, market.price_cap])),
    )


def day_actual(fleet: Fleet, world: World, day: int, minutes: int) -> DayActual:
    """What happens, in steps of 60 or 5 minutes."""
    hours = world.hours_of(day)
    delivery = world.calendar.start + timedelta(days=day)
    if minutes == 60:
        load, sites = world.load.actual_mw[:, hours], world.sites.actual_mw[:, hours]
    else:
        fine = world.five_minutes(hours.start, hours.stop - hours.start)
        load, sites = fine.load_mw, fine.sites_mw
    return DayActual(
        minutes=minutes,
        load_mw=np.ascontiguousarray(world.bus_load(load).T),
        available_mw=_available(fleet, world, hours, sites.T, inflow_of(delivery), minutes=minutes),
        branch_out=_branches_out(fleet, world, hours, minutes=minutes),
    )


def inflow_of(delivery: date) -> float:
    """Inflow over its yearly mean: season and a week's own luck; the same for every horizon."""
    half, peak = SEASON_OF_INFLOW
    season = 1 + half * np.cos(2 * np.pi * (delivery.timetuple().tm_yday - peak) / 365.25)
    week, within = divmod(delivery.toordinal(), 7)
    here, following = _luck(week), _luck(week + 1)
    return float(season * np.exp(0.16 * ((7 - within) * here + within * following) / 7))


@lru_cache(maxsize=4096)
def _luck(week: int) -> float:
    return float(np.random.Generator(np.random.Philox(key=np.array([KEY, week], dtype=np.uint64))).standard_normal())


def gas_hub_of_unit(fleet: Fleet, world: World) -> Ints:
    """Gas hub of each unit: the coast (the hub at a terminal) in the north, the last hub inland in the south, the main hub elsewhere."""
    names = world.fuels.gas_hubs
    config = world.config.fuels.gas_hubs
    coast = next((k for k, n in enumerate(names) if config[n].terminal), 0)
    north, south = "NORTH", "SOUTH"
    by_hub = [coast if north in h else len(names) - 1 if south in h else 0 for h in fleet.hubs]
    return np.array(by_hub, dtype=np.int64)[fleet.units.hub]


def _available(
    fleet: Fleet, world: World, hours: slice, sites: Floats, inflow: float, *, minutes: int = 60, as_of: datetime | None = None
) -> Floats:
    """Output limits (step, unit); wind and sun as given per site (step, site)."""
    units = fleet.units
    share = world.availability("unit", units.names, hours, minutes=minutes, as_of=as_of).T
    limit = share * units.p_max_mw
    limit *= np.where(units.river, min(RIVER_FACTOR * inflow, 1.0), 1.0)
    at_site = np.flatnonzero(units.renewable)
    limit[:, at_site] = np.minimum(sites[:, units.site[at_site]], units.p_max_mw[at_site])
    return limit


def _branches_out(fleet: Fleet, world: World, hours: slice, *, minutes: int = 60, as_of: datetime | None = None) -> Bools:
    """Branches out for more than half of a step."""
    share = world.availability("line", fleet.network.branches.names, hours, minutes=minutes, as_of=as_of).T
    out: Bools = share < 0.5
    return out
