"""Weather, load, wind, solar, fuels: what is measured and what was forecast the day before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline_tasks.twin.config import TwinConfig
from pipeline_tasks.twin.noise import Calendar, FloatArray, Noise, autoregressive

LATITUDE = np.deg2rad(51.0)
QUANTITIES = ("load", "wind", "solar", "temperature")


@dataclass(frozen=True)
class Fundamentals:
    """Hourly system values; each array has one value per hour of the calendar, fuels one per day.

    Attributes:
        actual: quantity -> measured value, MW (temperature: degC).
        forecast: quantity -> day-ahead forecast in the same unit.
        hub_load_actual, hub_load_forecast: hub -> MW.
        gas, co2: daily settlements, currency/MWh and currency/t.
        outage: unplanned outages, MW.
    """

    actual: dict[str, FloatArray]
    forecast: dict[str, FloatArray]
    hub_load_actual: dict[str, FloatArray]
    hub_load_forecast: dict[str, FloatArray]
    gas: FloatArray
    co2: FloatArray
    outage: FloatArray


def simulate(config: TwinConfig, calendar: Calendar) -> Fundamentals:
    """All fundamentals of the calendar, deterministic in the configuration."""
    noise = Noise(config.seed, calendar)
    temperature = _temperature(calendar, noise)
    actual = {
        "load": _load(config, calendar, noise, temperature),
        "wind": _wind(config, calendar, noise),
        "solar": _solar(config, calendar, noise),
        "temperature": temperature,
    }
    forecast = _forecasts(config, noise, actual)
    names = list(config.hubs)
    drift = {h: 1 + 0.03 * autoregressive(noise.hourly("load", k + 1), 0.97) for k, h in enumerate(names)}
    weight = sum(config.hubs[h].load * drift[h] for h in names)
    share = {h: config.hubs[h].load * drift[h] / weight for h in names}
    error = {h: 1 + 0.6 * config.load_error_share * autoregressive(noise.hourly("load_error", k + 1), 0.9) for k, h in enumerate(names)}
    return Fundamentals(
        actual=actual,
        forecast=forecast,
        hub_load_actual={h: actual["load"] * share[h] for h in names},
        hub_load_forecast={h: forecast["load"] * share[h] * error[h] for h in names},
        gas=config.gas_mean_ccy_per_mwh * np.exp(0.22 * autoregressive(noise.daily("gas"), 0.985)),
        co2=config.co2_mean_ccy_per_t * np.exp(0.12 * autoregressive(noise.daily("co2"), 0.99)),
        outage=config.outage_mean_mw * np.exp(0.7 * autoregressive(noise.hourly("outage"), 0.992) - 0.245),
    )


def _temperature(calendar: Calendar, noise: Noise) -> FloatArray:
    season = -np.cos(2 * np.pi * (calendar.column("doy") - 20) / 365.25)
    day = -np.cos(2 * np.pi * (calendar.column("local_hour") - 4) / 24)
    spell = 3.6 * calendar.hourly(autoregressive(noise.daily("temperature"), 0.82))
    return 10 + 8.5 * season + (2.2 + 1.3 * season) * day + spell + 0.7 * autoregressive(noise.hourly("temperature", 1), 0.9)


def _load(config: TwinConfig, calendar: Calendar, noise: Noise, temperature: FloatArray) -> FloatArray:
    hour, weekday = calendar.column("local_hour"), calendar.column("weekday")
    shape = 0.15 * np.sin(np.pi * (hour - 6) / 15) * (hour >= 6) * (hour <= 21) - 0.14 * ((hour < 6) | (hour > 21))
    shape += 0.05 * np.exp(-0.5 * ((hour - 19) / 1.6) ** 2)
    week = np.where(weekday == 7, -0.15, np.where(weekday == 6, -0.09, 0.02))
    heating = 0.0085 * np.maximum(14 - temperature, 0) + 0.0075 * np.maximum(temperature - 22, 0)
    wander = 0.022 * autoregressive(noise.hourly("load"), 0.985)
    result: FloatArray = config.load_mean_mw * (0.97 + shape + week + heating + wander)
    return result


def _wind(config: TwinConfig, calendar: Calendar, noise: Noise) -> FloatArray:
    season = np.cos(2 * np.pi * (calendar.column("doy") - 15) / 365.25)
    logit = -1.35 + 0.45 * season + 1.15 * autoregressive(noise.hourly("wind"), 0.985)
    result: FloatArray = config.wind_capacity_mw * 0.92 / (1 + np.exp(-logit))
    return result


def _clear_sky(calendar: Calendar) -> FloatArray:
    """Sine of the sun's elevation at the interval's middle (declination by Cooper 1969), zero at night."""
    utc_hour = calendar.frame.get_column("delivery_ts").dt.hour().to_numpy().astype(np.float64)
    declination = np.deg2rad(23.45) * np.sin(2 * np.pi * (284 + calendar.column("doy")) / 365)
    angle = np.deg2rad(15.0) * (utc_hour + 0.5 + 10 / 15 - 12)  # 10 degrees east
    sine: FloatArray = np.sin(LATITUDE) * np.sin(declination) + np.cos(LATITUDE) * np.cos(declination) * np.cos(angle)
    return np.maximum(sine, 0.0)


def _solar(config: TwinConfig, calendar: Calendar, noise: Noise) -> FloatArray:
    cloud = 0.9 * calendar.hourly(autoregressive(noise.daily("cloud"), 0.55)) + 0.4 * autoregressive(noise.hourly("cloud", 1), 0.85)
    clear = 0.28 + 0.62 / (1 + np.exp(-(0.5 + cloud)))
    result: FloatArray = config.solar_capacity_mw * 0.88 * clear * _clear_sky(calendar) ** 1.15
    return result


def _forecasts(config: TwinConfig, noise: Noise, actual: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Actual less an autocorrelated error; never below zero, and no sun at night."""
    load = actual["load"] - config.load_error_share * config.load_mean_mw * autoregressive(noise.hourly("load_error"), 0.93)
    depth = (
        4 * (actual["wind"] / config.wind_capacity_mw) * (1 - actual["wind"] / config.wind_capacity_mw)
    )  # errors grow on the power curve
    wind = actual["wind"] - config.wind_error_share * config.wind_capacity_mw * (0.4 + depth) * autoregressive(
        noise.hourly("wind_error"), 0.94
    )
    sun = np.minimum(actual["solar"] / (0.25 * config.solar_capacity_mw), 1.0)
    solar = actual["solar"] - config.solar_error_share * config.solar_capacity_mw * sun * autoregressive(noise.hourly("solar_error"), 0.9)
    warm = actual["temperature"] - config.temperature_error_degc * autoregressive(noise.hourly("temperature_error"), 0.95)
    return {"load": load, "wind": np.maximum(wind, 0.0), "solar": np.maximum(solar, 0.0), "temperature": warm}
