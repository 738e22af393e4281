"""The factorised susceptance matrix: one sparse LU per topology, and low-rank corrections for branches that are out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

from models._kernel.grid.network import Floats, GridError, Ints, Network
from models._kernel.grid.topology import Flags, islands

_SINGULAR = 1e-10
"""Relative residual, or reciprocal of a condition, at which a matrix counts as singular."""


class Factor(Protocol):
    """What angles follow from: solved per island, each with a reference bus at angle 0."""

    susceptance: Floats
    labels: Ints
    references: Ints

    def solve(self, injection: Floats) -> Floats:
        """Angles for injections in per unit, both of shape (n_buses, m); what is injected at a reference bus does not count."""
        ...


class LuFactor:
    """Sparse LU of the reduced susceptance matrix of a network without some branches.

    Attributes:
        susceptance: 1 / (reactance * tap) of every branch, per unit; 0 for one that is out.
        labels: island of every bus.
        references: reference bus of every island: the network's in its island, the first bus in any other.
    """

    def __init__(self, network: Network, outages: Ints) -> None:
        """Factorise.

        Raises:
            GridError: a reactance or tap of 0, or susceptances that cancel (negative reactances in resonance).
        """
        self.susceptance = susceptances(network, outages)
        self.labels = islands(network, outages)
        self.references = np.unique(self.labels, return_index=True)[1].astype(np.int64)
        self.references[self.labels[network.reference_bus]] = network.reference_bus
        free = np.ones(network.n_buses, dtype=bool)
        free[self.references] = False
        self._kept = np.flatnonzero(free)
        self._reduced = _reduced_matrix(network, self.susceptance, free)
        self._lu = self._factorise(network) if len(self._kept) else None

    def _factorise(self, network: Network) -> object:
        advice = f"network {network.name!r}: susceptances cancel and leave no unique angles; check negative reactances"
        # The matrix is symmetric, nearly always positive definite: diagonal pivots keep the fill of the symmetric ordering.
        options = {"SymmetricMode": True}
        try:
            lu = splu(self._reduced, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.01, options=options)
        except RuntimeError as error:
            raise GridError(advice) from error
        probe = np.cos(np.arange(len(self._kept), dtype=np.float64))
        # A residual that is not small against the terms it is made of means a pivot was lost.
        angles = lu.solve(probe)
        scale = abs(self._reduced) @ np.abs(angles) + np.abs(probe)
        if not np.abs(angles).max() < 1 / _SINGULAR or np.max(np.abs(self._reduced @ angles - probe) / scale) > _SINGULAR:
            raise GridError(advice)
        return lu

    def solve(self, injection: Floats) -> Floats:
        """Angles for injections in per unit, both of shape (n_buses, m)."""
        angles = np.zeros(injection.shape, order="F")
        if self._lu is not None:
            angles[self._kept] = self._lu.solve(np.asfortranarray(injection[self._kept]))  # type: ignore[attr-defined]
        return angles


class UpdatedFactor:
    """A factor without some more branches that split no island: Sherman-Morrison-Woodbury instead of a new factorisation.

    With A the incidence rows of the branches, b their susceptances and X = B^-1 A': (B - A' b A)^-1 r = x + X (1/b - A X)^-1 A x.
    """

    def __init__(self, network: Network, base: Factor, outages: Ints) -> None:
        """Solve for the lost branches once.

        Args:
            network: the network of `base`.
            base: factor in which the branches are in service.
            outages: branches lost, whose loss splits no island.

        Raises:
            GridError: the remaining susceptances cancel.
        """
        self.susceptance = base.susceptance.copy()
        self.susceptance[outages] = 0.0
        self.labels, self.references = base.labels, base.references
        self._base = base
        self._from, self._to = network.branches.from_bus[outages], network.branches.to_bus[outages]
        self._columns = base.solve(transfers(network, outages))
        core = np.diag(1.0 / base.susceptance[outages]) - self._across(self._columns)
        if len(outages) and not np.linalg.cond(core * base.susceptance[outages]) < 1 / _SINGULAR:
            names = ", ".join(network.branches.names[k] for k in outages)
            raise GridError(f"network {network.name!r} without {names}: susceptances cancel; check negative reactances")
        self._core: Floats = np.asarray(np.linalg.inv(core), dtype=np.float64)

    def _across(self, angles: Floats) -> Floats:
        return np.asarray(angles[self._from] - angles[self._to])

    def solve(self, injection: Floats) -> Floats:
        """Angles for injections in per unit, both of shape (n_buses, m)."""
        angles = self._base.solve(injection)
        return np.asarray(angles + steady_product(self._columns, steady_product(self._core, self._across(angles))))


def steady_product(left: Floats, right: Floats) -> Floats:
    """Matrix product whose every element is rounded alike whatever else is asked for; BLAS rounds by the shape of the whole.

    Args:
        left: shape (k, r), r small.
        right: shape (r, m).

    Returns:
        Shape (k, m).
    """
    total = np.zeros((left.shape[0], right.shape[1]))
    for j in range(left.shape[1]):
        total += left[:, j, None] * right[j]
    return total


def susceptances(network: Network, outages: Ints) -> Floats:
    """1 / (reactance * tap) of every branch, per unit; 0 for the branches in `outages`.

    Raises:
        GridError: a reactance or tap of 0.
    """
    product = network.branches.reactance_pu * network.branches.tap
    bad = np.flatnonzero(~np.isfinite(product) | (product == 0))
    if len(bad):
        name = network.branches.names[bad[0]]
        raise GridError(f"branch {name}: reactance_pu times tap is {product[bad[0]]:g}; give finite values other than 0")
    value = 1.0 / product
    value[outages] = 0.0
    return np.asarray(value)


def _reduced_matrix(network: Network, susceptance: Floats, free: Flags) -> csc_array:
    """Susceptance matrix of the buses that are free, in their order."""
    ends = np.where(free, np.cumsum(free) - 1, -1)
    f, t = ends[network.branches.from_bus], ends[network.branches.to_bus]
    rows, columns = np.concatenate((f, t, f, t)), np.concatenate((f, t, t, f))
    values = np.concatenate((susceptance, susceptance, -susceptance, -susceptance))
    inside = (rows >= 0) & (columns >= 0)
    n = int(free.sum())
    return csc_array((values[inside], (rows[inside], columns[inside])), shape=(n, n))


def transfers(network: Network, branches: Ints) -> Floats:
    """One column per branch: 1 injected at its from bus and withdrawn at its to bus, shape (n_buses, k)."""
    columns = np.zeros((network.n_buses, len(branches)), order="F")
    across = np.arange(len(branches))
    columns[network.branches.from_bus[branches], across] = 1.0
    columns[network.branches.to_bus[branches], across] = -1.0
    return columns
