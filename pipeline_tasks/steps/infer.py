"""Infer step: the champion's forecast of a delivery date, and of the missing ones before it, staged for publication."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from models._kernel.protocol import Features, Model
from models._kernel.registry import spec_of
from models._kernel.spec import ModelSpec
from pipeline_tasks.steps.code_version import code_sha
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.reading import for_day
from pipeline_tasks.steps.schedules import load_schedules

if TYPE_CHECKING:
    from pipeline_tasks.tracking import VersionRef
    from pipeline_tasks.warehouse import Warehouse


def infer(ctx: RunContext, model: str) -> dict[str, Any]:
    """Forecast and stage the run's delivery date, and those of the `bootstrap_days` before it that were never published.

    Every date has its own decision time and its own run_id, so a date comes out the same whichever run makes it. Dates whose
    gate lies before the champion's cutoff are left out: the champion has seen their outcomes.

    Returns:
        `run_ids` (what to publish), `rows`, `status`, and `reason` when DEGRADED.

    Raises:
        NoChampionError: the model has no champion for the market.
        ValueError: the feature table has no row for the run's delivery date.
    """
    from pipeline_tasks import tracking
    from pipeline_tasks.warehouse import connect

    spec, ref = spec_of(model), tracking.champion(model, ctx.market)
    if ref is None:
        raise tracking.NoChampionError(
            f"{model} has no champion for {ctx.market}; run the nightly DAG (it makes the first one) or promote a version"
        )
    fitted = tracking.load(ref)
    run_ids, rows, reasons = [], 0, ""
    with connect() as warehouse:
        for day in [*missing_dates(warehouse, spec, ctx, ref), ctx.delivery_date]:
            one = ctx.on(day)
            found, why = stage_day(warehouse, one, spec, ref, fitted)
            if found:
                run_ids.append(one.run_id)
                rows += found
            if day == ctx.delivery_date:
                reasons = why
    return {"status": "DEGRADED" if reasons else "OK", "reason": reasons, "run_ids": run_ids, "rows": rows, "model_version": ref.version}


def stage_day(warehouse: Warehouse, ctx: RunContext, spec: ModelSpec, ref: VersionRef, fitted: Model) -> tuple[int, str]:
    """Forecast one delivery date and stage the rows and their drivers.

    Returns:
        Rows staged, and why they are DEGRADED (empty when OK).
    """
    from pipeline_tasks.warehouse.publish import stage

    frame, drivers = forecast_day(warehouse, ctx, spec, ref, fitted)
    stage(warehouse, spec.curated, frame, run_id=ctx.run_id)
    if drivers.height:
        stage(warehouse, spec.drivers, drivers, run_id=ctx.run_id)
    worst = frame.filter(pl.col("status") == "DEGRADED").get_column("status_reason").unique().sort().to_list()
    return frame.height, "; ".join(worst)


def forecast_day(
    warehouse: Warehouse, ctx: RunContext, spec: ModelSpec, ref: VersionRef, fitted: Model
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of the curated table and of its drivers for one delivery date; nothing is written.

    Raises:
        ValueError: the feature table has no row for the delivery date.
    """
    from pipeline_tasks.warehouse.read import data_version

    data = for_day(warehouse, spec, ctx.selection, ctx.delivery_date)
    if data.target.is_empty():
        raise ValueError(
            f"{spec.inputs.full_name} has no row of {ctx.market} for {ctx.delivery_date}; the source {ctx.source} does not reach that date:"
            " choose a date it covers (desk query 'select market, max(delivery_date) from features.ftr_day_ahead group by market')"
        )
    answer = fitted.predict(data, as_of=ctx.as_of).frame
    lineage = {
        "run_id": ctx.run_id,
        "model": spec.name,
        "model_version": ref.version,
        "artifact_sha": ref.artifact_sha,
        "code_sha": code_sha(),
        "data_version": data_version(pl.concat([data.history, data.target])),
        "regime": "unknown",
    }
    frame = _degrade(answer, upstream_faults(warehouse, ctx, data)).with_columns(pl.lit(v).alias(k) for k, v in lineage.items())
    return frame.select(spec.curated.column_names), _drivers(frame, fitted, data, spec)


