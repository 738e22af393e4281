"""Companion tables of regime: the state of the market day by day, and its description in hindsight."""

from __future__ import annotations

from models._kernel.gating import ACTIONS, STATES
from pipeline_tasks.contracts import Column
from pipeline_tasks.contracts.columns import day, integer, number, symbol
from pipeline_tasks.contracts.curated import companion_table


def _share(name: str, meaning: str) -> Column:
    return number(name, meaning, ge=0, le=1)


STATE_COLUMNS: tuple[Column, ...] = (
    symbol("state", "Likeliest state of the market at as_of.", allowed=STATES),
    *(_share(f"{s}_probability", f"Filtered probability of the {s} state: from what was known at as_of alone.") for s in STATES),
    _share("change_probability", "Probability that the level or spread of severity changed within the last 14 days (online detection)."),
    integer("run_length_days", "Likeliest number of days since the last change.", unit="d", ge=0),
    _share("surprise_share", "Share of the training days that were less likely, given the days before them, than this one."),
    symbol("gate", "What follows for the forecasts of models that the gate acts on (config/gates.yaml).", allowed=ACTIONS),
)

REGIMES_DAILY = companion_table(
    "regimes_daily",
    STATE_COLUMNS,
    "State of the market of each hub and delivery date as known at the gate; delivery_ts is the day's first interval.",
    key=(),
)

REGIME_HISTORY = companion_table(
    "regime_history",
    (
        day("described_date", "Delivery date that is described."),
        *(_share(f"{s}_smoothed_share", f"Probability of the {s} state given the days before and after.") for s in STATES),
        symbol("path_state", "State on the single likeliest path (Viterbi).", allowed=STATES),
    ),
    "Description in hindsight of the days before a delivery date: smoothed states and likeliest path. Not for any test of a forecast.",
    key=("described_date",),
)
COMPANIONS = (REGIMES_DAILY, REGIME_HISTORY)
