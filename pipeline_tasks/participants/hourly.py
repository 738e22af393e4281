"""Hourly offers and bids of a balancing mechanism from the warehouse, as one array with what is known at each gate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from config.markets import Market
from models._kernel.behaviour.hourly_bids import HourlyBids, kinds_of
from pipeline_tasks.warehouse import Warehouse

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SIDES = ("bm_offer", "bm_bid")
FUELS = ("gas", "coal", "co2")
HOUR = timedelta(hours=1)
STALE_DAYS = 7


class NoOffersError(LookupError):
    """A market has no hourly offers in the warehouse; says how they come."""


@dataclass(frozen=True)
class HourlyBook:
    """Offers and bids of a market by unit and hour.

    Attributes:
        market: its rules.
        units: names, sorted; series 2 u and 2 u + 1 are offers and bids of unit u.
        bids: prices (series, hour) and what is known.
        withheld: (series, hour) hours in which the unit did not want to be called.
        first: start of the first hour, UTC.
        delivery: (hour,) market-local delivery date, days since 1970.
        fuels: (delivery day, gas, coal, co2 and a constant) known at the gate, by `days`; NaN before the first settlement.
        days: delivery dates, days since 1970, ascending.
        lag_min: longest lag from the end of a delivery interval to its publication.
    """

    market: Market
    units: tuple[str, ...]
    bids: HourlyBids
    withheld: npt.NDArray[np.bool_]
    first: datetime
    delivery: Ints
    fuels: Array
    days: Ints
    lag_min: int

    def hours_of(self, start: date, end: date) -> slice:
        """Hours of the delivery dates from `start` up to but not including `end`."""
        low, high = np.searchsorted(self.delivery, [start.toordinal() - EPOCH, end.toordinal() - EPOCH])
        return slice(int(low), int(high))

    def dates(self) -> tuple[date, date]:
        """First and last delivery date."""
        return date.fromordinal(int(self.days[0]) + EPOCH), date.fromordinal(int(self.days[-1]) + EPOCH)


EPOCH = date(1970, 1, 1).toordinal()


def read_book(warehouse: Warehouse, market: Market, *, as_of: datetime | None = None, since: date | None = None) -> HourlyBook:
    """The hourly offers and bids of a market, one aggregated price per unit, side and hour.

    Args:
        warehouse: a connection that may read staging.
        market: the market.
        as_of: nothing published later is read; None reads all (scoring looks at `HourlyBids.known` instead).
        since: first UTC date that is read.

    Raises:
        NoOffersError: there is none.
    """
    frame = warehouse.query(
        "select unit_id, product, delivery_ts, price_ccy_per_mwh as price, is_withheld,"
        " dateDiff('minute', delivery_ts, known_ts) - resolution_min as lag_min"
        " from staging.stg_offers where market = {market:String} and resolution_min = 60 and product in {sides:Array(String)}"
        " and known_ts <= {as_of:DateTime64(3, 'UTC')} and delivery_ts >= {since:DateTime64(3, 'UTC')}"
        " order by known_ts limit 1 by unit_id, product, delivery_ts",
        {
            "market": market.key,
            "sides": list(SIDES),
            "as_of": as_of or datetime(2200, 1, 1, tzinfo=UTC),
            "since": datetime.combine(since or date(1990, 1, 1), datetime.min.time(), UTC),
        },
    )
    if frame.is_empty():
        raise NoOffersError(f"market {market.key}: no hourly offers of a balancing mechanism; load them with desk ingest --source files")
    return _book(warehouse, market, frame)


def _book(warehouse: Warehouse, market: Market, frame: pl.DataFrame) -> HourlyBook:
    units = frame["unit_id"].unique().sort()
    first, last = _bounds(market, frame)
    hours = round((last - first) / HOUR)
    series = frame["unit_id"].replace_strict(units, np.arange(len(units)), return_dtype=pl.Int64).to_numpy() * 2
    series = series + (frame["product"] == SIDES[1]).to_numpy()
    hour = ((frame["delivery_ts"] - first).dt.total_minutes() // 60).to_numpy()
    price, withheld = np.full((2 * len(units), hours), np.nan), np.zeros((2 * len(units), hours), dtype=bool)
    shown = ~frame["is_withheld"].to_numpy()
    price[series[shown], hour[shown]] = frame["price"].to_numpy()[shown]
    withheld[series[~shown], hour[~shown]] = True
    lag = int(frame["lag_min"].max())  # type: ignore[arg-type]
    delivery, known = _known(market, first, hours, lag)
    days = np.unique(delivery)
    bids = HourlyBids(price, np.minimum(known, np.arange(hours) - 1))
    return HourlyBook(market, tuple(units.to_list()), bids, withheld, first, delivery, _fuels(warehouse, market, days), days, lag)


def _bounds(market: Market, frame: pl.DataFrame) -> tuple[datetime, datetime]:
    """Start of the first and end of the last local day that has an offer."""
    ends = [frame["delivery_ts"].min(), frame["delivery_ts"].max()]
    local = [t.astimezone(market.zone).date() for t in ends if isinstance(t, datetime)]
    return market.day_bounds(local[0])[0], market.day_bounds(local[1])[1]


def _known(market: Market, first: datetime, hours: int, lag_min: int) -> tuple[Ints, Ints]:
    """Delivery date of each hour, and the last hour whose prices are published by that date's gate."""
    delivery, known = np.empty(hours, dtype=np.int64), np.empty(hours, dtype=np.int64)
    day = first.astimezone(market.zone).date()
    at = 0
    while at < hours:
        end = min(round((market.day_bounds(day)[1] - first) / HOUR), hours)
        delivery[at:end] = day.toordinal() - EPOCH
        published = market.gate(day) - first - HOUR - timedelta(minutes=lag_min)
        known[at:end] = max(int(published // HOUR), -1)
        at, day = end, day + timedelta(days=1)
    return delivery, known


def _fuels(warehouse: Warehouse, market: Market, days: Ints) -> Array:
    """Fuel prices known at the gate of each day, and a constant."""
    table = warehouse.query(
        "select commodity, known_ts, price_ccy_per_unit as price from staging.stg_commodities"
        " where market = {market:String} and commodity in {fuels:Array(String)} order by known_ts, delivery_ts",
        {"market": market.key, "fuels": list(FUELS)},
    )
    gates = pl.DataFrame({"gate": [market.gate(date.fromordinal(d + EPOCH)) for d in days.tolist()]}).with_columns(
        pl.col("gate").cast(table.schema["known_ts"])
    )
    columns = [_as_of(gates, table.filter(pl.col("commodity") == fuel)) for fuel in FUELS]
    return np.column_stack([*columns, np.ones(len(days))])


def _as_of(gates: pl.DataFrame, prices: pl.DataFrame) -> Array:
    if prices.is_empty():
        return np.zeros(gates.height)
    joined = gates.join_asof(prices.select("known_ts", "price").set_sorted("known_ts"), left_on="gate", right_on="known_ts")
    return joined["price"].fill_null(float("nan")).to_numpy()


def rows_of(book: HourlyBook, span: slice, *, until: int | None = None) -> tuple[Ints, Ints]:
    """Series and hour of every price within a span of hours, at most up to hour `until` (the last that is known)."""
    end = span.stop if until is None else min(span.stop, until + 1)
    series, hour = np.nonzero(np.isfinite(book.bids.price[:, span.start : end]))
    return series.astype(np.int64), (hour + span.start).astype(np.int64)


def daily_lowest(book: HourlyBook) -> Array:
    """(series, day) lowest price of each delivery date; NaN where there is none."""
    starts = np.searchsorted(book.delivery, book.days)
    lowest = np.fmin.reduceat(book.bids.price, starts, axis=1)
    return np.asarray(lowest, dtype=np.float64)


def known_days(book: HourlyBook, day: date, count: int) -> slice:
    """Positions in `days` of the last `count` delivery dates whose prices are all known at the gate of `day`."""
    hour = book.hours_of(day, day + timedelta(days=1)).start
    last = int(book.bids.known[min(hour, len(book.bids.known) - 1)])
    whole = int(np.searchsorted(book.days, book.delivery[last])) if last >= 0 else 0
    return slice(max(whole - count, 0), whole)


def unit_kinds(book: HourlyBook, past: slice, until: int) -> Ints:
    """Kind of each unit (`hourly_bids.KINDS`) by the hours of `past` up to `until`."""
    hours = slice(past.start, until + 1)
    price, withheld = book.bids.price[:, hours], book.withheld[:, hours]
    there = (np.isfinite(price) | withheld).sum(axis=1).reshape(-1, 2).sum(axis=1)
    share = withheld.sum(axis=1).reshape(-1, 2).sum(axis=1) / np.maximum(there, 1)
    return kinds_of(price[0::2], price[1::2], share)


def with_day(book: HourlyBook, day: date) -> HourlyBook:
    """The book with the hours of a delivery date that has no prices yet at its end.

    Raises:
        NoOffersError: the book ends more than a week before the date: nothing it says is news.
    """
    market = book.market
    last = book.dates()[1]
    if day > last + timedelta(days=STALE_DAYS):
        raise NoOffersError(
            f"market {market.key}: the newest bids known at the gate of {day} are of {last}; load newer ones or choose a date near them"
        )
    hours = max(round((market.day_bounds(day)[1] - book.first) / HOUR), book.bids.price.shape[1])
    more = hours - book.bids.price.shape[1]
    price = np.pad(book.bids.price, ((0, 0), (0, more)), constant_values=np.nan)
    delivery, known = _known(market, book.first, hours, book.lag_min)
    bids = HourlyBids(price, np.minimum(known, np.arange(hours) - 1))
    return replace(book, bids=bids, withheld=np.pad(book.withheld, ((0, 0), (0, more))), delivery=delivery)


__all__ = ["EPOCH", "HourlyBook", "NoOffersError", "daily_lowest", "known_days", "read_book", "rows_of", "unit_kinds", "with_day"]
