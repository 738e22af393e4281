"""LightGBM quantile regressions at a few levels (knots), and the ladder of quantiles between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BoostSettings:
    """Settings of all boosters alike.

    Attributes:
        rounds: boosting rounds.
        leaves: leaves of a tree.
        learning_rate: step of boosting.
        min_rows: fewest rows of a leaf.
        threads: LightGBM threads; one keeps artifacts byte-identical between machines.
        feature_fraction: share of the inputs a tree sees.
    """

    rounds: int
    leaves: int
    learning_rate: float
    min_rows: int
    threads: int = 1
    feature_fraction: float = 0.5


@dataclass(frozen=True, slots=True)
class Boosters:
    """One booster per knot; `names` are the inputs, in order."""

    names: tuple[str, ...]
    knots: tuple[float, ...]
    models: tuple[Any, ...]

    def quantiles(self, inputs: Array) -> Array:
        """Quantiles at the knots, sorted, shape (n, knots)."""
        if not len(inputs):
            return np.empty((0, len(self.knots)))
        return np.sort(np.column_stack([m.predict(inputs, num_threads=1) for m in self.models]), axis=1)

    def contributions(self, inputs: Array) -> Array:
        """TreeSHAP contributions to the boosted median and, last, its expectation; shape (n, inputs + 1)."""
        median = self.models[self.knots.index(0.5)]
        return np.asarray(median.predict(inputs, pred_contrib=True, num_threads=1), dtype=np.float64)


def train(inputs: Array, names: Sequence[str], outcome: Array, knots: Sequence[float], settings: BoostSettings, *, seed: int) -> Boosters:
    """Train one booster per knot; same rows and seed, same trees, byte for byte."""
    import lightgbm

    binning = {"max_bin": 63, "verbose": -1, "num_threads": settings.threads, "deterministic": True, "force_row_wise": True, "seed": seed}
    data = lightgbm.Dataset(inputs, outcome, feature_name=list(names), params=binning, free_raw_data=False)
    models = [lightgbm.train(_of_level(settings, level, binning), data, settings.rounds) for level in knots]
    return Boosters(tuple(names), tuple(knots), tuple(models))


def _of_level(settings: BoostSettings, level: float, binning: dict[str, Any]) -> dict[str, Any]:
    return {
        **binning,
        "objective": "quantile",
        "alpha": level,
        "num_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "min_data_in_leaf": settings.min_rows,
        "feature_fraction": settings.feature_fraction,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
    }


def ladder(levels: Sequence[float], knots: Sequence[float], quantiles: Array) -> Array:
    """Quantiles at all levels, linear between the knots, shape (n, levels)."""
    at = np.asarray(knots, dtype=np.float64)
    right = np.clip(np.searchsorted(at, levels), 1, len(at) - 1)
    weight = (np.asarray(levels) - at[right - 1]) / (at[right] - at[right - 1])
    made = quantiles[:, right - 1] * (1 - weight) + quantiles[:, right] * weight
    return np.asarray(np.maximum.accumulate(made, axis=1), dtype=np.float64)


def ladder_centre(levels: Sequence[float], quantiles: Array, between: tuple[float, float]) -> Array:
    """Mean of the quantiles at the levels between two levels, both included; their median where no level lies between."""
    inside = [k for k, level in enumerate(levels) if between[0] - 1e-9 <= level <= between[1] + 1e-9] or [list(levels).index(0.5)]
    return np.asarray(quantiles[:, inside].mean(axis=1), dtype=np.float64)


def ladder_mean(levels: Sequence[float], quantiles: Array) -> Array:
    """Mean of the piecewise linear distribution through the levels, whose outer tails are cut at the outermost quantiles."""
    edges = np.concatenate(([0.0], levels, [1.0]))
    padded = np.column_stack((quantiles[:, :1], quantiles, quantiles[:, -1:]))
    return np.asarray(((padded[:, 1:] + padded[:, :-1]) / 2 * np.diff(edges)).sum(axis=1), dtype=np.float64)
