"""The exogenous world of the twin: weather, load, renewables, regimes, fuels, LNG and outages of every hour, with their truth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import polars as pl

from models._kernel.grid.network import Floats
from pipeline_tasks.twin.demand import simulate_demand
from pipeline_tasks.twin.dials import NO_DIALS, ScenarioDials
from pipeline_tasks.twin.five_minutes import HourEdges
from pipeline_tasks.twin.fuels import simulate_fuels
from pipeline_tasks.twin.geography import Geography
from pipeline_tasks.twin.lng import DailyWeather, simulate_lng
from pipeline_tasks.twin.noise import Calendar
from pipeline_tasks.twin.outage_types import OutageElement, Outages
from pipeline_tasks.twin.outages import hazard, simulate_outages
from pipeline_tasks.twin.regimes import simulate_regimes
from pipeline_tasks.twin.renewables import power_curve, simulate_sites
from pipeline_tasks.twin.weather import WeatherField, simulate_weather
from pipeline_tasks.twin.world_config import WorldConfig
from pipeline_tasks.twin.world_types import Fuels, Lng, Regimes, Series, Weather, World

PADDING_DAYS = 3  # simulated after the horizon, never shown: what the last day's fronts, ramps and vessels are heading for

__all__ = ["OutageElement", "World", "simulate_world"]


def simulate_world(
    config: WorldConfig, geography: Geography, elements: Sequence[OutageElement], calendar: Calendar, dials: ScenarioDials = NO_DIALS
) -> World:
    """Everything that the market takes as given.

    Guarantees: the same arguments give the same bytes; a calendar with the same start and a later end changes no value before the earlier
    end and no row known before it; a dial changes only what it can affect; an element changes no other element's outages.

    Args:
        config: the profile's world (`load_world`).
        geography: hubs and sites (`TwinMarket.geography`, or `build_geography` where no plant is new).
        elements: units and lines that can be out.
        calendar: hours shown; its start is the start of every recursion, less the warm-up.
        dials: the scenario.

    Raises:
        ValueError: names of elements repeat, or a dial names something that does not exist.
    """
    before = timedelta(days=config.warmup_days)
    after = timedelta(days=calendar.days - 1 + PADDING_DAYS)
    whole = Calendar.build(calendar.start - before, calendar.start + after, calendar.zone)
    regimes = simulate_regimes(config, whole, dials)
    by_hour = {
        name: whole.hourly(np.array(getattr(config.regimes, name))[regimes]) for name in ("forecast_noise", "load_error", "outage_rate")
    }
    field = simulate_weather(config, geography, whole, by_hour["forecast_noise"], dials)
    load = simulate_demand(config, geography, whole, (field.actual, field.forecast), by_hour["load_error"])
    sites = simulate_sites(config, geography, whole, (field.actual, field.forecast))
    lng = simulate_lng(config, whole, _daily_weather(config, geography, whole, field))
    fuels = simulate_fuels(config, whole, regimes, lng, dials)
    n = len(geography.hubs)
    speed = hazard(config, whole, by_hour["outage_rate"], field.actual.temperature_degc[:n], field.actual.wind_m_s[:n])
    outages = simulate_outages(config, whole, elements, speed, dials)

    first = int(np.searchsorted(whole.frame.get_column("day").to_numpy(), config.warmup_days))
    hours = slice(first, first + calendar.frame.height)
    days = slice(config.warmup_days, config.warmup_days + calendar.days)
    edges = HourEdges(*(s.actual_mw[:, [hours.start - 1, hours.stop]] for s in (load, sites)))
    return World(
        config=config,
        geography=geography,
        calendar=calendar,
        dials=dials,
        weather=_weather(field, n, hours),
        load=_cut_series(load, hours),
        sites=_cut_series(sites, hours),
        regimes=Regimes(config.regimes.names, regimes[days]),
        fuels=Fuels(
            gas_hubs=tuple(config.fuels.gas_hubs),
            gas=fuels.prices[:-2, days],
            coal=fuels.prices[-2, days],
            co2=fuels.prices[-1, days],
            trading=fuels.trading[days],
            before=fuels.prices[:, days.start - 2 : days.start].T,
            gas_without_lng=fuels.without_lng[:, days],
        ),
        lng=_cut_lng(lng, whole, days),
        outages=_cut_outages(outages, whole, days),
        edges=edges,
    )


def _daily_weather(config: WorldConfig, geography: Geography, calendar: Calendar, field: WeatherField) -> DailyWeather:
    """What gas demand and vessels feel; the coast is the windiest hub's."""
    day = calendar.frame.get_column("day").to_numpy()
    counts = np.bincount(day)

    def daily(hourly: Floats) -> Floats:
        means: Floats = np.bincount(day, weights=hourly) / counts
        return means

    n = len(geography.hubs)
    coast = max(range(n), key=lambda k: list(config.geography.hubs.values())[k].wind)
    cold = (field.normal_degc[:n] - field.actual.temperature_degc[:n]).mean(axis=0)
    share = power_curve(config.renewables, field.actual.wind_m_s[:n]).mean(axis=0)
    return DailyWeather(daily(cold), daily(field.actual.wind_m_s[coast]), 0.2 - daily(share))


