"""Tables of decision plans: every number of a plan as a row of its own, who asked for it, and what became of it."""

from __future__ import annotations

from dataclasses import replace

from pipeline_tasks.contracts.columns import Column, day, instant, integer, number, string, symbol
from pipeline_tasks.contracts.curated import companion_table
from pipeline_tasks.contracts.tables import Database, Table

PLAN = symbol("hub", "Plan: asked again with the same form by the same person in the same run, it is the same plan.")


def _table(name: str, columns: tuple[Column, ...], meaning: str, *, key: tuple[str, ...]) -> Table:
    table = companion_table(name, columns, meaning, key=key)
    return replace(table, columns=tuple(PLAN if c.name == "hub" else c for c in table.columns))


DECISION_PLANS = _table(
    "decision_plans",
    (
        string("number_id", "Identity of the number, for `desk lineage`: plan, quantity, place and, of one interval, its start."),
        symbol("quantity", "What the number is (docs/copilot.md lists them)."),
        symbol("place", "Hub, battery or feature it is about; empty for the plan as a whole."),
        symbol("scope", "plan: of the whole horizon, at its first interval; interval: of one.", allowed=("plan", "interval")),
        number("value", "The number.", unit="see unit"),
        symbol("unit", "Unit of the value."),
        integer("seed", "Seed of everything random behind it."),
        string("config_sha", "SHA-256 of the request and of all configuration that was read."),
    ),
    "One number of a decision plan: actions, prices, profit and risk, limits, drivers.",
    key=("quantity", "place", "scope"),
)

PLAN_OUTCOMES = _table(
    "plan_outcomes",
    (
        symbol("part", "Part of the profit (docs/copilot.md): open position, hedge, battery, and the whole."),
        number("expected_ccy", "What the plan expected of it.", unit="currency"),
        number("realised_ccy", "What it came to at realised prices.", unit="currency"),
        number("price_effect_ccy", "Realised less expected, at the plan's own volumes.", unit="currency"),
        number("unhedged_ccy", "What doing nothing came to: the open position at the balancing price, beyond its mark.", unit="currency"),
        symbol("state", "State of the plan when it was settled; only an approved one was meant to be acted on."),
    ),
    "What a plan's decisions came to at realised prices, shadow plans included.",
    key=("part",),
)

PLAN_REQUESTS = Table(
    database=Database.OPS,
    name="plan_requests",
    columns=(
        string("plan_id", "Plan."),
        symbol("market", "Market key."),
        day("delivery_date", "First market-local delivery date."),
        symbol("desk", "Desk whose limits hold (config/risk.yaml)."),
        string("requester", "Who asked."),
        symbol("decision", "proposed: waits for another person; blocked: breaks a limit.", allowed=("proposed", "blocked")),
        string("reason", "Limits that are broken; empty when proposed."),
        string("request_json", "The form, canonical JSON."),
        string("inputs_json", "Models, data, configuration and code behind the numbers, canonical JSON."),
        integer("numbers", "Numbers of the plan.", ge=0),
        string("content_sha", "SHA-256 over the plan's rows in key order."),
        instant("requested_ts", "When it was asked for."),
        instant("expires_ts", "An answer after it does not count."),
        number("seconds", "From the start of the work to the stored plan.", unit="s", ge=0),
        instant("at_ts", "When it was stored."),
    ),
    key=("plan_id", "at_ts"),
    meaning="One row per decision plan: the request, what it rests on and whether limits let it through.",
    dedup_window=10_000,
)

PLAN_TABLES = (DECISION_PLANS, PLAN_OUTCOMES)
__all__ = ["DECISION_PLANS", "PLAN_OUTCOMES", "PLAN_REQUESTS", "PLAN_TABLES"]
