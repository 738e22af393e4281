"""The network state of a market's delivery interval from what was public at a decision time, as a desk outside the operator knows it.

Network, outages and load forecasts are the newest ones known; offers are the newest disclosed ones of each unit (markets disclose them
with a lag of months), so a study answers "with offers like the last known ones". Commitment is not public: a unit that ran within the
day before the decision keeps its minimum, any other may run from 0 to its capacity, wind and sun up to their forecast, stores are left
out. Contingencies are those that published constraints name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
OFFERS = f"""
    select unit_id, block, start_mw, block_mw, price_ccy_per_mwh, delivery_ts, window
    from raw.offers
    where {IN_FORCE} and product = 'da' and window in {{windows:Array(String)}}
      and (
        delivery_ts > {{first:DateTime64(3, 'UTC')}}
        or (unit_id, window, delivery_ts) in (
          select unit_id, window, max(delivery_ts) from raw.offers
          where market = {{market:String}} and known_ts <= {{as_of:DateTime64(3, 'UTC')}}
            and delivery_ts <= {{first:DateTime64(3, 'UTC')}} and product = 'da' and window in {{windows:Array(String)}}
          group by unit_id, window
        )
      )
    order by known_ts desc
    limit 1 by unit_id, block, window, delivery_ts"""  # the newest before the first interval, and all later ones
GRID = {"bus": "grid_buses", "branch": "grid_branches", "unit": "grid_units"}
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
    """The state of the interval that starts at `at`; see `market_cases`."""
    return next(market_cases(warehouse, market, [(at, window)], as_of=as_of))


def market_cases(warehouse: Warehouse, market: str, intervals: Sequence[tuple[datetime, str]], *, as_of: datetime) -> Iterator[MarketCase]:
    """The states of several intervals, as known at `as_of`; everything is read once for all of them.

    Args:
        warehouse: a connection that may read raw.
        market: market key.
        intervals: start of each interval, UTC, and the part of the local day whose offers count in it (night, day, evening).
        as_of: decision time, UTC.

    Raises:
        MarketStateError: no network, no load forecast or no disclosed offers are known at `as_of`.
    """
    if not intervals:
        return
    known = _read(warehouse, market, intervals, as_of)
    for at, window in intervals:
        yield _case(known, at, window)


@dataclass(frozen=True, slots=True)
class _Known:
    """Rows of raw that were known at a decision time, of all intervals that are asked for.

    Attributes:
        market: market key.
        as_of: decision time.
        grid: rows of the network model by element (bus, branch, unit).
        offers: blocks of the newest disclosed offers, of all parts of the day.
        outages: revisions of outages.
        forecasts: forecasts of load by hub, wind and sun.
        ran: units that gave power within the day before the decision.
        secured: contingencies that constraints of the quarter before name.
    """

    market: str
    as_of: datetime
    grid: Mapping[str, pl.DataFrame]
    offers: pl.DataFrame
    outages: pl.DataFrame
    forecasts: pl.DataFrame
    ran: pl.Series
    secured: frozenset[str]


def _read(warehouse: Warehouse, market: str, intervals: Sequence[tuple[datetime, str]], as_of: datetime) -> _Known:
    times = sorted(at for at, _ in intervals)
    params = {
        "market": market, "as_of": as_of, "first": times[0], "at": times[-1], "times": times, "windows": sorted({w for _, w in intervals}),
    }  # fmt: skip
    recent = "market = {market:String} and known_ts <= {as_of:DateTime64(3, 'UTC')} and delivery_ts >= {as_of:DateTime64(3, 'UTC')}"
    return _Known(
        market,
        as_of,
        {name: _grid_rows(warehouse, name, params) for name in GRID},
        warehouse.query(OFFERS, params),
        warehouse.query(f"select * from raw.outages where {IN_FORCE} and element_kind in ('unit', 'branch')", params),
        warehouse.query(
            f"select quantity, area, delivery_ts, value from raw.quantities where {IN_FORCE} and kind = 'forecast'"
            " and quantity in ('zonal_load', 'wind', 'solar') and delivery_ts in {times:Array(DateTime64(3, 'UTC'))}"
            f" {NEWEST} quantity, area, delivery_ts",
            params,
        ),
        warehouse.query(f"select distinct unit_id from raw.units where {recent} - interval 1 day and output_mw > 0", params)["unit_id"],
        frozenset(
            warehouse.query(
                f"select distinct contingency from raw.constraints where {recent} - interval 90 day and contingency != ''", params
            )["contingency"]
        ),
    )


def _case(known: _Known, at: datetime, window: str) -> MarketCase:
    buses, branches, units = (_in_force(known, name, at) for name in GRID)
    offers = _offers(known, at, window)
    offered = offers.group_by("unit_id").agg((pl.col("start_mw") + pl.col("block_mw")).last().alias("offered_mw"))
    units = units.join(offered, on="unit_id", how="inner", maintain_order="left")
    units = units.with_columns(pl.min_horizontal("p_max_mw", "offered_mw").alias("p_max_mw"))  # nothing beyond the offer can be dispatched
    left = _left(known, at)
    network = _network(known.market, buses, branches, units, offers)
    validate_network(network)
    forecasts = known.forecasts.filter(pl.col("delivery_ts") == at)
    ceiling = _ceiling(forecasts, units, left)
    names = network.branches.names
    case = OpfCase(
        load_mw=_load(known, forecasts, at, buses),
        p_min_mw=_floor(known, units, ceiling),
        p_max_mw=ceiling,
        outages=tuple(k for k, name in enumerate(names) if left.get(("branch", name), 1.0) == 0.0),
        contingencies=tuple(k for k, name in enumerate(names) if name in known.secured),
    )
    days = offers["delivery_ts"]
    rules = resolve_market(known.market).market
    options = OpfOptions(rules.price_cap, -rules.price_floor, min(rules.limit_price, rules.price_cap))
    return MarketCase(network, case, (days.min(), days.max()), options)  # type: ignore[arg-type]


def _lacks(market: str, at: datetime, as_of: datetime, what: str, remedy: str) -> MarketStateError:
    return MarketStateError(
        f"market {market!r}: no {what} for {at:%Y-%m-%d %H:%M} UTC was known at {as_of:%Y-%m-%d %H:%M} UTC; it comes with {remedy}"
    )


def _offers(known: _Known, at: datetime, window: str) -> pl.DataFrame:
    """Blocks of each unit's newest disclosed day-ahead offer for the part of the day."""
    found = known.offers.filter(pl.col("window") == window, pl.col("delivery_ts") <= at).drop("window")
    if found.is_empty():
        raise _lacks(known.market, at, known.as_of, "disclosed offers", "history from before the market's disclosure lag")
    newest = found.group_by("unit_id").agg(pl.col("delivery_ts").max())
    blocks = found.join(newest, on=["unit_id", "delivery_ts"], how="semi").filter(pl.col("block_mw") > 0, pl.col("start_mw") >= 0)
    touching = pl.col("start_mw").first() + pl.col("block_mw").cum_sum() - pl.col("block_mw")  # published starts are rounded
    return blocks.sort("unit_id", "block").with_columns(touching.over("unit_id").alias("start_mw"))


