"""Spec of curve_dist: what it reads, what it answers, who owns it."""

from __future__ import annotations

from models._kernel.spec import Cadence, Kind, ModelSpec
from models.curve_dist.tables import COMPANIONS
from pipeline_tasks.contracts.columns import number
from pipeline_tasks.contracts.features import DAY_AHEAD

LEVELS: tuple[float, ...] = (0.01, *(round(0.05 * k, 2) for k in range(1, 20)), 0.99)
QUANTILES: dict[float, str] = {level: f"q{round(100 * level):02d}_ccy_per_mwh" for level in LEVELS}

SPEC = ModelSpec(
    name="curve_dist",
    label="Probabilistic price curve",
    kind=Kind.DISTRIBUTION,
    inputs=DAY_AHEAD,
    required=(
        "market",
        "hub",
        "product",
        "delivery_ts",
        "delivery_date",
        "local_hour",
        "resolution_min",
        "day_of_week",
        "day_of_year",
        "as_of",
        "price_ccy_per_mwh",
        "price_known_ts",
    ),
    output=(
        number("point_ccy_per_mwh", "Point forecast: the members' combined median, before calibration.", unit="currency/MWh"),
        number("mean_ccy_per_mwh", "Mean of the predictive distribution.", unit="currency/MWh"),
        *(
            number(column, f"{100 * level:g} % quantile of the price; half of the mass lies below q50.", unit="currency/MWh")
            for level, column in QUANTILES.items()
        ),
    ),
    point_column="point_ccy_per_mwh",
    quantile_columns=QUANTILES,
    cadences=(Cadence.NIGHTLY, Cadence.WEEKLY),
    min_history_days=120,
    owner="quant-desk",
    description="Day-ahead price curve: 21 quantiles and the mean of every delivery interval, calibrated online.",
    yardstick="F6",
    companions=COMPANIONS,
)
