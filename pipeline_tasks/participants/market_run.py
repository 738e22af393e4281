"""The market run with offers that were learned: cleared by the project's own dispatch on the state that is public at the gate.

Network, outages and minimum outputs are those of `simulate.market_case` at the first hour that is asked; load, wind and sun
are each hour's own forecasts. Stores are no part of that state: what their learned policies are expected to give is taken off the load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.grid.dcopf import DcOpf
from models._kernel.grid.network import CostCurves
from models._kernel.grid.opf_types import OpfCase
from pipeline_tasks.participants.daily import RENEWABLE, WINDOWS, DailyBook
from pipeline_tasks.simulate.market_case import MarketCase, market_case
from pipeline_tasks.simulate.outages import window_at
from pipeline_tasks.warehouse import Warehouse

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Forecasts:
    """Load by hub, wind and sun of the system by start of hour, known at the gates.

    Attributes:
        load: hub and start -> MW.
        free: fuel and start -> MW.
    """

    load: dict[tuple[str, datetime], float]
    free: dict[tuple[str, datetime], float]


@dataclass(frozen=True)
class Cleared:
    """Prices of one hour under one set of offers.

    Attributes:
        price, congestion: (hub,) means weighted by load, hubs in alphabetical order.
        certified: whether the optimum was proven.
    """

    price: Array
    congestion: Array
    certified: bool


def read_forecasts(warehouse: Warehouse, book: DailyBook) -> Forecasts:
    """Newest forecasts; their publication before the gates is the source's rule and checked by `market_case`."""
    frame = warehouse.query(
        "select area, quantity, delivery_ts, value from raw.quantities where market = {market:String} and kind = 'forecast'"
        " and quantity in ('zonal_load', 'wind', 'solar') order by known_ts limit 1 by area, quantity, delivery_ts",
        {"market": book.market.key},
    )
    load = frame.filter(pl.col("quantity") == "zonal_load").select("area", "delivery_ts", "value").iter_rows()
    free = (
        frame.filter(pl.col("quantity") != "zonal_load")
        .sort("area")
        .group_by("quantity", "delivery_ts", maintain_order=True)
        .agg(pl.col("value").sum())
        .iter_rows()
    )
    return Forecasts({(a, t): v for a, t, v in load}, {(q, t): v for q, t, v in free})


def run_day(
    warehouse: Warehouse,
    book: DailyBook,
    forecasts: Forecasts,
    delivery: date,
    offers: Mapping[str, Array],
    *,
    hours: Sequence[int],
    stores: Mapping[str, Array] | None = None,
) -> dict[str, dict[datetime, Cleared]]:
    """Clear hours of a delivery date under each named set of offers.

    Args:
        warehouse: a connection that may read raw.
        book: columns of the offers.
        forecasts: load, wind and sun.
        delivery: the delivery date; what is known is what was known at its gate.
        offers: name -> price (column,).
        hours: elapsed hours of the local day that are cleared.
        stores: unit -> expected output (hour of day,), MW.

    Returns:
        name -> start of hour -> prices.
    """
    market = book.market
    begin, _ = market.day_bounds(delivery)
    found: dict[str, dict[datetime, Cleared]] = {name: {} for name in offers}
    known: tuple[MarketCase, DcOpf] | None = None
    curves: dict[tuple[str, str], CostCurves] = {}
    for hour in hours:
        at = begin + timedelta(hours=hour)
        window = window_at(at.astimezone(market.zone).hour)
        if known is None:
            state = market_case(warehouse, market.key, at=at, as_of=market.gate(delivery), window=window)
            known = state, DcOpf(state.network, state.options)
        state, solver = known
        case = _case(state, forecasts, market.hubs, at, {u: float(mw[min(hour, len(mw) - 1)]) for u, mw in (stores or {}).items()})
        for name, price in offers.items():
            if (name, window) not in curves:
                curves[name, window] = _curves(state, book, window, price)
            found[name][at] = _cleared(state, solver, replace(case, cost=curves[name, window]))
    return found


def _curves(state: MarketCase, book: DailyBook, window: str, price: Array) -> CostCurves:
    """The state's cost curves with the prices of the book's columns, where its blocks are the same."""
    cost = state.network.generators.cost
    mine = book.columns.with_row_index("column").filter(pl.col("window") == window, pl.col("block_mw") > 0, pl.col("start_mw") >= 0)
    by_unit = {str(k[0]): g["column"].to_numpy() for k, g in mine.group_by(["unit_id"], maintain_order=True)}
    names, made = state.network.generators.names, cost.block_price.copy()
    for generator in np.unique(cost.block_generator):
        blocks = np.flatnonzero(cost.block_generator == generator)
        columns = by_unit.get(names[generator])
        if columns is not None and len(columns) == len(blocks) and np.isfinite(price[columns]).all():
            made[blocks] = np.maximum.accumulate(price[columns])
    low, high = -state.options.oversupply_price, state.options.unserved_price
    return replace(cost, block_price=np.clip(made, low + 1, high - 1))


def _case(state: MarketCase, forecasts: Forecasts, hubs: Sequence[str], at: datetime, stores: Mapping[str, float]) -> OpfCase:
    """The state's case with the hour's own load, wind and sun, less what stores are expected to give."""
    network, case = state.network, state.case
    load, high = np.array(case.load_mw, dtype=np.float64), np.array(case.p_max_mw, dtype=np.float64)
    for k, hub in enumerate(sorted(hubs), start=1):
        inside = network.buses.area == k
        total = float(load[inside].sum())
        if total > 0:
            load[inside] *= forecasts.load[hub, at] / total
    fuel = np.array(network.generators.fuel)
    for kind in RENEWABLE:
        mine = fuel == kind
        capacity = network.generators.p_max_mw[mine]
        if capacity.sum() > 0 and (kind, at) in forecasts.free:
            high[mine] = capacity * min(forecasts.free[kind, at] / capacity.sum(), 1.0)
    for k, name in enumerate(network.generators.names):
        if name in stores:
            load[network.generators.bus[k]] -= stores[name]
    low = np.minimum(np.array(case.p_min_mw), high)
    return replace(case, load_mw=load, p_max_mw=high, p_min_mw=low)


def _cleared(state: MarketCase, solver: DcOpf, case: OpfCase) -> Cleared:
    result = solver.solve(case)
    weight, area = np.array(state.case.load_mw), state.network.buses.area
    hubs = int(area.max())
    total = np.bincount(area, weights=weight, minlength=hubs + 1)[1:]
    means = [np.bincount(area, weights=weight * v, minlength=hubs + 1)[1:] / total for v in (result.lmp, result.congestion)]
    return Cleared(np.asarray(means[0]), np.asarray(means[1]), bool(result.certified))


__all__ = ["WINDOWS", "Cleared", "Forecasts", "read_forecasts", "run_day"]
