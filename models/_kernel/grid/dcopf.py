"""DC optimal power flow in PTDF form: exact, priced, certified, and quick to solve again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models._kernel.grid.active_set import empty_point, settle
from models._kernel.grid.active_set_types import Point, Problem
from models._kernel.grid.certificate import NOT_FINITE, certify
from models._kernel.grid.dcopf_columns import CostColumns
from models._kernel.grid.dcopf_input import fixed_injection, limits_of, output_range
from models._kernel.grid.dcopf_program import Program
from models._kernel.grid.dcopf_reference import reference_answers
from models._kernel.grid.dcopf_result import result_of
from models._kernel.grid.dcopf_rows import FlowMap, screen
from models._kernel.grid.network import CostCurves, Floats, GridError, Ints, Network
from models._kernel.grid.opf_types import NO_CONTINGENCY, OpfCase, OpfOptions, OpfResidual, OpfResult, SolveCounters
from models._kernel.grid.sensitivities import Sensitivities

TOPOLOGIES = 64
EXACT = 1e-9
"""Answers of the reference solver with residuals up to this are exact to rounding as they are."""


@dataclass(frozen=True, slots=True)
class Mark:
    """An optimum of a `DcOpf` that later cases of the same instance may start from, as often as they like."""

    program: Program


class DcOpf:
    """Dispatches a network again and again.

    Guarantees: the answer is optimal as far as its certificate says, which covers all limits, also those that never
    entered the program (the answer says whether every residual is at most `options.certificate`; where not even the reference solver
    reaches it, `certified` is False); no case is infeasible, since load, reserve and limits give way at their
    penalty prices; where the optimum is unique it does not depend on what was solved before beyond rounding, and after `reset()` equal
    cases give equal bits. One thread. An instance must not be used from two threads at a time.
    """

    def __init__(self, network: Network, options: OpfOptions | None = None) -> None:
        """Factorise the network; it must be valid (`validate_network`)."""
        self.network = network
        self.options = options or OpfOptions()
        self._base = Sensitivities(network)
        self._maps: dict[tuple[int, ...], FlowMap] = {}
        self._costs: CostColumns | None = None
        self._program: Program | None = None

    def reset(self) -> None:
        """Forget the last optimum, so that the next answer depends on its case alone, bit for bit."""
        self._program = None
        self._costs = None

    def mark(self) -> Mark:
        """The present optimum, for later cases to start from.

        Raises:
            GridError: nothing was solved yet.
        """
        if self._program is None:
            raise GridError("no case was solved yet that later ones could start from; call solve first")
        return Mark(self._program.copy())

    def solve(self, case: OpfCase, *, start: Mark | None = None) -> OpfResult:
        """The cheapest dispatch of a case, and its prices.

        Args:
            case: the question.
            start: an earlier optimum to start from; the last one otherwise.

        Raises:
            GridError: arrays of wrong length, contradicting ranges, costs that are not convex, unknown reserve products; no method gives
                finite numbers.
        """
        if start is not None:
            self._program = start.program.copy()
        flow_map = self._map(case.outages)
        program, warm = self._prepare(case, flow_map)
        output = output_range(self.network, case)
        constant = program.fill(self._cost_columns(case.cost), case, output)
        injection, balance = fixed_injection(self.network, case, flow_map)
        program.core_row_lower[: len(balance)] = balance
        program.core_row_upper[: len(balance)] = balance
        base_flow = flow_map.flows(injection)
        rating, emergency = limits_of(self.network, case)
        lost, shares, unsecured = flow_map.contingencies(case.contingencies)
        run = _Run(self.options, program, flow_map, (injection, base_flow), (rating, emergency, lost, shares))
        residual, objective = self._certified(run, constant, warm=warm)
        self._program = program
        counters = SolveCounters(run.method, warm, run.pivots, run.rounds, len(program.store), run.highs_calls)
        return result_of(self.network, case, program, run.flow, (residual, objective, counters, unsecured, rating, emergency))

    def _certified(self, run: _Run, constant: float, *, warm: bool) -> tuple[OpfResidual, float]:
        """Solves until the certificate holds: from the last optimum, from a cold start, by the reference solver."""
        residual, objective = NOT_FINITE, np.inf
        for attempt in (run.warm, run.cold, run.fall_back)[0 if warm else 1 :]:
            attempt()
            residual, objective = certify(run.problem, run.program.point, constant, run.unadded, self.options.tolerance_mw)
            if residual.worst <= self.options.certificate:
                return residual, objective
        return residual, objective

    def _map(self, outages: tuple[int, ...]) -> FlowMap:
        key = tuple(sorted(set(outages)))
        if key not in self._maps:
            if len(self._maps) >= TOPOLOGIES:
                self._maps.pop(next(k for k in self._maps if k))
            dense = self.network.n_buses <= self.options.dense_buses
            after = self._base.without(key) if key else self._base
            self._maps[key] = FlowMap(self.network, after, dense=dense, base=self._map(()) if after.corrected else None)
        return self._maps[key]

    def _cost_columns(self, cost: CostCurves | None) -> CostColumns:
        curves = self.network.generators.cost if cost is None else cost
        if self._costs is None or self._costs.cost is not curves:
            self._costs = CostColumns(curves, self.network)
        return self._costs

    def _prepare(self, case: OpfCase, flow_map: FlowMap) -> tuple[Program, bool]:
        """The program of the last case where its shape fits, else a new one; and whether it is warm."""
        costs = self._cost_columns(case.cost)
        # A case that raises leaves no half-filled program behind: the next one starts cold.
        program, self._program = self._program, None
        if program is not None and program.fits(case, flow_map, costs):
            program.adapt(case, flow_map)
            program.shrink(self.options.keep_rows)
            return program, True
        return Program(self.network, self.options, case, flow_map, costs), False


class _Run:
    """One solve: rounds of settling the program and screening all limits."""

    def __init__(
        self,
        options: OpfOptions,
        program: Program,
        flow_map: FlowMap,
        fixed: tuple[Floats, Floats],
        limits: tuple[Floats, Floats, Ints, Floats],
    ) -> None:
        self.options, self.program, self.flow_map = options, program, flow_map
        self.injection, self.base_flow = fixed
        self.rating, self.emergency, self.lost, self.shares = limits
        self.method, self.pivots, self.rounds, self.highs_calls = "active_set", 0, 0, 0
        self.unadded = 0.0
        self.flow = self.base_flow
        self.problem: Problem
        self._n = len(self.base_flow)
        self._secured = np.zeros(self._n + 1, dtype=bool)
        self._secured[self.lost] = self._secured[NO_CONTINGENCY] = True

    def warm(self) -> None:
        """From the last working set."""
        self._rounds(self._settle)

    def cold(self) -> None:
        """From a working set that does not depend on earlier cases."""
        self.program.start()
        if self.program.smooth:
            self._rounds(self._by_linear)
        self._rounds(self._settle)

    def fall_back(self) -> None:
        """The reference solver's answer, with its own rounds."""
        self._rounds(self._by_highs)

    def _rounds(self, act: Callable[[], None]) -> None:
        """Rounds until no limit is broken."""
        for count in range(self.options.max_rounds):
            self.rounds += 1
            self.problem = self.program.problem(self.base_flow, self.rating, self.emergency, self._secured)
            act()
            if not self._screen(last=count + 1 == self.options.max_rounds):
                return

    def _settle(self) -> None:
        program = self.program
        if program.large:
            self._by_simplex()
            return
        for fresh in (False, True):
            if fresh:
                program.start()
                if program.smooth:
                    self._by_linear()
            walked = self.problem._replace(cost=self.problem.cost + program.offsets)
            done = settle(walked, program.columns, program.rows, (walked.cost, self.problem.cost), program.point, self._limits())
            if done >= 0:
                self.pivots += int(done)
                return
        self._by_highs()

    def _by_linear(self) -> None:
        """A start for many quadratic columns: the optimum of costs that are linear about the middle of each range."""
        problem = self.problem
        low = np.where(np.isfinite(problem.lower), problem.lower, 0.0)
        middle = 0.5 * (low + np.where(np.isfinite(problem.upper), problem.upper, low))
        linear = problem._replace(cost=problem.cost + 2.0 * problem.quad * middle, quad=np.zeros(len(problem.quad)))
        answer, exchanges = self.program.simplex.solve(linear)
        self.pivots += exchanges
        if answer is not None:
            self.program.point, self.program.columns, self.program.rows = answer

    def _by_simplex(self) -> None:
        answer, exchanges = self.program.simplex.solve(self.problem)
        self.pivots += exchanges
        if answer is None:
            self._by_highs()
            return
        if self.method != "highs":
            self.method = "simplex"
        self.program.point, self.program.columns, self.program.rows = answer

    def _limits(self) -> tuple[float, float, int]:
        pivots = 200 + 6 * (len(self.program.columns) + len(self.program.rows))
        return self.options.tolerance_mw, self.options.tolerance_price, pivots

    def _by_highs(self) -> None:
        """The most exact of the reference solver's answers; its working set, settled, gives the prices to rounding."""
        self.method = "highs"
        program, problem, best = self.program, self.problem, np.inf
        for point, columns, rows in reference_answers(problem, problem.cost):
            self.highs_calls += 1
            if self._residual(point) < best:
                best, program.point, program.columns, program.rows = self._residual(point), point, columns.copy(), rows.copy()
            if best <= EXACT:
                return
            polished = empty_point(len(columns), len(rows))
            if (
                settle(problem, columns, rows, (problem.cost, problem.cost), polished, self._limits()) >= 0
                and self._residual(polished) < best
            ):
                best, program.point, program.columns, program.rows = self._residual(polished), polished, columns, rows
            if best <= self.options.certificate:
                return
        if not np.isfinite(best):
            raise GridError(f"no finite optimum (residual {best:g}); check costs, ranges and limits for infinite values")

    def _residual(self, point: Point) -> float:
        """Worst residual of a point of the present program."""
        return certify(self.problem, point, 0.0, 0.0, self.options.tolerance_mw)[0].worst

    def _screen(self, *, last: bool) -> bool:
        """Adds the worst broken limit of each branch, not in the last round; whether the program grew."""
        program, options = self.program, self.options
        self.flow = self.flow_map.flows(self.injection + program.injection())
        worst, by = np.empty(self._n), np.empty(self._n, dtype=np.int64)
        self.unadded = 0.0
        limits = (self.rating, self.emergency)
        if screen(self.flow, limits, self.lost, self.shares, options.tolerance_mw, (worst, by)) <= 0.0:
            return False
        kept = set(program.store.pairs)
        new = []
        for branch in np.flatnonzero(worst > options.tolerance_mw):
            pair = self._worst_pair(int(branch), kept)
            if pair is not None:
                new.append(pair)
        if new and last:
            # The program must stay as it was settled; what is left broken goes into the certificate.
            self.unadded = max(self._excess(pair) for pair in new)
            return False
        if new:
            program.add(new, self.flow_map)
        return bool(new)

    def _excess(self, pair: tuple[int, int]) -> float:
        """MW by which a limit is broken at the present flows."""
        branch, lost = pair
        if lost == -1:
            return float(abs(self.flow[branch]) - self.rating[branch])
        share = self.shares[int(np.flatnonzero(self.lost == lost)[0]), branch]
        return float(abs(self.flow[branch] + share * self.flow[lost]) - self.emergency[branch])

    def _worst_pair(self, branch: int, kept: set[tuple[int, int]]) -> tuple[int, int] | None:
        """The most broken limit of a branch that is not in the program yet."""
        after = np.abs(self.flow[branch] + self.shares[:, branch] * self.flow[self.lost]) - self.emergency[branch]
        excess = np.concatenate(([abs(self.flow[branch]) - self.rating[branch]], after))
        for k in np.argsort(-excess, kind="stable"):
            if excess[k] <= self.options.tolerance_mw:
                return None
            pair = (branch, -1 if k == 0 else int(self.lost[k - 1]))
            if pair not in kept:
                return pair
        return None
