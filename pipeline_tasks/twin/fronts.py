"""Travelling fronts and extremes: heat waves, cold spells, wind droughts; what they add to the weather at a place and hour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models._kernel.grid.network import Floats, Ints
from pipeline_tasks.twin.geography import Points
from pipeline_tasks.twin.noise import Calendar, Noise
from pipeline_tasks.twin.world_config import WeatherConfig

BEFORE_H, AFTER_H = 30, 120  # a front is felt so long before and after its passage
RAMP_H = 18.0
HEAT, COLD, DROUGHT = range(3)


@dataclass(frozen=True)
class Front:
    """A front line that crosses the map.

    Attributes:
        centre_h: epoch hour at which it passes the map's centre.
        east, north: unit vector of its motion.
        speed_km_h: speed.
        strength: 1 on average.
        storm: gale at the passage, beyond the cut-out of turbines at its height.
        late_h: hours by which the day-ahead forecast expects it later.
        forecast_strength: strength that the day-ahead forecast expects.
    """

    centre_h: float
    east: float
    north: float
    speed_km_h: float
    strength: float
    storm: bool
    late_h: float
    forecast_strength: float


@dataclass(frozen=True)
class Extreme:
    """A spell of several days: kind, first and last epoch hour, centre on the map, strength and the strength that was forecast."""

    kind: int
    first_h: float
    last_h: float
    x_km: float
    y_km: float
    strength: float
    forecast_strength: float


@dataclass
class Push:
    """What events add: degC, m/s, logit of cloud, and what wind is multiplied by; (n_points, n_hours) each."""

    degc: Floats
    wind_m_s: Floats
    cloud: Floats
    wind_factor: Floats

    @classmethod
    def none(cls, points: int, hours: int) -> Push:
        """No event yet."""
        shape = (points, hours)
        return cls(np.zeros(shape), np.zeros(shape), np.zeros(shape), np.ones(shape))


def winter(doy: Floats) -> Floats:
    """1 in mid January, -1 in mid July."""
    course: Floats = np.cos(2 * np.pi * (doy - 17) / 365.25)
    return course


def draw_fronts(noise: Noise, calendar: Calendar, config: WeatherConfig) -> list[Front]:
    """Fronts of every day of the calendar and of the two days after it, whose first signs come earlier."""
    found: list[Front] = []
    for day in range(calendar.days + 2):
        ordinal = calendar.start.toordinal() + day
        rng = noise.generator("fronts", 0, ordinal)
        cold = float(winter(calendar_doy(np.array(ordinal))))
        for _ in range(int(rng.poisson(config.fronts_per_day))):
            u, g = rng.random(4), rng.standard_normal(4)
            angle = np.deg2rad(-12 + 28 * g[0])
            storm = bool(u[2] < config.storm_share * 2.2 * max(cold, 0.0))
            low, high = config.front_speed_km_h
            strength = float(np.exp(0.35 * g[1] - 0.06))
            found.append(
                Front(
                    centre_h=(ordinal - 719163) * 24 + 24 * float(u[0]),
                    east=float(np.cos(angle)),
                    north=float(np.sin(angle)),
                    speed_km_h=(low + (high - low) * float(u[1])) * (1.25 if storm else 1.0),
                    strength=strength * (1 + 0.2 * cold),
                    storm=storm,
                    late_h=config.front_timing_error_h * float(g[2]),
                    forecast_strength=strength * (1 + 0.2 * cold) * float(np.exp(0.16 * g[3] - 0.0128)),
                )
            )
    return found


def draw_extremes(noise: Noise, calendar: Calendar, config: WeatherConfig, size_km: tuple[float, float]) -> list[Extreme]:
    """Spells that begin on a day of the calendar."""
    rates = (config.heat_waves_per_year, config.cold_spells_per_year, config.wind_droughts_per_year)
    found: list[Extreme] = []
    for day in range(calendar.days):
        ordinal = calendar.start.toordinal() + day
        rng = noise.generator("extremes", 0, ordinal)
        cold = float(winter(calendar_doy(np.array(ordinal))))
        season = (3.4 * max(-cold - 0.25, 0), 3.4 * max(cold - 0.25, 0), 1 + 0.8 * cold)
        for kind in range(3):
            u, g = rng.random(3), rng.standard_normal(4)
            if u[0] < rates[kind] * season[kind] / 365.25:
                strength = float(np.exp(0.22 * g[0]))
                first = (ordinal - 719163) * 24 + 24 * float(u[1])
                found.append(
                    Extreme(
                        kind=kind,
                        first_h=first,
                        last_h=first + 24 * (4 + 7 * float(u[2])),
                        x_km=0.35 * size_km[0] * float(g[1]),
                        y_km=0.35 * size_km[1] * float(g[2]),
                        strength=strength,
                        forecast_strength=strength * float(np.exp(0.10 * g[3] - 0.005)),
                    )
                )
    return found


def calendar_doy(ordinal: Floats | Ints) -> Floats:
    """Day of the year of proleptic ordinals, good to a day."""
    doy: Floats = (np.asarray(ordinal, dtype=np.float64) - 719163) % 365.2425 + 1
    return doy


def add_fronts(push: Push, fronts: list[Front], points: Points, hours: Floats, doy: Floats, *, forecast: bool) -> None:
    """Add the fronts' effects to `push`, at their true passage or at the one that was forecast."""
    stronger = 1 + 0.3 * winter(doy)
    for front in fronts:
        along = (points.x_km * front.east + points.y_km * front.north) / front.speed_km_h
        passage = front.centre_h + along + (front.late_h if forecast else 0.0)
        low, high = np.searchsorted(hours, [passage.min() - BEFORE_H, passage.max() + AFTER_H])
        if low == high:
            continue
        lag = hours[None, low:high] - passage[:, None]
        size = front.forecast_strength if forecast else front.strength
        behind = np.maximum(lag, 0.0)
        fade = (lag > -BEFORE_H) & (lag < AFTER_H)
        gust = 3.4 * np.exp(-0.5 * (lag / 5) ** 2) + 1.2 * (lag > 0) * (1 - np.exp(-behind / 4)) * np.exp(-behind / 16)
        gale = 12.5 * np.exp(-0.5 * (lag / 6.5) ** 2) if front.storm else 0.0
        push.wind_m_s[:, low:high] += fade * (size * gust * stronger[low:high] + gale)
        push.cloud[:, low:high] += fade * size * (2.6 * np.exp(-0.5 * ((lag + 3) / 7) ** 2) - 0.9 * np.exp(-0.5 * ((lag - 18) / 10) ** 2))
        warm = 1.9 * np.exp(-0.5 * ((lag + 9) / 7) ** 2)
        push.degc[:, low:high] += fade * size * (warm - 4.2 * (1 - np.exp(-behind / 3)) * np.exp(-behind / 30))


def add_extremes(push: Push, extremes: list[Extreme], points: Points, hours: Floats, *, forecast: bool) -> None:
    """Add the spells' effects to `push`; they rise and fall over 18 hours and fade with distance from their centre."""
    for spell in extremes:
        low, high = np.searchsorted(hours, [spell.first_h, spell.last_h])
        if low == high:
            continue
        inside = hours[low:high]
        course = np.minimum(1.0, np.minimum(inside - spell.first_h, spell.last_h - inside) / RAMP_H)
        gap = (points.x_km - spell.x_km) ** 2 + (points.y_km - spell.y_km) ** 2
        size = (spell.forecast_strength if forecast else spell.strength) * np.exp(-0.5 * gap / 520**2)[:, None] * course
        if spell.kind == HEAT:
            push.degc[:, low:high] += 6.5 * size
            push.cloud[:, low:high] -= 1.6 * size
        elif spell.kind == COLD:
            push.degc[:, low:high] -= 9.0 * size
            push.wind_factor[:, low:high] *= np.exp(-0.25 * size)
        else:
            push.wind_factor[:, low:high] *= np.exp(-0.8 * size)
            push.cloud[:, low:high] += 0.8 * size
