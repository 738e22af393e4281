"""ERCOT, public reports: a list of documents, then zipped CSV; hour-ending numbers, the repeated hour flagged. docs/sources/ercot.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl

from pipeline_tasks.contracts.raw import PRICES, QUANTITIES
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.live.answers import AnswerError, Member, csv_of, json_of
from pipeline_tasks.sources.live.product import Ask, Product, Request, either, numbers, shaped, texts
from pipeline_tasks.sources.live.walls import hour_ending, marked

CORRECTED_AT = "PriceCorrectionTime"
RESERVES = {"REGUP": "regup", "REGDN": "regdn", "RRS": "rrs", "NSPIN": "nspin", "ECRS": "ecrs"}


def _list(report: int) -> Callable[[Ask], tuple[Request, ...]]:
    def requests(_ask: Ask) -> tuple[Request, ...]:
        return (Request("IceDocListJsonWS", {"reportTypeId": str(report)}),)

    return requests


def documents(member: Member, ask: Ask, *, days_before: int, first_of_day: bool, named: str = "") -> tuple[Request, ...]:
    """Requests for the CSV documents of a list that are about the chunk.

    Args:
        member: the list.
        ask: the chunk.
        days_before: a document is about the day so many days after its publication.
        first_of_day: of several documents of a local day only the first published counts (forecasts: what was known first).
        named: part of the document's name, where a list holds several kinds.
    """
    document: dict[str, Any] = json_of(member)
    try:
        entries = [d["Document"] for d in document["ListDocsByRptTypeRes"]["DocumentList"]]
    except (KeyError, TypeError) as error:
        raise AnswerError("error_body", f"ERCOT's list of documents lacks {error}") from error
    found: dict[date, list[tuple[datetime, str]]] = {}
    for entry in entries:
        if not entry["FriendlyName"].endswith("_csv") and "csv" not in entry["ConstructedName"].lower():
            continue
        if named.lower() not in entry["ConstructedName"].lower():
            continue
        published = datetime.fromisoformat(entry["PublishDate"])
        day = published.astimezone(ask.market.zone).date() + timedelta(days=days_before)
        if ask.first <= day <= ask.last:
            found.setdefault(day, []).append((published, str(entry["DocID"])))
    chosen = [doc for day in sorted(found) for doc in (sorted(found[day])[:1] if first_of_day else sorted(found[day]))]
    return tuple(Request("mirDownload", {"doclookupId": doc}, immutable=True) for _, doc in chosen)


def _about_tomorrow(member: Member, ask: Ask) -> tuple[Request, ...]:
    return documents(member, ask, days_before=1, first_of_day=False)


def _forecast_docs(member: Member, ask: Ask) -> tuple[Request, ...]:
    return documents(member, ask, days_before=1, first_of_day=True)


def _of_the_day(member: Member, ask: Ask) -> tuple[Request, ...]:
    return documents(member, ask, days_before=0, first_of_day=False)


def _corrections(named: str) -> Callable[[Member, Ask], tuple[Request, ...]]:
    return lambda member, ask: documents(member, ask, days_before=0, first_of_day=False, named=named)


def records(member: Member, _ask: Ask) -> pl.DataFrame:
    """The CSV of a document."""
    return csv_of(member)


def _placed(records: pl.DataFrame, ask: Ask, day: str = "DeliveryDate", hour: str = "HourEnding") -> pl.DataFrame:
    number = pl.col(hour).str.split(":").list.first().cast(pl.Int64, strict=False)
    start = hour_ending(pl.col(day).str.to_date("%m/%d/%Y", strict=False), number, pl.col("DSTFlag") == "Y", ask.market.time_zone)
    said = pl.concat_str(day, pl.lit(" hour ending "), hour, pl.lit(" "), "DSTFlag", ignore_nulls=True)
    return records.with_columns(start.alias("delivery_ts"), pl.lit(60).alias("resolution_min"), said.alias("_said"))


def _named(records: pl.DataFrame, column: str, ask: Ask) -> pl.DataFrame:
    return records.filter(pl.col(column).is_in(list(ask.regions))) if ask.regions else records


def _da(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    kept = _placed(_named(records, "SettlementPoint", ask), ask)
    named = kept.with_columns(
        pl.col("SettlementPoint").replace(dict(ask.regions)).alias("hub"), pl.col("SettlementPointPrice").alias("price_ccy_per_mwh")
    )
    return shaped(PRICES, named, ask, product="da")


def _rt(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Quarter hours: hour-ending number and interval 1 to 4."""
    kept = _named(records, "SettlementPointName", ask)
    hour, quarter = (pl.col(c).cast(pl.Int64, strict=False) for c in ("DeliveryHour", "DeliveryInterval"))
    wall = pl.col("DeliveryDate").str.to_date("%m/%d/%Y", strict=False).cast(pl.Datetime("ms")) + pl.duration(
        minutes=(hour - 1) * 60 + (quarter - 1) * 15
    )
    said = pl.concat_str("DeliveryDate", pl.lit(" "), "DeliveryHour", pl.lit("/"), "DeliveryInterval", ignore_nulls=True)
    named = kept.with_columns(
        marked(wall, pl.col("DSTFlag") == "Y", ask.market.time_zone).alias("delivery_ts"),
        pl.lit(15).alias("resolution_min"),
        said.alias("_said"),
        pl.col("SettlementPointName").replace(dict(ask.regions)).alias("hub"),
        pl.col("SettlementPointPrice").alias("price_ccy_per_mwh"),
    )
    unique = named.unique(["hub", "delivery_ts"], keep="first", maintain_order=True)  # a point stands once per type (LZ, LZEW)
    return shaped(PRICES, unique, ask, product="rt")


