"""Step ingest: rows of a source into raw and quarantine, exactly once, every row accounted for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import structlog

from config.markets import MarketSelection
from pipeline_tasks.contracts import Database
from pipeline_tasks.sources import get_source
from pipeline_tasks.sources.protocol import IncrementalSource, RawBatch, Source
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.warehouse import Warehouse, connect
from pipeline_tasks.warehouse.ledger import held_objects
from pipeline_tasks.warehouse.load import load_raw
from pipeline_tasks.warehouse.truth import open_truth

log = structlog.get_logger(__name__)
COUNTS = ("rows_read", "rows_loaded", "rows_quarantined", "rows_duplicate")


def ingest(ctx: RunContext, *, objects: frozenset[str] | None = None, source: Source | None = None) -> dict[str, Any]:
    """Load what the run's market needs, up to the end of its delivery date.

    Outcomes of the delivery date are loaded too; reads are protected by `known_ts`, not by what is in raw. Repeating the step
    loads nothing twice; a source that can (`IncrementalSource`) does not even read again what is whole in the warehouse.

    Args:
        ctx: source, market and delivery date.
        objects: names of source objects (`Source.objects`) to restrict to; None for all.
        source: the source itself; that of the registry with the context's name when None.

    Returns:
        source, market, rows_read, rows_loaded, rows_quarantined, rows_duplicate (read is the sum of the others), and `objects`, a
        list with the same counts and table, source_object, load_id for each.

    Raises:
        SourceError: the source does not serve the market, or its files are absent.
    """
    selection = ctx.selection
    source = source or get_source(ctx.source)
    _, until = selection.market.day_bounds(ctx.delivery_date)
    done: list[dict[str, Any]] = []
    with connect("pipeline") as wh, open_truth("steward") as steward:
        for batch in _batches(source, selection, until, objects, (wh, steward)):
            target = steward if batch.table.database is Database.TRUTH else wh
            if target is None:
                log.warning("truth_not_loaded", object=batch.source_object, remedy="set CLICKHOUSE_STEWARD_USER and its password")
                continue
            result = load_raw(target, batch.table, batch.frame, source=source.name, source_object=batch.source_object, market=batch.market)
            counts = {name: int(getattr(result, name)) for name in COUNTS}
            done.append({"table": batch.table.full_name, "source_object": batch.source_object, "load_id": result.load_id, **counts})
            log.info("loaded", source=source.name, market=batch.market, object=batch.source_object, **counts)
    totals = {name: sum(d[name] for d in done) for name in COUNTS}
    return {"source": source.name, "market": ctx.market, **totals, "objects": done}


def _batches(
    source: Source,
    selection: MarketSelection,
    until: datetime,
    objects: frozenset[str] | None,
    warehouses: tuple[Warehouse, Warehouse | None],
) -> Iterator[RawBatch]:
    if not isinstance(source, IncrementalSource):
        return source.batches(selection, until=until, objects=objects)
    held = held_objects(*warehouses, source=source.name, market=selection.market.key)
    return source.unread(selection, until=until, objects=objects, held=held)
