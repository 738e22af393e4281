"""Verdicts on champions and challengers, from paired daily losses by an anytime-valid test; and the demotion they may call for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.registry import spec_of, yardstick_of
from models._kernel.sequential import e_process, power, relative_difference
from models._kernel.spec import ModelSpec
from pipeline_tasks.contracts.watch import SHADOW_VERDICTS
from pipeline_tasks.steps.reading import known_rows, training_start
from pipeline_tasks.steps.schedules import Watch, load_schedules
from pipeline_tasks.steps.scoring import NAIVE, ROW, baseline_losses, row_losses, with_outcomes
from pipeline_tasks.watch.shadow import rivals

if TYPE_CHECKING:
    from pipeline_tasks.steps.context import RunContext
    from pipeline_tasks.tracking import VersionRef
    from pipeline_tasks.warehouse import Warehouse

Array = npt.NDArray[np.float64]
Answer = Literal["wait", "promote", "keep", "demote", "blocked"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What paired losses say.

    Attributes:
        verdict: wait (undecided), promote, keep (no evidence within the horizon), demote, blocked (inputs differed).
        days: paired delivery dates.
        champion_loss, rival_loss: mean daily losses; None without days.
        e_value: largest value of the e-process so far.
        threshold: the e-value that decides.
        power: chance to find the declared effect within the horizon; None where days are too few to say, or not asked.
        reason: one sentence.
    """

    verdict: Answer
    days: int
    champion_loss: float | None
    rival_loss: float | None
    e_value: float
    threshold: float
    power: float | None
    reason: str


def judge_challenger(champion: Array, challenger: Array, limits: Watch, *, equal_share: float, seed: int) -> Verdict:
    """May the challenger be promoted? Needs the days, the inputs, the power for the declared effect, and the e-value.

    Args:
        champion: mean loss per delivery date, in date order.
        challenger: the same of the challenger.
        limits: config/schedules.yaml, `watch`.
        equal_share: share of shadow dates on which both read identical rows.
        seed: seed of the power simulation.
    """
    d = relative_difference(champion, challenger)
    wealth, bar = _largest(d), 1 / limits.promotion_alpha
    horizon, asked = limits.shadow_horizon_days, limits.shadow_effect
    strong = power(d, effect=asked, alpha=limits.promotion_alpha, horizon=horizon, seed=seed) if d.size >= 7 else None
    powerful = strong is not None and strong >= limits.shadow_min_power
    better = bool(d.size) and float(np.mean(challenger)) < float(np.mean(champion))
    verdict: Answer = "wait"
    if equal_share < limits.inputs_equal_share:
        verdict, reason = "blocked", f"inputs were identical on {equal_share:.2%} of the dates, below {limits.inputs_equal_share:.2%}"
    elif d.size < limits.shadow_min_days:
        reason = f"{d.size} of {limits.shadow_min_days} days"
    elif powerful and better and wealth >= bar:
        verdict, reason = "promote", f"e-value {wealth:.3g} reached {bar:.3g} and the mean loss is lower"
    elif d.size >= horizon:
        verdict, reason = "keep", f"not shown to be better within the horizon of {horizon} days: e-value {wealth:.3g} of {bar:.3g}"
    elif not powerful:
        reason = f"power {strong or 0:.2f} for an effect of {asked:g} within {horizon} days is below {limits.shadow_min_power:g}"
    else:
        reason = f"e-value {wealth:.3g} of {bar:.3g} after {d.size} days"
    return Verdict(verdict, d.size, *_means(champion, challenger), wealth, bar, strong, reason)


def judge_champion(champion: Array, baseline: Array, limits: Watch, *, name: str) -> Verdict:
    """Must the champion go? It must where its baseline is better beyond doubt; fewer days than asked only wait."""
    d = relative_difference(champion, baseline)
    wealth, bar = _largest(d), 1 / limits.demotion_alpha
    verdict: Answer = "keep"
    if d.size < limits.demotion_min_days:
        verdict, reason = "wait", f"{d.size} of {limits.demotion_min_days} days"
    elif wealth >= bar:
        verdict, reason = "demote", f"worse than {name}: e-value {wealth:.3g} reached {bar:.3g}"
    else:
        reason = f"not worse than {name}: e-value {wealth:.3g} of {bar:.3g}"
    return Verdict(verdict, d.size, *_means(champion, baseline), wealth, bar, None, reason)


def _largest(differences: Array) -> float:
    return float(e_process(differences).max()) if differences.size else 1.0


def _means(champion: Array, rival: Array) -> tuple[float | None, float | None]:
    return (float(np.mean(champion)), float(np.mean(rival))) if champion.size else (None, None)


