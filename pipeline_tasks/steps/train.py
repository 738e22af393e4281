"""Train step: a challenger from what was known at a cutoff, judged on days it has not seen."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from config.markets import resolve_market
from config.settings import get_settings
from models._kernel.artifacts import canonical_json
from models._kernel.protocol import Features
from models._kernel.registry import model_class, params_of, spec_of
from pipeline_tasks.contracts.ops import TRAINING_RUNS
from pipeline_tasks.steps.code_version import code_sha
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.exact import one_blas_thread
from pipeline_tasks.steps.judge import judge
from pipeline_tasks.steps.reading import known_rows, lacks_input, training_start
from pipeline_tasks.steps.schedules import load_schedules

if TYPE_CHECKING:
    from models._kernel.protocol import Model
    from models._kernel.spec import ModelSpec
    from pipeline_tasks.tracking import VersionRef
    from pipeline_tasks.warehouse import Warehouse


class ShortHistoryError(ValueError):
    """Fewer days of history than a model needs."""


def without_champion(ctx: RunContext, models: Sequence[str]) -> list[str]:
    """Those of the models that no promotion has ever made champion of the run's market."""
    from pipeline_tasks import tracking

    return [name for name in models if tracking.champion(name, ctx.market) is None]


def bootstrap(ctx: RunContext, model: str) -> dict[str, Any]:
    """First champion of a fresh install: trained `bootstrap_days` before the run, promoted under its own audit action.

    A model whose feature table has no row of the market, or fewer days of history before that cutoff than it needs (a market that was
    set up lately), is left without one; the result gives the `reason`, and for short history `status` DEGRADED.
    """
    from pipeline_tasks import tracking
    from pipeline_tasks.warehouse import connect

    with connect() as warehouse:
        inapplicable = lacks_input(warehouse, spec_of(model), ctx.selection)
    if inapplicable:
        return {"reason": inapplicable}
    cutoff = ctx.delivery_date - timedelta(days=load_schedules().bootstrap_days)
    try:
        result = train(model=model, market=ctx.market, cutoff_date=cutoff, run_id=ctx.run_id)
    except ShortHistoryError as error:
        return {"status": "DEGRADED", "reason": str(error)}
    with connect() as warehouse:
        tracking.promote(
            warehouse,
            model=model,
            market=ctx.market,
            number=result["version"],
            requester=get_settings().actor,
            approver="",
            comment=f"first champion of {model} for {ctx.market}, made by {ctx.run_id}",
            bootstrap=True,
        )
    return {**result, "promotion": "bootstrap_promotion"}


def train(
    *,
    model: str,
    market: str,
    cutoff_date: date,
    seed: int | None = None,
    profile: str | None = None,
    run_id: str | None = None,
) -> dict[str, Any]:
    """Train one model for one market selection and register it as challenger.

    Args:
        model: model name.
        market: market selection key.
        cutoff_date: delivery date whose gate is the cutoff; nothing known later is used.
        seed: random seed; the configured one by default.
        profile: `demo` or `full`; the configured one by default.
        run_id: run that asks; derived from model, market and cutoff by default.

    Returns:
        version, artifact_sha, data_version, gate (pass, miss, not_run), its reasons and numbers, rows, seconds, peak_memory_mb.

    Raises:
        ShortHistoryError: fewer days of history than the model needs.
    """
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.read import data_version

    config, spec, selection = load_schedules(), spec_of(model), resolve_market(market)
    profile, seed = profile or get_settings().profile, config.seed if seed is None else seed
    cutoff, began = selection.market.gate(cutoff_date), time.perf_counter()
    start = training_start(spec, cutoff_date)
    with connect() as warehouse, tempfile.TemporaryDirectory(prefix="desk-train-") as scratch:
        rows = known_rows(warehouse, spec, selection, start=start, end=cutoff_date, as_of=cutoff)
        check_history(spec, market, rows)
        params = params_of(model, profile)
        with one_blas_thread():
            fitted = model_class(model)(params).fit(Features(history=rows, target=rows.clear()), cutoff=cutoff, seed=seed)
        fitted.save(Path(scratch))
        seconds = time.perf_counter() - began
        verdict = judge(warehouse, fitted, spec, selection, cutoff_date=cutoff_date, training=rows)
        facts = {
            "model": model,
            "market": market,
            "run_id": run_id or f"train:{model}:{market}:{cutoff_date.isoformat()}",
            "cutoff": cutoff,
            "seed": seed,
            "row_count": rows.height,
            "data_version": data_version(rows),
            "code_sha": code_sha(),
            "seconds": seconds,
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "gate": verdict.verdict,
            "gate_json": canonical_json({"reasons": list(verdict.reasons), "numbers": dict(verdict.numbers)}).decode().strip(),
        }
        ref = _register(Path(scratch), fitted, params, facts, profile)
        _record(warehouse, ref, facts)
    return {
        "model": model,
        "market": market,
        "version": ref.version,
        "artifact_sha": ref.artifact_sha,
        "gate_reasons": list(verdict.reasons),
        **{k: facts[k] for k in ("run_id", "seed", "row_count", "data_version", "code_sha", "seconds", "peak_memory_mb", "gate")},
        "cutoff": cutoff.isoformat(),
    }


