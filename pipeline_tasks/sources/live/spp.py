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
OWN_AREA = ("SPP", "SWPP", "")
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


def _forecast(quantity: str, column: str) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """Hours of the chunk from the file of the morning before; where it names balancing areas, those of SPP itself."""

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        own = records.filter(pl.col("BAA").fill_null("").is_in(list(OWN_AREA))) if "BAA" in records.columns else records
        end = either("GMTIntervalEnd", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M").dt.replace_time_zone("UTC")
        placed = own.with_columns(
            (end - pl.duration(minutes=60)).alias("delivery_ts"), pl.col("GMTIntervalEnd").alias("_said"), pl.col(column).alias("value")
        )
        stamp, filled = pl.col("delivery_ts"), pl.col("value").is_not_null() & (pl.col("value").str.strip_chars() != "")
        inside = placed.filter(filled & (stamp.is_null() | ((stamp >= ask.start) & (stamp < ask.end))))
        return shaped(QUANTITIES, inside, ask, area=ask.market.area, quantity=quantity, kind="forecast", unit="MW", resolution_min=60)

    return rows


def _morning_before(product: str, name: str) -> Callable[[Ask], tuple[Request, ...]]:
    """The file of eight o'clock on the day before each day of the chunk."""

    def requests(ask: Ask) -> tuple[Request, ...]:
        days = (d - timedelta(days=1) for d in ask.days)
        return tuple(Request(product, {"path": f"/{d:%Y}/{d:%m}/{d:%d}/{name}-{d:%Y%m%d}0800.csv"}, absent_ok=True) for d in days)

    return requests


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
LOAD_FORECAST = Product(
    provider="spp",
    name="load_forecast_da",
    table=QUANTITIES,
    requests=_morning_before("mtlf-vs-actual", "OP-MTLF"),
    records=records,
    fields=(*texts("GMTIntervalEnd"), number("MTLF")),
    rows=_forecast("load", "MTLF"),
    known=DayRule(rule="day", days=-1, at=time(8, 15)),
    extra=("*",),
    settles=timedelta(days=1),
    ahead=timedelta(days=1),
    by_region=False,
)
WIND_FORECAST = replace(
    LOAD_FORECAST,
    name="wind_forecast_da",
    requests=_morning_before("midterm-resource-forecast", "OP-MTRF"),
    fields=(*texts("GMTIntervalEnd"), number("Wind Forecast MW")),
    rows=_forecast("wind", "Wind Forecast MW"),
)
SOLAR_FORECAST = replace(
    WIND_FORECAST,
    name="solar_forecast_da",
    fields=(*texts("GMTIntervalEnd"), number("Solar Forecast MW")),
    rows=_forecast("solar", "Solar Forecast MW"),
)
PRODUCTS = (
    LMP_DA,
    LMP_RT,
    NODAL_DA,
    NODAL_RT,
    RESERVES_DA,
    RESERVES_RT,
    OUTAGE_FORECAST,
    LOAD_FORECAST,
    WIND_FORECAST,
    SOLAR_FORECAST,
)
