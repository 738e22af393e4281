"""System price and congestion factors: what most nodes' prices are made of, forecast component by component.

A locational price is the price of the system plus what congestion adds (energy + PTDF' mu, losses aside), and mu is zero for all but a few
limits. So the distances of nodes from their mean span few directions, which singular vectors of past distances find without the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.lmp_nowcast.panel import AHEAD, LAST, PAST, SHARED, Panel
from models.lmp_nowcast.params import Params

Array = npt.NDArray[np.float64]
USUAL = 0.975
SMALL = 1e-9
PARTS = (LAST, *PAST, *AHEAD)


@dataclass(frozen=True, slots=True)
class Basis:
    """Directions of nodal prices.

    Attributes:
        loadings: of trained nodes on the congestion factors, orthonormal rows, shape (factors, nodes).
        scale: standard deviation of each factor on the training rows, shape (factors,).
    """

    loadings: Array
    scale: Array

    @classmethod
    def of(cls, prices: Array, rank: int) -> Basis:
        """The leading directions of the nodes' distances from their mean.

        Intervals further apart than 97.5 % of them are scaled down to that, so that a few scarce ones do not name the directions; absent
        prices count as none.

        Args:
            prices: shape (intervals, nodes), NaN where unknown.
            rank: most factors.
        """
        apart = np.nan_to_num(prices - mean_of(prices)[:, None])
        length = np.sqrt((apart**2).sum(axis=1))
        bound = float(np.quantile(length, USUAL)) if len(length) else 0.0
        clean = apart * np.minimum(1.0, bound / np.maximum(length, SMALL))[:, None]
        variance, vectors = np.linalg.eigh(clean.T @ clean / max(len(clean), 1))
        order = np.argsort(-variance, kind="stable")[: min(rank, prices.shape[1] - 1)]
        order = order[variance[order] > SMALL * max(float(variance.max(initial=0.0)), SMALL)]
        loadings = vectors[:, order].T
        signs = np.sign(loadings[np.arange(len(order)), np.abs(loadings).argmax(axis=1)]) if len(order) else np.ones(0)
        return cls(np.ascontiguousarray(loadings * signs[:, None]), np.sqrt(variance[order]))

    def components(self, prices: Array) -> Array:
        """System price and factors of each row, shape (rows, 1 + factors); a row's own, whatever other rows are asked with it.

        Args:
            prices: shape (rows, nodes or more), NaN where unknown; columns beyond the trained nodes are left out.
        """
        trained = np.ascontiguousarray(prices[:, : self.loadings.shape[1]])
        mean = mean_of(trained)
        apart = np.nan_to_num(trained - mean[:, None])
        return np.column_stack([mean, *((apart * loading).sum(axis=1) for loading in self.loadings)])

    def prices(self, components: Array, nodes: int) -> Array:
        """Prices of the trained nodes at components; nodes beyond them follow the system price. Shape (rows, nodes)."""
        made = np.repeat(components[:, :1], nodes, axis=1)
        for k, loading in enumerate(self.loadings):
            made[:, : len(loading)] += components[:, k + 1, None] * loading
        return made

    def clusters(self) -> npt.NDArray[np.int64]:
        """Corridor of each trained node: the factor that moves it most, by its sign; 0 for nodes that follow the system. Shape (nodes,)."""
        weight = np.abs(self.loadings) * self.scale[:, None]
        if not len(weight):
            return np.zeros(self.loadings.shape[1], dtype=np.int64)
        strongest = weight.argmax(axis=0)
        at = np.arange(weight.shape[1])
        side = (self.loadings[strongest, at] < 0).astype(np.int64)
        return np.where(weight[strongest, at] > 1.0, 1 + 2 * strongest + side, 0).astype(np.int64)

    def neighbours(self, number: int) -> npt.NDArray[np.int64]:
        """Trained nodes with the nearest scaled loadings, nearest first, shape (nodes, at most number)."""
        points = (self.loadings * self.scale[:, None]).T
        squares = (points**2).sum(axis=1)
        distance = squares[:, None] + squares[None, :] - 2 * points @ points.T
        np.fill_diagonal(distance, np.inf)
        count = min(number, len(points) - 1)
        return np.argsort(np.round(distance, 9), axis=1, kind="stable")[:, :count].astype(np.int64)


@dataclass(frozen=True, slots=True)
class Factors:
    """Forecast changes of the components.

    Attributes:
        basis: the directions.
        boosters: one per component, of its change from the last known interval.
        trust: share of each predicted change that is issued, shape (1 + factors,).
        kept: share of what the last known prices have outside the directions that is taken to last.
    """

    basis: Basis
    boosters: list[Any]
    trust: list[float]
    kept: float

    def changes(self, given: Panel) -> Array:
        """Change of every node from its last known price, shape (decisions, nodes), NaN where that is unknown."""
        last = given.values[LAST]
        now = self.basis.components(last)
        x = inputs(self.basis, given)
        predicted = np.column_stack([b.predict(x, num_threads=1) for b in self.boosters]) if len(x) else np.empty((0, len(self.boosters)))
        fitted = self.basis.prices(now, last.shape[1])
        return self.basis.prices(now + predicted * np.asarray(self.trust), last.shape[1]) + self.kept * (last - fitted) - last


def mean_of(prices: Array) -> Array:
    """Mean of the known prices of each row, NaN where none is, shape (rows,)."""
    known = np.isfinite(prices)
    count = known.sum(axis=1)
    return np.asarray(np.where(count > 0, np.where(known, prices, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan))


def inputs(basis: Basis, given: Panel) -> Array:
    """Components of known prices relative to the last ones, day-ahead ones as change, and what all nodes share; shape (decisions, p)."""
    parts = {name: basis.components(given.values[name]) for name in PARTS}
    last, ahead, last_ahead = parts[LAST], parts[AHEAD[1]], parts[AHEAD[2]]
    relative = [parts[name] - last for name in (*PAST, AHEAD[0])]
    return np.column_stack([last, *relative, ahead - last_ahead, last - last_ahead, given.shared])


def names(factors: int) -> list[str]:
    """Names of the columns of `inputs`."""
    parts = ["system", *(f"factor_{k + 1}" for k in range(factors))]
    kinds = ["last", *(n.removesuffix("_ccy_per_mwh") for n in (*PAST, AHEAD[0])), "da_change", "above_da"]
    return [*(f"{part}_{kind}" for kind in kinds for part in parts), *SHARED]


def fit(basis: Basis, given: Panel, outcome: Array, params: Params, *, seed: int) -> Factors:
    """Boosters of all components' changes, trusted fully.

    Args:
        basis: the directions.
        given: decisions to learn from.
        outcome: prices that came, shape (decisions, nodes), NaN where unknown.
        params: sizes.
        seed: same data and seed give the same trees, byte for byte.
    """
    import lightgbm

    change = basis.components(outcome) - basis.components(given.values[LAST])
    x, usable = inputs(basis, given), np.isfinite(change).all(axis=1)
    common = {
        "max_bin": params.max_bin,
        "min_data_in_leaf": max(5, params.min_rows_in_leaf // 5),
        "num_threads": params.threads,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "verbose": -1,
    }
    size = {"num_leaves": params.leaves, "learning_rate": params.learning_rate, "feature_fraction": 0.5, "lambda_l2": 1.0}
    sample = {"bagging_fraction": 0.7, "bagging_freq": 1, "objective": "quantile", "alpha": 0.5}
    data = lightgbm.Dataset(x[usable], change[usable, 0], feature_name=names(len(basis.loadings)), params=common, free_raw_data=False)
    boosters = []
    for k in range(change.shape[1]):
        data.set_label(change[usable, k])
        boosters.append(lightgbm.train({**common, **size, **sample}, data, params.rounds))
    return Factors(basis, boosters, [1.0] * change.shape[1], 1.0)
