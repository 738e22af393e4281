"""What forms make of a night's warehouse: outages, decision plans, switches; called by the tests of the DAGs, which have that night."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models._kernel.registry import spec_of
from pipeline_tasks import tracking
from pipeline_tasks.copilot import store
from pipeline_tasks.copilot.forecasts import DAY_AHEAD, SPREAD
from pipeline_tasks.copilot.lineage import completeness
from pipeline_tasks.copilot.request import PlanRequest
from pipeline_tasks.reports.plans import plans_folder
from pipeline_tasks.simulate.outages import Request
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.infer import forecast
from pipeline_tasks.steps.pipeline import execute_dag, failure_of
from pipeline_tasks.steps.plans import PlanRefusedError, answer_plan, lineage_of, make_plan, replay_plan, turn_switch
from pipeline_tasks.steps.published import published_answer
from pipeline_tasks.steps.settle_plans import settle_plans
from pipeline_tasks.steps.simulate import simulate_outages
from pipeline_tasks.warehouse import connect
from pipeline_tasks.warehouse.approvals import FourEyesError
from pipeline_tasks.warehouse.audit import verify


def _query(sql: str) -> pl.DataFrame:
    with connect() as warehouse:
        return warehouse.query(sql)


def outages_of_a_form(day: date) -> None:
    """Solved, proven, published, and the same again."""
    conf = {"market": "twin", "delivery_date": day.isoformat(), "lines": ["all"], "units": [], "hours": [18], "name": "form"}
    run = execute_dag("outages", conf, logical="2026-06-14T11:00:00+00:00", label="outages")
    assert run["state"] == "success", failure_of(run)
    columns = "uniqExact(scenario) as scenarios, uniqExact(node) as nodes, uniqExact(delivery_ts) as intervals, count() as n"
    rows = _query(f"select {columns}, max(as_of) as as_of from curated.v_outage_impacts where market = 'twin' and hub = 'form'").row(
        0, named=True
    )
    branches = _query("select uniqExact(branch) as n from raw.grid_branches where market = 'twin'").item()
    assert rows["scenarios"] == branches
    assert rows["n"] == rows["scenarios"] * rows["nodes"] > 0
    assert rows["intervals"] == 1
    assert rows["as_of"] == RunContext("twin", "twin", day).as_of
    published = "select content_sha from ops.publications where hub = 'form' order by table_name, at_ts desc limit 1 by table_name"
    before = _query(published)["content_sha"].to_list()
    again = simulate_outages(Request("twin", day, hours=(18,), lines=("all",), name="form"))
    assert sorted(p["content_sha"] for p in again["publications"]) == sorted(before)
    assert _query("select countIf(not is_certified) as n from curated.v_outage_scenarios where hub = 'form'").item() == 0


def _ask(market: str, day: str, **changes: Any) -> PlanRequest:
    form = {"market": market, "delivery_date": day, "desk": "power", "position_mw": 20.0, "gas_pct": 30.0, "battery": True}
    return PlanRequest.of(form | changes, requester="ann", trigger="test", requested_ts=datetime.now(UTC).replace(microsecond=0))


def published_is_what_would_be_answered(market: str, day: str) -> None:
    """What a plan takes of the night's publications is, value by value, what the champions say when they are asked again."""
    run = RunContext("", market, date.fromisoformat(day))
    for model in (DAY_AHEAD, SPREAD):
        spec, ref = spec_of(model), tracking.champion(model, market)
        assert ref is not None
        with connect() as warehouse:
            taken = published_answer(warehouse, run, spec, ref)
            assert taken is not None, model
            answered = forecast(warehouse, [run], spec, ref)[run.run_id]
            another = replace(ref, version="0")
            assert published_answer(warehouse, run, spec, another) is None
            assert published_answer(warehouse, run.on(run.delivery_date + timedelta(days=400)), spec, ref) is None
            with pytest.MonkeyPatch.context() as patch:  # a row that was known and came late
                patch.setattr("pipeline_tasks.steps.reading.Versions.at", lambda *_: "0" * 64)
                assert published_answer(warehouse, run, spec, ref) is None
        assert_frame_equal(taken.frame, answered.frame, check_row_order=False, check_exact=True)
        assert taken.beside.keys() == answered.beside.keys()
        for name, rows in answered.beside.items():
            assert_frame_equal(taken.beside[name], rows, check_row_order=False, check_column_order=False, check_exact=True)


