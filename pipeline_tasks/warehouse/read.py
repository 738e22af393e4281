"""As-of reads: features as the market could know them at an instant, and the hash of what was read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import polars as pl

from pipeline_tasks.contracts import Table
from pipeline_tasks.contracts.features import OUTCOMES
from pipeline_tasks.warehouse.client import Warehouse
from pipeline_tasks.warehouse.hashing import data_version

__all__ = ["data_version", "read_features"]


def _as_known(table: Table) -> list[str]:
    """Select expressions: outcomes and their publication instants null while they were unknown at {as_of}."""
    guarded = {name: known for known, targets in OUTCOMES.items() for name in (*targets, known) if known in table.column_names}
    return [
        f"if(f.{guarded[name]} <= {{as_of:DateTime64(3, 'UTC')}}, f.{name}, null) as {name}" if name in guarded else f"f.{name} as {name}"
        for name in table.column_names
    ]


def read_features(
    wh: Warehouse,
    table: Table,
    *,
    market: str,
    hubs: Sequence[str],
    start_date: date,
    end_date: date,
    as_of: datetime | None,
    news: tuple[str, datetime] | None = None,
) -> pl.DataFrame:
    """Feature rows as known at `as_of`.

    Args:
        wh: a connection that may read features.
        table: a feature contract with market, hub, delivery_date and as_of.
        market: market key.
        hubs: settlement points.
        start_date: first market-local delivery date, inclusive.
        end_date: last one, inclusive.
        as_of: nothing known later is returned: rows of later decisions are left out, outcomes published later are null
            (`contracts.features.OUTCOMES`). None returns everything that is known today (scoring only).
        news: a publication column and an instant: only decisions (delivery_ts, as_of) that have a row published after it, with all their
            rows. None: all decisions.

    Returns:
        The contract's columns, in key order.

    Raises:
        ValueError: the table lacks one of the four columns, or `as_of` has no time zone.
    """
    missing = [c for c in ("market", "hub", "delivery_date", "as_of") if c not in table.column_names]
    if missing:
        raise ValueError(f"{table.full_name} lacks {missing}; as-of reads need a point-in-time feature table")
    columns = _as_known(table) if as_of is not None else [f"f.{n} as {n}" for n in table.column_names]
    upto = "and f.as_of <= {as_of:DateTime64(3, 'UTC')}" if as_of is not None else ""
    window = "f.market = {market:String} and f.hub in {hubs:Array(String)} and f.delivery_date between {first:Date32} and {last:Date32}"
    if news:
        seen = f"{window} and f.{table.column(news[0]).name} > {{since:DateTime64(3, 'UTC')}}"
        upto += f" and (f.delivery_ts, f.as_of) in (select f.delivery_ts, f.as_of from {table.full_name} as f where {seen})"
    order = ", ".join(f"f.{k}" for k in table.key)
    sql = f"select {', '.join(columns)} from {table.full_name} as f where {window} {upto} order by {order}"
    params = {"market": market, "hubs": list(hubs), "first": start_date, "last": end_date}
    params |= {"as_of": as_of} if as_of is not None else {}
    frame = wh.query(sql, params | ({"since": news[1]} if news else {}))
    return frame.select(pl.col(c.name).cast(c.type.polars) for c in table.columns)
