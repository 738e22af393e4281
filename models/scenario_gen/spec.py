"""Spec of scenario_gen: what it reads, what it answers, who owns it. Imports no model library: the DAGs read it."""

from __future__ import annotations

from models._kernel.spec import Cadence, Kind, ModelSpec
from models.scenario_gen.tables import COMPANIONS
from pipeline_tasks.contracts.columns import number
from pipeline_tasks.contracts.features import DAY_AHEAD

LEVELS: tuple[float, ...] = (0.01, *(round(0.05 * k, 2) for k in range(1, 20)), 0.99)
QUANTILES: dict[float, str] = {level: f"q{round(100 * level):02d}_ccy_per_mwh" for level in LEVELS}

SPEC = ModelSpec(
    name="scenario_gen",
    label="Scenario factory",
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
        "day_of_year",
        "is_holiday",
        "as_of",
        "price_ccy_per_mwh",
        "price_known_ts",
    ),
    output=(
        number("point_ccy_per_mwh", "Centre of the marginal distribution that the paths are drawn from.", unit="currency/MWh"),
        *(
            number(column, f"{100 * level:g} % quantile of the price, before the generator conditions it.", unit="currency/MWh")
            for level, column in QUANTILES.items()
        ),
    ),
    point_column="point_ccy_per_mwh",
    quantile_columns=QUANTILES,
    cadences=(Cadence.NIGHTLY, Cadence.WEEKLY),
    min_history_days=120,
    companions=COMPANIONS,
    owner="quant-desk",
    description="Conditional paths of the day's prices at all hubs (diffusion model and normalising flow), with a dial for fat tails.",
    yardstick="F9",
)
