"""Spec of lmp_nowcast: what it reads, what it answers, who owns it. Imports no model library: the DAGs read it."""

from __future__ import annotations

from models._kernel.spec import Cadence, Kind, ModelSpec
from pipeline_tasks.contracts.columns import integer, number
from pipeline_tasks.contracts.features import NODAL

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
QUANTILES = {level: f"q{round(level * 100):02d}_ccy_per_mwh" for level in LEVELS}
HORIZONS_MIN = (5, 15, 30, 60)

SPEC = ModelSpec(
    name="lmp_nowcast",
    label="Nodal price nowcast",
    kind=Kind.DISTRIBUTION,
    inputs=NODAL,
    required=(
        "market",
        "hub",
        "product",
        "delivery_ts",
        "delivery_date",
        "as_of",
        "horizon_min",
        "local_minute",
        "day_of_week",
        "price_ccy_per_mwh",
        "price_known_ts",
    ),
    output=(
        integer("horizon_min", "Minutes from the decision to the start of delivery.", unit="min", ge=1),
        number("point_ccy_per_mwh", "Point forecast: the conditional median.", unit="currency/MWh"),
        *(number(column, f"{level:.0%} quantile of the price.", unit="currency/MWh") for level, column in QUANTILES.items()),
    ),
    point_column="point_ccy_per_mwh",
    quantile_columns=QUANTILES,
    cadences=(Cadence.NIGHTLY, Cadence.INTRADAY, Cadence.WEEKLY),
    min_history_days=14,
    horizons_min=HORIZONS_MIN,
    naive_column="price_last_ccy_per_mwh",
    lookback_days=2,
    history_days=130,
    every_product=True,
    unread=(
        "local_hour",
        "dst_fold",
        "resolution_min",
        "currency",
        "month",
        "day_of_year",
        "price_ccy_per_mwh",
        "price_known_ts",
    ),
    owner="quant-desk",
    description="Quantiles of every node's next prices: system price and congestion factors forecast together, calibrated by node cluster.",
    yardstick="F1",
)
