"""Infer step: the champion's forecast of a delivery date, and of the missing ones before it, staged for publication."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from models._kernel.frames import KEY, outcomes_known
from models._kernel.gating import BLOCK
from models._kernel.protocol import Companion, Contributions, Features
from models._kernel.registry import spec_of
from models._kernel.spec import PRICE, ModelSpec, Outcome
from pipeline_tasks.contracts import LINEAGE
from pipeline_tasks.steps import decisions
from pipeline_tasks.steps.code_version import code_sha
from pipeline_tasks.steps.context import RunContext, decided_until
from pipeline_tasks.steps.exact import one_blas_thread
from pipeline_tasks.steps.gates import ACTED, Gates
from pipeline_tasks.steps.reading import Versions, as_known, features_of, history_start, hubs_of, known_rows, lacks_input
from pipeline_tasks.steps.schedules import load_schedules
from pipeline_tasks.watch import served

if TYPE_CHECKING:
    from models._kernel.protocol import Model
    from pipeline_tasks.tracking import VersionRef
    from pipeline_tasks.warehouse import Warehouse

MOST_REASONS = 3


@dataclass(frozen=True, slots=True)
class Made:
    """What a version answered for one run.

    Attributes:
        frame: rows of the curated table.
        beside: rows of the tables published beside it (contributions, companions) by table name; tables without rows are left out.
        served: the rows it was given, value by value, taken before it saw them (`served.snapshot`).
        seconds: time of its answer and contributions.
        answered: rows of `frame` that were answered now; the others are carried over from what is published.
    """

    frame: pl.DataFrame
    beside: Mapping[str, pl.DataFrame]
    served: pl.DataFrame
    seconds: float
    answered: int = 0


def infer(ctx: RunContext, model: str) -> dict[str, Any]:
    """Forecast and stage the run's delivery date, and those of the `bootstrap_days` before it that were never published.

    Every date has its own decision time and its own run_id, so a date comes out the same whichever run makes it. Dates whose first
    decision lies before the champion's cutoff are left out: the champion has seen their outcomes. A model that decides interval by
    interval answers what was decided up to the run's decision time, of the day under way and of those before it; decisions that this
    version has published stay as they are, and a run whose decisions a later one has published makes nothing.

    A model whose feature table has no row of the market forecasts nothing, and neither does one that waits for its first champion
    because the market's history is too short (DEGRADED).

    Returns:
        `run_ids` (what to publish), `rows`, `answered` (rows made now), `status` of the day, and `reason` when DEGRADED or when there is
        nothing to make; a run within the day tells status and reason of the decisions made now.

    Raises:
        NoChampionError: the model has no champion for the market.
        ValueError: the feature table has no row for the run's delivery date.
    """
    from pipeline_tasks import tracking
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.publish import stage

    spec, ref = spec_of(model), tracking.champion(model, ctx.market)
    with connect() as warehouse:
        inapplicable = lacks_input(warehouse, spec, ctx.selection)
    if inapplicable:
        return {"status": "OK", "reason": inapplicable, "run_ids": [], "rows": 0}
    if ref is None:
        from pipeline_tasks.steps.train import short_history

        if short := short_history(ctx, spec):
            return {"status": "DEGRADED", "reason": short, "run_ids": [], "rows": 0}
        raise tracking.NoChampionError(
            f"{model} has no champion for {ctx.market}; run the nightly DAG (it makes the first one) or promote a version"
        )
    with connect() as warehouse:
        runs = runs_of(warehouse, spec, ctx, ref)
        if not runs:
            return {"status": "OK", "reason": f"a later run has published the decisions up to {ctx.as_of}", "run_ids": [], "rows": 0}
        kept = decisions.published(warehouse, spec, ref, runs) if spec.intraday else None
        made = forecast(warehouse, runs, spec, ref, kept=kept)
        for run_id, answer in made.items():
            stage(warehouse, spec.curated, answer.frame, run_id=run_id)
            for table in spec.beside:
                if table.name in answer.beside:
                    stage(warehouse, table, answer.beside[table.name], run_id=run_id)
        served.keep(warehouse, spec, ref.version, [(run, made[run.run_id].served) for run in runs])
    own = made[runs[-1].run_id].frame.filter(pl.col("status") == "DEGRADED")
    if kept is not None and ctx.decided_at:
        own = own.join(kept.select(KEY), on=KEY, how="anti")
    reasons = own.get_column("status_reason").unique().sort().to_list()
    return {
        "status": "DEGRADED" if own.height else "OK",
        "reason": "; ".join(reasons[:MOST_REASONS]) + (f"; and {len(reasons) - MOST_REASONS} more" if len(reasons) > MOST_REASONS else ""),
        "run_ids": list(made),
        "rows": sum(answer.frame.height for answer in made.values()),
        "answered": sum(answer.answered for answer in made.values()),
        "model_version": ref.version,
    }


def forecast(
    warehouse: Warehouse,
    runs: Sequence[RunContext],
    spec: ModelSpec,
    ref: VersionRef,
    *,
    since: date | None = None,
    kept: pl.DataFrame | None = None,
    counterfactual: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
) -> dict[str, Made]:
    """Answers by run_id; nothing is written.

    The features are read and hashed once, as known at the last decision, and every date is answered on what was known at its own.
    A date comes out to the last bit the same whichever run makes it: models guarantee it (`laws.chunks_equal_whole`).

    Args:
        warehouse: open connection.
        runs: one context per delivery date, ascending.
        spec: the model.
        ref: the version that answers.
        since: first delivery date it is shown; None for what its own cutoff calls for.
        kept: published rows that are not answered again (`decisions.published`).
        counterfactual: changes the rows that were read before they are answered on: a world that is asked about, not the one known. The
            data version is that of the rows as read.

    Raises:
        ValueError: the feature table has no row for one of the dates.
    """
    from pipeline_tasks import tracking

    last, days = runs[-1], [run.delivery_date for run in runs]
    rows = known_at_decision(warehouse, spec, ref, last, since=since)
    versions = Versions(rows)
    absent = sorted(set(days) - set(rows.get_column("delivery_date").to_list()))
    if absent:
        raise ValueError(
            f"{spec.inputs.full_name} has no row of {last.market} for {absent[0]}; the source {last.source} does not reach that date:"
            f" choose a date it covers (desk query 'select market, max(delivery_date) from {spec.inputs.full_name} group by market')"
        )
    rows = counterfactual(rows) if counterfactual else rows
    made, gates = {}, Gates.of(warehouse, spec, last, days)
    with one_blas_thread():
        fitted = tracking.load(ref)
    for run, told in _answers(fitted, spec, rows, runs, kept):
        version = versions.at(run.as_of)
        judged = _judged(warehouse, run, spec, ref, told.answer, rows)
        acted = gates.applied(judged, rows, run)
        frame = with_lineage(acted, run, spec, ref, version)
        blocked = frame.filter(acted[ACTED] == BLOCK).select(KEY)
        if kept is not None:
            frame = pl.concat([decisions.carried(kept, run, version), frame]).sort(spec.curated.key)
        made[run.run_id] = Made(frame, _beside(frame, told, spec, blocked), told.served, told.seconds, told.answer.height)
    return made


def _judged(
    warehouse: Warehouse, run: RunContext, spec: ModelSpec, ref: VersionRef, answer: pl.DataFrame, rows: pl.DataFrame
) -> pl.DataFrame:
    """The answer with what was wrong upstream: at the run's decision time, or interval by interval at that of the run that made it."""

    def faults(maker: RunContext, part: pl.DataFrame) -> pl.DataFrame:
        known = upstream_faults(warehouse, maker, as_known(rows, maker.as_of), spec)
        return _degrade(_degrade(part, standing(warehouse, maker, spec, ref)), known)

    if not spec.intraday:
        return faults(run, answer)
    limit = load_schedules().intraday.stale_after_min.get(run.selection.market.key)
    target = _with_longest(rows, run.delivery_date)
    answer = decisions.widened(answer, target, spec, limit)
    parts, before = [answer.clear()], pl.lit(value=True)
    for maker in decisions.makers(warehouse, spec, ref, run):
        own = answer.filter(before & (pl.col("as_of") <= maker.as_of))
        before = pl.col("as_of") > maker.as_of
        parts += [faults(maker, own)] if own.height else []
    return pl.concat(parts)


