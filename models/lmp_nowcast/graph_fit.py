"""Training of the graph transformer in JAX: least absolute error, and a price of leaving the directions that congestion has had."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.lmp_nowcast import graph
from models.lmp_nowcast.factors import Basis
from models.lmp_nowcast.graph import Graph, Neighbourhood
from models.lmp_nowcast.panel import LAST, Panel

if TYPE_CHECKING:
    from models.lmp_nowcast.params import Params

Array = npt.NDArray[np.float64]
SMALL = 1e-6


def fit(basis: Basis, given: Panel, outcome: Array, params: Params, *, seed: int) -> Graph:
    """A graph transformer of the nodes' changes.

    The loss of a decision is the mean absolute error over nodes and `graph_consistency` times the mean square of the part of the answer
    outside the span of the system price and the congestion factors: prices of a DC network lie in the range of [1, PTDF'].

    Args:
        basis: the directions; its distances are the graph's.
        given: decisions to learn from.
        outcome: prices that came, shape (decisions, trained nodes or more), NaN where unknown.
        params: sizes.
        seed: same data and seed give the same weights on one machine.
    """
    trained = basis.loadings.shape[1]
    gap = outcome[:, :trained] - given.values[LAST][:, :trained]
    usable = np.flatnonzero(np.isfinite(gap).any(axis=1))
    unit = max(float(np.nanquantile(np.abs(gap), 0.8)), 0.1) if len(usable) else 1.0
    centre, spread = _scale(given.shared)
    near = Neighbourhood.of(basis, params.graph_neighbours)
    times, static = graph.scaled(given, trained, centre, spread, unit)
    rng = np.random.default_rng(seed)
    weights = graph.started(rng, width=params.graph_width, layers=params.graph_layers)
    batches = _batches(rng, usable, params.graph_steps, params.graph_batch)
    learned = _descend(weights, (times, static, gap / unit), batches, (near, basis.loadings), params)
    return Graph(near, learned, centre, spread, unit)


def _descend(
    weights: dict[str, Array], data: tuple[Array, Array, Array], batches: Any, shape: tuple[Neighbourhood, Array], params: Params
) -> dict[str, Array]:
    """Weights after one AdamW step per batch, averaged over the last fifth of the steps."""
    import jax.numpy as jnp

    near, loadings = shape
    start, step = _stepper()
    rates = _rates(len(batches), params.graph_rate)
    network = (jnp.asarray(near.beside), *(jnp.asarray(part, dtype=jnp.float32) for part in (near.distance, loadings)))
    held = {name: jnp.asarray(value, dtype=jnp.float32) for name, value in weights.items()}
    carried, begin = (held, start(held), held), len(batches) - max(len(batches) // 5, 1)
    for k, rows in enumerate(batches):
        late = np.float32(1.0 / (k - begin + 1) if k >= begin else 0.0)
        carried = step(
            carried, tuple(part[rows].astype(np.float32) for part in data), network, (rates[k], late, np.float32(params.graph_consistency))
        )
    return {name: np.asarray(value, dtype=np.float64) for name, value in carried[2].items()}


@cache
def _stepper() -> tuple[Callable[[Any], Any], Callable[..., Any]]:
    """First state of the optimiser, and one step of it; made once, so that horizons of one shape share what is compiled."""
    import jax
    import jax.numpy as jnp
    import optax

    def loss(weights: Any, batch: Any, network: Any, consistency: Any) -> Any:
        (times, static, gap), (beside, distance, directions) = batch, network
        told = graph.forward(jnp, weights, times, static, Neighbourhood(beside, distance))
        known = jnp.isfinite(gap)
        miss = jnp.where(known, jnp.abs(jnp.where(known, gap, 0.0) - told), 0.0).sum() / jnp.maximum(known.sum(), 1)
        apart = told - told.mean(axis=1, keepdims=True)
        outside = apart - (apart @ directions.T) @ directions
        return miss + consistency * (outside**2).mean()

    adam = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam(), optax.add_decayed_weights(1e-3))

    def step(carried: Any, batch: Any, network: Any, how: Any) -> Any:
        (weights, state, mean), (rate, late, consistency) = carried, how
        moves, state = adam.update(jax.grad(loss)(weights, batch, network, consistency), state, weights)
        weights = jax.tree.map(lambda w, move: w - rate * move, weights, moves)
        return weights, state, jax.tree.map(lambda m, new: m + late * (new - m), mean, weights)

    return adam.init, jax.jit(step)


def _rates(steps: int, highest: float) -> npt.NDArray[np.float32]:
    """Learning rate of each step: up within a twentieth of them, then down a cosine to a twentieth of the highest."""
    up, at = max(steps // 20, 1), np.arange(steps)
    down = 0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * np.clip((at - up) / max(steps - up, 1), 0, 1)))
    return np.asarray(highest * np.where(at < up, (at + 1) / up, down), dtype=np.float32)


def _batches(rng: np.random.Generator, usable: npt.NDArray[np.int64], steps: int, size: int) -> npt.NDArray[np.int64]:
    """Decisions of each step, shape (steps, size): every one is drawn once before any comes again."""
    if not len(usable):
        return np.empty((0, size), dtype=np.int64)
    rounds = -(-steps * size // len(usable))
    order = np.concatenate([rng.permutation(usable) for _ in range(rounds)])
    return order[: steps * size].reshape(steps, size)


def _scale(shared: Array) -> tuple[Array, Array]:
    """Medians and spreads of columns; columns without a known value stay as they are."""
    known = np.isfinite(shared).any(axis=0)
    centre, spread = np.zeros(shared.shape[1]), np.ones(shared.shape[1])
    centre[known] = np.nanmedian(shared[:, known], axis=0)
    spread[known] = np.maximum(np.nanstd(shared[:, known], axis=0), SMALL)
    return centre, spread
