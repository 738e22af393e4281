"""Years of the twin's fuels and LNG without its grid: the same processes and numbers, with a daily weather of its own. Synthetic.

A year of the grid takes minutes to clear and estimators of effects want many years; fuels, vessels and storage do not depend on the grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from pipeline_tasks.twin.dials import NO_DIALS
from pipeline_tasks.twin.fuels import simulate_fuels
from pipeline_tasks.twin.lng import DailyWeather, simulate_lng
from pipeline_tasks.twin.noise import Calendar
from pipeline_tasks.twin.regimes import simulate_regimes
from pipeline_tasks.twin.world_config import load_world
from pipeline_tasks.twin.world_types import Lng

Array = npt.NDArray[np.float64]
ZONE = "Europe/Berlin"
COLD_DEGC, SEA_M_S, SEA_SPREAD_M_S = 3.5, 8.0, 2.5
"""Daily weather: standard deviation of cold, mean and standard deviation of wind at sea, of the order of the twin's own."""


@dataclass(frozen=True)
class TwinYears:
    """Days in order.

    Attributes:
        first: first date.
        gas, coal, co2: (days,) settlements of the main hub (EUR/MWh), coal, allowances (EUR/t), the last one on days without trading.
        trading: (days,) whether the day has a settlement.
        lng: vessels, storage and the true effect.
        cold_degc, calm: (days,) weather that moves gas demand.
    """

    first: date
    gas: Array
    coal: Array
    co2: Array
    trading: npt.NDArray[np.bool_]
    lng: Lng
    cold_degc: Array
    calm: Array


def twin_years(seed: int, *, years: int = 16, first: date = date(2005, 1, 1)) -> TwinYears:
    """So many years of fuels and LNG; the same seed gives the same numbers."""
    from scipy.signal import lfilter

    config = load_world("test").model_copy(update={"seed": seed})
    calendar = Calendar.build(first, date(first.year + years - 1, 12, 31), ZONE)
    shocks = np.random.default_rng(seed).standard_normal((2, calendar.days))
    cold, wind = lfilter([0.6], [1, -0.8], shocks, axis=1)
    weather = DailyWeather(COLD_DEGC * cold, SEA_M_S + SEA_SPREAD_M_S * wind, -0.1 * wind)
    lng = simulate_lng(config, calendar, weather)
    fuels = simulate_fuels(config, calendar, simulate_regimes(config, calendar, NO_DIALS), lng, NO_DIALS)
    return TwinYears(first, fuels.prices[0], fuels.prices[-2], fuels.prices[-1], fuels.trading, lng, weather.cold_degc, weather.calm)
