"""The day-ahead hedge of a load schedule within net and gross limits: a newsvendor with two budgets, solved exactly as a linear program.

A schedule that is shifted by the share h of its energy w leaves the deviation w (e - h), e the load's own deviation, and saves w h m
when the balancing price exceeds the day-ahead price by m. Expected absolute deviation g(h) = E|e - h| is convex; with e normal it is

    g(h) = s (2 phi(h / s) + (h / s) (2 Phi(h / s) - 1)).

The program replaces g by its chords between grid points, which lie above it, so limits hold for g too. Writing h as the sum of segment
lengths makes g linear (separable convex programming, Dantzig 1963, chapter 24): slopes rise, so segments fill in order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
SEGMENTS = 20  # even, so that no hedge is a grid point and always admissible
NORMAL_SD_PER_MAD = float(np.sqrt(np.pi / 2))


class HedgeError(RuntimeError):
    """The program was not solved; the message says what the solver said."""


@dataclass(frozen=True, slots=True)
class HedgeLimits:
    """Limits of one day's hedge, as shares of the scheduled energy; `fee` in currency/MWh of absolute deviation."""

    band: float
    net: float
    gross_growth: float
    fee: float


def expected_absolute_deviation(hedge: Array, mad: Array) -> Array:
    """E|e - h| for a normal e with mean 0 and mean absolute deviation `mad`; shapes broadcast."""
    from scipy.stats import norm

    s = NORMAL_SD_PER_MAD * mad
    a = hedge / s
    return np.asarray(s * (2 * norm.pdf(a) + a * (2 * norm.cdf(a) - 1)), dtype=np.float64)


def optimal_hedge(energy: Array, value: Array, mad: Array, limits: HedgeLimits) -> Array:
    """The hedge of one day that saves most in expectation.

    Args:
        energy: scheduled energy per interval, MWh, shape (n,).
        value: expected balancing price less day-ahead price, currency/MWh, shape (n,); not finite counts as 0.
        mad: mean absolute deviation of the load, share, shape (n,).
        limits: the day's limits.

    Returns:
        Hedge per interval as a share of its energy, shape (n,): within the band, net within `net` of the day's energy, expected
        gross deviation at most 1 + `gross_growth` times the unhedged one.

    Raises:
        HedgeError: the solver found no optimum (no hedge is always admissible, so that is a fault of the numbers given).
    """
    from scipy.optimize import linprog

    if energy.size == 0 or limits.band == 0:
        return np.zeros(energy.size)
    worth = np.where(np.isfinite(value), value, 0.0)
    grid = np.linspace(-limits.band, limits.band, SEGMENTS + 1)
    gross = expected_absolute_deviation(grid[None, :], mad[:, None])
    width = 2 * limits.band / SEGMENTS
    slope = np.diff(gross, axis=1) / width
    total = float(energy.sum())
    flat = np.repeat(energy / total, SEGMENTS)
    cost = (energy[:, None] / total * (limits.fee * slope - worth[:, None])).ravel()
    unhedged = float(energy @ gross[:, SEGMENTS // 2]) / total
    room = (1 + limits.gross_growth) * unhedged - float(energy @ gross[:, 0]) / total
    rows = np.vstack((flat, -flat, (energy[:, None] / total * slope).ravel()))
    bounds = np.array([limits.net + limits.band, limits.net - limits.band, room])
    scale = max(float(np.abs(cost).max()), 1e-12)
    solved = linprog(cost / scale, A_ub=rows, b_ub=bounds, bounds=(0.0, width), method="highs")
    if solved.x is None or solved.status != 0:
        raise HedgeError(f"the hedge of a day with {energy.size} intervals was not solved: {solved.message}; check loads and limits")
    hedge = np.asarray(solved.x, dtype=np.float64).reshape(-1, SEGMENTS).sum(axis=1) - limits.band
    return np.asarray(np.where(np.abs(hedge) < 1e-12, 0.0, hedge), dtype=np.float64)
