"""Five-minute values around hourly means: a ramp to the neighbours plus bridge noise, with the mean of each hour kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from models._kernel.grid.network import Floats
from pipeline_tasks.twin.geography import SOLAR, Geography
from pipeline_tasks.twin.noise import Calendar, Noise, named_seed
from pipeline_tasks.twin.world_config import WorldConfig

STEPS = 12
CENTRES = (np.arange(STEPS) + 0.5) / STEPS


@dataclass(frozen=True)
class FiveMinutes:
    """Actual values of 5 minutes.

    Attributes:
        start_ts: UTC starts, (12 * hours,).
        load_mw: (n_hubs, 12 * hours).
        sites_mw: (n_sites, 12 * hours).
    """

    start_ts: pl.Series
    load_mw: Floats
    sites_mw: Floats


@dataclass(frozen=True)
class HourEdges:
    """Hourly actuals just before and just after the horizon, MW, (n, 2): what the first and last hour ramp from and to."""

    load: Floats
    sites: Floats


def five_minutes(
    config: WorldConfig, geography: Geography, calendar: Calendar, actual: tuple[Floats, Floats], edges: HourEdges, window: slice
) -> FiveMinutes:
    """Values of the hours in `window`; the same whichever window they are asked in.

    Args:
        config: the world's numbers.
        geography: hubs and sites.
        calendar: hours of the horizon.
        actual: hourly load of hubs and output of sites, MW, (n, n_hours) each.
        edges: hourly values around the horizon.
        window: hours asked for.

    Raises:
        IndexError: the window is not within the horizon.
    """
    if not 0 <= window.start < window.stop <= calendar.frame.height:
        raise IndexError(f"hours {window.start} to {window.stop} are not within the horizon of {calendar.frame.height} hours")
    days = calendar.frame.get_column("day").to_numpy()[[window.start, window.stop - 1]]
    offset = window.start - int(np.searchsorted(calendar.frame.get_column("day").to_numpy(), days[0]))
    n_hubs = len(geography.hubs)
    noise = _steps(config, geography, calendar, range(int(days[0]), int(days[1]) + 1))
    noise = noise[:, offset : offset + window.stop - window.start]
    loads, sites = (_around(a, e, window) for a, e in zip(actual, (edges.load, edges.sites), strict=True))
    load_size = config.demand.five_minute * loads[:, 1:-1]
    load = _within(loads, noise[:n_hubs], load_size, np.full(n_hubs, np.inf))
    capacity = geography.sites.capacity_mw
    output = _within(sites, noise[n_hubs:], _site_noise(config, geography, sites[:, 1:-1]), capacity)
    hours = calendar.frame.get_column("delivery_ts")[window.start : window.stop]
    stamps = pl.datetime_range(hours[0], hours[-1], "1h", time_unit="ms", time_zone="UTC", eager=True)
    steps = stamps.dt.epoch("ms").to_numpy()[:, None] + np.arange(STEPS) * 300_000
    start = pl.Series("start_ts", steps.reshape(-1)).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    return FiveMinutes(start, load, output)


def _steps(config: WorldConfig, geography: Geography, calendar: Calendar, days: range) -> Floats:
    """Standard normals of hubs, then sites; sites of new plants draw from streams of their own, keyed by name."""
    sites = geography.sites
    drawn = [Noise(config.seed, calendar).five_minute("five_minutes", len(geography.hubs) + sites.own, days)]
    drawn += [Noise(named_seed(config.seed, name), calendar).five_minute("five_minutes", 1, days) for name in sites.names[sites.own :]]
    return np.concatenate(drawn)


def _around(values: Floats, edge: Floats, window: slice) -> Floats:
    before = edge[:, :1] if window.start == 0 else values[:, window.start - 1 : window.start]
    after = edge[:, 1:] if window.stop == values.shape[1] else values[:, window.stop : window.stop + 1]
    joined: Floats = np.concatenate([before, values[:, window], after], axis=1)
    return joined


def _site_noise(config: WorldConfig, geography: Geography, hourly: Floats) -> Floats:
    """Standard deviation within the hour: wind is most restless on the steep part of its power curve, sun in proportion to output."""
    capacity = geography.sites.capacity_mw[:, None]
    share = hourly / capacity
    wind = config.renewables.five_minute_wind * capacity * 4 * share * (1 - share)
    solar = np.array([k == SOLAR for k in geography.sites.kind])[:, None]
    size: Floats = np.where(solar, config.renewables.five_minute_solar * hourly * (1 - 0.6 * share), np.maximum(wind, 0.0))
    return size


def _within(around: Floats, noise: Floats, size: Floats, upper: Floats) -> Floats:
    """Twelve values per hour with exactly the hour's mean, within 0 and `upper`.

    Args:
        around: (n, hours + 2) hourly means with one neighbour on each side.
        noise: (n, hours, 12) standard normal steps.
        size: (n, hours) standard deviation of the noise within the hour.
        upper: (n,) largest admissible value.
    """
    mean = around[:, 1:-1]
    left, right = (mean + around[:, :-2]) / 2, (mean + around[:, 2:]) / 2
    line = np.where(
        CENTRES < 0.5,
        left[..., None] + (mean - left)[..., None] * 2 * CENTRES,
        mean[..., None] + (right - mean)[..., None] * (2 * CENTRES - 1),
    )
    walk = np.cumsum(noise, axis=2)
    bridge = (walk - CENTRES * walk[..., -1:]) * np.sqrt(6.0 / STEPS)
    change = line + bridge * size[..., None]
    change -= change.mean(axis=2, keepdims=True)
    low, high = -change.min(axis=2), change.max(axis=2)
    room = np.minimum(mean / np.maximum(low, 1e-12), (upper[:, None] - mean) / np.maximum(high, 1e-12))
    change *= np.clip(room, 0.0, 1.0)[..., None]
    values: Floats = (mean[..., None] + change).reshape(len(mean), -1)
    return values
