"""Spec of tailrisk: what it reads, what it answers, who owns it. Imports no model library: the DAGs read it."""

from __future__ import annotations

from models._kernel.spec import Cadence, Kind, ModelSpec, TailAnswer
from pipeline_tasks.contracts.columns import flag, number
from pipeline_tasks.contracts.features import DAY_AHEAD

UPPER: tuple[float, ...] = (0.95, 0.975, 0.99, 0.995)
LOWER: tuple[float, ...] = (0.005, 0.01, 0.025, 0.05)
MIDDLE: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 0.9)
LEVELS = (*LOWER, *MIDDLE, *UPPER)


def _named(prefix: str, level: float) -> str:
    return f"{prefix}{100 * level:g}_ccy_per_mwh".replace(".", "_")


QUANTILES: dict[float, str] = {level: _named("q", level) for level in LEVELS}
SHORTFALLS: dict[float, str] = {level: _named("es", level) for level in (*LOWER, *UPPER)}

SPEC = ModelSpec(
    name="tailrisk",
    label="Price tails and spike alarm",
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
        "as_of",
        "price_ccy_per_mwh",
        "price_known_ts",
    ),
    output=(
        *(number(c, f"{100 * level:g} % quantile of the price (value at risk).", unit="currency/MWh") for level, c in QUANTILES.items()),
        *(
            number(
                c,
                f"Mean price {'below' if level < 0.5 else 'above'} the {100 * level:g} % quantile, within the market's price limits.",
                unit="currency/MWh",
            )
            for level, c in SHORTFALLS.items()
        ),
        number("spike_probability", "Probability that the price exceeds spike_threshold_ccy_per_mwh.", ge=0, le=1),
        number(
            "spike_threshold_ccy_per_mwh",
            "98 % quantile of the hub's prices of the 365 days before as_of, of those known at as_of.",
            unit="currency/MWh",
        ),
        flag("alarm", "True from the interval whose probability reaches alarm_on_probability until it falls below alarm_off_probability."),
        number("alarm_on_probability", "Probability that starts an alarm: its budget of false alarms is the tighter one.", ge=0, le=1),
        number("alarm_off_probability", "Probability below which an alarm ends: the wider budget of false alarms.", ge=0, le=1),
    ),
    point_column=QUANTILES[0.5],
    quantile_columns=QUANTILES,
    threshold_column="spike_threshold_ccy_per_mwh",
    tail=TailAnswer(shortfalls=SHORTFALLS, probability="spike_probability", alarm="alarm"),
    cadences=(Cadence.NIGHTLY, Cadence.WEEKLY),
    min_history_days=180,
    owner="quant-desk",
    description="Tails of the price: quantiles from 0.5 to 99.5 %, expected capped shortfall, and a spike alarm with hysteresis.",
    yardstick="M4",
)
