"""The steps as the DAGs call them: each kept in the journal, results small enough for XCom."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from config.settings import get_settings
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.journal import execute
from pipeline_tasks.steps.schedules import load_schedules

Result = dict[str, Any]


def ingest_step(ctx: RunContext) -> Result:
    """Load what the source has. A source that cannot be reached degrades the run: it goes on with the last good data."""

    def work() -> Result:
        _migrate()
        try:
            return _call("ingest", "ingest", ctx)
        except (ConnectionError, TimeoutError) as error:
            return {"status": "DEGRADED", "reason": f"source {ctx.source} cannot be reached: {error}"}

    return execute("ingest", ctx, work)


def validate_step(ctx: RunContext, layer: str) -> Result:
    """Gate of a layer over the dates the run reads; within the day over the newest dates of the tables that such a run reads."""
    own: dict[str, Any] = {}
    if ctx.decided_at:
        from pipeline_tasks.steps.build_state import SOURCES

        first = ctx.delivery_date - timedelta(days=load_schedules().intraday.check_days - 1)
        tables = SOURCES if layer == "raw" else tuple(f"features.{name}" for name in intraday_tables())
        own = {"start_date": first, "decided_at": ctx.as_of, "tables": tables}
    return execute(
        f"validate_{layer}",
        ctx,
        lambda: _call("validate", "validate", layer, market=ctx.market, run_id=ctx.run_id, end_date=ctx.delivery_date, **own),
    )


def transform_step(ctx: RunContext) -> Result:
    """Staging, intermediate and features for the run's market; within the day only what its models read."""
    market, tables = ctx.selection.market, intraday_tables() if ctx.decided_at else ()
    longest = max(market.intraday.horizons_min) if ctx.decided_at and market.intraday else 0
    last = (ctx.as_of + timedelta(minutes=longest)).astimezone(market.zone).date() if longest else ctx.delivery_date

    def work() -> Result:
        return _call("transform", "transform", *LAYERS, market=market.key, end_date=last, run_id=ctx.run_id, tables=tables)

    return execute("transform", ctx, work)


def intraday_tables() -> tuple[str, ...]:
    """Feature tables of the models that decide within the day."""
    from models._kernel.registry import specs
    from models._kernel.spec import Cadence

    return tuple(sorted({s.inputs.name for s in specs() if Cadence.INTRADAY in s.cadences}))


def marts_step(ctx: RunContext) -> Result:
    """Marts, from what is published."""
    market = ctx.selection.market.key
    return execute(
        "marts", ctx, lambda: _call("transform", "transform", "marts", market=market, end_date=ctx.delivery_date, run_id=ctx.run_id)
    )


def cross_asset_step(ctx: RunContext) -> Result:
    """Spreads, netbacks, signals and effects of arrivals, from the marts."""
    return execute("cross_asset", ctx, lambda: _call("cross_asset", "publish_cross_asset", ctx))


def drift_step(ctx: RunContext, models: Sequence[str]) -> Result:
    """Judge the newest day of the features the models read."""
    return execute("drift", ctx, lambda: _call("watch", "drift_of", ctx, models))


def shadow_step(ctx: RunContext, models: Sequence[str]) -> Result:
    """Let challengers answer beside their champions."""
    return execute("shadow", ctx, lambda: _call("watch", "shadows_of", ctx, models))


def watch_step(ctx: RunContext, models: Sequence[str]) -> Result:
    """Parity, schemas, verdicts."""
    return execute("watch", ctx, lambda: _call("watch", "verdicts_of", ctx, models))


def bootstrap_step(ctx: RunContext, model: str) -> Result:
    """First champion of a fresh install."""
    return execute(f"bootstrap:{model}", ctx, lambda: _call("train", "bootstrap", ctx, model))


def train_step(ctx: RunContext, model: str, profile: str | None = None) -> Result:
    """Challenger: trained `gate_days` before the run's delivery date and judged on the days in between."""
    cutoff = ctx.delivery_date - timedelta(days=load_schedules().gate_days)
    return execute(
        f"train:{model}",
        ctx,
        lambda: _call("train", "train", model=model, market=ctx.market, cutoff_date=cutoff, profile=profile, run_id=ctx.run_id),
    )


def infer_step(ctx: RunContext, model: str) -> Result:
    """Forecast the run's delivery date, and the missing ones before it."""
    return execute(f"infer:{model}", ctx, lambda: _call("infer", "infer", ctx, model))


def publish_step(ctx: RunContext, model: str, run_ids: Sequence[str]) -> Result:
    """Publish what was staged."""
    return execute(f"publish:{model}", ctx, lambda: _call("publish", "publish", ctx, model, run_ids))


def evaluate_step(ctx: RunContext, models: Sequence[str]) -> Result:
    """Score what was published."""
    return execute("evaluate", ctx, lambda: _call("evaluate", "evaluate", ctx, models))


def report_step(ctx: RunContext) -> Result:
    """Write the report site."""
    return execute("report", ctx, lambda: _call("report", "report", ctx))


def replay_step(ctx: RunContext, models: Sequence[str]) -> Result:
    """Make a published delivery date again and compare the bytes."""
    return execute(f"replay:{ctx.delivery_date}", ctx, lambda: _call("replay", "replay", ctx, models))


def maintenance_step(ctx: RunContext, task: str) -> Result:
    """One task of the upkeep."""
    return execute(task, ctx, lambda: _call("maintain", task))


