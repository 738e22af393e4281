"""Companion table of carbon_coupling: the carbon risk factor and hedge ratios of each delivery date."""

from __future__ import annotations

from pipeline_tasks.contracts import Column
from pipeline_tasks.contracts.columns import number
from pipeline_tasks.contracts.curated import companion_table


def _maybe(name: str, meaning: str, unit: str) -> Column:
    return number(name, meaning, unit=unit, nullable=True)


CARBON_HEDGES = companion_table(
    "carbon_hedges",
    (
        _maybe("co2_price_ccy_per_t", "Carbon price known at as_of.", "currency/t"),
        _maybe("gas_price_ccy_per_unit", "Gas price known at as_of.", "currency/unit"),
        _maybe(
            "co2_beta_t_per_mwh", "Filtered coefficient of the week's change of carbon in the base price: drifts as a random walk.", "t/MWh"
        ),
        _maybe("co2_beta_sd_t_per_mwh", "Its standard deviation.", "t/MWh"),
        _maybe("gas_beta_mwh_per_mwh", "The same coefficient of gas.", "unit/MWh"),
        _maybe("carbon_factor_ccy_per_mwh", "Carbon risk factor: co2_beta times the carbon price.", "currency/MWh"),
        _maybe(
            "marginal_intensity_t_per_mwh",
            "Emission rate of the marginal plant over the newest 28 known days: gas and coal by how near their cost is to the price.",
            "t/MWh",
        ),
        _maybe("gas_hedge_mwh_per_mwh", "Gas sold per MWh of power held, beside carbon.", "unit/MWh"),
        _maybe("co2_hedge_t_per_mwh", "Carbon sold per MWh of power held, beside gas: the carbon-neutral hedge.", "t/MWh"),
        _maybe("gas_only_hedge_mwh_per_mwh", "Gas sold per MWh of power held where nothing else is: the hedge compared with.", "unit/MWh"),
    ),
    "Carbon risk factor and hedge ratios of a hub as known at the gate of a delivery date; delivery_ts is the day's first interval.",
    key=(),
)
