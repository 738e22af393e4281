"""What of a source the warehouse holds: objects that are whole, by loads recorded and rows counted, and how far its news were read."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from pipeline_tasks.warehouse.client import Warehouse

_RECORDED = """
select table_name, source_object, max(rows_loaded) as loaded, argMax(rows_quarantined, at_ts) as refused
from ops.loads
where source = {source:String} and market = {market:String}
group by table_name, source_object
"""
_COUNTED = "select source_object, toInt64(count()) as n from {table} where source = {{source:String}} {market} group by source_object"


_READ_UNTIL = """
select parseDateTime64BestEffortOrNull(JSONExtractString(detail_json, 'known_until'), 3, 'UTC') as known_until
from ops.runs
where step = 'ingest' and source = {source:String} and market = {market:String} and known_until <= {as_of:DateTime64(3, 'UTC')}
order by known_until desc
limit 1
"""


def read_until(wh: Warehouse, *, source: str, market: str, as_of: datetime) -> datetime | None:
    """Instant up to which the runs before `as_of` have read what the source publishes; None where none has.

    A run writes it down after its rows were loaded and read back, so one that was killed is read again.

    Args:
        wh: a connection that reads ops.
        source: name of the source.
        market: market selection key of the runs.
        as_of: instant of the run that asks.
    """
    found = wh.query(_READ_UNTIL, {"source": source, "market": market, "as_of": as_of})
    return found.item(0, 0) if found.height else None


def held_objects(wh: Warehouse, truth: Warehouse | None, *, source: str, market: str) -> frozenset[str]:
    """Objects whose recorded rows are all there, in raw (or truth) and in quarantine; one that lost a row is not held.

    Args:
        wh: a connection that reads raw and ops.
        truth: one that reads truth; None where there is none, and then no object of truth is held.
        source: name of the source.
        market: market key of the loads.
    """
    recorded = wh.query(_RECORDED, {"source": source, "market": market})
    held: set[str] = set()
    for (name,), group in recorded.group_by("table_name"):
        table = str(name)
        reader = truth if table.startswith("truth.") else wh
        if reader is None:
            continue
        counts = _counts(reader, table, "and market = {market:String}", {"source": source, "market": market})
        beside = pl.DataFrame(schema={"source_object": pl.String, "n": pl.Int64})
        if reader is wh:
            beside = _counts(wh, table.replace("raw.", "quarantine.", 1), "", {"source": source})
        both = group.join(counts, on="source_object", how="left").join(beside, on="source_object", how="left", suffix="_refused")
        whole = both.filter((pl.col("loaded") == pl.col("n").fill_null(0)) & (pl.col("refused") == pl.col("n_refused").fill_null(0)))
        held.update(whole.get_column("source_object").to_list())
    return frozenset(held)


def _counts(wh: Warehouse, table: str, condition: str, params: dict[str, str]) -> pl.DataFrame:
    return wh.query(_COUNTED.format(table=table, market=condition), params)
