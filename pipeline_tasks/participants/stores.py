"""Stores of a market as episodes of a day on a grid of levels, and the policies learned from what they did (maximum entropy)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.behaviour.entropy_irl import StorePolicy, StoreProblem, expected, learn_store
from pipeline_tasks.participants.daily import DailyBook, _local_date
from pipeline_tasks.warehouse import Warehouse

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
HOURS = 24
ACTIONS = np.array([-2, -1, 0, 1, 2], dtype=np.int64)
ROUND_TRIP = {"storage": 0.77, "battery": 0.87}
"""Round-trip efficiency of pumped storage and of batteries: what the technology is known for."""
LEARN_DAYS = 90


@dataclass(frozen=True)
class StoreDays:
    """Schedules of one store by delivery date of 24 hours.

    Attributes:
        unit: its name.
        step_mw: MW of one step of the grid of levels.
        problem: the store over all its days; prices are relative to the day's mean.
        action: (day, hour) positions in ACTIONS.
        day: (day,) delivery dates, days since 1970.
    """

    unit: str
    step_mw: float
    problem: StoreProblem
    action: Ints
    day: Ints

    def part(self, rows: npt.NDArray[np.bool_]) -> StoreDays:
        """Some of the days."""
        p = self.problem
        problem = StoreProblem(p.price[rows], p.levels, p.actions, p.round_trip, p.start[rows])
        return StoreDays(self.unit, self.step_mw, problem, self.action[rows], self.day[rows])


def read_prices(warehouse: Warehouse, book: DailyBook) -> tuple[Ints, Array]:
    """Days of 24 hours with published day-ahead prices, and their mean over hubs (day, hour)."""
    frame = warehouse.query(
        "select delivery_ts, hub, price_ccy_per_mwh as price from raw.prices where market = {market:String} and product = 'da'"
        " order by known_ts limit 1 by delivery_ts, hub", {"market": book.market.key}
    )  # fmt: skip
    hourly = (
        frame.sort("delivery_ts", "hub")
        .group_by("delivery_ts", maintain_order=True)
        .agg(pl.col("price").mean())
        .sort("delivery_ts")
        .with_columns(_local_date(book.market).alias("day"))
    )
    days = hourly.group_by("day", maintain_order=True).agg(pl.col("price")).filter(pl.col("price").list.len() == HOURS)
    return days["day"].to_numpy(), np.array(days["price"].to_list(), dtype=np.float64).reshape(-1, HOURS)


def read_stores(warehouse: Warehouse, book: DailyBook) -> list[StoreDays]:
    """Every storage unit of the market with its hourly output turned into moves of its level.

    The level itself is not public: a day's moves are integrated, and its lowest point is the bottom of the grid.
    """
    days, price = read_prices(warehouse, book)
    units = book.columns.filter(pl.col("fuel").is_in(list(ROUND_TRIP))).unique("unit_id").sort("unit_id")
    frame = warehouse.query(
        "select unit_id, delivery_ts, output_mw as mw from raw.units where market = {market:String} and resolution_min = 60"
        " and unit_id in {units:Array(String)} order by unit_id, delivery_ts, known_ts limit 1 by unit_id, delivery_ts",
        {"market": book.market.key, "units": units["unit_id"].to_list()},
    ).with_columns(_local_date(book.market).alias("day"))
    found = []
    for row in units.iter_rows(named=True):
        mine = frame.filter(pl.col("unit_id") == row["unit_id"]).group_by("day", maintain_order=True).agg(pl.col("mw"))
        mine = mine.filter(pl.col("mw").list.len() == HOURS, pl.col("day").is_in(days.tolist()))
        if mine.height:
            prices = price[np.searchsorted(days, mine["day"].to_numpy())]
            found.append(_store(row, mine["day"].to_numpy(), np.array(mine["mw"].to_list()), prices))
    return found


def _store(unit: dict[str, object], day: Ints, output: Array, price: Array) -> StoreDays:
    round_trip = ROUND_TRIP[str(unit["fuel"])]
    step = float(unit["p_max_mw"]) / 2  # type: ignore[arg-type]
    moved = np.where(output > 0, -output, -output * round_trip) / step
    level = np.round(moved.cumsum(axis=1))
    move = np.clip(np.diff(level, axis=1, prepend=0.0), ACTIONS[0], ACTIONS[-1]).astype(np.int64)
    path = move.cumsum(axis=1)
    start = -np.minimum(path.min(axis=1), 0)
    levels = int((start[:, None] + np.maximum(path, 0)).max()) + 1
    relative = price / np.maximum(np.abs(price.mean(axis=1, keepdims=True)), 1.0)
    problem = StoreProblem(relative, max(levels, 2), ACTIONS, round_trip, start.astype(np.int64))
    return StoreDays(str(unit["unit_id"]), step, problem, move - ACTIONS[0], day)


def learn_stores(stores: list[StoreDays], before: int) -> dict[str, StorePolicy]:
    """Policies of all stores from the `LEARN_DAYS` delivery dates before a date (days since 1970) whose output is known."""
    found = {}
    for store in stores:
        rows = (store.day < before) & (store.day >= before - LEARN_DAYS)
        if rows.sum() >= 20:
            past = store.part(rows)
            found[store.unit] = learn_store(past.problem, past.action)
    return found


def expected_output(store: StoreDays, policy: StorePolicy, price: Array, before: int) -> Array:
    """Mean output (hour,) in MW that a store is expected to give at a price path (hour,), negative when it stores.

    It starts where it started on average on the days before `before`.
    """
    past = store.problem.start[store.day < before]
    start = int(np.round(past[-LEARN_DAYS:].mean())) if len(past) else 0
    relative = price / max(abs(float(price.mean())), 1.0)
    problem = StoreProblem(relative[None], store.problem.levels, ACTIONS, store.problem.round_trip, np.array([start]))
    change = expected(problem, policy.theta)[1][0]
    return np.asarray(np.where(change > 0, -change / store.problem.round_trip, -change) * store.step_mw, dtype=np.float64)
