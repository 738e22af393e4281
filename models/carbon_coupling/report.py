"""Page sections of carbon_coupling: the hedge of each hub, and the carbon in the price day by day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from models.carbon_coupling.tables import CARBON_HEDGES

# Short heads, so that the table fits a page; units stand in the text.
SHOWN = {
    "co2_price_ccy_per_t": "CO2",
    "gas_price_ccy_per_unit": "gas",
    "co2_beta_t_per_mwh": "carbon beta",
    "co2_beta_sd_t_per_mwh": "its deviation",
    "carbon_factor_ccy_per_mwh": "carbon factor",
    "marginal_intensity_t_per_mwh": "intensity",
    "gas_hedge_mwh_per_mwh": "gas hedge",
    "co2_hedge_t_per_mwh": "carbon hedge",
    "gas_only_hedge_mwh_per_mwh": "gas alone",
}


def sections(forecasts: pl.DataFrame, outcomes: pl.DataFrame, companions: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:  # noqa: ARG001 - the hook's shape
    """Table of the newest delivery date's hedges, and a chart of the ratios by hub.

    Args:
        forecasts: published rows of the model; not used.
        outcomes: prices; not used.
        companions: published rows of the companion tables for the newest delivery date.
    """
    hedges = companions.get(CARBON_HEDGES.name, CARBON_HEDGES.empty())
    if hedges.is_empty():
        return []
    rows = hedges.sort("hub").select("delivery_date", "hub", *(pl.col(c).round(3).alias(n) for c, n in SHOWN.items()))
    text = "Sold per MWh of power held from this gate on: gas and carbon together (carbon-neutral), and gas where nothing else is. The beta"
    text += " is the filtered coefficient of carbon's change in the base price; times the carbon price it is the carbon risk factor."
    text += (
        " Prices: currency per t and per unit of gas; beta, intensity of the marginal plant and carbon hedge: t/MWh; factor: currency/MWh;"
    )
    text += " hedges with gas: units per MWh."
    return [
        {"title": "Hedge", "text": text, "rows": rows.to_dicts()},
        {
            "title": "Carbon in the price",
            "text": "Filtered beta with two standard deviations, the marginal plant's emission rate (diamond) and the carbon hedge (tick).",
            "spec": betas(hedges),
        },
    ]


def betas(hedges: pl.DataFrame) -> dict[str, Any]:
    """Vega-Lite spec: beta with its band, hedge ratio and marginal intensity by hub."""
    beta, sd = pl.col("co2_beta_t_per_mwh"), pl.col("co2_beta_sd_t_per_mwh")
    rows = hedges.select(
        "hub", beta.alias("beta"), (beta - 2 * sd).alias("low"), (beta + 2 * sd).alias("high"),
        pl.col("marginal_intensity_t_per_mwh").alias("intensity"), pl.col("co2_hedge_t_per_mwh").alias("hedge"),
    ).to_dicts()  # fmt: skip
    y = {"field": "hub", "type": "nominal", "title": None}
    axis = {"type": "quantitative", "title": "t CO2 per MWh"}
    layers = [
        {"mark": {"type": "rule", "color": "#0072B2"}, "encoding": {"x": {"field": "low", **axis}, "x2": {"field": "high"}, "y": y}},
        {"mark": {"type": "point", "filled": True, "size": 70, "color": "#0072B2"}, "encoding": {"x": {"field": "beta", **axis}, "y": y}},
        {
            "mark": {"type": "point", "shape": "diamond", "size": 70, "color": "#D55E00"},
            "encoding": {"x": {"field": "intensity", **axis}, "y": y},
        },
        {"mark": {"type": "tick", "thickness": 3, "color": "#1b1f24"}, "encoding": {"x": {"field": "hedge", **axis}, "y": y}},
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": rows},
        "width": 620,
        "height": {"step": 34},
        "layer": layers,
    }
