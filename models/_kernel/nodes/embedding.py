"""Vectors of 256 numbers for nodes: shift factors, prices and topology side by side, and what is near what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
DIMENSIONS = 256
BLOCKS = {"shift": 96, "price": 96, "topology": 64}
"""Part of the vector -> its length; together `DIMENSIONS`."""


def unit_rows(points: npt.ArrayLike) -> Array:
    """Rows of length 1; a row of zeros stays one."""
    x = np.asarray(points, dtype=np.float64)
    size = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(size > 0, size, 1.0))


def compose(parts: Mapping[str, Array], shares: Mapping[str, float]) -> npt.NDArray[np.float32]:
    """One vector per node: parts of length 1, scaled so that cosines of vectors are the mean of the parts' cosines by share.

    Args:
        parts: name of a part -> vectors of its length, shape (nodes, `BLOCKS[name]`); a part that is absent is zeros.
        shares: name -> weight, not negative.

    Returns:
        Shape (nodes, 256), rows of length 1 (of zeros where a node has no part).

    Raises:
        ValueError: a part is not known or has another length.
    """
    wrong = {n: p.shape for n, p in parts.items() if p.ndim != 2 or p.shape[1] != BLOCKS.get(n)}
    if wrong or not parts:
        raise ValueError(f"parts {wrong or 'none'}; give {', '.join(f'{n} of length {k}' for n, k in BLOCKS.items())}")
    n = next(iter(parts.values())).shape[0]
    whole = [np.sqrt(shares.get(b, 0.0)) * unit_rows(parts[b]) if b in parts else np.zeros((n, k)) for b, k in BLOCKS.items()]
    return unit_rows(np.concatenate(whole, axis=1)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Nearest nodes of each of some queries, nearest first; both of shape (queries, k)."""

    position: Ints
    similarity: Array


def nearest(vectors: npt.ArrayLike, queries: npt.ArrayLike, k: int, *, leave_out: Ints | None = None) -> Neighbours:
    """Exact k nearest by cosine; ties go to the lower position.

    Args:
        vectors: shape (n, d).
        queries: shape (m, d).
        k: how many, at most as many as there are vectors to choose from.
        leave_out: position per query that is no answer (the query itself).
    """
    found = unit_rows(queries) @ unit_rows(vectors).T
    if leave_out is not None:
        found[np.arange(len(found)), leave_out] = -np.inf
    order = np.argsort(-found, axis=1, kind="stable")[:, : min(k, found.shape[1] - (leave_out is not None))]
    return Neighbours(order, np.take_along_axis(found, order, axis=1))


def recall(found: Ints, exact: Ints) -> float:
    """Mean share of the exact nearest that were found; both (queries, k)."""
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, exact, strict=True)]))


def corridors(vectors: npt.ArrayLike, count: int) -> Ints:
    """Groups of nodes on one side of the same limits: average linkage on cosines, numbered by size (0 the largest), ties by first node.

    Args:
        vectors: shape (n, d).
        count: number of groups, at most n.
    """
    from sklearn.cluster import AgglomerativeClustering

    x = unit_rows(vectors)
    if len(x) <= 2 or count < 2:
        return np.zeros(len(x), dtype=np.int64)
    apart = np.clip(1.0 - x @ x.T, 0.0, 2.0)
    label = AgglomerativeClustering(min(count, len(x)), metric="precomputed", linkage="average").fit_predict(apart)
    first = [int(np.flatnonzero(label == k)[0]) for k in range(label.max() + 1)]
    order = sorted(range(label.max() + 1), key=lambda k: (-int((label == k).sum()), first[k]))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return np.asarray(rank[label])
