"""Products and solves of the active-set method, compiled."""

from __future__ import annotations

import numpy as np

from models._kernel.grid.active_set_types import FREE, IDLE, Basis, Data, Marks, Point, Problem, compiled, inner
from models._kernel.grid.network import Floats, Ints

SMALLEST_PIVOT = 1e-10


@compiled
def row_values(problem: Problem, x: Floats, out: Floats) -> None:
    """A x for all rows."""
    n_core, n_network, n_elements = len(problem.element), problem.coupling.shape[0], problem.coupling.shape[1]
    n_static = len(out) - n_network
    injected = np.zeros(n_elements)
    out[:] = 0.0
    for j in range(n_core):
        if x[j] != 0.0:
            for t in range(problem.start[j], problem.start[j + 1]):
                out[problem.row[t]] += problem.value[t] * x[j]
            if problem.element[j] >= 0:
                injected[problem.element[j]] += x[j]
    for k in range(n_network):
        total = x[n_core + 2 * k] - x[n_core + 2 * k + 1]
        for e in range(n_elements):
            total += problem.coupling[k, e] * injected[e]
        out[n_static + k] = total


@compiled
def reduced_costs(problem: Problem, cost: Floats, x: Floats, y: Floats, out: Floats) -> None:
    """Cost + 2 quad x - A'y for all columns."""
    n_core, n_network, n_elements = len(problem.element), problem.coupling.shape[0], problem.coupling.shape[1]
    n_static = len(y) - n_network
    worth = np.zeros(n_elements)
    for k in range(n_network):
        mu = y[n_static + k]
        out[n_core + 2 * k] = cost[n_core + 2 * k] - mu
        out[n_core + 2 * k + 1] = cost[n_core + 2 * k + 1] + mu
        if mu != 0.0:
            for e in range(n_elements):
                worth[e] += mu * problem.coupling[k, e]
    for j in range(n_core):
        total = cost[j] + 2.0 * problem.quad[j] * x[j]
        for t in range(problem.start[j], problem.start[j + 1]):
            total -= problem.value[t] * y[problem.row[t]]
        if problem.element[j] >= 0:
            total -= worth[problem.element[j]]
        out[j] = total


@inner
def factorise(problem: Problem, columns: Marks, rows: Marks) -> Basis:
    """The optimality system of a working set; element order is by position, so that equal sets give equal bits."""
    active = _active_rows(rows)
    order, n_linear = _free_columns(problem, columns)
    matrix = _submatrix(problem, active, order, len(rows))
    n_active = len(active)
    size = n_active + n_linear
    system = np.zeros((size, size))
    for f in range(len(order)):
        if f < n_linear:
            for r in range(n_active):
                system[r, n_active + f] = matrix[r, f]
                system[n_active + f, r] = matrix[r, f]
        else:
            weight = 0.5 / problem.quad[order[f]]
            for r in range(n_active):
                if matrix[r, f] != 0.0:
                    scaled = weight * matrix[r, f]
                    for s in range(n_active):
                        system[r, s] += scaled * matrix[s, f]
    pivots = np.empty(size, dtype=np.int64)
    return Basis(active, order, n_linear, matrix, system, pivots, _lu(system, pivots))


@inner
def _active_rows(rows: Marks) -> Ints:
    found, n = np.empty(len(rows), dtype=np.int64), 0
    for i in range(len(rows)):
        if rows[i] != IDLE:
            found[n] = i
            n += 1
    return found[:n]


@inner
def _free_columns(problem: Problem, columns: Marks) -> tuple[Ints, int]:
    """Free columns, those without quadratic cost first, and how many these are."""
    found, n, n_linear = np.empty(len(columns), dtype=np.int64), 0, 0
    for smooth in range(2):
        for j in range(len(columns)):
            if columns[j] == FREE and (problem.quad[j] > 0.0) == (smooth == 1):
                found[n] = j
                n += 1
        if smooth == 0:
            n_linear = n
    return found[:n], n_linear


@inner
def _places(active: Ints, n_rows: int) -> Ints:
    """Position of each row among the active ones, -1 for others."""
    place = np.empty(n_rows, dtype=np.int64)
    for i in range(n_rows):
        place[i] = -1
    for r in range(len(active)):
        place[active[r]] = r
    return place


