"""The regime of each day: a Markov chain of normal, transition and stressed days."""

from __future__ import annotations

import numpy as np

from models._kernel.grid.network import Floats, Ints
from pipeline_tasks.twin.dials import ScenarioDials
from pipeline_tasks.twin.noise import Calendar, Noise
from pipeline_tasks.twin.world_config import RegimesConfig, WorldConfig


def transition_matrix(config: RegimesConfig) -> Floats:
    """Daily transition probabilities (3, 3): a mean stay per regime, then one step to the next worse or better regime."""
    matrix = np.zeros((3, 3))
    for k in range(3):
        leave = 1 / config.stay_days[k]
        worse = leave * config.to_worse[k]
        matrix[k, k] = 1 - leave
        if k < 2:
            matrix[k, k + 1] = worse
        if k > 0:
            matrix[k, k - 1] = leave - worse
        else:
            matrix[0, 0] = 1 - worse
    return matrix


def simulate_regimes(config: WorldConfig, calendar: Calendar, dials: ScenarioDials) -> Ints:
    """Regime of each day (n_days,), from normal on the first one; overrides replace days and leave the chain as it is.

    Raises:
        ValueError: an override names an unknown regime.
    """
    steps = np.cumsum(transition_matrix(config.regimes), axis=1)
    draws = Noise(config.seed, calendar).daily_uniforms("regime", 1)[0]
    path = np.zeros(calendar.days, dtype=np.int64)
    state = 0
    for day, draw in enumerate(draws):
        state = min(int(np.searchsorted(steps[state], draw, side="right")), 2)
        path[day] = state
    names = config.regimes.names
    for dial in dials.regimes:
        if dial.regime not in names:
            raise ValueError(f"regime override {dial.regime!r} does not exist; choose one of {', '.join(names)}")
        first, last = (d.toordinal() - calendar.start.toordinal() for d in (dial.first, dial.last))
        path[max(first, 0) : max(last + 1, 0)] = names.index(dial.regime)
    return path
