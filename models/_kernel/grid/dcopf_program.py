"""The dispatch program in memory: its arrays, working set and kept limits, carried from case to case."""

from __future__ import annotations

import copy

import numpy as np

from models._kernel.grid.active_set import empty_point
from models._kernel.grid.active_set_types import AT_LOWER, EQUALITY, FREE, IDLE, Marks, Point, Problem
from models._kernel.grid.dcopf_columns import CostColumns, fill_reserves, layout_of, price_offsets, static_entries
from models._kernel.grid.dcopf_input import link_range
from models._kernel.grid.dcopf_rows import ElementMap, FlowMap, Pair, RowStore
from models._kernel.grid.dcopf_simplex import HotSimplex
from models._kernel.grid.network import Floats, Network
from models._kernel.grid.opf_types import NO_CONTINGENCY, LossModel, OpfCase, OpfOptions
from models._kernel.grid.topology import Flags

_BY_COLUMN = ("cost", "quad", "lower", "upper", "columns")
_BY_ROW = ("row_lower", "row_upper", "rows")


class Program:
    """Arrays of one shape of case (segments, islands, reserve products); limits come and go."""

    def __init__(self, network: Network, options: OpfOptions, case: OpfCase, flow_map: FlowMap, costs: CostColumns) -> None:
        """An empty program, to be filled."""
        self.network, self.options, self.flow_map = network, options, flow_map
        self.layout = layout_of(network, case, len(flow_map.references), len(costs.owner))
        self.owner = costs.owner
        self.elements = ElementMap(network, flow_map.islands)
        self.store = RowStore(network.n_buses, self.elements.n_elements)
        self.simplex = HotSimplex()
        self._losses = case.losses
        self._static()
        self._allocate()

    def _static(self) -> None:
        self._start, self._row, self._value, self._element = static_entries(self.layout, self.owner, self._balances(self._losses))

    def _allocate(self) -> None:
        """Arrays for the present number of limits; the core's values are kept."""
        n_core, n_rows, k = self.layout.n_columns, self.layout.n_rows, len(self.store)
        old = self.__dict__.copy()
        self.cost, self.quad = np.zeros(n_core + 2 * k), np.zeros(n_core + 2 * k)
        self.lower, self.upper = np.zeros(n_core + 2 * k), np.zeros(n_core + 2 * k)
        self.cost[n_core:], self.upper[n_core:] = self.options.relaxation_price, np.inf
        self.columns: Marks = np.full(n_core + 2 * k, AT_LOWER, dtype=np.int8)
        self.row_lower, self.row_upper = np.full(n_rows + k, -np.inf), np.full(n_rows + k, np.inf)
        self.rows: Marks = np.full(n_rows + k, IDLE, dtype=np.int8)
        for name, core in {**dict.fromkeys(_BY_COLUMN, n_core), **dict.fromkeys(_BY_ROW, n_rows)}.items():
            if name in old:
                getattr(self, name)[:core] = old[name][:core]
        self.core_row_lower, self.core_row_upper = self.row_lower[:n_rows], self.row_upper[:n_rows]
        self.offsets = np.concatenate((price_offsets(self.options, n_core), np.zeros(2 * k)))
        self.point = empty_point(n_core + 2 * k, n_rows + k)

    def _balances(self, losses: LossModel | None) -> list[list[tuple[int, float]]]:
        """Coefficients of each element in the balance rows."""
        network, islands = self.network, self.flow_map.islands
        delivered = np.ones(network.n_buses) if losses is None else 1.0 - losses.factor
        out = [[(int(islands[b]), float(delivered[b]))] for b in network.generators.bus]
        links = network.links
        for a, b, share in zip(links.from_bus, links.to_bus, links.loss_share, strict=True):
            sending, receiving = (int(islands[a]), -float(delivered[a])), (int(islands[b]), float(delivered[b] * (1.0 - share)))
            joined = [(sending[0], sending[1] + receiving[1])] if sending[0] == receiving[0] else [sending, receiving]
            out.append(joined)
        worth = delivered @ self.elements.spread
        out += [[(i, float(worth[i]))] for i in range(self.layout.n_islands)]
        out += [[(i, -float(worth[i]))] for i in range(self.layout.n_islands)]
        return out

    def copy(self) -> Program:
        """A program that may be settled for another case while this one stays as it is."""
        made = copy.copy(self)
        made.store, made.simplex = copy.copy(self.store), copy.copy(self.simplex)  # what they hold is replaced, never written to
        for name in (*_BY_COLUMN, *_BY_ROW):
            setattr(made, name, getattr(self, name).copy())
        n_rows = self.layout.n_rows
        made.core_row_lower, made.core_row_upper = made.row_lower[:n_rows], made.row_upper[:n_rows]
        made.point = Point(*(values.copy() for values in self.point))
        return made

    def fits(self, case: OpfCase, flow_map: FlowMap, costs: CostColumns) -> bool:
        """Whether a case has this program's shape."""
        same_islands = flow_map is self.flow_map or np.array_equal(flow_map.islands, self.flow_map.islands)
        same_segments = costs.owner is self.owner or np.array_equal(costs.owner, self.owner)
        return same_islands and same_segments and layout_of(self.network, case, len(flow_map.references), len(costs.owner)) == self.layout

    def adapt(self, case: OpfCase, flow_map: FlowMap) -> None:
        """Takes over another topology and loss model of the same shape."""
        if flow_map is not self.flow_map:
            self.flow_map = flow_map
            out = set(flow_map.sensitivities.outages.tolist())
            lost = sorted({k for _, k in self.store.pairs if k != NO_CONTINGENCY})
            gone = out.union(np.array(lost)[flow_map.sensitivities.splits(lost)].tolist()) if lost else out
            kept = [b not in out and k not in gone for b, k in self.store.pairs]
            self._keep(np.array(kept, dtype=bool))
            pairs = list(self.store.pairs)
            self.store = RowStore(self.network.n_buses, self.elements.n_elements)
            if pairs:
                self.store.add(pairs, flow_map, self.elements)
        if case.losses is not self._losses:
            self._losses = case.losses
            self._static()

    def shrink(self, most: int) -> None:
        """Drops idle limits where more than `most` are kept."""
        if len(self.store) > most:
            self._keep(self.rows[self.layout.n_rows :] != IDLE)

    def _keep(self, mask: Flags) -> None:
        if mask.all():
            return
        n_core, n_rows = self.layout.n_columns, self.layout.n_rows
        columns, rows = self.columns[n_core:][np.repeat(mask, 2)], self.rows[n_rows:][mask]
        self.store.keep(mask)
        self.simplex.keep(mask, n_core, n_rows)
        self._allocate()
        self.columns[n_core:], self.rows[n_rows:] = columns, rows

    def add(self, pairs: list[Pair], flow_map: FlowMap) -> None:
        """Adds limits, idle at first."""
        n_core, n_rows = self.layout.n_columns, self.layout.n_rows
        columns, rows = self.columns[n_core:], self.rows[n_rows:]
        self.store.add(pairs, flow_map, self.elements)
        self._allocate()
        self.columns[n_core : n_core + len(columns)], self.rows[n_rows : n_rows + len(rows)] = columns, rows

    @property
    def large(self) -> bool:
        """Whether a sparse simplex code is quicker than the active set: many columns, all linear."""
        return self.layout.n_columns > self.options.simplex_columns and not (self.quad > 0.0).any()

    @property
    def smooth(self) -> bool:
        """Whether a cold start is quicker from a linear program's optimum: many columns, some quadratic."""
        return self.layout.n_columns > self.options.linear_start_columns and bool((self.quad > 0.0).any())

    def start(self) -> None:
        """The working set of a cold start: everything at its lower bound, shed load serves all."""
        self.simplex.forget()
        self.columns[:] = AT_LOWER
        self.rows[:] = IDLE
        n = self.layout.n_islands
        self.rows[:n] = EQUALITY
        self.columns[self.layout.unserved : self.layout.unserved + n] = FREE

    def fill(self, costs: CostColumns, case: OpfCase, output: tuple[Floats, Floats]) -> float:
        """Costs and bounds of a case; returns the cost that does not depend on the dispatch."""
        layout, options = self.layout, self.options
        segments = layout.n_segments
        self.owner = costs.owner
        self.cost[:segments], self.quad[:segments] = costs.linear, costs.quadratic
        constant = costs.bounds(*output, self.lower[:segments], self.upper[:segments])
        self.lower[segments : layout.unserved], self.upper[segments : layout.unserved] = link_range(self.network, case)
        n = layout.n_islands
        self.cost[layout.unserved : layout.unserved + n] = options.unserved_price
        self.cost[layout.unserved + n : layout.reserve] = options.oversupply_price
        self.upper[layout.unserved : layout.reserve] = np.inf
        if layout.upward or layout.blocks:
            rows = (self.core_row_lower, self.core_row_upper)
            fill_reserves(layout, case, (self.cost, self.lower, self.upper), rows, output)
        return constant

    def problem(self, base_flow: Floats, rating: Floats, emergency: Floats, secured: Flags) -> Problem:
        """The program with the limits of a case; `secured` marks its contingencies by branch, and the base case at NO_CONTINGENCY."""
        store, n_rows = self.store, self.layout.n_rows
        if len(store):
            base = store.flow(base_flow)
            limit = np.where(store.lost == NO_CONTINGENCY, rating[store.branch], emergency[store.branch])
            limit[~secured[store.lost]] = np.inf
            # Parallel circuits have equal rows: which of them carries the price must not be left to rounding.
            limit = (
                limit
                + 0.1
                * self.options.tolerance_mw
                * np.modf(0.6180339887498949 * (store.branch + 1) + 0.7548776662466927 * (store.lost + 1))[0]
            )
            self.rows[n_rows:][np.isinf(limit)] = IDLE
            self.row_lower[n_rows:], self.row_upper[n_rows:] = -limit - base, limit - base
        return Problem(
            self.cost, self.quad, self.lower, self.upper, self._element, self._start, self._row, self._value,
            self.row_lower, self.row_upper, store.elements,
        )  # fmt: skip

    def output(self) -> Floats:
        """Value of each element at the present point."""
        layout = self.layout
        x = self.point.x
        segments = np.bincount(self.owner, x[: layout.n_segments], layout.n_generators)
        return np.concatenate((segments, x[layout.n_segments : layout.reserve]))

    def injection(self) -> Floats:
        """Injection per bus at the present point, without what is fixed."""
        return self.elements.injection(self.output(), self.network.n_buses)
