"""Settlement after delivery: imbalance of the system and its price, payments for reserve."""

from __future__ import annotations

import numpy as np

from models._kernel.grid.network import Floats
from pipeline_tasks.twin.fleet import Fleet
from pipeline_tasks.twin.fleet_config import RealTimeConfig
from pipeline_tasks.twin.market_types import DayForecast, Imbalance, ProductResult


def hourly(values: Floats, minutes: int) -> Floats:
    """Means of hours of a step series (step, ...)."""
    per = 60 // minutes
    means: Floats = values.reshape(len(values) // per, per, *values.shape[1:]).mean(axis=1)
    return means


def settle_imbalance(fleet: Fleet, config: RealTimeConfig, forecast: DayForecast, da: ProductResult, rt: ProductResult) -> Imbalance:
    """One price for both directions.

    The system is short by what was used beyond the day-ahead schedule plus what scheduled units without balancing duty (wind, sun,
    river, units on outage) failed to deliver; the rest of the change of generation is activated balancing energy, the negative of the
    length up to losses. The price is the marginal price of that energy (load-weighted real-time price), moved against the system: up
    when short, down when long, by a share of its size and an amount per percent of load.
    """
    units = fleet.units
    passive = units.renewable | units.river
    change = hourly(rt.generation_mw, rt.minutes) - da.generation_mw
    lost = np.where(units.committed & (hourly(rt.generation_mw, rt.minutes) < 1e-6) & (da.generation_mw > 1e-6), change, 0.0).sum(axis=1)
    load = hourly(rt.load_mw, rt.minutes)
    length = change[:, passive].sum(axis=1) + lost - (load - da.load_mw)
    weight = np.bincount(fleet.hub_of_bus, weights=np.maximum(fleet.network.buses.load_mw, 0.0), minlength=len(fleet.hubs))
    marginal = hourly(rt.hub_price, rt.minutes) @ (weight / weight.sum())
    share, per_percent = config.imbalance_spread
    push = np.minimum(100 * np.abs(length) / load, 5.0)
    component = -np.sign(length) * push / (1 + push) * (share * np.abs(marginal) + per_percent * push)
    price = np.clip(np.round(marginal + component, 2), forecast.price_floor, forecast.price_cap)
    return Imbalance(length_mw=length, activated_mw=change.sum(axis=1) - change[:, passive].sum(axis=1) - lost, price=price)


def reserve_payments(da: ProductResult) -> Floats:
    """Currency (reserve,) that the day-ahead awards of a day earn at their prices."""
    payments: Floats = (da.reserve_price * da.reserve_mw).sum(axis=0)
    return payments
