"""Cursors of live feeds: `ops.ingest_cursors`, one row per chunk that landed or failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from pipeline_tasks.contracts.ops import INGEST_CURSORS
from pipeline_tasks.warehouse.client import Warehouse
from pipeline_tasks.warehouse.once import insert_once, token_of

_LANDED = """
select source, product, region, chunk_start_ts, state.1 as loaded_until_ts, state.2 as settled, state.3 as fetched_ts,
    state.4 as payload_shas, state.5 as drifted
from (
    select c.source as source, c.product as product, c.region as region, c.chunk_start_ts as chunk_start_ts,
        argMax(tuple(c.loaded_until_ts, c.settled, assumeNotNull(c.fetched_ts), c.payload_shas, c.status = 'DRIFTED'), c.at_ts) as state
    from ops.ingest_cursors as c
    where c.market = {market:String} and c.status != 'FAILED' and c.fetched_ts is not null
    group by source, product, region, chunk_start_ts
)
"""
_WRITTEN = """
select count() from ops.ingest_cursors
where market = {market:String} and source = {source:String} and product = {product:String} and region = {region:String}
    and at_ts = {at:DateTime64(3, 'UTC')}
"""
_STATE = """
select c.source as source, c.product as product, c.region as region,
    minIf(c.chunk_start_ts, c.status in ('OK', 'EMPTY')) as covered_from_ts,
    maxIf(c.loaded_until_ts, c.status in ('OK', 'EMPTY')) as covered_until_ts,
    max(c.fetched_ts) as last_fetched_ts, max(c.newest_known_ts) as newest_known_ts,
    argMax(c.status, c.at_ts) as last_status, argMax(c.reason, c.at_ts) as last_reason
from ops.ingest_cursors as c
where c.market = {market:String}
group by source, product, region
order by source, product, region
"""


@dataclass(frozen=True)
class Landing:
    """A chunk as it is written down; fields as in `ops.ingest_cursors`."""

    source: str
    product: str
    region: str
    market: str
    chunk_start_ts: datetime
    chunk_end_ts: datetime
    loaded_until_ts: datetime
    status: str
    settled: bool
    fetched_ts: datetime | None
    newest_known_ts: datetime | None
    payload_shas: str
    rows_read: int
    reason: str


def landed_chunks(wh: Warehouse, market: str) -> pl.DataFrame:
    """Newest state of every chunk of a market that was answered (not FAILED)."""
    return wh.query(_LANDED, {"market": market})


def record_landing(wh: Warehouse, landing: Landing) -> None:
    """Write a chunk down, after its rows were loaded and read back."""
    row = {**vars(landing), "at_ts": datetime.now(UTC)}
    frame = pl.DataFrame([row], schema=INGEST_CURSORS.polars_schema())
    at = frame["at_ts"][0]

    def absent() -> pl.DataFrame:
        params = {"market": landing.market, "source": landing.source, "product": landing.product, "region": landing.region, "at": at}
        return frame.clear() if int(wh.scalar(_WRITTEN, params)) else frame

    insert_once(wh, INGEST_CURSORS, frame, token=token_of(*map(str, row.values())), absent=absent)


def feed_states(wh: Warehouse, market: str) -> pl.DataFrame:
    """One row per feed and region: what is covered, the newest known row, the last outcome."""
    return wh.query(_STATE, {"market": market})
