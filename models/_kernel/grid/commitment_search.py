"""The search for a commitment within a gap that is proven.

The linear relaxation gives a bound L and reduced costs d. A solution that costs less than L + s keeps every binary with |d| > s at its
relaxed value, so branch and bound over the others alone proves min(its bound, L + s) for the whole problem. Small s makes a small problem
that finds good commitments fast; s grows only as far as the proof needs. Before any branching the relaxation is rounded, cut and rounded
again, and what it leaves fractional is searched around the best rounding: often that is enough for the gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from models._kernel.grid.commitment_highs import Linear, linear, tree
from models._kernel.grid.commitment_matrix import Programme
from models._kernel.grid.network import Floats, GridError

FIRST_SHARE, GROWTH, STAGES = 0.1, 4.0, 12

Propose = Callable[[Floats], Iterator[Floats]]
Strengthen = Callable[[Programme], tuple[Programme, Linear]]


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

    @property
    def gap(self) -> float:
        """Relative gap; inf without a point."""
        if self.column is None:
            return float("inf")
        return max(self.objective - self.bound, 0.0) / max(abs(self.objective), 1e-9)


def search(programme: Programme, limits: Limits, propose: Propose, strengthen: Strengthen) -> Search:
    """Best feasible point with a proven bound.

    Args:
        programme: the mixed-integer programme.
        limits: when to stop.
        propose: feasible points to try, given the relaxed columns; most promising first.
        strengthen: the programme with cutting planes, and its relaxation; asked once the roundings are not enough.

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
    _prove(programme, relaxed, limits, state)
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
        relative_gap=0.5 * limits.relative_gap,
        node_limit=limits.node_limit,
        time_limit=limits.time_limit,
        start=state.column,
    )
    state.nodes += found.nodes
    state.take(found.objective, found.column)


def _prove(programme: Programme, relaxed: Linear, limits: Limits, state: Search) -> None:
    """Widen the box until the gap is proven or a limit cuts branch and bound short."""
    scale = max(abs(relaxed.objective), 1e-9)
    slack = FIRST_SHARE * limits.relative_gap * scale
    for stage in range(STAGES):
        if state.gap <= limits.relative_gap:
            return
        settled = _stage(programme, relaxed, slack, limits, state)
        last = stage >= STAGES - 2  # a relaxation far from the optimum is not reached by growing: the last stages take all that is needed
        if state.column is None:
            slack = np.inf if last else slack * GROWTH
            continue
        needed = state.objective - limits.relative_gap * abs(state.objective) - relaxed.objective
        if not settled and slack >= needed:
            return
        slack = needed + 1e-6 * scale if last else min(slack * GROWTH, needed + 1e-6 * scale)


def _stage(programme: Programme, relaxed: Linear, slack: float, limits: Limits, state: Search) -> bool:
    """Branch and bound over what `slack` leaves open; updates `state`; False when the limits cut it short."""
    lower, upper = _box(programme, relaxed, slack, state.column)
    target = 0.5 * limits.relative_gap
    found = tree(
        programme, lower, upper, relative_gap=target, node_limit=limits.node_limit, time_limit=limits.time_limit, start=state.column
    )
    state.nodes += found.nodes
    state.take(found.objective, found.column)
    proven = min(found.bound, relaxed.objective + slack)
    if proven > state.bound:
        state.bound = proven
        state.method = "tree"
    closed = found.column is None or (found.objective - found.bound) <= 1.001 * target * abs(found.objective)
    return bool(closed and (found.column is not None or np.isinf(found.bound)))


def _box(programme: Programme, relaxed: Linear, slack: float, keep: Floats | None) -> tuple[Floats, Floats]:
    lower, upper, whole = programme.lower.copy(), programme.upper.copy(), programme.whole
    value, reduced = relaxed.column[whole], relaxed.reduced[whole]
    upper[whole[(reduced > slack) & (value < 0.5)]] = 0.0
    lower[whole[(reduced < -slack) & (value > 0.5)]] = 1.0
    if keep is not None:
        lower[whole] = np.minimum(lower[whole], np.round(keep[whole]))
        upper[whole] = np.maximum(upper[whole], np.round(keep[whole]))
    return lower, upper
