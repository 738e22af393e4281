"""Feasible patterns near a fractional one: a threshold, then minimum times repaired in one pass forward."""

from __future__ import annotations

import numpy as np

from models._kernel.grid.commitment_fleet import Fleet
from models._kernel.grid.commitment_types import CommitmentProblem, Flags, ThermalUnit, UnitState


def repaired(problem: CommitmentProblem, fleet: Fleet, wish: Flags) -> Flags:
    """The wish with minimum up and down times, outages and must-run kept: runs are lengthened, short gaps bridged, early starts put off."""
    on = (wish | fleet.must_on) & ~fleet.must_off
    for g, state in enumerate(problem.state):
        if np.all(on[g] == state.on) and not fleet.must_off[g].any():
            continue
        _repair(on[g], fleet.must_on[g], fleet.must_off[g], state, problem.units[g])
    return on


def _repair(on: Flags, must_on: Flags, must_off: Flags, state: UnitState, unit: ThermalUnit) -> None:
    running, spell, min_up, min_down = state.on, state.hours, unit.time_up_minimum, unit.time_down_minimum
    for t in range(len(on)):
        want = bool(on[t])
        if must_off[t]:
            want = False
        elif running and not want:
            ahead = on[t : t + min_down] & ~must_off[t : t + min_down]
            stopped = must_off[t : t + min_down].any()
            want = spell < min_up or (bool(ahead.any()) and not stopped)
        elif not running and want:
            want = spell >= min_down or bool(must_on[t])
        spell = spell + 1 if want == running else 1
        running = want
        on[t] = want
