"""Which buses hang together, which branches hold them together, and what separates when branches are lost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from models._kernel.grid.network import GridError, Ints, Network

Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def islands(network: Network, outages: Sequence[int] | Ints = ()) -> Ints:
    """Island number of every bus, without the branches in `outages`; numbered from 0 in order of their first bus.

    Links do not connect: an HVDC link carries what it is told to, so each side balances for itself.

    Raises:
        GridError: a position beyond the branches.
    """
    kept = np.ones(network.n_branches, dtype=bool)
    kept[branch_positions(network, outages)] = False
    ends = (network.branches.from_bus[kept], network.branches.to_bus[kept])
    graph = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(network.n_buses, network.n_buses))
    labels = connected_components(graph, directed=False)[1]
    _, first = np.unique(labels, return_index=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[labels]


def branch_positions(network: Network, branches: Sequence[int] | Ints) -> Ints:
    """The positions as an array.

    Raises:
        GridError: a position beyond the branches.
    """
    positions = np.atleast_1d(np.asarray(branches, dtype=np.int64))
    beyond = positions[(positions < 0) | (positions >= network.n_branches)]
    if len(beyond):
        raise GridError(
            f"branch position {beyond[0]} of {network.n_branches} branches in network {network.name!r}; give 0 to {network.n_branches - 1}"
        )
    return positions
