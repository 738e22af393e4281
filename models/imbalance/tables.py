"""Companion table of imbalance: joint scenarios of the spread, numbered like those of the day-ahead price."""

from __future__ import annotations

from pipeline_tasks.contracts.columns import integer, number
from pipeline_tasks.contracts.curated import companion_table

SCENARIOS = companion_table(
    "spread_scenarios",
    (
        integer(
            "scenario", "Number of the scenario; the same number of curated.curve_scenarios is the day-ahead price it belongs to.", ge=1
        ),
        number("spread_ccy_per_mwh", "Balancing price less day-ahead price of the interval in the scenario.", unit="currency/MWh"),
    ),
    "Joint spread scenarios of imbalance: one row per delivery interval and equally likely scenario of the whole day; day-ahead price of"
    " the same number in curated.curve_scenarios plus spread is the balancing price of that scenario.",
    key=("scenario",),
)
COMPANIONS = (SCENARIOS,)
