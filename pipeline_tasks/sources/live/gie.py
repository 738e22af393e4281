"""Gas Infrastructure Europe: storage (AGSI) and LNG terminals (ALSI) by gas day. docs/sources/gie.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import polars as pl

from pipeline_tasks.contracts.raw import QUANTITIES
from pipeline_tasks.sources.importers import DayRule
from pipeline_tasks.sources.live.answers import AnswerError, Member, NoDataError, json_of, records_of
from pipeline_tasks.sources.live.product import Ask, Product, Request, numbers, shaped, texts
from pipeline_tasks.sources.live.walls import midnight

TWH, GWH = 1e3, 1.0
STORAGE = {
    "gasInStorage": ("gas_storage", TWH),
    "injection": ("gas_injection", GWH),
    "withdrawal": ("gas_withdrawal", GWH),
    "workingGasVolume": ("gas_storage_capacity", TWH),
}
TERMINALS = {"inventory": ("lng_stock", GWH), "sendOut": ("lng_sendout", GWH)}
PAGE = "300"


def _ask(base: str) -> Callable[[Ask], tuple[Request, ...]]:
    """A country by its code (`DE`), or all of them (`eu`)."""

    def requests(ask: Ask) -> tuple[Request, ...]:
        place = {"type": ask.region} if ask.region.lower() in {"eu", "ne", "ai"} else {"country": ask.region}
        return (Request(f"{base}api", {**place, "from": str(ask.first), "to": str(ask.last), "size": PAGE, "page": "1"}),)

    return requests


def records(member: Member, _ask: Ask) -> pl.DataFrame:
    """Rows below `data`; `inventory` of ALSI may be an object, of which GWh are read.

    Raises:
        AnswerError: there are more pages than the one asked for.
    """
    document: dict[str, Any] = json_of(member)
    if int(document.get("last_page") or 1) > 1:
        raise AnswerError("truncated", "GIE's answer has several pages; ask for shorter chunks", transient=False)
    rows = document.get("data")
    if not rows:
        raise NoDataError("no gas days")
    flat = [{k: (v.get("gwh") if isinstance(v, dict) and "gwh" in v else v) for k, v in row.items()} for row in rows]
    return records_of(flat)


def _rows(columns: dict[str, tuple[str, float]]) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """Every column as a quantity; `-` and empty cells were not reported. The gas day is stamped with its date."""

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        placed = records.with_columns(
            midnight("gasDayStart", "%Y-%m-%d", ask.market.time_zone).alias("delivery_ts"), pl.col("gasDayStart").alias("_said")
        )
        parts = [
            placed.select(
                "delivery_ts",
                "_said",
                pl.lit(quantity).alias("quantity"),
                (pl.col(name).cast(pl.Float64, strict=False) * factor).alias("value"),
            )
            for name, (quantity, factor) in columns.items()
        ]
        reported = pl.concat(parts).filter(pl.col("value").is_not_null())
        return shaped(QUANTITIES, reported, ask, area=next(iter(ask.regions.values())), kind="actual", unit="GWh", resolution_min=1440)

    return rows


_EXTRA = (
    "name",
    "code",
    "url",
    "updatedAt",
    "consumption",
    "consumptionFull",
    "netWithdrawal",
    "injectionCapacity",
    "withdrawalCapacity",
    "contractedCapacity",
    "availableCapacity",
    "coveredCapacity",
    "status",
    "trend",
    "full",
    "info",
    "children",
    "type",
    "dtmi",
    "dtrs",
    "contractedCapacity",
    "gasDayStartedOn",
    "gasDayEnd",
    "gasDayEndedOn",
)
AGSI = Product(
    provider="gie",
    name="storage",
    table=QUANTITIES,
    requests=_ask(""),
    records=records,
    fields=(*texts("gasDayStart"), *numbers(*STORAGE)),
    rows=_rows(STORAGE),
    known=DayRule(rule="day", days=1, at=time(19, 30), zone="Europe/Brussels"),
    extra=_EXTRA,
    chunk_days=100,
    settles=timedelta(days=30),
    ahead=timedelta(0),
)
ALSI = replace(
    AGSI,
    name="lng_terminals",
    requests=_ask("https://alsi.gie.eu/"),
    fields=(*texts("gasDayStart"), *numbers(*TERMINALS)),
    rows=_rows(TERMINALS),
)
PRODUCTS = (AGSI, ALSI)
