"""Tail risk of scenarios and its backtest: value at risk, expected shortfall, the test of Acerbi & Szekely (2014)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from models._kernel.stats import TestResult

Array = npt.NDArray[np.float64]


def value_at_risk(losses: npt.ArrayLike, level: float) -> Array:
    """The smallest loss that at least the share `level` of equally likely scenarios does not exceed, along the first axis."""
    ordered, _ = _sorted(losses, level)
    n = ordered.shape[0]
    return np.asarray(ordered[min(int(np.ceil(np.round(level * n, 9))), n) - 1], dtype=np.float64)


def expected_shortfall(losses: npt.ArrayLike, level: float) -> Array:
    """Mean of the worst share 1 - `level` of equally likely scenarios along the first axis (Acerbi & Tasche 2002).

    A scenario that the level cuts in two counts with the part beyond it, so that the measure is coherent for any number of scenarios.
    """
    ordered, n = _sorted(losses, level)
    tail = n * (1 - level)
    weight = np.clip(tail - np.arange(n)[::-1], 0.0, 1.0)
    return np.asarray(np.tensordot(weight, ordered, axes=(0, 0)) / tail, dtype=np.float64)


def acerbi_szekely_z2(losses: npt.ArrayLike, var: npt.ArrayLike, es: npt.ArrayLike, level: float) -> float:
    """Z2 = 1 - mean(L 1[L > VaR] / ES) / (1 - level) (Acerbi & Szekely 2014, eq. 6): zero if risk is right, negative if too low.

    Args:
        losses: realised losses, shape (n,).
        var: forecast value at risk, shape (n,).
        es: forecast expected shortfall, positive, shape (n,).
        level: 0.975 for the worst 2.5 %.

    Raises:
        ValueError: a forecast shortfall is not positive: the statistic divides by it. Tell losses relative to the forecast mean.
    """
    x, v, e = (np.asarray(a, dtype=np.float64) for a in (losses, var, es))
    if np.any(e <= 0):
        raise ValueError(
            f"expected shortfall is {float(e.min()):.4g} at least once; Z2 needs positive ones (losses less the forecast mean)"
        )
    return float(1 - np.mean(x * (x > v) / e) / (1 - level))


def z2_test(
    losses: npt.ArrayLike, var: npt.ArrayLike, es: npt.ArrayLike, level: float, *, draw: Callable[[np.random.Generator], Array], seed: int
) -> TestResult:
    """Two-sided test of Z2, its law under the forecasts simulated from them.

    Args:
        losses: realised losses, shape (n,).
        var: value at risk, shape (n,).
        es: expected shortfall, shape (n,).
        level: of both.
        draw: from a generator, losses of one history drawn from the forecast distributions, shape (n,).
        seed: seed of 2,000 histories.

    Returns:
        Z2, its p-value, and the 2.5 % and 97.5 % points of Z2 under the forecasts.
    """
    observed = acerbi_szekely_z2(losses, var, es, level)
    rng = np.random.default_rng(seed)
    law = np.array([acerbi_szekely_z2(draw(rng), var, es, level) for _ in range(2000)])
    below, above = (np.sum(law <= observed) + 1) / (law.size + 1), (np.sum(law >= observed) + 1) / (law.size + 1)
    low, high = np.quantile(law, [0.025, 0.975])
    detail = (("low", float(low)), ("high", float(high)))
    return TestResult("acerbi_szekely_z2", observed, float(min(1.0, 2 * min(below, above))), np.asarray(losses).size, detail)


def _sorted(losses: npt.ArrayLike, level: float) -> tuple[Array, int]:
    values = np.sort(np.asarray(losses, dtype=np.float64), axis=0)
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must lie strictly between 0 and 1")
    if values.shape[0] == 0 or not np.all(np.isfinite(values)):
        raise ValueError("losses are empty or not finite; a tail needs scenarios")
    return values, int(values.shape[0])
