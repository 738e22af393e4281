"""Spec of spike_risk: what it reads, what it answers, who owns it."""

from __future__ import annotations

from models._kernel.spec import Cadence, Kind, ModelSpec
from pipeline_tasks.contracts.columns import flag, number
from pipeline_tasks.contracts.features import DAY_AHEAD

SPEC = ModelSpec(
    name="spike_risk",
    label="Price-spike risk",
    kind=Kind.PROBABILITY,
    inputs=DAY_AHEAD,
    required=(
        "market",
        "hub",
        "product",
        "delivery_ts",
        "delivery_date",
        "local_hour",
        "day_of_week",
        "as_of",
        "price_ccy_per_mwh",
        "price_known_ts",
    ),
    output=(
        number("spike_probability", "Calibrated probability that the price exceeds spike_threshold_ccy_per_mwh.", ge=0, le=1),
        number(
            "spike_threshold_ccy_per_mwh",
            "98 % quantile of the hub's prices of the 365 days before as_of, of those known at as_of.",
            unit="currency/MWh",
        ),
        flag("alert", "True where the probability exceeds alert_probability."),
        number("alert_probability", "Probability above which the alert budget (2 % of intervals) is spent.", ge=0, le=1),
        number("base_rate", "Share of spikes in the last 365 days of training; what a forecast without skill would say.", ge=0, le=1),
    ),
    point_column="spike_probability",
    threshold_column="spike_threshold_ccy_per_mwh",
    cadences=(Cadence.NIGHTLY, Cadence.WEEKLY),
    min_history_days=180,
    owner="quant-desk",
    description="Probability that the price of a delivery interval exceeds the hub's rolling 98 % quantile, with alerts on a budget.",
    yardstick="O6",
)
