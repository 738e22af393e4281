"""LightGBM quantiles of the price change, one set per horizon: the median and both ends of the 80 % interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.price_prediction.inputs import HUB
from models.price_prediction.params import Params

Array = npt.NDArray[np.float64]
ALPHAS = {"low": 0.1, "median": 0.5, "high": 0.9}


@dataclass(frozen=True, slots=True)
class Boosters:
    """Boosters by name of ALPHAS; each answers with a price change."""

    models: dict[str, Any]

    def changes(self, x: Array) -> dict[str, Array]:
        """Quantiles of the change, uncalibrated and possibly crossing, each of shape (n,)."""
        if not len(x):
            return dict.fromkeys(ALPHAS, np.empty(0))
        return {name: np.asarray(m.predict(x, num_threads=1), dtype=np.float64) for name, m in self.models.items()}

    def contributions(self, x: Array) -> Array:
        """TreeSHAP contributions to the median change and, last, its expectation; shape (n, p + 1)."""
        return np.asarray(self.models["median"].predict(x, pred_contrib=True, num_threads=1), dtype=np.float64)


def train(x: Array, y: Array, names: list[str], params: Params, *, seed: int) -> Boosters:
    """Train the three quantiles of one horizon.

    Args:
        x: inputs, shape (n, p).
        y: price changes, shape (n,).
        names: names of the inputs.
        params: sizes.
        seed: same data and seed give the same trees, byte for byte.
    """
    import lightgbm

    common = {
        "max_bin": params.max_bin,
        "min_data_in_leaf": params.min_rows_in_leaf,
        "num_threads": params.threads,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "verbose": -1,
    }
    categorical = [HUB] if HUB in names else []
    data = lightgbm.Dataset(x, y, feature_name=names, categorical_feature=categorical, params=common, free_raw_data=False)
    size = {"num_leaves": params.leaves, "learning_rate": params.learning_rate, "feature_fraction": 0.6}
    sample = {"bagging_fraction": 0.6, "bagging_freq": 1, "lambda_l2": 1.0}
    models = {
        name: lightgbm.train({**common, **size, **sample, "objective": "quantile", "alpha": alpha}, data, params.rounds)
        for name, alpha in ALPHAS.items()
    }
    return Boosters(models)
