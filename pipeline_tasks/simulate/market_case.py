"""The network state of a market's delivery interval from what was public at a decision time, as a desk outside the operator knows it.

Network, outages and load forecasts are the newest ones known; offers are the newest disclosed ones of each unit (markets disclose them
with a lag of months), so a study answers "with offers like the last known ones". Commitment is not public: a unit that ran within the
day before the decision keeps its minimum, any other may run from 0 to its capacity, wind and sun up to their forecast, stores are left
out. Contingencies are those that published constraints name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from config.markets import resolve_market
from models._kernel.grid.network import Branches, Buses, CostCurves, Generators, Network
from models._kernel.grid.opf_types import OpfCase, OpfOptions
from models._kernel.grid.validate import validate_network
from pipeline_tasks.warehouse import Warehouse

NEWEST = "order by known_ts desc limit 1 by"
IN_FORCE = "market = {market:String} and known_ts <= {as_of:DateTime64(3, 'UTC')} and delivery_ts <= {at:DateTime64(3, 'UTC')}"
RENEWABLE = ("wind", "solar")


class MarketStateError(ValueError):
    """The warehouse does not hold what a network state needs; says what, and how it comes."""


@dataclass(frozen=True, slots=True)
class MarketCase:
    """A network state.

    Attributes:
        network: buses, branches and units in force.
        case: loads, ranges, offers and outages of the interval.
        options: what the market pays for load, surplus and limits that it cannot keep.
        offers_of: first and last delivery of the offers; None for a public test network, whose costs are its own.
    """

    network: Network
    case: OpfCase
    offers_of: tuple[datetime, datetime] | None = None
    options: OpfOptions = field(default_factory=OpfOptions)


def market_case(warehouse: Warehouse, market: str, *, at: datetime, as_of: datetime, window: str) -> MarketCase:
    """The state of the interval that starts at `at`, as known at `as_of`.

    Args:
        warehouse: a connection that may read raw.
        market: market key.
        at: start of the interval, UTC.
        as_of: decision time, UTC.
        window: part of the local day whose offers count (night, day, evening).

    Raises:
        MarketStateError: no network, no load forecast or no disclosed offers are known at `as_of`.
    """
    params = {"market": market, "at": at, "as_of": as_of, "window": window}
    buses, branches = known_grid(warehouse, market, at=at, as_of=as_of)
    units = warehouse.query(f"select * from raw.grid_units where {IN_FORCE}{_valid()} {NEWEST} unit_id", params).sort("unit_id")
    offers = _offers(warehouse, params)
    offered = offers.group_by("unit_id").agg((pl.col("start_mw") + pl.col("block_mw")).last().alias("offered_mw"))
    units = units.join(offered, on="unit_id", how="inner", maintain_order="left")
    units = units.with_columns(pl.min_horizontal("p_max_mw", "offered_mw").alias("p_max_mw"))  # nothing beyond the offer can be dispatched
    left = _left(warehouse, params)
    network = _network(market, buses, branches, units, offers)
    validate_network(network)
    ceiling = _ceiling(warehouse, params, units, left)
    case = OpfCase(
        load_mw=_load(warehouse, params, buses),
        p_min_mw=_floor(warehouse, params, units, ceiling),
        p_max_mw=ceiling,
        outages=tuple(k for k, name in enumerate(network.branches.names) if left.get(("branch", name), 1.0) == 0.0),
        contingencies=_contingencies(warehouse, params, network),
    )
    days = offers["delivery_ts"]
    rules = resolve_market(market).market
    options = OpfOptions(rules.price_cap, -rules.price_floor, min(rules.limit_price, rules.price_cap))
    return MarketCase(network, case, (days.min(), days.max()), options)  # type: ignore[arg-type]


def _valid() -> str:
    return " and (valid_to_ts is null or valid_to_ts > {at:DateTime64(3, 'UTC')})"


def _needed(warehouse: Warehouse, sql: str, params: Mapping[str, Any], what: str, remedy: str) -> pl.DataFrame:
    frame = warehouse.query(sql, params)
    if frame.is_empty():
        raise MarketStateError(
            f"market {params['market']!r}: no {what} for {params['at']:%Y-%m-%d %H:%M} UTC was known at"
            f" {params['as_of']:%Y-%m-%d %H:%M} UTC; it comes with {remedy}"
        )
    return frame


def _offers(warehouse: Warehouse, params: Mapping[str, Any]) -> pl.DataFrame:
    """Blocks of each unit's newest disclosed day-ahead offer for the part of the day."""
    sql = f"""
        select unit_id, block, start_mw, block_mw, price_ccy_per_mwh, delivery_ts
        from raw.offers
        where {IN_FORCE} and product = 'da' and window = {{window:String}}
        order by delivery_ts desc, known_ts desc
        limit 1 by unit_id, block, delivery_ts"""
    found = _needed(warehouse, sql, params, "disclosed offers", "history from before the market's disclosure lag")
    newest = found.group_by("unit_id").agg(pl.col("delivery_ts").max())
    blocks = found.join(newest, on=["unit_id", "delivery_ts"], how="semi").filter(pl.col("block_mw") > 0, pl.col("start_mw") >= 0)
    touching = pl.col("start_mw").first() + pl.col("block_mw").cum_sum() - pl.col("block_mw")  # published starts are rounded
    return blocks.sort("unit_id", "block").with_columns(touching.over("unit_id").alias("start_mw"))


