"""Deflated Sharpe ratio: how likely a track record is better than nothing, given how many were tried (Bailey & Lopez de Prado 2014)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

EULER = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class Deflated:
    """A Sharpe ratio per period, the highest that chance alone is expected to give over all trials, the probability of beating it."""

    sharpe: float
    expected_best: float
    probability: float


def expected_best_sharpe(sharpes: npt.ArrayLike) -> float:
    """Expected maximum of as many Sharpe ratios of worthless strategies as were tried, from the spread of those found (equation 6)."""
    from scipy.stats import norm

    found = np.asarray(sharpes, dtype=np.float64)
    if found.size < 2:
        return 0.0
    spread, n = float(np.std(found, ddof=1)), found.size
    return spread * float((1 - EULER) * norm.ppf(1 - 1 / n) + EULER * norm.ppf(1 - 1 / (n * np.e)))


def deflated_sharpe(returns: npt.ArrayLike, trials: npt.ArrayLike) -> Deflated:
    """The deflated Sharpe ratio of a return series (equation 9), with its skewness and kurtosis.

    Args:
        returns: returns per period, shape (n,), over nothing or over a baseline.
        trials: Sharpe ratios per period of everything that was tried, this series included.

    Raises:
        ValueError: fewer than 10 returns, or returns that do not vary.
    """
    from scipy.stats import kurtosis, norm, skew

    x = np.asarray(returns, dtype=np.float64)
    if x.size < 10 or float(np.std(x)) == 0:
        raise ValueError(f"{x.size} returns with standard deviation {float(np.std(x)) if x.size else 0.0}; give at least 10 that vary")
    sharpe = float(x.mean() / x.std(ddof=1))
    best = expected_best_sharpe(trials)
    shape = 1 - float(skew(x)) * sharpe + (float(kurtosis(x, fisher=False)) - 1) / 4 * sharpe**2
    return Deflated(sharpe, best, float(norm.cdf((sharpe - best) * np.sqrt(x.size - 1) / np.sqrt(max(shape, 1e-12)))))
