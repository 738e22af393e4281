"""Branch and contingency limits: flows of a topology, screening of all limits, the few rows that are kept in the program."""

from __future__ import annotations

import numpy as np

from models._kernel.grid.active_set_types import compiled
from models._kernel.grid.network import Floats, Ints, Network
from models._kernel.grid.opf_types import NO_CONTINGENCY
from models._kernel.grid.sensitivities import Sensitivities
from models._kernel.grid.sensitivities_factor import steady_product
from models._kernel.grid.topology import Flags

Pair = tuple[int, int]


@compiled
def screen(flow: Floats, limits: tuple[Floats, Floats], lost: Ints, shares: Floats, tolerance: float, found: tuple[Floats, Ints]) -> float:
    """Worst violation of each branch over the base case and every contingency.

    Args:
        flow: base-case flows.
        limits: limits of the base case, limits after a contingency; inf for those that are not to be screened.
        lost: branch lost in each contingency.
        shares: (contingencies, branches) share of the lost flow that each branch takes over.
        tolerance: violation that counts.
        found: filled in: violation per branch, MW; contingency number of it, -1 for the base case.

    Returns:
        The largest violation; 0 when none counts.
    """
    rating, emergency = limits
    worst, by = found
    largest = 0.0
    for k in range(len(flow)):
        worst[k] = abs(flow[k]) - rating[k]
        by[k] = -1
    for c in range(len(lost)):
        moved = flow[lost[c]]
        for k in range(len(flow)):
            excess = abs(flow[k] + shares[c, k] * moved) - emergency[k]
            if excess > worst[k]:
                worst[k] = excess
                by[k] = c
    for k in range(len(flow)):
        if worst[k] > tolerance and worst[k] > largest:
            largest = worst[k]
    return largest


class _Lost:
    """Sensitivity rows after the loss of branches that splits nothing: H' = H + T (1 - T_oo)^-1 H_o, T a row across the outages' ends."""

    def __init__(self, base: FlowMap, outages: Ints) -> None:
        branches = base.network.branches
        self.outages, self._from, self._to = outages, branches.from_bus[outages], branches.to_bus[outages]
        own = base.rows(outages, keep=False)
        self._taken = steady_product(np.asarray(np.linalg.inv(np.eye(len(outages)) - self._across(own)), dtype=np.float64), own)

    def _across(self, rows: Floats) -> Floats:
        return np.asarray(rows[:, self._from] - rows[:, self._to])

    def rows(self, branches: Ints, before: Floats) -> Floats:
        """Rows of branches afterwards, from those before."""
        after = before + steady_product(self._across(before), self._taken)
        after[np.isin(branches, self.outages)] = 0.0
        return after


class FlowMap:
    """Flows and sensitivity rows of one topology."""

    def __init__(self, network: Network, sensitivities: Sensitivities, *, dense: bool, base: FlowMap | None = None) -> None:
        """Dense factors for small networks; sparse solves and cached rows for large ones.

        Args:
            network: the network.
            sensitivities: of the topology.
            dense: hold all rows.
            base: the network without outages, where those of `sensitivities` split nothing and are few; its rows are then corrected.
        """
        self.network = network
        self.sensitivities = sensitivities
        self.islands = sensitivities.islands
        self.references = sensitivities.references
        self._base = base
        self._lost = _Lost(base, sensitivities.outages) if base is not None else None
        self._rows: dict[int, Floats] = {}
        self._dense: Floats | None = None
        if dense:
            everything = np.arange(network.n_branches)
            self._dense = sensitivities.ptdf() if base is None or self._lost is None else self._lost.rows(everything, base.rows(everything))
        self._shift_flow = sensitivities.shift_flow_mw
        self._shares: tuple[tuple[int, ...], tuple[Ints, Floats, tuple[int, ...]]] | None = None

    def flows(self, injection: Floats) -> Floats:
        """Flow per branch, MW, shape (n_branches,)."""
        if self._dense is not None:
            return np.asarray(self._dense @ injection + self._shift_flow)
        return self.sensitivities.flows(injection)

    def rows(self, branches: Ints, *, keep: bool = True) -> Floats:
        """Sensitivity of branches to each bus, shape (k, n_buses); solved for at most once while they are kept."""
        if self._dense is not None:
            return np.asarray(self._dense[branches])
        if self._base is not None and self._lost is not None:
            return self._lost.rows(branches, self._base.rows(branches, keep=keep))
        missing = [b for b in np.unique(branches).tolist() if b not in self._rows]
        solved = dict(zip(missing, self.sensitivities.ptdf(missing), strict=True)) if missing else {}
        if keep:
            self._rows |= solved
        return np.array([solved[b] if b in solved else self._rows[b] for b in branches.tolist()]).reshape(-1, self.network.n_buses)

    def contingencies(self, asked: tuple[int, ...]) -> tuple[Ints, Floats, tuple[int, ...]]:
        """Lost branches that do not split the network, their shares (contingencies, branches), and those left out."""
        if self._shares is None or self._shares[0] != asked:
            lost = np.asarray(asked, dtype=np.int64)
            out = np.isin(lost, self.sensitivities.outages)
            splits = self.sensitivities.splits(lost) if len(lost) else np.zeros(0, dtype=bool)
            kept = lost[~splits & ~out]
            everywhere = np.arange(self.network.n_branches)
            shares = np.ascontiguousarray(self.sensitivities.lodf(everywhere, kept).T) if len(kept) else np.zeros((0, len(everywhere)))
            self._shares = (asked, (kept, shares, tuple(int(k) for k in lost[splits & ~out])))
        return self._shares[1]


