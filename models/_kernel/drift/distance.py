"""Distances between a window of recent days and the same season of other years: PSI, Kolmogorov-Smirnov, Wasserstein.

All three are computed from counts over the season's quantile bins, so that every window of a history costs one subtraction of
running sums. With `BINS` bins KS is exact up to 1 / BINS and the Wasserstein distance up to a bin's width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
BINS = 40
PSI_BINS = 10  # the customary number; finer bins only add noise
NAMES = ("psi", "ks", "wasserstein")


@dataclass(frozen=True, slots=True)
class Binned:
    """Counts of each day over common bins.

    Attributes:
        edges: inner edges, shape (b - 1,).
        width: length of each bin in units of the season's standard deviation, shape (b,).
        counts: shape (n, b); zero on unknown days.
    """

    edges: Array
    width: Array
    counts: Array


def binned(values: Array, reference: npt.NDArray[np.bool_]) -> Binned:
    """Bins of equal share over the reference days, and every day's counts in them.

    Args:
        values: shape (n, m), NaN where unknown.
        reference: days that define the bins, shape (n,).
    """
    pool = values[reference]
    pool = pool[np.isfinite(pool)]
    edges = np.unique(np.quantile(pool, np.linspace(0, 1, BINS + 1)[1:-1]))
    spread = float(pool.std()) or 1.0
    low, high = float(pool.min()), float(pool.max())
    width = np.diff(np.concatenate(([min(low, edges[0])], edges, [max(high, edges[-1])]))) / spread
    return Binned(edges, width, count_in(values, edges))


def count_in(values: Array, edges: Array) -> Array:
    """Counts of each day's values between the edges, shape (n, edges + 1); unknown values are not counted."""
    n, b = len(values), edges.size + 1
    place = np.searchsorted(edges, values, side="left")
    flat = (np.arange(n)[:, None] * b + place)[np.isfinite(values)]
    return np.bincount(flat, minlength=n * b).reshape(n, b).astype(np.float64)


def distances(window: Array, reference: Array, width: Array) -> dict[str, Array]:
    """Distances of windows from their references.

    Args:
        window: counts, shape (k, b).
        reference: counts of each window's own reference, shape (k, b).
        width: bin widths.

    Returns:
        Name -> shape (k,); NaN where a side is empty.
    """
    total, pool = window.sum(axis=1), reference.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = window / total[:, None], reference / pool[:, None]
        gap = np.cumsum(p - q, axis=1)[:, :-1]
        starts = np.unique(np.linspace(0, p.shape[1], PSI_BINS, endpoint=False).astype(int))
        a, e = (np.maximum(np.add.reduceat(side, starts, axis=1), 1e-4) for side in (p, q))
        found = {
            "psi": np.sum((a - e) * np.log(a / e), axis=1),
            "ks": np.max(np.abs(gap), axis=1, initial=0.0),
            "wasserstein": np.sum(np.abs(gap) * (width[:-1] + width[1:])[None, :] / 2, axis=1),
        }
    empty = (total == 0) | (pool == 0)
    return {name: np.where(empty, np.nan, value) for name, value in found.items()}


def trailing(counts: Array, days: int) -> Array:
    """Sums over the last `days` days up to and including each day."""
    total = np.cumsum(counts, axis=0)
    out = total.copy()
    out[days:] -= total[:-days]
    return out


def against_other_years(counts: Array, years: npt.NDArray[np.int64], reference: npt.NDArray[np.bool_]) -> Array:
    """For each day the summed counts of the reference days of all other years; of all reference days where there is one year."""
    whole = counts[reference].sum(axis=0)
    own = {year: counts[reference & (years == year)].sum(axis=0) for year in np.unique(years)}
    if np.unique(years[reference]).size < 2:
        return np.broadcast_to(whole, counts.shape).copy()
    return np.array([whole - own[year] for year in years])
