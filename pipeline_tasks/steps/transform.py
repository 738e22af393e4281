"""Transform: one `dbt build` for one market and the years that need it, with every result kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

import polars as pl

from config.markets import Market, load_markets, resolve_market
from pipeline_tasks.contracts.features import FEATURE_TABLES
from pipeline_tasks.contracts.ops import DBT_RESULTS
from pipeline_tasks.steps.build_state import (
    EVERYTHING,
    Build,
    drop_drifted,
    drop_stale_partitions,
    fingerprint,
    first_changed_date,
    last_build,
    raw_state,
    record_build,
)
from pipeline_tasks.steps.dbt_process import NodeResult, TransformFailed, raise_on_failure, run_dbt
from pipeline_tasks.steps.market_days import load_market_days
from pipeline_tasks.steps.series_days import load_series_days
from pipeline_tasks.warehouse import Warehouse, connect

Layer = Literal["staging", "intermediate", "features", "marts"]
LAYERS: tuple[Layer, ...] = ("staging", "intermediate", "features", "marts")
FEATURE_NAMES = ", ".join(t.name for t in FEATURE_TABLES)
DATED = ("intermediate", "features")  # layers that rebuild from a date on

__all__ = ["LAYERS", "Layer", "TransformFailed", "transform"]


def transform(
    *layers: Layer,
    market: str | None = None,
    start_date: date | None = None,
    end_date: date | None = None,
    run_id: str = "adhoc",
    force: bool = False,
    tables: Sequence[str] = (),
) -> dict[str, Any]:
    """Build layers with one dbt command.

    Staging is views. Intermediate rebuilds the market's partitions. Features rebuild whole years of the market (months of intraday
    decisions): those that raw rows loaded since the last build can change and those from `start_date` on, up to `end_date`'s; all of
    them after a change of settings or of the dbt project. Layers must be built in order, together or one after the other.

    Args:
        layers: what to build.
        market: market or selection key (`epf_de`, `ercot_hb_north` builds all of `ercot`); None builds every market with
            raw prices, wholly.
        start_date: first delivery date to rebuild in any case.
        end_date: rows exist at least up to this delivery date, also where prices are unknown yet.
        run_id: run that the results are kept under in `ops.dbt_results`.
        force: build intermediate and features wholly even though nothing changed.
        tables: feature tables (`ftr_intraday`) that are built with all that they are built on, and nothing else; all when empty. Such a
            build says nothing of the other tables: the next one of all makes good what they lack.

    Returns:
        `layers` that were built, `market`, `nodes` (number by status), `from_date` and `to_date` of what was built, `skipped` (nothing had
        changed), `seconds`.

    Raises:
        ValueError: a layer or table is not known, no layer is named, or tables are named without a market.
        KeyError: the market is not known.
        TransformFailed: a dbt node failed; the results are kept before it is raised.
    """
    if not layers:
        raise ValueError(f"no layer is named; use some of {', '.join(LAYERS)}")
    for layer in layers:
        if layer not in LAYERS:
            raise ValueError(f"layer {layer!r} is not known; use some of {', '.join(LAYERS)}")
    unknown = sorted(set(tables) - {t.name for t in FEATURE_TABLES})
    if unknown or (tables and market is None):
        raise ValueError(f"tables are {list(tables)}, market {market!r}; name feature tables ({FEATURE_NAMES}) and a market")
    began = time.monotonic()
    with connect() as wh:
        load_series_days(wh)
        if market is None:
            return _transform_all(wh, layers, end_date, run_id, began)
        part = Part(tuple(layers), tuple(sorted(tables)))
        return _transform_market(wh, part, resolve_market(market).market, (start_date, end_date), run_id=run_id, force=force, began=began)


@dataclass(frozen=True, slots=True)
class Part:
    """What of the project is built.

    Attributes:
        layers: layers, in order.
        tables: feature tables that it is for; empty for all.
    """

    layers: tuple[Layer, ...]
    tables: tuple[str, ...] = ()

    def name(self, layer: Layer) -> str:
        """What `intermediate.layer_builds` calls a build of a layer."""
        return ":".join((layer, *self.tables))

    def selected(self, layers: Sequence[Layer]) -> list[str]:
        """What `dbt build --select` takes to build layers of it."""
        paths = [f"path:models/{layer}" for layer in layers]
        return [f"+{table},{path}" for path in paths for table in self.tables] if self.tables else paths


def _transform_all(wh: Warehouse, layers: Sequence[Layer], end_date: date | None, run_id: str, began: float) -> dict[str, Any]:
    known = set(wh.query("select distinct market from raw.prices")["market"].to_list())
    for market in load_markets().values():
        if market.key in known:
            load_market_days(wh, market)
    for layer in layers:
        drop_drifted(wh, layer)
    nodes = _build(wh, Part(tuple(layers)).selected(layers), {"end_date": _text(end_date)}, run_id)
    return _summary(layers, None, nodes, began, from_date=None, to_date=end_date)


def _transform_market(
    wh: Warehouse,
    part: Part,
    market: Market,
    dates: tuple[date | None, date | None],
    *,
    run_id: str,
    force: bool,
    began: float,
) -> dict[str, Any]:
    load_market_days(wh, market)
    plan = _plan(wh, part, market.key, dates, force=force)
    to_date = max((build.to_date for build, _ in plan.values()), default=dates[1])
    due = {layer: start for layer, (_, start) in plan.items() if start is not None}
    if not due:
        return {**_summary([], market.key, [], began, from_date=None, to_date=to_date), "skipped": True}
    start = min((due[layer] for layer in due if layer in DATED), default=EVERYTHING)
    variables = {"market": market.key, "end_date": _text(to_date), "start_date": "" if start == EVERYTHING else _text(start)}
    nodes = _build(wh, part.selected(list(due)), variables, run_id)
    if "features" in due:
        drop_stale_partitions(wh, market.key)
    for layer in due:
        record_build(wh, part.name(layer), market.key, plan[layer][0], start)
    return _summary(list(due), market.key, nodes, began, from_date=start, to_date=to_date)


def _plan(
    wh: Warehouse, part: Part, market: str, dates: tuple[date | None, date | None], *, force: bool
) -> dict[Layer, tuple[Build, date | None]]:
    """Per layer what it would be made from now, and the first delivery date to rebuild, None for nothing to do."""
    plan: dict[Layer, tuple[Build, date | None]] = {}
    for layer in part.layers:
        absent, last = drop_drifted(wh, layer), last_build(wh, {layer, part.name(layer)}, market)
        below = plan["intermediate"][0] if "intermediate" in plan else last_build(wh, {"intermediate", part.name("intermediate")}, market)
        now = _state(wh, layer, market, dates[1], below)
        plan[layer] = now, EVERYTHING if force or absent or last is None else _start(wh, market, layer, dates, last, now)
    return plan


def _state(wh: Warehouse, layer: Layer, market: str, end_date: date | None, intermediate: Build | None) -> Build:
    """What a build would be made from now: features see the raw rows that the intermediate layer sees."""
    below = intermediate if layer in {"features", "marts"} else None
    raw = below.raw if below else raw_state(wh, market)
    reach = [d for d in (end_date, _last_priced_date(wh, market), below.to_date if below else None) if d]
    return Build(fingerprint(wh, market), max(reach, default=EVERYTHING), raw)


def _last_priced_date(wh: Warehouse, market: str) -> date | None:
    value = wh.scalar(
        "select toDate(max(delivery_ts)) from raw.prices where market = {market:String} having count() > 0", {"market": market}
    )
    return value if isinstance(value, date) else None


def _start(wh: Warehouse, market: str, layer: Layer, dates: tuple[date | None, date | None], last: Build, now: Build) -> date | None:
    """First delivery date to rebuild, None for nothing to do."""
    if layer in {"staging", "marts"}:  # views and small tables: staging only when it changed, marts always
        return EVERYTHING if layer == "marts" or last.fingerprint != now.fingerprint else None
    candidates = [first_changed_date(wh, market, last, now), dates[0], last.to_date if now.to_date > last.to_date else None]
    found = [d for d in candidates if d is not None]
    return min(found) if found else None


def _build(wh: Warehouse, selected: Sequence[str], variables: dict[str, str], run_id: str) -> list[NodeResult]:
    nodes = run_dbt(wh, ["build", "--select", *selected, "--exclude-resource-type", "unit_test"], variables=variables)
    _keep(wh, nodes, run_id)
    raise_on_failure(nodes)
    return nodes


def _keep(wh: Warehouse, nodes: Sequence[NodeResult], run_id: str) -> None:
    """Write the results to ops.dbt_results, failed ones too."""
    now = datetime.now(UTC)
    rows = [
        {
            "run_id": run_id,
            "unique_id": n.unique_id,
            "resource_type": n.resource_type,
            "status": n.status,
            "seconds": n.seconds,
            "failures": n.failures,
            "message": n.message,
            "at_ts": now,
        }
        for n in nodes
    ]
    if rows:
        wh.insert(DBT_RESULTS, pl.DataFrame(rows, schema=DBT_RESULTS.polars_schema()))


def _summary(
    layers: Sequence[Layer], market: str | None, nodes: Sequence[NodeResult], began: float, *, from_date: date | None, to_date: date | None
) -> dict[str, Any]:
    statuses = sorted({n.status for n in nodes})
    return {
        "layers": list(layers),
        "market": market,
        "nodes": {s: sum(n.status == s for n in nodes) for s in statuses},
        "from_date": _text(from_date),
        "to_date": _text(to_date),
        "skipped": False,
        "seconds": round(time.monotonic() - began, 3),
    }


def _text(value: date | None) -> str:
    return value.isoformat() if value else ""
