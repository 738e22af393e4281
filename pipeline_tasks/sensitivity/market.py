"""What a market published of its congestion, as known at a decision time: nodal prices, shadow prices, announced outages of branches."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from config.markets import Market, resolve_market
from models._kernel.grid.learned_limits import History
from pipeline_tasks.simulate.market_case import MarketStateError
from pipeline_tasks.warehouse import Warehouse

SEPARATOR = "|"


def history_of(warehouse: Warehouse, market: str, *, as_of: datetime, days: int) -> tuple[History, pl.Series]:
    """Day-ahead hours of the last `days` days whose congestion was known at `as_of`, and their starts.

    Hours that lack a node are left out: a gap is a gap. A branch counts as out in an hour where that was announced before the gate of the
    hour's delivery date, because the auction cannot have known more.

    Raises:
        MarketStateError: no nodal congestion or no shadow prices were known.
    """
    params: dict[str, Any] = {"market": market, "as_of": as_of, "first": as_of - timedelta(days=days)}
    congestion = _prices(warehouse, params)
    wide = _shadow(warehouse, params, congestion)
    names = sorted(wide.columns[1:])
    starts = congestion["delivery_ts"]
    rules = resolve_market(market).market
    branches, out = _out(warehouse, params, starts, rules)
    nodes = congestion.columns[1:]
    limits = tuple((b, c) for b, _, c in (n.partition(SEPARATOR) for n in names))
    shadow = wide.select(names).to_numpy().astype(np.float64)
    return History(tuple(nodes), limits, branches, congestion.select(nodes).to_numpy(), shadow, out), starts


def _prices(warehouse: Warehouse, params: Mapping[str, Any]) -> pl.DataFrame:
    found = warehouse.query(
        "select delivery_ts, node, congestion_ccy_per_mwh as value from raw.nodal_prices where market = {market:String} and product = 'da'"
        " and congestion_ccy_per_mwh is not null and known_ts <= {as_of:DateTime64(3, 'UTC')}"
        " and delivery_ts >= {first:DateTime64(3, 'UTC')} order by known_ts limit 1 by delivery_ts, node",
        params,
    )
    wide = found.pivot("node", index="delivery_ts", values="value").drop_nulls().sort("delivery_ts") if found.height else found
    if wide.is_empty():
        raise MarketStateError(
            f"market {params['market']!r}: no nodal congestion since {params['first']:%Y-%m-%d} was known at"
            f" {params['as_of']:%Y-%m-%d %H:%M} UTC; ingest a source that publishes it, or ask for more days"
        )
    return wide.select("delivery_ts", *sorted(wide.columns[1:]))


def _shadow(warehouse: Warehouse, params: Mapping[str, Any], congestion: pl.DataFrame) -> pl.DataFrame:
    """Shadow prices by hour and limit, 0 where none is published: a limit that does not bind has none."""
    found = warehouse.query(
        "select delivery_ts, branch, contingency, -sign(flow_mw) * shadow_price_ccy_per_mwh as value from raw.constraints"
        " where market = {market:String} and product = 'da' and known_ts <= {as_of:DateTime64(3, 'UTC')}"
        " and delivery_ts >= {first:DateTime64(3, 'UTC')} order by known_ts limit 1 by delivery_ts, branch, contingency",
        params,
    ).with_columns(name=pl.concat_str("branch", "contingency", separator=SEPARATOR))
    if found.is_empty():
        raise MarketStateError(f"market {params['market']!r}: no shadow prices were known; ingest a source that publishes constraints")
    wide = found.pivot("name", index="delivery_ts", values="value", aggregate_function="first")
    return congestion.select("delivery_ts").join(wide, on="delivery_ts", how="left", maintain_order="left").fill_null(0.0)


def _out(
    warehouse: Warehouse, params: Mapping[str, Any], starts: pl.Series, rules: Market
) -> tuple[tuple[str, ...], npt.NDArray[np.bool_]]:
    """Branches that were out as announced before the gate, and in which hours."""
    rows = warehouse.query(
        "select outage_id, element, known_ts, revision, delivery_ts, end_ts, available_mw from raw.outages"
        " where market = {market:String} and element_kind = 'branch' and known_ts <= {as_of:DateTime64(3, 'UTC')}"
        " and end_ts >= {first:DateTime64(3, 'UTC')}",
        params,
    ).sort("outage_id", "known_ts", "revision")
    branches = tuple(rows["element"].unique().sort().to_list())
    at = {name: k for k, name in enumerate(branches)}
    hours, out = starts.to_list(), np.zeros((len(starts), len(branches)), dtype=bool)
    days = starts.dt.convert_time_zone(rules.zone.key).dt.date()
    for day in days.unique().sort().to_list():
        known = rows.filter(pl.col("known_ts") <= rules.gate(day)).unique("outage_id", keep="last", maintain_order=True)
        mine = np.flatnonzero((days == day).to_numpy())
        for element, begin, end, left in known.select("element", "delivery_ts", "end_ts", "available_mw").iter_rows():
            if not left and begin <= hours[mine[-1]] and end > hours[mine[0]]:
                out[[k for k in mine if begin <= hours[k] < end], at[element]] = True
    return branches, out
