"""Expected shortfall: of scenarios, its backtest (Acerbi & Szekely 2014), and the joint score of VaR and ES (Fissler & Ziegel 2016).

Both speak of losses, large ones bad: the upper tail of a price as it is, the lower tail as minus the price. Neither is invariant to a
shift, and both need a shortfall above zero: where prices reach below zero, give outcome, VaR and ES less a reference known at the
decision (a low quantile, say).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from models._kernel.stats import TestResult

Array = npt.NDArray[np.float64]
DRAWS = 4000


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


def z2_statistic(losses: npt.ArrayLike, var: npt.ArrayLike, es: npt.ArrayLike, level: float) -> float:
    """Z2 = 1 - sum(loss x [loss > VaR] / ES) / (n (1 - level)) (Acerbi & Szekely 2014, eq. 6).

    Zero is expected of the right tail; below zero the shortfall is underestimated (too many exceedances or too large ones), -1 means
    twice the losses foretold.

    Args:
        losses: realised losses, shape (n,).
        var: value at risk at `level`, same shape.
        es: expected shortfall at `level`, same shape; above zero and not below `var`.
        level: 0.99 for the worst 1 %.

    Raises:
        ValueError: rows of different length, missing values, a level outside (0, 1), or a shortfall that is not above zero and VaR.
    """
    x, v, e = _aligned(losses, var, es, level)
    return 1.0 - float(np.sum(np.where(x > v, x / e, 0.0))) / (x.size * (1.0 - level))


def acerbi_szekely_z2(
    outcome: npt.ArrayLike,
    var: npt.ArrayLike,
    es: npt.ArrayLike,
    level: float,
    *,
    shape: npt.ArrayLike = 0.0,
    alternative: Literal["underestimated", "two-sided"] = "underestimated",
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """Second test of Acerbi & Szekely (2014) on `z2_statistic`, where forecasts are VaR and ES alone.

    The law under the null is simulated: exceedances come with probability 1 - level, independently,
    and their excess over VaR has the mean ES - VaR and a generalised Pareto law. Exceedances that come in clusters make the test
    reject more often than it says.

    Args:
        outcome: losses, shape (n,).
        var: value at risk at `level`, same shape.
        es: expected shortfall at `level`, same shape; above zero and not below `var`.
        level: 0.99 for the worst 1 %.
        shape: shape of the excesses' Pareto law, below 1; 0 (the default) is exponential, a heavier tail rejects later. A number or (n,).
        alternative: ask for underestimation (the paper), or for a shortfall wrong either way.
        draws: simulated values of Z2.
        seed: seed of the simulation; same seed, same p.

    Returns:
        Z2 and its p-value.

    Raises:
        ValueError: rows of different length, missing values, a level outside (0, 1), or a shortfall that is not above zero and VaR.
    """
    loss, v, e = _aligned(outcome, var, es, level)
    tail, n = 1.0 - level, loss.size
    z2 = z2_statistic(loss, v, e, level)
    xi = np.broadcast_to(np.asarray(shape, dtype=np.float64), (n,))
    if np.any(xi >= 1):
        raise ValueError(f"shape reaches {float(xi.max())}; a shortfall exists only below 1")
    rng = np.random.default_rng(seed)
    counts = rng.binomial(n, tail, size=draws)
    rows = rng.integers(0, n, size=int(counts.sum()))
    unit = -np.log1p(-rng.random(rows.size))
    x = xi[rows]
    safe = np.where(np.abs(x) < 1e-9, 1.0, x)
    excess = np.where(np.abs(x) < 1e-9, unit, np.expm1(safe * unit) / safe) * (1.0 - x)
    parts = (v[rows] + excess * (e - v)[rows]) / e[rows]
    drawn = 1.0 - np.bincount(np.repeat(np.arange(draws), counts), weights=parts, minlength=draws) / (n * tail)
    lower = (np.sum(drawn <= z2) + 1) / (draws + 1)
    if alternative == "underestimated":
        return z2, float(lower)
    return z2, float(min(1.0, 2 * min(lower, (np.sum(drawn >= z2) + 1) / (draws + 1))))


def z2_test(
    losses: npt.ArrayLike, var: npt.ArrayLike, es: npt.ArrayLike, level: float, *, draw: Callable[[np.random.Generator], Array], seed: int
) -> TestResult:
    """Two-sided test of Z2 where the forecasts can be drawn from: its law is simulated from them, without a law of the excesses.

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
    observed = z2_statistic(losses, var, es, level)
    rng = np.random.default_rng(seed)
    law = np.array([z2_statistic(draw(rng), var, es, level) for _ in range(2000)])
    below, above = (np.sum(law <= observed) + 1) / (law.size + 1), (np.sum(law >= observed) + 1) / (law.size + 1)
    low, high = np.quantile(law, [0.025, 0.975])
    detail = (("low", float(low)), ("high", float(high)))
    return TestResult("acerbi_szekely_z2", observed, float(min(1.0, 2 * min(below, above))), np.asarray(losses).size, detail)


def fz0_losses(outcome: npt.ArrayLike, var: npt.ArrayLike, es: npt.ArrayLike, level: float) -> Array:
    """Joint loss of VaR and ES of every row: FZ0 of Patton, Ziegel & Chen (2019, eq. 6), for losses; smaller is better.

    L = [loss > VaR] (loss - VaR) / ((1 - level) ES) + VaR / ES + ln ES - 1, strictly consistent for the pair. Its differences do not
    depend on the currency; the values may be negative.

    Args:
        outcome: losses, shape (n,).
        var: value at risk at `level`, same shape.
        es: expected shortfall at `level`, same shape; above zero and not below `var`.
        level: 0.99 for the worst 1 %.
    """
    loss, v, e = _aligned(outcome, var, es, level)
    return np.asarray(np.maximum(loss - v, 0.0) / ((1.0 - level) * e) + v / e + np.log(e) - 1.0, dtype=np.float64)


def _sorted(losses: npt.ArrayLike, level: float) -> tuple[Array, int]:
    values = np.sort(np.asarray(losses, dtype=np.float64), axis=0)
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must lie strictly between 0 and 1")
    if values.shape[0] == 0 or not np.all(np.isfinite(values)):
        raise ValueError("losses are empty or not finite; a tail needs scenarios")
    return values, int(values.shape[0])


def _aligned(outcome: npt.ArrayLike, var: npt.ArrayLike, es: npt.ArrayLike, level: float) -> tuple[Array, Array, Array]:
    loss, v, e = (np.asarray(a, dtype=np.float64).reshape(-1) for a in (outcome, var, es))
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must lie strictly between 0 and 1, 0.99 for the worst 1 %")
    if loss.size == 0 or loss.shape != v.shape or loss.shape != e.shape:
        raise ValueError(f"outcome has {loss.size} rows, var {v.size}, es {e.size}; give the same rows, at least one")
    if not all(np.all(np.isfinite(a)) for a in (loss, v, e)):
        raise ValueError("outcome, var or es has missing values; align the rows (inner join) before testing")
    if np.any(e <= 0) or np.any(e < v):
        raise ValueError(
            f"es must lie above zero and not below var; {int(np.sum((e <= 0) | (e < v)))} of {e.size} rows do not: give all three less a"
            " reference known at the decision, and swap the sign for a lower tail"
        )
    return loss, v, e
