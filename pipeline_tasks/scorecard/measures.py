"""Measured metrics of a panel: value, baseline's value, interval and p-value, by metric name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_tasks.scorecard.panel import Array, Comparator, Panel

DRAWS = 2000
MEAN_BLOCK_DAYS = 7.0


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured number.

    Attributes:
        value: of the model.
        n: rows it rests on.
        baseline_value: of the baseline on the same rows, or None.
        ci_low: lower end of the 95 % interval (of value, or of the difference where the metric is one).
        ci_high: upper end.
        p_value: of the named test.
        note: which test and interval, for the reason of the row.
        band: acceptance band where the metric has one of its own.
    """

    value: float
    n: int
    baseline_value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None
    note: str = ""
    band: tuple[float, float] | None = None


class NotMeasurableError(ValueError):
    """A metric cannot be computed on this panel; the message is the reason of the row."""


Measurer = Callable[[Panel, Comparator | None], Measure]


def daily(days: npt.NDArray[np.int64], *columns: Array) -> tuple[Array, Array]:
    """Sums per delivery day of each column, days in order, shape (days, len(columns)); and rows per day."""
    _, index = np.unique(days, return_inverse=True)
    count = np.bincount(index).astype(np.float64)
    return np.column_stack([np.bincount(index, weights=c) for c in columns]), count


def mean_loss(loss: Array, days: npt.NDArray[np.int64], *, seed: int, name: str) -> Measure:
    """Mean of a loss with its block-bootstrap interval (whole days, mean block one week)."""
    from models._kernel.bootstrap import stationary_bootstrap_ci

    sums, count = daily(days, loss)
    if len(count) < 2:
        return Measure(float(loss.mean()), len(loss))
    interval = stationary_bootstrap_ci(
        np.column_stack((sums[:, 0], count)), lambda m: m[:, 0] / m[:, 1], mean_block=MEAN_BLOCK_DAYS, draws=DRAWS, seed=seed
    )
    return Measure(float(loss.mean()), len(loss), ci_low=interval.low, ci_high=interval.high, note=f"{name}; interval: block bootstrap")


def against(loss: Array, other: Array, days: npt.NDArray[np.int64], *, seed: int, name: str) -> Measure:
    """Mean loss beside a baseline's on the rows both have, with the daily Diebold-Mariano test that ours is smaller."""
    from models._kernel.stats import diebold_mariano_daily

    both = np.isfinite(loss) & np.isfinite(other)
    if not both.any():
        raise NotMeasurableError("the baseline has no value on any scored row")
    own = mean_loss(loss[both], days[both], seed=seed, name=name)
    p_value = None
    if len(np.unique(days[both])) >= 3:
        p_value = diebold_mariano_daily(loss[both], other[both], days[both], alternative="less").p_value
    joined = f"; joined on {int(both.sum())} of {len(both)} rows" if not both.all() else ""
    note = f"{own.note}; p: daily Diebold-Mariano, one-sided{joined}"
    return Measure(own.value, own.n, float(other[both].mean()), own.ci_low, own.ci_high, p_value, note)


def ratio(loss: Array, other: Array, days: npt.NDArray[np.int64], *, seed: int, name: str, skill: bool = False) -> Measure:
    """Mean loss over the baseline's (or one minus it), bootstrap interval of the ratio, Diebold-Mariano p-value."""
    from models._kernel.bootstrap import ratio_ci

    beside = against(loss, other, days, seed=seed, name=name)
    both = np.isfinite(loss) & np.isfinite(other)
    sums, _ = daily(days[both], loss[both], other[both])
    if beside.baseline_value is None or beside.baseline_value <= 0:
        raise NotMeasurableError("the baseline's loss is zero; a ratio to it says nothing")
    value = beside.value / beside.baseline_value
    interval = ratio_ci(sums[:, 0], sums[:, 1], mean_block=MEAN_BLOCK_DAYS, draws=DRAWS, seed=seed)
    low, high = (1 - interval.high, 1 - interval.low) if skill else (interval.low, interval.high)
    return Measure(1 - value if skill else value, beside.n, 0.0 if skill else 1.0, low, high, beside.p_value, beside.note)


def need(baseline: Comparator | None) -> Comparator:
    """The baseline, or the reason why there is no number."""
    if baseline is None:
        raise NotMeasurableError("the metric compares with a baseline, and the row names none")
    return baseline
