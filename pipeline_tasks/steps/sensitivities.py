"""Sensitivity step: limits learned from a market's prices, logged as a training run, staged, checked and published like a forecast."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline_tasks.steps.learned import publish_rows, register_learned

if TYPE_CHECKING:
    from models._kernel.grid.network import Network
    from pipeline_tasks.sensitivity.run import Made, Request
    from pipeline_tasks.steps.context import RunContext
    from pipeline_tasks.warehouse import Warehouse

NIGHTLY = "nightly"


def learn_sensitivities(request: Request, say: Callable[[str], None] = lambda _: None, *, publish: bool = True) -> dict[str, Any]:
    """Learn a market's limits from what was known at the gate, and publish them unless told otherwise.

    Asking again for the same market, delivery date and name replaces what was published before; the same data give the same bytes and
    the same version in the registry. The gate compares what is told of later hours with the mean response and with nothing; where it
    says no, rows are DEGRADED and the version carries `gate = miss`.

    Returns:
        `limits` (rows), `nodes` (count), `metrics`, `version`, `publications`, `status`, `reason`.

    Raises:
        MarketStateError: no nodal congestion or shadow prices are known.
        GridError: too few hours have congestion.
    """
    from pipeline_tasks.contracts import SENSITIVITY_TABLES
    from pipeline_tasks.sensitivity.market import history_of
    from pipeline_tasks.sensitivity.run import MODEL, make, tables
    from pipeline_tasks.steps.code_version import code_sha
    from pipeline_tasks.steps.exact import one_blas_thread
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import ensure

    began, request = time.perf_counter(), replace(request, market=request.context.selection.market.key)
    published: list[dict[str, Any]] = []
    with connect() as warehouse:
        ensure(warehouse)
        history, starts = history_of(warehouse, request.market, as_of=request.context.as_of, days=request.days)
        say(f"{request.market}: {len(starts)} hours, {len(history.nodes)} nodes, {len(history.limits)} limits")
        with one_blas_thread():  # the same bytes from a shell and from a DAG
            made = make(history, starts, _network(warehouse, request), request)
        version, artifact = _log(made, time.perf_counter() - began) if publish else ("", "")
        found = tables(made, {"model_version": version, "artifact_sha": artifact, "code_sha": code_sha()})
        for table in SENSITIVITY_TABLES if publish else ():
            published += publish_rows(warehouse, table, found[table.name], run_id=request.context.run_id, model=MODEL)
    return _told(made, found, version, published)


def nightly_sensitivities(ctx: RunContext) -> dict[str, Any]:
    """The night's study of the run's market.

    OK with a reason where the market publishes no nodal congestion, or too few hours have any: then the last study stays. DEGRADED where
    the gate says no.
    """
    from models._kernel.grid.network import GridError
    from pipeline_tasks.sensitivity.run import Request
    from pipeline_tasks.simulate.market_case import MarketStateError

    market = ctx.selection.market.key
    try:
        made = learn_sensitivities(Request(market, ctx.delivery_date, name=NIGHTLY))
    except (MarketStateError, GridError) as error:
        return {"status": "OK", "reason": f"the last study stays: {error}"}
    return made | {"limits": len(made["limits"])}


def tell_congestion(market: str, shadow_prices: Mapping[str, float], *, out: Sequence[str] = ()) -> dict[str, Any]:
    """Congestion of every node for named shadow prices, with its 90 % band, by the newest registered version.

    Args:
        market: market key.
        shadow_prices: "branch" or "branch|contingency" -> currency/MWh, negative where the flow is at its positive limit.
        out: branches that are out: the topology signal.

    Raises:
        SensitivityError: no shadow price is given, or nothing is registered for the market.
        GridError: a limit that was never seen to bind.
    """
    from config.markets import resolve_market
    from pipeline_tasks import tracking
    from pipeline_tasks.sensitivity.market import SEPARATOR
    from pipeline_tasks.sensitivity.run import MODEL, SensitivityError, load
    from pipeline_tasks.tracking.registry import fetch

    if not shadow_prices:
        raise SensitivityError('no shadow price is given; give limits with currency/MWh, e.g. {"12-14|15-17": -30}')
    ref = tracking.challenger(MODEL, resolve_market(market).market.key)
    if ref is None:
        raise SensitivityError(f"nothing is registered for market {market!r}; `desk grid learn --market {market}` makes it")
    learned = load(fetch(ref))
    named = {(b, c): float(v) for text, v in shadow_prices.items() for b, _, c in [text.partition(SEPARATOR)]}
    told, low, high = learned.answer(named, out)
    columns = {"node": learned.nodes, "congestion_ccy_per_mwh": told, "low_90_ccy_per_mwh": low, "high_90_ccy_per_mwh": high}
    rows = pl.DataFrame(columns).sort(pl.col("congestion_ccy_per_mwh").abs(), descending=True, maintain_order=True)
    return {"market": market, "version": ref.version, "gate": ref.gate, "nodes": rows.with_columns(pl.col(pl.Float64).round(4)).to_dicts()}


def show_sensitivities(market: str, *, node: str = "", name: str = NIGHTLY, day: date | None = None) -> dict[str, Any]:
    """The newest published limits of a market, or those of a delivery date; with the sensitivities of a node where one is named.

    Raises:
        SensitivityError: nothing is published.
    """
    from config.markets import resolve_market
    from pipeline_tasks.sensitivity.run import SensitivityError
    from pipeline_tasks.warehouse import connect

    bound: dict[str, Any] = {
        "market": resolve_market(market).market.key,
        "name": name,
        "node": node,
        "day": day or date(1970, 1, 1),
        "any": day is None,
    }
    where = "where market = {market:String} and hub = {name:String} and (delivery_date = {day:Date32} or {any:Bool})"
    newest = f"{where} and delivery_date = (select max(delivery_date) from curated.v_grid_limits {where})"
    with connect() as warehouse:
        limits = warehouse.query(
            "select delivery_date, branch, contingency, hours_bound, shadow_price_mean_ccy_per_mwh, model_correlation, topologies,"
            f" model_version, status from curated.v_grid_limits {newest} order by hours_bound desc, branch, contingency",
            bound,
        )
        own = warehouse.query(
            "select branch, contingency, topology, sensitivity_mw_per_mw, deviation_mw_per_mw from curated.v_grid_sensitivities"
            f" {newest} and node = {{node:String}} order by abs(sensitivity_mw_per_mw) desc, branch, contingency, topology",
            bound,
        )
    if limits.is_empty():
        raise SensitivityError(f"nothing is published of market {market!r} under {name!r}; `desk grid learn --market {market}` makes it")
    if node and own.is_empty():
        raise SensitivityError(f"market {market!r} has no node {node!r} among what is published; raw.nodal_prices names them")
    rounded = pl.col(pl.Float64).round(4)
    return {"limits": limits.with_columns(rounded).to_dicts(), "sensitivities": own.with_columns(rounded).to_dicts()}


def _network(warehouse: Warehouse, request: Request) -> Network | None:
    """The published network model, to compare with; None where there is none."""
    from pipeline_tasks.simulate.market_case import MarketStateError, bare_network, known_grid

    as_of = request.context.as_of
    try:
        return bare_network(request.market, *known_grid(warehouse, request.market, at=as_of, as_of=as_of))
    except MarketStateError:
        return None


def _log(made: Made, seconds: float) -> tuple[str, str]:
    """The training as a run with parameters, metrics and artifact; its version and SHA-256."""
    from pipeline_tasks.sensitivity.run import MODEL, metrics, params, save

    request = made.request
    ref = register_learned(
        partial(save, made),
        request.context,
        model=MODEL,
        market=request.market,
        data_version=made.data_version,
        profile=request.name,
        params=params(request),
        metrics={**metrics(made), "seconds": seconds},
        gate="miss" if made.fault else "pass",
    )
    return ref.version, ref.artifact_sha


def _told(made: Made, found: Mapping[str, pl.DataFrame], version: str, published: list[dict[str, Any]]) -> dict[str, Any]:
    from pipeline_tasks.sensitivity.run import metrics

    limits = found["grid_limits"].select(
        "branch", "contingency", "hours_bound", "shadow_price_mean_ccy_per_mwh", "model_correlation", "topologies"
    )
    return {
        "run_id": made.request.context.run_id,
        "version": version,
        "status": "DEGRADED" if made.fault else "OK",
        "reason": made.fault,
        "nodes": len(made.learned.nodes),
        "limits": limits.with_columns(pl.col(pl.Float64).round(4)).sort("hours_bound", descending=True, maintain_order=True).to_dicts(),
        "metrics": {k: round(v, 4) for k, v in metrics(made).items()},
        "publications": published,
    }
