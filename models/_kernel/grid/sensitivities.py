"""How flows answer to injections, outages and phase shifts: PTDF, LODF, OTDF and PSDF of the DC equations.

Definitions and signs follow MATPOWER (Zimmerman, Murillo-Sanchez & Thomas 2011) and Wood & Wollenberg (2014, ch. 7). Only what is asked
for is computed, in blocks of columns against one sparse factorisation; no dense bus-by-bus matrix exists at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from models._kernel.grid.network import Floats, GridError, Ints, Network
from models._kernel.grid.sensitivities_factor import Factor, LuFactor, UpdatedFactor, steady_product, transfers
from models._kernel.grid.topology import Flags, Positions, branch_positions, bridges, islands

_BLOCK = 32
"""Columns solved at once: few enough to stay in the cache, and working memory of a few times n_buses."""

_MAX_UPDATE = 16
"""Largest number of outages that is cheaper as a correction than as a new factorisation."""

_RESONANT = 1e-9
"""Distance of a self-sensitivity from 1 below which an outage that splits nothing leaves no unique flows."""


class Sensitivities:
    """Sensitivities of one topology.

    A network of several islands balances in each island by itself: its reference bus (or slack weights) takes up what the
    injections of the island leave over, and a sensitivity across islands is 0. Branch positions are the network's throughout;
    a branch that is out has flow and sensitivity 0. An element of PTDF, LODF, OTDF and PSDF is the same, bit for bit, whatever other
    rows or columns it is asked with.

    Attributes:
        network: the network, with the branches that are out still in place.
        outages: positions of the branches that are out, rising.
        islands: island number of every bus, shape (n_buses,).
        references: reference bus of every island: the network's own in its island, the first bus in any other.
    """

    def __init__(self, network: Network, outages: Positions = (), *, factor: Factor | None = None) -> None:
        """Factorise the susceptance matrix once.

        Args:
            network: a valid network (`validate_network`).
            outages: branches that are out; they may split the network.
            factor: factor of this very topology, where one exists already.

        Raises:
            GridError: a position beyond the branches, a reactance of 0, or susceptances that cancel.
        """
        self.network = network
        self.outages: Ints = np.unique(branch_positions(network, outages))
        self._factor: Factor = LuFactor(network, self.outages) if factor is None else factor
        self._root: Sensitivities = self
        self.islands = self._factor.labels
        self.references = self._factor.references

    def __reduce__(self) -> tuple[type[Sensitivities], tuple[Network, Ints]]:
        """Copies sent to another process factorise anew: a factorisation itself cannot be sent."""
        return Sensitivities, (self.network, self.outages)

    def without(self, outages: Positions) -> Sensitivities:
        """Sensitivities after the loss of further branches, which may split the network.

        A few branches that split nothing cost one solve each (Woodbury); otherwise the rest is factorised anew.

        Raises:
            GridError: a position beyond the branches, or susceptances that cancel.
        """
        root = self._root
        total = np.union1d(self.outages, branch_positions(self.network, outages))
        further = np.setdiff1d(total, root.outages)
        if len(total) == len(self.outages):
            return self
        if len(further) > _MAX_UPDATE or islands(self.network, total).max() > root.islands.max():
            return Sensitivities(self.network, total)
        after = Sensitivities(self.network, total, factor=UpdatedFactor(self.network, root._factor, further))  # noqa: SLF001
        after._root = root
        return after

    @property
    def corrected(self) -> bool:
        """Whether they are those of another topology, corrected for a few outages that split nothing."""
        return self._root is not self

    def ptdf(self, branches: Positions | None = None, slack_weights: Floats | None = None) -> Floats:
        """Flow on branches per MW injected at each bus and withdrawn at the slack of its island.

        Args:
            branches: positions of the monitored branches; all by default.
            slack_weights: share of every bus in the slack, scaled to 1 within each island; the reference buses by default, also
                in an island without weight.

        Returns:
            Shape (k, n_buses), MW per MW.

        Raises:
            GridError: a position beyond the branches, or weights that are not finite or add up to less than 0 in an island.
        """
        monitored = self._positions(branches)
        slack = None if slack_weights is None else self._slack(slack_weights)
        out = np.empty((len(monitored), self.network.n_buses))
        for rows in _blocks(len(monitored)):
            chosen = monitored[rows]
            out[rows] = (self._factor.solve(transfers(self.network, chosen)) * self._factor.susceptance[chosen]).T
            if slack is not None:
                out[rows] -= (out[rows] @ slack)[:, self.islands]
        return out

    def link_ptdf(self, branches: Positions | None = None, slack_weights: Floats | None = None) -> Floats:
        """Flow on branches per MW that leaves the from bus of each HVDC link, less what is lost on the way; shape (k, n_links)."""
        links, factors = self.network.links, self.ptdf(branches, slack_weights)
        return np.asarray(factors[:, links.to_bus] * (1 - links.loss_share) - factors[:, links.from_bus])

    def angles(self, injection_mw: Floats, slack_weights: Floats | None = None) -> Floats:
        """Bus angles, rad; 0 at the reference bus of each island.

        Args:
            injection_mw: generation less demand and shunts, plus HVDC infeed (`Network.injection_mw`), shape (n_buses,) or
                (m, n_buses).
            slack_weights: who takes up what is left over in each island, as in `ptdf`.

        Returns:
            Same shape as the injections.
        """
        net = np.atleast_2d(self._injections(injection_mw))
        if slack_weights is not None:
            slack = self._slack(slack_weights)
            net = net - np.atleast_2d(self.imbalance_mw(net)) @ slack.T
        shifts = self._shift_push()
        out = np.empty(net.shape)
        for rows in _blocks(len(net)):
            out[rows] = self._factor.solve((net[rows] / self.network.base_mva - shifts).T).T
        return out.reshape(np.shape(injection_mw))

    def flows(self, injection_mw: Floats, slack_weights: Floats | None = None) -> Floats:
        """Branch flows at the from side, MW, phase shifts included.

        Equals `ptdf(slack_weights=...) @ injection_mw + shift_flow_mw`. After a split every island balances by itself: what its
        injections leave over (`imbalance_mw`) is taken up at its slack.

        Args:
            injection_mw: generation less demand and shunts, plus HVDC infeed, shape (n_buses,) or (m, n_buses).
            slack_weights: as in `ptdf`.

        Returns:
            Shape (n_branches,) or (m, n_branches).
        """
        b, angles = self.network.branches, self.angles(injection_mw, slack_weights)
        across = angles[..., b.from_bus] - angles[..., b.to_bus] - b.shift_rad
        return np.asarray(across * self._factor.susceptance * self.network.base_mva)

    def imbalance_mw(self, injection_mw: Floats) -> Floats:
        """What the injections of each island leave over, MW, shape (n_islands,) or (m, n_islands); the slack takes it up."""
        net = self._injections(injection_mw)
        member = csr_array((np.ones(len(self.islands)), (np.arange(len(self.islands)), self.islands)))
        return np.asarray(net @ member)

    @cached_property
    def shift_flow_mw(self) -> Floats:
        """Flows that the phase shifts alone drive, MW, shape (n_branches,)."""
        return self.flows(np.zeros(self.network.n_buses))

    @cached_property
    def _bridges(self) -> Flags:
        flags = np.zeros(self.network.n_branches, dtype=bool)
        flags[bridges(self.network, self.outages)] = True
        return flags

    def splits(self, outages: Positions) -> Flags:
        """Whether the loss of each branch alone splits an island (radial branches do); shape (m,)."""
        return np.asarray(self._bridges[self._positions(outages)])

    def lodf(self, monitored: Positions, outages: Positions) -> Floats:
        """Share of the flow of each lost branch that each monitored branch takes over, every outage by itself.

        flow after = flow before + lodf * flow of the lost branch before, while injections stay. -1 on the lost branch itself.
        A branch whose loss splits an island has no such share: its column is nan, and `splits(outages)` is true; ask
        `without([branch])` for what flows in the parts. A branch that is out already has a column of 0.

        Args:
            monitored: positions of branches, k.
            outages: positions of branches, m.

        Returns:
            Shape (k, m).

        Raises:
            GridError: a position beyond the branches, or an outage after which susceptances cancel.
        """
        seen, lost = self._positions(monitored), self._positions(outages)
        out = np.empty((len(seen), len(lost)))
        for columns in _blocks(len(lost)):
            out[:, columns] = self._lodf_block(seen, lost[columns])
        return out

    def _lodf_block(self, seen: Ints, lost: Ints) -> Floats:
        angles, gone, radial = self._factor.solve(transfers(self.network, lost)), np.isin(lost, self.outages), self.splits(lost)
        b, across = self.network.branches, np.arange(len(lost))
        own = self._factor.susceptance[lost] * (angles[b.from_bus[lost], across] - angles[b.to_bus[lost], across])
        resonant = (np.abs(1 - own) < _RESONANT) & ~radial & ~gone
        if resonant.any():
            name = b.names[lost[int(np.argmax(resonant))]]
            raise GridError(f"outage of branch {name}: susceptances cancel and leave no unique flows; check negative reactances")
        share = self._between(seen, angles) / np.where(radial, np.nan, 1 - own)
        share[:, gone] = 0.0
        return np.asarray(np.where((seen[:, None] == lost) & ~radial & ~gone, -1.0, share))

    def outage_factors(self, monitored: Positions, outage_set: Positions) -> Floats:
        """LODF of branches that are lost together: flow after = flow before + factors @ flows of the lost branches before.

        Args:
            monitored: positions of branches, k.
            outage_set: positions of the branches lost at once, r, each once.

        Returns:
            Shape (k, r); the row of a lost branch takes its own flow to 0.

        Raises:
            GridError: the loss splits an island, a branch is named twice or is out already, or susceptances cancel.
        """
        seen, lost = self._positions(monitored), self._positions(outage_set)
        self._check_set(lost)
        angles = self._factor.solve(transfers(self.network, lost))
        remaining = np.eye(len(lost)) - self._between(lost, angles)
        if len(lost) and not np.linalg.cond(remaining) < 1 / _RESONANT:
            raise GridError(f"outage of {self._named(lost)}: susceptances cancel and leave no unique flows; check negative reactances")
        factors = steady_product(self._between(seen, angles), np.asarray(np.linalg.inv(remaining), dtype=np.float64))
        own = seen[:, None] == lost
        return np.asarray(np.where(own.any(axis=1, keepdims=True), -1.0 * own, factors))

    def otdf(self, monitored: Positions, outage_set: Positions, slack_weights: Floats | None = None) -> Floats:
        """PTDF of monitored branches after branches are lost together; shape (k, n_buses).

        Raises:
            GridError: as `outage_factors`; after a split, `without(outage_set).ptdf(monitored)` refers to each part's own slack.
        """
        factors = self.outage_factors(monitored, outage_set)
        return self.ptdf(monitored, slack_weights) + steady_product(factors, self.ptdf(outage_set, slack_weights))

    def psdf(self, monitored: Positions, shifters: Positions) -> Floats:
        """Flow on branches per radian of further phase shift on other branches, MW/rad, shape (k, m); any branch may shift."""
        seen, shifting = self._positions(monitored), self._positions(shifters)
        out = np.empty((len(seen), len(shifting)))
        push = self._factor.susceptance * self.network.base_mva
        for columns in _blocks(len(shifting)):
            chosen = shifting[columns]
            angles = self._factor.solve(transfers(self.network, chosen))
            out[:, columns] = (self._between(seen, angles) - (seen[:, None] == chosen)) * push[chosen]
        return out

    def _between(self, branches: Ints, angles: Floats) -> Floats:
        """Per-unit flow on branches for angle columns, shape (k, m), phase shifts left aside."""
        b = self.network.branches
        across = angles[b.from_bus[branches]] - angles[b.to_bus[branches]]
        return np.asarray(across * self._factor.susceptance[branches, None])

    def _shift_push(self) -> Floats:
        """What the phase shifts inject at the buses, per unit: each pushes its susceptance times shift against its branch."""
        b = self.network.branches
        push = -self._factor.susceptance * b.shift_rad
        n = self.network.n_buses
        return np.asarray(np.bincount(b.from_bus, push, n) - np.bincount(b.to_bus, push, n))

    def _slack(self, weights: Floats) -> csr_array:
        """Share of each bus in the slack of its island, shape (n_buses, n_islands)."""
        n, given = self.network.n_buses, np.asarray(weights, dtype=np.float64)
        if given.shape != (n,) or not np.isfinite(given).all():
            raise GridError(f"slack_weights: shape {given.shape} or a missing value; give one finite weight for each of {n} buses")
        total = np.bincount(self.islands, given)
        if (total < 0).any():
            raise GridError(f"slack_weights: they add up to {total.min():g} in an island; give weights that are not negative")
        share = np.where(total[self.islands] > 0, given / np.where(total > 0, total, 1.0)[self.islands], 0.0)
        share[self.references[total == 0]] = 1.0
        return csr_array((share, (np.arange(n), self.islands)))

    def _injections(self, injection_mw: Floats) -> Floats:
        net = np.asarray(injection_mw, dtype=np.float64)
        if net.ndim not in {1, 2} or net.shape[-1] != self.network.n_buses:
            raise GridError(f"injection_mw: shape {net.shape}; give (n_buses,) or (m, n_buses) with {self.network.n_buses} buses")
        return net

    def _positions(self, branches: Positions | None) -> Ints:
        return np.arange(self.network.n_branches) if branches is None else branch_positions(self.network, branches)

    def _check_set(self, lost: Ints) -> None:
        if len(np.unique(lost)) < len(lost) or np.isin(lost, self.outages).any():
            raise GridError(f"outage of {self._named(lost)}: a branch is named twice or is out already; name each branch in service once")
        if islands(self.network, np.union1d(self.outages, lost)).max() > self.islands.max():
            raise GridError(f"outage of {self._named(lost)} splits the network; ask `without(...)` for its parts")

    def _named(self, branches: Ints) -> str:
        return ", ".join(self.network.branches.names[k] for k in branches)


def _blocks(n: int) -> Iterator[slice]:
    for start in range(0, n, _BLOCK):
        yield slice(start, min(start + _BLOCK, n))
