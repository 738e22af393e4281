"""Solution columns read back as a Commitment."""

from __future__ import annotations

import numpy as np

from models._kernel.grid.commitment_highs import Linear
from models._kernel.grid.commitment_model import Model
from models._kernel.grid.commitment_search import Search
from models._kernel.grid.commitment_types import Commitment, CommitmentProblem, Flags
from models._kernel.grid.network import Floats, Ints


def transitions(on: Flags, before: Flags) -> tuple[Flags, Flags]:
    """Starts and stops of a pattern, both of shape (units, T)."""
    previous = np.concatenate([before[:, None], on[:, :-1]], axis=1)
    return on & ~previous, ~on & previous


def startup_costs(problem: CommitmentProblem, on: Flags) -> Floats:
    """Cost of each start by the hours the unit was off before it; shape (units, T)."""
    cost = np.zeros(on.shape)
    for g, (unit, state) in enumerate(zip(problem.units, problem.state, strict=True)):
        off = 0 if state.on else state.hours
        for t in range(on.shape[1]):
            if on[g, t] and off:
                lags = [lag for lag, _ in unit.startup]
                tier = max(int(np.searchsorted(lags, off, side="right")) - 1, 0)
                cost[g, t] = unit.startup[tier][1]
            off = 0 if on[g, t] else off + 1
    return cost


def read_commitment(problem: CommitmentProblem, model: Model, on: Flags, dispatch: Linear, state: Search) -> Commitment:
    """The answer of a search: its pattern, the dispatch of that pattern, and the bound."""
    x, layout, fleet = dispatch.column, model.layout, model.fleet
    above = np.zeros(on.shape)
    np.add.at(above, fleet.segments.unit, x[layout.segment])
    running = fleet.no_load[:, None] * on
    np.add.at(running, fleet.segments.unit, x[layout.segment] * fleet.segments.price[:, None])
    start, _ = transitions(on, fleet.on_before)
    output = np.where(on, fleet.low[:, None] + above, 0.0)
    objective = min(dispatch.objective, state.objective)
    return Commitment(
        on=on,
        start=start,
        output_mw=output,
        reserve_mw=_block(x, layout.reserve, on.shape),
        renewable_mw=_share(problem, model, x),
        hydro_mw=x[layout.hydro],
        hydro_reserve_mw=_block(x, layout.hydro_reserve, layout.hydro.shape),
        charge_mw=x[layout.charge],
        discharge_mw=x[layout.discharge],
        energy_mwh=x[layout.energy],
        storage_reserve_mw=_block(x, layout.storage_reserve, layout.charge.shape),
        unserved_mw=x[layout.unserved].sum(axis=0),
        oversupply_mw=x[layout.oversupply].sum(axis=0),
        reserve_short_mw=x[layout.shortfall].sum(axis=0),
        startup_cost=startup_costs(problem, on),
        production_cost=running,
        energy_price=dispatch.dual[model.balance],
        reserve_price=dispatch.dual[model.requirement] if len(model.requirement) else np.zeros(problem.n_hours),
        objective=dispatch.objective,
        bound=min(state.bound, objective),
        gap=max(dispatch.objective - state.bound, 0.0) / max(abs(dispatch.objective), 1e-9),
        method=state.method,
        nodes=state.nodes,
    )


def _block(x: Floats, positions: Ints, shape: tuple[int, ...]) -> Floats:
    return x[positions] if positions.size else np.zeros(shape)


def _share(problem: CommitmentProblem, model: Model, x: Floats) -> Floats:
    """Output of each renewable: those of one price are curtailed in proportion to what they can give up."""
    given = np.zeros((len(problem.renewables), problem.n_hours))
    low = np.array([r.minimum_mw for r in problem.renewables], dtype=float).reshape(given.shape)
    room = np.array([r.maximum_mw for r in problem.renewables], dtype=float).reshape(given.shape) - low
    for group, total in enumerate(x[model.layout.renewable]):
        mine = model.groups == group
        open_room = room[mine].sum(axis=0)
        share = np.divide(total - low[mine].sum(axis=0), open_room, out=np.zeros_like(total), where=open_room > 0)
        given[mine] = low[mine] + room[mine] * np.clip(share, 0.0, 1.0)
    return given
