"""Shift-factor space: a node is what one MW there does to the limits that cost money.

Congestion at a node is minus the sum over limits of shadow price times sensitivity, so the covariance of two nodes' congestion prices is
the inner product of their sensitivities, each weighted by the size of its limit's shadow prices. That product is the geometry used here; it
needs no price of the nodes themselves.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
FLOOR = 1e-3  # of the mean square of those that did bind: what a limit that never bound may come to


def limit_weights(shadow_price: npt.ArrayLike, *, floor: float = FLOOR) -> Array:
    """Weight of each limit: root mean square of its shadow prices, with a floor for those that never bound.

    Args:
        shadow_price: currency/MWh, shape (times, limits), 0 where a limit does not bind.
        floor: least mean square, as a share of the mean over the limits that bound; 1 for all where none did.
    """
    square = np.mean(np.square(np.asarray(shadow_price, dtype=np.float64)), axis=0)
    if not (square > 0).any():
        return np.ones(square.size)
    return np.asarray(np.sqrt(square + floor * square[square > 0].mean()))


def shift_vectors(sensitivity: npt.ArrayLike, weight: npt.ArrayLike, *, dimensions: int) -> Array:
    """Vectors of nodes whose inner products are those of the weighted sensitivities, as exactly as `dimensions` allow.

    Args:
        sensitivity: MW on the limit per MW injected at the node, shape (limits, nodes).
        weight: shape (limits,), as from `limit_weights`.
        dimensions: length of a vector.

    Returns:
        Shape (nodes, dimensions), centred over nodes (a reference bus has no place in it), zeros behind the rank.

    Raises:
        ValueError: shapes that do not fit.
    """
    rows, sizes = np.asarray(sensitivity, dtype=np.float64), np.asarray(weight, dtype=np.float64)
    if rows.ndim != 2 or sizes.shape != rows.shape[:1] or dimensions < 1:
        raise ValueError(
            f"sensitivities {rows.shape}, weights {sizes.shape}, dimensions {dimensions}; give (limits, nodes) and one weight per limit"
        )
    return principal(((rows - rows.mean(axis=1, keepdims=True)) * sizes[:, None]).T, dimensions)


def principal(points: Array, dimensions: int) -> Array:
    """Points in their principal directions: shape (n, dimensions), largest first, signs fixed, zeros behind the rank."""
    n = points.shape[0]
    gram = points @ points.T if n <= points.shape[1] else points.T @ points
    value, vector = np.linalg.eigh(gram)
    order = np.argsort(-value, kind="stable")[: min(dimensions, value.size)]
    size = np.sqrt(np.maximum(value[order], 0.0))
    found = vector[:, order] * size if n <= points.shape[1] else points @ vector[:, order]
    made = np.zeros((n, dimensions))
    made[:, : order.size] = found * np.where(found.sum(axis=0) < 0, -1.0, 1.0)
    return made
