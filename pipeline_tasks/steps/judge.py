"""The promotion gate's evidence: a candidate on the delivery days right after its cutoff, beside baseline and champion."""

from __future__ import annotations

import time
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from config.markets import MarketSelection
from models._kernel.gate import GateEvidence, GateLimits, GateResult, decide
from models._kernel.protocol import Features, Model
from models._kernel.registry import yardstick_of
from models._kernel.spec import ModelSpec
from pipeline_tasks.steps.reading import decided_by, features_of, history_start, known_rows
from pipeline_tasks.steps.schedules import load_schedules
from pipeline_tasks.steps.scoring import ROW, baseline_losses, covered, row_losses, with_outcomes

if TYPE_CHECKING:
    from pipeline_tasks.warehouse import Warehouse


def judge(
    warehouse: Warehouse, candidate: Model, spec: ModelSpec, selection: MarketSelection, *, cutoff_date: date, training: pl.DataFrame
) -> GateResult:
    """Decide on a freshly trained model.

    The `gate_days` delivery dates from the cutoff on are forecast, each as at its own gate; only outcomes known at the gate
    after the last of them count. Parity compares the first of these days computed in bulk with the same day computed the way
    inference does it; latency is the time of that day.

    Args:
        warehouse: open connection.
        candidate: the fitted model.
        spec: its spec.
        selection: market and hubs.
        cutoff_date: first delivery date it has not seen.
        training: rows it learned from.
    """
    days = load_schedules().gate_days
    last = cutoff_date + timedelta(days=days - 1)
    start = history_start(spec, selection.market.gate(cutoff_date))
    known = selection.market.gate(last + timedelta(days=1))
    rows = known_rows(warehouse, spec, selection, start=start, end=last, as_of=known)
    scorable = pl.col(spec.outcome.known).is_not_null() & pl.col(spec.naive_column).is_not_null()
    unseen = rows.filter(pl.col("delivery_date") >= cutoff_date, scorable)
    if unseen.is_empty():
        return GateResult("not_run", (f"no outcome after the cutoff ({cutoff_date}) is known yet",), {"rows": 0.0, "days": 0.0})
    data = Features(history=rows, target=unseen)
    scored = with_outcomes(spec, candidate.predict(data, as_of=known).frame, unseen)
    yardstick = yardstick_of(spec.name)
    parity, latency = _parity(warehouse, candidate, spec, selection, scored=scored, start=start)
    evidence = GateEvidence(
        metric=yardstick.gate_metric,
        days=scored.get_column("delivery_date").to_numpy(),
        candidate=row_losses(spec, scored, yardstick.gate_metric),
        baseline_name=yardstick.gate_baseline,
        baseline=baseline_losses(spec, scored, training, metric=yardstick.gate_metric),
        champion=_champion_losses(spec, selection, data, scored, yardstick.gate_metric),
        covered=covered(spec, scored),
        parity_gap=parity,
        latency_s=latency,
    )
    nominal = 0.9 if evidence.covered is not None else None
    return decide(evidence, GateLimits(min_days=min(days, 14), nominal_coverage=nominal, coverage_margin=0.05))


def _champion_losses(
    spec: ModelSpec, selection: MarketSelection, data: Features, scored: pl.DataFrame, metric: str
) -> np.ndarray[tuple[int], np.dtype[np.float64]] | None:
    """Losses of the present champion on the same rows; None where there is none."""
    from pipeline_tasks import tracking

    ref = tracking.champion(spec.name, selection.key)
    if ref is None:
        return None
    as_of = data.target.get_column("as_of").max()
    frame = tracking.load(ref).predict(data, as_of=as_of).frame  # type: ignore[arg-type]
    return row_losses(spec, with_outcomes(spec, frame, data.target).join(scored.select(*ROW), on=list(ROW), how="semi"), metric)


def _parity(
    warehouse: Warehouse, candidate: Model, spec: ModelSpec, selection: MarketSelection, *, scored: pl.DataFrame, start: date
) -> tuple[float, float]:
    """Largest difference between bulk and single-day answers on the first scored day, and the seconds of the latter."""
    day = scored.get_column("delivery_date").min()
    if not isinstance(day, date):
        raise TypeError(f"delivery_date of scored rows is {day!r}; the feature table must declare it a date")
    began, gate = time.perf_counter(), decided_by(spec, selection.market, day)
    rows = known_rows(warehouse, spec, selection, start=start, end=day, as_of=gate)
    served = candidate.predict(features_of(spec, rows, [day]), as_of=gate).frame
    seconds = time.perf_counter() - began
    both = scored.join(served.select(*ROW, pl.col(spec.point_column).alias("_served")), on=list(ROW), how="inner")
    gap = both.select((pl.col(spec.point_column) - pl.col("_served")).abs().max()).item()
    return float("inf") if gap is None else float(gap), seconds