def _weather(field: WeatherField, hubs: int, hours: slice) -> Weather:
    now, ahead = field.actual, field.forecast
    return Weather(
        temperature_degc=now.temperature_degc[:hubs, hours],
        wind_m_s=now.wind_m_s[:hubs, hours],
        irradiance_w_m2=now.irradiance_w_m2[:hubs, hours],
        cloud_share=now.cloud_share[:hubs, hours],
        forecast_degc=ahead.temperature_degc[:hubs, hours],
        forecast_wind_m_s=ahead.wind_m_s[:hubs, hours],
        forecast_irradiance_w_m2=ahead.irradiance_w_m2[:hubs, hours],
        normal_degc=field.normal_degc[:hubs, hours],
    )


def _cut_series(series: Series, hours: slice) -> Series:
    return Series(series.actual_mw[:, hours], series.forecast_mw[:, hours], series.explained_mw[:, hours])


def _cut_lng(lng: Lng, calendar: Calendar, days: slice) -> Lng:
    """The shown days; of frames, the rows of voyages that are still at sea on the first day, as far as known by the end."""
    begin, end = _ends(calendar, days)
    daily = {
        name: getattr(lng, name)[..., days]
        for name in (
            *("scheduled_gwh", "arrived_gwh", "unloaded_gwh", "sendout_gwh", "boil_off_gwh", "stock_gwh", "storage_fill", "late_gwh"),
            *("unexpected_gwh", "instrument_gwh", "effect_per_twh", "effect_log", "weather_log", "tightness"),
        )
    }
    shown = lng.voyage_truth.filter(pl.col("arrived_ts") >= begin).get_column("voyage_id")
    return Lng(
        terminals=lng.terminals,
        stock_before_gwh=lng.stock_gwh[:, days.start - 1],
        voyages=lng.voyages.filter(pl.col("known_ts") < end, pl.col("voyage_id").is_in(shown.implode())),
        voyage_truth=lng.voyage_truth.filter(pl.col("arrived_ts") >= begin, pl.col("arrived_ts") < end),
        closures=lng.closures.filter(pl.col("known_ts") < end, pl.col("end_ts") >= begin),
        **daily,
    )


def _cut_outages(outages: Outages, calendar: Calendar, days: slice) -> Outages:
    """Outages that end after the first hour and are announced before the end, with the reports known by then."""
    begin, end = _ends(calendar, days)
    events = outages.events.filter(pl.col("end_ts") > begin, pl.col("announced_ts") < end)
    kept = pl.col("outage_id").is_in(events.get_column("outage_id").implode())
    return Outages(events, outages.reports.filter(pl.col("known_ts") < end, kept))


def _ends(calendar: Calendar, days: slice) -> tuple[pl.Expr, pl.Expr]:
    """First instant and end of the shown days."""
    midnights = calendar.local_midnights()
    first, last = (pl.lit(midnights[d]).cast(pl.Datetime("ms", "UTC")) for d in (days.start, days.stop))
    return first, last
