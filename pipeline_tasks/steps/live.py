"""Live ingest: chunks of a market's feeds into raw, each written down when it is there; what fails degrades and is told with its age."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import structlog

from config.markets import MarketSelection
from config.settings import get_settings
from pipeline_tasks.sources.live.source import Chunk, ChunkKey, Landed, LiveFeeds
from pipeline_tasks.sources.protocol import RawBatch
from pipeline_tasks.warehouse import Warehouse
from pipeline_tasks.warehouse.cursors import Landing, feed_states, landed_chunks, record_landing
from pipeline_tasks.warehouse.load import LoadResult, judge, load_raw
from pipeline_tasks.warehouse.revisions import as_revisions

log = structlog.get_logger(__name__)
COUNTS = ("rows_read", "rows_loaded", "rows_quarantined", "rows_duplicate")
MOST_REASONS = 5
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def load_feeds(
    wh: Warehouse,
    source: LiveFeeds,
    selection: MarketSelection,
    *,
    until: datetime,
    since: date | None = None,
    objects: frozenset[str] | None = None,
    again: bool = False,
) -> dict[str, Any]:
    """Load the chunks of a market's feeds that are not whole in the warehouse, or may have changed.

    A chunk is written down after its rows were read back, so a run that is killed begins again at the chunk under way, and takes
    that one's answer from the payload store.

    Args:
        wh: a connection that may write.
        source: the feeds.
        selection: market and hubs.
        until: rows whose delivery starts before are loaded.
        since: first local day of a backfill; each feed's own days when None.
        objects: `provider/product` to restrict to.
        again: read chunks that are whole too (a parse that was mended); nothing is loaded twice.

    Returns:
        Counts of rows, `objects` (one entry per load), `requests`, `chunks` (by status), and for feeds that failed `status` DEGRADED and
        `reason` with the age of their last good data.
    """
    landed = {} if again else _landed(wh, selection.market.key)
    done: list[dict[str, Any]] = []
    states: dict[str, int] = {}
    bad: dict[tuple[str, str, str], Chunk] = {}
    chunks = source.chunks(selection, until=until, since=since, objects=objects, landed=landed)
    for chunk, judged in _one_ahead(chunks, again=again):
        newest = _load_chunk(wh, judged, done)
        record_landing(wh, _landing(chunk, selection.market.key, newest))
        states[chunk.status] = states.get(chunk.status, 0) + 1
        if chunk.status in {"FAILED", "DRIFTED"}:
            bad[chunk.key[:3]] = chunk
    totals = {name: sum(int(d[name]) for d in done) for name in COUNTS}
    result = {"source": source.name, "market": selection.key, **totals, "objects": done, "requests": source.requests, "chunks": states}
    return result | _outcome(wh, selection.market.key, bad)


def _one_ahead(chunks: Iterator[Chunk], *, again: bool) -> Iterator[tuple[Chunk, list[Judged]]]:
    """The chunks, each fetched, parsed and judged while the one before it is loaded; two are in memory at most."""

    def work() -> tuple[Chunk, list[Judged]] | None:
        chunk = next(chunks, None)
        return None if chunk is None else (chunk, [_judged(batch, again=again) for batch in chunk.batches])

    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(work)
        while (found := pending.result()) is not None:
            pending = pool.submit(work)
            yield found


@dataclass(frozen=True)
class Judged:
    """A batch, and its rows as judged where nothing in the warehouse bears on them; else what to compare them with first.

    Attributes:
        batch: the batch.
        rows: `judge` of its frame; None where the rows may be revisions.
        before_ts: when the answer before it came, for revisions.
    """

    batch: RawBatch
    rows: pl.DataFrame | None
    before_ts: datetime | None


def _judged(batch: RawBatch, *, again: bool) -> Judged:
    """Rows read again are compared with those there, and never called late."""
    before = batch.seen.before_ts if batch.seen else None
    revisions = batch.seen is not None and (before is not None or again) and not batch.refused
    return Judged(batch, None if revisions else judge(batch.table, batch.frame), (before or NEVER) if revisions else None)


def _landed(wh: Warehouse, market: str) -> dict[ChunkKey, Landed]:
    return {
        (r["source"], r["product"], r["region"], r["chunk_start_ts"]): Landed(
            r["loaded_until_ts"], bool(r["settled"]), r["fetched_ts"], r["payload_shas"], bool(r["drifted"])
        )
        for r in landed_chunks(wh, market).iter_rows(named=True)
    }


def _load_chunk(wh: Warehouse, judged: list[Judged], done: list[dict[str, Any]]) -> datetime | None:
    """Load a chunk's batches; the newest `known_ts` of its rows."""
    newest: datetime | None = None
    for item in judged:
        batch, frame = item.batch, item.batch.frame
        if batch.seen and item.before_ts:
            frame = as_revisions(wh, batch.table, frame, fetched_ts=batch.seen.fetched_ts, before_ts=item.before_ts)
        named = {"source": batch.source, "source_object": batch.source_object, "market": batch.market}
        done.append(_told(batch, load_raw(wh, batch.table, frame, **named, judged=item.rows)))
        if not batch.refused:
            last = frame["known_ts"].max()
            newest = last if isinstance(last, datetime) and (newest is None or last > newest) else newest
    return newest


