"""ENTSO-E Transparency Platform: prices, load, generation, imbalance, outages, flows. docs/sources/entsoe.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta

import polars as pl

from pipeline_tasks.contracts.grid import OUTAGES
from pipeline_tasks.contracts.raw import INTERFACES, PRICES, QUANTITIES
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.live.answers import Member
from pipeline_tasks.sources.live.entsoe_xml import COLUMNS, RESOLUTIONS, outages, points
from pipeline_tasks.sources.live.product import Ask, Field, Product, Request, number, shaped, texts
from pipeline_tasks.sources.live.walls import offset

FUELS = {
    "B01": "biomass",
    "B02": "lignite",
    "B03": "gas",
    "B04": "gas",
    "B05": "coal",
    "B06": "oil",
    "B07": "oil",
    "B08": "other",
    "B09": "other",
    "B10": "storage",
    "B11": "hydro",
    "B12": "hydro",
    "B13": "other",
    "B14": "nuclear",
    "B15": "renewables",
    "B16": "solar",
    "B17": "other",
    "B18": "wind",
    "B19": "wind",
    "B20": "other",
    "B25": "storage",
}
OUTAGE_KINDS = {"A53": "planned", "A54": "forced"}


def _ask(document: str, process: str = "", **places: str) -> Callable[[Ask], tuple[Request, ...]]:
    def requests(ask: Ask) -> tuple[Request, ...]:
        window = {"periodStart": f"{ask.start:%Y%m%d%H%M}", "periodEnd": f"{ask.end:%Y%m%d%H%M}"}
        first, _, second = ask.region.partition(">")
        given = {name: value.format(region=first, other=second) for name, value in places.items()}
        return (Request("api", {"documentType": document, **({"processType": process} if process else {}), **given, **window}),)

    return requests


def _points(member: Member, _ask: Ask) -> pl.DataFrame:
    return points(member)


def _outage_records(member: Member, _ask: Ask) -> pl.DataFrame:
    return outages(member)


def _placed(records: pl.DataFrame) -> pl.DataFrame:
    minutes = pl.col("resolution").replace_strict(RESOLUTIONS, default=None, return_dtype=pl.Int64)
    return records.with_columns(offset("start").alias("delivery_ts"), minutes.alias("resolution_min"), pl.col("start").alias("_said"))


def _here(ask: Ask) -> str:
    return next(iter(ask.regions.values()), ask.market.area)


def _prices(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Day-ahead prices; where an area publishes several auction sequences, the first is the coupled one."""
    first = records.filter(pl.col("sequence").fill_null("1") == "1")
    named = _placed(first).with_columns(pl.col("value").alias("price_ccy_per_mwh"))
    finest = named.filter(pl.col("resolution_min") == pl.col("resolution_min").min().over(pl.col("delivery_ts").dt.truncate("1h")))
    return shaped(PRICES, finest, ask, hub=_here(ask), product="da")


