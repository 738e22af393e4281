"""Lineage of a plan's numbers: each resolves to data, code, models, configuration, seed, people and its place in the audit chain."""

from __future__ import annotations

import json
from typing import Any

from pipeline_tasks.contracts.plans import DECISION_PLANS
from pipeline_tasks.copilot.store import PlanError, StoredPlan
from pipeline_tasks.warehouse import Warehouse

NEEDED = ("run_id", "model_version", "artifact_sha", "code_sha", "data_version", "config_sha", "number_id")


def resolve(warehouse: Warehouse, plan: StoredPlan, number_id: str) -> dict[str, Any]:
    """Everything one number rests on.

    Raises:
        PlanError: the plan has no such number.
    """
    frame = warehouse.query(
        "select * from curated.decision_plans where market = {m:String} and hub = {plan:String} and number_id = {id:String}",
        {"m": plan.row["market"], "plan": plan.plan_id, "id": number_id},
    )
    if frame.is_empty():
        raise PlanError(f"number {number_id!r} is not in {plan.plan_id}; `desk plan show {plan.plan_id} --json` lists those that are")
    row = frame.row(0, named=True)
    inputs = json.loads(plan.row["inputs_json"])
    return {
        "number_id": number_id,
        "value": row["value"],
        "unit": row["unit"],
        "data": [i for i in inputs if i["kind"] == "data"],
        "data_version": row["data_version"],
        "models": [i for i in inputs if i["kind"] == "model"],
        "configuration": [i for i in inputs if i["kind"] == "configuration"],
        "config_sha": row["config_sha"],
        "state": [i for i in inputs if i["kind"] == "state"],
        "code_sha": row["code_sha"],
        "seed": row["seed"],
        "as_of": row["as_of"],
        "request": json.loads(plan.row["request_json"]),
        "requester": plan.row["requester"],
        "answer": plan.decision or "(none yet)",
        "approver": plan.approver or "(nobody yet)",
        "publication": _publication(warehouse, plan),
        "audit": _audit(warehouse, plan),
    }


def completeness(warehouse: Warehouse, plan: StoredPlan) -> dict[str, Any]:
    """Share of a plan's numbers whose lineage is whole, and what is wrong with the others.

    A number is whole where each of its references is filled, every input has a hash or a value, its bytes are those that were published,
    and the chain holds the plan with the same content.
    """
    from pipeline_tasks.warehouse.hashing import content_sha

    frame = warehouse.query(
        f"select {', '.join(DECISION_PLANS.column_names)} from curated.decision_plans"
        " where market = {m:String} and hub = {plan:String}",
        {"m": plan.row["market"], "plan": plan.plan_id},
    )
    problems = [f"column {c} is empty" for c in NEEDED if (frame[c] == "").any()]
    problems += [
        f"{i['kind']} {i['name']} has no hash" for i in json.loads(plan.row["inputs_json"]) if not i["sha"] and i["kind"] != "state"
    ]
    sha = content_sha(frame, DECISION_PLANS.key, DECISION_PLANS.column_names)
    if sha != plan.row["content_sha"] or frame.height != plan.row["numbers"]:
        problems.append(f"{frame.height} numbers with content {sha}, on record are {plan.row['numbers']} with {plan.row['content_sha']}")
    if _audit(warehouse, plan) is None:
        problems.append("the audit chain does not hold the plan with this content")
    return {"plan_id": plan.plan_id, "numbers": frame.height, "complete": 0 if problems else frame.height, "problems": problems}


def _publication(warehouse: Warehouse, plan: StoredPlan) -> dict[str, Any] | None:
    frame = warehouse.query(
        "select publication_id, content_sha, row_count, at_ts from ops.publications"
        " where table_name = {table:String} and hub = {plan:String} order by at_ts desc limit 1",
        {"table": DECISION_PLANS.full_name, "plan": plan.plan_id},
    )
    return frame.row(0, named=True) if frame.height else None


def _audit(warehouse: Warehouse, plan: StoredPlan) -> dict[str, Any] | None:
    """The row of the chain that holds the plan with its present content."""
    frame = warehouse.query(
        "select seq, at_ts, actor, row_sha, payload_json from ops.audit_log"
        " where action = 'plan' and subject = {plan:String} order by seq desc",
        {"plan": plan.plan_id},
    )
    for row in frame.iter_rows(named=True):
        if json.loads(row.pop("payload_json"))["content_sha"] == plan.row["content_sha"]:
            return dict(row)
    return None


__all__ = ["completeness", "resolve"]
