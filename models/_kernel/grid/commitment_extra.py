"""What it costs at least to decide one switch of one unit: the price of a wrong start.

At the duals of the relaxation the rows that join units (balance, reserve, cuts) can be priced into the costs, and what is left falls apart
into one small programme a unit (Lagrangian relaxation; Geoffrion, "Lagrangean relaxation for integer programming", 1974). Its optimum with
a switch held at 0 or 1, less its optimum, is what every commitment with that switch costs above the relaxation, at least. Reduced costs
say as much of a column, but share the price of a run among its hours. A unit's programme prices the whole run and settles far more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models._kernel.grid.commitment_highs import Held, Linear
from models._kernel.grid.commitment_matrix import Programme
from models._kernel.grid.commitment_model import Model
from models._kernel.grid.network import Floats, Ints

NOT_THERE = 1e-9


def owners(model: Model) -> Ints:
    """Position of the unit that each column of a model belongs to, -1 for columns of none."""
    layout, fleet = model.layout, model.fleet
    owner = np.full(len(model.programme.cost), -1, dtype=np.int64)
    unit = np.arange(len(layout.on))[:, None]
    for block in (layout.on, layout.start, layout.stop):
        owner[block] = unit
    if layout.reserve.size:
        owner[layout.reserve] = unit
    owner[layout.segment] = fleet.segments.unit[:, None]
    owner[layout.arc] = fleet.arcs.unit
    return owner


def extra_costs(programme: Programme, relaxed: Linear, owner: Ints, asked: Ints, ceiling: float) -> Floats:
    """Least cost above the relaxation of holding binaries at 0 and at 1.

    Args:
        programme: the programme, cuts included.
        relaxed: the optimum of its relaxation, with a dual for each row.
        owner: unit of each column, -1 for none.
        asked: columns to price.
        ceiling: cost above which it does not matter how much more it is.

    Returns:
        Shape (2, columns of the programme): of 0 and of 1; inf where the unit cannot, 0 for columns that were not asked.
    """
    matrix = programme.matrix
    mine = _single(programme, owner)
    priced = programme.cost - matrix.T @ np.where(mine >= 0, 0.0, relaxed.dual)
    extra = np.zeros((2, len(programme.cost)))
    rows, columns = _grouped(mine), _grouped(owner)
    inside = np.zeros(len(programme.cost), dtype=bool)
    inside[asked] = (programme.lower < programme.upper)[asked]
    for unit, own in columns.items():
        open_ = np.flatnonzero(inside[own])
        if not len(open_):
            continue
        row = rows.get(unit, np.zeros(0, dtype=np.int64))
        part = replace(
            programme,
            cost=priced[own],
            lower=programme.lower[own],
            upper=programme.upper[own],
            matrix=matrix[row][:, own].tocsr(),
            row_lower=programme.row_lower[row],
            row_upper=programme.row_upper[row],
            whole=np.zeros(0, dtype=np.int64),
        )
        extra[:, own[open_]] = _of_unit(Held(part), open_, ceiling)
    return extra


def _of_unit(held: Held, columns: Ints, ceiling: float) -> Floats:
    """Extra cost of 0 and of 1 in the programme of a unit, shape (2, columns)."""
    best = held.best
    extra = np.zeros((2, len(columns)))
    for k, column in enumerate(columns.tolist()):
        value, reduced = best.column[column], best.reduced[column]
        for side in (0, 1):
            distance = abs(value - side)
            if distance <= NOT_THERE:
                continue
            known = abs(reduced) * distance
            extra[side, k] = known if known > ceiling else max(held.at(column, float(side)) - best.objective, 0.0)
    return extra


def _single(programme: Programme, owner: Ints) -> Ints:
    """Unit of the rows that hold columns of one unit and of nothing else, -1 for the others."""
    matrix = programme.matrix
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    unit = owner[matrix.indices]
    least = np.full(matrix.shape[0], np.iinfo(np.int64).max)
    most = np.full(matrix.shape[0], -1, dtype=np.int64)
    np.minimum.at(least, row, unit)
    np.maximum.at(most, row, unit)
    return np.where(least == most, most, -1)


def _grouped(key: Ints) -> dict[int, Ints]:
    """Positions of each key that is not negative."""
    order = np.argsort(key, kind="stable")
    order = order[key[order] >= 0]
    names, begin = np.unique(key[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, begin[1:]), strict=True)) if len(names) else {}