@inner
def _submatrix(problem: Problem, active: Ints, free: Ints, n_rows: int) -> Floats:
    n_core, n_static = len(problem.element), n_rows - problem.coupling.shape[0]
    place = _places(active, n_rows)
    matrix = np.zeros((len(active), len(free)))
    for f in range(len(free)):
        j = free[f]
        if j >= n_core:
            slot = n_static + (j - n_core) // 2
            if place[slot] >= 0:
                matrix[place[slot], f] = 1.0 - 2.0 * ((j - n_core) % 2)
            continue
        for t in range(problem.start[j], problem.start[j + 1]):
            if place[problem.row[t]] >= 0:
                matrix[place[problem.row[t]], f] += problem.value[t]
        if problem.element[j] >= 0:
            for r in range(len(active)):
                if active[r] >= n_static:
                    matrix[r, f] = problem.coupling[active[r] - n_static, problem.element[j]]
    return matrix


@inner
def _lu(a: Floats, pivots: Ints) -> int:
    """LU in place with row exchanges; -1, or the position of a vanishing pivot."""
    size = a.shape[0]
    for k in range(size):
        best = k
        for i in range(k + 1, size):
            if abs(a[i, k]) > abs(a[best, k]):
                best = i
        pivots[k] = best
        if abs(a[best, k]) < SMALLEST_PIVOT:
            return k
        if best != k:
            for j in range(size):
                a[k, j], a[best, j] = a[best, j], a[k, j]
        for i in range(k + 1, size):
            if a[i, k] != 0.0:
                a[i, k] /= a[k, k]
                ratio = a[i, k]
                for j in range(k + 1, size):
                    a[i, j] -= ratio * a[k, j]
    return -1


@inner
def _lu_solve(a: Floats, pivots: Ints, b: Floats) -> None:
    size = a.shape[0]
    for k in range(size):
        if pivots[k] != k:
            b[k], b[pivots[k]] = b[pivots[k]], b[k]
    for i in range(size):
        for j in range(i):
            b[i] -= a[i, j] * b[j]
    for i in range(size - 1, -1, -1):
        for j in range(i + 1, size):
            b[i] -= a[i, j] * b[j]
        b[i] /= a[i, i]


@inner
def solve_system(problem: Problem, basis: Basis, columns: Marks, rows: Marks, data: Data, out: Point) -> None:  # noqa: C901 - one pass over the reduced system
    """The point that meets the working set's equations: linear in `data`, so also the direction for changes of the data."""
    n_active, n_linear = len(basis.rows), basis.n_linear
    for j in range(len(columns)):
        out.x[j] = 0.0 if columns[j] == FREE else data.at[j]
    row_values(problem, out.x, out.a)
    for i in range(len(rows)):
        out.y[i] = data.idle[i] if rows[i] == IDLE else 0.0
    reduced_costs(problem, data.cost, out.x, out.y, out.d)
    unknown = np.empty(n_active + n_linear)
    for r in range(n_active):
        unknown[r] = data.row[basis.rows[r]] - out.a[basis.rows[r]]
    for f in range(n_linear, len(basis.free)):
        free_value = -out.d[basis.free[f]] * 0.5 / problem.quad[basis.free[f]]
        for r in range(n_active):
            unknown[r] -= basis.matrix[r, f] * free_value
    for f in range(n_linear):
        unknown[n_active + f] = out.d[basis.free[f]]
    _lu_solve(basis.factor, basis.pivots, unknown)
    for r in range(n_active):
        out.y[basis.rows[r]] = unknown[r]
    for f in range(len(basis.free)):
        j = basis.free[f]
        if f < n_linear:
            out.x[j] = unknown[n_active + f]
        else:
            total = -out.d[j]
            for r in range(n_active):
                total += basis.matrix[r, f] * unknown[r]
            out.x[j] = total * 0.5 / problem.quad[j]
    row_values(problem, out.x, out.a)
    reduced_costs(problem, data.cost, out.x, out.y, out.d)
