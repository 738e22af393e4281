"""AEMO NEMWEB: zipped MMS files (C, I and D lines) in NEM time, interval end. docs/sources/aemo.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone

import polars as pl

from pipeline_tasks.contracts.raw import PRICES, QUANTITIES
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.live.answers import AnswerError, Member
from pipeline_tasks.sources.live.product import Ask, Product, Request, numbers, shaped, texts
from pipeline_tasks.sources.live.walls import fixed

NEM = 10  # UTC+10 all year
RENAMED = date(2024, 8, 1)  # files of MMSDM have other names since
RESERVES = {
    "RAISE6SECRRP": "raise6sec",
    "RAISE60SECRRP": "raise60sec",
    "RAISE5MINRRP": "raise5min",
    "RAISEREGRRP": "raisereg",
    "LOWER6SECRRP": "lower6sec",
    "LOWER60SECRRP": "lower60sec",
    "LOWER5MINRRP": "lower5min",
    "LOWERREGRRP": "lowerreg",
    "RAISE1SECRRP": "raise1sec",
    "LOWER1SECRRP": "lower1sec",
}
_FILE = re.compile(r'href="?([^"> ]+\.zip)"?', re.IGNORECASE)
_STAMP = re.compile(r"_(\d{12})(?:\d{2})?[_.]")


def table(*names: str) -> Callable[[Member, Ask], pl.DataFrame]:
    """Reader of one table of an MMS file, `("DISPATCH", "PRICE")`.

    A file is C (comment), I (columns of the table that follows), D (data) lines, and a last C line that counts all lines.
    """

    def read(member: Member, _ask: Ask) -> pl.DataFrame:
        text = member.text
        lines = text.splitlines()
        end = lines[-1].split(",") if lines else [""]
        if end[0] != "C" or "END OF REPORT" not in lines[-1] or end[-1].strip() != str(len(lines)):
            raise AnswerError(
                "truncated", f"{member.name}: {len(lines)} lines and no end of report that counts them: {','.join(end)[:60]!r}"
            )
        head = next((line.split(",") for line in lines if line.startswith(f"I,{names[0]},{names[1]},")), None)
        if head is None:
            raise AnswerError("not_csv", f"{member.name}: no table {'.'.join(names)}", transient=False)
        body = "\n".join(line for line in lines if line.startswith(f"D,{names[0]},{names[1]},"))
        if not body:
            return pl.DataFrame(schema=dict.fromkeys(head[4:], pl.String))
        frame = pl.read_csv(body.encode(), has_header=False, infer_schema=False, truncate_ragged_lines=True)
        return frame.select(pl.col(frame.columns[4 + n]).alias(name.strip()) for n, name in enumerate(head[4:]) if 4 + n < frame.width)

    return read


def listing(pattern: str) -> Callable[[Member, Ask], tuple[Request, ...]]:
    """Requests for the files of a NEMWEB folder whose stamp (interval end, NEM time) lies in the chunk."""

    def follow(member: Member, ask: Ask) -> tuple[Request, ...]:
        found = []
        for path in _FILE.findall(member.body.decode("utf-8", "replace")):
            name = path.rpartition("/")[2]
            stamp = _STAMP.search(name)
            if pattern.lower() not in name.lower() or stamp is None:
                continue
            at = datetime.strptime(stamp.group(1) + "+1000", "%Y%m%d%H%M%z")
            if ask.start < at <= ask.end:
                found.append(Request(path if path.startswith("/") else f"/{path}", immutable=True))
        return tuple(dict.fromkeys(found))

    return follow


def _folder(path: str) -> Callable[[Ask], tuple[Request, ...]]:
    return lambda _ask: (Request(path, page=True),)


def archive(table_name: str) -> Callable[[Ask], tuple[Request, ...]]:
    """Requests for the months of MMSDM that hold the stamps (interval end, NEM time) of the chunk; a month is put there once."""

    def requests(ask: Ask) -> tuple[Request, ...]:
        first, last = (t.astimezone(timezone(timedelta(hours=NEM))).date() for t in (ask.start + timedelta(minutes=5), ask.end))
        months = dict.fromkeys((first + timedelta(days=k)).replace(day=1) for k in range((last - first).days + 1))
        return tuple(Request(_archived(table_name, month), immutable=True, absent_ok=True) for month in months)

    return requests


def _archived(table_name: str, month: date) -> str:
    folder = f"Data_Archive/Wholesale_Electricity/MMSDM/{month:%Y}/MMSDM_{month:%Y}_{month:%m}/MMSDM_Historical_Data_SQLLoader/DATA"
    name = f"PUBLIC_ARCHIVE%23{table_name}%23FILE01%23" if month >= RENAMED else f"PUBLIC_DVD_{table_name}_"
    return f"/{folder}/{name}{month:%Y%m}010000.zip"


def _of_chunk(rows: Callable[[pl.DataFrame, Ask], pl.DataFrame]) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """The rows of a month that lie in the chunk."""

    def own(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        made = rows(records, ask)
        return made.filter(pl.col("delivery_ts").is_null() | ((pl.col("delivery_ts") >= ask.start) & (pl.col("delivery_ts") < ask.end)))

    return own


def _placed(records: pl.DataFrame, stamp: str, minutes: int) -> pl.DataFrame:
    end = fixed(pl.col(stamp).str.to_datetime("%Y/%m/%d %H:%M:%S", time_unit="ms", strict=False), NEM)
    return records.with_columns(
        (end - pl.duration(minutes=minutes)).alias("delivery_ts"), pl.lit(minutes).alias("resolution_min"), pl.col(stamp).alias("_said")
    )


def _price(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Dispatch prices of energy and the reserves beside them; interventions (a second run of the interval) are not prices."""
    kept = _placed(records.filter(pl.col("INTERVENTION") == "0"), "SETTLEMENTDATE", 5).with_columns(
        pl.col("REGIONID").replace(dict(ask.regions)).alias("hub")
    )
    energy = kept.with_columns(pl.lit("rt").alias("product"), pl.col("RRP").alias("price_ccy_per_mwh"))
    columns = ["hub", "product", "price_ccy_per_mwh", "delivery_ts", "resolution_min", "_said"]
    there = [c for c in RESERVES if c in kept.columns]
    reserves = kept.unpivot(
        there, index=["hub", "delivery_ts", "resolution_min", "_said"], variable_name="product", value_name="price_ccy_per_mwh"
    )
    named = reserves.with_columns(pl.col("product").replace(RESERVES)).filter(pl.col("price_ccy_per_mwh").is_not_null())
    return shaped(PRICES, pl.concat([energy.select(columns), named.select(columns)]), ask)


