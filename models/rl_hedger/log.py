"""The log the hedger learns from: what a behaviour policy would have done on past days, with the probability of each action.

The behaviour policy follows a rule that reads the state at the gate (the tuned heuristic) and explores at random with a known share; it
never sees the day's spread.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.rl_hedger.days import StateScale, Steps
from models.rl_hedger.learning import Log
from models.rl_hedger.limits import ACTIONS, HedgeRules
from models.rl_hedger.params import Params
from models.rl_hedger.policies import Heuristic, inputs_of

Array = npt.NDArray[np.float64]


def logged(parts: list[Steps], rule: Heuristic, scale: StateScale, params: Params, rules: HedgeRules, *, seed: int) -> tuple[Log, float]:
    """Transitions of all series one after the other, and the unit of their rewards (standard deviation), currency per MWh of load."""
    rng = np.random.default_rng(seed)
    told: list[tuple[Array, ...]] = []
    for days in parts:
        usual = rule.actions(days)
        wild = rng.random(days.count) < params.explore
        action = np.where(wild, rng.integers(0, ACTIONS, days.count), usual)
        propensity = params.explore / ACTIONS + (1 - params.explore) * (action == usual)
        hedge = days.positions[np.arange(days.count), action]
        before = np.vstack((np.zeros((1, 2)), hedge[:-1]))
        moved = (np.abs(hedge - before) * days.share).sum(axis=1)
        row = np.arange(days.count)
        reward = (
            days.saving()[row, action] - params.trade_fee_ccy_per_mwh * days.traded()[row, action] - params.move_fee_ccy_per_mwh * moved
        )
        inputs = inputs_of(scale.scaled(days.state), before, rules)
        after = np.vstack((inputs[1:], np.zeros((1, inputs.shape[1]))))
        after[:-1] = inputs_of(scale.scaled(days.state)[1:], hedge[:-1], rules)
        ends = np.zeros(days.count)
        ends[-1:] = 1.0
        good = np.isfinite(reward)
        told.append((inputs[good], action[good].astype(np.float64), reward[good], after[good], ends[good], propensity[good]))
    inputs, action, reward, after, ends, propensity = (np.concatenate(columns) for columns in zip(*told, strict=True))
    unit = max(float(reward.std()), 1e-9)
    return Log(inputs, action.astype(np.int64), reward / unit, after, ends, propensity), unit