def missing_dates(warehouse: Warehouse, spec: ModelSpec, ctx: RunContext, ref: VersionRef) -> list[date]:
    """Delivery dates of the window before the run that lack a publication of any hub and lie after the champion's cutoff."""
    days = [ctx.delivery_date - timedelta(days=k) for k in range(load_schedules().bootstrap_days, 0, -1)]
    hubs = ctx.selection.hubs
    done = warehouse.query(
        "select delivery_date from ops.publications where table_name = {table:String} and market = {market:String}"
        " and hub in {hubs:Array(String)} and delivery_date between {first:Date32} and {last:Date32}"
        " group by delivery_date having uniqExact(hub) = {n:UInt32}",
        {
            "table": spec.curated.full_name,
            "market": ctx.selection.market.key,
            "hubs": list(hubs),
            "first": days[0],
            "last": days[-1],
            "n": len(hubs),
        },
    )
    published = set(done.get_column("delivery_date").to_list())
    covered = set(_dates_with_rows(warehouse, spec, ctx, days))
    return [d for d in days if d not in published and d in covered and ctx.on(d).as_of >= ref.cutoff]


def upstream_faults(warehouse: Warehouse, ctx: RunContext, data: Features) -> str:
    """Why the input is worse than it should be; empty when it is as it should be.

    Looks for hubs without rows, missing intervals, a newest known price that is too old, and warnings of the gates.
    """
    faults = [*_gaps(ctx, data.target), *_stale(ctx, data.history), *_warnings(warehouse, ctx)]
    return "; ".join(faults)


def _gaps(ctx: RunContext, target: pl.DataFrame) -> list[str]:
    start, end = ctx.selection.market.day_bounds(ctx.delivery_date)
    expected = round((end - start).total_seconds() / 60 / ctx.selection.market.resolution_min)
    per_hub = dict(target.group_by("hub").len().iter_rows())
    return [f"{hub}: {per_hub.get(hub, 0)} of {expected} intervals" for hub in ctx.selection.hubs if per_hub.get(hub, 0) < expected]


def _stale(ctx: RunContext, history: pl.DataFrame) -> list[str]:
    limit = load_schedules().stale_after_h
    newest = history.get_column("price_known_ts").max()
    if not isinstance(newest, datetime):
        return ["no price is known"]
    age = (ctx.as_of - newest).total_seconds() / 3600
    return [f"newest known price is {age:.0f} h old at the decision (limit {limit} h)"] if age > limit else []


def _warnings(warehouse: Warehouse, ctx: RunContext) -> list[str]:
    found = warehouse.query(
        "select table_name, check_name, column_name from (select table_name, check_name, column_name, severity, success"
        " from ops.check_results where run_id = {run:String} order by at_ts desc limit 1 by table_name, check_name, column_name)"
        " where severity = 'warn' and not success order by 1, 2, 3",
        {"run": ctx.run_id},
    )
    return [f"check {r['table_name']}.{r['column_name'] or '*'} {r['check_name']}" for r in found.to_dicts()]


def _degrade(answer: pl.DataFrame, faults: str) -> pl.DataFrame:
    """Add upstream faults to what the model itself said."""
    if not faults:
        return answer
    said = pl.col("status_reason")
    return answer.with_columns(
        pl.lit("DEGRADED").alias("status"),
        pl.when(said == "").then(pl.lit(faults)).otherwise(pl.concat_str([said, pl.lit(faults)], separator="; ")).alias("status_reason"),
    )


def _drivers(frame: pl.DataFrame, fitted: Model, data: Features, spec: ModelSpec) -> pl.DataFrame:
    """Contributions of every row, with the lineage of the row they explain."""
    explained = fitted.explain(data)
    row: Sequence[str] = ("market", "hub", "product", "delivery_ts", "as_of")
    own = [c.name for c in spec.drivers.columns if c.name not in {"explained_output", "feature", "contribution"}]
    joined = explained.frame.join(frame.select(own), on=list(row), how="inner").with_columns(
        pl.lit(explained.output).alias("explained_output")
    )
    return joined.select(spec.drivers.column_names)


def _dates_with_rows(warehouse: Warehouse, spec: ModelSpec, ctx: RunContext, days: Sequence[date]) -> list[date]:
    found = warehouse.query(
        f"select distinct delivery_date from {spec.inputs.full_name} where market = {{market:String}} and hub in {{hubs:Array(String)}}"
        " and delivery_date between {first:Date32} and {last:Date32}",
        {"market": ctx.selection.market.key, "hubs": list(ctx.selection.hubs), "first": days[0], "last": days[-1]},
    )
    return list(found.get_column("delivery_date").to_list())
