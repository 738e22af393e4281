"""Spec of carbon_coupling: what it reads, what it answers, who owns it. Imports no model library: the DAGs read it."""

from __future__ import annotations

from models._kernel.spec import Cadence, Kind, ModelSpec
from models.carbon_coupling.tables import CARBON_HEDGES
from pipeline_tasks.contracts.columns import number
from pipeline_tasks.contracts.features import DAY_AHEAD

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
QUANTILES = {level: f"q{round(100 * level):02d}_ccy_per_mwh" for level in LEVELS}
FUELS = ("gas_price_ccy_per_unit", "co2_price_ccy_per_unit")

SPEC = ModelSpec(
    name="carbon_coupling",
    label="Carbon in the power price",
    kind=Kind.DISTRIBUTION,
    inputs=DAY_AHEAD,
    required=(
        "market",
        "hub",
        "product",
        "delivery_ts",
        "delivery_date",
        "local_hour",
        "day_of_week",
        "is_holiday",
        "as_of",
        "price_ccy_per_mwh",
        "price_known_ts",
    ),
    output=(
        number(
            "point_ccy_per_mwh", "Point forecast: base price by drifting coefficients, with the hour's usual distance.", unit="currency/MWh"
        ),
        *(number(c, f"{100 * level:g} % quantile of the price.", unit="currency/MWh") for level, c in QUANTILES.items()),
    ),
    point_column="point_ccy_per_mwh",
    quantile_columns=QUANTILES,
    cadences=(Cadence.NIGHTLY, Cadence.WEEKLY),
    min_history_days=90,
    companions=(CARBON_HEDGES,),
    needs=FUELS,
    owner="quant-desk",
    description="What carbon and gas do to the base price, by drifting coefficients; carbon risk factor and carbon-neutral hedge.",
    yardstick="M7",
)