def check_history(spec: ModelSpec, market: str, rows: pl.DataFrame) -> None:
    """Refuse to train on too little.

    Raises:
        ShortHistoryError: fewer delivery dates with a known outcome than the model needs.
    """
    known = rows.filter(pl.col(spec.outcome.known).is_not_null())
    days = known.get_column("delivery_date").n_unique() if known.height else 0
    if days < spec.min_history_days:
        raise ShortHistoryError(
            f"{spec.name} needs {spec.min_history_days} delivery dates with known outcomes to train for {market}, found {days};"
            " ingest more history or choose a later date"
        )


def short_history(ctx: RunContext, spec: ModelSpec) -> str:
    """Why a market has no first champion of a model yet: too little history before the bootstrap's cutoff; empty where there is enough."""
    from pipeline_tasks.warehouse import connect

    cutoff_date = ctx.delivery_date - timedelta(days=load_schedules().bootstrap_days)
    as_of = ctx.selection.market.gate(cutoff_date)
    with connect() as warehouse:
        rows = known_rows(warehouse, spec, ctx.selection, start=training_start(spec, cutoff_date), end=cutoff_date, as_of=as_of)
    try:
        check_history(spec, ctx.market, rows)
    except ShortHistoryError as error:
        return str(error)
    return ""


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters as `a.b.c`, for MLflow."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _register(directory: Path, fitted: Model, params: Mapping[str, Any], facts: Mapping[str, Any], profile: str) -> VersionRef:
    from models._kernel.artifacts import verify_artifact
    from pipeline_tasks import tracking

    gate = json.loads(facts["gate_json"])
    return tracking.register(
        directory,
        model=facts["model"],
        market=facts["market"],
        tags={
            "artifact_sha": verify_artifact(directory, model=fitted.spec.name),
            "cutoff": facts["cutoff"].isoformat(),
            "profile": profile,
            **{k: str(facts[k]) for k in ("data_version", "code_sha", "seed", "run_id", "gate")},
        },
        params={"profile": profile, "seed": facts["seed"], **flatten(params)},
        metrics={k: float(facts[k]) for k in ("row_count", "seconds", "peak_memory_mb")}
        | {f"gate_{k}": v for k, v in gate["numbers"].items()},
    )


def _record(warehouse: Warehouse, ref: VersionRef, facts: Mapping[str, Any]) -> None:
    row = {
        **{c: facts[c] for c in facts if c in TRAINING_RUNS.column_names},
        "model_version": ref.version,
        "hub": "",
        "artifact_sha": ref.artifact_sha,
        "mlflow_run_id": ref.mlflow_run_id,
        "at_ts": datetime.now(UTC),
    }
    warehouse.insert(TRAINING_RUNS, pl.DataFrame([row], schema=TRAINING_RUNS.polars_schema()))
