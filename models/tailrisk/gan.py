"""A small generative adversarial network of exceedances, in JAX: covariates and log excess together; deterministic by seed, CPU.

Least-squares GAN (Mao et al. 2017): two perceptrons of two hidden layers, Adam at 1e-3, batches of real rows drawn with replacement.
It is trained inside the fold and thrown away after sampling; nothing of it reaches the artifact or `predict`.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
NOISE, WIDTH, BATCH, RATE = 8, 32, 256, 1e-3


def sample(covariates: Array, excess: Array, count: int, *, steps: int, seed: int) -> tuple[Array, Array]:
    """Train on (covariates, ln excess) and draw.

    Args:
        covariates: shape (n, p), NaN where unknown (taken as average).
        excess: positive, shape (n,).
        count: rows to draw.
        steps: training steps.
        seed: of initial weights, batches and draws.

    Returns:
        Covariates (count, p) and excesses (count,), inside the range of the real ones widened by one standard deviation.
    """
    import jax
    import jax.numpy as jnp

    table = np.column_stack((covariates, np.log(excess)))
    centre = np.nan_to_num(np.nanmean(table, axis=0))
    spread = np.nan_to_num(np.nanstd(table, axis=0))
    spread = np.where(spread > 1e-9, spread, 1.0)
    real = np.nan_to_num((table - centre) / spread)
    generator = _trained(jnp.asarray(real, dtype=jnp.float32), steps, seed)
    noise = jax.random.normal(jax.random.PRNGKey(seed + 1), (count, NOISE))
    drawn = np.asarray(jax.vmap(generator)(noise), dtype=np.float64)
    drawn = np.clip(drawn, real.min(axis=0) - 1.0, real.max(axis=0) + 1.0) * spread + centre
    return drawn[:, :-1], np.exp(drawn[:, -1])


def _trained(real: Any, steps: int, seed: int) -> Any:
    """The generator after `steps` alternating steps of both networks."""
    import equinox as eqx
    import jax

    keys = jax.random.split(jax.random.PRNGKey(seed), 3)
    generator = eqx.nn.MLP(NOISE, real.shape[1], WIDTH, 2, jax.nn.leaky_relu, key=keys[0])
    critic = eqx.nn.MLP(real.shape[1], 1, WIDTH, 2, jax.nn.leaky_relu, key=keys[1])
    return _trainer()((generator, critic), real, jax.random.split(keys[2], steps))[0]


@cache
def _trainer() -> Any:
    """Both networks after one step for every key; compiled once for equal shapes of the rows and keys."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    optax: Any = importlib.import_module("optax")  # ships no types
    optimiser = optax.adam(RATE, b1=0.5)

    def critic_loss(net: Any, made: Any, batch: Any) -> Any:
        return jnp.mean((jax.vmap(net)(batch) - 1.0) ** 2) + jnp.mean(jax.vmap(net)(made) ** 2)

    def generator_loss(net: Any, judge: Any, noise: Any) -> Any:
        return jnp.mean((jax.vmap(judge)(jax.vmap(net)(noise)) - 1.0) ** 2)

    slope: Any = eqx.filter_grad  # untyped
    critic_slope, generator_slope = slope(critic_loss), slope(generator_loss)

    def step(nets: Any, states: Any, real: Any, key: Any) -> Any:
        (g, c), (g_state, c_state) = nets, states
        pick, first, second = jax.random.split(key, 3)
        batch = real[jax.random.randint(pick, (BATCH,), 0, real.shape[0])]
        made = jax.vmap(g)(jax.random.normal(first, (BATCH, NOISE)))
        moves, c_state = optimiser.update(critic_slope(c, made, batch), c_state)
        c = eqx.apply_updates(c, moves)
        moves, g_state = optimiser.update(generator_slope(g, c, jax.random.normal(second, (BATCH, NOISE))), g_state)
        return (eqx.apply_updates(g, moves), c), (g_state, c_state)

    def train(nets: Any, real: Any, keys: Any) -> Any:
        numbers, shape = eqx.partition(nets, eqx.is_array)
        states = tuple(optimiser.init(net) for net in numbers)

        def one(carry: Any, key: Any) -> Any:
            after, states = step(eqx.combine(carry[0], shape), carry[1], real, key)
            return (eqx.filter(after, eqx.is_array), states), None

        (numbers, _), _ = jax.lax.scan(one, (numbers, states), keys)
        return eqx.combine(numbers, shape)

    return eqx.filter_jit(train)
