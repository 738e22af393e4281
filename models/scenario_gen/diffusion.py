"""Conditional diffusion of latent day vectors: a denoiser with the preconditioning of Karras et al. (2022), drawn by the probability flow.

With data of unit variance the skip connection alone is the exact denoiser of a standard normal vector, so that a network that answers
zero draws the Gaussian copula, and what is learned is the departure from it. Told by the angle a = arctan(sigma) and y = x / sqrt(1 +
sigma^2), their probability flow dx / dsigma = (x - D(x, sigma)) / sigma becomes dy / da = -F: what is integrated is the departure alone.
"""

from __future__ import annotations

from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from models.scenario_gen.network import Weights, answered, started

Array = npt.NDArray[np.float64]
LOW, HIGH = 0.02, 30.0  # noise levels of the sampler
LOG_MEAN, LOG_SPREAD = -0.2, 1.2  # noise levels in learning
PLACES = 5  # inputs that tell the noise level


def first_weights(rng: np.random.Generator, *, size: int, conditions: int, width: int) -> dict[str, Array]:
    """Weights before learning."""
    return started(rng, "denoise", size + conditions + PLACES, width, size)


def corrections(xp: ModuleType, weights: Weights, noisy: Any, sigma: Any, given: Any) -> Any:
    """What the network answers (F in equation 7), shape (n, size).

    Args:
        xp: `numpy` or `jax.numpy`.
        weights: of `first_weights`.
        noisy: data plus noise, shape (n, size).
        sigma: noise level, shape (n, 1).
        given: conditions, shape (n, k).
    """
    angle = xp.arctan(sigma)
    place = xp.concatenate([xp.log(sigma) / 4, xp.sin(angle), xp.cos(angle), xp.sin(3 * angle), xp.cos(3 * angle)], axis=1)
    return answered(xp, weights, "denoise", xp.concatenate([noisy / xp.sqrt(1 + sigma**2), given, place], axis=1))


def loss(xp: ModuleType, weights: Weights, clean: Any, given: Any, draw: Any) -> Any:
    """Weighted squared error of the denoiser, one per row (equation 8 with the weight that makes all noise levels count alike).

    Args:
        xp: `numpy` or `jax.numpy`.
        weights: of `first_weights`.
        clean: latent vectors, shape (n, size).
        given: conditions, shape (n, k).
        draw: standard normal numbers, shape (n, size + 1): noise, and the noise level.
    """
    sigma = xp.exp(LOG_MEAN + LOG_SPREAD * draw[:, -1:])
    noisy = clean + sigma * draw[:, :-1]
    wanted = (clean - noisy / (1 + sigma**2)) * xp.sqrt(1 + sigma**2) / sigma
    return ((corrections(xp, weights, noisy, sigma, given) - wanted) ** 2).mean(axis=1)


def sampled(weights: Weights, noise: Array, given: Array, steps: int) -> Array:
    """Latent vectors that the noise flows to (Heun's method over equal angles; no random numbers of its own).

    Args:
        weights: learned ones.
        noise: standard normal, shape (n, size).
        given: conditions, shape (n, k).
        steps: steps from the highest noise to none.
    """
    y = noise
    for now, after in pairwise(np.linspace(np.arctan(HIGH), 0.0, steps + 1)):
        slope = _slope(weights, y, now, given)
        ahead = y + (after - now) * slope
        y = y + (after - now) * (slope + _slope(weights, ahead, after, given)) / 2
    return np.asarray(y)


def _slope(weights: Weights, y: Array, angle: float, given: Array) -> Array:
    """Slope of y over the angle."""
    sigma = max(float(np.tan(angle)), LOW)
    return np.asarray(-corrections(np, weights, y * np.sqrt(1 + sigma**2), np.full((len(y), 1), sigma), given))