def _corrected(rows: Callable[[pl.DataFrame, Ask], pl.DataFrame]) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """Rows of corrected prices, known when ERCOT corrected them (the later instant where the clock shows that time twice).

    A point that a document corrects more than once keeps each correction.
    """

    def corrected(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        zone = ask.market.time_zone
        made = either(CORRECTED_AT, "%m/%d/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%m/%d/%Y %H:%M")
        known = made.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null").dt.convert_time_zone("UTC")
        priced = records.with_columns(pl.col("SPPCorrected").alias("SettlementPointPrice"), known.alias("known_ts"))
        parts = [
            rows(part, ask).with_columns(pl.lit(at, dtype=pl.Datetime("ms", "UTC")).alias("known_ts"))
            for (at,), part in priced.group_by("known_ts", maintain_order=True)
        ]
        return pl.concat(parts) if parts else rows(priced, ask)

    return corrected


def _reserves(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    kept = records.filter(pl.col("AncillaryType").str.strip_chars().is_in(list(RESERVES)))
    product = pl.col("AncillaryType").str.strip_chars().replace(RESERVES).alias("product")
    named = _placed(kept, ask, hour="HourEnding").with_columns(product, pl.col("MCPC").alias("price_ccy_per_mwh"))
    return shaped(PRICES, named, ask, hub=ask.market.area)


def _load_forecast(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    placed = _placed(records, ask).filter(_in_chunk(ask))
    return shaped(
        QUANTITIES,
        placed.with_columns(pl.col("SystemTotal").alias("value")),
        ask,
        area=ask.market.area,
        quantity="load",
        kind="forecast",
        unit="MW",
    )


def _outages(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Resources on outage, thermal and intermittent, over all zones. The report has no mark of the repeated hour: its first one is told."""
    parts = [c for c in records.columns if c.startswith(("TotalResourceMW", "TotalIRRMW"))]
    total = pl.sum_horizontal([pl.col(c).cast(pl.Float64, strict=False) for c in parts], ignore_nulls=False)
    placed = _placed(records.with_columns(pl.lit("N").alias("DSTFlag")), ask, "Date").filter(_in_chunk(ask))
    named = placed.with_columns(total.alias("value"))
    return shaped(QUANTITIES, named, ask, area=ask.market.area, quantity="outages", kind="forecast", unit="MW")


def _in_chunk(ask: Ask) -> pl.Expr:
    """Hours of the chunk's days: a document also speaks of days that other chunks ask for. Stamps that name no instant stay in."""
    stamp = pl.col("delivery_ts")
    return stamp.is_null() | ((stamp >= ask.start) & (stamp < ask.end))


def _renewable(quantity: str, forecast: str) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """One document holds two days of outcomes and a week of forecasts; of the chunk's day it holds the forecast alone."""

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        placed = _placed(records, ask, "DELIVERY_DATE", "HOUR_ENDING").filter(_in_chunk(ask))
        named = placed.with_columns(pl.col(forecast).alias("value"))
        return shaped(QUANTITIES, named, ask, area=ask.market.area, quantity=quantity, kind="forecast", unit="MW")

    return rows


def _renewable_actual(quantity: str) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        placed = _placed(records, ask, "DELIVERY_DATE", "HOUR_ENDING")
        made = placed.filter(pl.col("SYSTEM_WIDE_GEN").is_not_null() & (pl.col("SYSTEM_WIDE_GEN").str.strip_chars() != "") & _in_chunk(ask))
        named = made.with_columns(pl.col("SYSTEM_WIDE_GEN").alias("value"))
        return shaped(QUANTITIES, named, ask, area=ask.market.area, quantity=quantity, kind="actual", unit="MW")

    return rows


def _fallback(columns: str, *used: str) -> tuple[str, ...]:
    return tuple(c for c in columns.split(",") if c not in used)


_WIND = (
    "DELIVERY_DATE,HOUR_ENDING,SYSTEM_WIDE_GEN,COP_HSL_SYSTEM_WIDE,STWPF_SYSTEM_WIDE,WGRPP_SYSTEM_WIDE,GEN_LZ_SOUTH_HOUSTON,COP_HSL_LZ_SOUTH_HOUSTON,"
    "STWPF_LZ_SOUTH_HOUSTON,WGRPP_LZ_SOUTH_HOUSTON,GEN_LZ_WEST,COP_HSL_LZ_WEST,STWPF_LZ_WEST,WGRPP_LZ_WEST,GEN_LZ_NORTH,COP_HSL_LZ_NORTH,STWPF_LZ_NORTH,"
    "WGRPP_LZ_NORTH,SYSTEM_WIDE_HSL,DSTFlag"
)
_SOLAR = "DELIVERY_DATE,HOUR_ENDING,SYSTEM_WIDE_GEN,COP_HSL_SYSTEM_WIDE,STPPF_SYSTEM_WIDE,PVGRPP_SYSTEM_WIDE,SYSTEM_WIDE_HSL,DSTFlag"
_DAY_AHEAD = DayRule(rule="day", days=-1, at=time(13, 30))

DAM = Product(
    provider="ercot",
    name="spp_da",
    table=PRICES,
    requests=_list(12331),
    records=records,
    fields=(*texts("DeliveryDate", "HourEnding", "SettlementPoint", "DSTFlag"), *numbers("SettlementPointPrice")),
    rows=_da,
    known=_DAY_AHEAD,
    settles=timedelta(days=5),
    ahead=timedelta(days=2),
    by_region=False,
    follow=_about_tomorrow,
)
RTM = replace(
    DAM,
    name="spp_rt",
    requests=_list(12301),
    fields=(*texts("DeliveryDate", "DeliveryHour", "DeliveryInterval", "SettlementPointName", "DSTFlag"), *numbers("SettlementPointPrice")),
    rows=_rt,
    extra=("SettlementPointType",),
    known=LagRule(rule="interval_end", minutes=5),
    ahead=timedelta(hours=1),
    follow=_of_the_day,
)
RESERVES_DA = replace(
    DAM,
    name="reserves_da",
    requests=_list(12329),
    fields=(*texts("DeliveryDate", "HourEnding", "AncillaryType", "DSTFlag"), *numbers("MCPC")),
    rows=_reserves,
)
LOAD_FORECAST = Product(
    provider="ercot",
    name="load_forecast_da",
    table=QUANTITIES,
    requests=_list(12311),
    records=records,
    fields=(*texts("DeliveryDate", "HourEnding", "DSTFlag"), *numbers("SystemTotal")),
    rows=_load_forecast,
    known=DayRule(rule="day", days=-1, at=time(0, 30)),
    extra=("North", "South", "West", "Houston"),
    settles=timedelta(days=1),
    ahead=timedelta(days=2),
    by_region=False,
    follow=_forecast_docs,
)
WIND_FORECAST = replace(
    LOAD_FORECAST,
    name="wind_forecast_da",
    requests=_list(13028),
    fields=(*texts("DELIVERY_DATE", "HOUR_ENDING", "DSTFlag"), *numbers("STWPF_SYSTEM_WIDE")),
    rows=_renewable("wind", "STWPF_SYSTEM_WIDE"),
    extra=_fallback(_WIND, "DELIVERY_DATE", "HOUR_ENDING", "DSTFlag", "STWPF_SYSTEM_WIDE"),
)
SOLAR_FORECAST = replace(
    WIND_FORECAST,
    name="solar_forecast_da",
    requests=_list(13483),
    rows=_renewable("solar", "STPPF_SYSTEM_WIDE"),
    fields=(*texts("DELIVERY_DATE", "HOUR_ENDING", "DSTFlag"), *numbers("STPPF_SYSTEM_WIDE")),
    extra=_fallback(_SOLAR, "DELIVERY_DATE", "HOUR_ENDING", "DSTFlag", "STPPF_SYSTEM_WIDE"),
)


def _next_day(member: Member, ask: Ask) -> tuple[Request, ...]:
    return documents(member, ask, days_before=-1, first_of_day=True)


WIND_ACTUAL = replace(
    WIND_FORECAST,
    name="wind_actual",
    fields=(*texts("DELIVERY_DATE", "HOUR_ENDING", "DSTFlag"), *numbers("SYSTEM_WIDE_GEN")),
    rows=_renewable_actual("wind"),
    extra=_fallback(_WIND, "DELIVERY_DATE", "HOUR_ENDING", "DSTFlag", "SYSTEM_WIDE_GEN"),
    known=LagRule(rule="interval_end", minutes=60),
    ahead=timedelta(0),
    follow=_next_day,
)
SOLAR_ACTUAL = replace(
    SOLAR_FORECAST,
    name="solar_actual",
    fields=WIND_ACTUAL.fields,
    rows=_renewable_actual("solar"),
    known=WIND_ACTUAL.known,
    ahead=timedelta(0),
    follow=_next_day,
    extra=_fallback(_SOLAR, "DELIVERY_DATE", "HOUR_ENDING", "DSTFlag", "SYSTEM_WIDE_GEN"),
)
_ZONES = ("South", "North", "West", "Houston")
OUTAGE_FORECAST = replace(
    LOAD_FORECAST,
    name="outage_forecast_da",
    requests=_list(13103),
    fields=(
        *texts("Date", "HourEnding"),
        *numbers(*(f"{kind}MWZone{zone}" for kind in ("TotalResource", "TotalIRR") for zone in _ZONES)),
    ),
    rows=_outages,
    known=DayRule(rule="day", days=-1, at=time(1, 0)),
    extra=tuple(f"TotalNewEquipResourceMWZone{zone}" for zone in _ZONES),
)
_CORRECTION = numbers("SPPOriginal", "SPPCorrected")
DAM_CORRECTIONS = replace(
    DAM,
    name="spp_da_corrections",
    requests=_list(13044),
    fields=(*texts("DeliveryDate", "HourEnding", "SettlementPoint", "DSTFlag", CORRECTED_AT), *_CORRECTION),
    rows=_corrected(_da),
    extra=("SettlementPointType",),
    settles=timedelta(days=1),
    ahead=timedelta(0),
    follow=_corrections("DAM_SPP"),
)
RTM_CORRECTIONS = replace(
    DAM_CORRECTIONS,
    name="spp_rt_corrections",
    requests=_list(13045),
    fields=(*texts("DeliveryDate", "DeliveryHour", "DeliveryInterval", "SettlementPointName", "DSTFlag", CORRECTED_AT), *_CORRECTION),
    rows=_corrected(_rt),
    follow=_corrections("RTM_SPP"),
)
PRODUCTS = (
    DAM,
    RTM,
    DAM_CORRECTIONS,
    RTM_CORRECTIONS,
    OUTAGE_FORECAST,
    RESERVES_DA,
    LOAD_FORECAST,
    WIND_FORECAST,
    SOLAR_FORECAST,
    WIND_ACTUAL,
    SOLAR_ACTUAL,
)
