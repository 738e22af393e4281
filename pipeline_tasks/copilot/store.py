"""What is on record of plans: the request, the answer, the state they make together, and switches that stop them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Self

import polars as pl

from pipeline_tasks.contracts.plans import PLAN_REQUESTS
from pipeline_tasks.copilot.request import PlanRequest
from pipeline_tasks.warehouse import Warehouse, audit
from pipeline_tasks.warehouse.once import insert_once

MODEL = "copilot"
CHAINED = ("market", "desk", "requester", "decision", "reason", "content_sha", "numbers", "request_json", "inputs_json")
KIND = "decision_plan"
"""Name of plans in ops.approvals, where models have theirs."""


class State(StrEnum):
    """What a plan is worth now."""

    SHADOW = "shadow"
    BLOCKED = "blocked"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    STOPPED = "stopped"


class PlanError(LookupError):
    """There is no such plan or number."""


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan on record.

    Attributes:
        row: its row of ops.plan_requests.
        decision, approver, comment, answered_ts: the answer; empty and None where nobody answered.
        stopped: kill switch that holds it; empty for none.
    """

    row: dict[str, Any]
    decision: str = ""
    approver: str = ""
    comment: str = ""
    answered_ts: datetime | None = None
    stopped: str = ""

    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        """From a row of `plans`."""
        own = {c: row[c] for c in PLAN_REQUESTS.column_names}
        return cls(own, row["answer"], row["approver"], row["comment"], row["answered_ts"] if row["answer"] else None)

    @property
    def plan_id(self) -> str:
        """Identity."""
        return str(self.row["plan_id"])

    @property
    def request(self) -> PlanRequest:
        """The form it answers."""
        return PlanRequest.from_json(self.row["request_json"])

    def state(self, now: datetime) -> State:
        """What it is worth at an instant: a shadow until another person approved it, in time and within limits."""
        if self.stopped:
            return State.STOPPED
        if self.row["decision"] == "blocked":
            return State.BLOCKED
        if self.decision:
            return State.APPROVED if self.decision == "approved" else State.REJECTED
        return State.EXPIRED if now > self.row["expires_ts"] else State.SHADOW


_PLANS = f"""
    with latest as (
      select {", ".join(PLAN_REQUESTS.column_names)} from ops.plan_requests
      where ({{plan:String}} = '' or plan_id = {{plan:String}}) and ({{market:String}} = '' or market = {{market:String}})
        and ({{every:Bool}} or delivery_date = {{day:Date32}})
      order by at_ts desc limit 1 by plan_id
    ),
    answers as (
      select model_version as plan_id, decision as answer, approver, comment, at_ts as answered_ts
      from ops.approvals where model = {{kind:String}} order by at_ts limit 1 by plan_id
    )
    select l.*, a.answer as answer, a.approver as approver, a.comment as comment, a.answered_ts as answered_ts
    from latest as l left join answers as a on l.plan_id = a.plan_id
    order by l.requested_ts desc, l.plan_id
"""


def plans(warehouse: Warehouse, *, market: str = "", delivery_date: date | None = None, plan_id: str = "") -> list[StoredPlan]:
    """Plans on record, newest request first; all of them unless narrowed down."""
    params = {"plan": plan_id, "market": market, "every": delivery_date is None, "day": delivery_date or date(1970, 1, 1), "kind": KIND}
    found = [StoredPlan.of(row) for row in warehouse.query(_PLANS, params).iter_rows(named=True)]
    stops = switches(warehouse)
    return [_stopped(plan, stops) for plan in found]


def plan(warehouse: Warehouse, plan_id: str) -> StoredPlan:
    """The plan called `plan_id`.

    Raises:
        PlanError: there is none.
    """
    found = plans(warehouse, plan_id=plan_id) if plan_id else []
    if not found:
        raise PlanError(f"plan {plan_id!r} is not on record; `desk plan list` shows those that are")
    return found[0]


def switches(warehouse: Warehouse) -> dict[tuple[str, str], str]:
    """Kill switches that are on: (scope, target) -> who and why."""
    frame = warehouse.query(
        "select scope, target, active, reason, actor from ops.kill_switch order by at_ts desc limit 1 by scope, target"
    ).filter(pl.col("active"))
    return {(r["scope"], r["target"]): f"{r['actor']}: {r['reason']}" for r in frame.iter_rows(named=True)}


def stopping(stops: dict[tuple[str, str], str], *, market: str, models: tuple[str, ...], run_id: str) -> str:
    """The switch that stops a plan of this market, these models and this run, in words; empty for none."""
    for key in (("all", "*"), ("market", market), ("run", run_id), *(("model", m) for m in (MODEL, *models))):
        if key in stops:
            return f"kill switch {key[0]} {key[1]} ({stops[key]})"
    return ""


def _stopped(found: StoredPlan, stops: dict[tuple[str, str], str]) -> StoredPlan:
    if not stops:
        return found
    import json

    models = tuple(i["name"] for i in json.loads(found.row["inputs_json"]) if i["kind"] == "model")
    why = stopping(stops, market=found.row["market"], models=models, run_id=found.request.run_id)
    return StoredPlan(found.row, found.decision, found.approver, found.comment, found.answered_ts, why) if why else found


def shortfall_used(warehouse: Warehouse, request: PlanRequest, level: float, *, approved_only: bool = False) -> float:
    """Expected shortfall that the desk's other plans of the market and delivery date take: those that wait or are approved.

    Args:
        warehouse: a connection that may read.
        request: the plan that asks; it does not count itself.
        level: of the shortfall.
        approved_only: whether waiting plans are left out.
    """
    counted = {State.APPROVED} if approved_only else {State.APPROVED, State.SHADOW}
    key = request.context.selection.market.key
    others = [
        p.plan_id
        for p in plans(warehouse, market=key, delivery_date=request.delivery_date)
        if p.plan_id != request.plan_id and p.row["desk"] == request.desk and p.state(request.requested_ts) in counted
    ]
    frame = warehouse.query(
        "select sum(greatest(value, 0)) as used from curated.decision_plans where market = {market:String} and hub in {plans:Array(String)}"
        " and quantity = {quantity:String}",
        {"market": key, "plans": others, "quantity": f"es_{round(100 * level)}_ccy"},
    )
    return float(frame["used"][0] or 0.0) if others else 0.0


def keep(warehouse: Warehouse, row: dict[str, Any]) -> None:
    """Store a row of ops.plan_requests once, and chain it."""
    frame = pl.DataFrame([row | {"at_ts": datetime.now(UTC)}], schema=PLAN_REQUESTS.polars_schema())
    identity = row["plan_id"] + row["content_sha"]

    def absent() -> pl.DataFrame:
        there = warehouse.scalar(
            "select count() from ops.plan_requests where plan_id = {plan:String} and content_sha = {sha:String}",
            {"plan": row["plan_id"], "sha": row["content_sha"]},
        )
        return frame.clear() if there else frame

    if absent().height:
        insert_once(warehouse, PLAN_REQUESTS, frame, token=identity, absent=absent)
    payload = {k: row[k] for k in CHAINED}
    audit.append_once(warehouse, actor=row["requester"], action="plan", subject=row["plan_id"], payload=payload)


def expiry(requested_ts: datetime, hours: float) -> datetime:
    """When a request expires."""
    return requested_ts + timedelta(hours=hours)


__all__ = ["KIND", "MODEL", "PlanError", "State", "StoredPlan", "expiry", "keep", "plan", "plans", "shortfall_used", "stopping", "switches"]
