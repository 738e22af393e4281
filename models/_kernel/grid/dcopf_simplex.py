"""Large linear programs by HiGHS' simplex method, started from the last optimum's basis."""

from __future__ import annotations

import highspy
import numpy as np

from models._kernel.grid.active_set_types import Problem
from models._kernel.grid.dcopf_reference import Answer, answer_of, solver_of, status_of
from models._kernel.grid.topology import Flags


class HotSimplex:
    """Keeps the basis between solves: bounds, costs and new limits change it by few exchanges.

    The active set factorises dense systems of the binding rules, which is quick for hundreds of them; with thousands of generators that
    hold reserve the sparse factors of a simplex code are quicker.
    """

    def __init__(self) -> None:
        """Without a basis: the first solve is cold."""
        self._columns: list[highspy.HighsBasisStatus] = []
        self._rows: list[highspy.HighsBasisStatus] = []

    def forget(self) -> None:
        """The next solve is cold."""
        self._columns, self._rows = [], []

    def keep(self, mask: Flags, n_columns: int, n_rows: int) -> None:
        """Drops limits: after the given columns and rows, each has two columns and one row; those kept are marked."""
        if len(self._rows) != n_rows + len(mask):
            self.forget()
        else:
            places = np.flatnonzero(np.repeat(mask, 2)).tolist()
            self._columns = self._columns[:n_columns] + [self._columns[n_columns + k] for k in places]
            self._rows = self._rows[:n_rows] + [self._rows[n_rows + k] for k in np.flatnonzero(mask).tolist()]

    def solve(self, problem: Problem) -> tuple[Answer | None, int]:
        """Optimum of a program without quadratic costs, and exchanges made; None where HiGHS finds none. The caller checks its residual.

        Columns and rows may have been added at the end since the last solve.
        """
        solver = solver_of(problem, problem.cost)
        if self._rows:
            solver.setBasis(self._extended(len(problem.cost), len(problem.row_lower)))
        solver.run()
        if status_of(solver):
            self.forget()
            return None, 0
        basis = solver.getBasis()
        self._columns, self._rows = list(basis.col_status), list(basis.row_status)
        return answer_of(problem, problem.cost, solver), int(solver.getInfo().simplex_iteration_count)

    def _extended(self, n_columns: int, n_rows: int) -> highspy.HighsBasis:
        """The last basis with new limits idle; HiGHS mends what does not fit."""
        basis = highspy.HighsBasis()
        basis.col_status = self._columns + [highspy.HighsBasisStatus.kLower] * (n_columns - len(self._columns))
        basis.row_status = self._rows + [highspy.HighsBasisStatus.kBasic] * (n_rows - len(self._rows))
        basis.valid = True
        return basis
