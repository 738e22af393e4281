"""Emission rate of the marginal plant: gas or coal, by how near the cost of each is to the base price."""

from __future__ import annotations

import numpy as np

from models.carbon_coupling.days import HubDays
from models.carbon_coupling.params import Params


def marginal_intensity(days: HubDays, end: int, params: Params) -> float:
    """Mean over the newest known days before position `end`, t CO2 per MWh; NaN where fuels or prices are unknown.

    A day's weights fall with the distance of the base price from the short-run cost of the efficient plant of each fuel (fuel, carbon);
    without a coal price the marginal plant is gas. Gas is taken to be priced per MWh of heat, coal per tonne (config).
    """
    since = slice(max(end - params.intensity_days, 0), end)
    base, gas, coal, co2 = (v[since] for v in (days.base, days.gas, days.coal, days.co2))
    of_gas, of_coal = params.gas_t_per_mwh / params.gas_efficiency, params.coal_t_per_mwh / params.coal_efficiency
    gas_cost = gas / params.gas_efficiency + of_gas * co2
    coal_cost = coal * params.coal_ccy / params.coal_mwh_per_t / params.coal_efficiency + of_coal * co2
    far_gas, far_coal = np.abs(base - gas_cost), np.abs(base - coal_cost)
    share = np.where(np.isfinite(far_coal), far_coal / np.maximum(far_gas + far_coal, 1e-9), 1.0)  # of gas
    rate = share * of_gas + (1 - share) * of_coal
    known = np.isfinite(far_gas)
    return float(rate[known].mean()) if known.any() else float("nan")