def simulate_outages_step(form: Mapping[str, Any]) -> Result:
    """Solve the outages of a form and publish what they do; rows stay in the warehouse, the largest changes are told."""
    from pipeline_tasks.simulate.outages import Request

    request = Request(
        market=str(form["market"]),
        delivery_date=date.fromisoformat(str(form["delivery_date"])),
        hours=tuple(int(hour) for hour in form["hours"]),
        lines=tuple(form["lines"]),
        units=tuple(form["units"]),
        name=str(form["name"]),
    )

    def work() -> Result:
        made = _call("simulate", "simulate_outages", request)
        counts = {f"rows_{key}": len(made.pop(key)) for key in ("scenarios", "constraints")}
        return made | counts

    return execute("simulate_outages", request.context, work)


def make_plan_step(form: Mapping[str, Any], *, requester: str, trigger: str, requested_ts: datetime) -> Result:
    """Make the decision plan of a form; fields that are empty keep their defaults. A run without a person is the installation's."""
    from pipeline_tasks.copilot.request import PlanRequest

    request = PlanRequest.of(form, requester=requester or get_settings().actor, trigger=trigger, requested_ts=requested_ts)

    def work() -> Result:
        made = _call("plans", "make_plan", request)
        figures = made.pop("figures")
        return made | {"text": _plan_text(request.requester, made, figures)}

    return execute("make_plan", request.context, work)


def _plan_text(requester: str, made: Mapping[str, Any], figures: Mapping[str, float]) -> str:
    """What an approver reads: the figures as a Markdown table, and where the page is."""
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value + 0.0:,.2f} |" for name, value in figures.items())
    where = f"Page: /powerdesk-reports/plans/{made['plan_id']}.html"
    return f"Asked for by {requester}. {where}\n\n{made['reason']}\n\n| figure | value |\n|---|---|\n{rows}"


def answer_plan_step(plan_id: str, *, approver: str, approved: bool, comment: str) -> Result:
    """Store an answer to a decision plan."""
    return _call("plans", "answer_plan", plan_id, approver=approver, approved=approved, comment=comment)


def turn_switch_step(form: Mapping[str, Any], *, actor: str, on: date) -> Result:
    """Turn a kill switch on or off and write the desk page anew; the journal has it under the market it names, or the default one."""
    market = str(form["target"]) if form["scope"] == "market" else load_schedules().defaults.market
    context = RunContext("", market, on, dag="kill_switch")
    return execute("turn_switch", context, lambda: _call("plans", "turn_switch", form, actor=actor or get_settings().actor))


def settle_plans_step(ctx: RunContext) -> Result:
    """Settle decision plans whose prices are known at the run's decision time."""

    def work() -> Result:
        since = ctx.delivery_date - timedelta(days=load_schedules().evaluate_days)
        made = _call("settle_plans", "settle_plans", ctx.market, now=ctx.as_of, since=since)
        return made | {"plans": len(made["plans"])}

    return execute("settle_plans", ctx, work)


def embed_step(ctx: RunContext, days: int, name: str) -> Result:
    """Embed the nodes of the run's market for its delivery date."""
    from pipeline_tasks.embedding.run import Request

    request = Request(ctx.selection.market.key, ctx.delivery_date, days=days, name=name)

    def work() -> Result:
        made = _call("embed", "embed_nodes", request)
        return made | {f"rows_{key}": len(made.pop(key)) for key in ("hubs", "nowcasts")}

    return execute("embed", request.context, work)


def learn_participants_step(form: Mapping[str, Any]) -> Result:
    """Learn the participants of a form's market and publish their policies and the offers expected of them; rows stay in the warehouse."""
    context = RunContext("twin", str(form["market"]), date.fromisoformat(str(form["delivery_date"])), dag="participants")
    return execute("learn_participants", context, lambda: _call("participants", "learn_participants", context))


def sensitivities_step(ctx: RunContext) -> Result:
    """Solve the hour under way for every branch that may be lost, from what is known now, and publish what it does to prices."""
    return execute("sensitivities", ctx, lambda: _call("simulate", "current_sensitivities", ctx, load_schedules().intraday.sensitivities))


def learn_sensitivities_step(ctx: RunContext) -> Result:
    """Learn the limits of the run's market from its prices, and publish how they answer to each node."""
    return execute("learn_sensitivities", ctx, lambda: _call("sensitivities", "nightly_sensitivities", ctx))


def learn_outage_response_step(ctx: RunContext, days: int) -> Result:
    """Learn from the realised outages of the run's market up to its delivery date."""
    market = ctx.selection.market.key
    return execute(
        "learn_outage_response", ctx, lambda: _call("outage_response", "learn_outage_response", market, ctx.delivery_date, days=days)
    )


def backfill_step(form: Mapping[str, Any], provider: str) -> Result:
    """Load a form's days of one provider's feeds; XCom gets the counts, the objects stand in ops.loads."""
    first, last = (date.fromisoformat(str(form[name])) for name in ("start_date", "end_date"))
    ctx = RunContext("live", str(form["market"]), last, dag="backfill")

    def work() -> Result:
        made = _call("backfill", "backfill", ctx.market, first=first, last=last, providers=frozenset({provider}))
        return {k: v for k, v in made.items() if k != "objects"} | {"provider": provider}

    return execute(f"backfill:{provider}", ctx, work)


LAYERS = ("staging", "intermediate", "features")


def _call(module: str, function: str, *arguments: Any, **named: Any) -> Result:
    """Call a step; its libraries are imported now, inside the journalled time, so that a broken import is a failed step."""
    return dict(getattr(importlib.import_module(f"pipeline_tasks.steps.{module}"), function)(*arguments, **named))


def _migrate() -> None:
    """Bring the warehouse to the schema of this code; nothing to do on most days."""
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import migrate

    with connect() as warehouse:
        migrate(warehouse)
