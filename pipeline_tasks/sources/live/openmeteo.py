"""Open-Meteo: weather of a point, forecast with its issue time and history; points are H3 cells or `lat,lon`. docs/sources/openmeteo.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl

from pipeline_tasks.contracts.raw import QUANTITIES
from pipeline_tasks.sources.importers import LagRule
from pipeline_tasks.sources.live.answers import AnswerError, Member, json_of
from pipeline_tasks.sources.live.cells import point_of
from pipeline_tasks.sources.live.product import Ask, Field, Product, Request, numbers, shaped, texts
from pipeline_tasks.sources.live.walls import utc

VARIABLES = {
    "temperature_2m": ("temperature", "degC"),
    "wind_speed_10m": ("wind_speed", "m/s"),
    "shortwave_radiation": ("irradiance", "W/m2"),
}
UNITS = {"temperature_2m": "°C", "wind_speed_10m": "m/s", "shortwave_radiation": "W/m²"}


def _query(url: str, suffix: str = "") -> Callable[[Ask], tuple[Request, ...]]:
    def requests(ask: Ask) -> tuple[Request, ...]:
        latitude, longitude = point_of(ask.region)
        given = {
            "latitude": f"{latitude:.4f}",
            "longitude": f"{longitude:.4f}",
            "hourly": ",".join(f"{v}{suffix}" for v in VARIABLES),
            "wind_speed_unit": "ms",
            "timezone": "GMT",
            "start_date": f"{ask.start:%Y-%m-%d}",
            "end_date": f"{ask.end - timedelta(minutes=1):%Y-%m-%d}",
        }
        return (Request(url, given),)

    return requests


def records(suffix: str = "") -> Callable[[Member, Ask], pl.DataFrame]:
    """Reader of an answer: an hour a row, variables without their suffix, and the unit that the answer states of each."""

    def read(member: Member, _ask: Ask) -> pl.DataFrame:
        document: dict[str, Any] = json_of(member)
        hourly, units = document.get("hourly"), document.get("hourly_units", {})
        if not isinstance(hourly, dict):
            raise AnswerError("error_body", f"Open-Meteo: {document.get('reason') or 'no hourly values'}", transient=False)
        columns = {
            name.removesuffix(suffix) if suffix else name: [None if v is None else str(v) for v in values]
            for name, values in hourly.items()
        }
        frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
        said = {f"unit_{name.removesuffix(suffix) if suffix else name}": unit for name, unit in units.items() if name != "time"}
        return frame.with_columns(pl.lit(str(unit)).alias(name) for name, unit in said.items())

    return read


def _rows(kind: str, *, issued: bool) -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """Instant values at the hour stand for the hour that begins; radiation is the mean of the hour before its stamp and is moved back.

    Args:
        kind: forecast or actual.
        issued: the row is known when it was fetched (a forecast as it stands now); rules say it otherwise.
    """

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        stamp = utc("time", "%Y-%m-%dT%H:%M")
        parts = []
        for name, (quantity, unit) in VARIABLES.items():
            start = stamp - pl.duration(hours=1) if quantity == "irradiance" else stamp
            part = records.select(
                start.alias("delivery_ts"),
                pl.col("time").alias("_said"),
                pl.lit(quantity).alias("quantity"),
                pl.lit(unit).alias("unit"),
                pl.col(name).alias("value"),
            )
            parts.append(part.filter(pl.col("value").is_not_null()))
        named = pl.concat(parts).filter(
            pl.col("delivery_ts").is_null() | ((pl.col("delivery_ts") >= ask.start) & (pl.col("delivery_ts") < ask.end))
        )
        if issued:
            known = pl.lit(ask.fetched_ts).cast(pl.Datetime("ms", "UTC"))
            named = named.with_columns(known.alias("known_ts")).filter(pl.col("known_ts") <= pl.col("delivery_ts"))
        return shaped(QUANTITIES, named, ask, area=next(iter(ask.regions.values())), kind=kind, resolution_min=60)

    return rows


_FIELDS = (*texts("time"), *numbers(*VARIABLES), *(Field(f"unit_{name}", "unit", (unit,)) for name, unit in UNITS.items()))
FORECAST = Product(
    provider="openmeteo",
    name="forecast",
    table=QUANTITIES,
    requests=_query("v1/forecast"),
    records=records(),
    fields=_FIELDS,
    rows=_rows("forecast", issued=True),
    known=LagRule(rule="interval_start", minutes=-60),
    chunk_days=1,
    settles=timedelta(0),
    ahead=timedelta(days=7),
)
DAY_BEFORE = replace(
    FORECAST,
    name="forecast_day_before",
    requests=_query("https://previous-runs-api.open-meteo.com/v1/forecast", "_previous_day1"),
    records=records("_previous_day1"),
    rows=_rows("forecast", issued=False),
    known=LagRule(rule="interval_start", minutes=-1440),
    chunk_days=30,
    ahead=timedelta(days=1),
    settles=timedelta(days=1),
)
HISTORY = replace(
    FORECAST,
    name="history",
    requests=_query("https://archive-api.open-meteo.com/v1/archive"),
    rows=_rows("actual", issued=False),
    known=LagRule(rule="interval_end", minutes=5 * 1440),
    chunk_days=30,
    ahead=timedelta(days=-5),
    settles=timedelta(days=10),
)
PRODUCTS = (FORECAST, DAY_BEFORE, HISTORY)
