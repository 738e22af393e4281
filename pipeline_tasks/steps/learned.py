"""What steps do with something learned that is no registered model: log and register it, stage and publish its rows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from pipeline_tasks.contracts import Table
    from pipeline_tasks.steps.context import RunContext
    from pipeline_tasks.tracking import VersionRef
    from pipeline_tasks.warehouse import Warehouse


def register_learned(
    save: Callable[[Path], str],
    context: RunContext,
    *,
    model: str,
    market: str,
    data_version: str,
    profile: str,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    seed: int = 0,
    gate: str = "not_run",
) -> VersionRef:
    """Log a learning as a run with parameters, metrics and artifact; the same one again gives the same version.

    Args:
        save: writes the artifact into a folder and returns its SHA-256.
        context: the run; its gate is the cutoff.
        model: name in the registry.
        market: market key.
        data_version: SHA-256 of what was read.
        profile: kind of learning.
        params: what decides it beside the data.
        metrics: numbers of it.
        seed: of what is random.
        gate: pass, miss or not_run.
    """
    from pipeline_tasks import tracking
    from pipeline_tasks.steps.code_version import code_sha

    with tempfile.TemporaryDirectory(prefix="desk-learned-") as scratch:
        tags = {
            "artifact_sha": save(Path(scratch)),
            "cutoff": context.as_of.isoformat(),
            "data_version": data_version,
            "code_sha": code_sha(),
            "profile": profile,
            "seed": str(seed),
            "run_id": context.run_id,
            "gate": gate,
        }
        return tracking.register(Path(scratch), model=model, market=market, tags=tags, params=params, metrics=metrics)


def publish_rows(warehouse: Warehouse, table: Table, rows: pl.DataFrame, *, run_id: str, model: str) -> list[dict[str, Any]]:
    """Stage rows of a curated table and publish them; what was published, nothing where there are no rows."""
    from pipeline_tasks.warehouse.publish import publish_staged, stage

    if rows.is_empty():
        return []
    stage(warehouse, table, rows, run_id=run_id)
    done = publish_staged(warehouse, table, run_id=run_id, model=model)
    return [{"table": d.table_name, "rows": d.row_count, "status": d.status, "content_sha": d.content_sha} for d in done]
