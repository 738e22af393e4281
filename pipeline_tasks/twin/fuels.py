"""Daily settlements of gas hubs, coal and CO2: mean-reverting, correlated, with regime-dependent volatility and jumps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from models._kernel.grid.network import Floats, Ints
from pipeline_tasks.twin.dials import ScenarioDials
from pipeline_tasks.twin.fronts import calendar_doy, winter
from pipeline_tasks.twin.noise import Calendar, Noise, autoregressive, combined
from pipeline_tasks.twin.world_config import WorldConfig
from pipeline_tasks.twin.world_types import Lng


@dataclass(frozen=True)
class Settlements:
    """Settlements of every day, the last one standing on days without trading.

    Attributes:
        prices: (n_gas_hubs + 2, n_days): gas hubs, coal (EUR/MWh thermal), CO2 (EUR/t).
        without_lng: (n_gas_hubs, n_days) gas had every cargo come to schedule.
        trading: (n_days,) days with a settlement.
    """

    prices: Floats
    without_lng: Floats
    trading: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def simulate_fuels(config: WorldConfig, calendar: Calendar, regimes: Ints, lng: Lng, dials: ScenarioDials) -> Settlements:
    """Fuels of every day of the calendar, which begins with the warm-up.

    Log prices are Ornstein-Uhlenbeck processes by day plus, for gas, jumps, season, weather demand and the effect of late LNG.
    """
    numbers, n = config.fuels, len(config.fuels.gas_hubs)
    noise = Noise(config.seed, calendar)
    log_gas, log_coal, log_co2 = _latent(config, noise, regimes)
    season = numbers.season * winter(calendar_doy(np.arange(calendar.days) + calendar.start.toordinal()))
    basis = _basis(config, noise, lng)
    factors = np.array([h.lng_factor for h in numbers.gas_hubs.values()])[:, None]
    rest = np.log(numbers.gas_mean) + log_gas + season + lng.weather_log
    gas, without = (np.maximum(np.exp(rest + f * lng.effect_log) + basis, 0.5) for f in (factors, 0 * factors))
    prices = np.vstack([gas, numbers.coal_mean * np.exp(log_coal), numbers.co2_mean * np.exp(log_co2)])
    shock = _shocks(calendar, n, dials)
    trading = trading_days(config, calendar)
    last = np.maximum.accumulate(np.where(trading, np.arange(calendar.days), 0))
    return Settlements((prices * shock)[:, last], (without * shock[:n])[:, last], trading)


def _latent(config: WorldConfig, noise: Noise, regimes: Ints) -> Floats:
    """Deviations of log gas, coal and CO2 from their means, (3, n_days)."""
    numbers = config.fuels
    c = numbers.correlation
    mix = np.linalg.cholesky(np.array([[1, c.gas_coal, c.gas_co2], [c.gas_coal, 1, c.coal_co2], [c.gas_co2, c.coal_co2, 1]]))
    vol = np.array([config.regimes.gas_vol, config.regimes.coal_vol, config.regimes.co2_vol])[:, regimes] / np.sqrt(365.25)
    shocks: Floats = vol * combined(mix, noise.daily_block("fuels", 3))
    draws = noise.daily_uniforms("fuel_jumps", 1)[0]
    sizes = noise.daily_block("fuel_jumps", 2, unit=1)
    jumps = (draws < np.array(numbers.jumps_per_year)[regimes] / 365.25) * numbers.jump_sd * (0.5 * np.abs(sizes[0]) + 0.8 * sizes[1])
    shocks[0] += jumps
    keep = [0.5 ** (1 / h) for h in (numbers.half_life_days.gas, numbers.half_life_days.coal, numbers.half_life_days.co2)]
    level = np.zeros(3)
    path = np.empty_like(shocks)
    for t in range(shocks.shape[1]):
        level = np.array(keep) * level + shocks[:, t]
        path[:, t] = level
    return path


def _basis(config: WorldConfig, noise: Noise, lng: Lng) -> Floats:
    """Basis to the main hub, EUR/MWh, (n_gas_hubs, n_days): its mean, own noise, and lower after a full tank of its terminal."""
    numbers = config.fuels
    hubs = list(numbers.gas_hubs.values())
    own = autoregressive(noise.daily_block("basis", len(hubs)), 0.5 ** (1 / numbers.half_life_days.basis))
    basis: Floats = np.array([h.basis for h in hubs])[:, None] + numbers.basis_sd * own
    basis[0] = hubs[0].basis
    for k, hub in enumerate(hubs):
        if hub.terminal is not None:
            j = lng.terminals.index(hub.terminal)
            before = np.concatenate([lng.stock_before_gwh[j : j + 1], lng.stock_gwh[j, :-1]])
            basis[k] -= numbers.basis_stock * (before / config.lng.terminals[hub.terminal].tank_gwh - 0.5)
    settled: Floats = basis
    return settled


def _shocks(calendar: Calendar, n_gas: int, dials: ScenarioDials) -> Floats:
    """Multipliers of the dials, (n_gas + 2, n_days)."""
    factor = np.ones((n_gas + 2, calendar.days))
    rows = {"gas": slice(0, n_gas), "coal": slice(n_gas, n_gas + 1), "co2": slice(n_gas + 1, n_gas + 2)}
    for dial in dials.fuel_shocks:
        first, last = (d.toordinal() - calendar.start.toordinal() for d in (dial.first, dial.last))
        factor[rows[dial.fuel], max(first, 0) : max(last + 1, 0)] *= dial.multiplier
    return factor


def trading_days(config: WorldConfig, calendar: Calendar) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Monday to Friday but New Year's Day, Good Friday, Christmas Day and the day after it."""
    from holidays import country_holidays

    days = [calendar.start + timedelta(days=k) for k in range(calendar.days)]
    known = country_holidays(config.holidays, years=range(days[0].year, days[-1].year + 1), language="en_US")
    closed = set(known.get_named("Good Friday"))
    fixed = {(1, 1), (12, 25), (12, 26)}
    return np.array([d.isoweekday() <= 5 and d not in closed and (d.month, d.day) not in fixed for d in days])
