"""Generalised Pareto tails: quantiles, survival and capped shortfall, and the splice of such a tail onto a body of quantiles.

Peaks over threshold (Pickands 1975; Coles 2001, ch. 4): beyond a high threshold u, an outcome's excess has the survival function
(1 + shape x excess / scale)^(-1 / shape). Everything here is written for the upper tail; mirror signs for the lower one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
FLAT = 1e-8  # a shape this close to zero is exponential


def gpd_quantile(share: npt.ArrayLike, scale: npt.ArrayLike, shape: npt.ArrayLike) -> Array:
    """Excess that a share of the exceedances exceeds; arguments broadcast, `share` in (0, 1]."""
    s, sigma, xi = (np.asarray(a, dtype=np.float64) for a in (share, scale, shape))
    log = -np.log(s)
    safe = np.where(np.abs(xi) < FLAT, 1.0, xi)
    return np.asarray(sigma * np.where(np.abs(xi) < FLAT, log, np.expm1(safe * log) / safe), dtype=np.float64)


def gpd_survival(excess: npt.ArrayLike, scale: npt.ArrayLike, shape: npt.ArrayLike) -> Array:
    """Probability that an exceedance's excess is larger than `excess`; 1 for a negative one. Arguments broadcast."""
    x, sigma, xi = (np.asarray(a, dtype=np.float64) for a in (excess, scale, shape))
    z = np.maximum(x, 0.0) / sigma
    safe = np.where(np.abs(xi) < FLAT, 1.0, xi)
    inside = np.maximum(1.0 + safe * z, 0.0)
    with np.errstate(divide="ignore"):
        power = np.where(inside > 0, -np.log(np.where(inside > 0, inside, 1.0)) / safe, -np.inf)
    return np.asarray(np.exp(np.where(np.abs(xi) < FLAT, -z, power)), dtype=np.float64)


