"""Columns of the unit-commitment programme: one block for each kind of decision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models._kernel.grid.commitment_fleet import Fleet
from models._kernel.grid.commitment_matrix import Columns
from models._kernel.grid.commitment_types import CommitmentProblem
from models._kernel.grid.network import Floats, Ints


@dataclass(frozen=True)
class Layout:
    """Positions of the columns; blocks have shape (elements, T), with 0 elements where a problem has none."""

    on: Ints
    start: Ints
    stop: Ints
    segment: Ints
    reserve: Ints
    arc: Ints
    renewable: Ints
    charge: Ints
    discharge: Ints
    energy: Ints
    storage_reserve: Ints
    hydro: Ints
    hydro_reserve: Ints
    unserved: Ints
    oversupply: Ints
    shortfall: Ints


def lay_out(problem: CommitmentProblem, fleet: Fleet, columns: Columns) -> tuple[Layout, Ints]:
    """Columns of a problem, and the price class of each renewable."""
    hours, units = problem.n_hours, len(problem.units)
    held = problem.reserve_mw is not None
    seg, arcs = fleet.segments, fleet.arcs
    on = columns.add((units, hours), cost=fleet.no_load[:, None], lower=fleet.must_on, upper=~fleet.must_off)
    start = columns.add((units, hours), cost=fleet.cold[:, None], upper=~fleet.must_off)
    stop = columns.add((units, hours), upper=~fleet.must_on)
    segment = columns.add((len(seg.unit), hours), cost=seg.price[:, None], upper=seg.length[:, None])
    most = np.where(fleet.must_off, 0.0, fleet.reserve_max[:, None])
    reserve = columns.add((units if held else 0, hours), upper=most if held else np.zeros((0, hours)))
    arc = columns.add((len(arcs.unit),), cost=-arcs.saving, upper=1.0)
    renewable, groups = _renewables(problem, columns)
    stores = problem.storage
    charge = columns.add((len(stores), hours), upper=tall([s.charge_mw for s in stores]))
    discharge = columns.add(
        (len(stores), hours), cost=tall([s.discharge_cost for s in stores]), upper=tall([s.discharge_mw for s in stores])
    )
    energy = columns.add((len(stores), hours), lower=_least_energy(problem), upper=tall([s.energy_mwh for s in stores]))
    storage_reserve = columns.add((len(stores) if held else 0, hours), upper=tall([np.inf if s.reserve else 0.0 for s in stores if held]))
    plants = problem.hydro
    hydro = columns.add(
        (len(plants), hours),
        cost=tall([h.cost for h in plants]),
        lower=stack([h.minimum_mw for h in plants], hours),
        upper=stack([h.maximum_mw for h in plants], hours),
    )
    hydro_reserve = columns.add((len(plants) if held else 0, hours), upper=tall([np.inf if h.reserve else 0.0 for h in plants if held]))
    unserved, oversupply, shortfall = _slacks(problem, columns)
    return Layout(
        on,
        start,
        stop,
        segment,
        reserve,
        arc,
        renewable,
        charge,
        discharge,
        energy,
        storage_reserve,
        hydro,
        hydro_reserve,
        unserved,
        oversupply,
        shortfall,
    ), groups


def tall(values: list[float]) -> Floats:
    """One value for each element, the same every hour; shape (elements, 1)."""
    return np.array(values, dtype=float)[:, None]


def stack(profiles: list[Floats], hours: int) -> Floats:
    """Profiles of elements as one array, shape (elements, hours); also where there are none."""
    return np.stack(profiles).astype(float) if profiles else np.zeros((0, hours))


def _least_energy(problem: CommitmentProblem) -> Floats:
    least = np.zeros((len(problem.storage), problem.n_hours))
    least[:, -1] = [s.terminal_minimum_mwh for s in problem.storage]
    return least


def _renewables(problem: CommitmentProblem, columns: Columns) -> tuple[Ints, Ints]:
    prices, groups = np.unique([r.cost for r in problem.renewables], return_inverse=True)
    bounds = np.zeros((2, len(prices), problem.n_hours))
    for group, renewable in zip(groups, problem.renewables, strict=True):
        bounds[0, group] += renewable.minimum_mw
        bounds[1, group] += renewable.maximum_mw
    positions = columns.add((len(prices), problem.n_hours), cost=prices[:, None], lower=bounds[0], upper=bounds[1])
    return positions, groups.astype(np.int64)


def _slacks(problem: CommitmentProblem, columns: Columns) -> tuple[Ints, Ints, Ints]:
    hours, prices = problem.n_hours, problem.penalties
    unserved = columns.add((0 if prices.unserved_energy is None else 1, hours), cost=prices.unserved_energy or 0.0)
    oversupply = columns.add((0 if prices.oversupply is None else 1, hours), cost=prices.oversupply or 0.0)
    steps = prices.reserve_shortfall if problem.reserve_mw is not None else ()
    shortfall = columns.add((len(steps), hours), cost=tall([price for _, price in steps]), upper=tall([mw for mw, _ in steps]))
    return unserved, oversupply, shortfall
