"""Stationary block bootstrap: intervals for means, differences and ratios of dependent series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A bootstrap interval: the estimate on the data, its percentile limits, and the draws' standard deviation."""

    estimate: float
    low: float
    high: float
    standard_error: float


def stationary_indices(n: int, *, mean_block: float, draws: int, seed: int) -> npt.NDArray[np.int64]:
    """Row indices of `draws` stationary bootstrap samples (Politis & Romano 1994), shape (draws, n).

    Blocks have geometric length with mean `mean_block` and wrap around the end of the series.
    """
    if n < 1 or mean_block < 1 or draws < 1:
        raise ValueError(f"n={n}, mean_block={mean_block}, draws={draws}; each must be at least 1")
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, n, size=(draws, n))
    new = rng.random((draws, n)) < 1.0 / mean_block
    new[:, 0] = True
    position = np.broadcast_to(np.arange(n), (draws, n))
    opened = np.maximum.accumulate(np.where(new, position, 0), axis=1)
    offset = position - opened
    return np.asarray((np.take_along_axis(starts, opened, axis=1) + offset) % n, dtype=np.int64)


def stationary_bootstrap_ci(
    columns: npt.ArrayLike,
    statistic: Callable[[Array], Array],
    *,
    mean_block: float = 7.0,
    draws: int = 5000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a smooth function of column means.

    Args:
        columns: series in time order, shape (n,) or (n, k); days for daily losses, so that `mean_block` 7 is a week.
        statistic: maps means, shape (draws, k), to values, shape (draws,).
        mean_block: mean block length in rows.
        draws: bootstrap samples.
        confidence: 0.95 for the 2.5 and 97.5 percentiles.
        seed: seed of the draws.
    """
    data = np.asarray(columns, dtype=np.float64)
    data = data[:, None] if data.ndim == 1 else data
    if data.shape[0] < 2 or not np.all(np.isfinite(data)):
        raise ValueError(f"a bootstrap needs at least 2 complete rows; got shape {data.shape}, finite: {bool(np.all(np.isfinite(data)))}")
    n = data.shape[0]
    index = stationary_indices(n, mean_block=mean_block, draws=draws, seed=seed)
    weights = np.apply_along_axis(np.bincount, 1, index, minlength=n) / n
    values = statistic(np.asarray(weights @ data, dtype=np.float64))
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(statistic(data.mean(axis=0)[None, :])[0]), float(low), float(high), float(np.std(values, ddof=1)))


def mean_difference_ci(a: npt.ArrayLike, b: npt.ArrayLike, *, mean_block: float = 7.0, draws: int = 5000, seed: int = 0) -> Interval:
    """95 % interval of mean(a) - mean(b), rows resampled in pairs."""
    return stationary_bootstrap_ci(_pairs(a, b), lambda m: m[:, 0] - m[:, 1], mean_block=mean_block, draws=draws, seed=seed)


def ratio_ci(a: npt.ArrayLike, b: npt.ArrayLike, *, mean_block: float = 7.0, draws: int = 5000, seed: int = 0) -> Interval:
    """95 % interval of mean(a) / mean(b), rows resampled in pairs (rMAE: daily losses of model and naive)."""
    return stationary_bootstrap_ci(_pairs(a, b), lambda m: m[:, 0] / m[:, 1], mean_block=mean_block, draws=draws, seed=seed)


def _pairs(a: npt.ArrayLike, b: npt.ArrayLike) -> Array:
    x, y = np.asarray(a, dtype=np.float64).reshape(-1), np.asarray(b, dtype=np.float64).reshape(-1)
    if x.shape != y.shape:
        raise ValueError(f"series have {x.size} and {y.size} rows; compare the same rows")
    return np.column_stack((x, y))
