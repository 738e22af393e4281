"""Where buses lie and to which hub they belong, from the network alone.

Cases carry no coordinates, so the map is drawn from electrical distance: buses that are close electrically are close on the map, and hubs
are compact regions of it. Everything is deterministic: no random start, signs fixed.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra

from models._kernel.grid.network import Floats, GridError, Ints, Network

LANDMARKS, DIMENSIONS, POLES = 64, 6, 10
BALANCED = 0.004  # shares of weight that are as good as equal
FAR = 2.0**22  # per unit; stands for no path
GRAIN = 2.0**-30  # lengths are multiples of it, so that sums along paths are exact and equal distances are equal numbers


def embedding(network: Network) -> Floats:
    """Coordinates (n_buses, DIMENSIONS) whose distances approximate electrical distances, widest axis first.

    Electrical distance is the shortest path over reactances; the embedding is landmark multidimensional scaling (de Silva and Tenenbaum
    2004) with landmarks chosen farthest first.

    Raises:
        GridError: buses cannot be reached from the reference bus.
    """
    graph = _graph(network, np.abs(network.branches.reactance_pu) * network.branches.tap)
    rows = _landmark_distances(graph, network.reference_bus, LANDMARKS)
    if not np.all(np.isfinite(rows[0])):
        cut, start = network.buses.names[int(np.argmax(~np.isfinite(rows[0])))], network.buses.names[network.reference_bus]
        raise GridError(f"{network.name}: bus {cut} cannot be reached from bus {start}; use the largest island")
    chosen = rows.argmin(axis=1)
    squared = rows[:, chosen] ** 2
    centred = squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean()
    values, vectors = np.linalg.eigh(-0.5 * centred)
    order = np.argsort(-values)[: min(DIMENSIONS, len(chosen) - 1)]
    scale = np.sqrt(np.maximum(values[order], 1e-12))
    signs = np.sign(vectors[np.abs(vectors[:, order]).argmax(axis=0), order])
    inverse = (vectors[:, order] * signs / scale).T
    points: Floats = (-0.5 * inverse @ (rows**2 - squared.mean(axis=1)[:, None])).T
    return points


def _graph(network: Network, lengths: Floats) -> csr_array:
    """Symmetric bus graph with the shortest of parallel branches; HVDC links count as lines of median length."""
    tails = np.concatenate([network.branches.from_bus, network.links.from_bus])
    heads = np.concatenate([network.branches.to_bus, network.links.to_bus])
    values = np.concatenate([lengths, np.full(len(network.links.names), float(np.median(lengths)))])
    low, high = np.minimum(tails, heads), np.maximum(tails, heads)
    order = np.lexsort((values, high, low))
    low, high, values = low[order], high[order], np.maximum(np.round(values[order] / GRAIN), 1) * GRAIN
    first = np.concatenate([[True], (low[1:] != low[:-1]) | (high[1:] != high[:-1])])
    low, high, values = low[first], high[first], values[first]
    both = (np.concatenate([low, high]), np.concatenate([high, low]))
    return csr_array(coo_array((np.concatenate([values, values]), both), shape=(network.n_buses, network.n_buses)))


def _landmark_distances(graph: csr_array, start: int, count: int) -> Floats:
    """Distances (landmark, bus), landmarks chosen farthest first; infinite where there is no path."""
    rows: list[Floats] = []
    nearest = np.full(graph.shape[0], np.inf)
    for _ in range(min(count, graph.shape[0])):
        row: Floats = dijkstra(graph, indices=[start])[0]
        rows.append(row)
        nearest = np.minimum(nearest, row)
        start = int(nearest.argmax())
    return np.stack(rows)


def partition(network: Network, parts: int, weight: Floats) -> Ints:
    """Part (0 to parts - 1) of each bus: recursive bisection between two far poles, balanced in `weight` as far as connectedness allows.

    Buses are ordered by their distance to one pole less that to the other, and cut where the weight says, never between equal values. Both
    sides are connected: on a shortest path to its pole that difference never changes towards the other side.

    Args:
        network: the network, connected.
        parts: how many.
        weight: (n_buses,) positive.
    """
    graph = _graph(network, np.abs(network.branches.reactance_pu) * network.branches.tap)
    label = np.zeros(network.n_buses, dtype=np.int64)
    queue = [(np.arange(network.n_buses), 0, parts)]
    while queue:
        members, first, count = queue.pop()
        label[members] = first
        if count == 1:
            continue
        left = count // 2
        side = _nearer(csr_array(graph[members][:, members]), weight[members], left / count)
        queue.append((members[side], first, left))
        queue.append((members[~side], first + left, count - left))
    return label


def _nearer(graph: csr_array, weight: Floats, share: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Mask of the side of one pole, with `share` of the weight as nearly as ties allow; of all pairs of far poles the most balanced one."""
    rows = np.minimum(_landmark_distances(graph, 0, POLES), FAR)
    best, side = np.inf, np.zeros(len(weight), dtype=np.bool_)
    for one in range(len(rows)):
        for other in range(len(rows)):
            difference = rows[one] - rows[other]
            steps, group = np.unique(difference, return_inverse=True)
            if len(steps) == 1:
                continue
            filled = np.cumsum(np.bincount(group, weights=weight))[:-1] / weight.sum()
            miss = float(np.abs(filled - share).min())
            if miss < best - BALANCED:
                best, side = miss, difference <= steps[int(np.abs(filled - share).argmin())]
    return side


def spread(values: Floats) -> Floats:
    """Values mapped to -1 to 1, a quarter by range and the rest by rank, so that no corner of the map is empty or crowded."""
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable") / max(len(values) - 1, 1)
    span = (values - values.min()) / max(float(np.ptp(values)), 1e-12)
    result: Floats = 1.5 * ranks + 0.5 * span - 1
    return result
