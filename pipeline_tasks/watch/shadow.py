"""Shadow runs: the challenger answers the dates the champion answered, on the same rows, where nobody reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from models._kernel.registry import spec_of
from models._kernel.spec import ModelSpec
from pipeline_tasks.contracts.watch import SHADOW_DAYS
from pipeline_tasks.steps.reading import history_start, hubs_of
from pipeline_tasks.steps.schedules import load_schedules

if TYPE_CHECKING:
    from pipeline_tasks.steps.context import RunContext
    from pipeline_tasks.tracking import VersionRef
    from pipeline_tasks.warehouse import Warehouse


def latest_verdict(warehouse: Warehouse, *, model: str, market: str, question: str) -> dict[str, Any] | None:
    """The newest answer to a question about a model (row of ops.shadow_verdicts); None before the first."""
    rows = warehouse.query(
        "select * from ops.shadow_verdicts where model = {model:String} and market = {market:String} and question = {question:String}"
        " order by as_of desc, at_ts desc limit 1",
        {"model": model, "market": market, "question": question},
    ).to_dicts()
    return rows[0] if rows else None


def rivals(warehouse: Warehouse, model: str, market: str) -> tuple[VersionRef, VersionRef] | None:
    """Champion and the version in its shadow, or None where there is no second version.

    A challenger stays until its question is answered, although training registers newer ones: a test that starts again every
    week never ends.
    """
    from pipeline_tasks import tracking

    champion = tracking.champion(model, market)
    if champion is None:
        return None
    last = latest_verdict(warehouse, model=model, market=market, question="promotion")
    open_question = last is not None and last["champion_version"] == champion.version and last["verdict"] in {"wait", "promote"}
    rival = tracking.version(model, market, last["rival"]) if last is not None and open_question else tracking.challenger(model, market)
    return None if rival is None or rival.version == champion.version else (champion, rival)


def run_shadow(ctx: RunContext, model: str) -> dict[str, Any]:
    """Answer, as the challenger, every published date of the window that it has not answered yet; nothing is published.

    Everything is done as the role `shadow`, which can write `curated_shadow` and ops.shadow_days and nothing else. The rows are
    read anew and hashed; the hash is compared with the one the champion's publication carries.

    Returns:
        `days` answered and `inputs_equal` of them; `skipped` says why nothing was done.
    """
    from pipeline_tasks.warehouse.client import connect_if_granted

    with connect_if_granted("shadow") as warehouse:
        if warehouse is None:
            return {"days": 0, "skipped": "no account for the role shadow; set CLICKHOUSE_SHADOW_USER and its password (sql/roles)"}
        pair = rivals(warehouse, model, ctx.market)
        if pair is None:
            return {"days": 0, "skipped": "no challenger"}
        rows = _answer(warehouse, ctx, spec_of(model), *pair)
        if rows:
            warehouse.insert(SHADOW_DAYS, pl.DataFrame(rows, schema=SHADOW_DAYS.polars_schema()))
    return {"days": len(rows), "inputs_equal": sum(r["inputs_equal"] for r in rows), "challenger": pair[1].version}


def _answer(warehouse: Warehouse, ctx: RunContext, spec: ModelSpec, champion: VersionRef, challenger: VersionRef) -> list[dict[str, Any]]:
    from pipeline_tasks.steps.infer import forecast
    from pipeline_tasks.warehouse.shadow import replace_shadow

    published = _published(warehouse, ctx, spec, champion, challenger)
    runs = [run_about(ctx, spec, day) for day in sorted(published)]
    # identical inputs: the rows that the champion was shown, not those that the challenger's own cutoff would call for
    made = forecast(warehouse, runs, spec, challenger, since=history_start(spec, champion.cutoff)) if runs else {}
    rows, written = [], datetime.now(UTC)
    for run in runs:
        answer = made[run.run_id]
        own, theirs = answer.frame.item(0, "data_version"), published[run.delivery_date]
        replace_shadow(warehouse, spec.shadow, answer.frame, run_id=run.run_id)
        rows.append(
            {
                "run_id": ctx.run_id,
                "model": spec.name,
                "market": ctx.selection.key,
                "delivery_date": run.delivery_date,
                "champion_version": champion.version,
                "challenger_version": challenger.version,
                "champion_inputs": theirs,
                "challenger_inputs": own,
                "inputs_equal": own == theirs,
                "row_count": answer.frame.height,
                "seconds": answer.seconds,
                "as_of": run.as_of,
                "at_ts": written,
            }
        )
    return rows


def _published(warehouse: Warehouse, ctx: RunContext, spec: ModelSpec, champion: VersionRef, challenger: VersionRef) -> dict[date, str]:
    """Dates the champion published, the challenger has not answered and could not have learned from; with the champion's inputs.

    A date counts only where one run published all hubs of the selection, so that both versions answer the same question.
    """
    window = {
        "table": spec.curated.full_name,
        "model": spec.name,
        "market": ctx.selection.market.key,
        "selection": ctx.selection.key,
        "hubs": list(ctx.selection.hubs),
        "first": ctx.delivery_date - timedelta(days=load_schedules().bootstrap_days),
        "last": ctx.delivery_date,
        "champion": champion.version,
        "challenger": challenger.version,
    }
    rows = warehouse.query(
        f"select delivery_date, any(run_id) as run, any(data_version) as inputs from {spec.curated.full_name}"
        " where market = {market:String} and hub in {hubs:Array(String)} and delivery_date between {first:Date32} and {last:Date32}"
        " and model_version = {champion:String} and delivery_date not in ("
        "   select delivery_date from ops.shadow_days where model = {model:String} and market = {selection:String}"
        "   and challenger_version = {challenger:String} and champion_version = {champion:String} and inputs_equal)"
        " group by delivery_date having uniqExact(hub) = {n:UInt32} and uniqExact(run_id) = 1 and uniqExact(data_version) = 1",
        {**window, "n": len(hubs_of(spec, ctx.selection))},
    )
    found = {}
    for row in rows.iter_rows(named=True):
        run = run_about(ctx, spec, row["delivery_date"])
        if row["run"] == run.run_id and run.as_of <= ctx.as_of and first_decision(spec, run) >= challenger.cutoff:
            found[row["delivery_date"]] = row["inputs"]
    return found


def run_about(ctx: RunContext, spec: ModelSpec, delivery_date: date) -> RunContext:
    """The run whose publication of a delivery date counts: the one at its gate, or of its whole day where it is decided in parts.

    A day under way has no such run yet: the run's decision time, its end, lies ahead.
    """
    if not spec.intraday:
        return ctx.on(delivery_date)
    end = ctx.selection.market.day_bounds(delivery_date)[1]
    return replace(ctx, dag="intraday", delivery_date=delivery_date, decided_at=end)


def first_decision(spec: ModelSpec, run: RunContext) -> datetime:
    """When the first decision about the run's delivery date was made."""
    if not spec.intraday:
        return run.as_of
    return run.selection.market.day_bounds(run.delivery_date)[0] - timedelta(minutes=spec.horizons_min[-1])
