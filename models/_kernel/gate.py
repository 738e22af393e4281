"""Promotion gate: may this candidate replace what is there? Decided from losses on rows neither model was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from models._kernel.stats import coverage_band, diebold_mariano_daily

Verdict = Literal["pass", "miss", "not_run"]


@dataclass(frozen=True, slots=True)
class GateLimits:
    """What a candidate must reach.

    Attributes:
        alpha: level of the one-sided Diebold-Mariano test against the baseline, and of "not worse than the champion".
        min_days: delivery days needed to decide at all.
        target: largest admissible mean loss; None for no number.
        nominal_coverage: nominal coverage of the interval; None for models without one.
        coverage_margin: admitted beyond Kupiec's band on each side, for gates on few days.
        max_parity_gap: largest difference of the same row computed by the training and the serving path.
        max_latency_s: longest admissible time of one day's inference.
    """

    alpha: float = 0.05
    min_days: int = 14
    target: float | None = None
    nominal_coverage: float | None = None
    coverage_margin: float = 0.0
    max_parity_gap: float = 1e-6
    max_latency_s: float = 60.0


@dataclass(frozen=True, slots=True)
class GateEvidence:
    """What was measured, row by row, on the same rows for all.

    Attributes:
        metric: name of the loss.
        days: delivery date per row.
        candidate: loss of the candidate per row.
        baseline_name: the named baseline.
        baseline: its losses.
        champion: losses of the present champion; None where there is none.
        covered: whether the outcome fell into the candidate's interval, per row; None without intervals.
        parity_gap: see `GateLimits`; None where it was not measured, which is a miss.
        latency_s: see `GateLimits`; None where it was not measured, which is a miss.
    """

    metric: str
    days: npt.ArrayLike
    candidate: npt.ArrayLike
    baseline_name: str
    baseline: npt.ArrayLike
    champion: npt.ArrayLike | None = None
    covered: npt.ArrayLike | None = None
    parity_gap: float | None = None
    latency_s: float | None = None


@dataclass(frozen=True, slots=True)
class GateResult:
    """The decision: `pass` only without a single reason against; `not_run` where the rows cannot decide."""

    verdict: Verdict
    reasons: tuple[str, ...]
    numbers: Mapping[str, float] = field(default_factory=dict)


def decide(evidence: GateEvidence, limits: GateLimits | None = None) -> GateResult:
    """Decide on a promotion.

    Returns:
        Verdict, every reason against the candidate, and the numbers it rests on (JSON-able).

    Raises:
        ValueError: losses of different length or with missing values.
    """
    limit = limits or GateLimits()
    loss = np.asarray(evidence.candidate, dtype=np.float64).reshape(-1)
    days = len(np.unique(np.asarray(evidence.days).reshape(-1)))
    numbers: dict[str, float] = {"rows": float(loss.size), "days": float(days)}
    if days < max(limit.min_days, 3):
        return GateResult("not_run", (f"{days} scored days; {max(limit.min_days, 3)} are needed to decide",), numbers)
    reasons = [*_against_baseline(evidence, limit, numbers), *_against_champion(evidence, limit, numbers)]
    reasons += _coverage(evidence, limit, numbers)
    reasons += _ceiling("parity_gap", evidence.parity_gap, limit.max_parity_gap, "training and serving differ", numbers)
    reasons += _ceiling("latency_s", evidence.latency_s, limit.max_latency_s, "inference takes", numbers)
    return GateResult("miss" if reasons else "pass", tuple(reasons), numbers)


def _against_baseline(evidence: GateEvidence, limit: GateLimits, numbers: dict[str, float]) -> list[str]:
    test = diebold_mariano_daily(evidence.candidate, evidence.baseline, evidence.days)
    mean, base = float(np.mean(np.asarray(evidence.candidate))), float(np.mean(np.asarray(evidence.baseline)))
    numbers |= {"loss": mean, "baseline_loss": base, "dm_p_value": test.p_value, "ratio": mean / base if base else float(mean > 0)}
    reasons = []
    if mean >= base:
        reasons.append(f"{evidence.metric} {mean:.4g} is not below {evidence.baseline_name}'s {base:.4g}")
    elif not test.rejects(limit.alpha):
        reasons.append(f"{evidence.metric} is better than {evidence.baseline_name}'s, but not significantly: p = {test.p_value:.3g}")
    if limit.target is not None:
        numbers["target"] = limit.target
        if mean > limit.target:
            reasons.append(f"{evidence.metric} {mean:.4g} misses the target {limit.target:.4g}")
    return reasons


def _against_champion(evidence: GateEvidence, limit: GateLimits, numbers: dict[str, float]) -> list[str]:
    if evidence.champion is None:
        return []
    test = diebold_mariano_daily(evidence.candidate, evidence.champion, evidence.days, alternative="greater")
    numbers |= {"champion_loss": float(np.mean(np.asarray(evidence.champion))), "worse_than_champion_p_value": test.p_value}
    return [f"{evidence.metric} is significantly worse than the champion's: p = {test.p_value:.3g}"] if test.rejects(limit.alpha) else []


def _coverage(evidence: GateEvidence, limit: GateLimits, numbers: dict[str, float]) -> list[str]:
    """Observed coverage against Kupiec's band at the number of days, not rows: hours of a day are not independent."""
    if limit.nominal_coverage is None:
        return []
    if evidence.covered is None:
        return ["coverage was not measured; give `covered` per row"]
    share = float(np.mean(np.asarray(evidence.covered, dtype=np.float64)))
    low, high = coverage_band(int(numbers["days"]), limit.nominal_coverage)
    low, high = low - limit.coverage_margin, high + limit.coverage_margin
    numbers |= {"coverage": share, "coverage_low": low, "coverage_high": high}
    return [] if low <= share <= high else [f"coverage {share:.3f} lies outside {low:.3f}..{high:.3f}"]


def _ceiling(name: str, value: float | None, ceiling: float, words: str, numbers: dict[str, float]) -> list[str]:
    if value is None:
        return [f"{name} was not measured"]
    numbers |= {name: value, f"{name}_limit": ceiling}
    return [] if value <= ceiling else [f"{words}: {name} {value:.4g} exceeds {ceiling:.4g}"]
