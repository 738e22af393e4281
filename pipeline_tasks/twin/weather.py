"""The weather field: temperature, wind, cloud and irradiance at any place of the map, and what was forecast the day before.

Random fields live on a grid of anchors with an exponential distance kernel and are carried to places by kriging weights. Each field has a
slow part that a forecast knows, a part that it never knows and one that it knows at short lead; so load, wind and solar forecasts err
together: one weather forecast errs. Fronts and extremes come on top (fronts.py); a forecast has them at the wrong time and strength.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gamma, ndtr

from models._kernel.grid.network import Floats
from pipeline_tasks.twin.dials import ScenarioDials
from pipeline_tasks.twin.fronts import Push, add_extremes, add_fronts, draw_extremes, draw_fronts, winter
from pipeline_tasks.twin.geography import WIND_OFFSHORE, Geography, Points
from pipeline_tasks.twin.noise import Calendar, Noise, autoregressive, combined
from pipeline_tasks.twin.sun import clear_sky
from pipeline_tasks.twin.world_config import WorldConfig

FIELDS = ("temperature", "wind", "cloud")
FRONTS_DEGC = -4.2 * 27 + 1.9 * 17.5  # degC hours of an average front; the mean course allows for it
DIAL_RAMP_H = 12.0


@dataclass(frozen=True)
class Places:
    """Where weather is wanted: coordinates, mean wind at hub height (m/s), warmth of towns (degC); one value per place."""

    points: Points
    wind_m_s: Floats
    warmer_degc: Floats
    heat_weight: tuple[Floats, ...]

    @classmethod
    def of(cls, config: WorldConfig, geography: Geography, dials: ScenarioDials) -> Places:
        """The hubs, then the sites; `heat_weight` is how much of each heat-wave dial a place feels."""
        points = Points(
            *(
                np.concatenate([getattr(p, c) for p in (geography.hub_points, geography.sites.points)])
                for c in ("x_km", "y_km", "lon", "lat")
            )
        )
        hubs = list(config.geography.hubs.values())
        north = points.y_km / (config.geography.height_km / 2)
        sea = np.concatenate([np.zeros(len(hubs)), np.array([k == WIND_OFFSHORE for k in geography.sites.kind])])
        wind = np.where(sea > 0, config.weather.offshore_m_s, config.weather.onshore_m_s) + config.weather.north_m_s * north
        warmer = np.concatenate([np.array([h.warmer_degc for h in hubs]), np.zeros(len(geography.sites.names))])
        return cls(points, wind, warmer, tuple(_felt(points, geography, d.hub) for d in dials.heat_waves))


def _felt(points: Points, geography: Geography, hub: str | None) -> Floats:
    if hub is None:
        return np.ones(len(points.x_km))
    if hub not in geography.hubs:
        raise ValueError(f"heat wave at hub {hub!r}, which does not exist; choose one of {', '.join(geography.hubs)}")
    k = geography.hubs.index(hub)
    gap = (points.x_km - geography.hub_points.x_km[k]) ** 2 + (points.y_km - geography.hub_points.y_km[k]) ** 2
    felt: Floats = np.exp(-0.5 * gap / 150**2)
    return felt


@dataclass(frozen=True)
class Conditions:
    """Hourly means at places, (n_places, n_hours): degC, m/s at hub height, W/m2 on the horizontal, share of sky."""

    temperature_degc: Floats
    wind_m_s: Floats
    irradiance_w_m2: Floats
    cloud_share: Floats


@dataclass(frozen=True)
class WeatherField:
    """Weather at hubs and sites (in this order): what happens, what was forecast, and the normal temperature."""

    actual: Conditions
    forecast: Conditions
    normal_degc: Floats


def simulate_weather(
    config: WorldConfig, geography: Geography, calendar: Calendar, forecast_noise: Floats, dials: ScenarioDials
) -> WeatherField:
    """Weather of every hour of the calendar.

    Args:
        config: numbers.
        geography: hubs and sites.
        calendar: hours; day-ahead forecasts are of 08:00 local on the day before.
        forecast_noise: (n_hours,) extra standard deviation of forecasts, in those of the fields.
        dials: heat waves and wind droughts are applied to weather and forecast alike.
    """
    places = Places.of(config, geography, dials)
    noise = Noise(config.seed, calendar, config.redraw)
    hours = calendar.frame.get_column("delivery_ts").dt.epoch("s").to_numpy() / 3600.0
    size = (config.geography.width_km, config.geography.height_km)
    fronts, extremes = draw_fronts(noise, calendar, config.weather), draw_extremes(noise, calendar, config.weather, size)
    fields = {name: _field(config, noise, calendar, places.points, name, forecast_noise) for name in FIELDS}
    _mix(config, calendar, fields)
    light = clear_sky(hours, places.points.lon, places.points.lat)
    found = []
    for k, forecast in enumerate((False, True)):
        push = Push.none(len(places.wind_m_s), len(hours))
        add_fronts(push, fronts, places.points, hours + 0.5, calendar.column("doy"), forecast=forecast)
        add_extremes(push, extremes, places.points, hours + 0.5, forecast=forecast)
        _add_dials(push, places, calendar, dials)
        found.append(_conditions(config, calendar, places, {n: f[k] for n, f in fields.items()}, push, light))
    return WeatherField(found[0], found[1], _normal(config, calendar, places))


def _field(
    config: WorldConfig, noise: Noise, calendar: Calendar, points: Points, name: str, forecast_noise: Floats
) -> tuple[Floats, Floats]:
    """A field of unit variance at places, and its forecast."""
    weather = config.weather
    mix = _carry(config, points, float(getattr(weather.reach_km, name)))
    n = mix.shape[1]
    shocks = noise.hourly_block(f"{name}_field", 4 * n, news=slice(n, 2 * n))
    memory = (float(getattr(weather.memory_h, name)), *weather.news_memory_h, weather.news_memory_h[1])
    slow, never, later, extra = (
        combined(mix, autoregressive(shocks[k * n : (k + 1) * n], float(np.exp(-1 / m)))) for k, m in enumerate(memory)
    )
    news = getattr(weather.news_share, name)
    lead = (calendar.column("hour_of_day") + 0.5) / 24
    known = np.sqrt(1 - sum(news)) * slow
    actual = known + np.sqrt(news[0]) * never + np.sqrt(news[1]) * later
    forecast = known + np.sqrt(news[1]) * (0.85 - 0.65 * lead) * later + forecast_noise * extra
    return actual, forecast


def _mix(config: WorldConfig, calendar: Calendar, fields: dict[str, tuple[Floats, Floats]]) -> None:
    """Blend the wind field into the others, unit variance kept; the forecasts alike, so that their errors go together."""
    mixes = config.weather.wind_mixes
    for name, share in (("cloud", np.array(mixes.cloud)), ("temperature", mixes.temperature * winter(calendar.column("doy")))):
        own = np.sqrt(1 - share**2)
        actual, forecast = (share * w + own * f for w, f in zip(fields["wind"], fields[name], strict=True))
        fields[name] = (actual, forecast)


def _carry(config: WorldConfig, points: Points, reach_km: float) -> Floats:
    """Weights (n_places, n_anchors) of independent anchor values, such that places have unit variance and an exponential kernel."""
    across, up = config.weather.anchors
    x, y = np.meshgrid(np.linspace(-0.6, 0.6, across) * config.geography.width_km, np.linspace(-0.6, 0.6, up) * config.geography.height_km)
    ax, ay = x.ravel(), y.ravel()
    kernel = np.exp(-np.hypot(ax[:, None] - ax, ay[:, None] - ay) / reach_km)
    towards = np.exp(-np.hypot(points.x_km[:, None] - ax, points.y_km[:, None] - ay) / reach_km)
    factor = np.linalg.cholesky(kernel)
    weights = np.stack([np.linalg.solve(factor, place) for place in towards])  # one by one: a place's digits hang on no other place
    scaled: Floats = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    return scaled


def _add_dials(push: Push, places: Places, calendar: Calendar, dials: ScenarioDials) -> None:
    for heat, felt in zip(dials.heat_waves, places.heat_weight, strict=True):
        push.degc += heat.degc * felt[:, None] * _course(calendar, heat.first.toordinal(), heat.last.toordinal())
    for drought in dials.wind_droughts:
        push.wind_factor *= 1 + (drought.multiplier - 1) * _course(calendar, drought.first.toordinal(), drought.last.toordinal())


def _course(calendar: Calendar, first: int, last: int) -> Floats:
    """0 outside the window of days, 1 inside, with ramps of 12 hours within it."""
    day = calendar.column("day") + calendar.start.toordinal()
    inside = np.flatnonzero((day >= first) & (day <= last))
    course = np.zeros(len(day))
    if len(inside):
        opened = inside - inside[0] + 0.5 if day[0] < first else np.full(len(inside), DIAL_RAMP_H)
        closing = inside[-1] - inside + 0.5 if day[-1] > last else np.full(len(inside), DIAL_RAMP_H)
        course[inside] = np.minimum(1.0, np.minimum(opened, closing) / DIAL_RAMP_H)
    return course


def _solar_hour(calendar: Calendar, lon: Floats) -> Floats:
    hours = calendar.frame.get_column("delivery_ts").dt.epoch("s").to_numpy() / 3600.0
    clock: Floats = (hours + 0.5) % 24 + lon[:, None] / 15
    return clock


def _normal(config: WorldConfig, calendar: Calendar, places: Places) -> Floats:
    """Mean course of temperature with the mean cloud, fronts included."""
    weather = config.weather
    season = winter(calendar.column("doy") - 10)
    north = places.points.y_km[:, None] / (config.geography.height_km / 2)
    base = weather.mean_degc + weather.north_degc * north + places.warmer_degc[:, None] - weather.season_degc * season
    normal: Floats = base + _diurnal(config, calendar, places, 0.62)
    return normal


def _diurnal(config: WorldConfig, calendar: Calendar, places: Places, cloud: Floats | float) -> Floats:
    range_degc = config.weather.diurnal_degc * (0.68 - 0.32 * winter(calendar.column("doy")))
    wave: Floats = range_degc * (1.45 - 0.75 * cloud) * np.cos(2 * np.pi * (_solar_hour(calendar, places.points.lon) - 14.8) / 24)
    return wave


def _conditions(
    config: WorldConfig, calendar: Calendar, places: Places, fields: dict[str, Floats], push: Push, light: Floats
) -> Conditions:
    """Physical values from fields and events."""
    weather = config.weather
    season = winter(calendar.column("doy"))
    cloud = 1 / (1 + np.exp(-(1.3 + 0.75 * season + 1.7 * fields["cloud"] + push.cloud)))
    shift = _normal(config, calendar, places) - _diurnal(config, calendar, places, 0.62) - weather.fronts_per_day * FRONTS_DEGC / 24
    warmth = weather.spread_degc * (1 + 0.15 * season) * fields["temperature"]
    temperature = shift + warmth + push.degc + _diurnal(config, calendar, places, cloud)
    shape = weather.weibull_shape
    draw = (-np.log(np.maximum(1 - ndtr(fields["wind"]), 1e-12))) ** (1 / shape) / gamma(1 + 1 / shape)
    nightly = 1 - 0.05 * np.cos(2 * np.pi * (_solar_hour(calendar, places.points.lon) - 14) / 24)
    wind = places.wind_m_s[:, None] * (1 + weather.season_wind * season) * nightly * draw + push.wind_m_s
    return Conditions(temperature, np.maximum(wind, 0.0) * push.wind_factor, light * (1 - 0.75 * cloud**3.4), cloud)
