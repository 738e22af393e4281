"""A transmission network as arrays: what the DC equations need, nothing of a file format.

Element order is position: element k of an array is element k everywhere. Out-of-service elements are left out by the loaders.
MW at the interface, per unit only for reactances; angles in radians.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Ints = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


class GridError(ValueError):
    """A network, case or request that the equations cannot take; names the element, the value and the remedy."""


class BranchKind(StrEnum):
    """What a branch is; the DC equations differ by tap and shift alone."""

    LINE = "line"
    TRANSFORMER = "transformer"
    PHASE_SHIFTER = "phase_shifter"


@dataclass(frozen=True)
class Buses:
    """Buses, all arrays of one length.

    Attributes:
        ids: numbers as in the source; unique.
        names: labels, unique.
        area: area (control area or zone) number.
        base_kv: nominal voltage, kV; 0 where unknown.
        load_mw: demand of the base case.
        shunt_mw: conductance to ground at 1 p.u. voltage: a fixed demand in the DC equations.
    """

    ids: Ints
    names: tuple[str, ...]
    area: Ints
    base_kv: Floats
    load_mw: Floats
    shunt_mw: Floats


@dataclass(frozen=True)
class Branches:
    """Branches with the positive direction from `from_bus` to `to_bus` (positions in Buses).

    Attributes:
        names: labels, unique.
        from_bus, to_bus: positions of the end buses.
        reactance_pu: series reactance on the system base; not 0, may be negative (series capacitor).
        tap: off-nominal turns ratio at the from side, 1 for a line.
        shift_rad: phase shift at the from side; flow = base_mva / (reactance * tap) * (angle_from - angle_to - shift).
        rating_mw: continuous limit in both directions; inf for none.
        emergency_mw: limit after an outage; inf for none, at least `rating_mw`.
    """

    names: tuple[str, ...]
    from_bus: Ints
    to_bus: Ints
    reactance_pu: Floats
    tap: Floats
    shift_rad: Floats
    rating_mw: Floats
    emergency_mw: Floats


@dataclass(frozen=True)
class CostCurves:
    """Convex hourly cost of each generator at output p, currency/h.

    cost(p) = constant + linear p + quadratic p^2 + sum over its blocks of price * clip(p - start, 0, size).

    Attributes:
        constant, linear, quadratic: one per generator; quadratic >= 0.
        block_generator: generator position of each block; blocks of a generator stand together, in rising order of start.
        block_start_mw, block_mw: where the block begins and how long it is; adjacent blocks touch.
        block_price: marginal cost within the block, not falling along a generator.
    """

    constant: Floats
    linear: Floats
    quadratic: Floats
    block_generator: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    block_start_mw: Floats = field(default_factory=lambda: np.zeros(0))
    block_mw: Floats = field(default_factory=lambda: np.zeros(0))
    block_price: Floats = field(default_factory=lambda: np.zeros(0))

    def total(self, output_mw: Floats) -> float:
        """Cost of a dispatch, currency/h; `output_mw` has one value per generator."""
        smooth = self.constant + self.linear * output_mw + self.quadratic * output_mw**2
        filled = np.clip(output_mw[self.block_generator] - self.block_start_mw, 0.0, self.block_mw)
        return float(smooth.sum() + (self.block_price * filled).sum())


@dataclass(frozen=True)
class Generators:
    """Generators (a negative output is a dispatchable load), all arrays of one length.

    Attributes:
        names: labels, unique.
        bus: position of the bus.
        p_min_mw, p_max_mw: output range when running.
        ramp_mw_per_min: largest change per minute; inf for none.
        cost: convex cost curves.
        fuel: what each burns, in the words of the source; empty where the source does not say.
    """

    names: tuple[str, ...]
    bus: Ints
    p_min_mw: Floats
    p_max_mw: Floats
    ramp_mw_per_min: Floats
    cost: CostCurves
    fuel: tuple[str, ...] = ()


@dataclass(frozen=True)
class Links:
    """Controllable HVDC links: power p >= p_min leaves `from_bus`, p * (1 - loss_share) - loss_mw arrives at `to_bus`."""

    names: tuple[str, ...]
    from_bus: Ints
    to_bus: Ints
    p_min_mw: Floats
    p_max_mw: Floats
    loss_share: Floats
    loss_mw: Floats

    @classmethod
    def none(cls) -> Links:
        """No link."""
        empty, positions = np.zeros(0), np.zeros(0, dtype=np.int64)
        return cls((), positions, positions, empty, empty, empty, empty)


@dataclass(frozen=True)
class Network:
    """A network in service.

    Attributes:
        name: label for messages.
        base_mva: per-unit base.
        buses, branches, generators, links: the elements.
        reference_bus: position of the angle reference; sensitivities and prices at energy balance refer to it unless weights are given.
    """

    name: str
    base_mva: float
    buses: Buses
    branches: Branches
    generators: Generators
    links: Links = field(default_factory=Links.none)
    reference_bus: int = 0

    @property
    def n_buses(self) -> int:
        """Number of buses."""
        return len(self.buses.ids)

    @property
    def n_branches(self) -> int:
        """Number of branches."""
        return len(self.branches.names)

    @property
    def n_generators(self) -> int:
        """Number of generators."""
        return len(self.generators.names)

    def branch_kinds(self) -> tuple[BranchKind, ...]:
        """What each branch is: it shifts, or it changes the voltage (by tap or by the nominal voltages of its ends), or neither."""
        b, kv = self.branches, self.buses.base_kv
        turns = (b.tap != 1) | (kv[b.from_bus] != kv[b.to_bus])
        kinds = np.where(b.shift_rad != 0, 2, np.where(turns, 1, 0))
        order = (BranchKind.LINE, BranchKind.TRANSFORMER, BranchKind.PHASE_SHIFTER)
        return tuple(order[k] for k in kinds.tolist())

    def injection_mw(self, output_mw: Floats, *, load_mw: Floats | None = None, link_mw: Floats | None = None) -> Floats:
        """Net injection of every bus: generation and what links bring, less demand, shunts and what links take.

        Args:
            output_mw: output of each generator.
            load_mw: demand of each bus; the base case's by default.
            link_mw: power that leaves the from bus of each link; nothing at all by default, not even the constant losses.

        Returns:
            MW, shape (n_buses,).

        Raises:
            GridError: a value too few or too many.
        """
        load = self.buses.load_mw if load_mw is None else load_mw
        due = ((output_mw, self.n_generators, "output_mw"), (load, self.n_buses, "load_mw"))
        for values, n, label in (*due, *(() if link_mw is None else ((link_mw, len(self.links.names), "link_mw"),))):
            if np.shape(values) != (n,):
                raise GridError(f"{label}: shape {np.shape(values)}; give {n} values, one per element")
        net = np.bincount(self.generators.bus, output_mw, self.n_buses) - load - self.buses.shunt_mw
        if link_mw is not None:
            arrives = link_mw * (1 - self.links.loss_share) - self.links.loss_mw
            net += np.bincount(self.links.to_bus, arrives, self.n_buses) - np.bincount(self.links.from_bus, link_mw, self.n_buses)
        return np.asarray(net)

    def without_branches(self, positions: Ints) -> Network:
        """The same network with some branches taken away; the others keep their order and names, their positions move up."""
        kept = np.setdiff1d(np.arange(self.n_branches), positions)
        b = self.branches
        arrays = {key: value[kept] for key, value in vars(b).items() if key != "names"}
        return replace(self, branches=Branches(names=tuple(b.names[k] for k in kept), **arrays))

    def with_loads(self, load_mw: Floats) -> Network:
        """The same network with another demand at each bus, MW."""
        return replace(self, buses=replace(self.buses, load_mw=load_mw))

    def with_costs(self, cost: CostCurves) -> Network:
        """The same network with other costs of its generators."""
        return replace(self, generators=replace(self.generators, cost=cost))

    def with_ratings(self, rating_mw: Floats, emergency_mw: Floats | None = None) -> Network:
        """The same network with other branch limits, MW; emergency limits equal the continuous ones when not given."""
        limits = rating_mw if emergency_mw is None else emergency_mw
        return replace(self, branches=replace(self.branches, rating_mw=rating_mw, emergency_mw=limits))
