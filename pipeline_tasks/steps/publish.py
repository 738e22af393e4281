"""Publish step: what inference staged becomes what readers see, partition by partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models._kernel.registry import spec_of
from pipeline_tasks.steps.context import RunContext


def publish(ctx: RunContext, model: str, run_ids: Sequence[str] | None = None) -> dict[str, Any]:
    """Publish the staged forecasts of a model, and the tables beside them (contributions, companions).

    Args:
        ctx: the run.
        model: model name.
        run_ids: runs whose staged rows are published; the run itself by default.

    Returns:
        `partitions` (count), `rows`, and `publications`: one entry per partition with its content hash.
    """
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.publish import publish_staged

    spec, done = spec_of(model), []
    with connect() as warehouse:
        for run_id in run_ids if run_ids is not None else [ctx.run_id]:
            for table in (*spec.beside, spec.curated):  # the forecasts last: who sees them finds the rest
                done += [(table.full_name, p) for p in publish_staged(warehouse, table, run_id=run_id, model=model)]
    rows = [
        {
            "table": table,
            "market": p.market,
            "hub": p.hub,
            "delivery_date": p.delivery_date.isoformat(),
            "rows": p.row_count,
            "status": p.status,
            "sha": p.content_sha,
        }
        for table, p in done
    ]
    worst = "DEGRADED" if any(r["status"] == "DEGRADED" for r in rows) else "OK"
    return {"status": worst, "partitions": len(rows), "rows": sum(p.row_count for _, p in done), "publications": rows}