def _demand_forecast(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Half-hourly operational demand, median (POE50), by region, known when it was loaded."""
    known = fixed(pl.col("LOAD_DATE").str.to_datetime("%Y/%m/%d %H:%M:%S", time_unit="ms", strict=False), NEM)
    named = _placed(records, "INTERVAL_DATETIME", 30).with_columns(
        pl.col("REGIONID").replace(dict(ask.regions)).alias("area"),
        known.alias("known_ts"),
        pl.col("OPERATIONAL_DEMAND_POE50").alias("value"),
    )
    ahead = named.filter(pl.col("delivery_ts").is_null() | (pl.col("known_ts") <= pl.col("delivery_ts") + pl.duration(minutes=30)))
    return shaped(QUANTITIES, ahead, ask, quantity="load", kind="forecast", unit="MW")


def _demand(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    kept = _placed(records.filter(pl.col("INTERVENTION") == "0"), "SETTLEMENTDATE", 5)
    named = kept.with_columns(pl.col("REGIONID").replace(dict(ask.regions)).alias("area"), pl.col("TOTALDEMAND").alias("value"))
    return shaped(QUANTITIES, named, ask, quantity="load", kind="actual", unit="MW")


PRICE = Product(
    provider="aemo",
    name="dispatch_price",
    table=PRICES,
    requests=_folder("/Reports/Current/DispatchIS_Reports/"),
    records=table("DISPATCH", "PRICE"),
    fields=(*texts("SETTLEMENTDATE", "REGIONID", "INTERVENTION"), *numbers("RRP")),
    rows=_price,
    known=LagRule(rule="interval_start", minutes=0),
    extra=("*",),
    settles=timedelta(hours=6),
    ahead=timedelta(hours=1),
    by_region=False,
    follow=listing("DISPATCHIS"),
)
DEMAND = replace(
    PRICE,
    name="dispatch_demand",
    table=QUANTITIES,
    records=table("DISPATCH", "REGIONSUM"),
    fields=(*texts("SETTLEMENTDATE", "REGIONID", "INTERVENTION"), *numbers("TOTALDEMAND")),
    rows=_demand,
    known=LagRule(rule="interval_end", minutes=5),
)
DEMAND_FORECAST = Product(
    provider="aemo",
    name="demand_forecast",
    table=QUANTITIES,
    requests=_folder("/Reports/Current/Operational_Demand/FORECAST_HH/"),
    records=table("OPERATIONAL_DEMAND", "FORECAST"),
    fields=(
        *texts("REGIONID", "INTERVAL_DATETIME", "LOAD_DATE"),
        *numbers("OPERATIONAL_DEMAND_POE10", "OPERATIONAL_DEMAND_POE50", "OPERATIONAL_DEMAND_POE90"),
    ),
    rows=_demand_forecast,
    known=DayRule(rule="day", days=-1, at=time(12, 0)),
    extra=("LASTCHANGED",),
    settles=timedelta(0),
    ahead=timedelta(hours=1),
    by_region=False,
    follow=listing("FORECAST_OPERATIONAL_DEMAND_HH"),
)
PRICE_ARCHIVE = replace(
    PRICE,
    name="dispatch_price_archive",
    requests=archive("DISPATCHPRICE"),
    rows=_of_chunk(_price),
    chunk_days=30,
    settles=timedelta(days=50),  # a month is put there in the middle of the next one
    ahead=timedelta(0),
    follow=None,
)
DEMAND_ARCHIVE = replace(
    PRICE_ARCHIVE,
    name="dispatch_demand_archive",
    table=QUANTITIES,
    requests=archive("DISPATCHREGIONSUM"),
    records=DEMAND.records,
    fields=DEMAND.fields,
    rows=_of_chunk(_demand),
    known=DEMAND.known,
)
PRODUCTS = (PRICE, DEMAND, DEMAND_FORECAST, PRICE_ARCHIVE, DEMAND_ARCHIVE)
