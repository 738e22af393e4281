"""Maximum-entropy inverse reinforcement learning of a store: the linear reward under which the schedules seen were the most likely ones.

A store moves energy over a horizon of steps. State: its level, on a grid; action: by how many grid steps the level changes. The reward of a
step is `features @ theta`; schedules have probability proportional to exp(total reward) (Ziebart et al. 2008; with the dynamics
deterministic this is the maximum causal entropy policy, Ziebart 2010). Soft value iteration backwards in time gives the exact
normaliser, its gradient (what the policy does on average in the features, by a forward pass) is exact too, so the log likelihood is
maximised by a quasi-Newton method without sampling. It is concave in theta.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NEVER = -1e12
REWARDS = ("earned", "moved", "kept", "turned_on")
"""Features of a step: cash by price, energy moved, value of what is kept at the end, steps in which the store moves at all."""


@dataclass(frozen=True, slots=True)
class StoreProblem:
    """A store over episodes of equal length.

    Attributes:
        price: (episode, step) price that the store expects, in units of its mean: theta is then without currency.
        levels: number of levels of the grid, 0 .. levels - 1.
        actions: (action,) change of the level in grid steps; positive stores energy. Holds 0.
        round_trip: share of stored energy that comes back.
        start: (episode,) level before the first step.
    """

    price: Array
    levels: int
    actions: Ints
    round_trip: float
    start: Ints

    def __post_init__(self) -> None:
        """Refuse grids that cannot be walked."""
        if self.levels < 2 or 0 not in self.actions.tolist():
            raise ValueError(f"levels is {self.levels}, actions {self.actions.tolist()}; give two levels at least and an action 0")
        if not 0 < self.round_trip <= 1:
            raise ValueError(f"round_trip is {self.round_trip}; give a share above 0, at most 1")
        if self.start.shape != (len(self.price),) or (self.start < 0).any() or (self.start >= self.levels).any():
            raise ValueError(f"start holds {self.start.tolist()[:5]}; give each of the {len(self.price)} episodes a level of the grid")

    @property
    def next_level(self) -> Ints:
        """(level, action) where an action leads; may lie off the grid."""
        return np.asarray(np.arange(self.levels)[:, None] + self.actions, dtype=np.int64)

    @property
    def allowed(self) -> npt.NDArray[np.bool_]:
        """(level, action) whether it stays on the grid."""
        following = self.next_level
        return np.asarray((following >= 0) & (following < self.levels), dtype=np.bool_)

    def features(self) -> Array:
        """(feature, episode, step, action) without `kept`, which depends on the last level alone."""
        moved = np.abs(self.actions).astype(np.float64)
        cash = np.where(self.actions > 0, -self.actions / self.round_trip, -self.actions.astype(np.float64))
        shape = (*self.price.shape, len(self.actions))
        earned = self.price[:, :, None] * cash
        return np.stack([earned, np.broadcast_to(-moved, shape), np.zeros(shape), np.broadcast_to(-(moved > 0).astype(np.float64), shape)])

    def kept(self) -> Array:
        """(episode, level) worth of what is left at the end: the episode's mean price for each grid step."""
        return np.asarray(self.price.mean(axis=1)[:, None] * np.arange(self.levels), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class StorePolicy:
    """A learned reward and the policy that follows from it.

    Attributes:
        theta: (feature,) weights of `REWARDS`.
        log_likelihood: mean log probability of a step of the schedules it was learned from.
        gradient: largest entry of the gradient there: the proof of the optimum.
    """

    theta: Array
    log_likelihood: float = float("nan")
    gradient: float = float("nan")


def soft_policy(problem: StoreProblem, theta: Array) -> tuple[Array, Array]:
    """Log policy (episode, step, level, action) and log normaliser (episode, level) at the first step."""
    features, allowed = problem.features(), problem.allowed
    reward = np.tensordot(theta, features, axes=1)
    value = theta[2] * problem.kept()
    following = np.clip(problem.next_level, 0, problem.levels - 1)
    log_policy = np.empty((*problem.price.shape, problem.levels, len(problem.actions)))
    for step in range(problem.price.shape[1] - 1, -1, -1):
        worth = np.where(allowed, reward[:, step, None, :] + value[:, following], NEVER)
        top = worth.max(axis=2, keepdims=True)
        value = (top + np.log(np.exp(worth - top).sum(axis=2, keepdims=True)))[:, :, 0]
        log_policy[:, step] = worth - value[:, :, None]
    return log_policy, value


def expected(problem: StoreProblem, theta: Array) -> tuple[Array, Array]:
    """Mean features (feature,) summed over steps and averaged over episodes, and mean change of level (episode, step) in grid steps."""
    log_policy, _ = soft_policy(problem, theta)
    policy, features = np.exp(log_policy), problem.features()
    episodes, steps = problem.price.shape
    mass = np.zeros((episodes, problem.levels))
    mass[np.arange(episodes), problem.start] = 1.0
    totals, change = np.zeros(len(theta)), np.empty((episodes, steps))
    for step in range(steps):
        flow = mass[:, :, None] * policy[:, step]
        acted = flow.sum(axis=1)
        totals += np.einsum("fea,ea->f", features[:, :, step], acted)
        change[:, step] = acted @ problem.actions
        mass = np.zeros_like(mass)
        for k, move in enumerate(problem.actions.tolist()):
            low, high = max(move, 0), problem.levels + min(move, 0)
            mass[:, low:high] += flow[:, low - move : high - move, k]
    totals[2] += float((mass * problem.kept()).sum())
    return totals / episodes, change


def seen(problem: StoreProblem, action: Ints) -> tuple[Array, Ints]:
    """Mean features (feature,) of schedules, and the levels (episode, step) before each step.

    Args:
        problem: the store.
        action: (episode, step) position in `actions`.

    Raises:
        ValueError: a schedule leaves the grid.
    """
    moves = problem.actions[action]
    after = problem.start[:, None] + moves.cumsum(axis=1)
    if (after < 0).any() or (after >= problem.levels).any():
        raise ValueError("a schedule leaves the grid of levels; widen the grid or clip the schedule")
    features, episodes = problem.features(), len(action)
    rows, steps = np.arange(episodes)[:, None], np.arange(action.shape[1])
    totals = features[:, rows, steps, action].sum(axis=2).mean(axis=1)
    totals[2] += float(problem.kept()[np.arange(episodes), after[:, -1]].mean())
    return totals, np.asarray(after - moves, dtype=np.int64)


def log_likelihood(problem: StoreProblem, theta: Array, action: Ints) -> Array:
    """(episode,) log probability of each schedule."""
    log_policy, _ = soft_policy(problem, theta)
    _, level = seen(problem, action)
    rows, steps = np.arange(len(action))[:, None], np.arange(action.shape[1])
    return np.asarray(log_policy[rows, steps, level, action].sum(axis=1), dtype=np.float64)


def learn_store(problem: StoreProblem, action: Ints, *, ridge: float = 1e-3) -> StorePolicy:
    """The reward of largest likelihood, by exact gradients.

    Args:
        problem: the store and its episodes.
        action: (episode, step) what it did, positions in `actions`.
        ridge: weight of the squared parameters per episode, which keeps directions bounded that the schedules say nothing of.
    """
    from scipy.optimize import minimize

    wanted, _ = seen(problem, action)
    episodes, steps = problem.price.shape

    def loss(theta: Array) -> tuple[float, Array]:
        _, value = soft_policy(problem, theta)
        met, _ = expected(problem, theta)
        normaliser = float(value[np.arange(episodes), problem.start].mean())
        return normaliser - float(theta @ wanted) + ridge * float(theta @ theta), met - wanted + 2 * ridge * theta

    found = minimize(loss, np.zeros(len(REWARDS)), jac=True, method="L-BFGS-B", options={"maxiter": 200, "gtol": 1e-6})
    theta = np.asarray(found.x, dtype=np.float64)
    likelihood = float(log_likelihood(problem, theta, action).mean() / steps)
    return StorePolicy(theta, likelihood, float(np.abs(loss(theta)[1]).max()))
