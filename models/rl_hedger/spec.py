"""Spec of rl_hedger: what it reads, what it answers, who owns it. Imports no model library: the DAGs read it."""

from __future__ import annotations

from models._kernel.spec import Cadence, Decision, Kind, ModelSpec
from pipeline_tasks.contracts.columns import flag, number, symbol
from pipeline_tasks.contracts.features import SPREAD

CQL, IQL = "cql", "iql"
ALGORITHMS = (CQL, IQL)
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
QUANTILES = {level: f"spread_q{round(100 * level):02d}_ccy_per_mwh" for level in LEVELS}

SPEC = ModelSpec(
    name="rl_hedger",
    label="Reinforcement-learned hedge",
    kind=Kind.DECISION,
    inputs=SPREAD,
    required=(
        "market",
        "hub",
        "product",
        "delivery_ts",
        "delivery_date",
        "local_hour",
        "resolution_min",
        "day_of_week",
        "is_holiday",
        "as_of",
        "price_ccy_per_mwh",
        "price_known_ts",
    ),
    output=(
        number("spread_point_ccy_per_mwh", "Point forecast of the spread: the hour's mean of 28 days, drawn to the newest days.",
               unit="currency/MWh"),
        *(
            number(column, f"{100 * level:g} % quantile of the spread: point plus its past errors at that hour.", unit="currency/MWh")
            for level, column in QUANTILES.items()
        ),
        number("scheduled_mwh", "Energy of the portfolio's unhedged schedule in the interval.", unit="MWh", ge=0),
        number("hedge_share", "Share of the scheduled energy to buy day-ahead beyond (negative: short of) the load forecast.", ge=-1, le=1),
        number("expected_saving_ccy", "Saving of the hedge before fees if the point forecast came true.", unit="currency"),
        symbol("algorithm", "What decided.", allowed=ALGORITHMS),
        flag("is_halted", "The kill switch took the hedge off."),
        number(
            "drawdown_ccy_per_mwh",
            "Loss of the policy's own hedges since their best day of the last four weeks, per MWh of load, as known at as_of.",
            unit="currency/MWh",
            ge=0,
        ),
    ),
    point_column="spread_point_ccy_per_mwh",
    quantile_columns=QUANTILES,
    decision=Decision(
        settlement="imbalance", position_columns=("hedge_share",), unit="share of scheduled load", acts_on="spread_point_ccy_per_mwh"
    ),
    cadences=(Cadence.NIGHTLY, Cadence.WEEKLY),
    min_history_days=120,
    owner="quant-desk",
    description="Hedge of the load schedule between day-ahead and real time by offline reinforcement learning (CQL, IQL) with CVaR.",
    yardstick="F8",
)  # fmt: skip
