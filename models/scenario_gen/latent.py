"""The space the generators work in: principal directions of the day's normal scores, each with unit variance, and how hubs move together.

A standard normal vector decoded from here is a Gaussian copula; generators start as exactly that and learn where days depart from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
LEAST = 1e-3  # smallest variance of a direction
PULL_DAYS = 60.0  # weight of the identity beside the correlation of hubs, in days


@dataclass(frozen=True, slots=True)
class Latent:
    """Whitening of day vectors.

    Attributes:
        mean: shape (d,).
        root: directions times standard deviations, largest first, shape (d, d).
        inverse: its inverse.
    """

    mean: Array
    root: Array
    inverse: Array

    @classmethod
    def of(cls, score: Array) -> Latent:
        """Whitening of scores, shape (n, d)."""
        mean = score.mean(axis=0)
        covariance = np.cov(score - mean, rowvar=False) if len(score) > 1 else np.eye(score.shape[1])
        size, direction = np.linalg.eigh(covariance)
        order = np.argsort(-size, kind="stable")
        direction = direction[:, order] * np.where(direction[:, order].sum(axis=0) < 0, -1.0, 1.0)
        sd = np.sqrt(np.maximum(size[order], LEAST))
        return cls(mean, direction * sd, (direction / sd).T)

    def encode(self, score: Array) -> Array:
        """Latent vectors, shape (n, d)."""
        return np.asarray((score - self.mean) @ self.inverse.T)

    def decode(self, latent: Array) -> Array:
        """Scores, shape (n, d)."""
        return np.asarray(self.mean + latent @ self.root.T)


def hub_root(latent: Array, hub: npt.NDArray[np.int64], date: npt.NDArray[np.int64], hubs: int) -> Array:
    """Triangular root of the correlation of hubs' latent vectors on common days, shape (hubs, hubs).

    Args:
        latent: shape (n, d).
        hub: number of the hub of each vector, shape (n,).
        date: its delivery date, shape (n,).
        hubs: number of hubs.
    """
    days, at = np.unique(date, return_inverse=True)
    table = np.full((days.size, hubs, latent.shape[1]), np.nan)
    table[at, hub] = latent
    common = table[np.isfinite(table).all(axis=(1, 2))]
    if not len(common):
        return np.eye(hubs)
    flat = common.transpose(0, 2, 1).reshape(-1, hubs)
    second = flat.T @ flat / len(flat)
    scale = np.sqrt(np.diag(second))
    weight = len(common) / (len(common) + PULL_DAYS)
    correlation = weight * second / np.outer(scale, scale) + (1 - weight) * np.eye(hubs)
    return np.asarray(np.linalg.cholesky((correlation + correlation.T) / 2 + 1e-9 * np.eye(hubs)))


def shared_noise(root: Array, count: int, width: int, seed: int) -> Array:
    """Standard normal numbers of every hub, correlated between hubs, shape (hubs, count, width)."""
    drawn = np.random.default_rng(seed).standard_normal((len(root), count, width))
    return np.asarray(np.einsum("hk,kcw->hcw", root, drawn))
