"""Watch steps: drift before forecasts are made; parity, schemas, shadow runs and verdicts after they are published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models._kernel.registry import spec_of
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.watch import drift, parity, schemas, shadow, verdicts


def drift_of(ctx: RunContext, models: Sequence[str]) -> dict[str, Any]:
    """Judge the newest day of every monitored feature that the models read.

    Returns:
        `series` watched, `alarms`, `severe`; status DEGRADED with the reason where something is severe.
    """
    import polars as pl

    from pipeline_tasks.steps.exact import one_blas_thread
    from pipeline_tasks.warehouse import connect

    tables = {spec_of(name).inputs.full_name: spec_of(name).inputs for name in models}
    with connect() as warehouse, one_blas_thread():
        frames = [drift.watch_features(warehouse, ctx, table) for table in tables.values()]
    return drift.summary(pl.concat(frames))


def shadows_of(ctx: RunContext, models: Sequence[str]) -> dict[str, Any]:
    """Let challengers answer beside their champions.

    Returns:
        Per model what `shadow.run_shadow` says; status DEGRADED where inputs were not identical.
    """
    found = {name: shadow.run_shadow(ctx, name) for name in models}
    unequal = [name for name, row in found.items() if row["days"] and row["inputs_equal"] < row["days"]]
    reason = f"inputs of champion and challenger differ: {', '.join(unequal)}" if unequal else ""
    return {"status": "DEGRADED" if unequal else "OK", "reason": reason, "models": found}


def verdicts_of(ctx: RunContext, models: Sequence[str]) -> dict[str, Any]:
    """Parity of what was served, versions of schemas, verdicts on champions and challengers; a champion that must go goes.

    Returns:
        Parity per model, schema changes, verdicts, demotions; status DEGRADED where parity is broken or a champion is worse than
        its baseline.
    """
    from pipeline_tasks.warehouse import connect

    reasons: list[str] = []
    with connect() as warehouse:
        changed = [row for row in schemas.record_schemas(warehouse, ctx.run_id) if row["changes"]]
        checked = {name: parity.check_recent(warehouse, name, ctx.market) for name in models}
        for name, found in checked.items():
            parity.record(warehouse, ctx, spec_of(name), found)
            if found.samples and not found.holds:
                reasons.append(f"{name}: served values differ from their rebuild: {found.example}")
        judged = [row for name in models for row in verdicts.judge_model(warehouse, ctx, name)]
        demoted = {row["model"]: _demote(warehouse, ctx, row) for row in judged if row["verdict"] == "demote"}
    reasons += [f"{row['model']}: {row['reason']}" for row in judged if row["verdict"] == "demote"]
    return {
        "status": "DEGRADED" if reasons else "OK",
        "reason": "; ".join(reasons),
        "parity": {name: {"samples": f.samples, "mismatches": f.mismatches + f.schema_mismatches} for name, f in checked.items()},
        "schema_changes": [f"{row['table_name']}: {row['changes']}" for row in changed],
        "verdicts": {f"{row['model']} {row['question']}": row["verdict"] for row in judged},
        "demoted": demoted,
    }


def _demote(warehouse: Any, ctx: RunContext, verdict: dict[str, Any]) -> str:
    """Version that took over; empty where there was no former champion: the present one then answers as DEGRADED (`infer`)."""
    from pipeline_tasks import tracking

    ref = tracking.demote(warehouse, model=verdict["model"], market=ctx.market, reason=verdict["reason"])
    return ref.version if ref else ""
