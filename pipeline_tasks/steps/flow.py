"""The steps as the DAGs call them: each kept in the journal, results small enough for XCom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.journal import execute
from pipeline_tasks.steps.schedules import load_schedules

Result = dict[str, Any]


def ingest_step(ctx: RunContext) -> Result:
    """Load what the source has. A source that cannot be reached degrades the run: it goes on with the last good data."""
    from pipeline_tasks.steps.ingest import ingest

    def work() -> Result:
        try:
            return dict(ingest(ctx))
        except (ConnectionError, TimeoutError) as error:
            return {"status": "DEGRADED", "reason": f"source {ctx.source} cannot be reached: {error}"}

    return execute("ingest", ctx, work)


def validate_step(ctx: RunContext, layer: str) -> Result:
    """Gate of a layer over the dates the run reads."""
    from pipeline_tasks.steps.validate import validate

    return execute(
        f"validate_{layer}",
        ctx,
        lambda: dict(validate(layer, market=ctx.selection.market.key, run_id=ctx.run_id, end_date=ctx.delivery_date)),  # type: ignore[arg-type]
    )


def transform_step(ctx: RunContext) -> Result:
    """Staging, intermediate and features for the run's market."""
    from pipeline_tasks.steps.transform import transform

    def work() -> Result:
        return {
            layer: dict(transform(layer, market=ctx.selection.market.key, run_id=ctx.run_id))
            for layer in ("staging", "intermediate", "features")
        }

    return execute("transform", ctx, work)


def marts_step(ctx: RunContext) -> Result:
    """Marts, from what is published."""
    from pipeline_tasks.steps.transform import transform

    return execute("marts", ctx, lambda: dict(transform("marts", market=ctx.selection.market.key, run_id=ctx.run_id)))


def bootstrap_step(ctx: RunContext, model: str) -> Result:
    """First champion of a fresh install."""
    from pipeline_tasks.steps.train import bootstrap

    return execute(f"bootstrap:{model}", ctx, lambda: bootstrap(ctx, model))


def train_step(ctx: RunContext, model: str, profile: str | None = None) -> Result:
    """Challenger: trained `gate_days` before the run's delivery date and judged on the days in between."""
    from pipeline_tasks.steps.train import train

    cutoff = ctx.delivery_date - timedelta(days=load_schedules().gate_days)
    return execute(
        f"train:{model}",
        ctx,
        lambda: train(model=model, market=ctx.market, cutoff_date=cutoff, profile=profile, run_id=ctx.run_id),
    )


def infer_step(ctx: RunContext, model: str) -> Result:
    """Forecast the run's delivery date, and the missing ones before it."""
    from pipeline_tasks.steps.infer import infer

    return execute(f"infer:{model}", ctx, lambda: infer(ctx, model))


def publish_step(ctx: RunContext, model: str, run_ids: Sequence[str]) -> Result:
    """Publish what was staged."""
    from pipeline_tasks.steps.publish import publish

    return execute(f"publish:{model}", ctx, lambda: publish(ctx, model, run_ids))


def evaluate_step(ctx: RunContext, models: Sequence[str]) -> Result:
    """Score what was published."""
    from pipeline_tasks.steps.evaluate import evaluate

    return execute("evaluate", ctx, lambda: evaluate(ctx, models))


def report_step(ctx: RunContext) -> Result:
    """Write the report site."""
    from pipeline_tasks.steps.report import report

    return execute("report", ctx, lambda: report(ctx))
