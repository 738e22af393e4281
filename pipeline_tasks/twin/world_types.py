"""What the exogenous world of the twin consists of: arrays by (hub or site, hour) and (…, day), and frames of events.

Axes: hub = position in `Geography.hubs`; site = position in `Geography.sites`; hour = position in the calendar's hours (UTC, days of 23 and
25 hours included); day = market-local date. MW are means over the interval. Forecasts are those of 08:00 on the day before delivery.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl

from models._kernel.grid.network import Floats, Ints
from pipeline_tasks.twin.dials import ElementKind, ScenarioDials
from pipeline_tasks.twin.five_minutes import FiveMinutes, HourEdges, five_minutes
from pipeline_tasks.twin.geography import Geography
from pipeline_tasks.twin.noise import Calendar
from pipeline_tasks.twin.outage_types import Outages
from pipeline_tasks.twin.world_config import WorldConfig


@dataclass(frozen=True)
class Weather:
    """Weather at the hubs, (n_hubs, n_hours).

    Attributes:
        temperature_degc, wind_m_s, irradiance_w_m2, cloud_share: hourly means; wind at hub height, irradiance on the horizontal.
        forecast_degc, forecast_wind_m_s, forecast_irradiance_w_m2: the day-ahead forecast of the same.
        normal_degc: long-run mean of the hour, without weather, fronts or extremes.
    """

    temperature_degc: Floats
    wind_m_s: Floats
    irradiance_w_m2: Floats
    cloud_share: Floats
    forecast_degc: Floats
    forecast_wind_m_s: Floats
    forecast_irradiance_w_m2: Floats
    normal_degc: Floats


@dataclass(frozen=True)
class Series:
    """A quantity and its day-ahead forecast, MW, (n_hubs or n_sites, n_hours).

    Attributes:
        actual_mw: what happens.
        forecast_mw: known at 08:00 on the day before delivery.
        explained_mw: the part that weather and calendar explain: no own noise (truth).
    """

    actual_mw: Floats
    forecast_mw: Floats
    explained_mw: Floats


@dataclass(frozen=True)
class Regimes:
    """The regime of each day (truth): `path` (n_days,) indexes `names`."""

    names: tuple[str, ...]
    path: Ints


@dataclass(frozen=True)
class Fuels:
    """Daily settlements; on days without trading the last one stands.

    Attributes:
        gas_hubs: names; the first is the main hub.
        gas: (n_gas_hubs, n_days) EUR/MWh thermal.
        coal: (n_days,) EUR/MWh thermal.
        co2: (n_days,) EUR/t.
        trading: (n_days,) whether the day has a settlement (18:00 local).
        before: (2, n_gas_hubs + 2) the same of the two days before the first: gas hubs, coal, CO2.
        gas_without_lng: `gas` as it would be had every cargo come to schedule (truth).
    """

    gas_hubs: tuple[str, ...]
    gas: Floats
    coal: Floats
    co2: Floats
    trading: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    before: Floats
    gas_without_lng: Floats

    def known_at_gate(self, day: int) -> tuple[Floats, float, float]:
        """Gas hubs (n_gas_hubs,), coal and CO2 known at noon before delivery day `day`: settled two days before it or earlier."""
        if day < 2:
            return self.before[day, :-2], float(self.before[day, -2]), float(self.before[day, -1])
        return self.gas[:, day - 2], float(self.coal[day - 2]), float(self.co2[day - 2])


@dataclass(frozen=True)
class Lng:
    """Vessels, terminals and the causal effect of unexpected arrivals.

    Attributes:
        terminals: names.
        scheduled_gwh, arrived_gwh, unloaded_gwh, sendout_gwh, boil_off_gwh: (n_terminals, n_days) per day.
        stock_gwh: (n_terminals, n_days) in tank at the end of the day; stock[t] = stock[t-1] + unloaded[t] - sendout[t] - boil_off[t].
        stock_before_gwh: (n_terminals,) before the first day.
        storage_fill: (n_days,) share of underground storage that is full.
        late_gwh: (n_days,) cargo that is overdue against schedule (negative: early), cumulative.
        unexpected_gwh: (n_days,) arrived less scheduled = minus the change of `late_gwh`.
        instrument_gwh: (n_days,) the same from schedule and closures of passages alone.
        effect_per_twh: (n_days,) truth: d log(main gas price) / d TWh of unexpected arrival (negative).
        effect_log: (n_days,) truth: part of the log price that late cargo explains, at the main hub.
        weather_log: (n_days,) truth: part that the weather's gas demand explains.
        tightness: (n_days,) 0 at the norm of storage or above, 1 fully tight.
        voyages: one row per report: voyage_id, vessel, origin, terminal, cargo_gwh, revision, status (departed, revised, arrived),
            known_ts, departed_ts, scheduled_ts, eta_ts.
        voyage_truth: one row per voyage: voyage_id, arrived_ts and its delay by cause in days (closure, weather, noise).
        closures: passage, known_ts, start_ts, end_ts.
    """

    terminals: tuple[str, ...]
    scheduled_gwh: Floats
    arrived_gwh: Floats
    unloaded_gwh: Floats
    sendout_gwh: Floats
    boil_off_gwh: Floats
    stock_gwh: Floats
    stock_before_gwh: Floats
    storage_fill: Floats
    late_gwh: Floats
    unexpected_gwh: Floats
    instrument_gwh: Floats
    effect_per_twh: Floats
    effect_log: Floats
    weather_log: Floats
    tightness: Floats
    voyages: pl.DataFrame
    voyage_truth: pl.DataFrame
    closures: pl.DataFrame


@dataclass(frozen=True)
class World:
    """Everything that the market takes as given, for every hour of `calendar`; see `simulate_world`."""

    config: WorldConfig
    geography: Geography
    calendar: Calendar
    dials: ScenarioDials
    weather: Weather
    load: Series
    sites: Series
    regimes: Regimes
    fuels: Fuels
    lng: Lng
    outages: Outages
    edges: HourEdges

    @property
    def n_hours(self) -> int:
        """Hours of the horizon."""
        return self.calendar.frame.height

    @cached_property
    def day_starts(self) -> Ints:
        """First hour of each day, and the number of hours at the end: day d has hours day_starts[d] to day_starts[d + 1] - 1."""
        day = self.calendar.frame.get_column("day").to_numpy()
        starts: Ints = np.searchsorted(day, np.arange(self.calendar.days + 1)).astype(np.int64)
        return starts

    def hours_of(self, day: int) -> slice:
        """Hours of a day (23, 24 or 25 of them)."""
        return slice(int(self.day_starts[day]), int(self.day_starts[day + 1]))

    def instant(self, hour: int) -> datetime:
        """UTC start of an hour."""
        value: datetime = self.calendar.frame.get_column("delivery_ts")[hour]
        return value

    def bus_load(self, hub_load_mw: Floats) -> Floats:
        """Load of the buses from load of the hubs: (n_hubs, t) -> (n_buses, t)."""
        return self.geography.bus_load(hub_load_mw)

    def availability(
        self, kind: ElementKind, names: tuple[str, ...], hours: slice, *, minutes: int = 60, as_of: datetime | None = None
    ) -> Floats:
        """Mean share of capacity that is available, (n_names, n_hours * 60 / minutes); see `Outages.availability`."""
        first = self.instant(hours.start)
        return self.outages.availability(kind, names, first, (hours.stop - hours.start) * 60 // minutes, minutes=minutes, as_of=as_of)

    def five_minutes(self, first_hour: int, hours: int) -> FiveMinutes:
        """Actual load of the hubs and output of the sites in 5 minutes; the mean of each hour's 12 values is the hourly actual."""
        window = slice(first_hour, first_hour + hours)
        return five_minutes(self.config, self.geography, self.calendar, (self.load.actual_mw, self.sites.actual_mw), self.edges, window)
