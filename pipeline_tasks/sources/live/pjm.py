"""PJM, Data Miner 2 API: JSON rows with UTC stamps. docs/sources/pjm.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import polars as pl

from pipeline_tasks.contracts.grid import NODAL_PRICES
from pipeline_tasks.contracts.raw import PRICES, QUANTITIES
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.live.answers import AnswerError, Member, json_of, records_of
from pipeline_tasks.sources.live.product import Ask, Product, Request, number, numbers, shaped, texts
from pipeline_tasks.sources.live.walls import utc

ROWS = 50_000
FUELS = {
    "Coal": "coal",
    "Gas": "gas",
    "Hydro": "hydro",
    "Multiple Fuels": "dual_fuel",
    "Nuclear": "nuclear",
    "Oil": "oil",
    "Other": "other",
    "Other Renewables": "renewables",
    "Solar": "solar",
    "Storage": "storage",
    "Wind": "wind",
    "Flywheel": "storage",
}


def query(feed: str, column: str, **fixed: str) -> Callable[[Ask], tuple[Request, ...]]:
    """Requests of a feed for the chunk's time in `column`; `{region}` in a parameter stands for the place."""

    def requests(ask: Ask) -> tuple[Request, ...]:
        window = f"{ask.start:%m/%d/%Y %H:%M}to{ask.end - timedelta(minutes=1):%m/%d/%Y %H:%M}"
        given = {k: v.format(region=ask.region) for k, v in fixed.items()}
        return (Request(feed, {"rowCount": str(ROWS), "startRow": "1", "format": "json", column: window, **given}),)

    return requests


def records(member: Member, _ask: Ask) -> pl.DataFrame:
    """Rows of an answer, bare or below `items`.

    Raises:
        AnswerError: it holds fewer rows than it counts.
    """
    document: Any = json_of(member)
    rows = document.get("items", []) if isinstance(document, dict) else document
    if isinstance(document, dict) and int(document.get("totalRows") or 0) > len(rows):
        raise AnswerError("truncated", f"PJM sent {len(rows)} of {document['totalRows']} rows; ask for shorter chunks", transient=False)
    if not isinstance(rows, list):
        raise AnswerError("not_json", "PJM's answer holds no list of rows")
    return records_of(rows)


def _placed(records: pl.DataFrame, begin: str, end: str = "", minutes: int = 60) -> pl.DataFrame:
    start = utc(begin)
    length = (utc(end) - start).dt.total_minutes() if end else pl.lit(minutes)
    return records.with_columns(start.alias("delivery_ts"), length.alias("resolution_min"), pl.col(begin).alias("_said"))


def _lmp(product: str, suffix: str, minutes: int, *, nodal: bool) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    table, place = (NODAL_PRICES, "node") if nodal else (PRICES, "hub")

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        named = _placed(records, "datetime_beginning_utc", minutes=minutes).with_columns(
            pl.col("pnode_id").replace(dict(ask.regions)).alias(place) if ask.regions else pl.col("pnode_name").alias(place),
            pl.col(f"total_lmp_{suffix}").alias("price_ccy_per_mwh"),
            pl.col(f"system_energy_price_{suffix}").alias("energy_ccy_per_mwh"),
            pl.col(f"congestion_price_{suffix}").alias("congestion_ccy_per_mwh"),
            pl.col(f"marginal_loss_price_{suffix}").alias("loss_ccy_per_mwh"),
        )
        return shaped(table, named, ask, product=product)

    return rows


