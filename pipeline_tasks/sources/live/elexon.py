"""Elexon Insights (BMRS): system prices, bids and offers, forecasts by settlement period. docs/sources/elexon.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import polars as pl

from pipeline_tasks.contracts.grid import OFFERS
from pipeline_tasks.contracts.raw import PRICES, QUANTITIES, UNITS
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.live.answers import AnswerError, Member, NoDataError, json_of, records_of
from pipeline_tasks.sources.live.product import Ask, Product, Request, number, numbers, shaped, texts
from pipeline_tasks.sources.live.walls import elapsed, utc

FUELS = {
    "BIOMASS": "biomass",
    "CCGT": "gas",
    "OCGT": "gas",
    "COAL": "coal",
    "NUCLEAR": "nuclear",
    "OIL": "oil",
    "WIND": "wind",
    "NPSHYD": "hydro",
    "PS": "storage",
    "OTHER": "other",
}


def _by_day(path: str, **params: str) -> Callable[[Ask], tuple[Request, ...]]:
    def requests(ask: Ask) -> tuple[Request, ...]:
        return tuple(Request(path.format(day=day), {k: v.format(day=day) for k, v in params.items()}) for day in ask.days)

    return requests


def _window(path: str, first: str, last: str) -> Callable[[Ask], tuple[Request, ...]]:
    def requests(ask: Ask) -> tuple[Request, ...]:
        return (
            Request(
                path, {first: f"{ask.start:%Y-%m-%dT%H:%MZ}", last: f"{ask.end - timedelta(minutes=1):%Y-%m-%dT%H:%MZ}", "format": "json"}
            ),
        )

    return requests


def records(member: Member, _ask: Ask) -> pl.DataFrame:
    """The rows of an answer, bare or below `data`."""
    document: Any = json_of(member)
    rows = document.get("data") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise AnswerError("not_json", "Elexon's answer holds no list of rows")
    if not rows:
        raise NoDataError("no rows")
    return records_of(rows)


def _period(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Settlement periods count half hours through the local day: 46, 48 or 50 of them."""
    day, period = pl.col("settlementDate").str.to_date(strict=False), pl.col("settlementPeriod").cast(pl.Int64, strict=False)
    said = pl.concat_str("settlementDate", pl.lit(" period "), "settlementPeriod", ignore_nulls=True)
    return records.with_columns(
        elapsed(day, period, ask.market.time_zone, 30).alias("delivery_ts"), pl.lit(30).alias("resolution_min"), said.alias("_said")
    )


