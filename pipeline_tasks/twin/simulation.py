"""One profile's market, built from configuration, and its days: the commitment of a day, and all rows that the day gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property

import polars as pl

from config.markets import load_markets
from models._kernel.grid.cases import load_matpower_case, load_pypower_case
from models._kernel.grid.network import Floats, Network
from pipeline_tasks.twin.dials import ScenarioDials
from pipeline_tasks.twin.fleet_config import load_trading
from pipeline_tasks.twin.garbled import garbled_rows
from pipeline_tasks.twin.geography import build_geography
from pipeline_tasks.twin.market import TwinMarket, build_market, clear_day, commit_day, initial_state
from pipeline_tasks.twin.market_types import DayCommitment, DayResult, FleetState
from pipeline_tasks.twin.noise import Calendar, Redraw
from pipeline_tasks.twin.profiles import MARKET, TwinProfile
from pipeline_tasks.twin.realtime import clear_realtime
from pipeline_tasks.twin.rows import market_rows
from pipeline_tasks.twin.scene import Scene
from pipeline_tasks.twin.truth_rows import sample_rows, truth_rows
from pipeline_tasks.twin.views import day_actual, day_forecast
from pipeline_tasks.twin.world import simulate_world
from pipeline_tasks.twin.world_config import load_world
from pipeline_tasks.twin.world_rows import world_rows
from pipeline_tasks.twin.world_types import Series

PYPOWER = ("case24_ieee_rts", "case118", "case300")
AHEAD = timedelta(days=2)  # the commitment looks beyond its day


@dataclass(frozen=True)
class Simulation:
    """A profile with everything built for a horizon; a longer one gives the same days.

    Attributes:
        profile: the profile.
        last: last date asked for.
    """

    profile: TwinProfile
    last: date

    @cached_property
    def _parts(self) -> tuple[TwinMarket, Scene]:
        config, settings = load_world(self.profile.name), load_markets()[MARKET]
        network = _case(config.case)
        geography = build_geography(network, config)
        trading, plants = load_trading(profile=self.profile.name), self.profile.dials.new_plants
        market = build_market(network, geography, trading, settings, plants)
        calendar = Calendar.build(self.profile.start_date, self.last + AHEAD, settings.time_zone)
        world = simulate_world(config, market.geography, market.elements, calendar, self.profile.dials)
        return market, Scene(settings, self.profile, market.network, market.fleet, world, market.plants)

    @property
    def market(self) -> TwinMarket:
        """Fleet, rules and solver."""
        return self._parts[0]

    @property
    def scene(self) -> Scene:
        """What rows are made from."""
        return self._parts[1]

    def start(self) -> FleetState:
        """The state before the first day."""
        return initial_state(self.market)

    def commit(self, day: int, state: FleetState) -> tuple[DayCommitment, FleetState]:
        """The next link of the chain."""
        return commit_day(self.market, self.scene.world, day, state)

    def rows(self, day: int, commitment: DayCommitment) -> dict[str, pl.DataFrame]:
        """All rows of a day by part; depends on the day and its commitment alone."""
        scene, minutes = self._scene_of(day), self.profile.minutes(self.profile.date_of(day))
        result = clear_day(self.market, scene.world, day, commitment, minutes=minutes)
        capability = day_actual(scene.fleet, scene.world, day, minutes).available_mw
        parts = market_rows(scene, day, commitment, result, capability)
        parts |= world_rows(scene, day, result.rt)
        parts |= truth_rows(scene, day, commitment, result)
        if self.profile.samples.on(day):
            parts["truth_price_samples"] = sample_rows(scene, day, self._samples(day, commitment, result))
        return parts | garbled_rows(self.profile, day, parts)

    def _scene_of(self, day: int) -> Scene:
        """The scene with the fleet of a day: new plants are there within their windows."""
        fleet = self.market.at(self.scene.world, day).fleet
        return self.scene if fleet is self.scene.fleet else replace(self.scene, fleet=fleet, network=fleet.network)

    def _samples(self, day: int, commitment: DayCommitment, result: DayResult) -> list[Floats]:
        """Hourly real-time prices (hour, hub) of each draw: commitment, offers and outages as they were, fresh errors of the forecasts."""
        world, hours = self.scene.world, self.scene.world.hours_of(day)
        market = self.market.at(world, day)
        forecast = day_forecast(market.fleet, market.market, world, day)
        prices = []
        for load, sites in self._redrawn[day]:
            happens = replace(world, load=_happening(world.load, hours, load), sites=_happening(world.sites, hours, sites))
            seen = (day_actual(market.fleet, happens, day, 60), result.da.energy)
            prices.append(clear_realtime(market.solver, market.fleet, market.rules, forecast, commitment, seen).hub_price)
        return prices

    @cached_property
    def _redrawn(self) -> dict[int, list[tuple[Floats, Floats]]]:
        """Actual load (hub, hour) and output of sites (site, hour) of each draw, for all sampled days; one world per draw serves them all.

        Sampled days are far apart: what is drawn afresh for one is forgotten before the next.
        """
        world = self.scene.world
        days = [d for d in range(world.calendar.days) if self.profile.samples.on(d)]
        ordinals = frozenset(self.profile.date_of(d).toordinal() for d in days)
        found: dict[int, list[tuple[Floats, Floats]]] = {d: [] for d in days}
        for draw in range(self.profile.samples.draws):
            config = world.config.model_copy(update={"redraw": Redraw(draw, ordinals)})
            other = simulate_world(config, world.geography, (), world.calendar, self._weather_dials)
            for d in days:
                hours = world.hours_of(d)
                found[d].append((other.load.actual_mw[:, hours].copy(), other.sites.actual_mw[:, hours].copy()))
        return found

    @property
    def _weather_dials(self) -> ScenarioDials:
        """Dials that move load and renewables; outages of elements are those of the world itself."""
        return self.profile.dials.model_copy(update={"outages": ()})


def _happening(series: Series, hours: slice, actual_mw: Floats) -> Series:
    """The series with other actual values in some hours."""
    values = series.actual_mw.copy()
    values[:, hours] = actual_mw
    return replace(series, actual_mw=values)


def _case(name: str) -> Network:
    return load_pypower_case(name) if name in PYPOWER else load_matpower_case(name)
