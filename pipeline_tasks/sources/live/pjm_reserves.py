"""PJM, Data Miner 2 API: reserves, interfaces and generation on outage. docs/sources/pjm.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta

import polars as pl

from pipeline_tasks.contracts.raw import INTERFACES, PRICES, QUANTITIES
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.live import pjm
from pipeline_tasks.sources.live.product import Ask, Product, Request, either, number, numbers, shaped, texts, unpivoted
from pipeline_tasks.sources.live.walls import utc

SERVICES = {
    "SR": "reserve_10s",
    "Synchronized Reserve": "reserve_10s",
    "PR": "reserve_10n",
    "Primary Reserve": "reserve_10n",
    "30MIN": "reserve_30",
    "Thirty Minutes Reserve": "reserve_30",
    "REG": "regulation",
    "Regulation": "regulation",
}
LOCALES = {"PJM RTO Reserve Zone": "PJM_RTO", "Mid-Atlantic/Dominion Reserve Subzone": "MAD"}
OUTAGES = {
    "total_outages_mw": "outages",
    "planned_outages_mw": "outages_planned",
    "maintenance_outages_mw": "outages_maintenance",
    "forced_outages_mw": "outages_forced",
}
BEGIN = "datetime_beginning_utc"


def _reserves(minutes: int, suffix: str = "") -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """Clearing prices by locale; primary reserve is what ten-minute reserve that need not be synchronised is paid."""

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        kept = records.filter(pl.col("service").is_in(list(SERVICES)))
        hub = pl.col("locale").replace(LOCALES)
        named = kept.with_columns(
            utc(BEGIN).alias("delivery_ts"),
            pl.col(BEGIN).alias("_said"),
            hub.replace(dict(ask.regions)).alias("hub"),
            (pl.col("service").replace(SERVICES) + suffix).alias("product"),
            pl.col("mcp").alias("price_ccy_per_mwh"),
        )
        chosen = named.filter(hub.is_in(list(ask.regions))) if ask.regions else named
        return shaped(PRICES, chosen, ask, resolution_min=minutes)

    return rows


def _interfaces(name: str, flow: str, limit: str, minutes: int, suffix: str = "") -> Callable[[pl.DataFrame, Ask], pl.DataFrame]:
    """Flows with the limit in their direction, where there is one; stamps that lie a second beside the minute are put on it."""

    def rows(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        named = records.with_columns(
            utc(BEGIN).dt.truncate("1m").alias("delivery_ts"),
            pl.col(BEGIN).alias("_said"),
            (pl.col(name).str.strip_chars().replace(dict(ask.regions)) + suffix).alias("interface"),
            pl.col(flow).alias("flow_mw"),
            (pl.col(limit) if limit else pl.lit(None, dtype=pl.String)).alias("limit_pos_mw"),
        )
        return shaped(INTERFACES, named, ask, resolution_min=minutes)

    return rows


def _outages(records: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """Generation on outage by region and kind for the week after its day of execution, at the end of which it is known at the latest."""
    zone, formats = ask.market.time_zone, ("%Y-%m-%dT%H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%Y-%m-%d")
    day, made = (either(c, *formats).dt.truncate("1d") for c in ("forecast_date", "forecast_execution_date_ept"))
    placed = records.with_columns(
        day.dt.replace_time_zone(zone, non_existent="null", ambiguous="earliest").dt.convert_time_zone("UTC").alias("delivery_ts"),
        (made + pl.duration(days=1)).dt.replace_time_zone(zone, ambiguous="earliest").dt.convert_time_zone("UTC").alias("known_ts"),
        pl.col("forecast_date").alias("_said"),
        pl.col("region").replace(dict(ask.regions)).alias("area"),
    )
    long = unpivoted(placed, OUTAGES, ["area", "delivery_ts", "known_ts", "_said"], "quantity", "value")
    ahead = long.filter(pl.col("delivery_ts").is_null() | (pl.col("known_ts") <= pl.col("delivery_ts")))
    return shaped(QUANTITIES, ahead, ask, kind="forecast", unit="MW", resolution_min=1440)


def _executed(ask: Ask) -> tuple[Request, ...]:
    window = f"{ask.first:%m/%d/%Y} 00:00to{ask.last:%m/%d/%Y} 23:59"
    given = {"rowCount": str(pjm.ROWS), "startRow": "1", "format": "json", "forecast_execution_date_ept": window}
    return (Request("gen_outages_by_type", given),)


RESERVES_DA = Product(
    provider="pjm",
    name="reserves_da",
    table=PRICES,
    requests=pjm.query("da_reserve_market_results", BEGIN),
    records=pjm.records,
    fields=(*texts(BEGIN, "locale", "service"), number("mcp")),
    rows=_reserves(60),
    known=DayRule(rule="day", days=-1, at=time(13, 30)),
    extra=("*",),
    chunk_days=30,
    settles=timedelta(days=5),
    ahead=timedelta(days=2),
    by_region=False,
)
RESERVES_RT = replace(
    RESERVES_DA,
    name="reserves_rt",
    requests=pjm.query("reserve_market_results", BEGIN),
    rows=_reserves(5, "_rt"),
    known=DayRule(rule="day", days=3, at=time(12, 0)),  # on business days, for the day before
    chunk_days=7,
    ahead=timedelta(0),
)
INTERFACES_RT = Product(
    provider="pjm",
    name="interfaces_rt",
    table=INTERFACES,
    requests=pjm.query("transfer_interface_infor", BEGIN),
    records=pjm.records,
    fields=(*texts(BEGIN, "name"), *numbers("actual_flow", "transfer_limit")),
    rows=_interfaces("name", "actual_flow", "transfer_limit", 5),
    known=LagRule(rule="interval_end", minutes=5),
    extra=("datetime_beginning_ept", "warning_level"),
    settles=timedelta(days=2),
    ahead=timedelta(hours=1),
    by_region=False,
)
INTERFACES_DA = replace(
    INTERFACES_RT,
    name="interfaces_da",
    requests=pjm.query("da_interface_flows_and_limits", BEGIN),
    fields=(*texts(BEGIN, "interface_limit_name"), *numbers("flow_mw", "limit_mw")),
    rows=_interfaces("interface_limit_name", "flow_mw", "limit_mw", 60, " (day-ahead)"),
    known=DayRule(rule="day", days=-1, at=time(13, 30)),
    extra=("datetime_beginning_ept",),
    ahead=timedelta(days=2),
)
TIES = replace(
    INTERFACES_RT,
    name="tie_flows",
    requests=pjm.query("five_min_tie_flows", BEGIN),
    fields=(*texts(BEGIN, "tie_flow_name"), *numbers("actual_mw")),
    rows=_interfaces("tie_flow_name", "actual_mw", "", 5),
    extra=("datetime_beginning_ept", "scheduled_mw"),
)
OUTAGE_FORECAST = Product(
    provider="pjm",
    name="outage_forecast",
    table=QUANTITIES,
    requests=_executed,
    records=pjm.records,
    fields=(*texts("forecast_execution_date_ept", "forecast_date", "region"), *numbers(*OUTAGES)),
    rows=_outages,
    known=DayRule(rule="day", days=0, at=time(0, 0)),
    chunk_days=7,
    settles=timedelta(days=1),
    ahead=timedelta(0),
    by_region=False,
)
PRODUCTS = (RESERVES_DA, RESERVES_RT, INTERFACES_RT, INTERFACES_DA, TIES, OUTAGE_FORECAST)
