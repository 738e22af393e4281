"""ISO New England: reports with comment, header, data and trailer lines, hour-ending numbers with 02X. docs/sources/isone.md."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from pipeline_tasks.contracts.grid import NODAL_PRICES
from pipeline_tasks.contracts.raw import INTERFACES, PRICES, QUANTITIES
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.live.answers import AnswerError, Member, json_of, records_of
from pipeline_tasks.sources.live.product import Ask, Product, Request, either, numbers, shaped, texts, unpivoted
from pipeline_tasks.sources.live.walls import folded, hour_ending, offset

HISTORY = "static-transform/csv/histRpts"
PARTS = {
    "Locational Marginal Price": "price_ccy_per_mwh",
    "Energy Component": "energy_ccy_per_mwh",
    "Congestion Component": "congestion_ccy_per_mwh",
    "Marginal Loss Component": "loss_ccy_per_mwh",
}

RESERVES = {
    "Ten-Minute Spinning Reserve Clearing Price": "reserve_10s_rt",
    "Ten-Minute Reserve Clearing Price": "reserve_10n_rt",
    "Total Reserve Clearing Price": "reserve_30_rt",
}


def _lines(member: Member) -> tuple[list[list[str]], list[list[str]], list[str]]:
    """Header lines, data lines and comments of a report.

    Raises:
        AnswerError: the trailer is missing or counts other lines: the report is cut off.
    """
    rows = list(csv.reader(io.StringIO(member.text)))
    headers, data = ([r for r in rows if r and r[0] == mark] for mark in "HD")
    comments = [",".join(r[1:]) for r in rows if r and r[0] == "C"]
    if not data or not any(r and r[0] == "T" for r in rows):
        raise AnswerError("truncated", f"the report has no data or no trailer line; it begins {member.text[:60]!r}")
    return headers, data, comments


def _daily(folder: str, name: str) -> Callable[[Ask], tuple[Request, ...]]:
    def requests(ask: Ask) -> tuple[Request, ...]:
        return tuple(Request(f"{HISTORY}/{folder}/{name}_{day:%Y%m%d}.csv", absent_ok=True) for day in ask.days)

    return requests


def lmp_records(member: Member, _ask: Ask) -> pl.DataFrame:
    """Rows of an LMP report under its first header line."""
    headers, data, _ = _lines(member)
    names = [n.strip() for n in headers[0][1:]]
    return records_of([dict(zip(names, row[1:], strict=False)) for row in data])


def _lmp(product: str, *, nodal: bool) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """Hour ending `02X` is the repeated hour of autumn."""
    table, place = (NODAL_PRICES, "node") if nodal else (PRICES, "hub")

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        kept = records.filter(pl.col("Location ID").is_in(list(ask.regions))) if ask.regions else records
        hour = pl.col("Hour Ending").str.strip_chars()
        number = hour.str.strip_suffix("X").cast(pl.Int64, strict=False)
        start = hour_ending(pl.col("Date").str.to_date("%m/%d/%Y", strict=False), number, hour.str.ends_with("X"), ask.market.time_zone)
        name = pl.col("Location ID").replace(dict(ask.regions)) if ask.regions else pl.col("Location Name")
        named = kept.with_columns(
            start.alias("delivery_ts"),
            pl.lit(60).alias("resolution_min"),
            pl.concat_str("Date", pl.lit(" hour ending "), "Hour Ending").alias("_said"),
            name.alias(place),
            *(pl.col(k).alias(v) for k, v in PARTS.items()),
        )
        return shaped(table, named, ask, product=product)

    return rows


def seven_day_records(member: Member, ask: Ask) -> pl.DataFrame:
    """A forecast report: dates across, hours down; an empty cell was not forecast. `made` is when the report was generated."""
    _, data, comments = _lines(member)
    dates = next((row[3:] for row in data if row[1] == "Date"), None)
    if dates is None:
        raise AnswerError("not_csv", "no line of the report names its dates")
    made = _made(comments, ZoneInfo(ask.market.time_zone))
    return records_of(list(_cells(data, dates, made)))


def _cells(data: list[list[str]], dates: list[str], made: str) -> Iterator[dict[str, str]]:
    for row in data:
        if row[1] in {"Day", "Date"}:
            continue
        for day, value in zip(dates, row[3:], strict=False):
            if value.strip():
                yield {"Date": day, "Hour Ending": row[2], "MW": value, "made": made}


def _made(comments: list[str], zone: ZoneInfo) -> str:
    """`Report generated 02/25/2025 10:02:35 EST` as UTC, ISO 8601."""
    for line in comments:
        if line.startswith("Report generated "):
            words = line.split()
            wall = datetime.strptime(" ".join(words[2:4]), "%m/%d/%Y %H:%M:%S").replace(
                tzinfo=zone, fold=1 if words[-1].endswith("ST") else 0
            )
            return wall.astimezone(ZoneInfo("UTC")).isoformat()
    raise AnswerError("not_csv", "no comment of the report says when it was generated")


def _seven_day(quantity: str) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        hour = pl.col("Hour Ending").str.strip_chars()
        start = hour_ending(
            pl.col("Date").str.to_date("%m/%d/%Y", strict=False),
            hour.str.strip_suffix("X").cast(pl.Int64, strict=False),
            hour.str.ends_with("X"),
            ask.market.time_zone,
        )
        named = records.with_columns(
            start.alias("delivery_ts"),
            pl.lit(60).alias("resolution_min"),
            offset("made").alias("known_ts"),
            pl.col("MW").alias("value"),
            pl.concat_str("Date", pl.lit(" hour ending "), "Hour Ending").alias("_said"),
        )
        return shaped(QUANTITIES, named, ask, area=ask.market.area, quantity=quantity, kind="forecast", unit="MW")

    return rows


def _chart(kind: str) -> Callable[[Ask], tuple[Request, ...]]:
    def requests(ask: Ask) -> tuple[Request, ...]:
        return tuple(
            Request("ws/wsclient", {"_nstmp_requestType": "systemload", "_nstmp_formDate": f"{day:%m/%d/%Y}", "_nstmp_chart": kind})
            for day in ask.days
        )

    return requests


def system_records(part: str) -> Callable[[Member, Ask], pl.DataFrame]:
    """A list of the web service's system load answer: `actual` (5 min), `forecast` and `priorDay` (hours), with when each was made."""

    def read(member: Member, _ask: Ask) -> pl.DataFrame:
        document: Any = json_of(member)
        try:
            rows = document[0]["data"][part]
        except (KeyError, IndexError, TypeError) as error:
            raise AnswerError("not_json", f"ISO-NE's answer has no data.{part}") from error
        return records_of(rows)

    return read


