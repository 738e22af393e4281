"""DeepWalk on electrical weights, in closed form.

DeepWalk (Perozzi et al. 2014) with many long walks factorises log(vol/(b T) sum_r P^r D^-1) (NetMF: Qiu et al. 2018, eq. 3 and
algorithm 4); taking that matrix itself leaves nothing to chance. Walks move along a branch with a probability proportional to its
susceptance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
LARGEST, SPECTRUM = 12_000, 256


def deepwalk(nodes: int, begin: Ints, end: Ints, weight: Array, *, dimensions: int, window: int = 8, negative: float = 1.0) -> Array:
    """Vectors of the nodes of a weighted undirected graph.

    Args:
        nodes: number of nodes.
        begin: one end of each edge.
        end: the other.
        weight: positive, e.g. the susceptance of a branch; parallel edges add up.
        dimensions: length of a vector.
        window: steps of a walk within which two nodes meet.
        negative: negative samples per positive (b); raises the threshold of what counts as near.

    Returns:
        Shape (nodes, dimensions); zeros behind the rank. The same graph gives the same bytes.

    Raises:
        ValueError: more than 12,000 nodes (the matrix is dense), or a weight that is not positive.
    """
    from scipy.sparse import coo_array

    if nodes > LARGEST:
        raise ValueError(f"{nodes} nodes; walks take at most {LARGEST}: embed larger networks by shift factors and prices")
    if not (np.isfinite(weight) & (weight > 0)).all():
        raise ValueError("an edge weight is not positive; give the absolute susceptance of a branch")
    away = begin != end
    pairs = (np.concatenate([begin[away], end[away]]), np.concatenate([end[away], begin[away]]))
    adjacency = coo_array((np.tile(weight[away], 2), pairs), shape=(nodes, nodes)).tocsr()
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    root = np.where(degree > 0, 1.0 / np.sqrt(np.where(degree > 0, degree, 1.0)), 0.0)
    value, vector = _spectrum(adjacency, root)
    powers = sum(value**r for r in range(1, window + 1)) / window
    half = root[:, None] * vector
    meets = (half * np.maximum(powers, 0.0)) @ half.T * (degree.sum() / negative)
    return _factor(np.log(np.maximum(meets, 1.0)), dimensions)


def _spectrum(adjacency: Any, root: Array) -> tuple[Array, Array]:
    """Eigenpairs of the normalised adjacency: all of a small graph, the largest of a large one."""
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import eigsh

    scaled = diags_array(root) @ adjacency @ diags_array(root)
    if root.size <= 2000:
        value, vector = np.linalg.eigh(scaled.toarray())
        return np.asarray(value), np.asarray(vector)
    value, vector = eigsh(scaled, k=SPECTRUM, which="LA", v0=np.ones(root.size))
    return np.asarray(value), np.asarray(vector)


def _factor(matrix: Array, dimensions: int) -> Array:
    """U sqrt(s) of the largest singular directions of a symmetric matrix, signs fixed."""
    from scipy.sparse.linalg import eigsh

    n = matrix.shape[0]
    if n <= 2000 or dimensions >= n - 1:
        value, vector = np.linalg.eigh(matrix)
    else:
        value, vector = eigsh(matrix, k=dimensions, which="LM", v0=np.ones(n))
    order = np.argsort(-np.abs(value), kind="stable")[:dimensions]
    found = vector[:, order] * np.sqrt(np.abs(value[order]))
    made = np.zeros((n, dimensions))
    made[:, : order.size] = found * np.where(found.sum(axis=0) < 0, -1.0, 1.0)
    return made