@dataclass(frozen=True, slots=True)
class _Told:
    """A model's own answer for one run: rows, contributions, the rows it was given (`served.snapshot`), its time in seconds, companions."""

    answer: pl.DataFrame
    explained: Contributions
    served: pl.DataFrame
    seconds: float
    companions: Mapping[str, pl.DataFrame] = field(default_factory=dict)


def _answers(
    fitted: Model, spec: ModelSpec, rows: pl.DataFrame, runs: Sequence[RunContext], kept: pl.DataFrame | None
) -> Iterator[tuple[RunContext, _Told]]:
    """What the model says for every run.

    Decisions made interval by interval are answered in one call for all dates, because each carries its own as_of, and those that are
    published are left out; contributions are given for deliveries that had not begun at the run's decision.
    """
    if spec.intraday:
        yield from _intraday_answers(fitted, spec, rows, runs, kept)
        return
    for run in runs:
        data = features_of(spec, as_known(rows, run.as_of), [run.delivery_date])
        given, began = served.snapshot(data.target), time.perf_counter()
        with one_blas_thread():
            answer, explained = fitted.predict(data, as_of=run.as_of).frame, fitted.explain(data)
            companions = fitted.companions(data, as_of=run.as_of) if isinstance(fitted, Companion) else {}
        yield run, _Told(answer, explained, given, time.perf_counter() - began, companions)


