"""Simulation step: outage scenarios of a delivery date, staged, checked and published like a forecast."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline_tasks.steps.learned import publish_rows

if TYPE_CHECKING:
    from pipeline_tasks.simulate.outages import Request
    from pipeline_tasks.steps.context import RunContext

LARGEST = 10
SMALLEST = 0.005  # currency/MWh


def simulate_outages(request: Request, say: Callable[[str], None] = lambda _: None, *, publish: bool = True) -> dict[str, Any]:
    """Simulate what is asked, and publish it unless told otherwise.

    Asking again for the same market, delivery date and name of a simulation replaces what it published before; the
    same state and scenarios give the same rows.

    Returns:
        `scenarios`: one row per scenario and interval; `largest`: the largest price changes; `constraints`: named limits
        that bind during outages; `publications`: what was published; `status` DEGRADED when an answer is.

    Raises:
        MarketStateError: the market's state is not known.
        RequestError: a scenario cannot be simulated.
    """
    from pipeline_tasks.contracts import SIMULATION_TABLES
    from pipeline_tasks.simulate.outages import simulate
    from pipeline_tasks.simulate.response import MODEL, newest
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import ensure

    published: list[dict[str, Any]] = []
    with connect() as warehouse:
        ensure(warehouse)
        found = simulate(warehouse, request, say, newest(request.context.selection.market.key, request.context.as_of))
        for table in SIMULATION_TABLES if publish else ():
            published += publish_rows(warehouse, table, found[table.name], run_id=request.context.run_id, model=MODEL)
    return _told(found, published, request.context.run_id)


def current_sensitivities(ctx: RunContext, name: str) -> dict[str, Any]:
    """What the loss of each branch would do to prices in the hour under way, from what is known at the run's decision time; published.

    Each run replaces what the one before it said of the day, so readers see the newest state under the name.

    Args:
        ctx: a run within the day.
        name: name of the study; nothing is done where it is empty.

    Returns:
        `scenarios` and `constraints` (counts), `largest`, `publications`, `status` and `reason`: DEGRADED where the market's state is
        not known, and then the last good study stays, or where an answer lacks its proof; OK with a reason where the market has no network
        model. A scenario in which load cannot be served is an answer; its own rows are marked.
    """
    from pipeline_tasks.simulate.market_case import MarketStateError
    from pipeline_tasks.simulate.outages import Request
    from pipeline_tasks.warehouse import connect

    market, told = ctx.selection.market, {"market": ctx.selection.market.key, "name": name, "as_of": ctx.as_of}
    with connect() as warehouse:
        has_network = warehouse.scalar("select count() from raw.grid_buses where market = {market:String}", told)
        newer = warehouse.scalar(
            "select count() from ops.publications where market = {market:String} and hub = {name:String}"
            " and as_of > {as_of:DateTime64(3, 'UTC')}",
            told,
        )
    if newer:
        return {"status": "OK", "reason": "a later run has published a newer study"}
    if not name or not has_network:
        return {"status": "OK", "reason": f"{market.key}: no network model" if name else "switched off (config/schedules.yaml)"}
    local = ctx.as_of.astimezone(market.zone)
    asked = Request(market.key, local.date(), hours=(local.hour,), lines=("all",), name=name, decided_at=ctx.as_of)
    try:
        made = simulate_outages(asked)
    except MarketStateError as error:
        return {"status": "DEGRADED", "reason": f"the last study stays: {error}"}
    unproven = sum(not s["is_certified"] for s in made["scenarios"])
    said = {"status": "DEGRADED", "reason": f"{unproven} answers are not proven"} if unproven else {"status": "OK", "reason": ""}
    return made | said | {key: len(made[key]) for key in ("scenarios", "constraints")}


def simulate_network(name: str, request: Request, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Simulate the request's scenarios on a public test network as published; nothing is read from the warehouse or written to it.

    Raises:
        GridError: no such network here.
        RequestError: a scenario cannot be simulated.
    """
    from models._kernel.grid.cases import load_case
    from models._kernel.grid.opf_types import OpfCase
    from pipeline_tasks.simulate.market_case import MarketCase
    from pipeline_tasks.simulate.outages import interval_rows
    from pipeline_tasks.simulate.requests import requested

    network = load_case(name)
    outages = requested(network, lines=request.lines, units=request.units, batch=request.batch)
    say(f"{name}: {len(outages)} scenarios on {network.n_buses} buses")
    found = interval_rows(MarketCase(network, OpfCase()), outages)
    return _told({n: f.with_columns(pl.lit(None).alias("delivery_ts")) for n, f in found.items()}, [], name)


