"""From measured numbers to scorecard rows: target, baseline, test and an honest reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from models._kernel.spec import Kind
from models._kernel.yardstick import DataClass, Direction, MetricTarget, Slice, Yardstick
from pipeline_tasks.scorecard import decision, distribution, probability, tail, unit_metrics
from pipeline_tasks.scorecard.measures import Measure, Measurer, NotMeasurableError
from pipeline_tasks.scorecard.panel import Panel
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict

MODULES: Mapping[Kind, Any] = {Kind.DISTRIBUTION: distribution, Kind.PROBABILITY: probability, Kind.DECISION: decision}
MEASURERS: Mapping[Kind, Callable[[int], dict[str, Measurer]]] = {
    Kind.DISTRIBUTION: distribution.distribution_measurers,
    Kind.PROBABILITY: probability.probability_measurers,
    Kind.DECISION: decision.decision_measurers,
}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every row of one model on one data set carries alike."""

    system: str
    data_set: str
    data_class: DataClass
    seed: int
    seconds: float
    code_sha: str


def metric_rows(yardstick: Yardstick, kind: Kind) -> list[MetricTarget]:
    """The yardstick's rows, then, where it wants them, the standard metrics of the kind that it does not name."""
    module = MODULES[kind]
    declared = list(yardstick.metrics)
    if not yardstick.standard:
        return declared
    named = {(m.metric, m.baseline) for m in declared if not m.where and not m.by}
    plain = [(metric, "naive_week" if metric == "rmae" else "") for metric in module.STANDARD]
    compared = [(metric, b.name) for b in yardstick.baselines if not b.joint for metric in module.COMPARED]
    metrics_declared = {m.metric for m in declared if not m.where and not m.by}
    extra = [(m, b) for m, b in plain if m not in metrics_declared] + [p for p in compared if p not in named]
    return declared + [MetricTarget(m, _beat(m, b), baseline=b, test="dm" if b else "") for m, b in extra]


def _beat(metric: str, baseline: str) -> Direction:
    """Direction of a standard row: a number beside a baseline has to beat it; one alone is reported."""
    if not baseline:
        return Direction.REPORT
    return Direction.AT_LEAST if metric in {"pr_auc", "brier_skill"} else Direction.AT_MOST


def not_measurable(yardstick: Yardstick, stamp: Stamp, reason: str) -> list[ScoreRow]:
    """One row per declared metric that says why there is no number."""
    return [_row(m, stamp, None, "not_measurable", reason, window=None) for m in yardstick.metrics]


def score(panel: Panel, yardstick: Yardstick, kind: Kind, stamp: Stamp) -> list[ScoreRow]:
    """Rows of every metric on a panel."""
    measurers = MEASURERS[kind](stamp.seed) | (tail.tail_measurers(stamp.seed, panel) if panel.tail else {})
    measurers |= unit_metrics.unit_measurers(stamp.seed) if panel.units else {}
    parts = {"": panel, **{part.name: panel.part(part) for part in yardstick.slices}}
    rows = metric_rows(yardstick, kind)
    for column in {m.by for m in rows if m.by}:
        for value in panel.rows[column].unique().sort().to_list():
            parts[f"{column}={value}"] = panel.part(Slice(str(value), column, value))
    return [_scored(m, parts[at], stamp, measurers) for metric in rows for m, at in _expanded(metric, parts)]


def _expanded(metric: MetricTarget, parts: Mapping[str, Panel]) -> list[tuple[MetricTarget, str]]:
    """The metric with the part it is measured on; one for every value of the column that it is told by."""
    if not metric.by:
        return [(metric, metric.where)]
    mark = f"{metric.by}="
    return [(replace(metric, by="", where=at.removeprefix(mark)), at) for at in parts if at.startswith(mark)]


