"""Habits of pricing: an offer of tomorrow is, up to a small error, one of a few prices that the unit's own past suggests.

The law of a price is a mixture over candidates c (the same hour yesterday, a week ago, what the unit last said, ...): with weight w_c a
price near the candidate, in one of a few Laplace kernels of different width (the narrowest means "the same price"). Weights are learned by
expectation-maximisation (Dempster, Laird and Rubin 1977), first for all units of a type together, then for each unit with its type's
weights as a Dirichlet prior. A single candidate with kernels of its own is the same law for a baseline, so that likelihoods compare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
WIDTHS = (0.01, 0.5, 5.0, 40.0)
"""Widths of the Laplace kernels, currency/MWh: the same price, a cent's rounding to a unit, an adjustment, another regime."""
LEVELS = np.arange(0.05, 0.9501, 0.05)
LEAST = 1e-4
"""Rows that every component counts for, so that none is impossible."""


@dataclass(frozen=True, slots=True)
class Habits:
    """Learned weights.

    Attributes:
        weights: (group, candidate x kernel) each row sums to one; groups are units, or whatever the rows were grouped by.
        types: (type, candidate x kernel) the prior of each type.
    """

    weights: Array
    types: Array

    def candidate_weights(self, group: Ints) -> Array:
        """(row, candidate) weights, summed over kernels."""
        return np.asarray(self.weights.reshape(len(self.weights), -1, len(WIDTHS)).sum(axis=2)[group], dtype=np.float64)

    def log_density(self, candidates: Array, price: Array, group: Ints) -> Array:
        """Log density (row,) of a price, 1/(currency/MWh); `candidates` (row, candidate) may hold NaN, whose weight the others share."""
        joint, mass = _joint(candidates, price, self.weights[group])
        return np.asarray(np.log(np.maximum(joint.sum(axis=1), 1e-300)) - np.log(np.maximum(mass, 1e-300)), dtype=np.float64)

    def quantiles(self, candidates: Array, group: Ints, levels: Array = LEVELS) -> Array:
        """Quantiles (row, level) of the candidates by weight; kernels, whose widths matter to the likelihood, count as points."""
        weight = np.where(np.isfinite(candidates), self.candidate_weights(group), 0.0)
        total = weight.sum(axis=1, keepdims=True)
        weight = np.where(total > 1e-12, weight / np.maximum(total, 1e-12), np.isfinite(candidates) / np.maximum(_count(candidates), 1))
        order = np.argsort(np.where(np.isfinite(candidates), candidates, np.inf), axis=1, kind="stable")
        ranked, cumulative = np.take_along_axis(candidates, order, axis=1), np.take_along_axis(weight, order, axis=1).cumsum(axis=1)
        found = np.empty((len(candidates), len(levels)))
        for k, level in enumerate(levels):
            at = np.minimum((cumulative < level - 1e-9).sum(axis=1), _count(candidates)[:, 0] - 1)
            found[:, k] = np.take_along_axis(ranked, np.maximum(at, 0)[:, None], axis=1)[:, 0]
        return found


def learn_habits(candidates: Array, price: Array, group: Ints, kind: Ints, *, prior: float = 200.0, rounds: int = 8) -> Habits:
    """Weights by type, then by group.

    Args:
        candidates: (row, candidate) suggested prices, NaN where there is none; each row has one at least.
        price: (row,) what was offered.
        group: (row,) number of the unit, from 0.
        kind: (group,) type of each group, from 0.
        prior: rows that the type's weights count for.
        rounds: rounds of expectation and maximisation, for types and then for groups.
    """
    n_types, width = int(kind.max()) + 1, candidates.shape[1] * len(WIDTHS)
    order = np.lexsort((group, kind[group]))
    kernels, row_group = _kernels(candidates[order], price[order]), group[order]
    row_type = kind[row_group]
    types = np.full((n_types, width), 1.0 / width)
    for _ in range(rounds):
        counts = _totals(kernels, types, row_type) + LEAST
        types = counts / counts.sum(axis=1, keepdims=True)
    weights = types[kind]
    for _ in range(max(rounds // 2, 1)):
        counts = _totals(kernels, weights, row_group) + prior * types[kind]
        weights = counts / counts.sum(axis=1, keepdims=True)
    return Habits(weights, types)


def _count(candidates: Array) -> Ints:
    return np.asarray(np.isfinite(candidates).sum(axis=1, keepdims=True), dtype=np.int64)


def _kernels(candidates: Array, price: Array) -> npt.NDArray[np.float32]:
    """(row, candidate x kernel) densities; 0 where there is no candidate. Single precision: millions of rows."""
    distance = np.abs(price[:, None] - candidates)
    found = np.stack([np.exp(-distance / w) / (2 * w) for w in WIDTHS], axis=2)
    return np.nan_to_num(found, nan=0.0).reshape(len(price), -1).astype(np.float32)


def _totals(kernels: npt.NDArray[np.float32], weights: Array, label: Ints) -> Array:
    """(label, candidate x kernel) expected number of rows that each component made; rows of one label stand together."""
    joint = kernels * weights.astype(np.float32)[label]
    joint /= np.maximum(joint.sum(axis=1, keepdims=True), np.float32(1e-30))
    starts = np.flatnonzero(np.concatenate([[True], label[1:] != label[:-1]]))
    totals = np.zeros(weights.shape)
    totals[label[starts]] = np.add.reduceat(joint, starts, axis=0, dtype=np.float64)
    return totals


def _joint(candidates: Array, price: Array, weights: Array) -> tuple[Array, Array]:
    """Densities times weights, and the weight of the candidates that are there."""
    there = np.repeat(np.isfinite(candidates), len(WIDTHS), axis=1)
    return np.asarray(_kernels(candidates, price) * weights, dtype=np.float64), np.asarray((weights * there).sum(axis=1), dtype=np.float64)
