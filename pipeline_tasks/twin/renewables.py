"""Output of wind and solar sites from the weather at their place."""

from __future__ import annotations

import numpy as np

from models._kernel.grid.network import Floats
from pipeline_tasks.twin.fronts import winter
from pipeline_tasks.twin.geography import SOLAR, Geography, Sites
from pipeline_tasks.twin.noise import Calendar
from pipeline_tasks.twin.weather import Conditions
from pipeline_tasks.twin.world_config import RenewablesConfig, WorldConfig
from pipeline_tasks.twin.world_types import Series

SPREAD_M_S = 1.1  # wind varies over a park and an hour, which rounds the curve of one turbine


def power_curve(config: RenewablesConfig, wind_m_s: Floats, doubt_m_s: float = 0.0) -> Floats:
    """Share of capacity of a wind park: cubic between cut-in and rated, averaged over a normal spread of wind, falling off at cut-out.

    A forecaster who doubts the wind by `doubt_m_s` (standard deviation) expects the mean over that spread too.
    """
    grid = np.arange(0.0, 45.0, 0.1)
    rise = (grid**3 - config.cut_in_m_s**3) / (config.rated_m_s**3 - config.cut_in_m_s**3)
    turbine = np.where(grid < config.cut_out_m_s, np.clip(rise, 0.0, 1.0), 0.0)
    kernel = np.exp(-0.5 * (np.arange(-8, 8.01, 0.1) / np.hypot(SPREAD_M_S, doubt_m_s)) ** 2)
    park = np.convolve(np.pad(turbine, 80, mode="edge"), kernel / kernel.sum(), mode="valid")[: len(grid)]
    share: Floats = config.wind_availability * np.interp(wind_m_s, grid, park)
    return share


def solar_share(config: RenewablesConfig, irradiance_w_m2: Floats, degc: Floats, doy: Floats) -> Floats:
    """Share of capacity of a solar park: irradiance, tilt of the modules, loss with cell temperature (30 K above air at 1 kW/m2)."""
    plane = irradiance_w_m2 / 1000 * (1 + config.solar_tilt_gain * (1 + winter(doy)))
    hot = degc + 30 * plane - 25
    share: Floats = np.clip(config.solar_performance * plane * (1 - config.degc_loss * hot), 0.0, 1.0)
    return share


def simulate_sites(config: WorldConfig, geography: Geography, calendar: Calendar, weather: tuple[Conditions, Conditions]) -> Series:
    """Output of every site, MW, (n_sites, n_hours), from what happens and from what was forecast; weather is given at hubs, then sites.

    A site that is not always there gives nothing outside its window.
    """
    sites, first = geography.sites, len(geography.hubs)
    solar = np.array([k == SOLAR for k in sites.kind])
    capacity = sites.capacity_mw[:, None] * _there(sites, calendar)
    found = []
    for conditions, doubt in zip(weather, (0.0, config.renewables.forecast_doubt_m_s), strict=True):
        wind = power_curve(config.renewables, conditions.wind_m_s[first:][~solar], doubt)
        sun = solar_share(
            config.renewables, conditions.irradiance_w_m2[first:][solar], conditions.temperature_degc[first:][solar], calendar.column("doy")
        )
        output = np.empty((len(sites.names), calendar.frame.height))
        output[~solar], output[solar] = wind, sun
        found.append(output * capacity)
    return Series(found[0], found[1], found[0])


def _there(sites: Sites, calendar: Calendar) -> Floats:
    """(n_sites, n_hours): 1 while a site exists, else 0."""
    ordinal = calendar.column("day") + calendar.start.toordinal()
    there = np.ones((len(sites.names), len(ordinal)))
    for row, window in zip(there, sites.windows, strict=True):
        if window is not None:
            row[:] = (ordinal >= window[0].toordinal()) & (ordinal <= window[1].toordinal())
    return there
