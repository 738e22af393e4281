"""Which buses hang together, which branches hold them together, and what separates when branches are lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from models._kernel.grid.network import GridError, Ints, Network

Positions = Sequence[int] | Ints
Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True)
class OutageEffect:
    """What the loss of branches does to the connections.

    Attributes:
        islands: island number of every bus afterwards, shape (n_buses,).
        separated: positions of the buses that lost the largest part of their island (of equal parts, the one with the first bus).
    """

    islands: Ints
    separated: Ints

    @property
    def splits(self) -> bool:
        """Whether any bus separates."""
        return len(self.separated) > 0


def branch_positions(network: Network, branches: Positions) -> Ints:
    """The positions as an array.

    Raises:
        GridError: a position beyond the branches, or no positions at all but flags or fractions.
    """
    given = np.atleast_1d(np.asarray(branches))
    if given.size and not np.issubdtype(given.dtype, np.integer):
        raise GridError(f"branches of network {network.name!r} are given as {given.dtype}; give positions (np.flatnonzero of flags)")
    positions = given.astype(np.int64)
    beyond = positions[(positions < 0) | (positions >= network.n_branches)]
    if len(beyond):
        last = network.n_branches - 1
        raise GridError(f"branch position {beyond[0]} in network {network.name!r}; give positions from 0 to {last}")
    return positions


def islands(network: Network, outages: Positions = ()) -> Ints:
    """Island number of every bus, without the branches in `outages`; numbered from 0 in order of their first bus.

    Links do not connect: an HVDC link carries what it is told to, so each side balances for itself.

    Raises:
        GridError: a position beyond the branches.
    """
    kept = np.ones(network.n_branches, dtype=bool)
    kept[branch_positions(network, outages)] = False
    ends = (network.branches.from_bus[kept], network.branches.to_bus[kept])
    graph = coo_array((np.ones(len(ends[0])), ends), shape=(network.n_buses, network.n_buses))
    labels = connected_components(graph, directed=False)[1]
    _, first = np.unique(labels, return_index=True)
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[labels]


def outage_effect(network: Network, outages: Positions) -> OutageEffect:
    """Which buses separate when all branches in `outages` are lost at once.

    Raises:
        GridError: a position beyond the branches.
    """
    before, after = islands(network), islands(network, outages)
    size, former = np.bincount(after), np.empty(after.max() + 1, dtype=np.int64)
    former[after] = before
    # Stable, largest first: of equal parts the first stays, and islands are numbered by their first bus.
    order = np.argsort(-size, kind="stable")
    largest = np.zeros(len(size), dtype=bool)
    largest[order[np.unique(former[order], return_index=True)[1]]] = True
    return OutageEffect(after, np.flatnonzero(~largest[after]))


def bridges(network: Network, outages: Positions = ()) -> Ints:
    """Positions of the branches whose loss alone splits the network that is left without `outages`; rising.

    Every radial branch is one; of two parallel branches none is. Tarjan (1974): a tree edge of a depth-first search is a bridge
    when nothing below it reaches above it.

    Raises:
        GridError: a position beyond the branches.
    """
    neighbours = _neighbours(network, branch_positions(network, outages))
    entered = [-1] * network.n_buses
    low = [0] * network.n_buses
    found: list[int] = []
    clock = 0
    for root in range(network.n_buses):
        if entered[root] >= 0:
            continue
        entered[root] = low[root] = clock
        clock += 1
        path = [(root, -1)]
        while path:
            bus, arrived_by = path[-1]
            if neighbours[bus]:
                branch, other = neighbours[bus].pop()
                if branch == arrived_by:
                    continue
                if entered[other] >= 0:
                    low[bus] = min(low[bus], entered[other])
                else:
                    entered[other] = low[other] = clock
                    clock += 1
                    path.append((other, branch))
                continue
            path.pop()
            if path:
                above = path[-1][0]
                low[above] = min(low[above], low[bus])
                if low[bus] > entered[above]:
                    found.append(arrived_by)
    return np.array(sorted(found), dtype=np.int64)


def _neighbours(network: Network, outages: Ints) -> list[list[tuple[int, int]]]:
    """Branch and far bus of every branch in service at each bus."""
    table: list[list[tuple[int, int]]] = [[] for _ in range(network.n_buses)]
    gone = set(outages.tolist())
    ends = zip(network.branches.from_bus.tolist(), network.branches.to_bus.tolist(), strict=True)
    for branch, (a, b) in enumerate(ends):
        if branch not in gone:
            table[a].append((branch, b))
            table[b].append((branch, a))
    return table
