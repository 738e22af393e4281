"""Level score: a ridge price forecast in units of the spike scale, one regression per local hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
HOURS = 24
MIN_ROWS = 60


@dataclass(frozen=True, slots=True)
class LevelModel:
    """Ridge regressions in the manner of LEAR (Lago et al. 2021), on standardised inputs with gaps at their mean.

    Attributes:
        names: inputs, in order, length p.
        mean: training means of the inputs, shape (p,).
        std: training standard deviations, shape (p,), 1 where an input is constant or never known.
        weights: coefficients per local hour, intercept last, shape (24, p + 1).
    """

    names: tuple[str, ...]
    mean: Array
    std: Array
    weights: Array

    def predict(self, inputs: Array, hours: Ints) -> Array:
        """Level of every row: arsinh((price - median) / scale); always finite.

        Args:
            inputs: shape (n, p), NaN where unknown.
            hours: local hour of the row, 0-23.
        """
        z = _standardised(inputs, self.mean, self.std)
        level = np.empty(len(z))
        for hour in np.unique(hours):
            mine = hours == hour
            level[mine] = (z[mine] * self.weights[hour]).sum(axis=1)  # a matrix product rounds by how many rows are asked
        return np.clip(level, -6.0, 6.0)


def fit_levels(
    names: Sequence[str], inputs: Array, hours: Ints, target: Array, age_days: Array, *, penalties: Sequence[float], windows: Sequence[int]
) -> list[LevelModel]:
    """Fit the regressions on windows of several lengths and average them, as LEAR's ensemble does; one model per penalty.

    An hour with fewer than 60 rows in a window takes the window's regression over all hours.

    Args:
        names: inputs, length p.
        inputs: shape (n, p), NaN where unknown.
        hours: local hour, shape (n,).
        target: arsinh((price - median) / scale), shape (n,).
        age_days: age of every row at the fit, shape (n,).
        penalties: ridge penalties per row on standardised coefficients; the intercept is free.
        windows: lengths of the training windows in days; windows with fewer than 60 rows are left out, unless all are.
    """
    known = np.isfinite(inputs)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, inputs, 0.0).sum(axis=0) / count
    std = np.sqrt((np.where(known, inputs - mean, 0.0) ** 2).sum(axis=0) / count)
    std = np.where(std > 1e-9, std, 1.0)
    z = _standardised(inputs, mean, std)
    chosen = [age_days <= w for w in windows if (age_days <= w).sum() >= MIN_ROWS] or [np.ones(len(z), dtype=bool)]
    weights = np.mean([_per_hour(z[rows], hours[rows], target[rows], penalties) for rows in chosen], axis=0)
    return [LevelModel(tuple(names), mean, std, np.asarray(w, dtype=np.float64)) for w in weights]


def _per_hour(z: Array, hours: Ints, target: Array, penalties: Sequence[float]) -> Array:
    """Coefficients, shape (penalties, 24, p)."""
    weights = np.empty((len(penalties), HOURS, z.shape[1]))
    rich = [hour for hour in range(HOURS) if (hours == hour).sum() >= MIN_ROWS]
    if len(rich) < HOURS:
        weights[:] = _solve(z, target, penalties)[:, None, :]
    for hour in rich:
        mine = hours == hour
        weights[:, hour] = _solve(z[mine], target[mine], penalties)
    return weights


def _standardised(inputs: Array, mean: Array, std: Array) -> Array:
    """Standardised inputs, clipped to 6 deviations, gaps as 0, with a column of ones."""
    z = np.clip(np.where(np.isfinite(inputs), (inputs - mean) / std, 0.0), -6.0, 6.0)
    return np.column_stack((z, np.ones(len(z))))


def _solve(z: Array, target: Array, penalties: Sequence[float]) -> Array:
    """Ridge coefficients for every penalty, shape (penalties, p); one Gram matrix for all."""
    from scipy.linalg import cho_factor, cho_solve

    gram, moment, n = z.T @ z, z.T @ target, len(z)
    found = []
    for penalty in penalties:
        damped = gram.copy()
        damped[np.diag_indices_from(damped)] += np.append(np.full(z.shape[1] - 1, penalty * n), 1e-9 * n + 1e-12)
        found.append(cho_solve(cho_factor(damped, overwrite_a=True, check_finite=False), moment, check_finite=False))
    return np.asarray(found, dtype=np.float64)
