"""DC optimal power flow in PTDF form: exact, priced, certified, and quick to solve again."""

from __future__ import annotations

import numpy as np

from models._kernel.grid.active_set import empty_point, settle
from models._kernel.grid.active_set_types import Problem
from models._kernel.grid.certificate import certify
from models._kernel.grid.dcopf_columns import CostColumns
from models._kernel.grid.dcopf_input import fixed_injection, limits_of, output_range
from models._kernel.grid.dcopf_program import Program
from models._kernel.grid.dcopf_reference import solve_by_highs
from models._kernel.grid.dcopf_result import result_of
from models._kernel.grid.dcopf_rows import FlowMap, screen
from models._kernel.grid.network import CostCurves, Floats, Ints, Network
from models._kernel.grid.opf_types import OpfCase, OpfOptions, OpfResult, SolveCounters
from models._kernel.grid.sensitivities import Sensitivities

TOPOLOGIES = 64


class DcOpf:
    """Dispatches a network again and again.

    Guarantees: the answer is optimal as far as its certificate says, which covers all limits, also those that never
    entered the program (an answer of the active set has every residual below `options.certificate`; one of the reference solver, named
    in the counters, may exceed it, and says so in its residual); no case is infeasible, since load, reserve and limits give way at their
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

    def solve(self, case: OpfCase) -> OpfResult:
        """The cheapest dispatch of a case, and its prices.

        Raises:
            GridError: arrays of wrong length, contradicting ranges, costs that are not convex, unknown reserve products.
        """
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
        run = _Run(self, program, flow_map, (injection, base_flow), (rating, emergency, lost, shares))
        run.solve(warm=warm)
        residual, objective = certify(run.problem, program.point, constant, run.unadded, self.options.tolerance_mw)
        if residual.worst > self.options.certificate and run.method != "highs":
            run.fall_back()
            residual, objective = certify(run.problem, program.point, constant, run.unadded, self.options.tolerance_mw)
        counters = SolveCounters(run.method, warm, run.pivots, run.rounds, len(program.store), run.highs_calls)
        return result_of(self.network, case, program, run.flow, (residual, objective, counters, unsecured, rating, emergency))

    def _map(self, outages: tuple[int, ...]) -> FlowMap:
        key = tuple(sorted(set(outages)))
        if key not in self._maps:
            if len(self._maps) >= TOPOLOGIES:
                self._maps.pop(next(k for k in self._maps if k))
            dense = self.network.n_buses <= self.options.dense_buses
            self._maps[key] = FlowMap(self.network, self._base.without(key) if key else self._base, dense=dense)
        return self._maps[key]

    def _cost_columns(self, cost: CostCurves | None) -> CostColumns:
        curves = self.network.generators.cost if cost is None else cost
        if self._costs is None or self._costs.cost is not curves:
            self._costs = CostColumns(curves, self.network)
        return self._costs

    def _prepare(self, case: OpfCase, flow_map: FlowMap) -> tuple[Program, bool]:
        """The program of the last case where its shape fits, else a new one; and whether it is warm."""
        costs = self._cost_columns(case.cost)
        if self._program is not None and self._program.fits(case, flow_map, costs):
            self._program.adapt(case, flow_map)
            self._program.shrink(self.options.keep_rows)
            return self._program, True
        self._program = Program(self.network, self.options, case, flow_map, costs)
        return self._program, False


class _Run:
    """One solve: rounds of settling the program and screening all limits."""

    def __init__(
        self, owner: DcOpf, program: Program, flow_map: FlowMap, fixed: tuple[Floats, Floats], limits: tuple[Floats, Floats, Ints, Floats]
    ) -> None:
        self.options, self.program, self.flow_map = owner.options, program, flow_map
        self.injection, self.base_flow = fixed
        self.rating, self.emergency, self.lost, self.shares = limits
        self.method, self.pivots, self.rounds, self.highs_calls = "active_set", 0, 0, 0
        self.unadded = 0.0
        self.flow = self.base_flow
        self.problem: Problem
        self._n = len(self.base_flow)
        self._in_case = {-1, *(int(k) for k in self.lost)}

    def solve(self, *, warm: bool) -> None:
        """Rounds until no limit is broken."""
        if not warm:
            self.program.start()
        for count in range(self.options.max_rounds):
            self.rounds += 1
            self.problem = self.program.problem(self.base_flow, self.rating, self.emergency, self._in_case)
            self._settle()
            added = self._screen(last=count + 1 == self.options.max_rounds)
            if not added:
                return

    def fall_back(self) -> None:
        """The reference solver's answer, with its own rounds."""
        self.method = "highs"
        for count in range(self.options.max_rounds):
            self.rounds += 1
            self.problem = self.program.problem(self.base_flow, self.rating, self.emergency, self._in_case)
            self._by_highs()
            if not self._screen(last=count + 1 == self.options.max_rounds):
                return

    def _settle(self) -> None:
        if self.method == "highs":
            self._by_highs()
            return
        program = self.program
        for fresh in (False, True):
            if fresh:
                program.start()
            walked = self.problem._replace(cost=self.problem.cost + program.offsets)
            done = settle(walked, program.columns, program.rows, (walked.cost, self.problem.cost), program.point, self._limits())
            if done >= 0:
                self.pivots += int(done)
                return
        self.method = "highs"
        self._by_highs()

    def _limits(self) -> tuple[float, float, int]:
        pivots = 200 + 6 * (len(self.program.columns) + len(self.program.rows))
        return self.options.tolerance_mw, self.options.tolerance_price, pivots

    def _by_highs(self) -> None:
        self.highs_calls += 1
        program = self.program
        program.point, program.columns, program.rows = solve_by_highs(self.problem, self.problem.cost)
        polished, columns, rows = program.point, program.columns.copy(), program.rows.copy()
        program.point = empty_point(len(columns), len(rows))
        # The reference stops at its tolerances; its working set gives the prices to rounding.
        if settle(self.problem, columns, rows, (self.problem.cost, self.problem.cost), program.point, self._limits()) >= 0:
            program.columns, program.rows = columns, rows
        else:
            program.point = polished

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
