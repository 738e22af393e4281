"""Unit commitment: the cheapest switching, output, reserve and storage over a horizon, with a proven gap, and the roll to the next."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from models._kernel.grid.commitment_cuts import capacity_rows, strengthened
from models._kernel.grid.commitment_extra import extra_costs, owners
from models._kernel.grid.commitment_highs import Linear, linear
from models._kernel.grid.commitment_matrix import Programme
from models._kernel.grid.commitment_model import Model, build_model
from models._kernel.grid.commitment_result import read_commitment, startup_costs, transitions
from models._kernel.grid.commitment_round import repaired
from models._kernel.grid.commitment_search import Limits, search
from models._kernel.grid.commitment_types import Commitment, CommitmentProblem, CommitmentState, Flags, UnitState
from models._kernel.grid.commitment_validate import validate_commitment
from models._kernel.grid.network import Floats, GridError

__all__ = ["fixed_bounds", "roll", "solve_commitment", "startup_costs", "validate_commitment"]

THRESHOLDS = (0.3, 0.5, 0.15, 0.7, 0.05)


def solve_commitment(
    problem: CommitmentProblem,
    *,
    relative_gap: float = 1e-3,
    node_limit: int | None = None,
    time_limit: float | None = None,
    start: Commitment | Flags | None = None,
) -> Commitment:
    """Commitment whose cost is proven to be within `relative_gap` of the least.

    The same problem and arguments give the same answer (one thread, no clock) unless `time_limit` is set.

    Args:
        problem: one horizon.
        relative_gap: gap at which the search stops.
        node_limit: branch-and-bound nodes of one stage of the search; the answer then carries the gap reached. 0 for roundings alone.
        time_limit: seconds of one stage; for benches.
        start: on/off pattern to begin with, shape (units, T); ignored where it is not feasible.

    Raises:
        GridError: the problem is not valid, or no commitment is feasible.
    """
    validate_commitment(problem)
    model = build_model(problem)
    dispatch = _Dispatch(model)
    given = start.on if isinstance(start, Commitment) else start
    if given is not None and given.shape != model.layout.on.shape:
        raise GridError(f"start has shape {given.shape}; give (units, hours) = {model.layout.on.shape}")

    def propose(relaxed: Floats) -> Iterator[Floats]:
        """The given pattern, then roundings of the relaxed one, each with its best dispatch."""
        wishes = [relaxed[model.layout.on] > threshold for threshold in THRESHOLDS]
        for wish in wishes if given is None else [given, *wishes]:
            answer = dispatch(repaired(problem, model.fleet, wish))
            if answer is not None:
                yield answer.column

    def strengthen(programme: Programme) -> tuple[Programme, Linear]:
        return strengthened(programme, capacity_rows(problem, model))

    def price(programme: Programme, relaxed: Linear, ceiling: float) -> Floats:
        """Stops follow from starts and hours on, which are priced."""
        asked = np.concatenate([model.layout.on.ravel(), model.layout.start.ravel()])
        return extra_costs(programme, relaxed, owners(model), asked, ceiling)

    state = search(model.programme, Limits(relative_gap, node_limit, time_limit), propose, strengthen, price)
    if state.column is None:
        raise GridError("the search ended without a commitment")
    on = np.round(state.column[model.layout.on]).astype(bool)
    fixed = dispatch(on)
    if fixed is None:
        raise GridError("the commitment found has no dispatch; costs and limits differ by too many orders of magnitude")
    return read_commitment(problem, model, on, fixed, state)


class _Dispatch:
    """Best dispatch of a switching pattern; None when it has none. Each pattern is solved once."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._known: dict[bytes, Linear | None] = {}

    def __call__(self, on: Flags) -> Linear | None:
        key = on.tobytes()
        if key not in self._known:
            self._known[key] = linear(self._model.programme, *fixed_bounds(self._model, on))
        return self._known[key]


def roll(problem: CommitmentProblem, commitment: Commitment, hours: int) -> CommitmentState:
    """State after the first `hours` of a commitment: what the next horizon starts from.

    Raises:
        GridError: `hours` lies outside the horizon.
    """
    if not 0 < hours <= problem.n_hours:
        raise GridError(f"hours is {hours}; give 1 to {problem.n_hours}")
    units = []
    for g, before in enumerate(problem.state):
        on = commitment.on[g, :hours]
        changes = np.flatnonzero(on != on[-1])
        spell = hours - 1 - int(changes[-1]) if len(changes) else hours + (before.hours if before.on == on[-1] else 0)
        units.append(UnitState(bool(on[-1]), spell, float(commitment.output_mw[g, hours - 1])))
    content = commitment.energy_mwh[:, hours - 1]
    kept = tuple(float(np.clip(mwh, 0.0, s.energy_mwh)) for mwh, s in zip(content, problem.storage, strict=True))
    return CommitmentState(tuple(units), kept)


def fixed_bounds(model: Model, on: Flags) -> tuple[Floats, Floats]:
    """Bounds (lower, upper) of all columns with the switching of a pattern, shape (units, T)."""
    lower, upper = model.programme.lower.copy(), model.programme.upper.copy()
    start, stop = transitions(on, model.fleet.on_before)
    for block, value in ((model.layout.on, on), (model.layout.start, start), (model.layout.stop, stop)):
        lower[block] = upper[block] = value
    return lower, upper
