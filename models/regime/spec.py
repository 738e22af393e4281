"""Spec of regime: what it reads, what it answers, who owns it. Imports no model library: the DAGs read it."""

from __future__ import annotations

from models._kernel.spec import Cadence, Kind, ModelSpec
from models.regime.tables import COMPANIONS, STATE_COLUMNS
from pipeline_tasks.contracts.columns import number
from pipeline_tasks.contracts.features import DAY_AHEAD

LEVELS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
QUANTILES = {level: f"q{round(100 * level):02d}_ccy_per_mwh" for level in LEVELS}

SPEC = ModelSpec(
    name="regime",
    label="Market regime and gate",
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
        number("point_ccy_per_mwh", "Fallback forecast: what is published where the gate blocks a model.", unit="currency/MWh"),
        *(
            number(c, f"{100 * level:g} % quantile of the price in the day's mixture of states.", unit="currency/MWh")
            for level, c in QUANTILES.items()
        ),
        *STATE_COLUMNS,
    ),
    point_column="point_ccy_per_mwh",
    quantile_columns=QUANTILES,
    cadences=(Cadence.NIGHTLY, Cadence.WEEKLY),
    min_history_days=90,
    companions=COMPANIONS,
    precedes_all=True,
    owner="quant-desk",
    description="Filtered state of the market (normal, transition, stressed), change points, the gate, and the forecast it falls back on.",
    yardstick="F4",
)
