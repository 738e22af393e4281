"""Spec of bess_vpp: what it reads, what it answers, who owns it. Imports no model library: the DAGs read it."""

from __future__ import annotations

from models._kernel.spec import Cadence, Kind, ModelSpec
from models.bess_vpp.tables import COMPANIONS
from pipeline_tasks.contracts.columns import number
from pipeline_tasks.contracts.features import SPREAD

LEVELS: tuple[float, ...] = (0.10, 0.25, 0.50, 0.75, 0.90)
DAY_AHEAD: dict[float, str] = {level: f"da_price_q{round(100 * level):02d}_ccy_per_mwh" for level in LEVELS}
REAL_TIME: dict[float, str] = {level: f"rt_price_q{round(100 * level):02d}_ccy_per_mwh" for level in LEVELS}
SPREAD_LEVELS: tuple[float, ...] = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
SPREAD_QUANTILES: dict[float, str] = {level: f"spread_q{round(100 * level):02d}_ccy_per_mwh" for level in SPREAD_LEVELS}
UNIT = "currency/MWh"

SPEC = ModelSpec(
    name="bess_vpp",
    label="Battery between two markets",
    kind=Kind.DISTRIBUTION,
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
        "da_price_ccy_per_mwh",
        "da_price_known_ts",
    ),
    output=(
        *(
            number(column, f"{100 * level:g} % quantile of the day-ahead price, recalibrated.", unit=UNIT)
            for level, column in DAY_AHEAD.items()
        ),
        *(
            number(column, f"{100 * level:g} % quantile of the balancing price, recalibrated.", unit=UNIT)
            for level, column in REAL_TIME.items()
        ),
        *(
            number(column, f"{100 * level:g} % quantile of the spread over scenarios.", unit=UNIT)
            for level, column in SPREAD_QUANTILES.items()
        ),
        number("day_ahead_mw", "Schedule to sell (negative: buy) day-ahead.", unit="MW"),
        number("delivery_mean_mw", "Mean delivery over the scenarios, output less charge.", unit="MW"),
        number("charge_level_mean_mwh", "Mean charge at the end of the interval over the scenarios.", unit="MWh", ge=0),
        number(
            "profit_mean_ccy", "Mean profit of the interval over the scenarios: both markets, fees, penalties and wear.", unit="currency"
        ),
    ),
    point_column=SPREAD_QUANTILES[0.50],
    quantile_columns=SPREAD_QUANTILES,
    cadences=(Cadence.NIGHTLY, Cadence.WEEKLY),
    min_history_days=90,
    owner="quant-desk",
    description="A battery between two markets: quantiles of both prices, and the schedule of a two-stage program with CVaR.",
    yardstick="O4",
    companions=COMPANIONS,
)
