"""Cutting planes from the hours' need for capacity.

The relaxation covers an hour's demand and reserve with fractions of units. The sum of the balance, the reserve row and every unit's limit
says how much capacity must be on; mixed-integer rounding of that sum (complemented MIR; Marchand and Wolsey, "Aggregation and mixed
integer rounding to solve MIPs", 2001) cuts the fractions off. A solver finds few of these cuts itself: they join one row of every unit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from models._kernel.grid.commitment_highs import Linear, Relaxation
from models._kernel.grid.commitment_matrix import Programme, Rows
from models._kernel.grid.commitment_model import Model
from models._kernel.grid.commitment_rows import climb, next_stop, put_stop
from models._kernel.grid.commitment_types import CommitmentProblem, Flags
from models._kernel.grid.network import Floats, Ints

ROUNDS, CUTS_OF_A_ROW, LEAST_GAIN = 40, 2, 1e-5
DIVISORS = (1.0, 2.0, 3.0, 4.0, 8.0)
LEAST_VIOLATION, LEAST_FRACTION, MOST_FRACTION = 1e-4, 0.01, 0.999


@dataclass(frozen=True)
class Capacity:
    """Rows `matrix` x <= `most` that every commitment keeps: capacity that is on covers demand and reserve; four kinds an hour."""

    matrix: sparse.csr_array
    most: Floats


def capacity_rows(problem: CommitmentProblem, model: Model) -> Capacity:
    """Every hour's need for capacity, with four views of what starts and stops take from a unit's limit.

    Nothing, the hour of the start and of the stop alone, the climb after a start with the next stop, the whole climb. None implies another.
    """
    fleet, layout = model.fleet, model.layout
    hours = problem.n_hours
    need = problem.demand_mw + (0.0 if problem.reserve_mw is None else problem.reserve_mw)
    brief = (fleet.min_up == 1)[:, None]
    lost_start = np.maximum(fleet.cap - fleet.first[:, None], 0.0)
    lost_stop = next_stop(fleet, np.maximum(fleet.cap - fleet.last_held[:, None], 0.0))
    lost_stop = np.where(brief, np.maximum(lost_stop - lost_start, 0.0), lost_stop)
    one = np.zeros_like(fleet.min_up)
    rows = Rows()
    for most, stops in ((None, False), (one, True), (np.maximum(fleet.min_up - 2, 0), True), (fleet.min_up - 1, False)):
        row = rows.open((hours,), upper=-need)
        of_unit = np.broadcast_to(row, fleet.cap.shape)
        rows.put(of_unit, layout.on, -(fleet.low[:, None] + fleet.cap))
        if most is not None:
            climb(fleet, layout, rows, of_unit, most=most)
        if stops:
            put_stop(rows, of_unit, layout.stop, lost_stop)
        for block in _others(model):
            rows.put(row, block, -1.0)
    return Capacity(rows.matrix(len(model.programme.cost)), np.concatenate(rows.upper))


def strengthened(programme: Programme, capacity: Capacity) -> tuple[Programme, Linear]:
    """The programme with the cuts that are tight at its relaxation, and that relaxation, with a dual for each of its rows.

    Every commitment stays feasible.
    """
    whole = np.zeros(len(programme.cost), dtype=bool)
    whole[programme.whole] = True
    relaxation = Relaxation(programme)
    relaxed = relaxation.solve()
    found: list[tuple[Ints, Floats, float]] = []
    for _ in range(ROUNDS):
        fresh = [cut for k in range(len(capacity.most)) for cut in _rounded(programme, whole, _row(capacity, k), relaxed.column)]
        if not fresh:
            break
        for columns, values, most in fresh:
            relaxation.add(columns, values, most)
        found += fresh
        before, relaxed = relaxed, relaxation.solve()
        if relaxed.objective - before.objective < LEAST_GAIN * abs(before.objective):
            break
    own, of_cut = np.split(relaxed.dual, [len(programme.row_lower)])
    tight = [relaxed.column[cut[0]] @ cut[1] > cut[2] - 1e-5 * max(1.0, abs(cut[2])) for cut in found]
    kept = np.flatnonzero(np.array(tight, dtype=bool) | (of_cut != 0.0))
    return _joined(programme, [found[k] for k in kept]), replace(relaxed, dual=np.concatenate([own, of_cut[kept]]))


def _others(model: Model) -> tuple[Ints, ...]:
    """Columns other than units that cover need. What stores draw and what is oversupplied only adds to it."""
    own = model.layout
    return (own.renewable, own.discharge, own.storage_reserve, own.hydro, own.hydro_reserve, own.unserved, own.shortfall)


def _row(capacity: Capacity, k: int) -> tuple[Ints, Floats, float]:
    inside = slice(int(capacity.matrix.indptr[k]), int(capacity.matrix.indptr[k + 1]))
    columns: Ints = capacity.matrix.indices[inside].astype(np.int64)
    values: Floats = capacity.matrix.data[inside]
    return columns, values, float(capacity.most[k])


def _rounded(programme: Programme, whole: Flags, row: tuple[Ints, Floats, float], column: Floats) -> list[tuple[Ints, Floats, float]]:
    """The most violated roundings of one row a x <= b at a point, each as (columns, values, most).

    Columns are counted from their nearer bound, so that they are not negative; then for each divisor d, with f0 the fraction of b / d:
    integers get floor(a / d) + max(0, f - f0) / (1 - f0), others min(0, a / d) / (1 - f0), and the right side is floor(b / d).
    """
    columns, value, most = row
    lower, upper, point, integer = programme.lower[columns], programme.upper[columns], column[columns], whole[columns]
    mirrored = np.isfinite(upper) & (2 * point > lower + upper)
    base = np.where(mirrored, upper, lower)
    most = most - float(value @ base)
    value = np.where(mirrored, -value, value)
    distance = np.abs(point - base)
    steps = np.unique(np.abs(value[integer & (distance > 1e-6)]))
    steps = np.unique(np.divide.outer(steps[steps > 1e-6], DIVISORS))
    fraction = most / steps - np.floor(most / steps)
    steps, fraction = (of[(fraction > LEAST_FRACTION) & (fraction < MOST_FRACTION)] for of in (steps, fraction))
    if not len(steps):
        return []
    scaled = value / steps[:, None]
    floor = np.floor(scaled + 1e-11)
    share = 1.0 - fraction[:, None]
    rounded = np.where(integer, floor + np.maximum(0.0, scaled - floor - fraction[:, None]) / share, np.minimum(0.0, scaled) / share)
    right = np.floor(most / steps)
    violation = (rounded @ distance - right) / np.maximum(np.linalg.norm(rounded, axis=1), 1e-9)
    cuts = []
    for k in np.argsort(-violation, kind="stable")[:CUTS_OF_A_ROW]:
        if violation[k] > LEAST_VIOLATION:
            signed = np.where(mirrored, -rounded[k], rounded[k])
            kept = np.abs(signed) > 1e-9
            cuts.append((columns[kept], signed[kept], float(right[k] + signed @ base) + 1e-9))
    return cuts


def _joined(programme: Programme, cuts: list[tuple[Ints, Floats, float]]) -> Programme:
    rows = Rows()
    for columns, values, most in cuts:
        row = rows.open((1,), upper=most)
        rows.put(row, columns, values)
    if not cuts:
        return programme
    return replace(
        programme,
        matrix=sparse.vstack([programme.matrix, rows.matrix(len(programme.cost))], format="csr"),
        row_lower=np.concatenate([programme.row_lower, *rows.lower]),
        row_upper=np.concatenate([programme.row_upper, *rows.upper]),
    )