def _left(warehouse: Warehouse, params: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """Share of an element that the newest revision of its outage leaves; elements without an outage are absent."""
    sql = f"""
        select element_kind, element, nominal_mw, available_mw
        from (
          select * from raw.outages where {IN_FORCE} order by known_ts desc, revision desc limit 1 by element_kind, outage_id
        )
        where end_ts > {{at:DateTime64(3, 'UTC')}} and element_kind in ('unit', 'branch')"""
    left: dict[tuple[str, str], float] = {}
    for row in warehouse.query(sql, params).iter_rows(named=True):
        share = (row["available_mw"] or 0.0) / row["nominal_mw"] if row["nominal_mw"] else 0.0
        key = (row["element_kind"], row["element"])
        left[key] = min(left.get(key, 1.0), share)
    return left


def _contingencies(warehouse: Warehouse, params: Mapping[str, Any], network: Network) -> tuple[int, ...]:
    """Branches whose loss the market secures against, as far as its published constraints of the quarter before show."""
    sql = """
        select distinct contingency
        from raw.constraints
        where market = {market:String} and known_ts <= {as_of:DateTime64(3, 'UTC')} and contingency != ''
          and delivery_ts >= {as_of:DateTime64(3, 'UTC')} - interval 90 day"""
    seen = set(warehouse.query(sql, params)["contingency"].to_list())
    return tuple(k for k, name in enumerate(network.branches.names) if name in seen)


def known_grid(warehouse: Warehouse, market: str, *, at: datetime, as_of: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Buses and branches of the network model in force at `at`, as known at `as_of`, by name.

    Raises:
        MarketStateError: no network is known.
    """
    params = {"market": market, "at": at, "as_of": as_of}
    remedy = "desk ingest of a source with a network model"
    buses = _needed(warehouse, f"select * from raw.grid_buses where {IN_FORCE}{_valid()} {NEWEST} bus", params, "network", remedy)
    branches = warehouse.query(f"select * from raw.grid_branches where {IN_FORCE}{_valid()} {NEWEST} branch", params)
    return buses.sort("bus"), branches.sort("branch")


def bare_network(market: str, buses: pl.DataFrame, branches: pl.DataFrame) -> Network:
    """The network without units and loads, from rows of raw.grid_buses and raw.grid_branches; elements in the order of the rows."""
    bus = {name: k for k, name in enumerate(buses["bus"].to_list())}
    rating, emergency = (branches[c].fill_null(float("inf")).to_numpy() for c in ("rating_mw", "emergency_mw"))
    ends = [np.array([bus[b] for b in branches[c].to_list()], dtype=np.int64) for c in ("from_bus", "to_bus")]
    none, nowhere = np.zeros(0), np.zeros(0, dtype=np.int64)
    return Network(
        name=market,
        base_mva=100.0,
        buses=Buses(
            ids=np.arange(1, buses.height + 1),
            names=tuple(bus),
            area=buses["hub"].rank("dense").cast(pl.Int64).to_numpy(),
            base_kv=buses["base_kv"].to_numpy(),
            load_mw=np.zeros(buses.height),
            shunt_mw=np.zeros(buses.height),
        ),
        branches=Branches(
            names=tuple(branches["branch"].to_list()),
            from_bus=ends[0],
            to_bus=ends[1],
            reactance_pu=branches["reactance_pu"].to_numpy(),
            tap=branches["tap"].to_numpy(),
            shift_rad=branches["shift_rad"].to_numpy(),
            rating_mw=rating,
            emergency_mw=np.maximum(emergency, rating),
        ),
        generators=Generators((), nowhere, none, none, none, CostCurves(none, none, none)),
    )


def _network(market: str, buses: pl.DataFrame, branches: pl.DataFrame, units: pl.DataFrame, offers: pl.DataFrame) -> Network:
    bus = {name: k for k, name in enumerate(buses["bus"].to_list())}
    unit = {name: k for k, name in enumerate(units["unit_id"].to_list())}
    blocks = offers.filter(pl.col("unit_id").is_in(units["unit_id"].implode()))
    nothing = np.zeros(units.height)
    cost = CostCurves(
        constant=nothing,
        linear=nothing,
        quadratic=nothing,
        block_generator=np.array([unit[u] for u in blocks["unit_id"].to_list()], dtype=np.int64),
        block_start_mw=blocks["start_mw"].to_numpy(),
        block_mw=blocks["block_mw"].to_numpy(),
        block_price=blocks["price_ccy_per_mwh"].to_numpy(),
    )
    generators = Generators(
        names=tuple(unit),
        bus=np.array([bus[b] for b in units["bus"].to_list()], dtype=np.int64),
        p_min_mw=nothing,
        p_max_mw=units["p_max_mw"].to_numpy(),
        ramp_mw_per_min=units["ramp_mw_per_min"].fill_null(float("inf")).to_numpy(),
        cost=cost,
        fuel=tuple(units["fuel"].to_list()),
    )
    return replace(bare_network(market, buses, branches), generators=generators)


def _load(warehouse: Warehouse, params: Mapping[str, Any], buses: pl.DataFrame) -> Any:
    """Forecast load of each bus: its hub's, by its share."""
    sql = f"""
        select area as hub, value
        from raw.quantities
        where {IN_FORCE} and delivery_ts = {{at:DateTime64(3, 'UTC')}} and quantity = 'zonal_load' and kind = 'forecast'
        {NEWEST} area"""
    load = _needed(warehouse, sql, params, "load forecast by hub (zonal_load)", "forecasts published before the decision time")
    joined = buses.join(load, on="hub", how="left", maintain_order="left")
    if joined["value"].null_count():
        lacking = joined.filter(pl.col("value").is_null())["hub"].unique().sort().to_list()
        raise MarketStateError(f"market {params['market']!r}: no load forecast of hub(s) {lacking}; load zonal_load of every hub")
    return (joined["value"] * joined["load_share"]).to_numpy()


def _floor(warehouse: Warehouse, params: Mapping[str, Any], units: pl.DataFrame, ceiling: Any) -> Any:
    """Least that each unit gives: its minimum where it ran within the day before the decision, as far as that was known, else nothing."""
    sql = """
        select unit_id
        from raw.units
        where market = {market:String} and known_ts <= {as_of:DateTime64(3, 'UTC')}
          and delivery_ts >= {as_of:DateTime64(3, 'UTC')} - interval 1 day and output_mw > 0
        group by unit_id"""
    ran = units["unit_id"].is_in(warehouse.query(sql, params)["unit_id"].implode()).to_numpy()
    return np.where(ran, np.clip(units["p_min_mw"].to_numpy(), 0.0, ceiling), 0.0)


def _ceiling(warehouse: Warehouse, params: Mapping[str, Any], units: pl.DataFrame, left: Mapping[tuple[str, str], float]) -> Any:
    """Most that each unit can give: capacity less outages; wind and sun share their forecast by capacity."""
    sql = f"""
        select quantity, value
        from raw.quantities
        where {IN_FORCE} and delivery_ts = {{at:DateTime64(3, 'UTC')}} and quantity in ('wind', 'solar') and kind = 'forecast'
        {NEWEST} quantity, area"""
    forecast = dict(warehouse.query(sql, params).group_by("quantity").agg(pl.col("value").sum()).iter_rows())
    capacity = units["p_max_mw"].to_numpy() * np.array([left.get(("unit", u), 1.0) for u in units["unit_id"].to_list()])
    fuel = np.array(units["fuel"].to_list())
    capacity[(units["p_min_mw"] < 0).to_numpy()] = 0.0
    for kind in RENEWABLE:
        mine = fuel == kind
        if kind in forecast and capacity[mine].sum() > 0:
            capacity[mine] *= min(forecast[kind] / capacity[mine].sum(), 1.0)
    return capacity