def _load(kind: str, minutes: int) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        named = records.with_columns(
            offset("BeginDate").alias("delivery_ts"),
            pl.lit(minutes).alias("resolution_min"),
            pl.col("BeginDate").alias("_said"),
            pl.col("Mw").alias("value"),
        )
        if kind == "forecast":
            named = named.with_columns(offset("CreationDate").alias("known_ts"))
            named = named.filter(pl.col("delivery_ts").is_null() | (pl.col("known_ts") <= pl.col("delivery_ts")))
        return shaped(QUANTITIES, named, ask, area=ask.market.area, quantity="load", kind=kind, unit="MW")

    return rows


def exchange_records(member: Member, _ask: Ask) -> pl.DataFrame:
    """Five-minute flows over external interfaces, keyed by location."""
    document: Any = json_of(member)
    try:
        rows = [{**row, "Location": row["Location"]["$"], "LocId": key} for key, part in document[0]["data"].items() for row in part]
    except (KeyError, IndexError, TypeError) as error:
        raise AnswerError("not_json", f"ISO-NE's exchange answer lacks {error}") from error
    return records_of(rows)


def _exchange(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """`Actual` is negative for flows into New England; limits are those of import and export."""
    named = records.with_columns(
        offset("BeginDate").alias("delivery_ts"),
        pl.lit(5).alias("resolution_min"),
        pl.col("BeginDate").alias("_said"),
        pl.col("Location").alias("interface"),
        pl.col("Actual").alias("flow_mw"),
        pl.col("Export").alias("limit_pos_mw"),
        pl.col("Import").alias("limit_neg_mw"),
    )
    return shaped(INTERFACES, named, ask)


def _final_reserves(ask: Ask) -> tuple[Request, ...]:
    days = (f"{d:%Y%m%d}" for d in ask.days)
    return tuple(Request("transform/csv/fiveminreserveprice", {"type": "final", "start": d, "end": d}, absent_ok=True) for d in days)


def _reserves(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Five-minute prices by reserve zone; of two equal stamps the first is the earlier hour."""
    wall = either("Local Time", "%m/%d/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%m/%d/%Y %H:%M")
    kept = records.filter(pl.col("Reserve Zone ID").is_in(list(ask.regions))) if ask.regions else records
    placed = folded(kept.with_columns(wall.alias("_wall")), "_wall", ask.market.time_zone, ["Reserve Zone ID"])
    name = pl.col("Reserve Zone ID").replace(dict(ask.regions)) if ask.regions else pl.col("Reserve Zone Name")
    named = placed.with_columns(name.alias("hub"), pl.col("Local Time").alias("_said"))
    long = unpivoted(named, RESERVES, ["hub", "delivery_ts", "_said"], "product", "price_ccy_per_mwh")
    return shaped(PRICES, long, ask, resolution_min=5)


_LMP = (*texts("Date", "Hour Ending", "Location ID", "Location Name"), *numbers(*PARTS))
LMP_DA = Product(
    provider="isone",
    name="lmp_da",
    table=PRICES,
    requests=_daily("da-lmp", "WW_DALMP_ISO"),
    records=lmp_records,
    fields=_LMP,
    rows=_lmp("da", nodal=False),
    known=DayRule(rule="day", days=-1, at=time(13, 30)),
    extra=("Location Type",),
    settles=timedelta(days=5),
    ahead=timedelta(days=2),
    by_region=False,
)
LMP_RT = replace(
    LMP_DA,
    name="lmp_rt",
    requests=_daily("rt-lmp", "lmp_rt_final"),
    rows=_lmp("rt", nodal=False),
    known=DayRule(rule="day", days=5, at=time(12, 0)),
    settles=timedelta(days=10),
    ahead=timedelta(0),
)
NODAL_DA = replace(LMP_DA, name="nodal_da", table=NODAL_PRICES, rows=_lmp("da", nodal=True))
_MADE = DayRule(rule="day", days=-1, at=time(10, 0))
WIND_FORECAST = Product(
    provider="isone",
    name="wind_forecast",
    table=QUANTITIES,
    requests=lambda ask: tuple(Request("transform/csv/wphf", {"start": f"{d:%Y%m%d}"}, absent_ok=True) for d in ask.days),
    records=seven_day_records,
    fields=(*texts("Date", "Hour Ending", "made"), *numbers("MW")),
    rows=_seven_day("wind"),
    known=_MADE,
    settles=timedelta(0),
    ahead=timedelta(0),
    by_region=False,
)
SOLAR_FORECAST = replace(
    WIND_FORECAST,
    name="solar_forecast",
    requests=lambda ask: tuple(Request("transform/csv/sphf", {"start": f"{d:%Y%m%d}"}, absent_ok=True) for d in ask.days),
    rows=_seven_day("solar"),
)
_LOAD_EXTRA = ("NetLoadMw", "SystemLoadBtmPv", "NativeLoadBtmPv", "PumpMw", "LoadMw")
LOAD_FORECAST = Product(
    provider="isone",
    name="load_forecast",
    table=QUANTITIES,
    requests=_chart("forecast"),
    records=system_records("priorDay"),
    fields=(*texts("BeginDate", "CreationDate"), *numbers("Mw")),
    rows=_load("forecast", 60),
    known=_MADE,
    extra=_LOAD_EXTRA,
    settles=timedelta(0),
    ahead=timedelta(days=1),
    by_region=False,
)
LOAD_ACTUAL = replace(
    LOAD_FORECAST,
    name="load_actual",
    requests=_chart("actual"),
    records=system_records("actual"),
    fields=(*texts("BeginDate"), *numbers("Mw")),
    rows=_load("actual", 5),
    known=LagRule(rule="interval_end", minutes=5),
    settles=timedelta(days=2),
    ahead=timedelta(hours=1),
)
EXCHANGE = Product(
    provider="isone",
    name="interchange",
    table=INTERFACES,
    requests=lambda ask: tuple(
        Request("ws/wsclient", {"_nstmp_requestType": "externalflow", "_nstmp_formDate": f"{d:%m/%d/%Y}", "_nstmp_locId": ask.region})
        for d in ask.days
    ),
    records=exchange_records,
    fields=(*texts("BeginDate", "Location"), *numbers("Actual", "Import", "Export")),
    rows=_exchange,
    known=LagRule(rule="interval_end", minutes=5),
    extra=("Sale", "Purchase", "TotalExports", "TotalImports", "Current", "LocId"),
    settles=timedelta(days=2),
    ahead=timedelta(hours=1),
)
RESERVES_RT = replace(
    LMP_RT,
    name="reserves_rt",
    requests=_final_reserves,
    fields=(*texts("Local Time", "Reserve Zone ID", "Reserve Zone Name"), *numbers(*RESERVES)),
    rows=_reserves,
    extra=("*",),  # requirements and designated MW
)
PRODUCTS = (LMP_DA, LMP_RT, NODAL_DA, WIND_FORECAST, SOLAR_FORECAST, LOAD_FORECAST, LOAD_ACTUAL, EXCHANGE, RESERVES_RT)
