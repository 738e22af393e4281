"""Run a DAG in-process, exactly as Airflow would: `dag.test()` in a child process of its own, its logs in files."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from config.settings import REPO_ROOT, Settings, get_settings
from pipeline_tasks.prepared import Prepared, Run
from pipeline_tasks.stack.environment import POOLS_ENV, base_environment, in_process_home
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.journal import EVENTS_ENV

Say = Callable[[str], None]
Event = dict[str, Any]
POLL_S = 0.1


def run_nightly(*, source: str, market: str, delivery_date: date, on_progress: Say | None = None) -> dict[str, Any]:
    """Execute the nightly DAG for one delivery date and wait for its end.

    Args:
        source: `twin` or `files`.
        market: market selection key.
        delivery_date: market-local delivery date.
        on_progress: called with one line per step.

    Returns:
        run_id, status (OK, DEGRADED, FAILED), status_reason, seconds, `ingest` (row counts), `steps` (step, status, seconds),
        `publications` (table, hub, delivery_date, rows, sha), `report` (path), `log` (path).

    Raises:
        KeyError: the market is not configured.
    """
    ctx = RunContext(source=source, market=market, delivery_date=delivery_date)
    conf = {"source": source, "market": ctx.selection.key, "delivery_date": delivery_date.isoformat()}
    run = execute_dag("nightly", conf, logical=ctx.as_of.isoformat(), label=ctx.run_id, on_progress=on_progress)
    return {"run_id": ctx.run_id, **summarise(run)}


def run_intraday(*, source: str, market: str, instant: datetime, on_progress: Say | None = None) -> dict[str, Any]:
    """Execute the intraday DAG for one decision time and wait for its end.

    Args:
        source: `twin` or `files`.
        market: market selection key.
        instant: decision time, with its time zone; cut to the minute.
        on_progress: called with one line per step.

    Returns:
        As `run_nightly`, without a report.

    Raises:
        KeyError: the market is not configured.
        ValueError: the market has no intraday decisions.
    """
    ctx = RunContext.at(source, market, instant)
    if ctx.selection.market.intraday is None:
        raise ValueError(f"market {ctx.selection.market.key} has no intraday decisions; give it `intraday` in config/markets.yaml")
    conf = {"source": source, "market": ctx.selection.key, "decided_at": ctx.as_of.isoformat()}
    run = execute_dag("intraday", conf, logical=ctx.as_of.isoformat(), label=ctx.run_id, on_progress=on_progress)
    return {"run_id": ctx.run_id, **summarise(run)}


def run_replay(*, source: str, market: str, start: date, end: date, on_progress: Say | None = None) -> list[dict[str, Any]]:
    """Execute the replay DAG over start..end and return one row per partition: published and replayed hash, `identical`.

    Raises:
        RuntimeError: the DAG failed; the message names the step and the log.
    """
    ctx = RunContext(source=source, market=market, delivery_date=end, dag="replay")
    conf = {"source": source, "market": ctx.selection.key, "start_date": start.isoformat(), "end_date": end.isoformat()}
    run = execute_dag("replay", conf, logical=ctx.as_of.isoformat(), label=f"replay {start}..{end}", on_progress=on_progress)
    if run["state"] != "success":
        raise RuntimeError(f"replay failed: {failure_of(run)}; log: {run['log']}")
    return [row for event in ended(run) for row in event["detail"].get("partitions", [])]


def execute_dag(name: str, conf: Mapping[str, Any], *, logical: str, label: str, on_progress: Say | None = None) -> dict[str, Any]:
    """Execute a DAG of dags/ in a child process.

    Args:
        name: DAG and file name.
        conf: values of the DAG's form.
        logical: logical date, ISO.
        label: what to call the run in progress lines.
        on_progress: called with one line per step.

    Returns:
        `state` (Airflow's), `events` of the journal, `seconds`, `log`.
    """
    settings, say = get_settings(), on_progress or (lambda _line: None)
    home = in_process_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    with one_at_a_time(home / ".lock", say):
        log, events = _fresh(home / "logs", f"{name}.log"), _fresh(home, "events.jsonl")
        say(f"{label}: starting Airflow in-process")
        environment = _environment(settings, home, events)
        airflow = _airflow(frozenset(environment.items()))
        with airflow.start([name, json.dumps(conf), logical], environment=environment, cwd=REPO_ROOT, output=log) as run:
            seen = _watch(run, events, label, say)
    state = next((e["state"] for e in reversed(seen) if e["event"] == "dag"), "failed")
    state = state if any(e["event"] == "end" for e in seen) else "failed"  # a run in which nothing ran is no success
    return {"state": state, "events": seen, "seconds": time.perf_counter() - began, "log": str(log)}


def summarise(run: Mapping[str, Any]) -> dict[str, Any]:
    """Summary of a nightly run from its journal."""
    done = ended(run)
    details = {e["step"]: e["detail"] for e in done}
    reasons = [f"{e['step']}: {e['detail']['reason']}" for e in done if e["status"] == "DEGRADED" and e["detail"].get("reason")]
    status = "FAILED" if run["state"] != "success" or not done else "DEGRADED" if any(e["status"] == "DEGRADED" for e in done) else "OK"
    return {
        "status": status,
        "status_reason": failure_of(run) if status == "FAILED" else "; ".join(reasons),
        "seconds": round(run["seconds"], 2),
        "ingest": {k: v for k, v in details.get("ingest", {}).items() if k.startswith("rows_")},
        "steps": [{"step": e["step"], "status": e["status"], "seconds": round(e["seconds"], 2)} for e in done],
        "publications": [p for step, d in details.items() if step.startswith("publish:") for p in d.get("publications", [])],
        "report": details.get("report", {}).get("path"),
        "log": run["log"],
    }


def ended(run: Mapping[str, Any]) -> list[Event]:
    """The last end of every step, in order of their ends (a retried step ends more than once)."""
    return list({e["step"]: e for e in run["events"] if e["event"] == "end"}.values())


def failure_of(run: Mapping[str, Any]) -> str:
    """What went wrong first, in one line."""
    for event in ended(run):
        if event["status"] == "FAILED":
            return f"{event['step']}: {event['detail'].get('error', 'failed')}"
    lines = [line for line in Path(run["log"]).read_text(encoding="utf-8", errors="replace").splitlines() if "Error" in line]
    return lines[-1].strip() if lines else "the run ended before its first step"


@contextmanager
def one_at_a_time(path: Path, say: Say) -> Iterator[None]:
    """Wait for other in-process runs of the same state folder."""
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run of this state folder to end")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _fresh(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("", encoding="utf-8")
    return path


def _environment(settings: Settings, home: Path, events: Path) -> dict[str, str]:
    return {
        **base_environment(settings, home),
        "AIRFLOW__CORE__EXECUTOR": "pipeline_tasks.steps.lanes.LaneExecutor",
        POOLS_ENV: "1",  # the executor keeps to the slots of the pools
        "OMP_WAIT_POLICY": "passive",  # threads of one lane that wait leave the cores to the other
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "no-plugins"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        EVENTS_ENV: str(events),
    }


@lru_cache(maxsize=1)
def _airflow(environment: frozenset[tuple[str, str]]) -> Prepared:
    """Airflow, imported once for all runs in this environment; with another one the process of this one ends."""
    inprocess = "pipeline_tasks.steps.inprocess"
    return Prepared(f"{inprocess}:main", preload=(f"{inprocess}:prepare",), environment=dict(environment))


def _watch(run: Run, events: Path, label: str, say: Say) -> list[Event]:
    """Follow a run's events until it ends."""
    seen: list[Event] = []
    pending = ""
    with events.open(encoding="utf-8") as stream:
        while True:
            over = run.wait(POLL_S) is not None
            *lines, pending = (pending + stream.read()).split("\n")
            for event in map(json.loads, lines):
                seen.append(event)
                _tell(event, label, say)
            if over:
                return seen


def _tell(event: Event, label: str, say: Say) -> None:
    if event["event"] == "start":
        say(f"{label}: {event['step']} …")
    elif event["event"] == "end":
        say(f"{label}: {event['step']} {event['status']} in {event['seconds']:.1f} s")
