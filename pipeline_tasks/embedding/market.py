"""Nodes of a market as known at a decision time: network, limits that bound, prices relative to the energy component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from config.markets import resolve_market
from models._kernel.grid.network import Network
from models._kernel.nodes.learn import NodeMarket
from pipeline_tasks.simulate.market_case import MarketStateError, bare_network, known_grid
from pipeline_tasks.warehouse import Warehouse

Array = npt.NDArray[np.float64]
KM_PER_DEGREE = 111.2


@dataclass(frozen=True)
class KnownNodes:
    """Nodes and their newest prices.

    Attributes:
        market: what is learned from.
        starts: start of every interval of the prices, UTC, rising.
        energy: energy component of each, currency/MWh.
        days_known: days with prices of each node.
        load_share: weight of each node in its hub.
    """

    market: NodeMarket
    starts: tuple[datetime, ...]
    energy: Array
    days_known: npt.NDArray[np.int64]
    load_share: Array


def known_nodes(warehouse: Warehouse, market: str, *, as_of: datetime, days: int) -> KnownNodes:
    """Nodes of a market with the day-ahead prices of the last `days` days that were known at `as_of`.

    Raises:
        MarketStateError: no network model or no nodal prices were known.
    """
    buses, branches = known_grid(warehouse, market, at=as_of, as_of=as_of)
    network = bare_network(market, buses, branches)
    found = nodal_prices(warehouse, market, first=as_of - timedelta(days=days), as_of=as_of)
    if found.is_empty():
        raise MarketStateError(
            f"market {market!r}: no nodal day-ahead prices of the {days} days before {as_of:%Y-%m-%d %H:%M} UTC were known; "
            "ingest a source that publishes them, or ask for more days"
        )
    starts, energy, prices = wide(found, network.buses.names)
    bound = limits(warehouse, market, network, first=as_of - timedelta(days=days), as_of=as_of, intervals=len(starts))
    zone = resolve_market(market).market.zone
    return KnownNodes(
        NodeMarket(network.buses.names, tuple(buses["hub"].to_list()), prices, network, bound, places(buses)),
        tuple(starts.to_list()),
        energy,
        _days(starts, prices, zone),
        buses["load_share"].to_numpy(),
    )


def nodal_prices(warehouse: Warehouse, market: str, *, first: datetime, as_of: datetime) -> pl.DataFrame:
    """First publications of hourly day-ahead prices that were known at `as_of`: delivery_ts, node, price, energy."""
    sql = """
        select delivery_ts, node, price_ccy_per_mwh as price, energy_ccy_per_mwh as energy
        from raw.nodal_prices
        where market = {market:String} and product = 'da' and energy_ccy_per_mwh is not null
          and known_ts <= {as_of:DateTime64(3, 'UTC')} and delivery_ts >= {first:DateTime64(3, 'UTC')}
        order by known_ts
        limit 1 by delivery_ts, node"""
    return warehouse.query(sql, {"market": market, "first": first, "as_of": as_of})


def wide(prices: pl.DataFrame, nodes: Sequence[str]) -> tuple[pl.Series, Array, Array]:
    """Starts, energy components, and prices less energy as (times, nodes), NaN where missing."""
    energy = prices.group_by("delivery_ts").agg(pl.col("energy").median()).sort("delivery_ts")
    own = prices.with_columns(pl.col("price") - pl.col("energy")).pivot("node", index="delivery_ts", values="price")
    absent = [pl.lit(None, dtype=pl.Float64).alias(n) for n in nodes if n not in own.columns]
    matrix = energy.select("delivery_ts").join(own.with_columns(absent), on="delivery_ts", how="left", maintain_order="left")
    return energy["delivery_ts"], energy["energy"].to_numpy(), matrix.select(nodes).cast(pl.Float64).fill_null(float("nan")).to_numpy()


def limits(
    warehouse: Warehouse, market: str, network: Network, *, first: datetime, as_of: datetime, intervals: int
) -> tuple[tuple[int, int, float], ...]:
    """(branch, contingency or -1, mean square shadow price) of the day-ahead limits that bound; branches the network lacks are left out."""
    sql = """
        select branch, contingency, sum(square) as square
        from (
          select branch, contingency, pow(shadow_price_ccy_per_mwh, 2) as square
          from raw.constraints
          where market = {market:String} and product = 'da'
            and known_ts <= {as_of:DateTime64(3, 'UTC')} and delivery_ts >= {first:DateTime64(3, 'UTC')}
          order by known_ts
          limit 1 by delivery_ts, branch, contingency
        )
        group by branch, contingency
        order by branch, contingency"""
    at = {name: k for k, name in enumerate(network.branches.names)}
    found = warehouse.query(sql, {"market": market, "first": first, "as_of": as_of}).iter_rows()
    rows = [(at.get(b, -1), at.get(c, -2) if c else -1, float(s) / max(intervals, 1)) for b, c, s in found]
    return tuple(row for row in rows if row[0] >= 0 and row[1] >= -1)


def places(buses: pl.DataFrame) -> Array | None:
    """East and north of each bus in km; None where no bus has a place."""
    lat, lon = (buses[c].fill_null(float("nan")).to_numpy() for c in ("latitude_deg", "longitude_deg"))
    if not np.isfinite(lat).any():
        return None
    return np.column_stack([lon * np.cos(np.radians(np.nanmean(lat))), lat]) * KM_PER_DEGREE


def _days(starts: pl.Series, prices: Array, zone: ZoneInfo) -> npt.NDArray[np.int64]:
    """Local days in which each node has a price."""
    day = starts.dt.convert_time_zone(str(zone)).dt.date().to_physical().to_numpy()
    seen = np.isfinite(prices)
    return np.array([np.unique(day[seen[:, k]]).size for k in range(prices.shape[1])], dtype=np.int64)