def _told(batch: RawBatch, result: LoadResult) -> dict[str, Any]:
    counts = {name: int(getattr(result, name)) for name in COUNTS}
    log.info("loaded", source=batch.source, market=batch.market, object=batch.source_object, **counts)
    return {"table": batch.table.full_name, "source_object": batch.source_object, "load_id": result.load_id, **counts}


def _landing(chunk: Chunk, market: str, newest: datetime | None) -> Landing:
    provider, product, region, start = chunk.key
    return Landing(
        source=provider,
        product=product,
        region=region,
        market=market,
        chunk_start_ts=start,
        chunk_end_ts=chunk.end,
        loaded_until_ts=chunk.loaded_until,
        status=chunk.status,
        settled=chunk.settled,
        fetched_ts=chunk.fetched_ts,
        newest_known_ts=newest,
        payload_shas=chunk.payload_shas,
        rows_read=sum(b.rows_read for b in chunk.batches),
        reason=chunk.reason,
    )


def _outcome(wh: Warehouse, market: str, bad: dict[tuple[str, str, str], Chunk]) -> dict[str, Any]:
    """DEGRADED with a reason for each feed that failed, and the age of its last good data; nothing where all is well."""
    serious = {key: chunk for key, chunk in bad.items() if not chunk.optional}
    if not serious:
        return {}
    states = {(s["source"], s["product"], s["region"]): s for s in feed_states(wh, market).iter_rows(named=True)}
    reasons = list(_reasons(serious, states))
    _alert(market, reasons)
    more = f"; and {len(reasons) - MOST_REASONS} more" if len(reasons) > MOST_REASONS else ""
    return {"status": "DEGRADED", "reason": "; ".join(reasons[:MOST_REASONS]) + more}


def _reasons(bad: dict[tuple[str, str, str], Chunk], states: dict[tuple[str, str, str], dict[str, Any]]) -> Iterator[str]:
    for (provider, product, region), chunk in bad.items():
        newest = states.get((provider, product, region), {}).get("newest_known_ts")
        age = (
            f"last good row known {newest:%Y-%m-%d %H:%M} UTC, {(datetime.now(UTC) - newest).total_seconds() / 3600:.0f} h ago"
            if newest
            else "no good data yet"
        )
        kind = "columns changed, rows are in quarantine" if chunk.status == "DRIFTED" else "failed"
        yield f"{provider}/{product} {region}: {kind}: {chunk.reason} ({age})"


def _alert(market: str, reasons: list[str]) -> None:
    """One line in notifications.jsonl of the state folder, beside those of failed tasks."""
    path = get_settings().home / "notifications.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(
            json.dumps({"at_ts": datetime.now(UTC).isoformat(), "market": market, "alert": "live feeds", "reasons": reasons}) + "\n"
        )
