"""Offline learning in JAX of all seeds at once: conservative and implicit Q-learning with distributions of returns, and cloning.

CQL: Kumar et al. (2020), equation 4, for discrete actions; IQL: Kostrikov et al. (2022), equations 5 to 7; returns as quantiles: Dabney et
al. (2018). CVaR enters where actions are ranked: in CQL's greedy action and in IQL's advantage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from models.rl_hedger import networks
from models.rl_hedger.params import Params

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SOFT = 0.02  # share of the way a target network follows in a step
MOST_WEIGHT = 20.0
SHORT = 1000  # steps times seeds up to which compiling well takes longer than running
LEARNERS = ("cql", "iql", "clone")
HEADS_OF = {"cql": ("cql",), "iql": ("iql", "value", "policy"), "clone": ("clone",)}


@dataclass(frozen=True, slots=True)
class Log:
    """Logged transitions.

    Attributes:
        inputs: scaled state and hedge of the day before, shape (n, k).
        action: taken, shape (n,).
        reward: of it, in units of the log's standard deviation, shape (n,).
        after: inputs of the next day, after this action, shape (n, k).
        ends: 1 where there is no next day, shape (n,).
        propensity: probability with which the behaviour policy took the action, shape (n,).
    """

    inputs: Array
    action: Ints
    reward: Array
    after: Array
    ends: Array
    propensity: Array


def learn(log: Log, params: Params, actions: int, *, seed: int, learners: tuple[str, ...] = LEARNERS) -> dict[str, Array]:
    """Weights of every seed, first axis; same log and seed, same weights on one machine. Learners not asked for stay as they began."""
    rng = np.random.default_rng(seed)
    sizes = {"inputs": log.inputs.shape[1], "width": params.width, "actions": actions, "quantiles": params.quantiles}
    first = [networks.started(np.random.default_rng([seed, k]), **sizes) for k in range(params.seeds)]
    weights = {name: np.stack([w[name] for w in first]).astype(np.float32) for name in first[0]}
    moved = {name: value for name, value in weights.items() if name.split("_", 1)[0] in {h for k in learners for h in HEADS_OF[k]}}
    chosen = rng.integers(0, len(log.reward), (params.steps, params.seeds, params.batch)).astype(np.int32)
    data = tuple(
        v.astype(np.int32 if v.dtype.kind == "i" else np.float32) for v in (log.inputs, log.action, log.reward, log.after, log.ends)
    )
    how = np.array(
        [params.rate, params.discount, params.conservatism, params.expectile, params.temperature, params.risk_aversion, params.tail],
        dtype=np.float32,
    )
    short = params.steps * params.seeds <= SHORT
    learned = _runner(actions, params.quantiles, learners, short=short)(moved, chosen, data, how)
    return {name: np.asarray(learned.get(name, value), dtype=np.float64) for name, value in weights.items()}


@cache
def _runner(actions: int, quantiles: int, learners: tuple[str, ...], *, short: bool) -> Callable[..., Any]:
    """All steps of all seeds, compiled once for each shape."""
    import jax
    import jax.numpy as jnp
    import optax

    adam = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())
    middle = (jnp.arange(quantiles) + 0.5) / quantiles

    def ranked(told: Any, risk: Any, tail: Any) -> Any:
        weight = (jnp.arange(quantiles) < jnp.maximum(jnp.round(tail * quantiles), 1)).astype(told.dtype)
        return (1 - risk) * told.mean(axis=-1) + risk * (told * weight).sum(axis=-1) / weight.sum()

    def distance(told: Any, wanted: Any) -> Any:
        gap = wanted[:, None, :] - told[:, :, None]
        huber = jnp.where(jnp.abs(gap) <= 1, 0.5 * gap**2, jnp.abs(gap) - 0.5)
        return (jnp.abs(middle[None, :, None] - (gap < 0)) * huber).mean(axis=2).sum(axis=1).mean()

    def conservative(weights: Any, target: Any, batch: Any, how: Any) -> Any:
        (inputs, action, reward, after, ends), (_, discount, conserve, _, _, risk, tail) = batch, how
        row = jnp.arange(reward.size)
        told, ahead = (networks.returns(jnp, w, "cql", x, actions) for w, x in ((weights, inputs), (target, after)))
        best = jnp.argmax(ranked(ahead, risk, tail), axis=1)
        goal = jax.lax.stop_gradient(reward[:, None] + (discount * (1 - ends))[:, None] * ahead[row, best])
        mean = told.mean(axis=2)
        return distance(told[row, action], goal) + conserve * (jax.nn.logsumexp(mean, axis=1) - mean[row, action]).mean()

    def implicit(weights: Any, target: Any, batch: Any, how: Any) -> Any:
        (inputs, action, reward, after, ends), (_, discount, _, expectile, heat, risk, tail) = batch, how
        row, still = jnp.arange(reward.size), jax.lax.stop_gradient
        own, value = networks.returns(jnp, weights, "iql", inputs, actions), networks.answered(jnp, weights, "value", inputs)[:, 0]
        goal = still(reward[:, None] + (discount * (1 - ends))[:, None] * networks.answered(jnp, target, "value", after))
        advantage = still(ranked(networks.returns(jnp, target, "iql", inputs, actions)[row, action], risk, tail)) - value
        weigh = still(jnp.minimum(jnp.exp(heat * advantage), MOST_WEIGHT))
        chosen = jax.nn.log_softmax(networks.answered(jnp, weights, "policy", inputs))[row, action]
        spread = (jnp.abs(expectile - (advantage < 0)) * advantage**2).mean()
        return distance(own[row, action], goal) + spread - (weigh * chosen).mean()

    def cloned(weights: Any, _: Any, batch: Any, __: Any) -> Any:
        row = jnp.arange(batch[1].size)
        return -jax.nn.log_softmax(networks.answered(jnp, weights, "clone", batch[0]))[row, batch[1]].mean()

    parts = {"cql": conservative, "iql": implicit, "clone": cloned}

    def loss(weights: Any, target: Any, batch: Any, how: Any) -> Any:
        return sum(parts[name](weights, target, batch, how) for name in learners)

    def one(weights: Any, inner: Any, target: Any, batch: Any, how: Any) -> Any:
        moves, inner = adam.update(jax.grad(loss)(weights, target, batch, how), inner, weights)
        weights = jax.tree.map(lambda w, move: w - how[0] * (move + 1e-3 * w), weights, moves)
        return weights, inner, jax.tree.map(lambda t, w: t + SOFT * (w - t), target, weights)

    every: Callable[..., Any] = jax.vmap(one, in_axes=(0, 0, 0, 0, None))

    def run(weights: Any, chosen: Any, data: Any, how: Any) -> Any:
        def step(state: Any, rows: Any) -> Any:
            batch = tuple(part[rows] for part in data)
            return every(*state, batch, how), None

        return jax.lax.scan(step, (weights, jax.vmap(adam.init)(weights), weights), chosen)[0][0]

    return jax.jit(run, compiler_options={"xla_backend_optimization_level": 0} if short else None)
