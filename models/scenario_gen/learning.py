"""Learning of a network in JAX: AdamW, averaged weights, stopped where weeks that were left out are told best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from models.scenario_gen import diffusion, flow

Array = npt.NDArray[np.float64]
CHECKS = 8
VALIDATION_DRAWS = 8
SHORT = 1000  # steps up to which compiling well takes longer than running
LOSSES: dict[str, Callable[[ModuleType, Any, Any, Any, Any], Any]] = {"diffusion": diffusion.loss, "flow": flow.loss}


@dataclass(frozen=True, slots=True)
class Sample:
    """Latent vectors and their conditions, rows to learn from and rows to stop by.

    Attributes:
        latent: shape (n, size).
        given: shape (n, k).
        held_out: rows that are not learned from, shape (n,).
    """

    latent: Array
    given: Array
    held_out: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Learned:
    """Weights, their loss on the held-out rows, and that of the Gaussian copula there."""

    weights: dict[str, Array]
    loss: float
    gaussian_loss: float


def learn(kind: str, weights: dict[str, Array], sample: Sample, *, steps: int, batch: int, rate: float, decay: float, seed: int) -> Learned:
    """Weights after the check at which the held-out loss was lowest; the first ones (the Gaussian copula) count too.

    Args:
        kind: `diffusion` or `flow`.
        weights: first weights.
        sample: what to learn from.
        steps: gradient steps.
        batch: rows of a step.
        rate: highest learning rate, of a cosine that begins and ends low.
        decay: weight decay.
        seed: same sample and seed, same weights on one machine.
    """
    rng = np.random.default_rng(seed)
    clean, given = sample.latent.astype(np.float32), sample.given.astype(np.float32)
    train, held = np.flatnonzero(~sample.held_out), np.flatnonzero(sample.held_out)
    told = np.tile(held, VALIDATION_DRAWS)
    fixed = rng.standard_normal((told.size, clean.shape[1] + 1)).astype(np.float32)

    def judged(made: dict[str, Array]) -> float:
        return float(np.mean(LOSSES[kind](np, made, sample.latent[told], sample.given[told], fixed.astype(np.float64))))

    begin, run = _runner(kind, short=steps <= SHORT)
    best = gaussian = judged(weights) if held.size else 0.0
    kept = weights
    begun = {name: value.astype(np.float32) for name, value in weights.items()}
    carried = (begun, begin(begun), begun)
    span = max(steps // CHECKS, 1)
    rates = _rates(span * CHECKS, rate)
    for check in range(CHECKS if steps and train.size else 0):
        chosen = train[rng.integers(0, train.size, (span, batch))]
        draws = rng.standard_normal((span, batch, clean.shape[1] + 1)).astype(np.float32)
        part = slice(check * span, (check + 1) * span)
        carried = run(carried, (clean[chosen], given[chosen], draws, rates[part]), np.float32(decay), np.float32(1 - 4 / (span + 4)))
        made = {name: np.asarray(value, dtype=np.float64) for name, value in carried[2].items()}
        found = judged(made) if held.size else float(-check)
        if found < best:
            best, kept = found, made
    return Learned(kept, best, gaussian)


@cache
def _runner(kind: str, *, short: bool) -> tuple[Callable[[Any], Any], Callable[..., Any]]:
    """First state of the optimiser, and a run of steps, compiled once for each shape."""
    import jax
    import jax.numpy as jnp
    import optax

    adam = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())

    def mean_loss(weights: Any, clean: Any, given: Any, draw: Any) -> Any:
        return LOSSES[kind](jnp, weights, clean, given, draw).mean()

    def run(carried: Any, batches: Any, decay: Any, memory: Any) -> Any:
        def step(state: Any, batch: Any) -> Any:
            (weights, inner, mean), (clean, given, draw, rate) = state, batch
            moves, inner = adam.update(jax.grad(mean_loss)(weights, clean, given, draw), inner, weights)
            weights = jax.tree.map(lambda w, move: w - rate * (move + decay * w), weights, moves)
            return (weights, inner, jax.tree.map(lambda m, w: memory * m + (1 - memory) * w, mean, weights)), None

        return jax.lax.scan(step, carried, batches)[0]

    return jax.jit(adam.init), jax.jit(run, compiler_options={"xla_backend_optimization_level": 0} if short else None)


def _rates(steps: int, highest: float) -> npt.NDArray[np.float32]:
    """Learning rate of every step: up within a twentieth, then down a cosine to a twentieth of the highest."""
    at = (np.arange(steps) + 0.5) / steps
    return np.asarray(highest * np.where(at < 0.05, at / 0.05, 0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * at))), dtype=np.float32)
