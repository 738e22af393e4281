"""The same program by HiGHS: reference and fall-back of the active-set method."""

from __future__ import annotations

from collections.abc import Iterator

import highspy
import numpy as np
from scipy.sparse import coo_array, csc_array

from models._kernel.grid.active_set_kkt import reduced_costs, row_values
from models._kernel.grid.active_set_types import AT_LOWER, AT_UPPER, EQUALITY, FREE, IDLE, ON_LOWER, ON_UPPER, Marks, Point, Problem
from models._kernel.grid.network import Floats, GridError

TANGENT_ROUNDS = 60
Answer = tuple[Point, Marks, Marks]


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


def reference_answers(problem: Problem, cost: Floats) -> Iterator[Answer]:
    """Optima by HiGHS with the working sets that their values suggest, from the quickest way to the most robust.

    Nothing is known of how exact they are: the caller checks each, and asks for the next where one does not do.

    Raises:
        GridError: HiGHS finds no optimum in any way (the penalties make every case feasible and bounded, so the data are at fault).
    """
    answered = False
    direct = _direct(problem, cost)
    if isinstance(direct, tuple):
        answered = True
        yield direct
    if not (problem.quad > 0.0).any():
        by_tangents: Answer | str = direct
    else:
        by_tangents = _by_tangents(problem, cost)
        if isinstance(by_tangents, tuple):
            answered = True
            yield by_tangents
    if not answered:
        raise GridError(f"no optimum ({direct}; by tangents: {by_tangents}); check costs and limits for values that are not finite")


def solver_of(problem: Problem, cost: Floats) -> highspy.Highs:
    """HiGHS with the program, one thread, tight tolerances; not run yet."""
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("primal_feasibility_tolerance", 1e-9)
    solver.setOptionValue("dual_feasibility_tolerance", 1e-9)
    solver.passModel(_model(problem, cost))
    return solver


def status_of(solver: highspy.Highs) -> str | None:
    """None for an optimum, else what HiGHS says."""
    status = solver.getModelStatus()
    return None if status == highspy.HighsModelStatus.kOptimal else str(solver.modelStatusToString(status))


def _direct(problem: Problem, cost: Floats) -> Answer | str:
    """The program as it is; a status where that finds no optimum."""
    solver = solver_of(problem, cost)
    solver.run()
    return status_of(solver) or answer_of(problem, cost, solver)


def answer_of(problem: Problem, cost: Floats, solver: highspy.Highs) -> Answer:
    """The optimum that HiGHS has found; values for further columns and rows are left out."""
    solution, n, m = solver.getSolution(), len(cost), len(problem.row_lower)
    point = Point(np.array(solution.col_value)[:n], np.empty(n), np.array(solution.row_dual)[:m], np.empty(m))
    row_values(problem, point.x, point.a)
    reduced_costs(problem, cost, point.x, point.y, point.d)
    return point, *_marks(problem, point)


def _by_tangents(problem: Problem, cost: Floats) -> Answer | str:
    """Quadratic costs from below by tangents, added where the last optimum lies until they touch (Kelley 1960).

    A status where a program in between has no optimum. Where the rounds run out the last point is given: it keeps all limits, and its
    residual says how far from optimal it is.
    """
    smooth, n = np.flatnonzero(problem.quad > 0.0), len(cost)
    quad = problem.quad[smooth]
    solver = solver_of(problem._replace(quad=np.zeros(n)), cost)
    for k in range(len(smooth)):
        solver.addCol(1.0, 0.0, highspy.kHighsInf, 0, np.zeros(0, dtype=np.int32), np.zeros(0))
        _tangent(solver, n + k, int(smooth[k]), float(quad[k]), float(max(problem.lower[smooth[k]], 0.0)))
    for count in range(TANGENT_ROUNDS):
        solver.run()
        failed = status_of(solver)
        if failed:
            return failed
        x = np.array(solver.getSolution().col_value)
        below = np.flatnonzero(quad * x[smooth] ** 2 - x[n:] > 1e-9 * (1.0 + quad * x[smooth] ** 2))
        if not len(below) or count + 1 == TANGENT_ROUNDS:
            break
        for j in below.tolist():
            _tangent(solver, n + j, int(smooth[j]), float(quad[j]), float(x[smooth[j]]))
    return answer_of(problem, cost, solver)


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
