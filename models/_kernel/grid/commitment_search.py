"""The search for a commitment within a gap that is proven.

The linear relaxation gives a bound L, and a price of every switch: what a commitment with it costs above L at least. A solution that
costs less than L + s has no switch that is priced above s, so branch and bound over the others alone proves min(its bound, L + s) for the
whole problem. Small s makes a small problem that finds good commitments fast; s grows only as far as the proof needs. Before any branching
the relaxation is rounded, cut and rounded again, and what it leaves fractional is searched around the best rounding: often that is enough
for the gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from models._kernel.grid.commitment_highs import Linear, linear, tree
from models._kernel.grid.commitment_matrix import Programme
from models._kernel.grid.network import Floats, GridError

FIRST_SHARE, GROWTH, STAGES = 0.1, 4.0, 12
CLOSER, ENOUGH = 0.5, 0.98  # shares of the gap that a stage closes: one that looks for better commitments, and the one that proves

Propose = Callable[[Floats], Iterator[Floats]]
Strengthen = Callable[[Programme], tuple[Programme, Linear]]
Price = Callable[[Programme, Linear, float], Floats]
Bounds = tuple[Floats, Floats]


@dataclass(frozen=True)
class Limits:
    """When to stop: a proven relative gap, branch-and-bound nodes of a stage, seconds of a stage (benches only; not reproducible).

    A node limit of 0 means no branch and bound: the best rounding is the answer, unless none is feasible.
    """

    relative_gap: float
    node_limit: int | None = None
    time_limit: float | None = None


@dataclass
class Search:
    """Best point and bound so far."""

    objective: float
    bound: float
    column: Floats | None
    nodes: int = 0
    method: str = "linear"

    def take(self, objective: float, column: Floats | None) -> None:
        """Keep a feasible point if it is the cheapest so far."""
        if column is not None and objective < self.objective:
            self.objective, self.column = objective, column

    def prove(self, bound: float) -> None:
        """Keep a bound that branch and bound has proven if it is the highest so far."""
        if bound > self.bound:
            self.bound, self.method = bound, "tree"

    @property
    def gap(self) -> float:
        """Relative gap; inf without a point."""
        if self.column is None:
            return float("inf")
        return max(self.objective - self.bound, 0.0) / max(abs(self.objective), 1e-9)


def search(programme: Programme, limits: Limits, propose: Propose, strengthen: Strengthen, price: Price) -> Search:
    """Best feasible point with a proven bound.

    Args:
        programme: the mixed-integer programme.
        limits: when to stop.
        propose: feasible points to try, given the relaxed columns; most promising first.
        strengthen: the programme with cutting planes, and its relaxation; asked once the roundings are not enough.
        price: least cost above the relaxation of every column held at 0 and at 1, shape (2, columns), exact up to a ceiling.

    Raises:
        GridError: no commitment is feasible, or none was found within the limits.
    """
    relaxed = linear(programme, programme.lower, programme.upper)
    if relaxed is None:
        raise GridError("no commitment is feasible; give Penalties (energy, oversupply, reserve) or check capacity and state")
    state = Search(np.inf, relaxed.objective, None)
    if _round(programme, relaxed, limits, propose, state) or (limits.node_limit == 0 and state.column is not None):
        return state
    programme, relaxed = strengthen(programme)
    state.bound, state.method = max(state.bound, relaxed.objective), "cuts"
    if _round(programme, relaxed, limits, propose, state):
        return state
    if state.column is not None:
        _around(programme, relaxed, limits, state)
    _prove(programme, relaxed, limits, price, state)
    if state.column is None:
        raise GridError("no feasible commitment was found within the limits; raise node_limit or give Penalties")
    return state


def _round(programme: Programme, relaxed: Linear, limits: Limits, propose: Propose, state: Search) -> bool:
    """Try the points near the relaxed one; whether the gap is reached."""
    for point in propose(relaxed.column):
        state.take(float(programme.cost @ point), point)
        if state.gap <= limits.relative_gap:
            return True
    return False


def _around(programme: Programme, relaxed: Linear, limits: Limits, state: Search) -> None:
    """Look between the relaxed point and the best one: every binary on which they agree stays. Proves nothing."""
    lower, upper, whole = programme.lower.copy(), programme.upper.copy(), programme.whole
    if state.column is None:
        return
    value, best = relaxed.column[whole], np.round(state.column[whole])
    lower[whole] = np.maximum(lower[whole], np.minimum(np.floor(value + 1e-6), best))
    upper[whole] = np.minimum(upper[whole], np.maximum(np.ceil(value - 1e-6), best))
    found = tree(
        programme,
        lower,
        upper,
        relative_gap=CLOSER * limits.relative_gap,
        node_limit=limits.node_limit,
        time_limit=limits.time_limit,
        start=state.column,
    )
    state.nodes += found.nodes
    state.take(found.objective, found.column)


def _prove(programme: Programme, relaxed: Linear, limits: Limits, price: Price, state: Search) -> None:
    """Widen the box until the gap is proven or a limit cuts branch and bound short."""
    scale = max(abs(relaxed.objective), 1e-9)
    slack = FIRST_SHARE * limits.relative_gap * scale
    if state.gap <= limits.relative_gap:
        return
    extra = price(programme, relaxed, _needed(relaxed, limits, state))[:, programme.whole]
    for stage in range(STAGES):
        if state.gap <= limits.relative_gap:
            return
        needed = _needed(relaxed, limits, state)
        box = _box(programme, extra, slack, state.column)
        share = ENOUGH if slack >= needed else CLOSER
        bound, settled = _stage(programme, box, share * limits.relative_gap, limits, state)
        state.prove(min(bound, relaxed.objective + slack))
        last = stage >= STAGES - 2  # a relaxation far from the optimum is not reached by growing: the last stages take all that is needed
        if state.column is None:
            slack = np.inf if last else slack * GROWTH
            continue
        needed = _needed(relaxed, limits, state)
        if not settled and slack >= needed:
            return
        slack = needed if last else min(slack * GROWTH, needed)


def _needed(relaxed: Linear, limits: Limits, state: Search) -> float:
    """How far above the relaxation nothing better may lie for the gap to be proven; inf without a point."""
    if state.column is None:
        return float("inf")
    scale = max(abs(relaxed.objective), 1e-9)
    return state.objective - limits.relative_gap * abs(state.objective) - relaxed.objective + 1e-6 * scale


def _stage(programme: Programme, box: Bounds, gap: float, limits: Limits, state: Search) -> tuple[float, bool]:
    """Branch and bound over a box: its bound there, and whether the gap was closed before a limit; the best point goes into `state`."""
    found = tree(programme, *box, relative_gap=gap, node_limit=limits.node_limit, time_limit=limits.time_limit, start=state.column)
    state.nodes += found.nodes
    state.take(found.objective, found.column)
    if found.column is None:
        return found.bound, bool(np.isinf(found.bound))
    return found.bound, (found.objective - found.bound) <= 1.001 * gap * abs(found.objective)


def _box(programme: Programme, extra: Floats, slack: float, keep: Floats | None) -> Bounds:
    """Bounds that leave out what costs more than `slack` above the relaxation, but not the point that is kept."""
    lower, upper, whole = programme.lower.copy(), programme.upper.copy(), programme.whole
    upper[whole[extra[1] > slack]] = 0.0
    lower[whole[extra[0] > slack]] = 1.0
    if keep is not None:
        lower[whole] = np.minimum(lower[whole], np.round(keep[whole]))
        upper[whole] = np.maximum(upper[whole], np.round(keep[whole]))
    return lower, upper
