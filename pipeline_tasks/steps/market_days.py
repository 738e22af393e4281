"""Market settings and local days as warehouse tables: the one place where time zones, gates and holidays reach SQL.

ClickHouse converts only to time zones that are constant in a query. So local days are computed here, from the same
`Market.gate` and `Market.day_bounds` that runs use, and SQL adds minutes to them.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from config.markets import Market
from pipeline_tasks.contracts.intermediate import MARKET_DAYS, MARKET_SETTINGS
from pipeline_tasks.contracts.tables import Table
from pipeline_tasks.warehouse import Warehouse

FIRST_DAY = date(1998, 1, 1)
LAST_DAY = date(2040, 12, 31)


def settings_row(market: Market) -> dict[str, Any]:
    """The row of `intermediate.market_settings`; `settings_sha` changes whenever the market's days may change."""
    fuels, intraday, ancillary, nodal, units = market.commodities, market.intraday, market.ancillary, market.nodal, market.units
    row: dict[str, Any] = {
        "market": market.key,
        "label": market.label,
        "time_zone": market.time_zone,
        "currency": market.currency,
        "product": market.product,
        "balancing_product": market.balancing_product,
        "resolution_min": market.resolution_min,
        "gate_time": market.gate_time.strftime("%H:%M"),
        "gate_days_before": market.gate_days_before,
        "price_floor_ccy_per_mwh": float(market.price_floor),
        "price_cap_ccy_per_mwh": float(market.price_cap),
        "area": market.area,
        "holidays": market.holidays,
        **{f"{fuel}_hub": fuels.get(fuel, "") for fuel in ("gas", "coal", "co2", "oil")},
        "intraday_product": intraday.product if intraday else "",
        "intraday_horizons_min": ",".join(map(str, intraday.horizons_min)) if intraday else "",
        "reserve_products": ",".join(ancillary.products) if ancillary else "",
        "reserve_price_hub": ancillary.price_hub if ancillary else "",
        "reserve_hubs": ",".join(ancillary.hubs) if ancillary else "",
        "reserve_change_dates": ",".join(map(str, ancillary.changes)) if ancillary else "",
        "nodal_product": nodal.product if nodal else "",
        "nodal_horizons_min": ",".join(map(str, nodal.horizons_min)) if nodal else "",
        "nodal_resolution_min": nodal.resolution_min if nodal else 0,
        "nodal_step_min": nodal.step_min if nodal else 0,
        "nodal_from_date": nodal.from_date if nodal else FIRST_DAY,
        "unit_hub": units.hub if units else "",
        "unit_decision_hours": ",".join(map(str, units.decision_hours)) if units else "",
        "unit_horizons_min": ",".join(map(str, units.horizons_min)) if units else "",
        "unit_excluded_fuels": ",".join(units.exclude_fuels) if units else "",
        "unit_telemetry_min": units.telemetry_min if units else None,
        "unit_since_date": units.since if units else None,
    }
    text = repr((sorted(row.items()), FIRST_DAY, LAST_DAY, MARKET_DAYS.column_names))
    return {**row, "settings_sha": hashlib.sha256(text.encode()).hexdigest()}


def holiday_names(market: Market, first: date, last: date) -> dict[date, str]:
    """Public holidays of the market's calendar (`DE`, `US-NY`, `NYSE` style codes of the `holidays` package).

    Raises:
        ValueError: the package has no such calendar; the message names market and code.
    """
    if not market.holidays:
        return {}
    import holidays

    country, _, subdivision = market.holidays.partition("-")
    years = range(first.year, last.year + 1)
    try:
        calendar = holidays.country_holidays(country, subdiv=subdivision or None, years=years)
    except NotImplementedError as error:
        raise ValueError(
            f"market {market.key}: holidays {market.holidays!r} is unknown ({error}); use a code such as DE or US-NY"
        ) from error
    return {day: str(name) for day, name in calendar.items()}


def _offset_min(instant: datetime, market: Market) -> int:
    offset = instant.astimezone(market.zone).utcoffset()
    return int((offset or timedelta(0)).total_seconds() // 60)


def _offset_change(start: datetime, end: datetime, market: Market) -> datetime:
    """First minute of the day with the offset of the day's end (bisection over minutes)."""
    after = _offset_min(end - timedelta(minutes=1), market)
    low, high = 0, int((end - start).total_seconds() // 60)
    while low < high:
        middle = (low + high) // 2
        if _offset_min(start + timedelta(minutes=middle), market) == after:
            high = middle
        else:
            low = middle + 1
    return start + timedelta(minutes=low)


def local_days(market: Market, first: date = FIRST_DAY, last: date = LAST_DAY) -> pl.DataFrame:
    """The local days of a market, a frame of `intermediate.market_days`.

    Args:
        market: the market.
        first: first delivery date, inclusive.
        last: last delivery date, inclusive.

    Returns:
        One row per delivery date. A day on which the clock changes has two different offsets; the change is at
        `offset_change_ts`, which is the end of the day on all other days.
    """
    names = holiday_names(market, first, last)
    rows = []
    for number in range((last - first).days + 1):
        delivery_date = first + timedelta(days=number)
        start, end = market.day_bounds(delivery_date)
        offset_start, offset_end = _offset_min(start, market), _offset_min(end - timedelta(minutes=1), market)
        rows.append(
            {
                "market": market.key,
                "delivery_date": delivery_date,
                "day_start_ts": start,
                "day_end_ts": end,
                "as_of": market.gate(delivery_date),
                "utc_offset_start_min": offset_start,
                "utc_offset_end_min": offset_end,
                "offset_change_ts": end if offset_start == offset_end else _offset_change(start, end, market),
                "is_holiday": delivery_date in names,
                "holiday": names.get(delivery_date, ""),
            }
        )
    return pl.DataFrame(rows, schema=MARKET_DAYS.polars_schema())


def replace_rows(wh: Warehouse, table: Table, frame: pl.DataFrame, market: str = "") -> None:
    """Replace a market's partition (or all rows of a table without partitions) at once: readers see the old rows or the new ones."""
    stamp = datetime.now(UTC).strftime("%Y%m%d%H%M%S%f")
    staged = f"{table.full_name}__new_{stamp}"
    wh.command(f"create table {staged} as {table.full_name}")
    try:
        wh.insert_into(staged, table, frame)
        partition = "{market:String}" if table.partition_by else "tuple()"
        wh.command(f"alter table {table.full_name} replace partition {partition} from {staged}", {"market": market})
    finally:
        wh.command(f"drop table if exists {staged}")


def load_market_days(wh: Warehouse, market: Market) -> bool:
    """Write settings and days of a market where they are missing or its settings changed.

    Returns:
        Whether anything was written.
    """
    row = settings_row(market)
    known = wh.scalar("select any(settings_sha) from intermediate.market_settings where market = {market:String}", {"market": market.key})
    if known == row["settings_sha"]:
        return False
    replace_rows(wh, MARKET_DAYS, local_days(market), market.key)
    replace_rows(wh, MARKET_SETTINGS, pl.DataFrame([row], schema=MARKET_SETTINGS.polars_schema()), market.key)
    return True
