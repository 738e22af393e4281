"""Spec of template: what it reads, what it answers, who owns it. Imports no model library: the DAGs read it."""

from __future__ import annotations

from models._kernel.spec import Cadence, Kind, ModelSpec
from pipeline_tasks.contracts.columns import number
from pipeline_tasks.contracts.features import DAY_AHEAD

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
QUANTILES = {level: f"price_q{round(level * 100):02d}_ccy_per_mwh" for level in LEVELS}

SPEC = ModelSpec(
    name="template",
    label="Template",
    kind=Kind.DISTRIBUTION,
    inputs=DAY_AHEAD,
    required=("market", "hub", "product", "delivery_ts", "delivery_date", "as_of", "local_hour", "price_ccy_per_mwh", "price_known_ts"),
    output=(
        number("price_point_ccy_per_mwh", "Point forecast of the price.", unit="currency/MWh"),
        *(number(column, f"{level:.0%} quantile of the price.", unit="currency/MWh") for level, column in QUANTILES.items()),
    ),
    point_column="price_point_ccy_per_mwh",
    quantile_columns=QUANTILES,
    cadences=(Cadence.NIGHTLY, Cadence.WEEKLY),
    min_history_days=60,
    owner="quant-desk",
    description="Mean of yesterday's, last week's and the last month's price of the hour, with quantiles of its past errors.",
    yardstick="F6",
)
