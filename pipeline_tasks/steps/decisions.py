"""Decisions made interval by interval: which are published already, which run made which, and which rest on prices that are too old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING

import polars as pl

from models._kernel.frames import KEY
from models._kernel.spec import ModelSpec
from pipeline_tasks.steps.code_version import code_sha
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.reading import hubs_of

if TYPE_CHECKING:
    from pipeline_tasks.tracking import VersionRef
    from pipeline_tasks.warehouse import Warehouse

DAY_MIN = 1440  # no last price of the features is older


def published(warehouse: Warehouse, spec: ModelSpec, ref: VersionRef, runs: Sequence[RunContext]) -> pl.DataFrame:
    """Rows of the runs' delivery dates that readers see and that this very version and code made: they stay as they are.

    A version answers a decision from what was known at its own as_of (a law of every model), so what is published is what it would
    answer now; only what arrived later with an earlier `known_ts` could make a difference, and must not.

    Returns:
        Columns of the curated table.
    """
    first = runs[0]
    return warehouse.query(
        f"select {', '.join(spec.curated.column_names)} from curated.v_{spec.name} where market = {{market:String}}"
        " and hub in {hubs:Array(String)} and delivery_date in {days:Array(Date32)} and model_version = {version:String}"
        " and artifact_sha = {artifact:String} and code_sha = {code:String}",
        {
            "market": first.selection.market.key,
            "hubs": list(first.selection.hubs),
            "days": [run.delivery_date.isoformat() for run in runs],
            "version": ref.version,
            "artifact": ref.artifact_sha,
            "code": code_sha(),
        },
    ).select(pl.col(c.name).cast(c.type.polars) for c in spec.curated.columns)


def carried(kept: pl.DataFrame, run: RunContext, data_version: str) -> pl.DataFrame:
    """Published rows of the run's delivery date as part of its own publication."""
    own = kept.filter(pl.col("delivery_date") == run.delivery_date, pl.col("as_of") <= run.as_of)
    return own.with_columns(pl.lit(run.run_id).alias("run_id"), pl.lit(data_version).alias("data_version"))


def published_runs(warehouse: Warehouse, spec: ModelSpec, ctx: RunContext, days: Sequence[date]) -> dict[date, str]:
    """The run that made what is published last of each delivery date, where it is the same for all hubs of the selection."""
    found = warehouse.query(
        "select delivery_date, any(run_id) as made_by from (select run_id, hub, delivery_date from ops.publications"
        " where table_name = {table:String} and market = {market:String}"
        " and hub in {hubs:Array(String)} and delivery_date between {first:Date32} and {last:Date32}"
        " order by at_ts desc, publication_id desc limit 1 by hub, delivery_date)"
        " group by delivery_date having uniqExact(hub) = {n:UInt32} and uniqExact(run_id) = 1",
        {
            "table": spec.curated.full_name,
            "market": ctx.selection.market.key,
            "hubs": list(ctx.selection.hubs),
            "first": days[0],
            "last": days[-1],
            "n": len(hubs_of(spec, ctx.selection)),
        },
    )
    return dict(found.iter_rows())


def makers(warehouse: Warehouse, spec: ModelSpec, ref: VersionRef, run: RunContext) -> list[RunContext]:
    """The runs that first published decisions of the run's delivery date with this version, ascending, and the run itself at the end.

    A decision was made by the first of them whose decision time is not before its own.
    """
    found = warehouse.query(
        "select as_of from ops.publications where table_name = {table:String} and market = {market:String} and hub in {hubs:Array(String)}"
        " and delivery_date = {day:Date32} and model_version = {version:String} and as_of < {until:DateTime64(3, 'UTC')}"
        " group by as_of order by as_of",
        {
            "table": spec.curated.full_name,
            "market": run.selection.market.key,
            "hubs": list(run.selection.hubs),
            "day": run.delivery_date,
            "version": ref.version,
            "until": run.as_of,
        },
    )
    instants: list[datetime] = found.get_column("as_of").to_list()
    return [*(replace(run, decided_at=at) for at in instants), run]


def gate_run(run: RunContext) -> str:
    """Identity of the run whose gates looked at the data of a run's decisions."""
    return RunContext.at(run.source, run.market, run.as_of).run_id if run.decided_at else run.run_id


def widened(answer: pl.DataFrame, target: pl.DataFrame, spec: ModelSpec, stale_after_min: int | None) -> pl.DataFrame:
    """Answers that rest on a stale price: their band is wider, and they are DEGRADED and say so.

    Prices are taken to move like a random walk: the error grows with the square root of the time since the last one that is known, so
    that quantiles lie sqrt(age / limit) times as far from the point forecast.

    Args:
        answer: rows of a model's answer.
        target: the feature rows it was given.
        spec: the model; one without quantiles is marked only.
        stale_after_min: limit beyond two intervals (config/schedules.yaml); None for no limit.
    """
    if stale_after_min is None or not {"price_last_age_min", "horizon_min", "resolution_min"} <= set(target.columns):
        return answer
    oldest = pl.col("price_last_age_min").fill_null(DAY_MIN + pl.col("horizon_min"))
    ages = target.select(
        *KEY, (oldest - pl.col("horizon_min")).alias("_age"), (2 * pl.col("resolution_min") + stale_after_min).alias("_limit")
    )
    stale = pl.col("_age") > pl.col("_limit")
    factor, point = (pl.col("_age") / pl.col("_limit")).sqrt(), pl.col(spec.point_column)
    said = pl.format("last price is {} min old at the decision (limit {} min)", "_age", "_limit")
    reason = pl.when(pl.col("status_reason") == "").then(said).otherwise(pl.concat_str([pl.col("status_reason"), said], separator="; "))
    changed = {
        **{c: point + (pl.col(c) - point) * factor for c in spec.quantile_columns.values()},
        "status": pl.lit("DEGRADED"),
        "status_reason": reason,
    }
    joined = answer.join(ages, on=list(KEY), how="left", maintain_order="left")
    return joined.with_columns(pl.when(stale).then(e).otherwise(pl.col(c)).alias(c) for c, e in changed.items()).drop("_age", "_limit")
