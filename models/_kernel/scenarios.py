"""Joint scenarios: calibrated marginals put together by a copula of past errors.

Marginals are a ladder of quantiles with exponential tails; the dependence comes from the ranks of past errors (equally, of past PIT
values), either as they were on past days (Schaake shuffle, Clark et al. 2004; empirical copula coupling, Schefzik et al. 2013) or
through a Gaussian copula with a shrunk correlation (Schaefer & Strimmer 2005). Both are written so that every series can be computed
alone and still moves with the others: scenario k of every hub, and of the spread beside the day-ahead price, comes from the same past
day (so many days before the delivery date), or from the same weights of past days. Models draw with the Schaake shuffle, which scored
better than the Gaussian copula on every market of the scorecard; the scorecard goes on comparing both.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

INDEPENDENT, GAUSSIAN, SCHAAKE = "independent_hours", "gaussian_copula", "schaake_shuffle"
METHODS = (GAUSSIAN, SCHAAKE)
FEWEST_DAYS = 10
SPAN_STEP_DAYS, LONGEST_SPAN_DAYS = 28, 112


@dataclass(frozen=True, slots=True)
class Past:
    """Errors of past days that lend their dependence.

    Attributes:
        date: delivery date, days since 1970, rising, shape (n,).
        score: what is ranked (scaled errors or PIT values), shape (n, d); NaN where there was none.
    """

    date: Ints
    score: Array

    @property
    def days(self) -> int:
        """Past days."""
        return int(self.date.size)


def seed_of(*parts: object) -> int:
    """A seed that depends on the parts alone (model, market, hub, delivery date, ...), on any machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def quantile_at(ladder: npt.ArrayLike, levels: npt.ArrayLike, u: npt.ArrayLike) -> Array:
    """Quantiles at levels u of distributions given by a ladder.

    Linear between the ladder's levels; beyond its ends exponential tails go on from the last two quantiles: for u below the first level
    p1, Q(u) = q1 - s log(p1 / u) with s = (q2 - q1) / log(p2 / p1), and likewise above.

    Args:
        ladder: quantiles, rising, shape (d, k).
        levels: their levels, shape (k,), k at least 2.
        u: levels inside (0, 1), shape (m, d).

    Returns:
        Shape (m, d).
    """
    q, p, x = (np.asarray(v, dtype=np.float64) for v in (ladder, levels, u))
    cell = np.clip(np.searchsorted(p, x, side="right") - 1, 0, p.size - 2)
    column = np.arange(q.shape[0])
    left, right = q[column, cell], q[column, cell + 1]
    inside = left + (x - p[cell]) / (p[cell + 1] - p[cell]) * (right - left)
    low, high = tail_scales(q, p)
    below = q[:, 0] - low * np.log(p[0] / np.minimum(x, p[0]))
    above = q[:, -1] + high * np.log((1 - p[-1]) / np.minimum(1 - x, 1 - p[-1]))
    return np.asarray(np.where(x < p[0], below, np.where(x > p[-1], above, inside)), dtype=np.float64)


def level_of(ladder: npt.ArrayLike, levels: npt.ArrayLike, y: npt.ArrayLike) -> Array:
    """PIT: the level at which `quantile_at` gives y; where quantiles are equal, the middle of their levels.

    Args:
        ladder: shape (n, k).
        levels: shape (k,).
        y: outcomes, shape (n,); NaN gives NaN.
    """
    q, p, a = (np.asarray(v, dtype=np.float64) for v in (ladder, levels, y))
    below = (q < a[:, None]).sum(axis=1)
    upto = (q <= a[:, None]).sum(axis=1)
    rows, cell = np.arange(a.size), np.clip(upto - 1, 0, p.size - 2)
    gap = q[rows, cell + 1] - q[rows, cell]
    share = np.divide(a - q[rows, cell], gap, out=np.zeros_like(a), where=gap > 0)
    inside = p[cell] + np.clip(share, 0, 1) * (p[cell + 1] - p[cell])
    tied = upto > below + 1
    middle = (p[np.clip(below, 0, p.size - 1)] + p[np.clip(upto - 1, 0, p.size - 1)]) / 2
    low, high = (np.maximum(s, 1e-12) for s in tail_scales(q, p))
    left = p[0] * np.exp(-np.maximum(q[:, 0] - a, 0) / low)
    right = 1 - (1 - p[-1]) * np.exp(-np.maximum(a - q[:, -1], 0) / high)
    found = np.where(a < q[:, 0], left, np.where(a > q[:, -1], right, np.where(tied, middle, inside)))
    return np.asarray(np.where(np.isfinite(a), found, np.nan), dtype=np.float64)


