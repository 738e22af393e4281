"""The simulated market's law on IEEE 300: day-ahead prices of 300 nodes, because the demonstration network has fewer than 200.

Weather, loads, plants, offers, outages, commitment and dispatch are the twin's (`pipeline_tasks/twin`); limits follow its rule, since the
published case has none that bind. Nothing of it goes to the warehouse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from models._kernel.nodes.learn import NodeMarket

if TYPE_CHECKING:
    from pipeline_tasks.twin.market import TwinMarket
    from pipeline_tasks.twin.market_types import ProductResult
    from pipeline_tasks.twin.world_types import World

CASE = "case300"
FIRST = date(2026, 2, 16)
LEARNED, SCORED = 45, 21
LOAD_SCALE, LEAST_OF_PEAK, COMMITMENT_NODES = 0.88, 0.004, 30


@dataclass(frozen=True)
class SimulatedNodes:
    """Prices of every hour relative to the energy component, with the limits that bound in the days that are learned from."""

    market: NodeMarket
    day: npt.NDArray[np.int64]


def simulated(say: Callable[[str], None]) -> SimulatedNodes:
    """The market of `LEARNED + SCORED` days; the same every time."""
    twin, cleared = _cleared(say)
    results: list[ProductResult] = []
    day: list[int] = []
    for number, result in enumerate(cleared):
        results.append(result)
        day += [(FIRST + timedelta(days=number)).toordinal() - date(1970, 1, 1).toordinal()] * len(result.lmp)
    prices = np.concatenate([r.lmp - r.energy[:, None] for r in results])
    square: dict[tuple[int, int], float] = {}
    for result in results[:LEARNED]:
        bound = result.constraints
        for branch, lost, worth in zip(bound.branch.tolist(), bound.contingency.tolist(), bound.shadow_price.tolist(), strict=True):
            key = (branch, max(lost, -1))
            square[key] = square.get(key, 0.0) + worth**2
    hours = sum(len(r.lmp) for r in results[:LEARNED])
    limits = tuple((b, c, s / hours) for (b, c), s in sorted(square.items()))
    network, fleet = twin.fleet.network, twin.fleet
    hub = tuple(fleet.hubs[k] for k in fleet.hub_of_bus.tolist())
    place = np.column_stack([twin.geography.buses.x_km, twin.geography.buses.y_km])
    return SimulatedNodes(NodeMarket(network.buses.names, hub, prices, network, limits, place), np.array(day, dtype=np.int64))


def _cleared(say: Callable[[str], None]) -> tuple[TwinMarket, Iterator[ProductResult]]:
    """The market, and its day-ahead results day by day."""
    from config.markets import load_markets
    from models._kernel.grid.cases import load_pypower_case
    from pipeline_tasks.twin.dials import NO_DIALS
    from pipeline_tasks.twin.fleet_config import load_trading
    from pipeline_tasks.twin.geography import build_geography
    from pipeline_tasks.twin.market import build_market
    from pipeline_tasks.twin.noise import Calendar
    from pipeline_tasks.twin.world import simulate_world
    from pipeline_tasks.twin.world_config import load_world

    network = load_pypower_case(CASE)
    network = network.with_ratings(np.full(network.n_branches, np.inf))
    config = load_world("demo").model_copy(update={"case": CASE, "load_scale": LOAD_SCALE})
    trading = load_trading(profile="demo")
    ratings = trading.ratings.model_copy(update={"least_of_peak": LEAST_OF_PEAK})
    dayahead = trading.dayahead.model_copy(update={"nodes": COMMITMENT_NODES})
    rules = load_markets()["twin"]
    market = build_market(
        network, build_geography(network, config), trading.model_copy(update={"ratings": ratings, "dayahead": dayahead}), rules, ()
    )
    calendar = Calendar.build(FIRST, FIRST + timedelta(days=LEARNED + SCORED + 2), rules.time_zone)
    world = simulate_world(config, market.geography, market.elements, calendar, NO_DIALS)
    say(f"{CASE}: clearing {LEARNED + SCORED} days")
    return market, _days(market, world)


def _days(market: TwinMarket, world: World) -> Iterator[ProductResult]:
    from pipeline_tasks.twin.dayahead import clear_dayahead
    from pipeline_tasks.twin.market import commit_day, initial_state
    from pipeline_tasks.twin.views import day_forecast

    state = initial_state(market)
    for day in range(LEARNED + SCORED):
        commitment, state = commit_day(market, world, day, state)
        today = market.at(world, day)
        forecast = day_forecast(today.fleet, today.market, world, day)
        yield clear_dayahead(today.solver, today.fleet, today.rules, forecast, commitment)
