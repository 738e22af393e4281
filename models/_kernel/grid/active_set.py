"""Parametric active-set method for separable convex programs with bounds: the next optimum from the last working set.

Solve the optimality system of the given working set for the true data. Where the answer breaks a bound or a sign, shift the data until it
is optimal, then walk the shift off: along the way one constraint at a time enters or leaves, with an exchange where the system would turn
singular. Without quadratic costs the steps are those of the parametric simplex method. Method: Ferreau, Bock & Diehl, "An online active
set strategy to overcome the limitations of explicit MPC", Int. J. Robust Nonlinear Control 18 (2008); shifts in place of the last data.
"""

from __future__ import annotations

import numpy as np

from models._kernel.grid.active_set_kkt import factorise, solve_system
from models._kernel.grid.active_set_ratio import COLUMN_IN, COLUMN_OUT, ROW_IN, ROW_OUT, blocking_dual, blocking_primal, first_event
from models._kernel.grid.active_set_types import (
    AT_LOWER,
    AT_UPPER,
    EQUALITY,
    FREE,
    IDLE,
    ON_LOWER,
    ON_UPPER,
    Basis,
    Data,
    Marks,
    Point,
    Problem,
    Shift,
    compiled,
    inner,
    largest,
)
from models._kernel.grid.network import Floats

SINGULAR, BLOCKED, EXHAUSTED, STALLED, NOT_FINITE = -1, -2, -3, -4, -5
STALL, TIES, RESTARTS = 40, 4, 12
"""Steps without progress that count as cycling: some, and a share of the columns, since thousands of units have many equal prices."""
CURVATURE, RESPONSE = 1e-9, 1e-8


@compiled
def empty_point(n_columns: int, n_rows: int) -> Point:
    """A point of zeros."""
    return Point(np.zeros(n_columns), np.zeros(n_columns), np.zeros(n_rows), np.zeros(n_rows))


@inner
def solve_true(problem: Problem, columns: Marks, rows: Marks, cost: Floats, basis: Basis, out: Point) -> None:
    """The point of a working set for the true data."""
    at = np.zeros(len(columns))
    for j in range(len(columns)):
        at[j] = problem.upper[j] if columns[j] == AT_UPPER else problem.lower[j]
    target = np.zeros(len(rows))
    for i in range(len(rows)):
        target[i] = problem.row_upper[i] if rows[i] == ON_UPPER else problem.row_lower[i]
    solve_system(problem, basis, columns, rows, Data(cost, at, target, np.zeros(len(rows))), out)


@inner
def shift_to_optimal(  # noqa: C901 - one rule over all constraints, kept in one pass
    problem: Problem, columns: Marks, rows: Marks, point: Point, tolerances: tuple[float, float]
) -> tuple[Shift, bool]:
    """True data minus the nearest data for which the point is optimal; and whether anything had to move."""
    n, m = len(columns), len(rows)
    shift = Shift(np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(m), np.zeros(m), np.zeros(m))
    tolerance_x, tolerance_d = tolerances
    moved = False
    for j in range(n):
        below, above = problem.lower[j] - point.x[j], point.x[j] - problem.upper[j]
        fixed = problem.upper[j] - problem.lower[j] <= 0.0
        if columns[j] == FREE:
            if below > tolerance_x:
                shift.lower[j], moved = below, True
            if above > tolerance_x:
                shift.upper[j], moved = -above, True
        elif not fixed and (point.d[j] < -tolerance_d if columns[j] == AT_LOWER else point.d[j] > tolerance_d):
            shift.cost[j], moved = point.d[j], True
            point.d[j] = 0.0
    for i in range(m):
        below, above = problem.row_lower[i] - point.a[i], point.a[i] - problem.row_upper[i]
        if rows[i] == IDLE:
            if below > tolerance_x:
                shift.row_lower[i], moved = below, True
            if above > tolerance_x:
                shift.row_upper[i], moved = -above, True
        elif (rows[i] == ON_LOWER and point.y[i] < -tolerance_d) or (rows[i] == ON_UPPER and point.y[i] > tolerance_d):
            shift.idle[i], moved = -point.y[i], True
    return shift, moved


@inner
def _direction(problem: Problem, basis: Basis, columns: Marks, rows: Marks, shift: Shift, out: Point) -> None:
    at, target = np.zeros(len(columns)), np.zeros(len(rows))
    for j in range(len(columns)):
        at[j] = shift.upper[j] if columns[j] == AT_UPPER else shift.lower[j]
    for i in range(len(rows)):
        if rows[i] == ON_UPPER:
            target[i] = shift.row_upper[i]
        elif rows[i] == ON_LOWER:
            target[i] = shift.row_lower[i]
    solve_system(problem, basis, columns, rows, Data(shift.cost, at, target, shift.idle), out)


