"""LNG: arrivals against schedule, tanks and send-out, underground storage, and the known causal effect on the gas price.

What the truth says. Let L be the cargo that is overdue against schedule (TWh, cumulative). The log price of gas at the main hub contains
theta * L with theta = effect_per_twh * (1 + effect_tightness * tightness): one TWh of unexpected arrival on a day lowers the log price of
that day by theta, until later arrivals make up for it. Cold and storms hold vessels at the coast and move gas demand: they confound the
regression of price on arrivals. Closures of passages delay vessels too and touch nothing else: they are the instrument.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models._kernel.grid.network import Floats
from pipeline_tasks.twin.fronts import calendar_doy, winter
from pipeline_tasks.twin.noise import Calendar, Noise
from pipeline_tasks.twin.voyages import Voyage, causes, closure_frame, draw_closures, epoch_days, reports, sail
from pipeline_tasks.twin.world_config import LngConfig, WorldConfig
from pipeline_tasks.twin.world_types import Lng


@dataclass(frozen=True)
class DailyWeather:
    """Daily means that gas and vessels feel, (n_days,).

    Attributes:
        cold_degc: degC colder than normal, mean of the hubs.
        sea_wind_m_s: wind at the coast.
        calm: wind capacity factor below its normal.
    """

    cold_degc: Floats
    sea_wind_m_s: Floats
    calm: Floats


def simulate_lng(config: WorldConfig, calendar: Calendar, weather: DailyWeather) -> Lng:
    """Voyages, stocks and effects of every day of the calendar; frames hold everything that departs within it."""
    numbers = config.lng
    closures = draw_closures(numbers, Noise(config.seed, calendar), calendar)
    hold = numbers.storm_delay_days * np.maximum(weather.sea_wind_m_s - numbers.storm_limit_m_s, 0)
    hold = hold + numbers.cold_delay_days * np.maximum(weather.cold_degc, 0)
    voyages = sail(config, calendar, closures, hold)
    scheduled, arrived, excluded = _flows(numbers, calendar, voyages)
    unexpected = (arrived - scheduled).sum(axis=0)
    late = -np.cumsum(unexpected)
    fill, tightness = _storage(numbers, calendar, weather)
    effect = -numbers.effect_per_twh * (1 + numbers.effect_tightness * tightness)
    start, stock, unloaded, sendout, boil_off = _tanks(numbers, calendar, weather, arrived)
    fuels = config.fuels
    return Lng(
        terminals=tuple(numbers.terminals),
        scheduled_gwh=scheduled,
        arrived_gwh=arrived,
        unloaded_gwh=unloaded,
        sendout_gwh=sendout,
        boil_off_gwh=boil_off,
        stock_gwh=stock,
        stock_before_gwh=start,
        storage_fill=fill,
        late_gwh=late,
        unexpected_gwh=unexpected,
        instrument_gwh=excluded,
        effect_per_twh=effect,
        effect_log=-effect * late / 1000,
        weather_log=fuels.cold_response * weather.cold_degc + fuels.calm_response * weather.calm,
        tightness=tightness,
        voyages=reports(voyages, numbers.schedule_slack_days),
        voyage_truth=causes(voyages),
        closures=closure_frame(closures),
    )


def _flows(numbers: LngConfig, calendar: Calendar, voyages: list[Voyage]) -> tuple[Floats, Floats, Floats]:
    """Cargo by terminal and local day: as scheduled, as arrived; and the change that closures alone would make."""
    midnights = epoch_days(calendar)
    edges = np.append(midnights, midnights[-1] + 1)
    terminals = list(numbers.terminals)
    scheduled, arrived = (np.zeros((len(terminals), calendar.days + 1)) for _ in range(2))
    moved = np.zeros(calendar.days + 1)

    def day(instant: float) -> int:
        return min(int(np.searchsorted(edges, instant, side="right")) - 1, calendar.days)

    for v in voyages:
        row = terminals.index(v.terminal)
        scheduled[row, day(v.scheduled)] += v.cargo_gwh
        arrived[row, day(v.arrived)] += v.cargo_gwh
        if v.closure:
            moved[day(v.scheduled)] -= v.cargo_gwh
            moved[day(v.scheduled + v.closure)] += v.cargo_gwh
    return scheduled[:, :-1], arrived[:, :-1], moved[:-1]


def _storage(numbers: LngConfig, calendar: Calendar, weather: DailyWeather) -> tuple[Floats, Floats]:
    """Fill of underground storage and its tightness: the norm, extra withdrawal in cold, a slow return.

    Arrivals do not move it, so that the effect of an arrival does not hang on the arrival itself.
    """
    doy = calendar_doy(np.arange(calendar.days) + calendar.start.toordinal())
    full, empty = numbers.storage_norm
    since = (doy - 305) % 365.2425  # from 1 November; winter ends 151 days later
    share = np.where(since < 151, since / 151, 1 - (since - 151) / 214.2425)
    norm = empty + (full - empty) * 0.5 * (1 + np.cos(np.pi * np.clip(share, 0, 1)))
    push = -numbers.storage_cold_gwh * weather.cold_degc / numbers.storage_gwh
    fill = np.empty(calendar.days)
    gap = 0.0
    for t in range(calendar.days):
        gap = (1 - numbers.storage_return) * gap + float(push[t])
        fill[t] = min(max(float(norm[t]) + gap, 0.02), 1.0)
        gap = fill[t] - float(norm[t])
    tightness: Floats = np.clip((norm - fill) / numbers.tightness_range, 0.0, 1.0)
    return fill, tightness


def _tanks(numbers: LngConfig, calendar: Calendar, weather: DailyWeather, arrived: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Stock before, then stock, unloading, send-out and boil-off by day; a vessel that finds no room waits.

    Send-out follows the mean supply, the season, the cold and how full the tank is, within the regasification limit and above the heel.
    """
    terminals = list(numbers.terminals.values())
    tank, regas, berth, heel, share = (
        np.array([getattr(t, f) for t in terminals]) for f in ("tank_gwh", "regas_gwh_per_day", "unload_gwh_per_day", "heel_gwh", "share")
    )
    trip = sum(o.share * 2 * o.days for o in numbers.origins.values()) + 2 * numbers.port_days
    supply = share * numbers.vessels * float(np.mean(numbers.cargo_gwh)) / trip
    doy = calendar_doy(np.arange(calendar.days) + calendar.start.toordinal())
    pull = 1 + 0.12 * winter(doy) + 0.012 * weather.cold_degc
    stock = np.empty((len(terminals), calendar.days))
    unloaded, sendout, boil_off = (np.empty_like(stock) for _ in range(3))
    start = level = 0.5 * tank
    waiting = np.zeros(len(terminals))
    for t in range(calendar.days):
        boil_off[:, t] = numbers.boil_off_per_day * level
        wanted = supply * pull[t] * (0.35 + 1.3 * level / tank)
        sendout[:, t] = np.clip(wanted, 0.0, np.minimum(regas, np.maximum(level - boil_off[:, t] - heel, 0.0)))
        waiting = waiting + arrived[:, t]
        unloaded[:, t] = np.minimum(np.minimum(waiting, berth), np.maximum(tank - (level - sendout[:, t] - boil_off[:, t]), 0.0))
        waiting = waiting - unloaded[:, t]
        level = level + unloaded[:, t] - sendout[:, t] - boil_off[:, t]
        stock[:, t] = level
    return start, stock, unloaded, sendout, boil_off
