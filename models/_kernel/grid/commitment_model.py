"""The unit-commitment programme: the rows that tie units, stores and hydro to demand and reserve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models._kernel.grid.commitment_fleet import Fleet, build_fleet
from models._kernel.grid.commitment_layout import Layout, lay_out, stack, tall
from models._kernel.grid.commitment_matrix import Columns, Programme, Rows
from models._kernel.grid.commitment_rows import commitment_rows, output_rows
from models._kernel.grid.commitment_types import CommitmentProblem
from models._kernel.grid.network import Ints


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
    fleet = build_fleet(problem)
    columns, rows = Columns(), Rows()
    layout, groups = lay_out(problem, fleet, columns)
    commitment_rows(fleet, layout, rows)
    output_rows(fleet, layout, rows)
    _storage_rows(problem, layout, rows)
    _hydro_rows(problem, layout, rows)
    balance = _balance_rows(problem, fleet, layout, rows)
    requirement = _reserve_rows(problem, layout, rows)
    whole = np.concatenate([layout.on.ravel(), layout.start.ravel(), layout.stop.ravel()])
    return Model(fleet, layout, Programme.of(columns, rows, whole), groups, balance, requirement)


def _storage_rows(problem: CommitmentProblem, layout: Layout, rows: Rows) -> None:
    """Content from hour to hour, the shared converter, and reserve that can be delivered for an hour."""
    stores, hours = problem.storage, problem.n_hours
    gain, loss = tall([s.charge_efficiency for s in stores]), tall([1.0 / s.discharge_efficiency for s in stores])
    before = np.zeros((len(stores), hours))
    before[:, 0] = [s.initial_mwh for s in stores]
    content = rows.open((len(stores), hours), lower=before, upper=before)
    rows.put(content, layout.energy, 1.0)
    rows.put(content[:, 1:], layout.energy[:, :-1], -1.0)
    rows.put(content, layout.charge, -gain)
    rows.put(content, layout.discharge, loss)
    share = rows.open((len(stores), hours), upper=1.0)
    most_in, most_out = tall([s.charge_mw for s in stores]), tall([s.discharge_mw for s in stores])
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
        room = rows.open(layout.hydro.shape, upper=stack([h.maximum_mw for h in plants], problem.n_hours))
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
