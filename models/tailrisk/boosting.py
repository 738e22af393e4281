"""LightGBM quantiles of the level's errors: where the middle is, and how wide the upper and the lower half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.tailrisk.distribution import SMALLEST_WIDTH
from models.tailrisk.params import Params

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Widths:
    """One booster each for the lower, the middle and the upper quantile of the error; `names` are the inputs, in order."""

    names: tuple[str, ...]
    boosters: tuple[Any, ...]

    def predict(self, inputs: Array) -> Array:
        """Middle, upper half width and lower half width, shape (n, 3); widths are never below `SMALLEST_WIDTH`."""
        if not len(inputs):
            return np.empty((0, 3))
        low, middle, high = (np.asarray(b.predict(inputs, num_threads=1), dtype=np.float64) for b in self.boosters)
        return np.column_stack((middle, np.maximum(high - middle, SMALLEST_WIDTH), np.maximum(middle - low, SMALLEST_WIDTH)))


def train_widths(inputs: Array, names: Sequence[str], error: Array, params: Params, *, seed: int) -> Widths:
    """Train on rows with a known error of an out-of-sample level; same rows and seed, same trees, byte for byte."""
    import lightgbm

    binning = {"max_bin": 63, "verbose": -1, "num_threads": params.threads, "deterministic": True, "force_row_wise": True, "seed": seed}
    data = lightgbm.Dataset(inputs, error, feature_name=list(names), params=binning, free_raw_data=False)
    settings = {
        **binning,
        "objective": "quantile",
        "num_leaves": params.leaves,
        "learning_rate": params.learning_rate,
        "min_data_in_leaf": params.min_rows,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
    }
    knots = (1 - params.tail_level, 0.5, params.tail_level)
    return Widths(tuple(names), tuple(lightgbm.train({**settings, "alpha": knot}, data, params.rounds) for knot in knots))
