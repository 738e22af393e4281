"""Spec of imbalance: what it reads, what it answers, who owns it. Imports no model library: the DAGs read it."""

from __future__ import annotations

from models._kernel.spec import Cadence, Decision, Kind, ModelSpec
from models.imbalance.tables import COMPANIONS
from pipeline_tasks.contracts.columns import number
from pipeline_tasks.contracts.features import SPREAD

LEVELS: tuple[float, ...] = (0.01, *(round(0.05 * k, 2) for k in range(1, 20)), 0.99)
QUANTILES: dict[float, str] = {level: f"spread_q{round(100 * level):02d}_ccy_per_mwh" for level in LEVELS}

SPEC = ModelSpec(
    name="imbalance",
    label="Day-ahead to real-time imbalance",
    kind=Kind.DECISION,
    inputs=SPREAD,
    required=(
        "market",
        "hub",
        "product",
        "delivery_ts",
        "delivery_date",
        "local_hour",
        "dst_fold",
        "resolution_min",
        "day_of_week",
        "day_of_year",
        "is_holiday",
        "as_of",
        "price_ccy_per_mwh",
        "price_known_ts",
    ),
    output=(
        number("spread_mean_ccy_per_mwh", "Mean of the predictive distribution of the spread.", unit="currency/MWh"),
        number("spread_centre_ccy_per_mwh", "Mean of the middle quantiles of the spread: what the hedge acts on.", unit="currency/MWh"),
        number("spread_median_ccy_per_mwh", "Point forecast: calibrated median of the spread.", unit="currency/MWh"),
        *(
            number(column, f"{100 * level:g} % quantile of the balancing price less the day-ahead price.", unit="currency/MWh")
            for level, column in QUANTILES.items()
        ),
        number("scheduled_mwh", "Energy of the portfolio's unhedged schedule in the interval.", unit="MWh", ge=0),
        number("hedge_share", "Share of the scheduled energy to buy day-ahead beyond (negative: short of) the load forecast.", ge=-1, le=1),
        number("expected_saving_ccy", "Expected saving of the hedge before fees: energy x hedge x centre of the spread.", unit="currency"),
    ),
    point_column="spread_median_ccy_per_mwh",
    quantile_columns=QUANTILES,
    decision=Decision(
        settlement="imbalance", position_columns=("hedge_share",), unit="share of scheduled load", acts_on="spread_centre_ccy_per_mwh"
    ),
    cadences=(Cadence.NIGHTLY, Cadence.WEEKLY),
    min_history_days=120,
    owner="quant-desk",
    description="Spread of the balancing price over the day-ahead price: 21 quantiles, and the hedge of a load schedule within limits.",
    yardstick="M2",
    companions=COMPANIONS,
)
