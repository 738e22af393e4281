"""New York ISO: CSV files by day (and zips by month) on the local clock. docs/sources/nyiso.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta

import polars as pl

from pipeline_tasks.contracts.grid import NODAL_PRICES
from pipeline_tasks.contracts.raw import INTERFACES, PRICES, QUANTITIES
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.live.answers import Member, csv_of
from pipeline_tasks.sources.live.product import (
    Ask,
    Field,
    Product,
    Request,
    either,
    number,
    numbers,
    optional_numbers,
    shaped,
    texts,
    unpivoted,
)
from pipeline_tasks.sources.live.walls import folded, marked, midnight

PRICE, LOSS, CONGESTION = "LBMP ($/MWHr)", "Marginal Cost Losses ($/MWHr)", "Marginal Cost Congestion ($/MWHr)"
FUELS = {
    "Dual Fuel": "dual_fuel",
    "Natural Gas": "gas",
    "Nuclear": "nuclear",
    "Other Fossil Fuels": "oil",
    "Other Renewables": "renewables",
    "Wind": "wind",
    "Hydro": "hydro",
}
RESERVES = {
    "10 Min Spinning Reserve ($/MWHr)": "reserve_10s",
    "10 Min Non-Synchronous Reserve ($/MWHr)": "reserve_10n",
    "30 Min Operating Reserve ($/MWHr)": "reserve_30",
    "NYCA Regulation Capacity ($/MWHr)": "regulation",
}
FLOW, LIMIT_POS, LIMIT_NEG = "Flow (MWH)", "Positive Limit (MWH)", "Negative Limit (MWH)"
NO_LIMIT_MW = 9999.0
OUTAGE = "Forecasted Generation Outage (MW)"
ZONES = ("Capitl", "Centrl", "Dunwod", "Genese", "Hud Vl", "Longil", "Mhk Vl", "Millwd", "N.Y.C.", "North", "West")


def _daily(folder: str, name: str) -> Callable[[Ask], tuple[Request, ...]]:
    def requests(ask: Ask) -> tuple[Request, ...]:
        return tuple(Request(f"{folder}/{day:%Y%m%d}{name}.csv", absent_ok=True) for day in ask.days)

    return requests


def records(member: Member, _ask: Ask) -> pl.DataFrame:
    """The CSV of a file."""
    return csv_of(member)


def _stamped(records: pl.DataFrame, fmt: str) -> pl.DataFrame:
    return records.with_columns(
        pl.col("Time Stamp").str.to_datetime(fmt, time_unit="ms", strict=False).alias("_wall"), pl.col("Time Stamp").alias("_said")
    )


def _lbmp(product: str, minutes: int, *, nodal: bool) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """LBMP = energy + loss - congestion in NYISO's files; `raw` holds energy + congestion + loss, so congestion changes its sign.

    Five-minute stamps name the end of their interval, hourly ones its start.
    """
    table, place = (NODAL_PRICES, "node") if nodal else (PRICES, "hub")

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        kept = records.filter(pl.col("Name").is_in(list(ask.regions))) if ask.regions else records
        fmt = "%m/%d/%Y %H:%M" if minutes == 60 else "%m/%d/%Y %H:%M:%S"
        placed = folded(_stamped(kept, fmt), "_wall", ask.market.time_zone, ["Name"])
        if minutes != 60:
            placed = placed.with_columns(pl.col("delivery_ts") - pl.duration(minutes=minutes))
            placed = placed.filter(
                pl.col("delivery_ts").is_null() | (pl.col("delivery_ts").dt.minute() % minutes == 0)
            )  # runs between intervals
        price, loss, congestion = (pl.col(c).cast(pl.Float64, strict=False) for c in (PRICE, LOSS, CONGESTION))
        named = placed.with_columns(
            pl.col("Name").replace(dict(ask.regions)).alias(place),
            pl.col(PRICE).alias("price_ccy_per_mwh"),
            pl.col(LOSS).alias("loss_ccy_per_mwh"),
            (-congestion).alias("congestion_ccy_per_mwh"),
            (price - loss + congestion).alias("energy_ccy_per_mwh"),
            pl.lit(minutes).alias("resolution_min"),
        )
        return shaped(table, named, ask, product=product)

    return rows


def _load_forecast(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """A file holds six days; of the chunk's own, each zone and the whole."""
    placed = folded(_stamped(records, "%m/%d/%Y %H:%M"), "_wall", ask.market.time_zone, [])
    own = placed.filter(pl.col("delivery_ts").is_null() | ((pl.col("delivery_ts") >= ask.start) & (pl.col("delivery_ts") < ask.end)))
    system = own.with_columns(pl.col("NYISO").alias("value"), pl.lit(ask.market.area).alias("area"), pl.lit("load").alias("quantity"))
    zones = own.unpivot(list(ZONES), index=["delivery_ts", "_said"], variable_name="area", value_name="value").with_columns(
        pl.col("area").str.to_uppercase(), pl.lit("zonal_load").alias("quantity")
    )
    columns = ["delivery_ts", "_said", "area", "quantity", "value"]
    return shaped(
        QUANTITIES, pl.concat([system.select(columns), zones.select(columns)]), ask, kind="forecast", unit="MW", resolution_min=60
    )


