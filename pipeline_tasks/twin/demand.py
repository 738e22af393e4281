"""Load of the hubs: calendar, response to temperature, own noise; and the day-ahead forecast from the weather forecast."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from scipy.signal import lfilter

from models._kernel.grid.network import Floats
from pipeline_tasks.twin.fronts import winter
from pipeline_tasks.twin.geography import Geography
from pipeline_tasks.twin.noise import Calendar, Noise, autoregressive
from pipeline_tasks.twin.weather import Conditions
from pipeline_tasks.twin.world_config import WorldConfig
from pipeline_tasks.twin.world_types import Series

# load over its mean at the hours 0, 2, ... 24 of a working day (business), and of a day off; a home follows the second row all week
OFFICE = (0.74, 0.70, 0.74, 0.94, 1.14, 1.20, 1.21, 1.16, 1.12, 1.13, 1.06, 0.90, 0.74)
FREE = (0.78, 0.71, 0.69, 0.71, 0.86, 0.99, 1.03, 0.96, 0.92, 0.99, 1.03, 0.93, 0.78)
WANDER_H = 90.0  # e-folding time of what moves load slowly
BRIDGE = 0.55  # of the way from a working day to a day off: Saturdays, days between a holiday and a weekend, 24 to 31 December


def simulate_demand(
    config: WorldConfig, geography: Geography, calendar: Calendar, weather: tuple[Conditions, Conditions], load_error: Floats
) -> Series:
    """Load of the hubs, MW, (n_hubs, n_hours).

    A forecast errs because the weather forecast does, because it knows slow movements of load only up to the morning before, because its
    idea of how load answers weather is off for days, and because of what nothing explains.

    Args:
        config: numbers.
        geography: hubs.
        calendar: hours.
        weather: what happens and what was forecast, hubs first.
        load_error: (n_hours,) multiplies the own error of forecasts (regime).
    """
    numbers, n = config.demand, len(geography.hubs)
    noise = Noise(config.seed, calendar, config.redraw)
    shape = calendar_shape(config, calendar)
    mean = geography.hub_load_mw[:, None]
    fade, slow = float(np.exp(-1 / WANDER_H)), float(np.exp(-1 / numbers.response_memory_h))
    wander = numbers.wander * autoregressive(noise.hourly_block("demand", n + 1, news=slice(None)), fade)
    known = as_published(calendar, wander, fade)
    error = autoregressive(noise.hourly_block("demand_error", n + 1, news=slice(None)), float(np.exp(-1 / numbers.own_error_memory_h)))
    belief = 1 + numbers.response_error * autoregressive(noise.hourly_block("demand_error", 1, unit=1), slow)
    explained = shape + wander[:1] + wander[1:] + weather_response(config, calendar, weather[0])
    ahead = shape + known[:1] + known[1:] + belief * weather_response(config, calendar, weather[1])
    # a regime makes forecasts worse, not the load: the usual surprise moves the load, what a regime adds moves the forecast
    surprise = numbers.own_error[0] * error[:1] + numbers.own_error[1] * error[1:]
    actual = explained * (1 + surprise)
    forecast = ahead * (1 - (load_error - 1) * surprise)
    return Series(mean * np.maximum(actual, 0.05), mean * np.maximum(forecast, 0.05), mean * explained)


def as_published(calendar: Calendar, path: Floats, fade: float) -> Floats:
    """What the forecasts of 08:00 on the day before make of a path, same shape: its value then, faded at the pace at which it forgets.

    Args:
        calendar: hours; on its first day, which has no day before, the hours up to 08:00 are taken as seen.
        path: (n, n_hours) autoregressive of first order.
        fade: its coefficient.
    """
    eight = np.flatnonzero(calendar.frame.get_column("local_hour").to_numpy() == 7)  # the hour that ends at 08:00, once a day
    seen = eight[np.maximum(calendar.frame.get_column("day").to_numpy() - 1, 0)]
    lead = np.maximum(np.arange(path.shape[1]) - seen, 0)
    known: Floats = path[:, seen] * fade**lead
    return known


def days_off(config: WorldConfig, calendar: Calendar) -> Floats:
    """How free each day is, (n_days,): 0 working day, 1 Sunday or public holiday, `BRIDGE` between."""
    from holidays import country_holidays

    days = [calendar.start + timedelta(days=k) for k in range(-1, calendar.days + 1)]
    public = country_holidays(config.holidays, years=range(days[0].year, days[-1].year + 1))
    off = [1.0 if d in public or d.isoweekday() == 7 else 0.0 for d in days]
    for k in range(1, len(days) - 1):
        day = days[k]
        if off[k] == 0.0 and (day.isoweekday() == 6 or (day.month, day.day) >= (12, 24)):
            off[k] = BRIDGE
        elif off[k] == 0.0 and ((day.isoweekday() == 1 and days[k + 1] in public) or (day.isoweekday() == 5 and days[k - 1] in public)):
            off[k] = BRIDGE / 2
    return np.array(off[1:-1])


def calendar_shape(config: WorldConfig, calendar: Calendar) -> Floats:
    """Load over its mean by hour of day and kind of day, without weather, (n_hubs, n_hours)."""
    free = calendar.hourly(days_off(config, calendar))
    hour = calendar.column("local_hour") + 0.5
    office, home = (np.interp(hour, np.arange(0, 25, 2), v) for v in (OFFICE, FREE))
    season = winter(calendar.column("doy"))
    evening = 0.045 * season * np.exp(-0.5 * ((hour - 18.5) / 2.2) ** 2) - 0.02 * season * np.exp(-0.5 * ((hour - 13) / 3) ** 2)
    business = np.array([h.business for h in config.geography.hubs.values()])[:, None]
    working = business * office + (1 - business) * home
    resting = home - 0.10 - 0.05 * business
    shape: Floats = 0.985 + 0.92 * ((1 - free) * working + free * resting - 1) + 0.02 * season + evening
    return shape


def weather_response(config: WorldConfig, calendar: Calendar, conditions: Conditions) -> Floats:
    """Heating, cooling and lighting over mean load, (n_hubs, n_hours); heating follows the mean of the last day, cooling half the hour."""
    hubs = config.geography.hubs.values()
    low, high = config.demand.base_degc
    degc = conditions.temperature_degc[: len(hubs)]
    keep = float(np.exp(-1 / config.demand.inertia_h))
    start = degc[:, :1] * keep
    inert = lfilter([1 - keep], [1.0, -keep], degc, axis=1, zi=start)[0]
    awake = 0.75 + 0.25 * np.clip((calendar.column("local_hour") - 5) / 3, 0, 1) * (calendar.column("local_hour") < 22)
    heating = np.array([h.heating_per_degc for h in hubs])[:, None] * np.maximum(low - (0.6 * inert + 0.4 * degc), 0.0)
    cooling = np.array([h.cooling_per_degc for h in hubs])[:, None] * np.maximum(0.4 * inert + 0.6 * degc - high, 0.0)
    dark = 0.02 * (1 - np.minimum(conditions.irradiance_w_m2[: len(hubs)] / 200, 1.0)) * (calendar.column("local_hour") > 5)
    response: Floats = (heating + cooling) * awake + dark
    return response