def _left(known: _Known, at: datetime) -> dict[tuple[str, str], float]:
    """Share of an element that the newest revision of its outage leaves; elements without an outage are absent."""
    newest = known.outages.filter(pl.col("delivery_ts") <= at).sort("known_ts", "revision", descending=True, maintain_order=True)
    under_way = newest.unique(["element_kind", "outage_id"], keep="first", maintain_order=True).filter(pl.col("end_ts") > at)
    left: dict[tuple[str, str], float] = {}
    for row in under_way.iter_rows(named=True):
        share = (row["available_mw"] or 0.0) / row["nominal_mw"] if row["nominal_mw"] else 0.0
        key = (row["element_kind"], row["element"])
        left[key] = min(left.get(key, 1.0), share)
    return left


def known_grid(warehouse: Warehouse, market: str, *, at: datetime, as_of: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Buses and branches of the network model in force at `at`, as known at `as_of`, by name.

    Raises:
        MarketStateError: no network is known.
    """
    params = {"market": market, "first": at, "at": at, "as_of": as_of}
    rows = {name: _grid_rows(warehouse, name, params) for name in ("bus", "branch")}
    known = _Known(market, as_of, rows, pl.DataFrame(), pl.DataFrame(), pl.DataFrame(), pl.Series(), frozenset())
    return _in_force(known, "bus", at), _in_force(known, "branch", at)


def _grid_rows(warehouse: Warehouse, name: str, params: Mapping[str, Any]) -> pl.DataFrame:
    table = GRID[name]
    lasting = "(valid_to_ts is null or valid_to_ts > {first:DateTime64(3, 'UTC')})"
    return warehouse.query(f"select * from raw.{table} where {IN_FORCE} and {lasting}", params)


def _in_force(known: _Known, name: str, at: datetime) -> pl.DataFrame:
    """Newest revision of each element whose time covers `at`, by name."""
    lasting = pl.col("valid_to_ts").is_null() | (pl.col("valid_to_ts") > at)
    rows = known.grid[name].filter(pl.col("delivery_ts") <= at, lasting)
    key = "unit_id" if name == "unit" else name
    if name == "bus" and rows.is_empty():
        raise _lacks(known.market, at, known.as_of, "network", "desk ingest of a source with a network model")
    newest = rows.sort("known_ts", "delivery_ts", "row_sha", descending=[True, True, False])
    return newest.unique(key, keep="first").sort(key)


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


def _load(known: _Known, forecasts: pl.DataFrame, at: datetime, buses: pl.DataFrame) -> Any:
    """Forecast load of each bus: its hub's, by its share."""
    load = forecasts.filter(pl.col("quantity") == "zonal_load").select(pl.col("area").alias("hub"), "value")
    if load.is_empty():
        raise _lacks(known.market, at, known.as_of, "load forecast by hub (zonal_load)", "forecasts published before the decision time")
    joined = buses.join(load, on="hub", how="left", maintain_order="left")
    if joined["value"].null_count():
        lacking = joined.filter(pl.col("value").is_null())["hub"].unique().sort().to_list()
        raise MarketStateError(f"market {known.market!r}: no load forecast of hub(s) {lacking}; load zonal_load of every hub")
    return (joined["value"] * joined["load_share"]).to_numpy()


def _floor(known: _Known, units: pl.DataFrame, ceiling: Any) -> Any:
    """Least that each unit gives: its minimum where it ran within the day before the decision, as far as that was known, else nothing."""
    ran = units["unit_id"].is_in(known.ran.implode()).to_numpy()
    return np.where(ran, np.clip(units["p_min_mw"].to_numpy(), 0.0, ceiling), 0.0)


def _ceiling(forecasts: pl.DataFrame, units: pl.DataFrame, left: Mapping[tuple[str, str], float]) -> Any:
    """Most that each unit can give: capacity less outages; wind and sun share their forecast by capacity."""
    forecast = dict(forecasts.sort("quantity", "area").group_by("quantity", maintain_order=True).agg(pl.col("value").sum()).iter_rows())
    capacity = units["p_max_mw"].to_numpy() * np.array([left.get(("unit", u), 1.0) for u in units["unit_id"].to_list()])
    fuel = np.array(units["fuel"].to_list())
    capacity[(units["p_min_mw"] < 0).to_numpy()] = 0.0
    for kind in RENEWABLE:
        mine = fuel == kind
        if kind in forecast and capacity[mine].sum() > 0:
            capacity[mine] *= min(forecast[kind] / capacity[mine].sum(), 1.0)
    return capacity