def _fuel(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Five-minute stamps (interval end) with EST or EDT beside them; of the chunk's days alone (a zip holds a month)."""
    wall = pl.col("Time Stamp").str.to_datetime("%m/%d/%Y %H:%M:%S", time_unit="ms", strict=False)
    end = marked(wall, pl.col("Time Zone") == "EST", ask.market.time_zone)
    placed = records.with_columns(
        (end - pl.duration(minutes=5)).alias("delivery_ts"), pl.col("Time Stamp").alias("_said"), pl.lit(5).alias("resolution_min")
    )
    own = placed.filter(pl.col("delivery_ts").is_null() | ((pl.col("delivery_ts") >= ask.start) & (pl.col("delivery_ts") < ask.end)))
    named = own.with_columns(
        pl.col("Fuel Category").replace_strict(FUELS, default="other").alias("quantity"), pl.col("Gen MW").alias("value")
    )
    return shaped(QUANTITIES, named, ask, area=ask.market.area, kind="actual", unit="MW")


def _load_actual(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    wall = pl.col("Time Stamp").str.to_datetime("%m/%d/%Y %H:%M:%S", time_unit="ms", strict=False)
    placed = records.with_columns(
        marked(wall, pl.col("Time Zone") == "EST", ask.market.time_zone).alias("delivery_ts"),
        pl.col("Time Stamp").alias("_said"),
        pl.col("Integrated Load").cast(pl.Float64, strict=False).alias("value"),
    )
    added = placed.group_by("delivery_ts", maintain_order=True).agg(pl.col("value").sum(), pl.col("_said").first(), pl.len().alias("_n"))
    whole = added.filter(pl.col("_n") == len(ZONES))
    return shaped(QUANTITIES, whole, ask, area=ask.market.area, quantity="load", kind="actual", unit="MW", resolution_min=60)


def _reserves(minutes: int, suffix: str = "") -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """Ancillary prices by zone; hourly stamps name the start, those of five minutes the end."""
    products = {column: product + suffix for column, product in RESERVES.items()}

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        kept = records.filter(pl.col("Name").is_in(list(ask.regions))) if ask.regions else records
        wall = kept.with_columns(
            either("Time Stamp", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M").alias("_wall"),
            pl.col("Time Stamp").alias("_said"),
            pl.col("Name").replace(dict(ask.regions)).alias("hub"),
        )
        if "Time Zone" in kept.columns:
            placed = wall.with_columns(marked(pl.col("_wall"), pl.col("Time Zone") == "EST", ask.market.time_zone).alias("delivery_ts"))
        else:
            placed = folded(wall, "_wall", ask.market.time_zone, ["Name"])
        if minutes != 60:
            placed = placed.with_columns(pl.col("delivery_ts") - pl.duration(minutes=minutes))
            placed = placed.filter(pl.col("delivery_ts").is_null() | (pl.col("delivery_ts").dt.minute() % minutes == 0))
        long = unpivoted(placed, products, ["hub", "delivery_ts", "_said"], "product", "price_ccy_per_mwh")
        return shaped(PRICES, long, ask, resolution_min=minutes)

    return rows


def _interfaces(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Flows (MW, whatever the titles say) and limits of each interface; 9999 says that there is no limit."""
    stamped = records.with_columns(either("Timestamp", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M").alias("_wall"))
    placed = folded(stamped, "_wall", ask.market.time_zone, ["Interface Name"])
    limits = {
        name: pl.when(pl.col(column).cast(pl.Float64, strict=False).abs() < NO_LIMIT_MW).then(pl.col(column)).alias(name)
        for name, column in (("limit_pos_mw", LIMIT_POS), ("limit_neg_mw", LIMIT_NEG))
    }
    named = placed.with_columns(
        pl.col("Interface Name").replace(dict(ask.regions)).alias("interface"),
        pl.col(FLOW).alias("flow_mw"),
        pl.col("Timestamp").alias("_said"),
        *limits.values(),
    )
    return shaped(INTERFACES, named, ask, resolution_min=5)


def _outages(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Generation on outage of the days to come, known when the report was fetched: it names no time of its own."""
    parts = [midnight("Date", f, ask.market.time_zone) for f in ("%m/%d/%Y", "%Y-%m-%d", "%d-%b-%Y", "%d-%b-%y")]
    named = records.with_columns(
        pl.coalesce(parts).alias("delivery_ts"),
        pl.col("Date").alias("_said"),
        pl.col(OUTAGE).alias("value"),
        pl.lit(ask.fetched_ts).cast(pl.Datetime("ms", "UTC")).alias("known_ts"),
    )
    ahead = named.filter(
        pl.col("delivery_ts").is_null() | ((pl.col("known_ts") <= pl.col("delivery_ts")) & (pl.col("delivery_ts") < ask.end))
    )
    return shaped(QUANTITIES, ahead, ask, area=ask.market.area, quantity="outages", kind="forecast", unit="MW", resolution_min=1440)


_LBMP = (*texts("Time Stamp", "Name"), *numbers(PRICE, LOSS, CONGESTION))
LBMP_DA = Product(
    provider="nyiso",
    name="lbmp_da",
    table=PRICES,
    requests=_daily("damlbmp", "damlbmp_zone"),
    records=records,
    fields=_LBMP,
    rows=_lbmp("da", 60, nodal=False),
    known=DayRule(rule="day", days=-1, at=time(11, 0)),
    extra=("PTID",),
    settles=timedelta(days=5),
    ahead=timedelta(days=2),
    by_region=False,
)
LBMP_RT = replace(
    LBMP_DA,
    name="lbmp_rt",
    requests=_daily("realtime", "realtime_zone"),
    rows=_lbmp("rt", 5, nodal=False),
    known=LagRule(rule="interval_end", minutes=5),
    ahead=timedelta(hours=1),
)
LBMP_RT_HOURLY = replace(
    LBMP_RT,
    name="lbmp_rt_hourly",
    requests=_daily("rtlbmp", "rtlbmp_zone"),
    rows=_lbmp("rt", 60, nodal=False),
    known=LagRule(rule="interval_end", minutes=60),
)
NODAL_DA = replace(
    LBMP_DA, name="nodal_da", table=NODAL_PRICES, requests=_daily("damlbmp", "damlbmp_gen"), rows=_lbmp("da", 60, nodal=True)
)
LOAD_FORECAST = Product(
    provider="nyiso",
    name="load_forecast_da",
    table=QUANTITIES,
    requests=lambda ask: tuple(Request(f"isolf/{d - timedelta(days=1):%Y%m%d}isolf.csv", absent_ok=True) for d in ask.days),
    records=records,
    fields=(*texts("Time Stamp"), *numbers(*ZONES, "NYISO")),
    rows=_load_forecast,
    known=DayRule(rule="day", days=-1, at=time(8, 0)),
    settles=timedelta(days=1),
    ahead=timedelta(days=2),
    by_region=False,
)
FUEL = Product(
    provider="nyiso",
    name="fuel_mix",
    table=QUANTITIES,
    requests=_daily("rtfuelmix", "rtfuelmix"),
    records=records,
    fields=(*texts("Time Stamp", "Time Zone", "Fuel Category"), *numbers("Gen MW")),
    rows=_fuel,
    known=LagRule(rule="interval_end", minutes=5),
    settles=timedelta(days=2),
    ahead=timedelta(hours=1),
    by_region=False,
)
LOAD_ACTUAL = Product(
    provider="nyiso",
    name="load_actual",
    table=QUANTITIES,
    requests=_daily("palIntegrated", "palIntegrated"),
    records=records,
    fields=(*texts("Time Stamp", "Time Zone", "Name"), Field("Integrated Load", "number")),
    rows=_load_actual,
    known=LagRule(rule="interval_end", minutes=60),
    extra=("PTID",),
    settles=timedelta(days=5),
    ahead=timedelta(hours=1),
    by_region=False,
)
RESERVES_DA = replace(
    LBMP_DA,
    name="reserves_da",
    requests=_daily("damasp", "damasp"),
    fields=(*texts("Time Stamp", "Name"), *numbers(*list(RESERVES)[:3]), *optional_numbers(list(RESERVES)[3])),
    rows=_reserves(60),
    extra=("Time Zone", "PTID", "NYCA Regulation Movement ($/MW)"),
)
RESERVES_RT = replace(
    RESERVES_DA,
    name="reserves_rt",
    requests=_daily("rtasp", "rtasp"),
    rows=_reserves(5, "_rt"),
    known=LagRule(rule="interval_end", minutes=5),
    ahead=timedelta(hours=1),
)
INTERFACE_FLOWS = replace(
    LBMP_RT,
    name="interfaces",
    table=INTERFACES,
    requests=_daily("ExternalLimitsFlows", "ExternalLimitsFlows"),
    fields=(*texts("Timestamp", "Interface Name"), *numbers(FLOW, LIMIT_POS, LIMIT_NEG)),
    rows=_interfaces,
    extra=("Point ID",),
)
OUTAGE_FORECAST = Product(
    provider="nyiso",
    name="outage_forecast",
    table=QUANTITIES,
    requests=lambda _ask: (Request("genmaint/gen_maint_report.csv"),),
    records=records,
    fields=(*texts("Date"), number(OUTAGE)),
    rows=_outages,
    known=DayRule(rule="day", days=-1, at=time(12, 0)),
    chunk_days=30,
    settles=timedelta(0),
    ahead=timedelta(days=30),
    by_region=False,
)
PRODUCTS = (
    LBMP_DA,
    LBMP_RT,
    LBMP_RT_HOURLY,
    NODAL_DA,
    LOAD_FORECAST,
    FUEL,
    LOAD_ACTUAL,
    RESERVES_DA,
    RESERVES_RT,
    INTERFACE_FLOWS,
    OUTAGE_FORECAST,
)