def plan_from_form_to_outcome(market: str, day: str) -> None:
    """Made, the same again, lineage whole, replayed bit for bit, refused to its requester, approved by another, settled."""
    asked = _ask(market, day)
    made = make_plan(asked)
    assert made["decision"] == "proposed", made["reason"]
    assert make_plan(asked)["content_sha"] == made["content_sha"]
    with connect() as warehouse:
        found = store.plan(warehouse, asked.plan_id)
        whole = completeness(warehouse, found)
        number = warehouse.query(
            "select number_id, value from curated.v_decision_plans where hub = {p:String} and quantity = 'hedge_mw' limit 1",
            {"p": asked.plan_id},
        ).row(0)
    assert found.state(asked.requested_ts) is store.State.SHADOW
    assert whole["complete"] == whole["numbers"] == made["numbers"] > 300, whole["problems"]
    resolved = lineage_of(number[0])
    assert (resolved["value"], resolved["seed"], resolved["requester"]) == (number[1], asked.seed, "ann")
    assert {m["name"] for m in resolved["models"]} == {"curve_dist", "imbalance"}
    again = replay_plan(asked.plan_id)
    assert (again["identical"], again["changed"], again["replayed_sha"]) == (True, [], again["published_sha"])
    with pytest.raises(FourEyesError, match="another person must approve"):
        answer_plan(asked.plan_id, approver="Ann", approved=True)
    with pytest.raises(PlanRefusedError, match="expired"):
        answer_plan(asked.plan_id, approver="bob", approved=True, now=asked.requested_ts + timedelta(days=3))
    assert answer_plan(asked.plan_id, approver="bob", approved=True, comment="fine")["decision"] == "approved"
    with pytest.raises(PlanRefusedError, match="approved"):
        answer_plan(asked.plan_id, approver="cy", approved=False)
    settled = {row["plan_id"]: row for row in settle_plans(market, now=datetime(2027, 1, 1, tzinfo=UTC))["plans"]}
    assert settled[asked.plan_id]["state"] == "approved"
    page = (plans_folder() / f"{asked.plan_id}.html").read_text(encoding="utf-8")
    assert "approved by" in page
    assert "bob: fine" in page
    assert "What it came to" in page


def plans_stopped_by_limits_and_switches(market: str, day: str) -> None:
    """The form's DAG blocks what breaks a limit before anybody is asked; a switch set by its DAG stops plans until it is lifted."""
    conf = {"market": market, "delivery_date": day, "desk": "assets", "position_mw": [500], "hubs": []}
    run = execute_dag("scenario", conf, logical="2026-06-14T12:00:00+00:00", label="scenario")
    assert run["state"] == "success", failure_of(run)
    with connect() as warehouse:
        blocked = next(p for p in store.plans(warehouse) if p.row["desk"] == "assets")
    assert blocked.state(datetime.now(UTC)) is store.State.BLOCKED
    assert "largest open position of a hub is 500 MW, at most 50" in blocked.row["reason"]
    with pytest.raises(PlanRefusedError, match="at most 50"):
        answer_plan(blocked.plan_id, approver="bob", approved=True)
    conf = {"scope": "model", "target": "imbalance", "active": True, "reason": "drill"}
    run = execute_dag("kill_switch", conf, logical="2026-06-14T12:10:00+00:00", label="kill_switch")
    assert run["state"] == "success", failure_of(run)
    desk = plans_folder() / "index.html"
    assert "drill" in desk.read_text(encoding="utf-8")
    with pytest.raises(PlanRefusedError, match="kill switch model imbalance"):
        make_plan(_ask(market, day, position_mw=1.0))
    turn_switch(conf | {"active": False}, actor="cy")
    assert "drill" not in desk.read_text(encoding="utf-8")
    assert make_plan(_ask(market, day, position_mw=1.0, horizon_h=6))["decision"] == "proposed"
    with connect() as warehouse:
        assert verify(warehouse).ok
