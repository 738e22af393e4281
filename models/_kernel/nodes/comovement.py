"""Price co-movement: a low-rank view of a (time, node) matrix of congestion prices that has gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
ROUNDS, TOLERANCE = 100, 1e-5


@dataclass(frozen=True, slots=True)
class Factors:
    """A matrix of prices as time scores times node loadings.

    Attributes:
        scores: shape (times, rank), orthogonal columns of mean square 1.
        loadings: currency/MWh per unit of score, shape (nodes, rank), by falling size; 0 for a node without prices.
    """

    scores: Array
    loadings: Array

    @property
    def matrix(self) -> Array:
        """What the factors say of every time and node."""
        return np.asarray(self.scores @ self.loadings.T)


def price_factors(prices: npt.ArrayLike, *, rank: int, shrink: float = 0.02) -> Factors:
    """Factors of a matrix with missing entries by soft-impute (Mazumder, Hastie & Tibshirani 2010).

    Gaps are filled with what the factors say, the singular values are taken and shrunk, until nothing moves. Rows are not centred:
    prices are given relative to a reference, and 0 means "as the reference".

    Args:
        prices: currency/MWh relative to a reference, shape (times, nodes), NaN where missing.
        rank: factors kept at most.
        shrink: taken off the singular values, as a share of the largest one.

    Returns:
        `min(rank, times, nodes)` factors; signs are fixed, so that the same matrix gives the same bytes.

    Raises:
        ValueError: not a matrix, or a rank below 1.
    """
    x = np.asarray(prices, dtype=np.float64)
    if x.ndim != 2 or rank < 1:
        raise ValueError(f"prices of shape {x.shape}, rank {rank}; give a (time, node) matrix and a rank of at least 1")
    seen = np.asarray(np.isfinite(x))
    kept = min(rank, *x.shape)
    low = np.zeros_like(x)
    for _ in range(1 if seen.all() else ROUNDS):
        before = low
        u, s, v = np.linalg.svd(np.where(seen, x, low), full_matrices=False)
        size = np.maximum(s[:kept] - shrink * s[0], 0.0)
        low = (u[:, :kept] * size) @ v[:kept]
        if np.abs(low - before).max(initial=0.0) <= TOLERANCE * np.abs(low).max(initial=1e-12):
            break
    u, s, v = np.linalg.svd(np.where(seen, x, low), full_matrices=False)
    sign = np.where(v[:kept].sum(axis=1) < 0, -1.0, 1.0)
    root = np.sqrt(x.shape[0])
    return Factors(u[:, :kept] * sign * root, np.where(np.asarray(seen.any(axis=0))[:, None], (v[:kept].T * sign) * s[:kept] / root, 0.0))


def completed(prices: npt.ArrayLike, *, rank: int = 16) -> Array:
    """The matrix with its gaps filled by its factors; entries that are there stay as they are."""
    x = np.asarray(prices, dtype=np.float64)
    seen = np.isfinite(x)
    return x.copy() if seen.all() else np.where(seen, x, price_factors(x, rank=rank).matrix)