def gpd_capped_mean(scale: npt.ArrayLike, shape: npt.ArrayLike, cap: npt.ArrayLike) -> Array:
    """Mean of min(excess, cap), finite for every shape (limited expected value; Klugman et al. 2012, app. A). Arguments broadcast.

    A price cap bounds the loss: with a shape near 1 the uncapped mean hardly exists, the capped one always does.
    """
    sigma, xi, c = (np.asarray(a, dtype=np.float64) for a in (scale, shape, cap))
    z = np.maximum(c, 0.0) / sigma
    safe = np.where(np.abs(xi) < FLAT, 0.5, xi)
    log = np.log(np.maximum(1.0 + safe * z, 1e-300))  # beyond the end of a bounded tail the survival is nil
    one = np.abs(safe - 1.0) < FLAT
    exponent = np.where(one, 1.0, 1.0 - 1.0 / safe)
    general = np.where(one, log, -np.expm1(exponent * log) / np.where(one, 1.0, 1.0 - safe))
    return np.asarray(sigma * np.where(np.abs(xi) < FLAT, -np.expm1(-z), general), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Tail:
    """A generalised Pareto tail beyond a threshold, row by row.

    Attributes:
        level: probability of staying below the threshold, e.g. 0.9.
        threshold: shape (n,).
        scale: of the excess, in the unit of the threshold, shape (n,).
        shape: of the excess, shape (n,) or a number.
    """

    level: float
    threshold: Array
    scale: Array
    shape: Array

    def quantiles(self, levels: npt.ArrayLike) -> Array:
        """Quantiles at levels from `level` on, shape (n, k), or at one level per row where `levels` has shape (n, k)."""
        p = np.asarray(levels, dtype=np.float64)
        if np.any(p < self.level) or np.any(p >= 1):
            raise ValueError(f"levels {p.min():g}..{p.max():g} must lie within [{self.level}, 1), where the tail is")
        xi = np.broadcast_to(np.asarray(self.shape, dtype=np.float64), self.scale.shape)
        excess = gpd_quantile((1.0 - p) / (1.0 - self.level), self.scale[:, None], xi[:, None])
        return np.asarray(self.threshold[:, None] + excess, dtype=np.float64)

    def exceedance(self, value: npt.ArrayLike) -> Array:
        """Probability of more than `value`, which lies at or above the threshold; 1 - level below it, shape (n,)."""
        return np.asarray((1.0 - self.level) * gpd_survival(np.asarray(value) - self.threshold, self.scale, self.shape), dtype=np.float64)

    def shortfall(self, levels: Sequence[float], cap: npt.ArrayLike) -> Array:
        """Mean of min(outcome, cap) beyond the quantile at each level, shape (n, k); never below the quantile capped alike."""
        var = self.quantiles(levels)
        xi = np.broadcast_to(np.asarray(self.shape, dtype=np.float64), self.scale.shape)[:, None]
        ceiling = np.broadcast_to(np.asarray(cap, dtype=np.float64), self.scale.shape)[:, None]
        scale = np.maximum(self.scale[:, None] + xi * (var - self.threshold[:, None]), 1e-12)
        return np.minimum(var, ceiling) + gpd_capped_mean(scale, xi, ceiling - var)


def spliced_ladder(
    levels: Sequence[float],
    quantiles: npt.ArrayLike,
    wanted: Sequence[float],
    *,
    upper: Tail | None = None,
    lower: Tail | None = None,
) -> Array:
    """Quantiles at `wanted` levels: the body's ladder in between, Pareto tails beyond its ends; continuous and monotone.

    A tail replaces the body from its own level on, and its threshold must be the body's quantile there, so that the splice has no
    step; the body is linear between its levels. `lower` is the tail of minus the outcome: its level 0.95 begins at the 5 % quantile.

    Args:
        levels: levels of the body, rising, shape (k,).
        quantiles: body, rows rising, shape (n, k).
        wanted: levels asked for, rising; beyond the body's ends only where there is a tail.
        upper: tail above.
        lower: tail below, of minus the outcome.

    Returns:
        Shape (n, len(wanted)), rising in every row.

    Raises:
        ValueError: a level is asked for that neither body nor tail reaches, or a tail begins elsewhere than at the body's quantile.
    """
    body, p, asked = np.asarray(quantiles, dtype=np.float64), np.asarray(levels, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    begins = 1.0 - lower.level if lower is not None else p[0]
    ends = upper.level if upper is not None else p[-1]
    for tail, sign, at in ((upper, 1.0, ends), (lower, -1.0, begins)):
        if tail is not None and not np.allclose(sign * tail.threshold, _between(p, body, np.array([at]))[:, 0], rtol=1e-6, atol=1e-6):
            raise ValueError(f"the tail does not begin at the body's quantile of level {at:g}; its threshold must be that quantile")
    below, above = asked < begins - 1e-12, asked > ends + 1e-12
    if (below.any() and lower is None) or (above.any() and upper is None):
        raise ValueError(f"levels {asked[below | above].tolist()} lie beyond the body's {p[0]:g}..{p[-1]:g}, and no tail reaches there")
    made = _between(p, body, np.clip(asked, begins, ends))
    if upper is not None and above.any():
        made[:, above] = upper.quantiles(asked[above])
    if lower is not None and below.any():
        made[:, below] = -lower.quantiles(1.0 - asked[below])
    return np.asarray(np.maximum.accumulate(made, axis=1), dtype=np.float64)


def _between(levels: Array, quantiles: Array, asked: Array) -> Array:
    """Linear interpolation of every row's ladder at `asked` levels, shape (n, len(asked))."""
    right = np.clip(np.searchsorted(levels, asked), 1, len(levels) - 1)
    weight = (asked - levels[right - 1]) / (levels[right] - levels[right - 1])
    return np.asarray(quantiles[:, right - 1] * (1 - weight) + quantiles[:, right] * weight, dtype=np.float64)