def _system_price(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    named = _period(records, ask).with_columns(pl.col("systemSellPrice").alias("price_ccy_per_mwh"))
    return shaped(PRICES, named, ask, hub=ask.market.hubs[0], product="imbalance")


def _market_index(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """The market index price of one provider (APX by default), a short-term price and no auction's."""
    kept = records.filter(pl.col("dataProvider").is_in(list(ask.regions))) if ask.regions else records
    traded = kept.filter(pl.col("volume").cast(pl.Float64, strict=False) > 0)
    named = _period(traded, ask).with_columns(pl.col("price").alias("price_ccy_per_mwh"))
    return shaped(PRICES, named, ask, hub=ask.market.hubs[0], product="da")


def _offers(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Bid-offer pairs by unit and period: pairs above zero offer more output, those below bid for less; both prices of a pair are kept."""
    pair = pl.col("pairId").cast(pl.Int64, strict=False)
    level = [pl.col(c).cast(pl.Float64, strict=False) for c in ("levelFrom", "levelTo")]
    placed = _period(records, ask).with_columns(
        pl.col("bmUnit").alias("unit_id"),
        (pair.abs() - 1).alias("block"),
        pl.min_horizontal(level[0].abs(), level[1].abs()).alias("block_mw"),
        pl.lit("interval").alias("window"),
        pl.lit("").alias("owner"),
        pair.alias("_pair"),
    )
    more = placed.filter(pl.col("_pair") > 0).with_columns(pl.lit("bm_offer").alias("product"), pl.col("offer").alias("price_ccy_per_mwh"))
    less = placed.filter(pl.col("_pair") < 0).with_columns(pl.lit("bm_bid").alias("product"), pl.col("bid").alias("price_ccy_per_mwh"))
    return shaped(OFFERS, pl.concat([more, less]).drop("_pair"), ask)


def _levels(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Declared output by unit: the mean of both ends of each span of a whole settlement period."""
    start, end = utc("timeFrom"), utc("timeTo")
    level = [pl.col(c).cast(pl.Float64, strict=False) for c in ("levelFrom", "levelTo")]
    placed = records.with_columns(
        start.alias("delivery_ts"),
        (end - start).dt.total_minutes().alias("resolution_min"),
        pl.col("timeFrom").alias("_said"),
        pl.col("nationalGridBmUnit").alias("unit_id"),
        pl.lit("").alias("fuel"),
        ((level[0] + level[1]) / 2).alias("output_mw"),
    )
    return shaped(UNITS, placed, ask)


def _fuel(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    kept = records.filter(pl.col("fuelType").is_in(list(FUELS)))
    named = kept.with_columns(
        utc("startTime").alias("delivery_ts"),
        pl.lit(30).alias("resolution_min"),
        pl.col("startTime").alias("_said"),
        pl.col("fuelType").replace(FUELS).alias("quantity"),
        pl.col("generation").cast(pl.Float64, strict=False).alias("value"),
    )
    added = named.group_by("quantity", "delivery_ts", "resolution_min", maintain_order=True).agg(
        pl.col("value").sum(), pl.col("_said").first()
    )
    return shaped(QUANTITIES, added, ask, area=ask.market.area, kind="actual", unit="MW")


def _demand(column: str, kind: str, published: str = "") -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        named = records.with_columns(
            utc("startTime").alias("delivery_ts"),
            pl.lit(30).alias("resolution_min"),
            pl.col("startTime").alias("_said"),
            pl.col(column).alias("value"),
        )
        if published:
            named = named.with_columns(utc(published).alias("known_ts"))
            named = named.filter(pl.col("delivery_ts").is_null() | (pl.col("known_ts") <= pl.col("delivery_ts")))
        return shaped(QUANTITIES, named, ask, area=ask.market.area, quantity="load", kind=kind, unit="MW")

    return rows


def _wind(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    named = records.with_columns(
        utc("startTime").alias("delivery_ts"),
        utc("publishTime").alias("known_ts"),
        pl.lit(60).alias("resolution_min"),
        pl.col("startTime").alias("_said"),
        pl.col("generation").alias("value"),
    )
    ahead = named.filter(pl.col("delivery_ts").is_null() | (pl.col("known_ts") <= pl.col("delivery_ts")))
    return shaped(QUANTITIES, ahead, ask, area=ask.market.area, quantity="wind", kind="forecast", unit="MW")


_PERIOD = texts("settlementDate", "settlementPeriod")
SYSTEM_PRICE = Product(
    provider="elexon",
    name="system_price",
    table=PRICES,
    requests=_by_day("balancing/settlement/system-prices/{day}", format="json"),
    records=records,
    fields=(*_PERIOD, *numbers("systemSellPrice")),
    rows=_system_price,
    known=LagRule(rule="interval_end", minutes=25),
    extra=(
        "startTime",
        "createdDateTime",
        "systemBuyPrice",
        "bsadDefaulted",
        "priceDerivationCode",
        "reserveScarcityPrice",
        "netImbalanceVolume",
        "sellPriceAdjustment",
        "buyPriceAdjustment",
        "replacementPrice",
        "replacementPriceReferenceVolume",
        "totalAcceptedOfferVolume",
        "totalAcceptedBidVolume",
        "totalAdjustmentSellVolume",
        "totalAdjustmentBuyVolume",
        "totalSystemTaggedAcceptedOfferVolume",
        "totalSystemTaggedAcceptedBidVolume",
        "totalSystemTaggedAdjustmentSellVolume",
        "totalSystemTaggedAdjustmentBuyVolume",
    ),
    settles=timedelta(days=35),
    ahead=timedelta(hours=1),
    by_region=False,
)
MARKET_INDEX = replace(
    SYSTEM_PRICE,
    name="market_index",
    requests=_window("balancing/pricing/market-index", "from", "to"),
    fields=(*_PERIOD, *texts("dataProvider"), *numbers("price", "volume")),
    rows=_market_index,
    extra=("startTime",),
    chunk_days=7,
    settles=timedelta(days=3),
)
BIDS_OFFERS = Product(
    provider="elexon",
    name="bids_offers",
    table=OFFERS,
    requests=lambda ask: tuple(
        Request("balancing/bid-offer/all", {"settlementDate": str(d), "settlementPeriod": str(p)}, absent_ok=True)
        for d in ask.days
        for p in range(1, 51)
    ),
    records=records,
    fields=(*_PERIOD, *texts("bmUnit"), *numbers("pairId", "offer", "bid", "levelFrom", "levelTo")),
    rows=_offers,
    known=LagRule(rule="interval_start", minutes=-60),
    extra=("dataset", "timeFrom", "timeTo", "nationalGridBmUnit"),
    settles=timedelta(days=1),
    ahead=timedelta(hours=1),
    by_region=False,
)
PHYSICAL = Product(
    provider="elexon",
    name="physical_notifications",
    table=UNITS,
    requests=lambda ask: tuple(
        Request("balancing/physical/all", {"dataset": "PN", "settlementDate": str(d), "settlementPeriod": str(p)}, absent_ok=True)
        for d in ask.days
        for p in range(1, 51)
    ),
    records=records,
    fields=(*texts("nationalGridBmUnit", "timeFrom", "timeTo"), *numbers("levelFrom", "levelTo")),
    rows=_levels,
    known=LagRule(rule="interval_start", minutes=-60),
    extra=("dataset", "settlementDate", "settlementPeriod", "bmUnit", "acceptanceNumber"),
    settles=timedelta(days=1),
    ahead=timedelta(hours=1),
    by_region=False,
)
FUEL = Product(
    provider="elexon",
    name="generation_by_fuel",
    table=QUANTITIES,
    requests=_window("datasets/FUELHH", "publishDateTimeFrom", "publishDateTimeTo"),
    records=records,
    fields=(*texts("startTime", "fuelType"), *numbers("generation")),
    rows=_fuel,
    known=LagRule(rule="interval_end", minutes=30),
    extra=("dataset", "publishTime", "settlementDate", "settlementPeriod"),
    chunk_days=1,
    settles=timedelta(days=3),
    ahead=timedelta(hours=1),
    by_region=False,
)
LOAD_ACTUAL = replace(
    FUEL,
    name="load_actual",
    requests=_by_day("demand/outturn", settlementDateFrom="{day}", settlementDateTo="{day}", format="json"),
    fields=(*texts("startTime"), number("initialDemandOutturn")),
    rows=_demand("initialDemandOutturn", "actual"),
    extra=("publishTime", "settlementDate", "settlementPeriod", "initialTransmissionSystemDemandOutturn"),
)
LOAD_FORECAST = replace(
    FUEL,
    name="load_forecast",
    requests=_window("forecast/demand/day-ahead/history", "publishTime", "to"),
    fields=(*texts("startTime", "publishTime"), number("nationalDemand")),
    rows=_demand("nationalDemand", "forecast", "publishTime"),
    extra=("settlementDate", "settlementPeriod", "boundary", "transmissionSystemDemand"),
    known=DayRule(rule="day", days=-1, at=time(9, 0)),
    ahead=timedelta(days=2),
)
WIND_FORECAST = replace(
    FUEL,
    name="wind_forecast",
    requests=_window("forecast/generation/wind", "from", "to"),
    fields=(*texts("startTime", "publishTime"), *numbers("generation")),
    rows=_wind,
    extra=("dataset",),
    known=DayRule(rule="day", days=-1, at=time(9, 0)),
    ahead=timedelta(days=2),
)
PRODUCTS = (SYSTEM_PRICE, MARKET_INDEX, BIDS_OFFERS, PHYSICAL, FUEL, LOAD_ACTUAL, LOAD_FORECAST, WIND_FORECAST)
