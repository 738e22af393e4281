"""Plan steps: make a decision plan, answer it, make it again, resolve its numbers; for the scenario DAG and for `desk plan`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from config.risk import load_risk
from pipeline_tasks.copilot.request import PlanRequest

if TYPE_CHECKING:
    from pipeline_tasks.copilot.decide import Decision
    from pipeline_tasks.warehouse import Warehouse

Say = Callable[[str], None]
STATE_INPUT = "shortfall of the desk's other plans"


class PlanRefusedError(ValueError):
    """A plan cannot be approved: it breaks a limit, has expired, is answered already or is stopped."""


def make_plan(request: PlanRequest, say: Say = lambda _: None) -> dict[str, Any]:
    """From a scenario to a stored decision plan with its page; nothing in it counts before another person approved it.

    The same request gives the same plan, bit for bit. A plan that breaks a limit of its desk is stored as blocked.

    Returns:
        plan_id, decision, reason, status, the figures of the plan, its page, and seconds.

    Raises:
        PlanRefusedError: a kill switch holds the market or a model.
        NoChampionError: a model has no champion.
        PlanRequestError: a field does not fit the market.
    """
    from pipeline_tasks.copilot import store
    from pipeline_tasks.copilot.forecasts import DAY_AHEAD, SPREAD
    from pipeline_tasks.reports.plans import write_plan_page
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import ensure

    began, risk = time.perf_counter(), load_risk()
    with connect() as warehouse:
        ensure(warehouse)
        stopped = store.stopping(
            store.switches(warehouse), market=request.context.selection.market.key, models=(DAY_AHEAD, SPREAD), run_id=request.run_id
        )
        if stopped:
            raise PlanRefusedError(f"{request.plan_id}: {stopped}; lift the switch, then ask again")
        used = store.shortfall_used(warehouse, request, risk.level)
        made = _compute(warehouse, request, used=used, say=say)
        content, decision = _publish(warehouse, request, made)
        reason = "; ".join(decision.reasons)
        row = {
            "plan_id": request.plan_id,
            "market": request.context.selection.market.key,
            "delivery_date": request.delivery_date,
            "desk": request.desk,
            "requester": request.requester,
            "decision": "blocked" if reason else "proposed",
            "reason": reason,
            "request_json": request.to_json(),
            "inputs_json": made["inputs_json"],
            "numbers": made["rows"].height,
            "content_sha": content,
            "requested_ts": request.requested_ts,
            "expires_ts": store.expiry(request.requested_ts, risk.approval_hours),
            "seconds": time.perf_counter() - began,
        }
        store.keep(warehouse, row)
        say("writing the page")
        page = write_plan_page(warehouse, request.plan_id)
    figures = made["rows"].filter(pl.col("scope") == "plan", pl.col("place") == "")
    return {
        "plan_id": request.plan_id,
        "decision": row["decision"],
        "status": made["rows"]["status"][0],
        "reason": reason or made["rows"]["status_reason"][0],
        "figures": dict(figures.select("quantity", "value").iter_rows()),
        "numbers": row["numbers"],
        "content_sha": content,
        "page": str(page),
        "seconds": round(time.perf_counter() - began, 3),
    }


def answer_plan(plan_id: str, *, approver: str, approved: bool, comment: str = "", now: datetime | None = None) -> dict[str, Any]:
    """Approve or reject a plan; the answer is stored once and chained, and the page says so.

    Args:
        plan_id: the plan.
        approver: who answers; never who asked.
        approved: the answer.
        comment: reason given.
        now: when; the present by default.

    Raises:
        PlanError: there is no such plan.
        PlanRefusedError: it is blocked, expired, stopped or answered already, or approving it would exceed the desk's shortfall.
        FourEyesError: the approver is the requester, or one is not named.
    """
    from pipeline_tasks.copilot import store
    from pipeline_tasks.reports.plans import write_plan_page
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.approvals import record_approval, refuse_same_person
    from pipeline_tasks.warehouse.server import exclusive

    with connect() as warehouse, exclusive(warehouse.lock_folder / "plan_answers.lock"):
        found = store.plan(warehouse, plan_id)
        requester = str(found.row["requester"])
        refuse_same_person(requester, approver)
        state = found.state(now or datetime.now(UTC))
        if state is not store.State.SHADOW:
            why = found.stopped or found.row["reason"] or f"it is {state.value}"
            raise PlanRefusedError(f"{plan_id} cannot be answered: {why}; make a new plan")
        if approved:
            _refuse_beyond_budget(warehouse, found)
        decision = "approved" if approved else "rejected"
        identity = record_approval(
            warehouse, model=store.KIND, model_version=plan_id, requester=requester, approver=approver, decision=decision, comment=comment
        )
        page = write_plan_page(warehouse, plan_id)
    return {"plan_id": plan_id, "decision": decision, "approval_id": identity, "approver": approver, "page": str(page)}


def replay_plan(plan_id: str) -> dict[str, Any]:
    """Make a plan again from its recorded request, model versions and state, and compare every number bit for bit; nothing is written.

    Returns:
        `identical`, `numbers`, `differing` (identities), `changed` (inputs that are not what they were), and both content hashes.

    Raises:
        PlanError: there is no such plan.
    """
    from pipeline_tasks.copilot import store
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.hashing import content_sha

    with connect() as warehouse:
        found = store.plan(warehouse, plan_id)
        recorded = json.loads(found.row["inputs_json"])
        versions = {i["name"]: i["version"] for i in recorded if i["kind"] == "model"}
        used = next((float(i["version"]) for i in recorded if i["kind"] == "state"), 0.0)
        made = _compute(warehouse, found.request, used=used, versions=versions)
        old = _stored_rows(warehouse, found.row["market"], plan_id)
    new = made["rows"]
    both = old.select("number_id", "value").join(new.select("number_id", "value"), on="number_id", how="full", suffix="_new", coalesce=True)
    same = (pl.col("value") == pl.col("value_new")).fill_null(value=False)
    differing = both.filter(~same)["number_id"].sort().to_list()
    before, now = ({(i["kind"], i["name"]): i for i in given} for given in (recorded, json.loads(made["inputs_json"])))
    return {
        "plan_id": plan_id,
        "identical": not differing and old.height == new.height,
        "numbers": old.height,
        "differing": differing[:20],
        "changed": sorted(
            f"{kind} {name}" for kind, name in before.keys() | now.keys() if before.get((kind, name)) != now.get((kind, name))
        ),
        "published_sha": found.row["content_sha"],
        "stored_sha": content_sha(old, _key(), _columns()),
        "replayed_sha": content_sha(new, _key(), _columns()),
    }


def turn_switch(form: Mapping[str, Any], *, actor: str) -> dict[str, Any]:
    """Turn a kill switch, and write the desk page anew.

    Args:
        form: scope, target, active, reason.
        actor: who.

    Raises:
        ValueError: a field is missing or cannot be.
    """
    from pipeline_tasks.reports.plans import write_desk_page
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import ensure
    from pipeline_tasks.warehouse.switch import set_kill_switch

    told = {k: str(form[k]) for k in ("scope", "target", "reason")}
    with connect() as warehouse:
        ensure(warehouse)
        set_kill_switch(warehouse, **told, active=bool(form["active"]), actor=actor)
        page = write_desk_page(warehouse)
    return told | {"active": bool(form["active"]), "page": str(page)}


def lineage_of(number_id: str) -> dict[str, Any]:
    """What a number of a plan rests on: data, code, models, configuration, seed, request, answer, publication and place in the audit chain.

    Raises:
        PlanError: there is no such plan or number.
    """
    from pipeline_tasks.copilot import store
    from pipeline_tasks.copilot.lineage import resolve
    from pipeline_tasks.warehouse import connect

    with connect() as warehouse:
        found = store.plan(warehouse, number_id.split("/", 1)[0])
        return resolve(warehouse, found, number_id)


def _compute(
    warehouse: Warehouse, request: PlanRequest, *, used: float, versions: dict[str, str] | None = None, say: Say = lambda _: None
) -> dict[str, Any]:
    """Numbers of a plan, and the inputs they rest on; nothing is written."""
    from pipeline_tasks.copilot.decide import decide
    from pipeline_tasks.copilot.forecasts import Input, prices_of
    from pipeline_tasks.copilot.rows import inputs_json, inputs_of, plan_rows
    from pipeline_tasks.steps.exact import one_blas_thread

    risk = load_risk()
    with one_blas_thread():
        say("forecasting prices")
        prices = prices_of(warehouse, request, versions=versions)
        say(f"solving: {prices.day_ahead.shape[0]} scenarios, {len(request.hubs)} hubs, {len(prices.starts)} intervals")
        decision = decide(prices, request, risk, used=used)
        rows = plan_rows(request, prices, decision, risk)
    state = Input("state", STATE_INPUT, repr(used), "")
    return {"rows": rows, "decision": decision, "inputs_json": inputs_json((*inputs_of(prices), state))}


def _publish(warehouse: Warehouse, request: PlanRequest, made: Mapping[str, Any]) -> tuple[str, Decision]:
    from pipeline_tasks.contracts.plans import DECISION_PLANS
    from pipeline_tasks.copilot.store import MODEL
    from pipeline_tasks.steps.learned import publish_rows

    done = publish_rows(warehouse, DECISION_PLANS, made["rows"], run_id=request.run_id, model=MODEL)
    return done[0]["content_sha"], made["decision"]


def _refuse_beyond_budget(warehouse: Warehouse, found: Any) -> None:
    """Plans that were within the budget one by one may exceed it together."""
    from pipeline_tasks.copilot.store import shortfall_used

    risk, request = load_risk(), found.request
    own = warehouse.scalar(
        "select max(value) from curated.decision_plans where market = {m:String} and hub = {plan:String} and quantity = {q:String}",
        {"m": found.row["market"], "plan": found.plan_id, "q": f"es_{round(100 * risk.level)}_ccy"},
    )
    used, limit = shortfall_used(warehouse, request, risk.level, approved_only=True), risk.desk(request.desk).es_95_ccy
    if used + max(float(own), 0.0) > limit:
        raise PlanRefusedError(
            f"{found.plan_id}: with the approved plans of {request.delivery_date} the shortfall is {used + float(own):,.0f},"
            f" at most {limit:,.0f} is allowed; reject it, or make a smaller one"
        )


def _stored_rows(warehouse: Warehouse, market: str, plan_id: str) -> pl.DataFrame:
    return warehouse.query(
        f"select {', '.join(_columns())} from curated.decision_plans where market = {{m:String}} and hub = {{plan:String}}",
        {"m": market, "plan": plan_id},
    )


def _key() -> tuple[str, ...]:
    from pipeline_tasks.contracts.plans import DECISION_PLANS

    return DECISION_PLANS.key


def _columns() -> tuple[str, ...]:
    from pipeline_tasks.contracts.plans import DECISION_PLANS

    return tuple(DECISION_PLANS.column_names)


__all__ = ["PlanRefusedError", "answer_plan", "lineage_of", "make_plan", "replay_plan", "turn_switch"]