def _scored(metric: MetricTarget, panel: Panel, stamp: Stamp, measurers: dict[str, Measurer]) -> ScoreRow:
    if not panel.n:
        return _row(metric, stamp, None, "not_measurable", "no scored row lies in this slice", window=None)
    window = panel.window
    lacking = _lacking(metric, panel, measurers)
    if lacking:
        return _row(metric, stamp, None, "not_measurable", lacking, window=window)
    baseline = panel.comparators[metric.baseline] if metric.baseline else None
    try:
        measured = measurers[metric.metric](panel, baseline)
    except NotMeasurableError as error:
        return _row(metric, stamp, None, "not_measurable", str(error), window=window)
    if math.isnan(measured.value):
        return _row(metric, stamp, measured, "not_measurable", f"the metric is undefined on these rows; {measured.note}", window=window)
    verdict, why = judged(metric, measured, stamp.data_set)
    remark = baseline.note if baseline else ""
    reason = "; ".join(part for part in (why, measured.note, remark, _coverage_of(panel), _synthetic(stamp)) if part)
    return _row(metric, stamp, measured, verdict, reason, window=window)


def _lacking(metric: MetricTarget, panel: Panel, measurers: dict[str, Measurer]) -> str:
    """Why the row cannot be measured at all; empty when it can."""
    if metric.baseline and metric.baseline not in panel.comparators:
        return panel.absent.get(metric.baseline, f"baseline {metric.baseline} is not one of this data set")
    if metric.metric not in measurers:
        return f"the scorecard has no metric {metric.metric!r} for this kind of model; it has {', '.join(sorted(measurers))}"
    return ""


def judged(metric: MetricTarget, measured: Measure, data_set: str) -> tuple[Verdict, str]:
    """Verdict and its reason: the number must be reached, and a named test against a baseline must be passed too."""
    target, value = metric.target_on(data_set), measured.value
    if metric.direction is Direction.REPORT:
        return "pass", "reported; no target"
    if metric.direction is Direction.WITHIN:
        low, high = metric.band or measured.band or (float("-inf"), float("inf"))
        inside = low <= value <= high
        return ("pass" if inside else "miss"), f"{value:.4g} is {'inside' if inside else 'outside'} {low:.4g}..{high:.4g}"
    smaller = metric.direction is Direction.AT_MOST
    sign = "at most" if smaller else "at least"
    reasons, good = [], True
    if target is not None:
        reached = value <= target if smaller else value >= target
        good, reasons = good and reached, [f"{value:.4g}, target {sign} {target:.4g}"]
    if metric.baseline and measured.baseline_value is not None:
        better = value < measured.baseline_value if smaller else value > measured.baseline_value
        good = good and better
        reasons.append(f"{'better' if better else 'not better'} than {metric.baseline} ({measured.baseline_value:.4g})")
    if metric.baseline and metric.test and measured.p_value is not None:
        significant = measured.p_value < metric.alpha
        good = good and significant
        reasons.append(f"p = {measured.p_value:.3g}{'' if significant else f', not below {metric.alpha:g}'}")
    return ("pass" if good else "miss"), ", ".join(reasons)


def _coverage_of(panel: Panel) -> str:
    parts = []
    if panel.fallback_rows:
        parts.append(f"{panel.fallback_rows} rows without an answer scored with the naive fallback")
    if panel.unpriced_rows:
        parts.append(f"{panel.unpriced_rows} rows have no published outcome")
    return ", ".join(parts)


def _synthetic(stamp: Stamp) -> str:
    return "synthetic data" if stamp.data_class is not DataClass.REAL else ""


def _row(
    metric: MetricTarget, stamp: Stamp, measured: Measure | None, verdict: Verdict, reason: str, *, window: tuple[date, date] | None
) -> ScoreRow:
    first, last = window or (None, None)
    return ScoreRow(
        system=stamp.system,
        data_set=stamp.data_set,
        data_class=stamp.data_class.value,
        metric=metric.label,
        target=metric.target_on(stamp.data_set),
        baseline=metric.baseline,
        baseline_value=measured.baseline_value if measured else None,
        value=measured.value if measured else None,
        ci_low=measured.ci_low if measured else None,
        ci_high=measured.ci_high if measured else None,
        p_value=measured.p_value if measured else None,
        n=measured.n if measured else 0,
        window_from=first,
        window_to=last,
        seed=stamp.seed,
        verdict=verdict,
        reason=reason,
        seconds=round(stamp.seconds, 3),
        code_sha=stamp.code_sha,
    )
