"""The desk page: kill switches, plans that wait for an answer, what is left of the budgets, and every plan on record."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from config.risk import Desk, load_risk
from pipeline_tasks.copilot import store
from pipeline_tasks.reports.plans import FOOT, LOOKS

if TYPE_CHECKING:
    from pipeline_tasks.warehouse import Warehouse

MOST_PLANS = 200
MOST_DAYS = 10


def desk_values(warehouse: Warehouse, now: datetime) -> dict[str, Any]:
    """Values of the page at an instant."""
    plans, risk = store.plans(warehouse)[:MOST_PLANS], load_risk()
    figures = _figures(warehouse, plans, round(100 * risk.level))
    rows = [_row(plan, figures, now) for plan in plans]
    return {
        "title": "Desk",
        "meta": f"as of {now:%Y-%m-%d %H:%M} UTC",
        "tags": [],
        "links": [("All reports", "../index.html")],
        "foot": FOOT,
        "switches": [
            {"scope": scope, "target": target, "who and why": why} for (scope, target), why in sorted(store.switches(warehouse).items())
        ],
        "waiting": [r for r in rows if r["state"] == store.State.SHADOW.value],
        "desks": [
            {"name": name, "label": desk.label, "limits": _limits(desk), "budgets": _budgets(name, desk, rows)}
            for name, desk in risk.desks.items()
        ],
        "plans": rows,
    }


def _figures(warehouse: Warehouse, plans: list[store.StoredPlan], level: int) -> dict[tuple[str, str], float]:
    """Expected profit, shortfall and realised profit by plan and name."""
    names = [p.plan_id for p in plans]
    expected = warehouse.query(
        "select hub, quantity, max(value) as value from curated.decision_plans where hub in {plans:Array(String)}"
        " and quantity in {names:Array(String)} group by hub, quantity",
        {"plans": names, "names": ["expected_profit_ccy", f"es_{level}_ccy"]},
    )
    realised = warehouse.query(
        "select hub, 'realised' as quantity, max(realised_ccy) as value from curated.plan_outcomes"
        " where hub in {plans:Array(String)} and part = 'all' group by hub",
        {"plans": names},
    )
    found = {(h, "shortfall" if q.startswith("es_") else q): v for h, q, v in expected.iter_rows()}
    return found | {(h, q): v for h, q, v in realised.iter_rows()}


def _row(plan: store.StoredPlan, figures: dict[tuple[str, str], float], now: datetime) -> dict[str, Any]:
    state = plan.state(now).value
    return {
        "plan": plan.plan_id,
        "state": state,
        "look": LOOKS[state],
        "market": plan.row["market"],
        "delivery": plan.row["delivery_date"],
        "desk": plan.row["desk"],
        "requester": plan.row["requester"],
        "approver": plan.approver,
        "expires": plan.row["expires_ts"],
        "expected": figures.get((plan.plan_id, "expected_profit_ccy")),
        "shortfall": figures.get((plan.plan_id, "shortfall")),
        "realised": figures.get((plan.plan_id, "realised")),
    }


def _limits(desk: Desk) -> str:
    where = ", ".join(desk.markets) or "all markets"
    return (
        f"For {where}: {desk.position_mw:g} MW open at a hub, {desk.day_ahead_mwh:,.0f} MWh day-ahead in a plan, expected shortfall"
        f" {desk.es_95_ccy:,.0f} and drawdown {desk.drawdown_95_ccy:,.0f} per delivery date."
    )


def _budgets(name: str, desk: Desk, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Shortfall taken by market and delivery date, newest first."""
    taken: dict[tuple[str, Any], dict[str, float]] = {}
    for row in rows:
        if row["desk"] == name and row["state"] in {"approved", "shadow"}:
            day = taken.setdefault((row["market"], row["delivery"]), {"approved": 0.0, "shadow": 0.0})
            day[row["state"]] += max(row["shortfall"] or 0.0, 0.0)
    newest = sorted(taken.items(), key=lambda item: (item[0][1], item[0][0]), reverse=True)[:MOST_DAYS]
    return [
        {
            "market": market,
            "delivery": day,
            "taken by approved": found["approved"],
            "taken by waiting": found["shadow"],
            "allowed": desk.es_95_ccy,
        }
        for (market, day), found in newest
    ]


__all__ = ["desk_values"]
