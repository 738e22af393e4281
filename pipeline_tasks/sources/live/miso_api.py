"""MISO, data exchange API: ancillary prices by reserve zone, JSON in pages, Eastern Standard Time. docs/sources/miso.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import polars as pl

from pipeline_tasks.contracts.raw import PRICES
from pipeline_tasks.sources.importers import DayRule
from pipeline_tasks.sources.live.answers import AnswerError, Member, json_of, records_of
from pipeline_tasks.sources.live.miso import EST
from pipeline_tasks.sources.live.product import Ask, Product, Request, either, number, shaped, texts
from pipeline_tasks.sources.live.walls import fixed

PRODUCT_NAMES = {
    "Regulation": "regulation",
    "Spin": "reserve_10s",
    "Supplemental": "reserve_10n",
    "STR": "reserve_30",
    "Ramp-up": "ramp_up",
    "Ramp-down": "ramp_down",
}


def _day(path: str, **params: str) -> Callable[[Ask], tuple[Request, ...]]:
    """The first page of the chunk's day."""
    return lambda ask: (Request(path.format(day=ask.first.isoformat()), params, absent_ok=True),)


def _pages(path: str, **params: str) -> Callable[[Member, Ask], tuple[Request, ...]]:
    """All pages that the first one counts."""

    def follow(member: Member, ask: Ask) -> tuple[Request, ...]:
        count = int(_document(member).get("page", {}).get("totalPages") or 1)
        (first,) = _day(path, **params)(ask)
        return (first, *(Request(first.path, {**params, "pageNumber": str(n)}) for n in range(2, count + 1)))

    return follow


def _document(member: Member) -> dict[str, Any]:
    document = json_of(member)
    if not isinstance(document, dict) or not isinstance(document.get("data"), list):
        raise AnswerError("not_json", "MISO's answer holds no list `data`")
    return document


def records(member: Member, _ask: Ask) -> pl.DataFrame:
    """Rows of a page, their time interval as `start` and `end`."""
    rows = []
    for row in _document(member)["data"]:
        span = row.get("timeInterval") or row.get("interval") or {}
        flat = {k: v for k, v in row.items() if k not in {"timeInterval", "interval"}}
        rows.append({**flat, "start": span.get("start"), "end": span.get("end")} if isinstance(span, dict) else flat)
    return records_of(rows)


def _reserves(minutes: int, suffix: str = "") -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        kept = records.filter(pl.col("product").is_in(list(PRODUCT_NAMES)))
        kept = kept.filter(pl.col("zone").is_in(list(ask.regions))) if ask.regions else kept
        named = kept.with_columns(
            fixed(either("start", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f"), EST).alias("delivery_ts"),
            pl.col("start").alias("_said"),
            pl.col("zone").replace(dict(ask.regions)).alias("hub"),
            (pl.col("product").replace(PRODUCT_NAMES) + suffix).alias("product"),
            pl.col("mcp").alias("price_ccy_per_mwh"),
        )
        return shaped(PRICES, named, ask, resolution_min=minutes)

    return rows


_DA, _RT = "day-ahead/{day}/asm-expost", "real-time/{day}/asm-expost"
_FINAL = {"preliminaryFinal": "Final", "timeResolution": "hourly"}
RESERVES_DA = Product(
    provider="miso_api",
    name="reserves_da",
    table=PRICES,
    requests=_day(_DA),
    records=records,
    fields=(*texts("start", "zone", "product"), number("mcp")),
    rows=_reserves(60),
    known=DayRule(rule="day", days=-1, at=time(14, 0)),
    extra=("*",),
    settles=timedelta(days=5),
    ahead=timedelta(days=2),
    by_region=False,
    follow=_pages(_DA),
)
RESERVES_RT = replace(
    RESERVES_DA,
    name="reserves_rt",
    requests=_day(_RT, **_FINAL),
    rows=_reserves(60, "_rt"),
    known=DayRule(rule="day", days=5, at=time(12, 0)),
    settles=timedelta(days=10),
    ahead=timedelta(0),
    follow=_pages(_RT, **_FINAL),
)
PRODUCTS = (RESERVES_DA, RESERVES_RT)
