"""US Energy Information Administration, API v2: EIA-930, Henry Hub, gas storage. docs/sources/eia.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import polars as pl

from pipeline_tasks.contracts.raw import COMMODITIES, INTERFACES, QUANTITIES
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.live.answers import AnswerError, Member, json_of, records_of
from pipeline_tasks.sources.live.product import Ask, Field, Product, Request, number, shaped, texts
from pipeline_tasks.sources.live.walls import midnight, utc
from pipeline_tasks.sources.units import conversion

FUELS = {
    "COL": "coal",
    "NG": "gas",
    "NUC": "nuclear",
    "OIL": "oil",
    "WAT": "hydro",
    "SUN": "solar",
    "WND": "wind",
    "OTH": "other",
    "BAT": "storage",
    "PS": "storage",
    "GEO": "other",
    "SNB": "solar",
    "UES": "storage",
    "WNB": "wind",
    "OES": "storage",
    "UNK": "other",
}
REGION_SERIES = {"D": ("load", "actual"), "DF": ("load", "forecast"), "NG": ("generation", "actual"), "TI": ("imports", "actual")}
PAGE = 5000


def records(member: Member, _ask: Ask) -> pl.DataFrame:
    """The rows of an answer.

    Raises:
        AnswerError: the API names an error, or says that it holds more rows than it sent.
    """
    document: dict[str, Any] = json_of(member)
    if "error" in document:
        raise AnswerError("error_body", f"EIA: {str(document['error'])[:200]}", transient=False)
    response = document.get("response", {})
    rows = response.get("data", [])
    if len(rows) >= PAGE and int(response.get("total") or 0) > len(rows):
        raise AnswerError("truncated", f"EIA sent {len(rows)} of {response['total']} rows; ask for shorter chunks", transient=False)
    return records_of(rows)


def _hourly(route: str, **facets: str) -> Callable[[Ask], tuple[Request, ...]]:
    """An EIA-930 query; hours are labelled by their UTC end, so the first one asked for ends an hour after the chunk starts."""

    def requests(ask: Ask) -> tuple[Request, ...]:
        first, last = ask.start + timedelta(hours=1), ask.end
        first_place, _, second_place = ask.region.partition(">")
        given = {f"facets[{k}][]": v.format(region=first_place, other=second_place) for k, v in facets.items()}
        window = {
            "frequency": "hourly",
            "data[0]": "value",
            "start": f"{first:%Y-%m-%dT%H}",
            "end": f"{last:%Y-%m-%dT%H}",
            "length": str(PAGE),
        }
        return (Request(f"electricity/rto/{route}/data/", {**window, **given}),)

    return requests


def _placed(records: pl.DataFrame, minutes: int) -> pl.DataFrame:
    """EIA-930 labels an hour by its end in UTC (API: `period` 2020-01-06T07 is 06:00 to 07:00)."""
    end = utc("_hour")
    records = records.with_columns(pl.concat_str("period", pl.lit(":00")).alias("_hour"))
    return records.with_columns(
        (end - pl.duration(minutes=minutes)).alias("delivery_ts"), pl.lit(minutes).alias("resolution_min"), pl.col("period").alias("_said")
    )


def _published(records: pl.DataFrame) -> pl.DataFrame:
    """Hours that the authority has not reported are null: nothing was published."""
    return records.filter(pl.col("value").is_not_null() & (pl.col("value") != ""))


def _area(ask: Ask) -> str:
    return next(iter(ask.regions.values()), ask.market.area)


def _fuel_rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    fuel = pl.col("fueltype").replace_strict(FUELS, default="other").alias("quantity")
    named = _placed(_published(records), 60).with_columns(fuel, pl.col("value").cast(pl.Float64, strict=False))
    added = named.group_by("quantity", "delivery_ts", "resolution_min", maintain_order=True).agg(
        pl.col("value").sum(), pl.col("_said").first()
    )
    return shaped(QUANTITIES, added, ask, area=_area(ask), kind="actual", unit="MW")


def _region_rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    series = pl.col("type")
    known = _published(records).filter(series.is_in(list(REGION_SERIES)))
    named = _placed(known, 60).with_columns(
        series.replace_strict({k: v[0] for k, v in REGION_SERIES.items()}, default=None).alias("quantity"),
        series.replace_strict({k: v[1] for k, v in REGION_SERIES.items()}, default=None).alias("kind"),
    )
    return shaped(QUANTITIES, named, ask, area=_area(ask), unit="MW")


def _exchange_rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    named = _placed(_published(records), 60).with_columns(pl.col("value").alias("flow_mw"))
    return shaped(INTERFACES, named, ask, interface=_area(ask))


def _series(route: str, series: str, frequency: str) -> Callable[[Ask], tuple[Request, ...]]:
    def requests(ask: Ask) -> tuple[Request, ...]:
        window = {"frequency": frequency, "data[0]": "value", "start": f"{ask.first}", "end": f"{ask.last}", "length": str(PAGE)}
        return (Request(f"natural-gas/{route}/data/", {**window, "facets[series][]": series}),)

    return requests


def _henry_hub(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    named = _published(records).with_columns(
        midnight("period", "%Y-%m-%d", ask.market.time_zone).alias("delivery_ts"),
        pl.col("period").alias("_said"),
        pl.col("value").alias("price_ccy_per_unit"),
    )
    return shaped(COMMODITIES, named, ask, commodity="gas", hub="HENRY_HUB", unit="MMBtu", currency="USD", resolution_min=1440)


def _storage(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    factor, _ = conversion("bcf", "GWh")
    value = pl.col("value").cast(pl.Float64, strict=False) * factor
    named = _published(records).with_columns(
        midnight("period", "%Y-%m-%d", ask.market.time_zone).alias("delivery_ts"), pl.col("period").alias("_said"), value.alias("value")
    )
    return shaped(QUANTITIES, named, ask, area="US", quantity="gas_storage", kind="actual", unit="GWh", resolution_min=1440)


_MWH = Field("value-units", "unit", ("megawatthours",))
_HOURLY_KNOWN = LagRule(rule="interval_end", minutes=120)
FUEL = Product(
    provider="eia",
    name="generation_by_fuel",
    table=QUANTITIES,
    requests=_hourly("fuel-type-data", respondent="{region}"),
    records=records,
    fields=(*texts("period", "respondent", "fueltype"), number("value"), _MWH),
    rows=_fuel_rows,
    known=_HOURLY_KNOWN,
    extra=("respondent-name", "type-name"),
    chunk_days=10,
    settles=timedelta(days=60),
    ahead=timedelta(hours=1),
)
REGION = replace(
    FUEL,
    name="demand",
    requests=_hourly("region-data", respondent="{region}"),
    fields=(*texts("period", "respondent", "type"), number("value"), _MWH),
    rows=_region_rows,
)
EXCHANGE = replace(
    FUEL,
    name="interchange",
    table=INTERFACES,
    requests=_hourly("interchange-data", fromba="{region}", toba="{other}"),
    fields=(*texts("period", "fromba", "toba"), number("value"), _MWH),
    rows=_exchange_rows,
    extra=("fromba-name", "toba-name"),
    chunk_days=100,
)
_SERIES_EXTRA = ("duoarea", "area-name", "product", "product-name", "process", "process-name", "series", "series-description")
HENRY_HUB = Product(
    provider="eia",
    name="henry_hub",
    table=COMMODITIES,
    requests=_series("pri/fut", "RNGWHHD", "daily"),
    records=records,
    fields=(*texts("period"), number("value"), Field("units", "unit", ("$/MMBTU",))),
    rows=_henry_hub,
    known=DayRule(rule="day", days=1, at=time(9, 0), zone="America/New_York"),
    extra=_SERIES_EXTRA,
    chunk_days=180,
    settles=timedelta(days=14),
)
STORAGE = Product(
    provider="eia",
    name="gas_storage",
    table=QUANTITIES,
    requests=_series("stor/wkly", "NW2_EPG0_SWO_R48_BCF", "weekly"),
    records=records,
    fields=(*texts("period"), number("value"), Field("units", "unit", ("BCF",))),
    rows=_storage,
    known=DayRule(rule="day", days=6, at=time(10, 30), zone="America/New_York"),
    extra=_SERIES_EXTRA,
    chunk_days=360,
    settles=timedelta(days=30),
)
PRODUCTS = (FUEL, REGION, EXCHANGE, HENRY_HUB, STORAGE)
