"""Daily offers by part of the day (a pool's day-ahead market) from the warehouse, as arrays with what was known at each gate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from config.markets import Market
from models._kernel.behaviour.learned_offers import Learned, Offers, learn_offers
from models._kernel.behaviour.thermal_policy import State
from pipeline_tasks.participants.hourly import EPOCH, NoOffersError
from pipeline_tasks.warehouse import Warehouse

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
WINDOWS = ("night", "day", "evening")
NIGHT, EVENING = 0, 2
BEGINS = (6, 17)
PRICE_MEMORY = 0.8
FEWEST_DAYS = 10
RENEWABLE = ("wind", "solar")


@dataclass(frozen=True)
class DailyBook:
    """Offers of a market by delivery date and column (unit, window, block), and the state of the market at each gate.

    Attributes:
        market: its rules.
        days: delivery dates, days since 1970, ascending, without gaps.
        columns: unit_id, window, block, fuel, p_min_mw, start_mw, block_mw, in key order.
        price: (day, column) offers, disclosed or not: `known` says what a gate may use.
        known: (day,) position of the last delivery date whose offers are disclosed by the gate of the day; -1 for none.
        fuels: (day, fuel) prices known at the gate.
        fuel_names: `commodity/hub` of each.
        state: tightness and outages forecast at the gate.
        recent_price: (day,) mean of the published day-ahead prices, recent days weighing more.
    """

    market: Market
    days: Ints
    columns: pl.DataFrame
    price: Array
    known: Ints
    fuels: Array
    fuel_names: tuple[str, ...]
    state: State
    recent_price: Array

    def offers(self) -> Offers:
        """The columns as the learner wants them."""
        units = self.columns["unit_id"].unique(maintain_order=True)
        unit = self.columns["unit_id"].replace_strict(units, np.arange(len(units)), return_dtype=pl.Int64).to_numpy()
        return Offers(unit, self.window, self.columns["block"].to_numpy(), tuple(self.columns["fuel"].to_list()))

    def learned(self, day: int) -> Learned:
        """What the offers disclosed by the gate of a day (position) teach.

        Raises:
            NoOffersError: fewer than 10 days are disclosed by then.
        """
        last = int(self.known[day])
        if last < FEWEST_DAYS - 1:
            raise NoOffersError(f"market {self.market.key}: {last + 1} days of offers are disclosed at the gate of {self.date_of(day)};"
                                f" learning needs {FEWEST_DAYS}; load more history or choose a later date")  # fmt: skip
        past = slice(0, last + 1)
        return learn_offers(
            self.price[past], self.offers(), (self.fuels[past], self.fuel_names), self.state_of(past), self.recent_price[past]
        )

    def state_of(self, days: slice) -> State:
        """The state of some days."""
        return State(self.state.tightness[days], self.state.outage[days], self.state.evening, self.state.night)

    def forecast(self, learned: Learned, days: slice) -> Array:
        """Offers (day, column) forecast at the gates of some days."""
        return learned.forecast(self.fuels[days], self.fuel_names, self.state_of(days), self.recent_price[days])

    @property
    def window(self) -> Ints:
        """(column,) position of its window."""
        return np.array([WINDOWS.index(w) for w in self.columns["window"].to_list()], dtype=np.int64)

    def date_of(self, day: int) -> date:
        """Delivery date of a position."""
        return date.fromordinal(int(self.days[day]) + EPOCH)

    def day_of(self, delivery: date) -> int:
        """Position of a delivery date.

        Raises:
            NoOffersError: the date has no state.
        """
        found = np.flatnonzero(self.days == delivery.toordinal() - EPOCH)
        if not len(found):
            raise NoOffersError(
                f"market {self.market.key}: nothing is known of {delivery}; it holds {self.date_of(0)} to {self.date_of(-1)}"
            )
        return int(found[0])


def read_daily(warehouse: Warehouse, market: Market, last: date) -> DailyBook:
    """The daily offers of a market and its state up to delivery date `last`.

    Raises:
        NoOffersError: there is no day-ahead offer, or no price.
    """
    key = {"market": market.key}
    offers = warehouse.query(
        "select unit_id, window, block, delivery_ts, known_ts, start_mw, block_mw, price_ccy_per_mwh as price from staging.stg_offers"
        " where market = {market:String} and product = 'da' order by known_ts limit 1 by unit_id, window, block, delivery_ts",
        key,
    )
    if offers.is_empty():
        raise NoOffersError(f"market {market.key}: no day-ahead offers; load a source that discloses them (desk ingest --source twin)")
    offers = offers.with_columns(_local_date(market).alias("day"))
    first = int(offers["day"].min())  # type: ignore[arg-type]
    days = np.arange(first, last.toordinal() - EPOCH + 1)
    gates = pl.DataFrame({"day": days, "gate": [market.gate(date.fromordinal(d + EPOCH)) for d in days.tolist()]}).with_columns(
        pl.col("gate").cast(offers.schema["known_ts"])
    )
    columns = _columns(warehouse, key, offers)
    price = _matrix(offers, columns, days)
    fuels, names = _fuels(warehouse, key, gates)
    return DailyBook(
        market,
        days,
        columns,
        price,
        _known(offers, gates),
        fuels,
        names,
        _state(warehouse, market, gates),
        _recent(warehouse, market, gates),
    )


def matrix_of(book: DailyBook, frame: pl.DataFrame, value: str) -> Array:
    """A column of a frame by unit_id, window, block and delivery_ts as (day, column) of a book; NaN where there is none."""
    dated = frame.with_columns(_local_date(book.market).alias("day"), pl.col(value).alias("price"))
    return _matrix(dated, book.columns, book.days)


def _local_date(market: Market, name: str = "delivery_ts") -> pl.Expr:
    return pl.col(name).dt.convert_time_zone(market.time_zone).dt.date().cast(pl.Int32).cast(pl.Int64)


def _local_hour(market: Market) -> pl.Expr:
    return pl.col("delivery_ts").dt.convert_time_zone(market.time_zone).dt.hour()


def _columns(warehouse: Warehouse, key: dict[str, str], offers: pl.DataFrame) -> pl.DataFrame:
    units = warehouse.query(
        "select unit_id, fuel, p_min_mw, p_max_mw from raw.grid_units where market = {market:String}"
        " order by known_ts desc limit 1 by unit_id",
        key,
    )
    named = (
        offers.sort("delivery_ts").group_by("unit_id", "window", "block", maintain_order=True).agg(pl.col("start_mw", "block_mw").last())
    )
    order = pl.col("window").replace_strict(list(WINDOWS), [0, 1, 2], return_dtype=pl.Int64)
    return named.join(units, on="unit_id", how="left").sort("unit_id", order, "block")


def _matrix(offers: pl.DataFrame, columns: pl.DataFrame, days: Ints) -> Array:
    placed = offers.join(columns.select("unit_id", "window", "block").with_row_index("column"), on=["unit_id", "window", "block"])
    placed = placed.filter(pl.col("day").is_between(int(days[0]), int(days[-1])))
    price = np.full((len(days), columns.height), np.nan)
    price[placed["day"].to_numpy() - days[0], placed["column"].to_numpy()] = placed["price"].to_numpy()
    return price


def _known(offers: pl.DataFrame, gates: pl.DataFrame) -> Ints:
    disclosed = offers.group_by("day", maintain_order=True).agg(pl.col("known_ts").max()).sort("known_ts")
    joined = gates.join_asof(disclosed.rename({"day": "offered"}).set_sorted("known_ts"), left_on="gate", right_on="known_ts")
    first = int(gates["day"][0])
    return np.asarray((joined["offered"] - first).fill_null(-1).to_numpy(), dtype=np.int64)


def _fuels(warehouse: Warehouse, key: dict[str, str], gates: pl.DataFrame) -> tuple[Array, tuple[str, ...]]:
    table = warehouse.query(
        "select concat(commodity, '/', hub) as fuel, known_ts, price_ccy_per_unit as price from raw.commodities"
        " where market = {market:String} order by known_ts, delivery_ts", key
    )  # fmt: skip
    names = tuple(table["fuel"].unique().sort().to_list())
    found = []
    for name in names:
        prices = table.filter(pl.col("fuel") == name).select("known_ts", "price").set_sorted("known_ts")
        found.append(gates.join_asof(prices, left_on="gate", right_on="known_ts")["price"].fill_null(float("nan")).to_numpy())
    return np.column_stack(found), names


def _state(warehouse: Warehouse, market: Market, gates: pl.DataFrame) -> State:
    """Tightness by day and window: forecasts known at the gate over capacity less announced outages."""
    key = {"market": market.key, "area": market.area}
    forecast = warehouse.query(
        "select delivery_ts, known_ts, quantity, value from raw.quantities where market = {market:String} and area = {area:String}"
        " and kind = 'forecast' and quantity in ('load', 'wind', 'solar') order by delivery_ts, quantity, known_ts", key
    ).with_columns(_local_date(market).alias("day"), _local_hour(market).alias("hour"))  # fmt: skip
    forecast = forecast.join(gates, on="day", maintain_order="left").filter(pl.col("known_ts") <= pl.col("gate"))
    newest = forecast.group_by("day", "delivery_ts", "hour", "quantity", maintain_order=True).agg(pl.col("value").last())
    sign = pl.when(pl.col("quantity") == "load").then(pl.col("value")).otherwise(-pl.col("value"))
    residual = newest.group_by("day", "delivery_ts", "hour", maintain_order=True).agg(sign.sum().alias("residual"))
    hour = pl.col("hour").cast(pl.Int64)
    position = pl.when(hour < BEGINS[0]).then(0).when(hour < BEGINS[1]).then(1).otherwise(2)
    peaks = residual.group_by("day", position.alias("window"), maintain_order=True).agg(pl.col("residual").max())
    capacity, out = _outages(warehouse, market, gates)
    days = gates["day"].to_numpy()
    tight = np.full((len(days), len(WINDOWS)), np.nan)
    tight[peaks["day"].to_numpy() - days[0], peaks["window"].to_numpy()] = peaks["residual"].to_numpy()
    return State(tight / (capacity * (1 - out))[:, None], out, EVENING, NIGHT)


def _outages(warehouse: Warehouse, market: Market, gates: pl.DataFrame) -> tuple[float, Array]:
    """Capacity that can be planned with (not wind and sun), and the share of it that is announced out, by day."""
    key = {"market": market.key}
    units = warehouse.query(
        "select unit_id as element, fuel, p_max_mw from raw.grid_units where market = {market:String}"
        " order by known_ts desc limit 1 by unit_id",
        key,
    ).filter(~pl.col("fuel").is_in(RENEWABLE))
    outages = warehouse.query(
        "select element, outage_id, delivery_ts, end_ts, known_ts, revision, nominal_mw, available_mw from raw.outages"
        " where market = {market:String} and element_kind = 'unit'", key
    ).join(units.select("element"), on="element", how="semi")  # fmt: skip
    capacity = float(units["p_max_mw"].sum())
    spans = [market.day_bounds(date.fromordinal(d + EPOCH)) for d in gates["day"].to_list()]
    ends = gates.with_columns(
        pl.Series("begin", [s[0] for s in spans]).cast(pl.Datetime("ms", "UTC")),
        pl.Series("end", [s[1] for s in spans]).cast(pl.Datetime("ms", "UTC")),
    )
    both = ends.join_where(outages, pl.col("known_ts") <= pl.col("gate"), pl.col("delivery_ts") < pl.col("end"))
    newest = (
        both.sort("day", "element", "outage_id", "known_ts", "revision")
        .group_by("day", "element", "outage_id", maintain_order=True)
        .last()
        .filter(pl.col("end_ts") > pl.col("begin"))
    )
    lost = newest.group_by("day", "element", maintain_order=True).agg(
        (pl.col("nominal_mw") - pl.col("available_mw").fill_null(0.0)).max().alias("mw")
    )
    share = gates.select("day").join(
        lost.group_by("day", maintain_order=True).agg(pl.col("mw").sum()), on="day", how="left", maintain_order="left"
    )
    return capacity, np.clip(share["mw"].fill_null(0.0).to_numpy() / capacity, 0.0, 0.9)


def _recent(warehouse: Warehouse, market: Market, gates: pl.DataFrame) -> Array:
    """Exponentially weighted mean of daily day-ahead prices (over hubs) published by the gate."""
    prices = warehouse.query(
        "select delivery_ts, hub, known_ts, price_ccy_per_mwh as price from raw.prices where market = {market:String} and product = 'da'"
        " order by known_ts limit 1 by delivery_ts, hub", {"market": market.key}
    ).with_columns(_local_date(market).alias("day"))  # fmt: skip
    if prices.is_empty():
        raise NoOffersError(f"market {market.key}: no day-ahead prices; load them first (desk ingest)")
    daily = (
        prices.sort("delivery_ts", "hub")
        .group_by("day", maintain_order=True)
        .agg(pl.col("price").mean(), pl.col("known_ts").max())
        .sort("day")
    )
    smooth = daily.with_columns(pl.col("price").ewm_mean(alpha=1 - PRICE_MEMORY, adjust=True)).select("known_ts", "price").sort("known_ts")
    joined = gates.join_asof(smooth.set_sorted("known_ts"), left_on="gate", right_on="known_ts")
    return np.asarray(joined["price"].fill_null(float("nan")).to_numpy(), dtype=np.float64)


__all__ = ["EVENING", "NIGHT", "RENEWABLE", "WINDOWS", "DailyBook", "matrix_of", "read_daily"]
