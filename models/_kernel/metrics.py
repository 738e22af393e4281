"""Metrics: arrays in, one float out; the same functions score every model, baseline and gate.

Smaller is better except where the docstring says otherwise. Rows with a missing truth or forecast are refused, never
dropped: dropping hours is how scores are bent, so the caller must align rows first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def mae(y: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Mean absolute error, in the unit of `y`."""
    a, f = _pair(y, forecast)
    return float(np.mean(np.abs(a - f)))


def rmse(y: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Root mean squared error, in the unit of `y`."""
    a, f = _pair(y, forecast)
    return float(np.sqrt(np.mean((a - f) ** 2)))


def bias(y: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Mean of forecast - outcome, in the unit of `y`; zero is best."""
    a, f = _pair(y, forecast)
    return float(np.mean(f - a))


def correlation(y: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Pearson correlation of outcome and forecast; NaN where one of them does not vary. Blind to bias and scale."""
    a, f = _pair(y, forecast)
    spread = float(np.std(a) * np.std(f))
    return float(np.mean((a - a.mean()) * (f - f.mean())) / spread) if spread > 0 else float("nan")


def wmape(y: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Sum of absolute errors over sum of absolute outcomes (a fraction); NaN where every outcome is zero."""
    a, f = _pair(y, forecast)
    total = float(np.sum(np.abs(a)))
    return float(np.sum(np.abs(a - f))) / total if total > 0 else float("nan")


def smape(y: npt.ArrayLike, forecast: npt.ArrayLike) -> float:
    """Symmetric MAPE as epftoolbox has it: mean of |e| / ((|y| + |f|) / 2), a fraction; 0 / 0 counts as no error."""
    a, f = _pair(y, forecast)
    scale = (np.abs(a) + np.abs(f)) / 2
    error = np.abs(a - f)
    return float(np.mean(np.divide(error, scale, out=np.zeros_like(error), where=scale > 0)))


def mape(y: npt.ArrayLike, forecast: npt.ArrayLike, *, floor: float = 10.0) -> float:
    """Diagnostic only: mean |e| / max(|y|, floor). Strictly worse forecasts can score better; never a target."""
    a, f = _pair(y, forecast)
    return float(np.mean(np.abs(a - f) / np.maximum(np.abs(a), floor)))


def rmae(y: npt.ArrayLike, forecast: npt.ArrayLike, naive: npt.ArrayLike) -> float:
    """MAE over the MAE of a naive forecast on the same rows (Lago et al. 2021: week-ago same hour)."""
    denominator = mae(y, naive)
    return mae(y, forecast) / denominator if denominator > 0 else float("nan")


def pinball_losses(y: npt.ArrayLike, quantiles: npt.ArrayLike, levels: npt.ArrayLike) -> Array:
    """Pinball loss of every row and level.

    Args:
        y: outcomes, shape (n,).
        quantiles: forecasts, shape (n, k).
        levels: probability levels, shape (k,), inside (0, 1).

    Returns:
        Losses, shape (n, k), in the unit of `y`.
    """
    a, q, p = _ladder(y, quantiles, levels)
    error = a[:, None] - q
    return np.asarray(np.maximum(p * error, (p - 1.0) * error), dtype=np.float64)


def pinball(y: npt.ArrayLike, quantiles: npt.ArrayLike, levels: npt.ArrayLike) -> float:
    """Mean pinball loss over rows and levels."""
    return float(np.mean(pinball_losses(y, quantiles, levels)))


def crps_losses(y: npt.ArrayLike, quantiles: npt.ArrayLike, levels: npt.ArrayLike) -> Array:
    """CRPS of every row, approximated from its quantiles: 2 x the integral of the pinball loss over the levels.

    The integral is a weighted mean: each level stands for the part of (0, 1) nearest to it, so an equidistant ladder
    k / (K + 1) gives the usual 2 x mean pinball up to the two end cells (Gneiting & Raftery 2007, eq. 21 for the identity).
    """
    a, q, p = _ladder(y, quantiles, levels)
    edges = np.concatenate(([0.0], (p[1:] + p[:-1]) / 2, [1.0]))
    return np.asarray(2.0 * pinball_losses(a, q, p) @ np.diff(edges), dtype=np.float64)


def crps_from_quantiles(y: npt.ArrayLike, quantiles: npt.ArrayLike, levels: npt.ArrayLike) -> float:
    """Mean CRPS from quantiles, in the unit of `y`; see `crps_losses`."""
    return float(np.mean(crps_losses(y, quantiles, levels)))


def interval_losses(y: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike, *, alpha: float) -> Array:
    """Interval (Winkler) score of every row for a central (1 - alpha) interval (Gneiting & Raftery 2007, eq. 43)."""
    a, lo = _pair(y, low)
    _, hi = _pair(y, high)
    _between("alpha", alpha)
    return np.asarray((hi - lo) + 2 / alpha * (np.maximum(lo - a, 0) + np.maximum(a - hi, 0)), dtype=np.float64)


def winkler(y: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike, *, alpha: float) -> float:
    """Mean interval score, in the unit of `y`."""
    return float(np.mean(interval_losses(y, low, high, alpha=alpha)))


def coverage(y: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike) -> float:
    """Share of outcomes inside [low, high], ends included. Neither large nor small is good: compare with the nominal level."""
    a, lo = _pair(y, low)
    _, hi = _pair(y, high)
    return float(np.mean((a >= lo) & (a <= hi)))


def brier(event: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """Brier score: mean squared difference of probability and event (0 or 1)."""
    e, p = _events(event, probability)
    return float(np.mean((p - e) ** 2))


def brier_skill(event: npt.ArrayLike, probability: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """1 - Brier / Brier of the reference on the same rows. Larger is better; NaN for a perfect reference."""
    denominator = brier(event, reference)
    return 1.0 - brier(event, probability) / denominator if denominator > 0 else float("nan")


def log_score(event: npt.ArrayLike, probability: npt.ArrayLike, *, eps: float = 1e-12) -> float:
    """Mean negative log-likelihood of the events (nats), probabilities clipped to [eps, 1 - eps]."""
    e, p = _events(event, probability)
    p = np.clip(p, eps, 1 - eps)
    return float(-np.mean(e * np.log(p) + (1 - e) * np.log1p(-p)))


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin of a reliability table: its bounds, rows, mean probability and observed share of events."""

    low: float
    high: float
    n: int
    mean_probability: float
    observed: float


def reliability(
    event: npt.ArrayLike, probability: npt.ArrayLike, *, bins: int = 10, equal_mass: bool = False
) -> tuple[ReliabilityBin, ...]:
    """Reliability table over the non-empty bins, by equal width on [0, 1] or by equal numbers of rows."""
    e, p = _events(event, probability)
    if equal_mass:
        groups = [g for g in np.array_split(np.argsort(p, kind="stable"), bins) if g.size]
        bounds = [(float(p[g].min()), float(p[g].max())) for g in groups]
    else:
        index = np.minimum((p * bins).astype(int), bins - 1)
        used = [b for b in range(bins) if np.any(index == b)]
        groups = [np.flatnonzero(index == b) for b in used]
        bounds = [(b / bins, (b + 1) / bins) for b in used]
    return tuple(
        ReliabilityBin(low, high, int(g.size), float(p[g].mean()), float(e[g].mean()))
        for (low, high), g in zip(bounds, groups, strict=True)
    )


def ece(event: npt.ArrayLike, probability: npt.ArrayLike, *, bins: int = 10, equal_mass: bool = False) -> float:
    """Expected calibration error: row-weighted mean |observed - mean probability| over the bins (Naeini et al. 2015)."""
    table = reliability(event, probability, bins=bins, equal_mass=equal_mass)
    total = sum(b.n for b in table)
    return float(sum(b.n * abs(b.observed - b.mean_probability) for b in table) / total)


def pr_auc(event: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Average precision: sum of precision x increase of recall over distinct scores. Larger is better; NaN without events."""
    e, s = _events(event, score, bounded=False)
    if e.sum() == 0:
        return float("nan")
    order = np.argsort(-s, kind="stable")
    hits, ranked = np.cumsum(e[order]), s[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), ranked.size - 1)
    precision, recall = hits[last] / (last + 1), hits[last] / e.sum()
    return float(np.sum(precision * np.diff(recall, prepend=0.0)))


def auc(event: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Area under the ROC curve by ranks, ties counted half. Larger is better; NaN unless both classes occur."""
    e, s = _events(event, score, bounded=False)
    positives = float(e.sum())
    negatives = e.size - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    _, inverse, counts = np.unique(s, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[e == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _between(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}; it must lie strictly between 0 and 1")


def _vector(name: str, values: npt.ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    if array.size == 0:
        raise ValueError(f"{name} is empty; a score needs at least one row")
    if not np.all(np.isfinite(array)):
        bad = int(np.sum(~np.isfinite(array)))
        raise ValueError(f"{name} has {bad} missing or infinite value(s) of {array.size}; align the rows (inner join) before scoring")
    return array


def _pair(y: npt.ArrayLike, forecast: npt.ArrayLike) -> tuple[Array, Array]:
    a, f = _vector("outcomes", y), _vector("forecast", forecast)
    if a.shape != f.shape:
        raise ValueError(f"outcomes have {a.size} rows, the forecast {f.size}; join them on their keys before scoring")
    return a, f


def _ladder(y: npt.ArrayLike, quantiles: npt.ArrayLike, levels: npt.ArrayLike) -> tuple[Array, Array, Array]:
    a, p = _vector("outcomes", y), _vector("levels", levels)
    q = np.asarray(quantiles, dtype=np.float64)
    if q.shape != (a.size, p.size):
        raise ValueError(f"quantiles have shape {q.shape}; with {a.size} outcomes and {p.size} levels it must be {(a.size, p.size)}")
    _vector("quantiles", q)
    if p.min() <= 0 or p.max() >= 1 or np.any(np.diff(p) <= 0):
        raise ValueError(f"levels {p.tolist()} must rise strictly inside (0, 1)")
    return a, q, p


def _events(event: npt.ArrayLike, probability: npt.ArrayLike, *, bounded: bool = True) -> tuple[Array, Array]:
    e, p = _pair(event, probability)
    if not np.all((e == 0) | (e == 1)):
        raise ValueError("events must be 0 or 1 (or booleans)")
    if bounded and (p.min() < 0 or p.max() > 1):
        raise ValueError(f"probabilities reach from {p.min()} to {p.max()}; they must lie in [0, 1]")
    return e, p
