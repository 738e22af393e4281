"""MISO: market reports in Eastern Standard Time all year. docs/sources/miso.md."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline_tasks.contracts.grid import NODAL_PRICES
from pipeline_tasks.contracts.raw import PRICES, QUANTITIES
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.live.answers import AnswerError, Member, csv_of, json_of, records_of
from pipeline_tasks.sources.live.product import Ask, Product, Request, number, numbers, shaped, texts
from pipeline_tasks.sources.live.walls import fixed

if TYPE_CHECKING:
    import pandas as pd

PARTS = {"LMP": "price_ccy_per_mwh", "MCC": "congestion_ccy_per_mwh", "MLC": "loss_ccy_per_mwh"}
OUTAGES = {  # kinds of the workbook; a derate is counted in the total alone
    "Derated": "outages",
    "Forced": "outages_forced",
    "Unplanned": "outages_forced",
    "Planned": "outages_planned",
}
HOURS = tuple(f"HE {h}" for h in range(1, 25))
EST = -5
BROKER = "https://api.misoenergy.org/MISORTWDDataBroker/DataBrokerServices.asmx"


def _daily(name: str, offset: int = 0) -> Callable[[Ask], tuple[Request, ...]]:
    """The report named after each day of the chunk, or after the day `offset` days later."""

    def requests(ask: Ask) -> tuple[Request, ...]:
        return tuple(Request(f"{day + timedelta(days=offset):%Y%m%d}_{name}", absent_ok=True) for day in ask.days)

    return requests


def lmp_records(member: Member, _ask: Ask) -> pl.DataFrame:
    """Wide LMP report: title lines, then Node, Type, Value and 24 hours; the market day of the title is added as `day`."""
    lines = member.text.splitlines()
    header = next((n for n, line in enumerate(lines) if line.startswith("Node,")), None)
    if header is None:
        raise AnswerError("not_csv", f"no line begins with 'Node,'; the report begins {lines[:2]}")
    day = next((part.strip() for line in lines[:header] for part in line.replace(",", " ").split() if part.count("/") == 2), "")
    body = Member(member.name, "\n".join(lines[header:]).encode())
    return csv_of(body).with_columns(pl.lit(day).alias("day"))


def _lmp(product: str, *, nodal: bool) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    table, place = (NODAL_PRICES, "node") if nodal else (PRICES, "hub")

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        kept = records.filter(pl.col("Value").is_in(list(PARTS)))
        kept = kept.filter(pl.col("Node").is_in(list(ask.regions))) if ask.regions else kept
        long = kept.unpivot(list(HOURS), index=["day", "Node", "Value"], variable_name="hour", value_name="price")
        wide = long.pivot("Value", index=["day", "Node", "hour"], values="price", aggregate_function="first").rename(PARTS, strict=False)
        hour = pl.col("hour").str.slice(3).cast(pl.Int64, strict=False)
        wall = pl.col("day").str.to_date("%m/%d/%Y", strict=False).cast(pl.Datetime("ms")) + pl.duration(hours=hour - 1)
        parts = [pl.col(p).cast(pl.Float64, strict=False) for p in PARTS.values()]
        named = wide.with_columns(
            fixed(wall, EST).alias("delivery_ts"),
            pl.lit(60).alias("resolution_min"),
            pl.concat_str("day", pl.lit(" "), "hour").alias("_said"),
            pl.col("Node").replace(dict(ask.regions)).alias(place),
            (parts[0] - parts[1] - parts[2]).alias("energy_ccy_per_mwh"),
        )
        return shaped(table, named, ask, product=product)

    return rows


def forecast_records(member: Member, _ask: Ask) -> pl.DataFrame:
    """Wind or solar forecast of two days: DateTimeEST, HourEndingEST, Value, and `RefId`, when it was made."""
    document: dict[str, Any] = json_of(member)
    rows = document.get("Forecast")
    if not isinstance(rows, list):
        raise AnswerError("not_json", "MISO's answer holds no Forecast")
    return records_of(rows).with_columns(pl.lit(str(document.get("RefId", ""))).alias("RefId"))


def _forecast(quantity: str) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """`RefId` says when the forecast was made: `10-Mar-2025 - Interval 06:00 EST`; hours that had begun then are no forecast."""

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        wall = pl.col("DateTimeEST").str.to_datetime("%Y-%m-%d %I:%M:%S %p", time_unit="ms", strict=False)
        made = pl.col("RefId").str.replace(" - Interval ", " ").str.to_datetime("%d-%b-%Y %H:%M EST", time_unit="ms", strict=False)
        named = records.with_columns(
            fixed(wall, EST).alias("delivery_ts"),
            fixed(made, EST).alias("known_ts"),
            pl.lit(60).alias("resolution_min"),
            pl.col("DateTimeEST").alias("_said"),
            pl.col("Value").alias("value"),
        )
        ahead = named.filter(pl.col("delivery_ts").is_null() | (pl.col("known_ts") <= pl.col("delivery_ts")))
        return shaped(QUANTITIES, ahead, ask, area=ask.market.area, quantity=quantity, kind="forecast", unit="MW")

    return rows


def _now(name: str) -> Callable[[Ask], tuple[Request, ...]]:
    def requests(_ask: Ask) -> tuple[Request, ...]:
        return (Request(BROKER, {"messageType": name, "returnType": "json"}),)

    return requests


def _sheet(member: Member, name: int | str) -> pd.DataFrame:
    """A sheet of a workbook, every cell as text.

    Raises:
        AnswerError: it is no workbook, lacks the sheet, or the readers of the group `live` are not installed.
    """
    import pandas as pd

    try:
        return pd.read_excel(io.BytesIO(member.body), sheet_name=name, header=None, dtype=str)
    except ImportError as error:
        raise AnswerError(
            "not_csv", f"reading workbooks needs the group `live`: uv sync --group live ({error})", transient=False
        ) from error
    except ValueError as error:
        raise AnswerError("not_csv", f"no readable workbook: {error}") from error


def outage_records(member: Member, ask: Ask) -> pl.DataFrame:
    """Sheet OUTAGE of the multiday operating margin workbook: region, kind and MW of each day of its first table, the forecast."""
    return outage_cells(_sheet(member, "OUTAGE").values.tolist(), ask.first)


def outage_cells(sheet: list[list[object]], published: date) -> pl.DataFrame:
    """The first table of a sheet, from its header (three dates or more) to the next one; rows that name no kind of outage are none.

    Raises:
        AnswerError: no row of the sheet is such a header.
    """
    rows = [[None if cell is None or cell != cell else str(cell).strip() for cell in row] for row in sheet]  # noqa: PLR0124 -- NaN
    days = [{n: day for n, cell in enumerate(row) if (day := _day(cell))} for row in rows]
    head = next((n for n, found in enumerate(days) if len(found) >= 3), None)
    if head is None:
        raise AnswerError("not_csv", f"no row of the sheet OUTAGE holds dates; it begins {rows[:3]}", transient=False)
    found = []
    end = next((n for n in range(head + 1, len(rows)) if len(days[n]) >= 3), len(rows))
    for row in rows[head + 1 : end]:
        if row[1] not in OUTAGES:
            continue
        about = {"Published": published.isoformat(), "Region": row[0], "Type": row[1]}
        found += [{**about, "Date": day, "MW": row[n]} for n, day in days[head].items()]
    return records_of(found)


def _day(cell: str | None) -> str:
    """A header's date as ISO text; empty where it is none."""
    for fmt in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y"):
        with suppress(ValueError):
            return datetime.strptime((cell or "").removesuffix("**").strip(), fmt).date().isoformat()  # noqa: DTZ007 -- a market day
    return ""


