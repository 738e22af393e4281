"""Conditional normalising flow of latent day vectors: an affine map of the conditions, then affine couplings (Dinh et al. 2017).

Every scale and shift starts at zero, so that the untrained flow is the identity and draws the Gaussian copula.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from models.scenario_gen.network import Weights, answered, started

Array = npt.NDArray[np.float64]
BOUND = 1.0  # largest log scale of a coupling


def first_weights(rng: np.random.Generator, *, size: int, conditions: int, width: int, layers: int) -> dict[str, Array]:
    """Weights before learning."""
    made: dict[str, Array] = started(rng, "base", conditions, width, 2 * size)
    for layer in range(layers):
        still = len(range(layer % 2, size, 2))
        made |= started(rng, f"couple{layer}", still + conditions, width, 2 * (size - still))
    return made


def loss(xp: ModuleType, weights: Weights, clean: Any, given: Any, draw: Any) -> Any:  # noqa: ARG001 - same signature as diffusion
    """Negative log density per dimension, one per row, up to a constant.

    Args:
        xp: `numpy` or `jax.numpy`.
        weights: of `first_weights`.
        clean: latent vectors, shape (n, size).
        given: conditions, shape (n, k).
        draw: not used.
    """
    noise, log_volume = to_noise(xp, weights, clean, given)
    return (0.5 * (noise**2).sum(axis=1) - log_volume) / clean.shape[1]


def to_noise(xp: ModuleType, weights: Weights, clean: Any, given: Any) -> tuple[Any, Any]:
    """Noise of latent vectors, and the log volume of the map, shapes (n, size) and (n,)."""
    log_scale, shift = _halves(xp, answered(xp, weights, "base", given))
    x = (clean - shift) * xp.exp(-log_scale)
    volume = -log_scale.sum(axis=1)
    for layer in reversed(range(_layers(weights))):
        still, moved = x[:, layer % 2 :: 2], x[:, 1 - layer % 2 :: 2]
        log_scale, shift = _halves(xp, answered(xp, weights, f"couple{layer}", xp.concatenate([still, given], axis=1)))
        x = _woven(xp, still, (moved - shift) * xp.exp(-log_scale), layer)
        volume = volume - log_scale.sum(axis=1)
    return x, volume


def sampled(weights: Weights, noise: Array, given: Array) -> Array:
    """Latent vectors of noise, shape (n, size)."""
    x = noise
    for layer in range(_layers(weights)):
        still, moved = x[:, layer % 2 :: 2], x[:, 1 - layer % 2 :: 2]
        log_scale, shift = _halves(np, answered(np, weights, f"couple{layer}", np.concatenate([still, given], axis=1)))
        x = _woven(np, still, moved * np.exp(log_scale) + shift, layer)
    log_scale, shift = _halves(np, answered(np, weights, "base", given))
    return np.asarray(x * np.exp(log_scale) + shift)


def _layers(weights: Weights) -> int:
    return sum(name.startswith("couple") and name.endswith("_mid") for name in weights)


def _halves(xp: ModuleType, answer: Any) -> tuple[Any, Any]:
    """Bounded log scale, and shift."""
    half = answer.shape[1] // 2
    return BOUND * xp.tanh(answer[:, :half] / BOUND), answer[:, half:]


def _woven(xp: ModuleType, still: Any, moved: Any, layer: int) -> Any:
    """Columns back in their places; the two parts differ by at most one column."""
    first, second = (still, moved) if layer % 2 == 0 else (moved, still)
    width = first.shape[1]
    paired = xp.stack([first[:, : second.shape[1]], second], axis=2).reshape(len(first), -1)
    return paired if width == second.shape[1] else xp.concatenate([paired, first[:, -1:]], axis=1)