def _load_forecast(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Every vintage is known when PJM evaluated it; one of an hour that has begun is none any more."""
    kept = records.filter(pl.col("forecast_area").is_in(list(ask.regions))) if ask.regions else records
    named = _placed(kept, "forecast_datetime_beginning_utc", "forecast_datetime_ending_utc").with_columns(
        pl.col("forecast_area").replace(dict(ask.regions)).alias("area"),
        utc("evaluated_at_datetime_utc").alias("known_ts"),
        pl.col("forecast_load_mw").alias("value"),
    )
    return shaped(QUANTITIES, _ahead(named), ask, quantity="load", kind="forecast", unit="MW")


def _ahead(named: pl.DataFrame) -> pl.DataFrame:
    return named.filter(pl.col("delivery_ts").is_null() | (pl.col("known_ts") <= pl.col("delivery_ts")))


def _solar(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    named = _placed(records, "datetime_beginning_utc", "datetime_ending_utc").with_columns(
        utc("evaluated_at_utc").alias("known_ts"), pl.col("solar_forecast_mwh").alias("value")
    )
    return shaped(QUANTITIES, _ahead(named), ask, area=ask.market.area, quantity="solar", kind="forecast", unit="MW")


def _wind(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    named = _placed(records, "datetime_beginning_utc", "datetime_ending_utc").with_columns(
        utc("evaluated_at_utc").alias("known_ts"), pl.col("wind_forecast_mwh").alias("value")
    )
    return shaped(QUANTITIES, _ahead(named), ask, area=ask.market.area, quantity="wind", kind="forecast", unit="MW")


def _fuel(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    named = _placed(records, "datetime_beginning_utc").with_columns(
        pl.col("fuel_type").replace_strict(FUELS, default="other").alias("quantity"), pl.col("mw").alias("value")
    )
    return shaped(QUANTITIES, named, ask, area=ask.market.area, kind="actual", unit="MW")


def _prices(suffix: str) -> tuple[str, ...]:
    return (f"total_lmp_{suffix}", f"system_energy_price_{suffix}", f"congestion_price_{suffix}", f"marginal_loss_price_{suffix}")


_LMP_EXTRA = (
    "datetime_beginning_ept",
    "pnode_name",
    "voltage",
    "equipment",
    "type",
    "zone",
    "row_is_current",
    "version_nbr",
    "is_verified",
)
LMP_DA = Product(
    provider="pjm",
    name="lmp_da",
    table=PRICES,
    requests=query("da_hrl_lmps", "datetime_beginning_utc", pnode_id="{region}"),
    records=records,
    fields=(*texts("datetime_beginning_utc", "pnode_id"), *numbers(*_prices("da"))),
    rows=_lmp("da", "da", 60, nodal=False),
    known=DayRule(rule="day", days=-1, at=time(13, 30)),
    extra=_LMP_EXTRA,
    chunk_days=30,
    settles=timedelta(days=5),
    ahead=timedelta(days=2),
)
LMP_RT = replace(
    LMP_DA,
    name="lmp_rt",
    requests=query("rt_hrl_lmps", "datetime_beginning_utc", pnode_id="{region}"),
    fields=(*texts("datetime_beginning_utc", "pnode_id"), *numbers(*_prices("rt"))),
    rows=_lmp("rt", "rt", 60, nodal=False),
    known=LagRule(rule="interval_end", minutes=1440),
    settles=timedelta(days=60),
    ahead=timedelta(hours=1),
)
NODAL_DA = replace(
    LMP_DA,
    name="nodal_da",
    table=NODAL_PRICES,
    requests=query("da_hrl_lmps", "datetime_beginning_utc", type="GEN"),
    fields=(*texts("datetime_beginning_utc", "pnode_name"), *numbers(*_prices("da"))),
    rows=_lmp("da", "da", 60, nodal=True),
    chunk_days=1,
    by_region=False,
    extra=(*_LMP_EXTRA, "pnode_id"),
)
_SPAN = texts("datetime_beginning_utc", "datetime_ending_utc", "evaluated_at_utc")
_SPAN_EXTRA = ("datetime_beginning_ept", "datetime_ending_ept", "evaluated_at_ept")
LOAD_FORECAST = Product(
    provider="pjm",
    name="load_forecast",
    table=QUANTITIES,
    requests=query("load_frcstd_7_day", "forecast_datetime_beginning_utc", forecast_area="{region}"),
    records=records,
    fields=(
        *texts("evaluated_at_datetime_utc", "forecast_datetime_beginning_utc", "forecast_datetime_ending_utc", "forecast_area"),
        number("forecast_load_mw"),
    ),
    rows=_load_forecast,
    known=DayRule(rule="day", days=-1, at=time(8, 0)),
    extra=("evaluated_at_datetime_ept", "forecast_datetime_beginning_ept", "forecast_datetime_ending_ept"),
    chunk_days=7,
    settles=timedelta(0),
    ahead=timedelta(days=7),
)
SOLAR_FORECAST = replace(
    LOAD_FORECAST,
    name="solar_forecast",
    requests=query("hourly_solar_power_forecast", "datetime_beginning_utc"),
    fields=(*_SPAN, number("solar_forecast_mwh")),
    rows=_solar,
    extra=(*_SPAN_EXTRA, "solar_forecast_btm_mwh"),
    chunk_days=1,
)
WIND_FORECAST = replace(
    SOLAR_FORECAST,
    name="wind_forecast",
    requests=query("hourly_wind_power_forecast", "datetime_beginning_utc"),
    fields=(*_SPAN, number("wind_forecast_mwh")),
    rows=_wind,
    extra=_SPAN_EXTRA,
)
FUEL = Product(
    provider="pjm",
    name="generation_by_fuel",
    table=QUANTITIES,
    requests=query("gen_by_fuel", "datetime_beginning_utc"),
    records=records,
    fields=(*texts("datetime_beginning_utc", "fuel_type"), number("mw")),
    rows=_fuel,
    known=LagRule(rule="interval_end", minutes=120),
    extra=("datetime_beginning_ept", "fuel_percentage_of_total", "is_renewable"),
    chunk_days=30,
    settles=timedelta(days=5),
    ahead=timedelta(hours=1),
)
PRODUCTS = (LMP_DA, LMP_RT, NODAL_DA, LOAD_FORECAST, SOLAR_FORECAST, WIND_FORECAST, FUEL)