def _intraday_answers(
    fitted: Model, spec: ModelSpec, rows: pl.DataFrame, runs: Sequence[RunContext], kept: pl.DataFrame | None
) -> Iterator[tuple[RunContext, _Told]]:
    split = features_of(spec, rows, [run.delivery_date for run in runs])
    target = outcomes_known(split.target, pl.col("as_of"))
    new = target if kept is None else target.join(kept.select(KEY), on=KEY, how="anti", maintain_order="left")
    data = Features(split.history, new)
    given, began = served.snapshot(data.target), time.perf_counter()
    with one_blas_thread():
        whole = fitted.predict(data, as_of=runs[-1].as_of).frame
    share = (time.perf_counter() - began) / len(runs)
    for run in runs:
        own = (pl.col("delivery_date") == run.delivery_date) & (pl.col("as_of") <= run.as_of)
        still_open, began = target.filter(own, pl.col("delivery_ts") >= run.as_of), time.perf_counter()
        with one_blas_thread():
            explained = fitted.explain(Features(data.history, still_open))
        yield run, _Told(whole.filter(own), explained, given.filter(own), share + time.perf_counter() - began)


def with_lineage(frame: pl.DataFrame, ctx: RunContext, spec: ModelSpec, ref: VersionRef, data_version: str) -> pl.DataFrame:
    """The columns of the curated table: a model's answer after the gate, with its `regime`, and where every row of it comes from."""
    lineage = {
        "run_id": ctx.run_id,
        "model": spec.name,
        "model_version": ref.version,
        "artifact_sha": ref.artifact_sha,
        "code_sha": code_sha(),
        "data_version": data_version,
    }
    return frame.with_columns(pl.lit(v).alias(k) for k, v in lineage.items()).select(spec.curated.column_names)


