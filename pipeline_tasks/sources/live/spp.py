"""Southwest Power Pool: prices by settlement location, reserves by zone, in local time and GMT; outages. docs/sources/spp.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import polars as pl

from pipeline_tasks.contracts.grid import NODAL_PRICES
from pipeline_tasks.contracts.raw import PRICES, QUANTITIES
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.live.answers import Member, csv_of
from pipeline_tasks.sources.live.product import Ask, Product, Request, either, number, numbers, optional_numbers, shaped, texts, unpivoted

PARTS = {"LMP": "price_ccy_per_mwh", "MEC": "energy_ccy_per_mwh", "MCC": "congestion_ccy_per_mwh", "MLC": "loss_ccy_per_mwh"}

RESERVES = {
    "RegUP": "regup",
    "RegDN": "regdn",
    "RampUP": "ramp_up",
    "RampDN": "ramp_down",
    "Spin": "reserve_10s",
    "Supp": "reserve_10n",
    "UncUP": "uncertainty_up",
}
RESERVES_IN_RT = {{"RegUP": "RegUPService", "RegDN": "RegDNService"}.get(k, k): f"{v}_rt" for k, v in RESERVES.items()}
PUBLISHED = time(8, 0)  # of the report on outages, local


def records(member: Member, _ask: Ask) -> pl.DataFrame:
    """The CSV of a file; daily files spell two columns otherwise."""
    frame = csv_of(member)
    return frame.rename(
        {
            " Settlement Location": "Settlement Location",
            "GMT Interval": "GMTIntervalEnd",
            "Settlement Location Name": "Settlement Location",
        },
        strict=False,
    )


def _lmp(product: str, minutes: int, *, nodal: bool) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """Stamps name the end of the interval; the GMT one is read, so that daylight saving plays no part."""
    table, place = (NODAL_PRICES, "node") if nodal else (PRICES, "hub")

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        kept = records.filter(pl.col("Settlement Location").is_in(list(ask.regions))) if ask.regions else records
        end = pl.col("GMTIntervalEnd").str.to_datetime("%m/%d/%Y %H:%M:%S", time_unit="ms", strict=False).dt.replace_time_zone("UTC")
        named = kept.with_columns(
            (end - pl.duration(minutes=minutes)).alias("delivery_ts"),
            pl.lit(minutes).alias("resolution_min"),
            pl.col("GMTIntervalEnd").alias("_said"),
            pl.col("Settlement Location").replace(dict(ask.regions)).alias(place),
            *(pl.col(k).alias(v) for k, v in PARTS.items()),
        )
        return shaped(table, named, ask, product=product)

    return rows


def _da_files(ask: Ask) -> tuple[Request, ...]:
    return tuple(
        Request("da-lmp-by-location", {"path": f"/{d:%Y}/{d:%m}/By_Day/DA-LMP-SL-{d:%Y%m%d}0100.csv"}, absent_ok=True) for d in ask.days
    )


def _rt_files(ask: Ask) -> tuple[Request, ...]:
    return tuple(
        Request("rtbm-lmp-by-location", {"path": f"/{d:%Y}/{d:%m}/By_Day/RTBM-LMP-DAILY-SL-{d:%Y%m%d}.csv"}, absent_ok=True)
        for d in ask.days
    )


def _reserves(products: dict[str, str], minutes: int) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """Clearing prices by reserve zone."""

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        kept = records.filter(pl.col("Reserve Zone").is_in(list(ask.regions))) if ask.regions else records
        end = either("GMTIntervalEnd", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M").dt.replace_time_zone("UTC")
        placed = kept.with_columns(
            (end - pl.duration(minutes=minutes)).alias("delivery_ts"),
            pl.col("GMTIntervalEnd").alias("_said"),
            pl.col("Reserve Zone").str.strip_chars().replace(dict(ask.regions)).alias("hub"),
        )
        long = unpivoted(placed, products, ["hub", "delivery_ts", "_said"], "product", "price_ccy_per_mwh")
        return shaped(PRICES, long, ask, resolution_min=minutes)

    return rows


def _outages(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Capacity on outage by hour (stamps are GMT, interval end) for a week, known when the report of the chunk's day comes out."""
    made = datetime.combine(ask.first, PUBLISHED, tzinfo=ask.market.zone).astimezone(UTC)
    end = either("Market Hour", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S").dt.replace_time_zone(
        "UTC"
    )
    named = records.with_columns(
        (end - pl.duration(minutes=60)).alias("delivery_ts"),
        pl.col("Market Hour").alias("_said"),
        pl.col("Outaged MW").alias("value"),
        pl.lit(made).cast(pl.Datetime("ms", "UTC")).alias("known_ts"),
    )
    ahead = named.filter(pl.col("delivery_ts").is_null() | (pl.col("known_ts") <= pl.col("delivery_ts")))
    return shaped(QUANTITIES, ahead, ask, area=ask.market.area, quantity="outages", kind="forecast", unit="MW", resolution_min=60)