class RowStore:
    """The limits kept in the program, by (branch, contingency): sensitivities to buses and to elements."""

    def __init__(self, n_buses: int, n_elements: int) -> None:
        """An empty store."""
        self.pairs: list[Pair] = []
        self.share: Floats = np.zeros(0)
        self.branch: Ints = np.zeros(0, dtype=np.int64)
        self.lost: Ints = np.zeros(0, dtype=np.int64)
        self.buses: Floats = np.zeros((0, n_buses))
        self.elements: Floats = np.zeros((0, n_elements))

    def __len__(self) -> int:
        """Number of kept limits."""
        return len(self.pairs)

    def add(self, pairs: list[Pair], flow_map: FlowMap, elements: ElementMap) -> None:
        """Adds limits; pairs already kept must not be given."""
        shares = np.array([_share(flow_map, branch, lost) for branch, lost in pairs])
        rows = flow_map.rows(np.array([branch for branch, _ in pairs]))
        after = np.flatnonzero([lost != NO_CONTINGENCY for _, lost in pairs])
        if len(after):
            rows[after] += shares[after, None] * flow_map.rows(np.array([pairs[k][1] for k in after]))
        self.pairs = self.pairs + pairs
        self.share = np.concatenate((self.share, shares))
        self._index()
        self.buses = np.concatenate((self.buses, rows))
        self.elements = np.concatenate((self.elements, elements.of(rows)))

    def keep(self, mask: Flags) -> None:
        """Drops the limits that are not in the mask."""
        self.pairs = [pair for pair, kept in zip(self.pairs, mask, strict=True) if kept]
        self.share, self.buses, self.elements = self.share[mask], self.buses[mask], np.ascontiguousarray(self.elements[mask])
        self._index()

    def flow(self, flow: Floats) -> Floats:
        """Flow under each kept limit's contingency, from flows of the base case."""
        after = flow[self.branch]
        moved = np.where(self.lost == NO_CONTINGENCY, 0.0, flow[self.lost])
        return np.asarray(after + self.share * moved)

    def _index(self) -> None:
        self.branch = np.array([p[0] for p in self.pairs], dtype=np.int64)
        self.lost = np.array([p[1] for p in self.pairs], dtype=np.int64)


def _share(flow_map: FlowMap, branch: int, lost: int) -> float:
    return 0.0 if lost == NO_CONTINGENCY else float(flow_map.sensitivities.lodf([branch], [lost])[0, 0])


class ElementMap:
    """From sensitivities to buses to those to elements: generators, links, unserved load and oversupply per island."""

    def __init__(self, network: Network, islands: Ints) -> None:
        """Shed load is spread over an island as its base-case load is, evenly where it has none."""
        self._generators = network.generators.bus
        self._links = network.links
        n = int(islands.max()) + 1
        load = np.maximum(network.buses.load_mw, 0.0)
        total = np.bincount(islands, load, n)
        count = np.bincount(islands, minlength=n)
        share = np.where(total[islands] > 0, load / np.where(total > 0, total, 1.0)[islands], 1.0 / count[islands])
        self.spread: Floats = np.zeros((network.n_buses, n))
        self.spread[np.arange(network.n_buses), islands] = share
        self.n_elements = network.n_generators + len(network.links.names) + 2 * n

    def of(self, rows: Floats) -> Floats:
        """Sensitivities to elements, shape (rows, n_elements)."""
        shed = rows @ self.spread
        links = self._links
        crossing = rows[:, links.to_bus] * (1.0 - links.loss_share) - rows[:, links.from_bus]
        return np.ascontiguousarray(np.concatenate((rows[:, self._generators], crossing, shed, -shed), axis=1))

    def injection(self, output: Floats, n_buses: int) -> Floats:
        """Injection per bus of element values."""
        g, links = len(self._generators), self._links
        n_links, n = len(links.from_bus), self.spread.shape[1]
        out: Floats = np.bincount(self._generators, output[:g], n_buses).astype(np.float64)
        if n_links:
            flow = output[g : g + n_links]
            out -= np.bincount(links.from_bus, flow, n_buses)
            out += np.bincount(links.to_bus, flow * (1.0 - links.loss_share), n_buses)
        shed = output[g + n_links : g + n_links + n] - output[g + n_links + n :]
        if shed.any():
            out += self.spread @ shed
        return np.asarray(out)