def runs_of(warehouse: Warehouse, spec: ModelSpec, ctx: RunContext, ref: VersionRef) -> list[RunContext]:
    """Contexts of the dates to answer, ascending: those that lack a publication, and the run's own.

    A day under way of which a later run has published is left out: it holds all that this run could say.

    Raises:
        ValueError: nothing was decided by the run's decision time since the champion's cutoff.
    """
    if not spec.intraday:
        return [*(ctx.on(day) for day in missing_dates(warehouse, spec, ctx, ref)), ctx]
    last = ctx.as_of.astimezone(ctx.selection.market.zone).date() + timedelta(days=1)
    days = [last - timedelta(days=k) for k in range(load_schedules().bootstrap_days + 1, -1, -1)]
    covered = _dates_with_rows(warehouse, spec, ctx, days)
    longest = timedelta(minutes=spec.horizons_min[-1])
    runs = [ctx.decisions_of(d) for d in days if d in covered and ctx.selection.market.day_bounds(d)[0] - longest >= ref.cutoff]
    done = decisions.published_runs(warehouse, spec, ctx, days)
    wanted = [run for run in runs if run.as_of == ctx.as_of or run.run_id != done.get(run.delivery_date)]
    if not runs:
        raise ValueError(
            f"{spec.inputs.full_name} has no decision of {ctx.market} between the champion's cutoff {ref.cutoff} and {ctx.as_of};"
            " choose a date that the source covers, or train a version with an earlier cutoff"
        )
    return [run for run in wanted if decided_until(done.get(run.delivery_date, "")) <= run.as_of]


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


def standing(warehouse: Warehouse, ctx: RunContext, spec: ModelSpec, ref: VersionRef) -> str:
    """What the watch held against the version before the run's decision time; empty for nothing.

    A champion that is worse than its baseline is demoted; where nobody can take over it goes on, marked.
    """
    found = warehouse.query(
        "select verdict, reason from ops.shadow_verdicts where model = {model:String} and market = {market:String}"
        " and question = 'demotion' and champion_version = {version:String} and as_of < {as_of:DateTime64(3, 'UTC')}"
        " order by as_of desc, at_ts desc limit 1",
        {"model": spec.name, "market": ctx.selection.key, "version": ref.version, "as_of": ctx.as_of},
    )
    return str(found.item(0, "reason")) if found.height and found.item(0, "verdict") == "demote" else ""


def upstream_faults(warehouse: Warehouse, ctx: RunContext, rows: pl.DataFrame, spec: ModelSpec | None = None) -> str:
    """Why the input is worse than it should be; empty when it is as it should be.

    Looks for hubs without rows, missing intervals, a newest known outcome that is too old, and warnings of the gates.

    Args:
        warehouse: open connection.
        ctx: the run.
        rows: feature rows as known at the run's decision time, its delivery date included.
        spec: the model; None for one that foretells a price of every hub.
    """
    target = rows.filter(pl.col("delivery_date") == ctx.delivery_date)
    hubs, outcome = (hubs_of(spec, ctx.selection), spec.outcome) if spec else (ctx.selection.hubs, PRICE)
    return "; ".join([*_gaps(ctx, target, hubs), *_stale(ctx, rows, outcome), *_warnings(warehouse, ctx)])


def known_at_decision(
    warehouse: Warehouse, spec: ModelSpec, ref: VersionRef, run: RunContext, *, since: date | None = None
) -> pl.DataFrame:
    """Feature rows that a version is shown for a run: as known at its decision time, from `since`, else from where its cutoff calls for."""
    start = since or history_start(spec, ref.cutoff)
    return known_rows(warehouse, spec, run.selection, start=start, end=_last_decided(spec, run), as_of=run.as_of)


def _last_decided(spec: ModelSpec, run: RunContext) -> date:
    """Last delivery date that anything was decided for by a run: the next day's first decisions may be known already."""
    longest = timedelta(minutes=spec.horizons_min[-1]) if spec.intraday else timedelta(0)
    return max(run.delivery_date + timedelta(days=1), (run.as_of + longest).astimezone(run.selection.market.zone).date())