@inner
def _advance(point: Point, step: float, direction: Point) -> None:
    for j in range(len(point.x)):
        point.x[j] += step * direction.x[j]
        point.d[j] += step * direction.d[j]
    for i in range(len(point.y)):
        point.y[i] += step * direction.y[i]
        point.a[i] += step * direction.a[i]


@inner
def _probe(problem: Problem, basis: Basis, columns: Marks, rows: Marks, event: tuple[int, int, int], out: Point) -> float:
    """Response to a unit move of one constraint: how much the system yields along it (0: the change would make it singular)."""
    kind, index, side = event
    sign = 1.0 if side == AT_LOWER else -1.0
    n, m = len(columns), len(rows)
    data = Data(np.zeros(n), np.zeros(n), np.zeros(m), np.zeros(m))
    if kind == COLUMN_OUT:
        data.cost[index] = -sign
        solve_system(problem, basis, columns, rows, data, out)
        out.d[index] = sign
        return float(out.x[index] * sign)
    if kind == ROW_IN:
        data.idle[index] = sign
        solve_system(problem, basis, columns, rows, data, out)
        return float(out.a[index] * sign)
    if kind == COLUMN_IN:
        data.at[index] = sign
        solve_system(problem, basis, columns, rows, data, out)
        return float(out.d[index] * sign)
    data.row[index] = sign
    solve_system(problem, basis, columns, rows, data, out)
    return float(out.y[index] * sign)


@inner
def _mark(columns: Marks, rows: Marks, event: tuple[int, int, int]) -> None:
    kind, index, side = event
    if kind == COLUMN_OUT:
        columns[index] = side
    elif kind == ROW_IN:
        rows[index] = ON_LOWER if side == AT_LOWER else ON_UPPER
    elif kind == COLUMN_IN:
        columns[index] = FREE
    else:
        rows[index] = IDLE


@inner
def _noise(problem: Problem, basis: Basis, event: tuple[int, int, int], probe: Point) -> float:
    """Responses up to this cannot be told from zero: rounding scales with what the free columns yield per unit of price."""
    if event[0] == COLUMN_IN or event[0] == ROW_OUT:
        return CURVATURE * (1.0 + largest(probe.y))
    softest = 1.0
    for f in range(basis.n_linear, len(basis.free)):
        softest = max(softest, 0.5 / problem.quad[basis.free[f]])
    return RESPONSE * softest + CURVATURE * largest(probe.x)


@inner
def _exchange(
    problem: Problem,
    basis: Basis,
    marks: tuple[Marks, Marks],
    event: tuple[int, int, int],
    bounds: tuple[Point, Shift, float],
    probe: Point,
) -> bool:
    """Carries out an event; where the system would turn singular, another constraint leaves or enters in its place."""
    point, shift, rest = bounds
    columns, rows = marks
    still = (point, shift, rest, 0.0)
    response = _probe(problem, basis, columns, rows, event, probe)
    yields = response > _noise(problem, basis, event, probe)
    if yields:
        _mark(columns, rows, event)
        return True
    if event[0] == COLUMN_OUT or event[0] == ROW_IN:
        other, step = blocking_dual(problem, marks, still, probe)
        if other[0] < 0:
            return False
        for j in range(len(point.d)):
            point.d[j] += step * probe.d[j]
        for i in range(len(point.y)):
            point.y[i] += step * probe.y[i]
    else:
        other, step = blocking_primal(problem, marks, still, probe, (event[1], -1) if event[0] == COLUMN_IN else (-1, event[1]))
        if other[0] < 0:
            return False
        for j in range(len(point.x)):
            point.x[j] += step * probe.x[j]
        for i in range(len(point.a)):
            point.a[i] += step * probe.a[i]
    _mark(columns, rows, event)
    _mark(columns, rows, other)
    return True


