"""What the rows of a day are made from, and the frames all rows begin with: instants, publication times, market and currency."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time

import numpy as np
import polars as pl

from config.markets import Market
from models._kernel.grid.network import Floats, Network
from pipeline_tasks.contracts import TS_DTYPE
from pipeline_tasks.sources.clock import publication
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.twin.dials import NewPlant
from pipeline_tasks.twin.fleet import Fleet, Units
from pipeline_tasks.twin.profiles import TwinProfile
from pipeline_tasks.twin.world_types import World

FORECAST_KNOWN = DayRule(rule="day", days=-1, at=time(8))
DA_KNOWN = DayRule(rule="day", days=-1, at=time(12, 45))
MEASURED = LagRule(rule="interval_end", minutes=60)
SETTLED = DayRule(rule="day", days=0, at=time(18))
DISCLOSED = DayRule(rule="day", days=60, at=time(0))
SYSTEM = "SYSTEM"


@dataclass(frozen=True)
class Scene:
    """The simulated market as it stands, apart from what a day clears to.

    Attributes:
        market: its settings.
        profile: horizon and resolution.
        network: the network with its limits in force.
        fleet: units and hubs.
        world: weather, load, fuels, outages.
        plants: new plants of the scenario with their units; in `fleet` on the days of their windows only.
    """

    market: Market
    profile: TwinProfile
    network: Network
    fleet: Fleet
    world: World
    plants: tuple[tuple[NewPlant, Units], ...] = ()

    def starts(self, day: int, minutes: int) -> pl.Series:
        """UTC start of each step of a day."""
        hours = self.world.calendar.frame[self.world.hours_of(day)].get_column("delivery_ts").cast(TS_DTYPE)
        if minutes == 60:
            return hours
        per = 60 // minutes
        offset = pl.Series(np.tile(np.arange(per) * minutes, hours.len())).cast(pl.Int64) * 60_000
        return hours.gather(np.repeat(np.arange(hours.len()), per)) + offset.cast(pl.Duration("ms"))

    def midnight(self, day: int) -> pl.Series:
        """UTC instant of the local midnight at which a day begins, one value."""
        return self.starts(day, 60).head(1)

    def delivery(self, day: int) -> date:
        """Market-local date of a day."""
        return self.profile.date_of(day)

    def dated(self, frame: pl.DataFrame, rule: DayRule | LagRule, minutes: int) -> pl.DataFrame:
        """Rows with market, resolution and publication time."""
        known = publication(rule, zone=self.market.time_zone, resolution_min=minutes, schema=frame.schema)
        return frame.with_columns(known.alias("known_ts"), market=pl.lit(self.market.key), resolution_min=pl.lit(minutes, dtype=pl.Int64))


def crossed(starts: pl.Series, names: tuple[str, ...], label: str) -> pl.DataFrame:
    """Every start with every name, names fastest: the row order of a raveled (step, name) array."""
    steps, count = starts.len(), len(names)
    return pl.DataFrame(
        {
            "delivery_ts": starts.gather(np.repeat(np.arange(steps), count)),
            label: pl.Series(names, dtype=pl.String).gather(np.tile(np.arange(count), steps)),
        }
    )


def hourly(values: Floats, minutes: int) -> Floats:
    """(step, ...) to (hour, ...) means."""
    per = 60 // minutes
    means: Floats = values.reshape(len(values) // per, per, *values.shape[1:]).mean(axis=1)
    return means
