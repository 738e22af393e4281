"""The simulated market as a whole: built once from network, map and numbers; then one day after the other.

`commit_day` is the only serial step: a chain of commitments on day-ahead views. `clear_day` takes one day's commitment and needs no
other day. New plants and other price caps make a day's market another one (`TwinMarket.at`); without them it is the market itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np

from config.markets import Market
from models._kernel.grid.dcopf import DcOpf
from models._kernel.grid.network import Ints, Network
from models._kernel.grid.opf_types import OpfOptions
from models._kernel.grid.topology import bridges
from pipeline_tasks.twin.commitment_day import pools_of
from pipeline_tasks.twin.dayahead import Rules, clear_dayahead, commit
from pipeline_tasks.twin.dials import NewPlant
from pipeline_tasks.twin.fleet import Fleet, Units, build_fleet
from pipeline_tasks.twin.fleet_config import TradingConfig
from pipeline_tasks.twin.geography import Geography
from pipeline_tasks.twin.market_types import DayActual, DayCommitment, DayForecast, DayResult, FleetState
from pipeline_tasks.twin.new_plants import extended, plant_sites, plant_units
from pipeline_tasks.twin.outage_types import OutageElement
from pipeline_tasks.twin.ratings import SampledFlows, loss_model, rated_network, sample_flows
from pipeline_tasks.twin.realtime import clear_realtime, tripped
from pipeline_tasks.twin.settlement import reserve_payments, settle_imbalance
from pipeline_tasks.twin.views import day_actual, day_forecast, outage_elements
from pipeline_tasks.twin.world_types import World

FIRST_PRICE = 75.0
"""What stores expect before the first day, EUR/MWh."""
FIRST_FILL = 0.55
REST_H = 72
"""Hours that a unit has been as it is when first seen."""
"""Price of a MW beyond a line's limit, or the price cap if that is lower: no shadow price is higher."""


@dataclass(frozen=True)
class TwinMarket:
    """A market ready to run; immutable but for the solver's memory, which every product forgets before it starts.

    Attributes:
        market: floor, cap, gate, zone.
        fleet: units on the rated network.
        rules: numbers, pools, losses.
        solver: dispatches the network, and buys load and reserve up to the market's cap; one per process.
        geography: the map for the simulation of the world: new plants that live on wind and sun are sites behind its own.
        plants: new plants of the scenario, each with its window, and their units in the same order; not in `fleet`.
    """

    market: Market
    fleet: Fleet
    rules: Rules
    solver: DcOpf
    geography: Geography
    plants: tuple[tuple[NewPlant, Units], ...] = ()
    _others: dict[tuple[tuple[int, ...], float], TwinMarket] = field(default_factory=dict, repr=False, compare=False)

    @property
    def network(self) -> Network:
        """The rated network with the fleet as its generators."""
        return self.fleet.network

    @property
    def elements(self) -> tuple[OutageElement, ...]:
        """What can be out, for the simulation of the world; new plants within their windows."""
        numbers = self.rules.config.fleet
        found = outage_elements(self.fleet, numbers)
        for plant, units in self.plants:
            alone = outage_elements(replace(self.fleet, units=units), numbers)
            found += tuple(replace(e, window=(plant.first, plant.last)) for e in alone if e.kind == "unit")
        return found

    def at(self, world: World, day: int) -> TwinMarket:
        """The market as it is on a day: with the new plants whose window covers it, under the cap in force.

        Raises:
            ValueError: the world was simulated with new plants, or on a map, that are not this market's.
        """
        if world.dials.new_plants != tuple(p for p, _ in self.plants):
            raise ValueError("world and market have different new plants; pass build_market the dials' new_plants")
        if world.geography.sites.names != self.geography.sites.names:
            raise ValueError("world and market have different sites; pass simulate_world the market's geography")
        delivery = world.calendar.start + timedelta(days=day)
        cap = float(min([self.market.price_cap, *(d.cap_eur_per_mwh for d in world.dials.price_caps if d.covers(delivery))]))
        key = (tuple(k for k, (p, _) in enumerate(self.plants) if p.covers(delivery)), cap)
        if not key[0] and cap == self.market.price_cap:
            return self
        if key not in self._others:
            self._others[key] = self._changed(*key)
        return self._others[key]

    def _changed(self, chosen: tuple[int, ...], cap: float) -> TwinMarket:
        fleet = self.fleet
        for k in chosen:
            fleet = extended(fleet, self.plants[k][1])
        market = self.market.model_copy(update={"price_cap": cap})
        return TwinMarket(market, fleet, replace(self.rules, pools=pools_of(fleet)), _solver(fleet.network, market), self.geography)


def build_market(
    network: Network, geography: Geography, config: TradingConfig, market: Market, plants: Sequence[NewPlant] = ()
) -> TwinMarket:
    """Fleet, line limits, losses and solver of a network; new plants change none of them outside their windows.

    Raises:
        GridError: the network has too few generators, or is not valid, or a new plant does not fit it.
    """
    bare = build_fleet(network, geography, config.fleet, config.offers)
    flows = sample_flows(bare, config.ratings, config.fleet)
    fleet = replace(bare, network=rated_network(bare, flows, config.ratings))
    rules = Rules(config, pools_of(fleet), loss_model(fleet, flows, config.losses), _corridors(fleet, flows, config.dayahead.contingencies))
    if not plants:
        return TwinMarket(market, fleet, rules, _solver(fleet.network, market), geography)
    sites = plant_sites(fleet, geography, plants)
    units = plant_units(fleet, sites, plants, config)
    new = tuple((p, units.take([k])) for k, p in enumerate(plants))
    return TwinMarket(market, fleet, rules, _solver(fleet.network, market), geography.with_sites(sites), new)


