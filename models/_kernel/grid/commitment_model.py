"""Columns of the unit-commitment programme and the rows that tie units, stores and hydro to demand and reserve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models._kernel.grid.commitment_fleet import Fleet, build_fleet
from models._kernel.grid.commitment_matrix import Columns, Programme, Rows
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


@dataclass(frozen=True)
class Model:
    """A problem as a programme, with what is needed to read its solution.

    `groups` holds the price class of each renewable: renewables of one price are one column an hour. `balance` and `requirement` are the
    positions of the demand and reserve rows.
    """

    fleet: Fleet
    layout: Layout
    programme: Programme
    groups: Ints
    balance: Ints
    requirement: Ints


def build_model(problem: CommitmentProblem) -> Model:
    """The programme of a valid problem: three binaries a unit and hour, tight in the sense of Knueven, Ostrowski and Watson (2020)."""
    from models._kernel.grid.commitment_rows import commitment_rows, output_rows

    fleet = build_fleet(problem)
    columns, rows = Columns(), Rows()
    layout, groups = _layout(problem, fleet, columns)
    commitment_rows(fleet, layout, rows)
    output_rows(fleet, layout, rows)
    _storage_rows(problem, layout, rows)
    _hydro_rows(problem, layout, rows)
    balance = _balance_rows(problem, fleet, layout, rows)
    requirement = _reserve_rows(problem, layout, rows)
    whole = np.concatenate([layout.on.ravel(), layout.start.ravel(), layout.stop.ravel()])
    return Model(fleet, layout, Programme.of(columns, rows, whole), groups, balance, requirement)


def _layout(problem: CommitmentProblem, fleet: Fleet, columns: Columns) -> tuple[Layout, Ints]:
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
    charge = columns.add((len(stores), hours), upper=_tall([s.charge_mw for s in stores]))
    discharge = columns.add(
        (len(stores), hours), cost=_tall([s.discharge_cost for s in stores]), upper=_tall([s.discharge_mw for s in stores])
    )
    energy = columns.add((len(stores), hours), lower=_least_energy(problem), upper=_tall([s.energy_mwh for s in stores]))
    storage_reserve = columns.add((len(stores) if held else 0, hours), upper=_tall([np.inf if s.reserve else 0.0 for s in stores if held]))
    plants = problem.hydro
    hydro = columns.add(
        (len(plants), hours),
        cost=_tall([h.cost for h in plants]),
        lower=_stack([h.minimum_mw for h in plants], hours),
        upper=_stack([h.maximum_mw for h in plants], hours),
    )
    hydro_reserve = columns.add((len(plants) if held else 0, hours), upper=_tall([np.inf if h.reserve else 0.0 for h in plants if held]))
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


def _tall(values: list[float]) -> Floats:
    return np.array(values, dtype=float)[:, None]


def _stack(profiles: list[Floats], hours: int) -> Floats:
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
    shortfall = columns.add((len(steps), hours), cost=_tall([price for _, price in steps]), upper=_tall([mw for mw, _ in steps]))
    return unserved, oversupply, shortfall


def _storage_rows(problem: CommitmentProblem, layout: Layout, rows: Rows) -> None:
    """Content from hour to hour, the shared converter, and reserve that can be delivered for an hour."""
    stores, hours = problem.storage, problem.n_hours
    gain, loss = _tall([s.charge_efficiency for s in stores]), _tall([1.0 / s.discharge_efficiency for s in stores])
    before = np.zeros((len(stores), hours))
    before[:, 0] = [s.initial_mwh for s in stores]
    content = rows.open((len(stores), hours), lower=before, upper=before)
    rows.put(content, layout.energy, 1.0)
    rows.put(content[:, 1:], layout.energy[:, :-1], -1.0)
    rows.put(content, layout.charge, -gain)
    rows.put(content, layout.discharge, loss)
    share = rows.open((len(stores), hours), upper=1.0)
    most_in, most_out = _tall([s.charge_mw for s in stores]), _tall([s.discharge_mw for s in stores])
    rows.put(share, layout.charge, np.divide(1.0, most_in, out=np.zeros_like(most_in), where=most_in > 0))
    rows.put(share, layout.discharge, np.divide(1.0, most_out, out=np.zeros_like(most_out), where=most_out > 0))
    if layout.storage_reserve.size:
        power = rows.open((len(stores), hours), upper=most_out)
        rows.put(power, layout.storage_reserve, 1.0)
        rows.put(power, layout.discharge, 1.0)
        rows.put(power, layout.charge, -1.0)
        lasting = rows.open((len(stores), hours), upper=0.0)
        rows.put(lasting, layout.storage_reserve, loss)
        rows.put(lasting, layout.energy, -1.0)


def _hydro_rows(problem: CommitmentProblem, layout: Layout, rows: Rows) -> None:
    """Budgets of energy, and room for reserve."""
    plants = problem.hydro
    least, most = np.array([h.energy_minimum_mwh for h in plants]), np.array([h.energy_mwh for h in plants])
    budget = rows.open((len(plants),), lower=least, upper=most)
    rows.put(budget[:, None], layout.hydro, 1.0)
    if layout.hydro_reserve.size:
        room = rows.open(layout.hydro.shape, upper=_stack([h.maximum_mw for h in plants], problem.n_hours))
        rows.put(room, layout.hydro, 1.0)
        rows.put(room, layout.hydro_reserve, 1.0)


def _balance_rows(problem: CommitmentProblem, fleet: Fleet, layout: Layout, rows: Rows) -> Ints:
    demand = rows.open((problem.n_hours,), lower=problem.demand_mw, upper=problem.demand_mw)
    rows.put(demand, layout.on, fleet.low[:, None])
    for block in (layout.segment, layout.renewable, layout.discharge, layout.hydro, layout.unserved):
        rows.put(demand, block, 1.0)
    for block in (layout.charge, layout.oversupply):
        rows.put(demand, block, -1.0)
    return demand


def _reserve_rows(problem: CommitmentProblem, layout: Layout, rows: Rows) -> Ints:
    if problem.reserve_mw is None:
        return rows.open((0,))
    requirement = rows.open((problem.n_hours,), lower=problem.reserve_mw)
    for block in (layout.reserve, layout.storage_reserve, layout.hydro_reserve, layout.shortfall):
        rows.put(requirement, block, 1.0)
    return requirement
