"""Likelihood ratios: does a fault that began with this day explain it better than a clean day does?

For a fault with a known effect the expected clean day turns into an expected faulty one. The log likelihood ratio of the two
under a multivariate Student t law is the most powerful statistic for that fault (Neyman & Pearson 1933), and an odd day that
neither explains counts little. The covariance follows recent volatility (exponential weights), so that a turbulent season is not
taken for a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.drift.expected import Expectation

Array = npt.NDArray[np.float64]
Effect = Callable[[Array, Array, Array], Array]
FREEDOM = 4.0
MEMORY = 0.9  # weight of yesterday's volatility
FLOOR = 0.1  # volatility is never taken for less than this share of its long-run level


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A fault as an effect on a day.

    Attributes:
        name: detector it belongs to; of several with one name the largest ratio counts.
        effect: (day, last hour before it, first hour after it) -> the day under the fault, all in units of the feature.
    """

    name: str
    effect: Effect


def hypotheses(sigma: float, mean: float) -> tuple[Hypothesis, ...]:
    """The faults whose size the yardstick names.

    Args:
        sigma: standard deviation of the feature in the season.
        mean: its mean in the season.
    """
    return (
        Hypothesis("mean", lambda day, _a, _b: day + 0.5 * sigma),
        Hypothesis("mean", lambda day, _a, _b: day - 0.5 * sigma),
        Hypothesis("scale", lambda day, _a, _b: mean + np.sqrt(1.5) * (day - mean)),
        Hypothesis("scale", lambda day, _a, _b: mean + (day - mean) / np.sqrt(1.5)),
        Hypothesis("clock", _late),
        Hypothesis("clock", _early),
    )


def _late(day: Array, before: Array, _after: Array) -> Array:
    """Values an hour late: the first hour repeats the last one of the day before."""
    return np.concatenate((before, day[:-1])) if day.size > 1 else day


def _early(day: Array, _before: Array, after: Array) -> Array:
    return np.concatenate((day[1:], after)) if day.size > 1 else day


def volatility(distances: Array) -> Array:
    """Relative volatility before each day: exponentially weighted mean of the days' squared distances, never their own.

    Args:
        distances: r' S^-1 r / m per day, NaN where unknown, shape (n,).
    """
    known = distances[np.isfinite(distances)]
    level = float(np.median(known)) if known.size else 1.0
    out, state = np.empty(distances.size), level
    for i, value in enumerate(distances):
        out[i] = max(state / level, FLOOR)
        if np.isfinite(value):
            state = MEMORY * state + (1 - MEMORY) * min(value, 25 * level)
    return out


@dataclass(frozen=True, slots=True)
class Days:
    """Days to judge.

    Attributes:
        expected: on the scale of the expectation, shape (k, m).
        seen: as they came, in units of the feature, shape (k, m).
        before: last hour of the day before, shape (k,).
        after: first hour expected after the day, shape (k,).
        relative: relative volatility, shape (k,).
    """

    expected: Array
    seen: Array
    before: Array
    after: Array
    relative: Array


def ratios(expectation: Expectation, days: Days, faults: tuple[Hypothesis, ...]) -> dict[str, Array]:
    """Log likelihood ratio of each fault on each day, shape (k,); minus infinity where a day is unknown."""
    precision, scale = expectation.precision, expectation.scale
    scaled, clean = scale.forward(days.seen), scale.back(days.expected)
    m = days.seen.shape[1]
    plain = squared(scaled - days.expected, precision) / days.relative
    found: dict[str, Array] = {}
    for fault in faults:
        made = [fault.effect(c, b, a) for c, b, a in zip(clean, days.before[:, None], days.after[:, None], strict=True)]
        other = squared(scaled - scale.forward(np.array(made).reshape(days.seen.shape)), precision) / days.relative
        ratio = (FREEDOM + m) / 2 * (np.log1p(plain / FREEDOM) - np.log1p(other / FREEDOM))
        ratio = np.where(np.isfinite(ratio), ratio, -np.inf)
        found[fault.name] = np.maximum(found[fault.name], ratio) if fault.name in found else ratio
    return found


def squared(residual: Array, precision: Array) -> Array:
    """Squared Mahalanobis length of each row, shape (k, m) -> (k,)."""
    return np.asarray(np.einsum("ij,jk,ik->i", residual, precision, residual))
