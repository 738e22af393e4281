"""Level score: a ridge price forecast in units of the spike scale, one regression per local hour; an input of the classifier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
HOURS = 24
MIN_ROWS = 60


@dataclass(frozen=True, slots=True)
class LevelModel:
    """Ridge regressions in the manner of LEAR (Lago et al. 2021), on standardised inputs with gaps at their mean.

    Attributes:
        mean: training means of the inputs, shape (p,).
        std: training standard deviations, shape (p,), 1 where an input is constant or never known.
        weights: coefficients per local hour, intercept last, shape (24, p + 1).
    """

    mean: Array
    std: Array
    weights: Array

    def predict(self, inputs: Array, hours: npt.NDArray[np.int64]) -> Array:
        """Level of every row: arsinh((price - median) / scale); always finite.

        Args:
            inputs: shape (n, p), NaN where unknown.
            hours: local hour of the row, 0-23.
        """
        return np.asarray(np.sum(_standardised(inputs, self.mean, self.std) * self.weights[hours], axis=1), dtype=np.float64)


def fit_level(inputs: Array, hours: npt.NDArray[np.int64], target: Array, *, penalty: float) -> LevelModel:
    """Fit the regressions; an hour with fewer than 60 rows takes the regression over all hours.

    Args:
        inputs: shape (n, p), NaN where unknown.
        hours: local hour, shape (n,).
        target: arsinh((price - median) / scale), shape (n,).
        penalty: ridge penalty per row on standardised coefficients; the intercept is free.
    """
    known = np.isfinite(inputs)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, inputs, 0.0).sum(axis=0) / count
    std = np.sqrt((np.where(known, inputs - mean, 0.0) ** 2).sum(axis=0) / count)
    std = np.where(std > 1e-9, std, 1.0)
    z = _standardised(inputs, mean, std)
    pooled = _solve(z, target, penalty)
    weights = np.tile(pooled, (HOURS, 1))
    for hour in range(HOURS):
        mine = hours == hour
        if mine.sum() >= MIN_ROWS:
            weights[hour] = _solve(z[mine], target[mine], penalty)
    return LevelModel(mean, std, weights)


def _standardised(inputs: Array, mean: Array, std: Array) -> Array:
    """Standardised inputs, clipped to 8 deviations, gaps as 0, with a column of ones."""
    z = np.clip(np.where(np.isfinite(inputs), (inputs - mean) / std, 0.0), -8.0, 8.0)
    return np.column_stack((z, np.ones(len(z))))


def _solve(z: Array, target: Array, penalty: float) -> Array:
    gram = z.T @ z
    gram[np.diag_indices_from(gram)] += np.append(np.full(z.shape[1] - 1, penalty * len(z)), 1e-9 * len(z) + 1e-12)
    return np.asarray(np.linalg.solve(gram, z.T @ target), dtype=np.float64)