def _solver(network: Network, market: Market) -> DcOpf:
    """Load is given up at the cap, and no line is relieved at more."""
    relaxation = min(market.limit_price, market.price_cap)
    return DcOpf(network, OpfOptions(unserved_price=market.price_cap, oversupply_price=-market.price_floor, relaxation_price=relaxation))


def _corridors(fleet: Fleet, flows: SampledFlows, count: int) -> tuple[int, ...]:
    """The most loaded branches between hubs, by mean flow; not those whose loss would split the network."""
    branches = fleet.network.branches
    crossing: Ints = np.flatnonzero(fleet.hub_of_bus[branches.from_bus] != fleet.hub_of_bus[branches.to_bus])
    between = np.setdiff1d(crossing, bridges(fleet.network))
    order = np.argsort(-np.abs(flows.flow_mw[:, between]).mean(axis=0), kind="stable")[:count]
    return tuple(sorted(between[order].tolist()))


def initial_state(market: TwinMarket) -> FleetState:
    """Before the first day: base load runs, peakers rest, stores are half full; new plants do not exist yet."""
    units = market.fleet.units
    on = ~units.fast
    return FleetState(
        day=-1,
        on=on,
        hours_in_state=np.full(len(on), REST_H, dtype=np.int64),
        output_mw=np.where(on & units.committed, np.maximum(units.p_min_mw, 0.0), 0.0),
        energy_mwh=FIRST_FILL * units.store_mwh,
        recent_price=FIRST_PRICE,
    )


def _carried(state: FleetState, before: TwinMarket, now: TwinMarket) -> FleetState:
    """The state in the order of another day's units: new plants have rested, with stores filled as on the first day."""
    if before.fleet is now.fleet:
        return state
    units = now.fleet.units
    old = {name: k for k, name in enumerate(before.fleet.units.names)}
    place = np.array([old.get(name, -1) for name in units.names])
    there = place >= 0

    zero = np.zeros(len(place))
    return FleetState(
        day=state.day,
        on=np.where(there, state.on[place], ~(units.committed | units.fast)),
        hours_in_state=np.where(there, state.hours_in_state[place], REST_H),
        output_mw=np.where(there, state.output_mw[place], zero),
        energy_mwh=np.where(there, state.energy_mwh[place], FIRST_FILL * units.store_mwh),
        recent_price=state.recent_price,
    )


def commit_day(market: TwinMarket, world: World, day: int, state: FleetState) -> tuple[DayCommitment, FleetState]:
    """Unit commitment of a day and the state for the next; a chain over days that real time never feeds back into.

    Axes of units are those of the day's market (`TwinMarket.at`).

    Raises:
        ValueError: the state does not end the day before.
    """
    if state.day != day - 1:
        raise ValueError(f"the state ends day {state.day}; commit day {state.day + 1} next, not {day}")
    today = market.at(world, day)
    carried = _carried(state, market if day == 0 else market.at(world, day - 1), today)
    return commit(today.fleet, today.rules, day_forecast(today.fleet, today.market, world, day), carried)


def clear_day(market: TwinMarket, world: World, day: int, commitment: DayCommitment, *, minutes: int = 60) -> DayResult:
    """Day-ahead and real-time clearing and settlement of a day; depends on its arguments alone.

    Args:
        market: the market.
        world: the world.
        day: index of the day, that of the commitment.
        commitment: of `commit_day`.
        minutes: step of real time, 60 or 5.
    """
    today = market.at(world, day)
    forecast = day_forecast(today.fleet, today.market, world, day)
    return clear_views(today, forecast, day_actual(today.fleet, world, day, minutes), commitment)


def clear_views(market: TwinMarket, forecast: DayForecast, actual: DayActual, commitment: DayCommitment) -> DayResult:
    """`clear_day` on views instead of the world; `market` is that of the day.

    Raises:
        ValueError: forecast and commitment are of different days, or the forecast's cap is not the market's.
    """
    if forecast.price_cap != market.market.price_cap:
        raise ValueError(f"cap {forecast.price_cap} of the day, {market.market.price_cap} of the market; take the market of the day (`at`)")
    if forecast.day != commitment.day:
        raise ValueError(f"forecast of day {forecast.day} and commitment of day {commitment.day}; give both of one day")
    fleet, rules = market.fleet, market.rules
    da = clear_dayahead(market.solver, fleet, rules, forecast, commitment)
    rt = clear_realtime(market.solver, fleet, rules, forecast, commitment, (actual, da.energy))
    return DayResult(
        day=forecast.day,
        da=da,
        rt=rt,
        imbalance=settle_imbalance(fleet, rules.config.realtime, forecast, da, rt),
        tripped=tripped(fleet, commitment, actual),
        reserve_payment=reserve_payments(da),
    )