def daily_losses(spec: ModelSpec, forecasts: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Mean loss per delivery date of rows whose outcome is known: delivery_date, loss; no row where none is known."""
    scored = with_outcomes(spec, forecasts, outcomes)
    if scored.is_empty():
        return pl.DataFrame(schema={"delivery_date": pl.Date, "loss": pl.Float64})
    losses = pl.Series("loss", row_losses(spec, scored, yardstick_of(spec.name).gate_metric))
    return scored.select("delivery_date", losses).group_by("delivery_date").agg(pl.col("loss").mean()).sort("delivery_date")


def paired_with_challenger(
    warehouse: Warehouse, ctx: RunContext, spec: ModelSpec, pair: tuple[VersionRef, VersionRef]
) -> tuple[Array, Array, float]:
    """Daily losses of champion and challenger on the dates both answered from identical rows; and the share of such dates."""
    champion, challenger = pair
    bound = {
        "model": spec.name,
        "market": ctx.selection.key,
        "key": ctx.selection.market.key,
        "hubs": list(ctx.selection.hubs),
        "champion": champion.version,
        "challenger": challenger.version,
        "as_of": ctx.as_of,
    }
    days = warehouse.query(
        "select delivery_date, inputs_equal from ops.shadow_days where model = {model:String} and market = {market:String}"
        " and champion_version = {champion:String} and challenger_version = {challenger:String} and as_of <= {as_of:DateTime64(3, 'UTC')}"
        " order by delivery_date, at_ts desc limit 1 by delivery_date",
        bound,
    )
    equal = days.filter("inputs_equal").get_column("delivery_date").to_list()
    share = len(equal) / days.height if days.height else 1.0
    if not equal:
        return np.empty(0), np.empty(0), share
    where = "market = {key:String} and hub in {hubs:Array(String)} and delivery_date in {days:Array(Date32)}"
    outcomes = known_rows(warehouse, spec, ctx.selection, start=equal[0], end=equal[-1], as_of=ctx.as_of)
    sides = []
    for table, version in ((spec.curated, champion.version), (spec.shadow, challenger.version)):
        sql = f"select * from {table.full_name} where {where} and model_version = {{version:String}}"
        sides.append(daily_losses(spec, warehouse.query(sql, {**bound, "days": equal, "version": version}), outcomes))
    both = sides[0].join(sides[1], on="delivery_date", suffix="_rival").sort("delivery_date")
    return both.get_column("loss").to_numpy(), both.get_column("loss_rival").to_numpy(), share


def paired_with_baseline(warehouse: Warehouse, ctx: RunContext, spec: ModelSpec, champion: VersionRef) -> tuple[Array, Array]:
    """Daily losses of the champion's published forecasts and of its naive baseline on the same rows."""
    bound = {"market": ctx.selection.market.key, "hubs": list(ctx.selection.hubs), "last": ctx.delivery_date, "version": champion.version}
    forecasts = warehouse.query(
        f"select * from {spec.curated.full_name} where market = {{market:String}} and hub in {{hubs:Array(String)}}"
        " and delivery_date <= {last:Date32} and model_version = {version:String}",
        bound,
    )
    first = forecasts.get_column("delivery_date").min()
    if not isinstance(first, date):
        return np.empty(0), np.empty(0)
    start = training_start(spec, first)
    rows = known_rows(warehouse, spec, ctx.selection, start=start, end=ctx.delivery_date, as_of=ctx.as_of)
    history = rows.filter(pl.col("delivery_date") < first)
    scored = with_outcomes(spec, forecasts, rows.filter(pl.col("delivery_date") >= first)).filter(pl.col(NAIVE).is_not_null()).sort(*ROW)
    if scored.is_empty():
        return np.empty(0), np.empty(0)
    metric = yardstick_of(spec.name).gate_metric
    own, base = row_losses(spec, scored, metric), baseline_losses(spec, scored, history, metric=metric)
    daily = scored.select("delivery_date").with_columns(pl.Series("own", own), pl.Series("base", base))
    means = daily.group_by("delivery_date").agg(pl.col("own", "base").mean()).sort("delivery_date")
    return means.get_column("own").to_numpy(), means.get_column("base").to_numpy()


def judge_model(warehouse: Warehouse, ctx: RunContext, model: str) -> list[dict[str, Any]]:
    """Verdicts on a model of the run's market, written to ops.shadow_verdicts: on its challenger, if any, and on its champion."""
    from pipeline_tasks import tracking

    spec, champion = spec_of(model), tracking.champion(model, ctx.market)
    if champion is None:
        return []
    limits, seed, rows = load_schedules().watch, load_schedules().seed, []
    pair = rivals(warehouse, model, ctx.market)
    if pair is not None:
        own, other, share = paired_with_challenger(warehouse, ctx, spec, pair)
        found = judge_challenger(own, other, limits, equal_share=share, seed=seed)
        rows.append({**_row(ctx, model, champion, found), "question": "promotion", "rival": pair[1].version, "inputs_equal_share": share})
    baseline = yardstick_of(model).gate_baseline
    found = judge_champion(*paired_with_baseline(warehouse, ctx, spec, champion), limits, name=baseline)
    rows.append({**_row(ctx, model, champion, found), "question": "demotion", "rival": baseline, "inputs_equal_share": None})
    warehouse.insert(SHADOW_VERDICTS, pl.DataFrame(rows, schema=SHADOW_VERDICTS.polars_schema()))
    return rows


def _row(ctx: RunContext, model: str, champion: VersionRef, found: Verdict) -> dict[str, Any]:
    return {
        "run_id": ctx.run_id,
        "model": model,
        "market": ctx.selection.key,
        "champion_version": champion.version,
        "days": found.days,
        "champion_loss": found.champion_loss,
        "rival_loss": found.rival_loss,
        "e_value": found.e_value,
        "threshold": found.threshold,
        "power": found.power,
        "verdict": found.verdict,
        "reason": found.reason,
        "as_of": ctx.as_of,
        "at_ts": datetime.now(UTC),
    }
