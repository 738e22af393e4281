"""GraphSAGE (Hamilton, Ying & Leskovec 2017): vectors of nodes from what they and their neighbours are like, in JAX; CPU, seeded.

Two layers of weighted mean aggregation, trained without prices: nodes that meet on short random walks shall be alike, random pairs not
(their eq. 1). The weights of a branch are its susceptance. A node that was not there in training gets its vector from its neighbours.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
WIDTH, BATCH, STEPS, RATE, NEGATIVES, WALK = 64, 512, 300, 5e-3, 5, 4


def graphsage(begin: Ints, end: Ints, weight: Array, features: Array, *, dimensions: int, seed: int, steps: int = STEPS) -> Array:
    """Vectors of nodes, rows of length 1.

    Args:
        begin: one end of each edge.
        end: the other.
        weight: positive, e.g. the susceptance of a branch.
        features: what each node is like, shape (nodes, p); standardised here.
        dimensions: length of a vector.
        seed: of initial weights and walks.
        steps: training steps.

    Returns:
        Shape (nodes, dimensions).

    Raises:
        ValueError: a feature is not finite.
    """
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    if not np.isfinite(features).all():
        raise ValueError("a feature of a node is not finite; fill it or leave the feature out")
    spread = features.std(axis=0)
    known = jnp.asarray((features - features.mean(axis=0)) / np.where(spread > 1e-12, spread, 1.0), dtype=jnp.float32)
    n = known.shape[0]
    tail, head = np.concatenate([begin, end]), np.concatenate([end, begin])
    size = np.tile(weight, 2)
    total = np.bincount(tail, size, n)
    share = jnp.asarray(size / np.where(total > 0, total, 1.0)[tail], dtype=jnp.float32)
    edges = (jnp.asarray(tail), jnp.asarray(head), share)
    keys = jax.random.split(jax.random.PRNGKey(seed), 2)
    layers = (
        eqx.nn.Linear(2 * known.shape[1], WIDTH, key=keys[0]),
        eqx.nn.Linear(2 * WIDTH, dimensions, key=keys[1]),
    )
    pairs = _meetings(n, tail, head, size, steps, seed)
    return np.asarray(_trainer()(layers, known, edges, jnp.asarray(pairs)), dtype=np.float64)


def _embed(layers: Any, known: Any, edges: Any) -> Any:
    """Vectors of all nodes."""
    import jax
    import jax.numpy as jnp

    tail, head, share = edges

    def around(values: Any) -> Any:
        return jax.ops.segment_sum(values[head] * share[:, None], tail, num_segments=known.shape[0])

    hidden = jax.nn.relu(jax.vmap(layers[0])(jnp.concatenate([known, around(known)], axis=1)))
    made = jax.vmap(layers[1])(jnp.concatenate([hidden, around(hidden)], axis=1))
    return made / jnp.maximum(jnp.linalg.norm(made, axis=1, keepdims=True), 1e-6)


@cache
def _trainer() -> Any:
    """The layers after one step of Adam for every batch of (node, met node, strangers); compiled once for equal shapes."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    optax: Any = importlib.import_module("optax")  # ships no types
    optimiser = optax.adam(RATE)

    def loss(layers: Any, known: Any, edges: Any, batch: Any) -> Any:
        z = _embed(layers, known, edges)
        here, met, others = z[batch[:, 0]], z[batch[:, 1]], z[batch[:, 2:]]
        near = jax.nn.log_sigmoid(4.0 * jnp.sum(here * met, axis=1))
        far = jax.nn.log_sigmoid(-4.0 * jnp.einsum("bd,bkd->bk", here, others))
        return -jnp.mean(near) - jnp.mean(jnp.sum(far, axis=1))

    def train(layers: Any, known: Any, edges: Any, pairs: Any) -> Any:
        numbers, shape = eqx.partition(layers, eqx.is_array)
        slope: Any = jax.grad(lambda values, batch: loss(eqx.combine(values, shape), known, edges, batch))

        def step(carry: Any, batch: Any) -> Any:
            values, state = carry
            moves, state = optimiser.update(slope(values, batch), state)
            return (eqx.apply_updates(values, moves), state), None

        (numbers, _), _ = jax.lax.scan(step, (numbers, optimiser.init(numbers)), pairs)
        return _embed(eqx.combine(numbers, shape), known, edges)

    return eqx.filter_jit(train)


def _meetings(n: int, tail: Ints, head: Ints, size: Array, steps: int, seed: int) -> Ints:
    """(steps, batch, 2 + negatives): nodes, those met within a short walk from each, and strangers."""
    rng = np.random.default_rng(seed)
    order = np.argsort(tail, kind="stable")
    begin = np.searchsorted(tail[order], np.arange(n + 1))
    reach = np.concatenate([[0.0], np.cumsum(size[order])])
    start = rng.integers(0, n, steps * BATCH)
    at, met, length = start.copy(), start.copy(), rng.integers(1, WALK + 1, start.size)
    for k in range(WALK):
        low, high = reach[begin[at]], reach[begin[at + 1]]
        draw = np.searchsorted(reach, low + rng.random(at.size) * (high - low), side="right") - 1
        moves = high > low
        at = np.where(moves, head[order][np.clip(draw, 0, tail.size - 1)], at)
        met = np.where(length == k + 1, at, met)
    strangers = rng.integers(0, n, (start.size, NEGATIVES))
    return np.column_stack([start, met, strangers]).reshape(steps, BATCH, 2 + NEGATIVES)
