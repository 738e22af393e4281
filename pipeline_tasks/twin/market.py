"""The simulated market as a whole: built once from network, map and numbers; then one day after the other.

`commit_day` is the only serial step: a chain of commitments on day-ahead views. `clear_day` takes one day's commitment and needs no
other day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from config.markets import Market
from models._kernel.grid.dcopf import DcOpf
from models._kernel.grid.network import Ints, Network
from models._kernel.grid.opf_types import OpfOptions
from pipeline_tasks.twin.commitment_day import pools_of
from pipeline_tasks.twin.dayahead import Rules, clear_dayahead, commit
from pipeline_tasks.twin.fleet import Fleet, build_fleet
from pipeline_tasks.twin.fleet_config import TradingConfig
from pipeline_tasks.twin.geography import Geography
from pipeline_tasks.twin.market_types import DayActual, DayCommitment, DayForecast, DayResult, FleetState
from pipeline_tasks.twin.outage_types import OutageElement
from pipeline_tasks.twin.ratings import SampledFlows, loss_model, rated_network, sample_flows
from pipeline_tasks.twin.realtime import clear_realtime, tripped
from pipeline_tasks.twin.settlement import reserve_payments, settle_imbalance
from pipeline_tasks.twin.views import day_actual, day_forecast, outage_elements
from pipeline_tasks.twin.world_types import World

FIRST_PRICE = 75.0
"""What stores expect before the first day, EUR/MWh."""
FIRST_FILL = 0.55
RELAXATION_PRICE = 1500.0
"""Price of a MW beyond a line's limit: no shadow price is higher."""


@dataclass(frozen=True)
class TwinMarket:
    """A market ready to run; immutable but for the solver's memory, which every product forgets before it starts.

    Attributes:
        market: floor, cap, gate, zone.
        fleet: units on the rated network.
        rules: numbers, pools, losses.
        solver: dispatches the network; one per process.
    """

    market: Market
    fleet: Fleet
    rules: Rules
    solver: DcOpf

    @property
    def network(self) -> Network:
        """The rated network with the fleet as its generators."""
        return self.fleet.network

    @property
    def elements(self) -> tuple[OutageElement, ...]:
        """What can be out, for the simulation of the world."""
        return outage_elements(self.fleet, self.rules.config.fleet)


def build_market(network: Network, geography: Geography, config: TradingConfig, market: Market) -> TwinMarket:
    """Fleet, line limits, losses and solver of a network.

    Raises:
        GridError: the network has too few generators, or is not valid.
    """
    bare = build_fleet(network, geography, config.fleet, config.offers)
    flows = sample_flows(bare, config.ratings, config.fleet)
    fleet = replace(bare, network=rated_network(bare, flows, config.ratings))
    rules = Rules(config, pools_of(fleet), loss_model(fleet, flows, config.losses), _corridors(fleet, flows, config.dayahead.contingencies))
    options = OpfOptions(unserved_price=market.price_cap, oversupply_price=-market.price_floor, relaxation_price=RELAXATION_PRICE)
    return TwinMarket(market, fleet, rules, DcOpf(fleet.network, options))


def _corridors(fleet: Fleet, flows: SampledFlows, count: int) -> tuple[int, ...]:
    """The most loaded branches between hubs, by mean flow."""
    branches = fleet.network.branches
    between: Ints = np.flatnonzero(fleet.hub_of_bus[branches.from_bus] != fleet.hub_of_bus[branches.to_bus])
    order = np.argsort(-np.abs(flows.flow_mw[:, between]).mean(axis=0), kind="stable")[:count]
    return tuple(sorted(between[order].tolist()))


def initial_state(market: TwinMarket) -> FleetState:
    """Before the first day: base load runs, peakers rest, stores are half full."""
    units = market.fleet.units
    on = ~units.fast
    return FleetState(
        day=-1,
        on=on,
        hours_in_state=np.full(len(on), 72, dtype=np.int64),
        output_mw=np.where(on & units.committed, np.maximum(units.p_min_mw, 0.0), 0.0),
        energy_mwh=FIRST_FILL * units.store_mwh,
        recent_price=FIRST_PRICE,
    )


def commit_day(market: TwinMarket, world: World, day: int, state: FleetState) -> tuple[DayCommitment, FleetState]:
    """Unit commitment of a day and the state for the next; a chain over days that real time never feeds back into.

    Raises:
        ValueError: the state does not end the day before.
    """
    if state.day != day - 1:
        raise ValueError(f"the state ends day {state.day}; commit day {state.day + 1} next, not {day}")
    return commit(market.fleet, market.rules, day_forecast(market.fleet, market.market, world, day), state)


def clear_day(market: TwinMarket, world: World, day: int, commitment: DayCommitment, *, minutes: int = 60) -> DayResult:
    """Day-ahead and real-time clearing and settlement of a day; depends on its arguments alone.

    Args:
        market: the market.
        world: the world.
        day: index of the day, that of the commitment.
        commitment: of `commit_day`.
        minutes: step of real time, 60 or 5.
    """
    forecast = day_forecast(market.fleet, market.market, world, day)
    return clear_views(market, forecast, day_actual(market.fleet, world, day, minutes), commitment)


def clear_views(market: TwinMarket, forecast: DayForecast, actual: DayActual, commitment: DayCommitment) -> DayResult:
    """`clear_day` on views instead of the world.

    Raises:
        ValueError: forecast and commitment are of different days.
    """
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
