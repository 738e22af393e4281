"""European Central Bank: euro reference rates. docs/sources/ecb.md."""

from __future__ import annotations

from datetime import time, timedelta

import polars as pl

from pipeline_tasks.contracts.raw import COMMODITIES
from pipeline_tasks.sources.importers import DayRule
from pipeline_tasks.sources.live.answers import Member, csv_of
from pipeline_tasks.sources.live.product import Ask, Product, Request, numbers, shaped, texts
from pipeline_tasks.sources.live.walls import midnight


def _requests(ask: Ask) -> tuple[Request, ...]:
    window = {"startPeriod": str(ask.first), "endPeriod": str(ask.last), "format": "csvdata", "detail": "dataonly"}
    return (Request(f"EXR/D.{ask.region}.EUR.SP00.A", window, absent_ok=True),)


def _records(member: Member, _ask: Ask) -> pl.DataFrame:
    return csv_of(member)


def _rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """The ECB quotes units of the currency per euro; `raw.commodities` wants euros per unit of it."""
    rate = pl.col("OBS_VALUE").cast(pl.Float64, strict=False)
    named = records.with_columns(
        midnight("TIME_PERIOD", "%Y-%m-%d", ask.market.time_zone).alias("delivery_ts"),
        pl.col("TIME_PERIOD").alias("_said"),
        (1 / rate).alias("price_ccy_per_unit"),
    )
    published = named.filter(rate.is_not_null())
    place = next(iter(ask.regions.values()))
    return shaped(COMMODITIES, published, ask, commodity="fx", hub=place, unit=ask.region, currency="EUR", resolution_min=1440)


RATES = Product(
    provider="ecb",
    name="fx",
    table=COMMODITIES,
    requests=_requests,
    records=_records,
    fields=(*texts("TIME_PERIOD", "CURRENCY", "CURRENCY_DENOM"), *numbers("OBS_VALUE")),
    rows=_rows,
    known=DayRule(rule="day", days=0, at=time(16, 0), zone="Europe/Berlin"),
    extra=("KEY", "FREQ", "EXR_TYPE", "EXR_SUFFIX"),
    chunk_days=180,
    settles=timedelta(days=5),
    ahead=timedelta(0),
)
PRODUCTS = (RATES,)
