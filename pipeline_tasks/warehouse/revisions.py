"""Revisions: rows fetched again, told apart from what the warehouse had when they came."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from pipeline_tasks.contracts import TS_DTYPE, Table
from pipeline_tasks.contracts.raw import PROVENANCE
from pipeline_tasks.warehouse.client import Warehouse

_PROVENANCE = frozenset(c.name for c in PROVENANCE)


def as_revisions(wh: Warehouse, table: Table, frame: pl.DataFrame, *, fetched_ts: datetime, before_ts: datetime) -> pl.DataFrame:
    """The rows of an answer with the `known_ts` that fetching proves; other columns stay as they are.

    A row that the warehouse had with these values when the answer came keeps its `known_ts` (the loader then finds it there). One
    with other values is a revision, known from `fetched_ts` on. One that is new although its rule has it known before the answer
    `before_ts`, which did not hold it, was published late: known from `fetched_ts` on.

    Args:
        wh: a connection that reads raw.
        table: raw table.
        frame: contract columns without provenance, `known_ts` by rule.
        fetched_ts: when the answer came.
        before_ts: when the answer before it came.
    """
    key = [k for k in table.key if k != "known_ts"]
    values = [c for c in table.column_names if c not in {*key, "known_ts", *_PROVENANCE}]
    held = _held(wh, table, frame, key, values, fetched_ts)
    typed = frame.with_columns(pl.col(c).cast(table.column(c).type.polars, strict=False) for c in (*key, *values))
    both = (
        typed.with_row_index("_n")
        .join(held, on=key, how="left", nulls_equal=True, maintain_order="left")
        .unique("_n", keep="first", maintain_order=True)
    )
    same = pl.all_horizontal(pl.col(c).eq_missing(pl.col(f"{c}_held")) for c in values) if values else pl.lit(value=True)
    now, rule = pl.lit(fetched_ts).cast(TS_DTYPE), pl.col("known_ts").cast(TS_DTYPE)
    late = rule <= pl.lit(before_ts).cast(TS_DTYPE)
    known = (
        pl.when(pl.col("_held_ts").is_not_null() & same)
        .then(pl.col("_held_ts"))
        .when(pl.col("_held_ts").is_not_null() | late)
        .then(now)
        .otherwise(rule)
    )
    return frame.with_columns(both.select(known.alias("known_ts")).get_column("known_ts"))


def _held(wh: Warehouse, table: Table, frame: pl.DataFrame, key: list[str], values: list[str], at: datetime) -> pl.DataFrame:
    """The newest row of each key that was known at an instant, in the delivery range of a frame."""
    newest = ", ".join(f"argMax(tuple({c}), known_ts).1 as {c}_held" for c in values)
    sql = (
        f"select {', '.join(key)}, max(known_ts) as _held_ts{', ' + newest if newest else ''} from {table.full_name} "
        "where market in {markets:Array(String)} and delivery_ts between {first:DateTime64(3, 'UTC')} and {last:DateTime64(3, 'UTC')} "
        f"and known_ts <= {{at:DateTime64(3, 'UTC')}} group by {', '.join(key)}"
    )
    markets = frame.get_column("market").unique().to_list()
    first, last = frame["delivery_ts"].min(), frame["delivery_ts"].max()
    return wh.query(sql, {"markets": markets, "first": first, "last": last, "at": at})
