"""What outages and derates do to prices: one solved base case, and every scenario solved exactly from its optimum.

A scenario keeps offers, loads and everything else of the base case and takes away branches, part of their ratings, or part of units.
The answer is the optimum of the DC equations with its certificate (`DcOpf`), not an approximation: shadow prices move with the outage,
where frozen ones (base shadow prices on the new sensitivities) are known to be poor. Starting from the base optimum leaves few exchanges of
the active set, so a scenario costs a small part of a solve from nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from models._kernel.grid.dcopf import DcOpf
from models._kernel.grid.dcopf_input import limits_of
from models._kernel.grid.network import Floats, GridError, Network
from models._kernel.grid.opf_types import OpfCase, OpfOptions, OpfResult
from models._kernel.grid.topology import branch_positions


@dataclass(frozen=True, slots=True)
class Outage:
    """One scenario, by positions of the network's elements.

    Attributes:
        name: label, unique in a batch.
        branches: out of service; may split the network.
        derates: branch -> share of its ratings that is left, inside [0, 1].
        units: generator -> share of its output range that is left, inside [0, 1]; 0 is an outage.
        room: branch -> MW added to its ratings, negative to take away: what flows there for reasons outside the dispatch.
    """

    name: str
    branches: tuple[int, ...] = ()
    derates: Mapping[int, float] = field(default_factory=dict)
    units: Mapping[int, float] = field(default_factory=dict)
    room: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Impact:
    """What a scenario does.

    Attributes:
        outage: the scenario.
        result: its optimum.
        change: price per bus less that of the base case, currency/MWh, shape (n_buses,).
        cost: objective less that of the base case, currency/h.
        unserved_mw: load that cannot be served.
        split: whether the network falls apart further than in the base case.
    """

    outage: Outage
    result: OpfResult
    change: Floats
    cost: float
    unserved_mw: float
    split: bool


class OutageStudy:
    """Scenarios of one network state. One thread; scenarios do not depend on each other or on their order beyond rounding."""

    def __init__(self, network: Network, case: OpfCase | None = None, options: OpfOptions | None = None) -> None:
        """Solve the base case.

        Args:
            network: a valid network.
            case: the state before any scenario; the network as published by default.
            options: of the solver.

        Raises:
            GridError: as `DcOpf.solve`.
        """
        self.network, self.case = network, case or OpfCase()
        self._solver = DcOpf(network, options)
        self.base = self._solver.solve(self.case)
        self._start = self._solver.mark()
        self._limits = limits_of(network, self.case)
        generators = network.generators
        self._low = generators.p_min_mw if self.case.p_min_mw is None else self.case.p_min_mw
        self._high = generators.p_max_mw if self.case.p_max_mw is None else self.case.p_max_mw

    def impact(self, outage: Outage) -> Impact:
        """The scenario's optimum beside the base case.

        Raises:
            GridError: a position beyond the elements, or a share outside [0, 1].
        """
        result = self._solver.solve(self.case_of(outage), start=self._start)
        return Impact(
            outage=outage,
            result=result,
            change=np.asarray(result.lmp - self.base.lmp),
            cost=result.objective - self.base.objective,
            unserved_mw=float(result.unserved_mw.sum()),
            split=int(result.island.max()) > int(self.base.island.max()),
        )

    def impacts(self, outages: Iterable[Outage]) -> Iterator[Impact]:
        """Impacts of a batch, one after the other."""
        return (self.impact(outage) for outage in outages)

    def case_of(self, outage: Outage) -> OpfCase:
        """The base case with the scenario's elements taken away."""
        branch_positions(self.network, outage.branches)
        case = replace(self.case, outages=tuple(sorted({*self.case.outages, *outage.branches})))
        if outage.derates or outage.room:
            left = _shares(outage.derates, self.network.n_branches, f"outage {outage.name!r}: branch")
            branch_positions(self.network, list(outage.room))
            added = np.bincount(list(outage.room), list(outage.room.values()), self.network.n_branches) if outage.room else 0.0
            unlimited = [b for b in outage.derates if np.isinf(self._limits[0][b])]
            if unlimited:
                name = self.network.branches.names[unlimited[0]]
                raise GridError(f"outage {outage.name!r}: branch {name} has no rating that could be derated; take it out, or leave it")
            rating, emergency = (np.where(np.isinf(limit), np.inf, np.maximum(limit * left + added, 0.0)) for limit in self._limits)
            case = replace(case, rating_mw=rating, emergency_mw=emergency)
        if outage.units:
            left = _shares(outage.units, self.network.n_generators, f"outage {outage.name!r}: unit")
            case = replace(case, p_min_mw=self._low * left, p_max_mw=self._high * left)
        return case


def _shares(given: Mapping[int, float], count: int, what: str) -> Floats:
    """One share per element, 1 where none is given."""
    left = np.ones(count)
    for position, share in given.items():
        if not 0 <= position < count:
            raise GridError(f"{what} {position}; give positions from 0 to {count - 1}")
        if not 0.0 <= share <= 1.0:
            raise GridError(f"{what} {position} has {share:g} of its capacity left; give a share from 0 (out) to 1 (whole)")
        left[position] = share
    return left


__all__ = ["Impact", "Outage", "OutageStudy"]
