"""Step ingest: rows of a source into raw and quarantine, exactly once, every row accounted for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import structlog

from config.markets import MarketSelection
from pipeline_tasks.contracts import Database
from pipeline_tasks.sources import get_source
from pipeline_tasks.sources.protocol import IncrementalSource, LiveSource, RawBatch, Source
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.schedules import load_schedules
from pipeline_tasks.warehouse import Warehouse, connect
from pipeline_tasks.warehouse.ledger import held_objects, read_until
from pipeline_tasks.warehouse.load import load_raw
from pipeline_tasks.warehouse.truth import open_truth

log = structlog.get_logger(__name__)
COUNTS = ("rows_read", "rows_loaded", "rows_quarantined", "rows_duplicate")


def ingest(ctx: RunContext, *, objects: frozenset[str] | None = None, source: Source | None = None) -> dict[str, Any]:
    """Load what the run's market needs: up to the end of its delivery date, or, within the day, what arrived since the last run.

    Outcomes of the delivery date are loaded too; reads are protected by `known_ts`, not by what is in raw. Repeating the step
    loads nothing twice; a source that can (`IncrementalSource`) does not even read again what is whole in the warehouse. A run that
    decides within the day reads from a `LiveSource` what arrived after `known_until` of the run before it and by its own decision time;
    without such a run, or after a pause longer than `intraday.catch_up_days`, the days before are loaded whole first.

    Args:
        ctx: source, market and delivery date.
        objects: names of source objects (`Source.objects`) to restrict to; None for all.
        source: the source itself; that of the registry with the context's name when None.

    Returns:
        source, market, rows_read, rows_loaded, rows_quarantined, rows_duplicate (read is the sum of the others), `objects`, a
        list with the same counts and table, source_object, load_id for each, and for news `known_since` and `known_until`.

    Raises:
        SourceError: the source does not serve the market, or its files are absent.
    """
    source = source or get_source(ctx.source)
    if source.name == "live":
        return _live(source, ctx, objects)
    done: list[dict[str, Any]] = []
    with connect("pipeline") as wh, open_truth("steward") as steward:
        batches, window = _wanted(source, ctx, objects, (wh, steward))
        for batch in batches:
            target = steward if batch.table.database is Database.TRUTH else wh
            if target is None:
                log.warning("truth_not_loaded", object=batch.source_object, remedy="set CLICKHOUSE_STEWARD_USER and its password")
                continue
            result = load_raw(target, batch.table, batch.frame, source=source.name, source_object=batch.source_object, market=batch.market)
            counts = {name: int(getattr(result, name)) for name in COUNTS}
            done.append({"table": batch.table.full_name, "source_object": batch.source_object, "load_id": result.load_id, **counts})
            log.info("loaded", source=source.name, market=batch.market, object=batch.source_object, **counts)
    totals = {name: sum(d[name] for d in done) for name in COUNTS}
    return {"source": source.name, "market": ctx.market, **totals, "objects": done, **window}


def _live(source: Source, ctx: RunContext, objects: frozenset[str] | None) -> dict[str, Any]:
    """Feeds of live providers keep cursors of their own and tell what failed."""
    from pipeline_tasks.sources.live.source import LiveFeeds
    from pipeline_tasks.steps.live import load_feeds

    if not isinstance(source, LiveFeeds):
        raise TypeError(f"source live is a {type(source).__name__}; expected LiveFeeds")
    until = ctx.selection.market.day_bounds(ctx.delivery_date)[1]
    with connect("pipeline") as wh:
        return load_feeds(wh, source, ctx.selection, until=until, objects=objects)


def _wanted(
    source: Source, ctx: RunContext, objects: frozenset[str] | None, warehouses: tuple[Warehouse, Warehouse | None]
) -> tuple[Iterator[RawBatch], dict[str, str]]:
    """What the run reads, and the instants between which it arrived where that is news."""
    selection = ctx.selection
    begin, end = selection.market.day_bounds(ctx.delivery_date)
    if ctx.decided_at is None or not isinstance(source, LiveSource):
        return _batches(source, selection, end, objects, warehouses), {}
    since = read_until(warehouses[0], source=source.name, market=ctx.market, as_of=ctx.as_of)
    pause = timedelta(days=load_schedules().intraday.catch_up_days)
    whole: Iterator[RawBatch] = iter(())
    if since is None or since < ctx.as_of - pause:
        whole, since = _batches(source, selection, begin, objects, warehouses), begin - timedelta(days=1)
    window = {"known_since": since.isoformat(), "known_until": ctx.as_of.isoformat()}
    return chain(whole, source.news(selection, since=since, until=ctx.as_of, objects=objects)), window


def _batches(
    source: Source,
    selection: MarketSelection,
    until: datetime,
    objects: frozenset[str] | None,
    warehouses: tuple[Warehouse, Warehouse | None],
) -> Iterator[RawBatch]:
    if not isinstance(source, IncrementalSource):
        return source.batches(selection, until=until, objects=objects)
    held = held_objects(*warehouses, source=source.held_as, market=selection.market.key)
    return source.unread(selection, until=until, objects=objects, held=held)
