"""Companion table of bess_vpp: what the day earns for every risk aversion."""

from __future__ import annotations

from pipeline_tasks.contracts.columns import flag, integer, number, symbol
from pipeline_tasks.contracts.curated import companion_table

FRONTIER = companion_table(
    "bess_frontier",
    (
        integer("step", "Number of the risk aversion, by rising aversion.", ge=1),
        number("risk_aversion", "Weight of CVaR in the objective; the rest weighs the mean.", ge=0, le=1),
        flag("is_chosen", "The published schedule is of this risk aversion."),
        number("expected_profit_ccy", "Mean profit of the day over scenarios.", unit="currency"),
        number("cvar_profit_ccy", "Mean of the worst 5 % of the day's profits over scenarios.", unit="currency"),
        number("evpi_ccy", "Expected value of perfect information of the day.", unit="currency"),
        number("vss_ccy", "Value of the stochastic solution over the schedule of mean prices.", unit="currency"),
        number("day_ahead_mwh", "Energy of the day-ahead schedule, bought and sold.", unit="MWh", ge=0),
        symbol("solver_status", "What the solver proved: optimal, or time_limit."),
    ),
    "Mean and tail of a battery's day for every risk aversion: one row per hub, delivery date (at its first interval) and risk aversion.",
    key=("step",),
)
COMPANIONS = (FRONTIER,)