def _outages(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """By region and kind, and all of them; known at noon of the day after the report's own, when it is there at the latest."""
    start, made = (pl.col(c).str.to_date(strict=False).cast(pl.Datetime("ms")) for c in ("Date", "Published"))
    placed = records.with_columns(
        fixed(start, EST).alias("delivery_ts"),
        fixed(made + pl.duration(hours=36), EST).alias("known_ts"),
        pl.col("Region").replace(dict(ask.regions)).alias("area"),
        pl.col("Type").replace(OUTAGES).alias("quantity"),
        pl.col("Date").alias("_said"),
        pl.col("MW").cast(pl.Float64, strict=False).alias("value"),
    )
    keys = ["area", "delivery_ts", "known_ts"]
    kinds = placed.group_by(*keys, "quantity", maintain_order=True).agg(pl.col("value").sum(), pl.col("_said").first())
    total = kinds.group_by(keys, maintain_order=True).agg(
        pl.col("value").sum(), pl.col("_said").first(), pl.lit("outages").alias("quantity")
    )
    both = pl.concat([total.select(kinds.columns), kinds.filter(pl.col("quantity") != "outages")])
    ahead = both.filter(pl.col("delivery_ts").is_null() | (pl.col("known_ts") <= pl.col("delivery_ts") + pl.duration(days=1)))
    return shaped(QUANTITIES, ahead, ask, kind="forecast", unit="MW", resolution_min=1440)


def load_records(member: Member, _ask: Ask) -> pl.DataFrame:
    """`df_al.xls`: hourly forecast and actual of the market day, an old-format workbook (pandas with xlrd, group `live`)."""
    import pandas as pd

    sheet = _sheet(member, 0)
    found = [n for n, row in enumerate(sheet.values.tolist()) if "HourEnding" in row or "HE" in row]
    if not found:
        raise AnswerError("not_csv", f"no row of the workbook names HourEnding; it begins {sheet.head(3).values.tolist()}", transient=False)
    head = [str(c).strip() for c in sheet.iloc[found[0]]]
    body = sheet.iloc[found[0] + 1 :]
    columns = {name: [None if pd.isna(v) else str(v) for v in body.iloc[:, n]] for n, name in enumerate(head) if name and name != "nan"}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def _load(column: str, kind: str) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """Hours of the chunk's day; a report also speaks of the days around it."""

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        hour = pl.col("HourEnding").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
        wall = pl.col("Market Day").str.slice(0, 10).str.to_date(strict=False).cast(pl.Datetime("ms")) + pl.duration(hours=hour - 1)
        placed = records.filter(hour.is_between(1, 24)).with_columns(
            fixed(wall, EST).alias("delivery_ts"),
            pl.lit(60).alias("resolution_min"),
            pl.col("Market Day").alias("_said"),
            pl.col(column).alias("value"),
        )
        own = placed.filter((pl.col("delivery_ts") >= ask.start) & (pl.col("delivery_ts") < ask.end) & pl.col("value").is_not_null())
        return shaped(QUANTITIES, own, ask, area=ask.market.area, quantity="load", kind=kind, unit="MW")

    return rows


LMP_DA = Product(
    provider="miso",
    name="lmp_da",
    table=PRICES,
    requests=_daily("da_expost_lmp.csv"),
    records=lmp_records,
    fields=(*texts("day", "Node", "Value"), *numbers(*HOURS)),
    rows=_lmp("da", nodal=False),
    known=DayRule(rule="day", days=-1, at=time(14, 0)),
    extra=("Type",),
    settles=timedelta(days=5),
    ahead=timedelta(days=2),
    by_region=False,
)
LMP_RT = replace(
    LMP_DA,
    name="lmp_rt",
    requests=_daily("rt_lmp_final.csv"),
    rows=_lmp("rt", nodal=False),
    known=DayRule(rule="day", days=5, at=time(12, 0)),
    ahead=timedelta(0),
    settles=timedelta(days=10),
)
NODAL_DA = replace(LMP_DA, name="nodal_da", table=NODAL_PRICES, rows=_lmp("da", nodal=True))
_WIND_FIELDS = (*texts("DateTimeEST", "HourEndingEST", "RefId"), number("Value"))
WIND_FORECAST = Product(
    provider="miso",
    name="wind_forecast",
    table=QUANTITIES,
    requests=_now("getWindForecast"),
    records=forecast_records,
    fields=_WIND_FIELDS,
    rows=_forecast("wind"),
    known=LagRule(rule="interval_start", minutes=0),
    settles=timedelta(0),
    ahead=timedelta(days=1),
    by_region=False,
)
SOLAR_FORECAST = replace(WIND_FORECAST, name="solar_forecast", requests=_now("getSolarForecast"), rows=_forecast("solar"))
_MTLF, _MEASURED = "MISO MTLF (MWh)", "MISO ActualLoad (MWh)"
_ZONES = tuple(
    f"{zone} {what} (MWh)" for zone in ("LRZ1", "LRZ2_7", "LRZ3_5", "LRZ4", "LRZ6", "LRZ8_9_10") for what in ("MTLF", "ActualLoad")
)
LOAD_ACTUAL = Product(
    provider="miso",
    name="load_actual",
    table=QUANTITIES,
    requests=_daily("df_al.xls", 1),
    records=load_records,
    fields=(*texts("Market Day", "HourEnding"), *numbers(_MTLF, _MEASURED)),
    rows=_load(_MEASURED, "actual"),
    known=DayRule(rule="day", days=1, at=time(6, 0)),
    extra=_ZONES,
    settles=timedelta(days=3),
    ahead=timedelta(0),
    by_region=False,
)
LOAD_FORECAST = replace(
    LOAD_ACTUAL,
    name="load_forecast_da",
    requests=_daily("df_al.xls", -1),
    rows=_load(_MTLF, "forecast"),
    known=DayRule(rule="day", days=-1, at=time(8, 0)),
    ahead=timedelta(days=2),
)
OUTAGE_FORECAST = Product(
    provider="miso",
    name="outage_forecast",
    table=QUANTITIES,
    requests=_daily("mom.xlsx"),
    records=outage_records,
    fields=(*texts("Published", "Region", "Type", "Date"), number("MW")),
    rows=_outages,
    known=DayRule(rule="day", days=1, at=time(12, 0)),
    settles=timedelta(days=2),
    ahead=timedelta(0),
    by_region=False,
)
PRODUCTS = (LMP_DA, LMP_RT, NODAL_DA, WIND_FORECAST, SOLAR_FORECAST, LOAD_ACTUAL, LOAD_FORECAST, OUTAGE_FORECAST)
