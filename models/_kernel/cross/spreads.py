"""Spreads of power over its fuels: definitions of EIA ($/MWh, $/MMBtu, MMBtu/MWh) and of European brokers (EUR/MWh, gross efficiency).

Every function is one linear identity and works on numbers and arrays alike; a missing input (NaN) gives a missing spread. Heat rates
are energy of fuel per energy of power, in whatever unit the fuel is priced per; emissions are t CO2 per that unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plant:
    """A plant type that spreads are quoted for.

    Attributes:
        heat_rate: units of fuel per MWh of power (1 / efficiency where the fuel is in MWh; MMBtu per MWh in the United States).
        co2_t_per_unit: emissions per unit of fuel.
        other_cost_per_mwh: operation and maintenance, currency/MWh of power; not part of quoted spreads.
    """

    heat_rate: float
    co2_t_per_unit: float = 0.0
    other_cost_per_mwh: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a plant that makes power from less than nothing."""
        if self.heat_rate <= 0 or self.co2_t_per_unit < 0:
            raise ValueError(f"heat_rate {self.heat_rate} must be positive, co2_t_per_unit {self.co2_t_per_unit} must not be negative")

    @property
    def intensity_t_per_mwh(self) -> float:
        """Emissions per MWh of power."""
        return self.heat_rate * self.co2_t_per_unit


def fuel_spread(power: npt.ArrayLike, fuel: npt.ArrayLike, plant: Plant) -> Array:
    """Spark (gas) or dark (coal) spread: power - heat rate x fuel."""
    return np.asarray(power, dtype=np.float64) - plant.heat_rate * np.asarray(fuel, dtype=np.float64)


def clean_spread(power: npt.ArrayLike, fuel: npt.ArrayLike, co2: npt.ArrayLike, plant: Plant) -> Array:
    """Clean spark or dark spread: the fuel spread - emissions per MWh x carbon price."""
    return fuel_spread(power, fuel, plant) - plant.intensity_t_per_mwh * np.asarray(co2, dtype=np.float64)


def implied_heat_rate(power: npt.ArrayLike, fuel: npt.ArrayLike, co2: npt.ArrayLike = 0.0, co2_t_per_unit: float = 0.0) -> Array:
    """Heat rate of the plant that earns nothing at these prices (marginal heat rate): power / (fuel + emissions x carbon).

    Missing where burning fuel costs nothing or pays.
    """
    cost = np.asarray(fuel, dtype=np.float64) + co2_t_per_unit * np.asarray(co2, dtype=np.float64)
    power = np.asarray(power, dtype=np.float64)
    empty = np.full(np.broadcast(power, cost).shape, np.nan)
    return np.asarray(np.divide(power, cost, out=empty, where=cost > 0), dtype=np.float64)


def marginal_cost(fuel: npt.ArrayLike, co2: npt.ArrayLike, plant: Plant) -> Array:
    """Fuel and carbon of one MWh of power, and other variable cost."""
    fuels = plant.heat_rate * np.asarray(fuel, dtype=np.float64)
    return np.asarray(fuels + plant.intensity_t_per_mwh * np.asarray(co2, dtype=np.float64) + plant.other_cost_per_mwh, dtype=np.float64)


def switching_price(gas: npt.ArrayLike, coal: npt.ArrayLike, gas_plant: Plant, coal_plant: Plant) -> Array:
    """Carbon price at which the gas plant and the coal plant cost the same to run.

    Raises:
        ValueError: the coal plant emits no more than the gas plant, so that no carbon price makes them equal.
    """
    emitted = coal_plant.intensity_t_per_mwh - gas_plant.intensity_t_per_mwh
    if emitted <= 0:
        raise ValueError(
            f"the coal plant emits {coal_plant.intensity_t_per_mwh} t/MWh, the gas plant {gas_plant.intensity_t_per_mwh}; it must emit more"
        )
    return np.asarray((marginal_cost(gas, 0.0, gas_plant) - marginal_cost(coal, 0.0, coal_plant)) / emitted, dtype=np.float64)
