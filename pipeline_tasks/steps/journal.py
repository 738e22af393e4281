"""Journal: every executed step is timed, told to whoever watches, and kept as one row of ops.runs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import structlog

from pipeline_tasks.contracts.ops import RUNS
from pipeline_tasks.steps.context import RunContext

EVENTS_ENV = "DESK_EVENTS_FILE"
Work = Callable[[], dict[str, Any]]
log = structlog.get_logger(__name__)


def execute(step: str, ctx: RunContext, work: Work) -> dict[str, Any]:
    """Do one step of a run and write it down, failed ones too.

    Args:
        step: name of the step (`ingest`, `infer:curve_dist`).
        ctx: the run.
        work: does it; its result must be JSON-able and may say `status` and `reason`.

    Returns:
        The work's result with `status` filled.

    Raises:
        Exception: whatever the work raises, after the failure was written down.
    """
    emit({"event": "start", "step": step, "run_id": ctx.run_id})
    began = time.perf_counter()
    try:
        result = {"status": "OK", **work()}
    except Exception as error:
        seconds = time.perf_counter() - began
        detail = {"error": f"{type(error).__name__}: {error}"}
        emit({"event": "end", "step": step, "run_id": ctx.run_id, "status": "FAILED", "seconds": seconds, "detail": detail})
        _record_failure(ctx, step, detail, seconds)
        raise
    seconds = time.perf_counter() - began
    record(ctx, step, result["status"], result, seconds)
    emit({"event": "end", "step": step, "run_id": ctx.run_id, "status": result["status"], "seconds": seconds, "detail": result})
    return result


def emit(event: dict[str, Any]) -> None:
    """Append one event to the file that `DESK_EVENTS_FILE` names (progress of `desk run`); nothing without it.

    Each event is one write, so those of processes that work at the same time never mix.
    """
    target = os.environ.get(EVENTS_ENV)
    if target:
        with Path(target).open("ab", buffering=0) as stream:
            stream.write(json.dumps(event, default=str).encode() + b"\n")


def record(ctx: RunContext, step: str, status: str, detail: dict[str, Any], seconds: float) -> None:
    """Write one row of ops.runs."""
    from pipeline_tasks.warehouse import connect

    row = {
        "run_id": ctx.run_id,
        "dag": ctx.dag,
        "source": ctx.source,
        "market": ctx.market,
        "delivery_date": ctx.delivery_date,
        "as_of": ctx.as_of,
        "step": step,
        "status": status,
        "detail_json": json.dumps(detail, sort_keys=True, default=str),
        "seconds": seconds,
        "at_ts": datetime.now(UTC),
    }
    with connect() as warehouse:
        warehouse.insert(RUNS, pl.DataFrame([row], schema=RUNS.polars_schema()))


def _record_failure(ctx: RunContext, step: str, detail: dict[str, Any], seconds: float) -> None:
    """Record a failure; when the warehouse itself is what failed, the log has to do."""
    try:
        record(ctx, step, "FAILED", detail, seconds)
    except Exception:
        log.exception("failed step could not be written to ops.runs", step=step, run_id=ctx.run_id, **detail)
