"""Off-policy evaluation: what a policy would earn per day, from the log alone, before any backtest.

Fitted Q evaluation (Le, Voloshin & Yue 2019) with ridge regressions per action, and the doubly robust estimator in its stationary form
(Kallus & Uehara 2022, without density ratios: a hedge moves no price), which corrects it where the log took the policy's action. Values
are told as means per day: (1 - discount) times a return.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.bootstrap import stationary_bootstrap_ci
from models.rl_hedger.learning import Log
from models.rl_hedger.params import Params
from models.rl_hedger.policies import decided

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
ROUNDS = 60
PENALTY = 20.0  # pseudo-days of the ridge
MOST_WEIGHT = 20.0  # importance weights beyond are cut


@dataclass(frozen=True, slots=True)
class Valued:
    """What the log says of a policy, in units of the log's rewards.

    Attributes:
        fitted: by fitted Q evaluation.
        robust: doubly robust.
        low, high: 95 % interval of it (stationary block bootstrap of days).
    """

    fitted: float
    robust: float
    low: float
    high: float


def chosen_by(weights: Mapping[str, Array], head: str, inputs: Array, params: Params) -> Ints:
    """Action that one network takes on each input, shape (n,)."""
    return np.asarray(decided(weights, head, inputs, params).argmax(axis=1), dtype=np.int64)


def evaluated(log: Log, here: Ints, after: Ints, actions: int, *, discount: float, seed: int) -> Valued:
    """Value of a policy.

    Args:
        log: transitions in time order.
        here: action that the policy takes on each logged state, shape (n,).
        after: action that it takes on the state after, shape (n,).
        actions: number of actions.
        discount: of a day.
        seed: of the bootstrap.
    """
    features, ahead = (np.column_stack((np.ones(len(x)), x)) for x in (log.inputs, log.after))
    grams = []
    for action in range(actions):
        mine = log.action == action
        own = features[mine]
        grams.append((mine, np.linalg.inv(own.T @ own + PENALTY * np.diag([1e-6, *np.ones(own.shape[1] - 1)])) @ own.T))
    weights = np.zeros((actions, features.shape[1]))
    row = np.arange(len(log.reward))
    for _ in range(ROUNDS):
        goal = log.reward + discount * (1 - log.ends) * (ahead @ weights.T)[row, after]
        weights = np.stack([inverse @ goal[mine] for mine, inverse in grams])
    told, next_told = features @ weights.T, (ahead @ weights.T)[row, after] * (1 - log.ends)
    ratio = np.minimum((here == log.action) / log.propensity, MOST_WEIGHT)
    # Days are alike in the long run, so that each logged day's temporal difference corrects the value at every later day the same way: in
    # means per day the weight 1 - discount of the correction and the sum of its discounts cancel.
    robust = (1 - discount) * told[row, here] + ratio * (log.reward + discount * next_told - told[row, log.action])
    found = stationary_bootstrap_ci(robust, lambda m: m[:, 0], mean_block=7.0, draws=1000, seed=seed)
    return Valued(float((1 - discount) * told[row, here].mean()), found.estimate, found.low, found.high)
