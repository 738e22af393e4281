"""The whole stack: health, log-in, forms, approvals with two people, report pages, and nothing left after `down`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pipeline_tasks.stack import down, status, up
from pipeline_tasks.stack.processes import members, read_state

MARKET = "twin_hub_north"
PAGE = "/powerdesk-reports/index.html"
pytestmark = pytest.mark.slow
Call = Callable[..., tuple[int, Any]]


def _until(probe: Callable[[], Any], seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(0.5)
    pytest.fail(f"nothing after {seconds:.0f} s")


def _trigger(call: Call, user: str, dag: str, conf: dict[str, Any]) -> str:
    _until(lambda: call("admin", "PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})[0] == 200)
    code, body = call(user, "POST", f"/api/v2/dags/{dag}/dagRuns", {"conf": conf, "logical_date": None})
    assert code == 200, body
    return str(body["dag_run_id"])


def _state(call: Call, dag: str, run: str) -> str:
    return str(call("admin", "GET", f"/api/v2/dags/{dag}/dagRuns/{run}")[1]["state"])


def _answer(call: Call, user: str, run: str, option: str) -> tuple[int, Any]:
    body = {"chosen_options": [option], "params_input": {"comment": "seen"}}
    return call(user, "PATCH", f"/api/v2/dags/promote/dagRuns/{run}/taskInstances/approve/-1/hitlDetails", body)


def _waiting(call: Call, run: str) -> bool:
    code, body = call("admin", "GET", f"/api/v2/dags/promote/dagRuns/{run}/taskInstances/approve")
    return code == 200 and body["state"] == "awaiting_input"


def test_stack_is_healthy_in_time(stack: dict[str, Any]) -> None:
    assert stack["seconds"] < 60
    states = {r["component"]: r["state"] for r in stack["components"]}
    assert states["clickhouse"] == "running"
    assert states["scheduler"] == states["dag-processor"] == states["triggerer"] == "healthy"


def test_up_again_changes_nothing(stack: dict[str, Any]) -> None:
    assert up()["airflow_url"] == stack["airflow_url"]
    assert status()["last_runs"][0]["status"] == "OK"


def test_report_page_needs_a_log_in(stack: dict[str, Any], call: Call) -> None:
    assert call("", "GET", PAGE)[0] == 401
    assert call("", "GET", "/powerdesk-reports/nightly_twin_hub_north_2026-06-15/index.html")[0] == 401
    code, body = call("viewer", "GET", "/powerdesk-reports/nightly_twin_hub_north_2026-06-15/index.html")
    assert code == 200
    assert "2026-06-15" in body
    assert call("viewer", "GET", "/powerdesk-reports/../accounts.json")[0] == 404
    assert call("viewer", "GET", "/powerdesk-reports/..%2f..%2fairflow%2faccounts.json")[0] == 404


def test_wrong_password_is_refused(stack: dict[str, Any], call: Call) -> None:
    assert call("", "POST", "/auth/token", {"username": "admin", "password": "guess"})[0] == 401


def test_forms_refuse_unknown_markets_and_viewers_cannot_run(call: Call) -> None:
    _until(lambda: call("admin", "GET", "/api/v2/dags/nightly")[0] == 200)
    code, body = call("trader", "POST", "/api/v2/dags/nightly/dagRuns", {"conf": {"market": "atlantis"}, "logical_date": None})
    assert code == 400
    assert "market" in str(body)
    assert call("viewer", "POST", "/api/v2/dags/nightly/dagRuns", {"conf": {}, "logical_date": None})[0] == 403


@pytest.mark.timeout(1800)  # every task is a process of its own, and a run that the browser test started goes first
def test_nightly_runs_under_the_scheduler(call: Call) -> None:
    run = _trigger(call, "trader", "nightly", {"source": "twin", "market": MARKET, "delivery_date": "2026-06-15"})
    _until(lambda: _state(call, "nightly", run) in {"success", "failed"}, 1700)
    tasks = call("admin", "GET", f"/api/v2/dags/nightly/dagRuns/{run}/taskInstances")[1]["task_instances"]
    assert _state(call, "nightly", run) == "success", [(t["task_id"], t["state"]) for t in tasks]
    events = call("admin", "GET", f"/api/v2/assets/events?source_dag_id=nightly&source_run_id={quote(run, safe='')}")[1]["asset_events"]
    assert any("rows_read" in e["extra"] for e in events)


def test_the_requester_cannot_approve(call: Call, candidate: str) -> None:
    from pipeline_tasks import tracking

    before = tracking.champion("curve_dist", MARKET)
    run = _trigger(call, "trader", "promote", {"market": MARKET, "model": "curve_dist", "version": candidate, "reason": "test"})
    _until(lambda: _waiting(call, run))
    assert _answer(call, "viewer", run, "Approve")[0] == 403
    assert _answer(call, "trader", run, "Approve")[0] == 200
    _until(lambda: _state(call, "promote", run) in {"success", "failed"})
    assert _state(call, "promote", run) == "failed"
    assert tracking.champion("curve_dist", MARKET) == before


def test_a_rejection_is_kept_and_changes_nothing(call: Call, candidate: str) -> None:
    from pipeline_tasks import tracking
    from pipeline_tasks.warehouse import connect

    before = tracking.champion("curve_dist", MARKET)
    run = _trigger(call, "trader", "promote", {"market": MARKET, "model": "curve_dist", "version": candidate, "reason": "test"})
    _until(lambda: _waiting(call, run))
    assert _answer(call, "risk", run, "Reject")[0] == 200
    _until(lambda: _state(call, "promote", run) in {"success", "failed"})
    assert _state(call, "promote", run) == "success"
    assert tracking.champion("curve_dist", MARKET) == before
    with connect() as warehouse:
        assert warehouse.scalar("select count() from ops.approvals where decision = 'rejected' and approver = 'risk'") == 1


def test_another_person_approves_and_the_log_says_who(call: Call, candidate: str) -> None:
    from datetime import UTC, datetime

    from pipeline_tasks import tracking
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.audit import verify

    run = _trigger(call, "trader", "promote", {"market": MARKET, "model": "curve_dist", "version": candidate, "reason": "better"})
    _until(lambda: _waiting(call, run))
    assert _answer(call, "risk", run, "Approve")[0] == 200
    _until(lambda: _state(call, "promote", run) in {"success", "failed"})
    assert _state(call, "promote", run) == "success"
    now = tracking.champion("curve_dist", MARKET)
    assert now is not None
    assert now.version == candidate
    with connect() as warehouse:
        found = tracking.champion_at(warehouse, model="curve_dist", market=MARKET, instant=datetime.now(UTC))
        assert found is not None
        assert (found["version"], found["requester"], found["approver"]) == (candidate, "trader", "risk")
        assert verify(warehouse).ok


def test_down_leaves_nothing(stack: dict[str, Any], played_home: Path) -> None:
    state = read_state(played_home / "airflow" / "stack.json")
    assert state is not None
    assert members(state.stack_id)
    down()
    assert members(state.stack_id) == []
    assert {r["state"] for r in status()["components"]} == {"stopped"}
    assert up()["seconds"] < 60
