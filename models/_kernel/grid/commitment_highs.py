"""A programme handed to HiGHS: linear over a box, or with branch and bound. One thread, no clock, so equal calls give equal answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models._kernel.grid.commitment_matrix import Programme
from models._kernel.grid.network import Floats, GridError, Ints


@dataclass(frozen=True)
class Linear:
    """Optimum of a linear programme: value, columns, reduced costs and row duals."""

    objective: float
    column: Floats
    reduced: Floats
    dual: Floats


@dataclass(frozen=True)
class Tree:
    """What branch and bound found: None for `column` when nothing feasible turned up; `bound` is inf where the box holds no solution."""

    objective: float
    bound: float
    column: Floats | None
    nodes: int


def linear(programme: Programme, lower: Floats, upper: Floats) -> Linear | None:
    """Optimum over lower <= x <= upper with no column integer; None when infeasible.

    Raises:
        GridError: the programme is unbounded or the solver failed.
    """
    return _optimum(_solver(programme, lower, upper, whole=False))


class Relaxation:
    """A programme's linear relaxation that grows row by row and is solved again from its last basis."""

    def __init__(self, programme: Programme) -> None:
        """Take a feasible programme."""
        self._highs = _solver(programme, programme.lower, programme.upper, whole=False)

    def add(self, columns: Ints, values: Floats, most: float) -> None:
        """One more row: values x[columns] <= most."""
        self._highs.addRow(-np.inf, most, len(columns), columns.astype(np.int32), values)

    def solve(self) -> Linear:
        """The optimum.

        Raises:
            GridError: infeasible, unbounded, or the solver failed.
        """
        answer = _optimum(self._highs)
        if answer is None:
            raise GridError("the relaxation became infeasible; the rows added exclude every commitment")
        return answer


class Held:
    """A linear programme that is solved once, and then again and again with one column held, each time from the last basis.

    Attributes:
        best: its optimum.
    """

    def __init__(self, programme: Programme) -> None:
        """Take a programme.

        Raises:
            GridError: infeasible, unbounded, or the solver failed.
        """
        self._lower, self._upper = programme.lower, programme.upper
        self._highs = _solver(programme, programme.lower, programme.upper, whole=False)
        self._highs.setOptionValue("presolve", "off")
        best = _optimum(self._highs)
        if best is None:
            raise GridError("a part of the relaxation is infeasible while the whole is not; limits are at odds within tolerances")
        self.best = best

    def at(self, column: int, value: float) -> float:
        """Optimum with a column held at a value, inf where there is none."""
        self._highs.changeColBounds(column, value, value)
        answer = _optimum(self._highs)
        self._highs.changeColBounds(column, self._lower[column], self._upper[column])
        return np.inf if answer is None else answer.objective


def _optimum(highs: Any) -> Linear | None:
    highs.run()
    status = highs.modelStatusToString(highs.getModelStatus())
    if status in {"Infeasible", "Primal infeasible or unbounded"}:
        return None
    if status != "Optimal":
        raise GridError(f"linear relaxation ended as {status!r}; check costs and limits for values beyond 1e9 or not finite")
    answer = highs.getSolution()
    return Linear(
        float(highs.getInfo().objective_function_value),
        np.asarray(answer.col_value),
        np.asarray(answer.col_dual),
        np.asarray(answer.row_dual),
    )


def tree(
    programme: Programme,
    lower: Floats,
    upper: Floats,
    *,
    relative_gap: float,
    node_limit: int | None = None,
    time_limit: float | None = None,
    start: Floats | None = None,
    options: dict[str, Any] | None = None,
) -> Tree:
    """Branch and bound over lower <= x <= upper down to a relative gap, from a feasible point if given."""
    highs = _solver(programme, lower, upper, whole=True)
    settings: dict[str, Any] = {"mip_rel_gap": relative_gap, "mip_abs_gap": 1e-6, **(options or {})}
    if node_limit is not None:
        settings["mip_max_nodes"] = node_limit
    if time_limit is not None:
        settings["time_limit"] = time_limit
    for name, value in settings.items():
        highs.setOptionValue(name, value)
    if start is not None:
        _give(highs, start)
    highs.run()
    info = highs.getInfo()
    status = highs.modelStatusToString(highs.getModelStatus())
    if status == "Infeasible":
        return Tree(np.inf, np.inf, None, max(int(info.mip_node_count), 0))
    found = np.asarray(highs.getSolution().col_value) if np.isfinite(info.objective_function_value) else None
    return Tree(float(info.objective_function_value), float(info.mip_dual_bound), found, max(int(info.mip_node_count), 0))


def _solver(programme: Programme, lower: Floats, upper: Floats, *, whole: bool) -> Any:
    import highspy

    matrix = programme.matrix
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = matrix.shape
    model.col_cost_, model.col_lower_, model.col_upper_ = programme.cost, lower, upper
    model.row_lower_, model.row_upper_ = programme.row_lower, programme.row_upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
    if whole:
        kinds = [highspy.HighsVarType.kContinuous] * len(programme.cost)
        for column in programme.whole.tolist():
            kinds[column] = highspy.HighsVarType.kInteger
        model.integrality_ = kinds
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    highs.passModel(model)
    return highs


def _give(highs: Any, column: Floats) -> None:
    import highspy

    point = highspy.HighsSolution()
    point.col_value = column.tolist()
    point.value_valid = True
    highs.setSolution(point)
