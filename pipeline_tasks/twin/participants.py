"""Offers of the participants: true marginal cost, plus what an owner adds when it can, with the truth kept beside.

Cost = incremental heat * (fuel + emission * carbon) + maintenance. The markup has a margin of the owner, a scarcity part that rises as
the residual demand comes near to the available capacity, parts for the rivals' outages (less competition) and the owner's own (more to
buy back), and a small idiosyncratic error; it is larger in the evening, in stressed regimes, on a unit's last block, and on peakers,
which earn in few hours. Inflexible units offer their minimum output below cost to stay on, supported wind and sun bid minus their
support, stores their expected opportunity.
"""

from __future__ import annotations

import numpy as np

from models._kernel.grid.network import Floats
from pipeline_tasks.twin.fleet import Fleet
from pipeline_tasks.twin.fleet_config import FleetConfig, OffersConfig
from pipeline_tasks.twin.market_types import WINDOWS, DayForecast, Offers, window_of

KEY = 0x6F66_6665
EDGE = 1.0
"""Offers stay this far inside the market's floor and cap, EUR/MWh."""


def marginal_costs(fleet: Fleet, config: FleetConfig, forecast: DayForecast) -> Floats:
    """True marginal cost (unit, block) of the day, EUR/MWh; 0 for stores (see `store_values`), wind, sun and river."""
    units = fleet.units
    fuel = np.array([_thermal_price(name, k, config, forecast) for k, name in enumerate(units.fuel)])
    cost: Floats = units.block_heat * (fuel + units.emission * forecast.co2)[:, None] + units.vom[:, None]
    return cost


def _thermal_price(fuel: str, unit: int, config: FleetConfig, forecast: DayForecast) -> float:
    if fuel == "gas":
        return float(forecast.gas[unit])
    return forecast.coal if fuel == "coal" else config.fuels.prices.get(fuel, 0.0)


def store_values(fleet: Fleet, config: OffersConfig, energy_mwh: Floats, recent_price: float, day_of_year: int) -> Floats:
    """Opportunity cost (unit,) of a MWh in store, EUR/MWh; nan for units without a store.

    A reservoir compares its level with a seasonal target (full in summer, low in spring): above it water is worth less than the
    expected price, below it more. Pumped storage and batteries value energy at the expected price.
    """
    units = fleet.units
    target = 0.58 - 0.22 * np.cos(2 * np.pi * (day_of_year - 228 + 182.6) / 365.25)
    level = energy_mwh / np.maximum(units.store_mwh, 1e-9)
    value = max(recent_price, 1.0) * np.where(units.reservoir, 1.1 * np.exp(config.store_response * (target - level) * 2), 1.0)
    return np.where(units.store_mwh > 0, value, np.nan)


def scarcity(fleet: Fleet, config: OffersConfig, forecast: DayForecast) -> Floats:
    """(window,) part of [0, 1.5]: 0 up to the configured use of available capacity, 1 at full use."""
    units = fleet.units
    free = units.renewable | units.river
    residual = forecast.load_mw.sum(axis=1) - forecast.available_mw[:, free].sum(axis=1)
    capacity = forecast.available_mw[:, ~free].sum(axis=1)
    window = window_of(forecast.local_hour)
    use = np.array([(residual[window == w] / capacity[window == w]).max() for w in range(len(WINDOWS))])
    beyond = np.clip((use - config.scarcity_from) / (1 - config.scarcity_from), 0.0, 1.5)
    return np.asarray(beyond**config.scarcity_power)


def make_offers(fleet: Fleet, numbers: tuple[FleetConfig, OffersConfig], forecast: DayForecast, values: Floats) -> Offers:
    """All offers of a day.

    Args:
        fleet: the units.
        numbers: fuels and behaviour.
        forecast: what participants know; its floor and cap bound the offers.
        values: `store_values`.
    """
    units, config = fleet.units, numbers[1]
    cost = marginal_costs(fleet, numbers[0], forecast)
    stored = units.store_mwh > 0
    cost[stored] = values[stored, None]
    used = units.block_mw > 1e-9
    low, high = forecast.price_floor + EDGE, forecast.price_cap - EDGE
    prices = []
    for window, tight in enumerate(scarcity(fleet, config, forecast)):
        price = cost + _markup(fleet, config, forecast, cost, (window, float(tight)))
        price[:, 0] = np.where(units.thermal, cost[:, 0] - units.support, price[:, 0])
        price[units.renewable] = -units.support[units.renewable, None]
        price[stored] = _store_prices(fleet, config, values)[stored]
        price[units.river] = 0.0
        capped = np.clip(np.round(price, 2), low, high)
        prices.append(np.minimum.accumulate(np.where(used, capped, np.inf)[:, ::-1], axis=1)[:, ::-1])
    unit, block = np.nonzero(used)
    true_cost = np.round(cost, 4)[unit, block]
    price = np.concatenate([p[unit, block] for p in prices])
    n = len(unit)
    return Offers(
        unit=np.tile(unit, len(WINDOWS)),
        window=np.repeat(np.arange(len(WINDOWS)), n),
        block=np.tile(block, len(WINDOWS)),
        start_mw=np.tile(units.block_start_mw[unit, block], len(WINDOWS)),
        size_mw=np.tile(units.block_mw[unit, block], len(WINDOWS)),
        cost=np.tile(true_cost, len(WINDOWS)),
        markup=np.round(price - np.tile(true_cost, len(WINDOWS)), 4),
        price=price,
    )


def _markup(fleet: Fleet, config: OffersConfig, forecast: DayForecast, cost: Floats, when: tuple[int, float]) -> Floats:
    """Behavioural part (unit, block) of a window's price of thermal units, EUR/MWh."""
    units, (window, tight) = fleet.units, when
    owners = np.array(units.owner)
    margin = np.array([config.margin[o] for o in units.owner])
    greed = np.array([config.scarcity[o] for o in units.owner])
    thermal = units.thermal
    out = np.where(thermal, units.p_max_mw - forecast.available_mw.mean(axis=0), 0.0)
    total = units.p_max_mw[thermal].sum()
    own = np.array([out[owners == o].sum() for o in units.owner]) / total
    rivals = out.sum() / total - own
    noise = config.price_noise * _noise(forecast.day, len(owners))
    mood = config.stress[forecast.stress] * config.window[window]
    last = np.where(np.arange(cost.shape[1]) == cost.shape[1] - 1, config.last_block, 1.0)
    base = np.maximum(margin + config.outage[0] * rivals + config.outage[1] * own, 0.0) * mood + noise
    greed = greed * np.where(units.fast, config.peaker, 1.0)
    share: Floats = base[:, None] + (greed * tight * mood)[:, None] * last
    return np.where(thermal[:, None], np.minimum(share, config.most) * cost, 0.0)


def _store_prices(fleet: Fleet, config: OffersConfig, values: Floats) -> Floats:
    """Two blocks: below and above the value; what the round trip loses is borne half by each side."""
    half = np.sqrt(fleet.units.round_trip)
    prices = np.repeat(values[:, None], fleet.units.block_mw.shape[1], axis=1)
    prices[:, 0] = values * half * (1 - config.storage_spread)
    prices[:, 1:] = (values / half * (1 + config.storage_spread))[:, None]
    return prices


def _noise(day: int, count: int) -> Floats:
    """Standard normals of the day, bounded to three; the same for every horizon."""
    draws = np.random.Generator(np.random.Philox(key=np.array([KEY, day], dtype=np.uint64))).standard_normal(count)
    return np.clip(draws, -3, 3)