def _imbalance(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Imbalance prices; one price for both directions, or that of shortage (A05, insufficient balance)."""
    kept = records.filter(pl.col("category").is_in(["", "A05"]))
    named = (
        _placed(kept)
        .with_columns(pl.col("value").alias("price_ccy_per_mwh"))
        .unique(["delivery_ts", "resolution_min"], keep="first", maintain_order=True)
    )
    return shaped(PRICES, named, ask, hub=_here(ask), product="imbalance")


def _quantity(name: str, kind: str) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        named = _placed(records).with_columns(pl.col("value"))
        return shaped(QUANTITIES, named, ask, area=_here(ask), quantity=name, kind=kind, unit="MW")

    return rows


def _by_fuel(kind: str) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """Types of one fuel are added up (offshore and onshore wind); what a plant takes from the grid counts negative."""

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        sign = pl.when(pl.col("in_zone").is_null() & pl.col("out_zone").is_not_null()).then(-1.0).otherwise(1.0)
        value = pl.col("value").cast(pl.Float64, strict=False) * sign
        named = _placed(records).with_columns(pl.col("psr").replace_strict(FUELS, default="other").alias("quantity"), value.alias("value"))
        added = named.group_by("quantity", "delivery_ts", "resolution_min", maintain_order=True).agg(
            pl.when(pl.col("value").null_count() == 0).then(pl.col("value").sum()).alias("value"), pl.col("_said").first()
        )
        return shaped(QUANTITIES, added, ask, area=_here(ask), kind=kind, unit="MW")

    return rows


def _flows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    named = _placed(records).with_columns(pl.col("value").alias("flow_mw"))
    return shaped(INTERFACES, named, ask, interface=_here(ask))


def _outages(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Announced unavailabilities of units; a withdrawn one ends at its start's next minute, so that nothing is out."""
    start = offset("start")
    withdrawn = pl.col("status").is_in(["A09", "A13"])
    named = records.with_columns(
        pl.lit("unit").alias("element_kind"),
        pl.col("unit").alias("element"),
        pl.col("mrid").alias("outage_id"),
        pl.col("business").replace_strict(OUTAGE_KINDS, default="forced").alias("kind"),
        start.alias("delivery_ts"),
        pl.col("start").alias("_said"),
        pl.when(withdrawn).then(start + pl.duration(minutes=1)).otherwise(offset("end")).alias("end_ts"),
        pl.min_horizontal(offset("created"), pl.lit(ask.fetched_ts).cast(pl.Datetime("ms", "UTC"))).alias("known_ts"),
        (pl.col("revision").cast(pl.Int64, strict=False) - 1).alias("revision"),
        pl.col("nominal").alias("nominal_mw"),
        pl.col("available").alias("available_mw"),
    )
    return shaped(OUTAGES, named, ask)


_USED = {"psr", "in_zone", "out_zone", "sequence", "category", "start", "resolution"}
_EXTRA = tuple(c for c in COLUMNS if c not in _USED)
_POINT = (*texts("start", "resolution"), number("value"))
_MW = (*_POINT, Field("unit", "unit", ("MAW",)))
_ACTUAL = LagRule(rule="interval_end", minutes=60)
_DAY_BEFORE = DayRule(rule="day", days=-1, at=time(8, 0))

PRICES_DA = Product(
    provider="entsoe",
    name="prices_da",
    table=PRICES,
    requests=_ask("A44", in_Domain="{region}", out_Domain="{region}", **{"contract_MarketAgreement.type": "A01"}),
    records=_points,
    fields=(*_POINT, Field("sequence"), Field("price_unit", "unit", ("MWH",))),
    rows=_prices,
    known=DayRule(rule="day", days=-1, at=time(12, 57)),
    extra=(*_EXTRA, *_USED),
    chunk_days=30,
    settles=timedelta(days=3),
    ahead=timedelta(days=2),
)
IMBALANCE = replace(
    PRICES_DA,
    name="imbalance_prices",
    requests=_ask("A85", controlArea_Domain="{region}"),
    fields=(*_POINT, Field("category")),
    rows=_imbalance,
    known=LagRule(rule="interval_end", minutes=60),
    settles=timedelta(days=45),
    ahead=timedelta(hours=1),
    chunk_days=7,
)
LOAD_FORECAST = Product(
    provider="entsoe",
    name="load_forecast_da",
    table=QUANTITIES,
    requests=_ask("A65", "A01", outBiddingZone_Domain="{region}"),
    records=_points,
    fields=_MW,
    rows=_quantity("load", "forecast"),
    known=_DAY_BEFORE,
    extra=(*_EXTRA, *_USED),
    chunk_days=30,
    settles=timedelta(days=2),
    ahead=timedelta(days=2),
)
LOAD_ACTUAL = replace(
    LOAD_FORECAST,
    name="load_actual",
    requests=_ask("A65", "A16", outBiddingZone_Domain="{region}"),
    rows=_quantity("load", "actual"),
    known=_ACTUAL,
    settles=timedelta(days=5),
    ahead=timedelta(hours=1),
)
GENERATION_FORECAST = replace(
    LOAD_FORECAST,
    name="generation_forecast_da",
    requests=_ask("A71", "A01", in_Domain="{region}"),
    rows=_quantity("generation", "forecast"),
    known=DayRule(rule="day", days=-1, at=time(18, 0)),
)
RENEWABLES_FORECAST = replace(
    LOAD_FORECAST,
    name="renewables_forecast_da",
    requests=_ask("A69", "A01", in_Domain="{region}"),
    fields=(*_MW, *texts("psr", "in_zone", "out_zone")),
    rows=_by_fuel("forecast"),
    known=DayRule(rule="day", days=-1, at=time(18, 0)),
)
GENERATION_ACTUAL = replace(
    LOAD_ACTUAL,
    name="generation_actual",
    requests=_ask("A75", "A16", in_Domain="{region}"),
    fields=(*_MW, *texts("psr", "in_zone", "out_zone")),
    rows=_by_fuel("actual"),
    chunk_days=7,
)
FLOWS = Product(
    provider="entsoe",
    name="flows_actual",
    table=INTERFACES,
    requests=_ask("A11", in_Domain="{other}", out_Domain="{region}"),
    records=_points,
    fields=_MW,
    rows=_flows,
    known=_ACTUAL,
    extra=(*_EXTRA, *_USED),
    chunk_days=30,
    settles=timedelta(days=5),
    ahead=timedelta(hours=1),
)
UNIT_OUTAGES = Product(
    provider="entsoe",
    name="unit_outages",
    table=OUTAGES,
    requests=_ask("A80", BiddingZone_Domain="{region}"),
    records=_outage_records,
    fields=texts("mrid", "revision", "status", "created", "business", "unit", "nominal", "psr", "start", "end", "available"),
    rows=_outages,
    known=_ACTUAL,
    chunk_days=7,
    settles=timedelta(days=30),
    ahead=timedelta(days=14),
)
PRODUCTS = (
    PRICES_DA,
    IMBALANCE,
    LOAD_FORECAST,
    LOAD_ACTUAL,
    GENERATION_FORECAST,
    RENEWABLES_FORECAST,
    GENERATION_ACTUAL,
    FLOWS,
    UNIT_OUTAGES,
)
