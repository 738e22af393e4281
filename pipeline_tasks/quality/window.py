"""The window a gate looks at: market, hubs, dates and instants, and the rows of a table that lie in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from config.markets import MarketSelection
from pipeline_tasks.contracts import Table
from pipeline_tasks.contracts.features import INTRADAY, UNIT_COMMIT
from pipeline_tasks.contracts.grid import GRID_TABLES
from pipeline_tasks.contracts.raw import UNITS
from pipeline_tasks.generation.suites import RULE_PREFIX, suite_of
from pipeline_tasks.warehouse import Warehouse

ROW_BUDGET = 200_000  # rows of one table held in memory; the latest days are kept
ELEMENT_BUDGET = 40_000  # the same where every node, unit, branch or decision has rows: all were judged by the same contract when they came
FIRST_DATE = date(1990, 1, 1)


@dataclass(frozen=True, slots=True)
class Window:
    """What a gate looks at.

    Attributes:
        selection: market and hubs.
        start_date, end_date: market-local delivery dates, both inclusive; end_date is the date decided for.
        decided_at: decision time of a run within the day, UTC; None for the market's gate.
    """

    selection: MarketSelection
    start_date: date
    end_date: date
    decided_at: datetime | None = None

    @property
    def as_of(self) -> datetime:
        """Decision time for `end_date`, UTC."""
        return self.decided_at or self.selection.market.gate(self.end_date)

    def params(self) -> dict[str, Any]:
        """Values that business rules may bind.

        `history_start`..`history_end` are the thirty local days before the day before delivery: days that every market
        has published in full at the gate.
        """
        market = self.selection.market
        day_start, day_end = market.day_bounds(self.end_date)
        return {
            "market": market.key,
            "hubs": list(self.selection.hubs),
            "product": market.product,
            "area": market.area,
            "currency": market.currency,
            "price_floor": market.price_floor,
            "price_cap": market.price_cap,
            "resolution_min": market.resolution_min,
            "delivery_date": self.end_date,
            "as_of": self.as_of,
            "day_start": day_start,
            "day_end": day_end,
            "window_start": market.day_bounds(self.start_date)[0],
            "history_start": market.day_bounds(self.end_date - timedelta(days=31))[0],
            "history_end": market.day_bounds(self.end_date - timedelta(days=1))[0],
        }


def last_delivery_date(wh: Warehouse, selection: MarketSelection) -> date | None:
    """Last market-local date with a price of the market, or None without prices."""
    last = wh.scalar(
        "select max(delivery_ts) from raw.prices where market = {market:String} having count() > 0", {"market": selection.market.key}
    )
    if not isinstance(last, datetime):
        return None
    return (last if last.tzinfo else last.replace(tzinfo=UTC)).astimezone(selection.market.zone).date()


def budget_of(table: Table) -> int:
    """Rows of a table that a gate looks at."""
    return ELEMENT_BUDGET if table in (*GRID_TABLES, UNITS, INTRADAY, UNIT_COMMIT) else ROW_BUDGET


def read_rows(wh: Warehouse, table: Table, window: Window, *, budget: int | None = None) -> tuple[pl.DataFrame, Window]:
    """Rows of a table in the window, only the columns its suite looks at, one flag column per row rule.

    Args:
        wh: warehouse.
        table: a table with a market and a delivery time.
        window: what to look at.
        budget: most rows held; beyond it the earliest days are left out. `budget_of(table)` when None.

    Returns:
        The rows, and the window they cover (a later start when the budget cut days off).
    """
    condition, params = _condition(table, window)
    day = "delivery_date" if "delivery_date" in table.column_names else "toDate(delivery_ts)"
    days = wh.query(f"select {day} as day, count() as n from {table.full_name} where {condition} group by day order by day desc", params)
    most = budget_of(table) if budget is None else budget
    kept = days.filter(pl.col("n").cum_sum() <= most) if days.height else days
    if kept.height < days.height:
        first = kept["day"].min() if kept.height else days["day"].max()
        if not isinstance(first, date):
            raise TypeError(f"{table.full_name}: first day of the window is {first!r}, not a date")
        window = replace(window, start_date=max(window.start_date, first))
        condition, params = _condition(table, window)
    expressions = [*_columns(table), *(f"ifNull({r.sql}, false) as {RULE_PREFIX}{r.name}" for r in table.rules)]
    frame = wh.query(f"select {', '.join(expressions)} from {table.full_name} where {condition}", params)
    return frame.with_columns(pl.col(f"^{RULE_PREFIX}.*$").cast(pl.Boolean)), window


def _columns(table: Table) -> list[str]:
    """Columns that the suite names, in storage order."""
    named: set[str] = set()
    for expectation in suite_of(table)["expectations"]:
        kwargs = expectation["kwargs"]
        named.update(kwargs.get("column_list", [kwargs["column"]] if "column" in kwargs else []))
    return [c for c in table.column_names if c in named]


def _condition(table: Table, window: Window) -> tuple[str, dict[str, Any]]:
    """Where clause and its values; hubs count only where `hub` is a settlement point (beside a product)."""
    market = window.selection.market
    parts = ["market = {market:String}"]
    params: dict[str, Any] = {"market": market.key}
    if {"hub", "product"} <= set(table.column_names):
        parts.append("hub in {hubs:Array(String)}")
        params["hubs"] = list(window.selection.hubs)
    if "delivery_date" in table.column_names:
        parts.append("delivery_date between {start_date:Date32} and {end_date:Date32}")
        params |= {"start_date": window.start_date, "end_date": window.end_date}
    else:
        parts.append("delivery_ts >= {start_ts:DateTime64(3, 'UTC')} and delivery_ts < {end_ts:DateTime64(3, 'UTC')}")
        params |= {"start_ts": market.day_bounds(window.start_date)[0], "end_ts": market.day_bounds(window.end_date)[1]}
    return " and ".join(parts), params