def _file(product: str, name: str) -> Callable[[Ask], tuple[Request, ...]]:
    """`name` is a pattern of the day within the product's folder."""

    def requests(ask: Ask) -> tuple[Request, ...]:
        return tuple(Request(product, {"path": f"/{d:%Y}/{d:%m}/{d.strftime(name)}"}, absent_ok=True) for d in ask.days)

    return requests


_FIELDS = (*texts("GMTIntervalEnd", "Settlement Location"), *numbers(*PARTS))
LMP_DA = Product(
    provider="spp",
    name="lmp_da",
    table=PRICES,
    requests=_da_files,
    records=records,
    fields=_FIELDS,
    rows=_lmp("da", 60, nodal=False),
    known=DayRule(rule="day", days=-1, at=time(13, 0)),
    extra=("Interval", "Pnode", "PNODE Name", "PNode"),
    settles=timedelta(days=5),
    ahead=timedelta(days=2),
    by_region=False,
)
LMP_RT = replace(
    LMP_DA,
    name="lmp_rt",
    requests=_rt_files,
    rows=_lmp("rt", 5, nodal=False),
    known=LagRule(rule="interval_end", minutes=5),
    ahead=timedelta(hours=1),
)
NODAL_DA = replace(LMP_DA, name="nodal_da", table=NODAL_PRICES, rows=_lmp("da", 60, nodal=True))
NODAL_RT = replace(LMP_RT, name="nodal_rt", table=NODAL_PRICES, rows=_lmp("rt", 5, nodal=True))
RESERVES_DA = replace(
    LMP_DA,
    name="reserves_da",
    requests=_file("da-mcp", "DA-MCP-%Y%m%d0100.csv"),
    fields=(
        *texts("GMTIntervalEnd", "Reserve Zone"),
        *numbers("RegUP", "RegDN", "Spin", "Supp"),
        *optional_numbers("RampUP", "RampDN", "UncUP"),
    ),
    rows=_reserves(RESERVES, 60),
    extra=("Interval",),
)
RESERVES_RT = replace(
    LMP_RT,
    name="reserves_rt",
    requests=_file("rtbm-mcp", "By_Day/RTBM-MCP-DAILY-%Y%m%d.csv"),
    fields=(
        *texts("GMTIntervalEnd", "Reserve Zone"),
        *numbers("RegUPService", "RegDNService", "Spin", "Supp"),
        *optional_numbers("RampUP", "RampDN", "UncUP"),
    ),
    rows=_reserves(RESERVES_IN_RT, 5),
    extra=("Interval", "RegUpMile", "RegDNMile"),
)
OUTAGE_FORECAST = Product(
    provider="spp",
    name="outage_forecast",
    table=QUANTITIES,
    requests=_file("capacity-of-generation-on-outage", "Capacity-Gen-Outage-%Y%m%d.csv"),
    records=records,
    fields=(*texts("Market Hour"), number("Outaged MW")),
    rows=_outages,
    known=DayRule(rule="day", days=-1, at=PUBLISHED),
    extra=("*",),  # a column per fuel
    settles=timedelta(days=1),
    ahead=timedelta(0),
    by_region=False,
)
PRODUCTS = (LMP_DA, LMP_RT, NODAL_DA, NODAL_RT, RESERVES_DA, RESERVES_RT, OUTAGE_FORECAST)
