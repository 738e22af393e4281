"""From a market's nodes to their covariances and vectors: what is known without a node's prices, and what its prices add."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from models._kernel.grid.network import Network
from models._kernel.grid.sensitivities import Sensitivities
from models._kernel.nodes.comovement import completed, price_factors
from models._kernel.nodes.embedding import BLOCKS, compose, corridors, unit_rows
from models._kernel.nodes.sage import graphsage
from models._kernel.nodes.shift_space import FLOOR, shift_vectors
from models._kernel.nodes.transfer import Transfer, normalised, similarity
from models._kernel.nodes.walks import deepwalk

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
REACHES = (0.1, 0.3)
TOPOLOGY = "walks"
"""Which topology the vector holds: DeepWalk. docs/node2grid.md has the figures of both."""
SHARES = {"shift": 0.5, "price": 0.3, "topology": 0.2}
"""Weight of each part in the cosine of two vectors."""


@dataclass(frozen=True)
class NodeMarket:
    """Nodes of a market and what is known of them.

    Attributes:
        nodes: names.
        hub: hub of each node.
        prices: currency/MWh relative to a reference, shape (times, nodes), NaN where missing.
        network: buses in the order of the nodes; None where no network model is public.
        limits: (branch, contingency or -1, mean square shadow price) of the limits that bound, by positions.
        place_km: east and north, shape (nodes, 2), NaN where unknown.
        groups: name -> label per node (station, zone): nodes of one label are alike.
    """

    nodes: tuple[str, ...]
    hub: tuple[str, ...]
    prices: Array
    network: Network | None = None
    limits: tuple[tuple[int, int, float], ...] = ()
    place_km: Array | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def shift(self) -> Array | None:
        """Vectors in shift-factor space, weighted by shadow prices; None without a network."""
        if self.network is None:
            return None
        return shift_vectors(*limit_rows(self.network, self.limits), dimensions=BLOCKS["shift"])

    @cached_property
    def plain_shift(self) -> Array | None:
        """Plain PTDF columns, centred over nodes; None without a network."""
        if self.network is None:
            return None
        factors = Sensitivities(self.network).ptdf()
        return np.asarray((factors - factors.mean(axis=1, keepdims=True)).T)

    def topology(self, kind: str, seed: int) -> Array:
        """Vectors of the topology: `walks` (DeepWalk) or `sage` (GraphSAGE).

        Raises:
            ValueError: there is no network, or no such kind.
        """
        if self.network is None or kind not in {"walks", "sage"}:
            raise ValueError(f"topology {kind!r} of {len(self.nodes)} nodes; give walks or sage, and a network model")
        b, n = self.network.branches, self.network.n_buses
        weight = 1.0 / np.abs(b.reactance_pu * b.tap)
        if kind == "walks":
            return deepwalk(n, b.from_bus, b.to_bus, weight, dimensions=BLOCKS["topology"])
        strength = np.bincount(b.from_bus, weight, n) + np.bincount(b.to_bus, weight, n)
        lines = np.bincount(b.from_bus, minlength=n) + np.bincount(b.to_bus, minlength=n)
        zones = np.unique(self.hub, return_inverse=True)[1]
        like = [np.log1p(strength), np.log1p(lines), self.network.buses.base_kv, np.eye(int(zones.max()) + 1)[zones]]
        if self.place_km is not None and np.isfinite(self.place_km).all():
            like.append(self.place_km)
        return graphsage(b.from_bus, b.to_bus, weight, np.column_stack(like), dimensions=BLOCKS["topology"], seed=seed)


def limit_rows(network: Network, limits: Iterable[tuple[int, int, float]], *, floor: float = FLOOR) -> tuple[Array, Array]:
    """Sensitivities (limits, nodes) and weights (limits,): every branch as it is, and after the outages whose limits bound."""
    factors = Sensitivities(network)
    square, rows, more = np.zeros(network.n_branches), [], []
    for branch, lost, size in limits:
        if lost < 0:
            square[branch] = size
        else:
            rows.append(factors.otdf(np.array([branch]), np.array([lost])))
            more.append(size)
    squares = np.concatenate([square, np.array(more)])
    least = floor * squares[squares > 0].mean() if (squares > 0).any() else 1.0
    return np.concatenate([factors.ptdf(), *rows]), np.sqrt(squares + least)


def covariances(market: NodeMarket, *, seed: int, topologies: Sequence[str] = (TOPOLOGY,)) -> dict[str, Array]:
    """Covariances between nodes by what is known without their prices, mean variance 1; at least `alone`, which knows nothing."""
    n = len(market.nodes)
    found: dict[str, Array] = {"alone": np.eye(n)}
    if market.shift is not None and market.plain_shift is not None:
        found["shift"] = normalised(market.shift @ market.shift.T)
        found["ptdf"] = normalised(market.plain_shift @ market.plain_shift.T)
        points = {kind: market.topology(kind, seed) for kind in topologies}
    else:
        points = {}
    if market.place_km is not None and np.isfinite(market.place_km).any():
        points["place"] = market.place_km
    for name, where in points.items():
        found |= {f"{name}_{reach:g}": similarity(where, reach) for reach in REACHES}
    for name, labels in market.groups.items():
        code = np.unique(labels, return_inverse=True)[1]
        found[name] = (code[:, None] == code[None, :]).astype(np.float64)
    return found


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors of a market's nodes.

    Attributes:
        vectors: shape (nodes, 256), 32-bit, rows of length 1.
        corridor: group of each node.
        transfer: how prices of nodes without history follow from others'; None with fewer than three known nodes.
        known: positions of the nodes with enough prices.
        loadings: price part of every node, currency/MWh per unit of each factor.
    """

    vectors: npt.NDArray[np.float32]
    corridor: Ints
    transfer: Transfer | None
    known: Ints
    loadings: Array


def embed(market: NodeMarket, *, known: Ints, corridor_count: int, seed: int) -> Embedded:
    """Vectors of all nodes; the price part of nodes that are not known is kriged from those that are.

    Args:
        market: the nodes.
        known: positions of nodes with enough prices; those of others are not used.
        corridor_count: how many groups.
        seed: of GraphSAGE, where it is a covariance.
    """
    parts: dict[str, Array] = {}
    if market.shift is not None:
        parts |= {"shift": market.shift, "topology": market.topology(TOPOLOGY, seed)}
    loadings, transfer = np.zeros((len(market.nodes), BLOCKS["price"])), None
    if known.size >= 3 and market.prices.shape[0]:
        prices = np.full(market.prices.shape, np.nan)
        prices[:, known] = completed(market.prices[:, known])
        transfer = Transfer.fit(prices, known, covariances(market, seed=seed))
        own = price_factors(prices[:, known], rank=BLOCKS["price"]).loadings
        loadings[:, : own.shape[1]] = transfer.weights @ own
        loadings[known, : own.shape[1]] = own
        parts["price"] = loadings
    vectors = compose({name: unit_rows(part) for name, part in parts.items()}, SHARES)
    return Embedded(vectors, corridors(vectors, corridor_count), transfer, known, loadings)