def flow_sensitivities(
    market: str, delivery_date: date, hour: int, flow_changes: Mapping[str, float], *, out: Sequence[str] = (), network: str = ""
) -> dict[str, Any]:
    """How prices and flows of one interval answer to flows outside the dispatch; on a public test network where one is named.

    Raises:
        MarketStateError: the market's state is not known.
        RequestError: no flow is given, a branch is not there, or the day has no such hour.
    """
    from models._kernel.grid.cases import load_case
    from models._kernel.grid.opf_types import OpfCase
    from pipeline_tasks.simulate.market_case import MarketCase
    from pipeline_tasks.simulate.outages import Request, states
    from pipeline_tasks.simulate.requests import RequestError
    from pipeline_tasks.simulate.sensitivities import sensitivities
    from pipeline_tasks.warehouse import connect

    if network:
        state = MarketCase(load_case(network), OpfCase())
    else:
        with connect() as warehouse:
            found = [s for _, s in states(warehouse, Request(market, delivery_date, hours=(hour,)))]
        if not found:
            raise RequestError(f"{delivery_date} has no local hour {hour} in market {market!r}; give another hour")
        state = found[0]
    answer = sensitivities(state, flow_changes, out)
    change = pl.col("price_change_ccy_per_mwh")
    return {
        "status": "OK" if answer.certified else "DEGRADED",
        "prices": answer.prices.sort(change.abs(), descending=True, maintain_order=True)
        .with_columns(pl.col(pl.Float64).round(4))
        .to_dicts(),
        "factors": answer.factors.with_columns(pl.col("ptdf").round(6)).to_dicts(),
        "limits": answer.limits.with_columns(pl.col(pl.Float64).round(3)).to_dicts(),
    }


def _told(found: Mapping[str, pl.DataFrame], published: list[dict[str, Any]], run_id: str) -> dict[str, Any]:
    """What a simulation found, for people."""
    scenarios = found["outage_scenarios"].sort(pl.col("cost_change_ccy_per_h").abs(), descending=True, maintain_order=True)
    degraded = scenarios.filter(pl.col("status_reason") != "")
    limits = ("branch", "contingency", "shadow_price_before_ccy_per_mwh", "shadow_price_ccy_per_mwh", "flow_mw", "limit_mw", "excess_mw")
    return {
        "run_id": run_id,
        "status": "DEGRADED" if degraded.height else "OK",
        "reason": "; ".join(degraded["status_reason"].unique().sort().head(3).to_list()),
        "scenarios": told(scenarios, ("cost_change_ccy_per_h", "unserved_mw", "is_split", "is_certified")),
        "largest": largest(found["outage_impacts"]),
        "constraints": told(found["outage_constraints"], limits),
        "publications": published,
    }


def told(frame: pl.DataFrame, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows by scenario and interval, figures rounded."""
    chosen = frame.select("scenario", "delivery_ts", *columns)
    return chosen.with_columns(pl.col(pl.Float64).round(3)).to_dicts()


def largest(impacts: pl.DataFrame) -> list[dict[str, Any]]:
    """The nodes whose price changes most, over all scenarios and intervals."""
    change = pl.col("price_change_ccy_per_mwh")
    columns = ("node", "price_before_ccy_per_mwh", "price_after_ccy_per_mwh", "price_change_ccy_per_mwh")
    return told(impacts.filter(change.abs() >= SMALLEST).sort(change.abs(), descending=True).head(LARGEST), columns)


__all__ = ["flow_sensitivities", "largest", "simulate_network", "simulate_outages", "told"]
