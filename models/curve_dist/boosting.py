"""LightGBM on hourly rows: the median of the price relative to the last known day, and quantiles that tell how wide it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.curve_dist.design import Inputs, training_prices
from models.curve_dist.panel import Panel
from models.curve_dist.params import BoostingParams

Array = npt.NDArray[np.float64]
WIDTH_LEVELS = (0.05, 0.25, 0.75, 0.95)
NAMES = ("q50", *(f"q{round(100 * level):02d}" for level in WIDTH_LEVELS))


@dataclass(frozen=True, slots=True)
class Boosters:
    """Boosters of one series in the order of NAMES, each as LightGBM `Booster`."""

    models: tuple[Any, ...]

    def median(self, inputs: Inputs, panel: Panel, slots: int) -> Array:
        """Median price, shape (D, slots)."""
        table, _, shift = inputs.boosting(panel, slots)
        return self._of(0, table) + shift[:, None]

    def widths(self, inputs: Inputs, panel: Panel, slots: int) -> Array:
        """Widths of the 90 % and the 50 % interval, never negative, shape (2, D, slots)."""
        table, _, _ = inputs.boosting(panel, slots)
        q05, q25, q75, q95 = (self._of(i, table) for i in range(1, 5))
        return np.maximum(np.stack([q95 - q05, q75 - q25]), 0.0)

    def contributions(self, table: Array) -> Array:
        """TreeSHAP contributions to the median's output and, last, its expectation; shape (rows, features + 1)."""
        return np.asarray(self.models[0].predict(table, pred_contrib=True, num_threads=1), dtype=np.float64)

    def _of(self, which: int, table: Array) -> Array:
        flat = table.reshape(-1, table.shape[-1])
        return np.asarray(self.models[which].predict(flat, num_threads=1), dtype=np.float64).reshape(table.shape[:2])


def train(inputs: Inputs, panel: Panel, params: BoostingParams, *, seed: int) -> Boosters:
    """Train the boosters of one series on the last `train_days` of `panel` (days with known prices).

    Args:
        inputs: columns in use.
        panel: training days, oldest first.
        params: sizes.
        seed: same data and seed give the same trees, byte for byte.
    """
    import lightgbm

    recent = panel.take(np.arange(max(0, panel.days - params.train_days), panel.days))
    table, names, shift = inputs.boosting(recent, recent.slots)
    target = (training_prices(recent) - shift[:, None]).ravel()
    good = np.isfinite(target)
    rows = table.reshape(-1, table.shape[-1])[good]
    binning = {"max_bin": 127, "verbose": -1, "num_threads": params.threads, "deterministic": True, "force_row_wise": True, "seed": seed}
    data = lightgbm.Dataset(rows, target[good], feature_name=list(names), params=binning, free_raw_data=False)
    median = lightgbm.train(_settings(params, seed, None), data, params.rounds)
    others = [lightgbm.train(_settings(params, seed, level), data, params.quantile_rounds) for level in WIDTH_LEVELS]
    return Boosters((median, *others))


def _settings(params: BoostingParams, seed: int, level: float | None) -> dict[str, Any]:
    goal: dict[str, Any] = {"objective": "l1"} if level is None else {"objective": "quantile", "alpha": level}
    return {
        **goal,
        "num_leaves": params.leaves if level is None else params.quantile_leaves,
        "learning_rate": params.learning_rate,
        "min_data_in_leaf": 30,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "max_bin": 127,
        "num_threads": params.threads,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "verbose": -1,
    }
