"""Prices: residual load against a convex merit order with fuel costs, plus regional congestion, losses and spikes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline_tasks.twin.config import TwinConfig
from pipeline_tasks.twin.fundamentals import Fundamentals
from pipeline_tasks.twin.noise import Calendar, FloatArray, Noise, autoregressive

PRICE_FLOOR, PRICE_CAP = -500.0, 4000.0
GAS_CO2 = 0.202  # t CO2 per MWh of gas burnt
COAL_COST, COAL_CO2 = 12.5, 0.34  # currency and t CO2 per MWh of coal burnt


@dataclass(frozen=True)
class HubPrices:
    """Prices of one hub and product, currency/MWh, one per hour; energy + congestion + loss is the price."""

    price: FloatArray
    energy: FloatArray
    congestion: FloatArray
    loss: FloatArray


def merit_order(residual_mw: FloatArray, capacity_mw: FloatArray, gas: FloatArray, co2: FloatArray, must_run_mw: float) -> FloatArray:
    """Marginal cost of the thermal fleet.

    Args:
        residual_mw: load less wind and solar.
        capacity_mw: available thermal capacity.
        gas: gas price, currency/MWh.
        co2: allowance price, currency/t.
        must_run_mw: generation that pays to stay on.

    Returns:
        Price before limits: negative below the must-run block, coal then gas with falling efficiency, exponential near capacity.
    """
    use = residual_mw / capacity_mw
    coal_block = (COAL_COST + COAL_CO2 * co2) * (1.55 + 1.3 * use)
    gas_block = (gas + GAS_CO2 * co2) * (1.55 + 1.25 * np.clip(use, 0, 1.2) ** 2)
    on_gas = 1 / (1 + np.exp(-(use - 0.42) / 0.07))
    fuelled = coal_block * (1 - on_gas) + gas_block * on_gas
    floor = must_run_mw / capacity_mw
    awake = 1 / (1 + np.exp(-(use - floor) / 0.045))
    surplus = np.maximum(floor - use, 0.0)
    scarce = 8.0 * np.exp(np.minimum((use - 0.87) / 0.05, 5.5))
    price: FloatArray = fuelled * awake - 160 * surplus - 700 * surplus**2 + scarce
    return price


def clear(config: TwinConfig, calendar: Calendar, state: Fundamentals, product: str) -> dict[str, HubPrices]:
    """Prices of every hub.

    Args:
        config: the twin.
        calendar: hours.
        state: fundamentals.
        product: `da` clears on forecasts, with the capacity that was expected; `rt` on what happened, with outages and spikes.
    """
    noise = Noise(config.seed, calendar)
    ahead = product == "da"
    seen = state.forecast if ahead else state.actual
    # fuels of the day before: the last settlement that a bidder could know
    gas, co2 = (calendar.hourly(np.concatenate([f[:1], f[:-1]])) for f in (state.gas, state.co2))
    outage = np.full_like(state.outage, config.outage_mean_mw) if ahead else state.outage
    residual = seen["load"] - seen["wind"] - seen["solar"]
    capacity = config.thermal_capacity_mw - outage
    energy = merit_order(residual, capacity, gas, co2, config.must_run_mw)
    energy = energy + (1.2 if ahead else 2.5) * autoregressive(noise.hourly("auction", 0 if ahead else 1), 0.7)
    if not ahead:
        energy = energy + _spikes(config, noise, residual / capacity)
    loads = state.hub_load_forecast if ahead else state.hub_load_actual
    return {
        hub: _hub(config, noise, hub, index=k, seen=seen, load=loads[hub], energy=energy, ahead=ahead) for k, hub in enumerate(config.hubs)
    }


def _spikes(config: TwinConfig, noise: Noise, use: FloatArray) -> FloatArray:
    """Pareto jumps (tail index 1.6) whose odds grow with scarcity; a third of them fall instead when supply is ample."""
    odds = config.spike_rate * (0.5 + np.exp(np.clip((use - 0.62) / 0.1, -3, 4)))
    draw = noise.uniform("spike")
    size = 35 * (1 - noise.uniform("spike", 1)) ** (-1 / 1.6)
    sign = np.where((noise.uniform("spike", 2) < 0.35) & (use < 0.45), -0.6, 1.0)
    return np.where(draw < odds, sign * size, 0.0)


def _hub(
    config: TwinConfig,
    noise: Noise,
    name: str,
    *,
    index: int,
    seen: dict[str, FloatArray],
    load: FloatArray,
    energy: FloatArray,
    ahead: bool,
) -> HubPrices:
    """Congestion from the hub's own balance: beyond its limit, imports cost more and exports are worth less."""
    hub = config.hubs[name]
    thermal = hub.load * (seen["load"] - seen["wind"] - seen["solar"])
    need = load - hub.wind * seen["wind"] - hub.solar * seen["solar"] - thermal
    rated = hub.limit_mw * (1 + 0.12 * autoregressive(noise.hourly("outage", index + 1), 0.98))
    excess = np.maximum(np.abs(need) - (rated if not ahead else np.full_like(rated, hub.limit_mw)), 0.0)
    congestion = np.sign(need) * (0.0045 * excess + 1.6e-6 * excess**2) + 0.35 * autoregressive(noise.hourly("auction", index + 2), 0.8)
    loss = hub.loss * energy
    energy, congestion, loss = np.round(energy, 2), np.round(congestion, 2), np.round(loss, 2)
    price = np.clip(np.round(energy + congestion + loss, 2), PRICE_FLOOR, PRICE_CAP)
    energy = np.round(price - congestion - loss, 2)  # a limit binds on energy, so that the parts still add up
    return HubPrices(price, energy, congestion, loss)
