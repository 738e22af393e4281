"""Boosters of the spread, and the ladder of its quantiles: the kernel's, with the model's levels and settings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models._kernel import quantile_boosting
from models._kernel.quantile_boosting import Boosters, BoostSettings
from models.imbalance.params import Params
from models.imbalance.spec import LEVELS

Array = npt.NDArray[np.float64]

__all__ = ["Boosters", "ladder", "ladder_centre", "ladder_mean", "train"]


def train(inputs: Array, names: Sequence[str], spread: Array, params: Params, *, seed: int) -> Boosters:
    """Train one booster per knot on rows with a known spread; same rows and seed, same trees, byte for byte."""
    settings = BoostSettings(params.rounds, params.leaves, params.learning_rate, params.min_rows, params.threads)
    return quantile_boosting.train(inputs, names, spread, params.knots, settings, seed=seed)


def ladder(knots: Sequence[float], quantiles: Array) -> Array:
    """Quantiles at all levels, linear between the knots, shape (n, levels)."""
    return quantile_boosting.ladder(LEVELS, knots, quantiles)


def ladder_centre(quantiles: Array, between: tuple[float, float]) -> Array:
    """Mean of the quantiles at the levels between two levels, both included; their median where no level lies between."""
    return quantile_boosting.ladder_centre(LEVELS, quantiles, between)


def ladder_mean(quantiles: Array) -> Array:
    """Mean of the piecewise linear distribution through the levels, whose outer tails are cut at the 1 % and 99 % quantiles."""
    return quantile_boosting.ladder_mean(LEVELS, quantiles)
