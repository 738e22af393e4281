"""Boosters over single nodes: quantiles of a node's change from its own last price, its neighbours' and the system's beside it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.lmp_nowcast.factors import mean_of
from models.lmp_nowcast.panel import AHEAD, LAST, PAST, SHARED, SPREADS, Panel
from models.lmp_nowcast.params import Params

Array = npt.NDArray[np.float64]
ALPHAS = {"low": 0.1, "median": 0.5, "high": 0.9}
NAMES = (
    *(f"above_{n.removesuffix('_ccy_per_mwh')}" for n in (*PAST, AHEAD[0])),
    "da_change",
    "above_da",
    *(n.removesuffix("_ccy_per_mwh") for n in SPREADS),
    "price_last",
    "system_above",
    "neighbours_above",
    "age_min",
    "cluster",
    *SHARED,
)


@dataclass(frozen=True, slots=True)
class Direct:
    """Boosters by name of ALPHAS, pooled over nodes, and which nodes stand beside each other.

    Attributes:
        boosters: each answers with a price change.
        neighbours: positions of similar trained nodes, shape (nodes, k).
        clusters: corridor of each trained node, shape (nodes,).
    """

    boosters: dict[str, Any]
    neighbours: npt.NDArray[np.int64]
    clusters: npt.NDArray[np.int64]

    def changes(self, x: Array, names: Collection[str] = tuple(ALPHAS)) -> dict[str, Array]:
        """The named quantiles of the change, uncalibrated and possibly crossing, each of shape (n,)."""
        if not len(x):
            return dict.fromkeys(names, np.empty(0))
        return {name: np.asarray(self.boosters[name].predict(x, num_threads=1), dtype=np.float64) for name in names}

    def inputs(self, given: Panel) -> Array:
        """Inputs of the rows asked for, shape (n, len(NAMES)), NaN where unknown."""
        return inputs(given, self.neighbours, self.clusters)


def inputs(given: Panel, neighbours: npt.NDArray[np.int64], clusters: npt.NDArray[np.int64]) -> Array:
    """Inputs of the rows asked for: each node's known prices relative to its last one, what surrounds it, what all share."""
    last, prices = given.own(LAST), given.values[LAST]
    trained, new = len(clusters), prices.shape[1] - len(clusters)
    system = mean_of(prices[:, :trained])
    beside = np.column_stack([_mean_over(prices, neighbours), np.full((len(prices), new), np.nan)])
    cluster = np.concatenate([clusters, np.zeros(new, dtype=np.int64)])
    da_change = given.own(AHEAD[1]) - given.own(AHEAD[2])
    return np.column_stack(
        [
            *(last - given.own(name) for name in (*PAST, AHEAD[0])),
            da_change,
            last - given.own(AHEAD[2]),
            *(given.own(name) for name in SPREADS),
            last,
            system[given.row] - last,
            beside[given.row, given.column] - last,
            given.own("price_last_age_min"),
            cluster[given.column],
            given.shared[given.row],
        ]
    )


def train(x: Array, change: Array, params: Params, *, seed: int) -> dict[str, Any]:
    """Quantiles of the change, pooled over nodes.

    Args:
        x: shape (n, len(NAMES)).
        change: price less last known price, shape (n,).
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
    data = lightgbm.Dataset(x, change, feature_name=list(NAMES), params=common, free_raw_data=False)
    size = {"num_leaves": 2 * params.leaves, "learning_rate": params.learning_rate, "feature_fraction": 0.6, "lambda_l2": 1.0}
    sample = {"bagging_fraction": 0.6, "bagging_freq": 1, "objective": "quantile"}
    return {name: lightgbm.train({**common, **size, **sample, "alpha": alpha}, data, params.rounds) for name, alpha in ALPHAS.items()}


def _mean_over(prices: Array, groups: npt.NDArray[np.int64]) -> Array:
    """Mean of each group of columns, shape (rows, groups)."""
    total, count = np.zeros((len(prices), len(groups))), np.zeros((len(prices), len(groups)))
    for member in groups.T:
        known = np.isfinite(prices[:, member])
        total += np.where(known, prices[:, member], 0.0)
        count += known
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