@inner
def _walk(problem: Problem, columns: Marks, rows: Marks, bounds: tuple[Point, Shift, Basis], limit: int) -> int:
    """Walks the shift off; pivots done, or a negative reason."""
    point, shift, basis = bounds
    n, m = len(columns), len(rows)
    direction, probe = empty_point(n, m), empty_point(n, m)
    done, pivots, idle_steps = 0.0, 0, 0
    while True:
        _direction(problem, basis, columns, rows, shift, direction)
        event, step = first_event(problem, (columns, rows), (point, shift, 1.0 - done, 1.0), direction)
        if event[0] < 0 or step >= 1.0 - done:
            _advance(point, 1.0 - done, direction)
            return pivots
        _advance(point, step, direction)
        done += step
        pivots += 1
        if pivots > limit:
            return EXHAUSTED
        if not _exchange(problem, basis, (columns, rows), event, (point, shift, 1.0 - done), probe):
            return BLOCKED
        basis = factorise(problem, columns, rows)
        if basis.fault >= 0:
            return SINGULAR
        idle_steps = idle_steps + 1 if step < 1e-13 else 0
        if idle_steps > STALL + n // TIES:
            return STALLED


@inner
def _free_one(problem: Problem, columns: Marks, row: int) -> bool:
    """Frees the first column that can move an equality; False when all that could are free already."""
    for j in range(len(problem.element)):
        if columns[j] != FREE and problem.upper[j] > problem.lower[j]:
            for t in range(problem.start[j], problem.start[j + 1]):
                if problem.row[t] == row and problem.value[t] != 0.0:
                    columns[j] = FREE
                    return True
    return False


@inner
def _regular(problem: Problem, columns: Marks, rows: Marks) -> Basis:
    """The factorised working set; constraints and columns on which it is singular are taken out first."""
    basis = factorise(problem, columns, rows)
    while basis.fault >= 0:
        if basis.fault < len(basis.rows):
            row = basis.rows[basis.fault]
            if rows[row] != EQUALITY:
                rows[row] = IDLE
            elif not _free_one(problem, columns, row):
                break
        else:
            column = basis.free[basis.fault - len(basis.rows)]
            if problem.lower[column] == -np.inf and problem.upper[column] == np.inf:
                break
            columns[column] = AT_LOWER if problem.lower[column] > -np.inf else AT_UPPER
        basis = factorise(problem, columns, rows)
    return basis


@inner
def _tidy(problem: Problem, columns: Marks, rows: Marks) -> None:
    """Nothing stands at a bound that is not there (any more), and equalities are always active."""
    for j in range(len(columns)):
        if columns[j] == AT_LOWER and problem.lower[j] == -np.inf:
            columns[j] = AT_UPPER
        if columns[j] == AT_UPPER and problem.upper[j] == np.inf:
            columns[j] = FREE if problem.lower[j] == -np.inf else AT_LOWER
    for i in range(len(rows)):
        if problem.row_lower[i] == problem.row_upper[i]:
            rows[i] = EQUALITY
        elif (
            rows[i] == EQUALITY
            or (rows[i] == ON_LOWER and problem.row_lower[i] == -np.inf)
            or (rows[i] == ON_UPPER and problem.row_upper[i] == np.inf)
        ):
            rows[i] = IDLE


@inner
def _finite(point: Point) -> bool:
    for values in (point.x, point.d, point.y, point.a):
        for value in values:
            if not np.isfinite(value):
                return False
    return True


@compiled
def settle(
    problem: Problem, columns: Marks, rows: Marks, costs: tuple[Floats, Floats], point: Point, limits: tuple[float, float, int]
) -> int:
    """Moves the working set to the optimal one and fills in its point for the true data.

    Args:
        problem: bounds and coefficients; the cost used while walking is `costs[0]`.
        columns: working set of columns, changed in place.
        rows: working set of rows, changed in place.
        costs: costs with ties broken by tiny fixed offsets, true costs.
        point: filled in.
        limits: tolerance in MW, tolerance in price, pivots allowed.

    Returns:
        Pivots done, or SINGULAR, BLOCKED, EXHAUSTED, STALLED, NOT_FINITE.
    """
    total, attempts = 0, 0
    _tidy(problem, columns, rows)
    while total <= limits[2]:
        basis = _regular(problem, columns, rows)
        if basis.fault >= 0:
            return SINGULAR
        solve_true(problem, columns, rows, costs[0], basis, point)
        attempts += 1
        strict = 0.01 if attempts <= 2 else 1.0
        tolerances = (limits[0] * strict, limits[1] * strict)
        shift, moved = shift_to_optimal(problem, columns, rows, point, tolerances)
        if not _finite(point):
            return NOT_FINITE
        if not moved:
            solve_true(problem, columns, rows, costs[1], basis, point)
            return total if _finite(point) else NOT_FINITE
        pivots = _walk(problem, columns, rows, (point, shift, basis), limits[2] - total)
        if pivots < 0 and attempts > RESTARTS:
            return pivots
        total += max(pivots, 0) + 1
    return EXHAUSTED
