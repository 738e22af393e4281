"""The same program by HiGHS: reference and fall-back of the active-set method."""

from __future__ import annotations

import highspy
import numpy as np
from scipy.sparse import coo_array, csc_array

from models._kernel.grid.active_set_kkt import reduced_costs, row_values
from models._kernel.grid.active_set_types import AT_LOWER, AT_UPPER, EQUALITY, FREE, IDLE, ON_LOWER, ON_UPPER, Marks, Point, Problem
from models._kernel.grid.network import Floats, GridError

TANGENT_ROUNDS = 60


def matrix_of(problem: Problem) -> csc_array:
    """All rows of a program as one sparse matrix."""
    n_core, n_network = len(problem.element), problem.coupling.shape[0]
    n_static = len(problem.row_lower) - n_network
    columns = np.repeat(np.arange(n_core), np.diff(problem.start))
    injecting = np.flatnonzero(problem.element >= 0)
    dense = problem.coupling[:, problem.element[injecting]]
    at, of = np.nonzero(dense)
    elastic = np.arange(n_network)
    rows = np.concatenate((problem.row, n_static + at, n_static + elastic, n_static + elastic))
    where = np.concatenate((columns, injecting[of], n_core + 2 * elastic, n_core + 2 * elastic + 1))
    values = np.concatenate((problem.value, dense[at, of], np.ones(n_network), -np.ones(n_network)))
    return csc_array(coo_array((values, (rows, where)), shape=(len(problem.row_lower), len(problem.cost))))


def solve_by_highs(problem: Problem, cost: Floats) -> tuple[Point, Marks, Marks]:
    """Optimum by HiGHS, and the working set that its values suggest.

    Raises:
        GridError: HiGHS finds no optimum (the penalties make every case feasible and bounded, so the data are at fault).
    """
    solver = _solver(problem, cost)
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal and (problem.quad > 0.0).any():
        return _by_tangents(problem, cost)
    return _answer(problem, cost, solver)


def _solver(problem: Problem, cost: Floats) -> highspy.Highs:
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("primal_feasibility_tolerance", 1e-9)
    solver.setOptionValue("dual_feasibility_tolerance", 1e-9)
    solver.passModel(_model(problem, cost))
    solver.run()
    return solver


def _answer(problem: Problem, cost: Floats, solver: highspy.Highs) -> tuple[Point, Marks, Marks]:
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise GridError(
            f"no optimum ({solver.modelStatusToString(solver.getModelStatus())}); check costs and limits for values that are not finite"
        )
    solution = solver.getSolution()
    x, y = np.array(solution.col_value), np.array(solution.row_dual)
    point = Point(x, np.empty(len(x)), y, np.empty(len(y)))
    row_values(problem, x, point.a)
    reduced_costs(problem, cost, x, y, point.d)
    return point, *_marks(problem, point)


def _by_tangents(problem: Problem, cost: Floats) -> tuple[Point, Marks, Marks]:
    """Quadratic costs from below by tangents, added where the last optimum lies until they touch (Kelley 1960)."""
    smooth, n, m = np.flatnonzero(problem.quad > 0.0), len(cost), len(problem.row_lower)
    quad = problem.quad[smooth]
    linear = problem._replace(quad=np.zeros(n))
    solver = _solver(linear, cost)
    for k in range(len(smooth)):
        solver.addCol(1.0, 0.0, highspy.kHighsInf, 0, np.zeros(0, dtype=np.int32), np.zeros(0))
        _tangent(solver, n + k, int(smooth[k]), float(quad[k]), float(max(problem.lower[smooth[k]], 0.0)))
    for _ in range(TANGENT_ROUNDS):
        solver.run()
        x = np.array(solver.getSolution().col_value)
        below = np.flatnonzero(quad * x[smooth] ** 2 - x[n:] > 1e-9 * (1.0 + quad * x[smooth] ** 2))
        if not len(below):
            break
        for j in below.tolist():
            _tangent(solver, n + j, int(smooth[j]), float(quad[j]), float(x[smooth[j]]))
    solution = solver.getSolution()
    point = Point(np.array(solution.col_value)[:n], np.empty(n), np.array(solution.row_dual)[:m], np.empty(m))
    row_values(problem, point.x, point.a)
    reduced_costs(problem, cost, point.x, point.y, point.d)
    return point, *_marks(problem, point)


def _tangent(solver: highspy.Highs, height: int, column: int, quad: float, at: float) -> None:
    """Adds height >= 2 quad at x - quad at^2."""
    solver.addRow(-quad * at * at, highspy.kHighsInf, 2, np.array([height, column], dtype=np.int32), np.array([1.0, -2.0 * quad * at]))


def _model(problem: Problem, cost: Floats) -> highspy.HighsModel:
    matrix = matrix_of(problem)
    model = highspy.HighsModel()
    lp = model.lp_
    lp.num_col_, lp.num_row_ = len(cost), len(problem.row_lower)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, problem.lower, problem.upper
    lp.row_lower_, lp.row_upper_ = problem.row_lower, problem.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
    smooth = np.flatnonzero(problem.quad > 0.0)
    if len(smooth):
        model.hessian_.dim_ = len(cost)
        model.hessian_.format_ = highspy.HessianFormat.kTriangular
        model.hessian_.start_ = np.searchsorted(smooth, np.arange(len(cost) + 1))
        model.hessian_.index_, model.hessian_.value_ = smooth, 2.0 * problem.quad[smooth]
    return model


def _marks(problem: Problem, point: Point) -> tuple[Marks, Marks]:
    columns = np.full(len(point.x), FREE, dtype=np.int8)
    near = 1e-7 * (1.0 + np.abs(point.x))
    columns[point.x <= problem.lower + near] = AT_LOWER
    columns[(point.x >= problem.upper - near) & (columns == FREE)] = AT_UPPER
    rows = np.full(len(point.y), IDLE, dtype=np.int8)
    rows[point.y > 1e-7] = ON_LOWER
    rows[point.y < -1e-7] = ON_UPPER
    rows[problem.row_lower == problem.row_upper] = EQUALITY
    return columns, rows