def _with_longest(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    """Rows of a delivery date; resolution_min is the longest that their series had then and the day before.

    Where a market's intervals become finer, the last known price is one of a longer interval for a while, and not stale for that.
    """
    if "resolution_min" not in rows.columns:
        return rows.filter(pl.col("delivery_date") == day)
    near = rows.filter(pl.col("delivery_date").is_between(day - timedelta(days=1), day))
    longest = pl.col("resolution_min").max().over("market", "hub", "product")
    return near.with_columns(longest).filter(pl.col("delivery_date") == day)


def _gaps(ctx: RunContext, target: pl.DataFrame, hubs: Sequence[str]) -> list[str]:
    if ctx.decided_at:  # intervals differ between hubs, and the day is not over: only a hub without any is a gap
        return [f"{hub}: no decision" for hub in hubs if hub not in target.get_column("hub").unique().to_list()]
    start, end = ctx.selection.market.day_bounds(ctx.delivery_date)
    expected = round((end - start).total_seconds() / 60 / ctx.selection.market.resolution_min)
    per_product = target.group_by("hub", "product").len()  # of several products the one with the fewest
    per_hub = dict(per_product.group_by("hub").agg(pl.col("len").min()).iter_rows())
    return [f"{hub}: {per_hub.get(hub, 0)} of {expected} intervals" for hub in hubs if per_hub.get(hub, 0) < expected]


def _stale(ctx: RunContext, rows: pl.DataFrame, outcome: Outcome) -> list[str]:
    limit, what = load_schedules().stale_after_h, "status" if outcome.is_event else "price"
    newest = rows.get_column(outcome.known).max()
    if not isinstance(newest, datetime):
        return [f"no {what} is known"]
    age = (ctx.as_of - newest).total_seconds() / 3600
    return [f"newest known {what} is {age:.0f} h old at the decision (limit {limit} h)"] if age > limit else []


def _warnings(warehouse: Warehouse, ctx: RunContext) -> list[str]:
    found = warehouse.query(
        "select table_name, check_name, column_name from (select table_name, check_name, column_name, severity, success"
        " from ops.check_results where run_id = {run:String} order by at_ts desc limit 1 by table_name, check_name, column_name)"
        " where severity = 'warn' and not success order by 1, 2, 3",
        {"run": decisions.gate_run(ctx)},
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


def _beside(frame: pl.DataFrame, told: _Told, spec: ModelSpec, blocked: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Contributions and companions with the lineage of the row of `frame` that they belong to.

    They are the model's own, so companions of the rows `blocked`, where a fallback stands in, are left out.
    """
    explained = told.explained.frame.with_columns(pl.lit(told.explained.output).alias("explained_output"))
    made = {spec.drivers.name: explained, **told.companions}
    lineage = [c.name for c in LINEAGE]
    row = ["market", "hub", "product", "delivery_ts", "as_of"]
    tables = [t for t in spec.beside if t.name in made]
    own = frame.select(lineage)
    whole = own.join(blocked, on=row, how="anti") if blocked.height else own
    joined = [made[t.name].join(own if t == spec.drivers else whole, on=row, how="inner").select(t.column_names) for t in tables]
    return {table.name: rows for table, rows in zip(tables, joined, strict=True) if rows.height}


def _dates_with_rows(warehouse: Warehouse, spec: ModelSpec, ctx: RunContext, days: Sequence[date]) -> list[date]:
    found = warehouse.query(
        f"select distinct delivery_date from {spec.inputs.full_name} where market = {{market:String}} and hub in {{hubs:Array(String)}}"
        " and delivery_date between {first:Date32} and {last:Date32} and as_of <= {as_of:DateTime64(3, 'UTC')}",
        {"market": ctx.selection.market.key, "hubs": list(ctx.selection.hubs), "first": days[0], "last": days[-1], "as_of": ctx.as_of},
    )
    return list(found.get_column("delivery_date").to_list())