def joint_levels(method: str, past: Past, date: int, count: int, *, shared_seed: int, own_seed: int) -> Array:
    """Levels of `count` joint scenarios for a delivery date, shape (count, d): every column is a permutation of (k - 0.5) / count.

    Args:
        method: one of `METHODS`, or independence.
        past: errors of days before, newest last.
        date: delivery date, days since 1970.
        count: scenarios.
        shared_seed: seed that all hubs of a market and date have in common.
        own_seed: seed of this series and date.

    With fewer than `FEWEST_DAYS` past days the hours are independent.

    Raises:
        ValueError: the method is not known, or a past day is not before the date.
    """
    if method not in {*METHODS, INDEPENDENT}:
        raise ValueError(f"scenario method {method!r} is not known; use {', '.join(METHODS)} or {INDEPENDENT}")
    if past.days and int(past.date.max()) >= date:
        raise ValueError(f"past day {int(past.date.max())} is not before the delivery date {date}; give days known at the decision")
    own = np.random.default_rng(own_seed)
    noise = own.standard_normal((count, past.score.shape[1]))
    if method == INDEPENDENT or past.days < FEWEST_DAYS:
        return stratified(noise)
    if method == SCHAAKE:
        return stratified(_ranks(past.score)[_templates(past, date, count)] + 1e-6 * noise)
    normal = _normal_scores(past.score)
    shrink = shrinkage(normal)
    lag = date - past.date  # one draw per scenario and lag: hubs with longer or shorter pasts share those they have in common
    weights = np.random.default_rng(shared_seed).standard_normal((int(lag.max()) + 1, count))[lag]
    return stratified(np.sqrt(1 - shrink) * (weights.T @ normal) / np.sqrt(past.days) + np.sqrt(shrink) * noise)


def span_of(past: Past, date: int) -> int:
    """Days before the date that Schaake scenarios go around in: whole steps of 28 days that the past reaches back, at most 112.

    Steps, so that series whose pasts differ by some days (an outcome known later, a holiday) still go around in the same days.
    """
    reach = date - int(past.date.min())
    return min(max(reach // SPAN_STEP_DAYS * SPAN_STEP_DAYS, min(reach, SPAN_STEP_DAYS)), LONGEST_SPAN_DAYS)


def _templates(past: Past, date: int, count: int) -> npt.NDArray[np.intp]:
    """Row of `past` that each scenario takes its ranks from: 1, 2, ... days before and round again.

    Where the series lacks that day it takes one of those it has, newest first: its hours stay together, and only what couples it with
    other series in that scenario is lost.
    """
    number = np.arange(count)
    wanted = date - 1 - number % span_of(past, date)
    order = np.argsort(past.date, kind="stable")
    row = order[np.minimum(np.searchsorted(past.date[order], wanted), past.days - 1)]
    return np.where(past.date[row] == wanted, row, order[::-1][number % past.days])


def stratified(values: Array) -> Array:
    """Ranks along the first axis as levels (rank - 0.5) / n: the marginals then are met as well as n points can."""
    order = np.argsort(np.argsort(values, axis=0, kind="stable"), axis=0, kind="stable")
    return np.asarray((order + 0.5) / values.shape[0], dtype=np.float64)


def shrinkage(standard: Array) -> float:
    """Weight of the identity in the correlation of standardised columns, shape (n, d): Schaefer & Strimmer (2005), estimated, in [0, 1]."""
    n, d = standard.shape
    if n < 3 or d < 2:
        return 1.0
    mean = standard.T @ standard / n
    square = (standard**2).T @ (standard**2) / n
    variance = (square - mean**2) / (n - 1)
    off = ~np.eye(d, dtype=bool)
    total = float((mean[off] ** 2).sum())
    return float(np.clip(variance[off].sum() / total, 0.0, 1.0)) if total > 0 else 1.0


def energy_score(samples: npt.ArrayLike, outcome: npt.ArrayLike) -> float:
    """Energy score E|X - y| - E|X - X'| / 2 of equally likely scenarios (Gneiting & Raftery 2007); smaller is better.

    Args:
        samples: scenarios, shape (m, d).
        outcome: shape (d,).
    """
    x, y = np.asarray(samples, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    centred = x - x.mean(axis=0)
    square = (centred**2).sum(axis=1)
    distance = np.sqrt(np.maximum(square[:, None] + square[None] - 2 * centred @ centred.T, 0.0))
    return float(np.sqrt(((x - y) ** 2).sum(axis=1)).mean() - distance.mean() / 2)


def variogram_score(samples: npt.ArrayLike, outcome: npt.ArrayLike, *, order: float = 0.5) -> float:
    """Variogram score of order p with equal weights (Scheuerer & Hamill 2015), as a mean over pairs of hours.

    scoringrules sums over all ordered pairs; this is that sum over d squared.

    Args:
        samples: scenarios, shape (m, d).
        outcome: shape (d,).
        order: p.
    """
    x, y = np.asarray(samples, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    expected = np.zeros((y.size, y.size))
    for i in range(y.size):
        expected[i] = (np.abs(x[:, i, None] - x) ** order).mean(axis=0)
    return float(((np.abs(y[:, None] - y[None]) ** order - expected) ** 2).mean())


def tail_scales(q: Array, p: Array) -> tuple[Array, Array]:
    """Scales of the exponential tails below and above, shape (d,)."""
    low = (q[:, 1] - q[:, 0]) / np.log(p[1] / p[0])
    high = (q[:, -1] - q[:, -2]) / np.log((1 - p[-2]) / (1 - p[-1]))
    return low, high


def _ranks(score: Array) -> Array:
    """Ranks of every column among its known values as levels inside (0, 1); unknown values stand in the middle."""
    known = np.isfinite(score)
    filled = np.where(known, score, np.inf)
    order = np.argsort(np.argsort(filled, axis=0, kind="stable"), axis=0, kind="stable") + 1.0
    return np.asarray(np.where(known, order / (known.sum(axis=0) + 1.0), 0.5), dtype=np.float64)


def _normal_scores(score: Array) -> Array:
    """Ranks as standard normal values, every column with mean square one."""
    from scipy.special import ndtri

    z = np.asarray(ndtri(_ranks(score)), dtype=np.float64)
    return np.asarray(z / np.maximum(np.sqrt((z**2).mean(axis=0)), 1e-12), dtype=np.float64)
