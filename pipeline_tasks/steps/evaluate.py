"""Evaluate step: published forecasts against outcomes that are known at the run's decision time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from models._kernel.registry import spec_of
from models._kernel.spec import ModelSpec
from pipeline_tasks.contracts.ops import MODEL_METRICS
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.reading import known_rows
from pipeline_tasks.steps.schedules import load_schedules
from pipeline_tasks.steps.scoring import day_metrics, with_outcomes

if TYPE_CHECKING:
    from pipeline_tasks.warehouse import Warehouse


def evaluate(ctx: RunContext, models: Sequence[str]) -> dict[str, Any]:
    """Score the published forecasts of the last `evaluate_days` delivery dates into ops.model_metrics.

    Outcomes known at the run's decision time count, no later ones, so the same run always finds the same values. The
    forecasts are read through the published view: what a kill switch hides is not scored.

    Returns:
        `rows` written, and per model the delivery dates scored.
    """
    from pipeline_tasks.warehouse import connect

    with connect() as warehouse:
        frames = {name: model_metrics(warehouse, ctx, spec_of(name)) for name in models}
        for frame in frames.values():
            if frame.height:
                warehouse.insert(MODEL_METRICS, frame)
    scored = {name: f.get_column("delivery_date").n_unique() if f.height else 0 for name, f in frames.items()}
    return {"rows": sum(f.height for f in frames.values()), "days_scored": scored}


def model_metrics(warehouse: Warehouse, ctx: RunContext, spec: ModelSpec) -> pl.DataFrame:
    """Rows of ops.model_metrics for one model; empty when nothing published has a known outcome."""
    first = ctx.delivery_date - timedelta(days=load_schedules().evaluate_days)
    forecasts = warehouse.query(
        f"select * from curated.v_{spec.curated.name} where market = {{market:String}} and hub in {{hubs:Array(String)}}"
        " and delivery_date between {first:Date32} and {last:Date32}",
        {"market": ctx.selection.market.key, "hubs": list(ctx.selection.hubs), "first": first, "last": ctx.delivery_date},
    )
    if forecasts.is_empty():
        return MODEL_METRICS.empty()
    outcomes = known_rows(warehouse, spec, ctx.selection, start=first, end=ctx.delivery_date, as_of=ctx.as_of)
    rows = with_outcomes(spec, forecasts, outcomes)
    written = datetime.now(UTC)
    found = [
        {
            "run_id": ctx.run_id,
            "model": spec.name,
            "model_version": day.item(0, "model_version"),
            "market": ctx.selection.market.key,
            "hub": hub,
            "delivery_date": delivery_date,
            "metric": metric,
            "value": value,
            "n": day.height,
            "as_of": ctx.as_of,
            "at_ts": written,
        }
        for (hub, delivery_date), day in rows.group_by("hub", "delivery_date", maintain_order=True)
        for metric, value in day_metrics(spec, day).items()
    ]
    return pl.DataFrame(found, schema=MODEL_METRICS.polars_schema())
