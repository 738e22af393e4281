"""Logistic links: from the level score to where boosting starts, and from out-of-fold scores to calibrated log-odds.

Both are linear in log-odds, so that a probability stays the sum of its contributions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
MIN_EVENTS = 10


@dataclass(frozen=True, slots=True)
class Link:
    """log-odds = slope * score + intercept (Platt 1999)."""

    slope: float
    intercept: float

    def log_odds(self, score: Array) -> Array:
        """Log-odds of a score."""
        return np.asarray(self.slope * score + self.intercept, dtype=np.float64)


def fit_link(score: Array, events: Array, *, prior: Link, penalty: float = 1.0) -> Link:
    """Penalised maximum likelihood, shrunk towards `prior`.

    With fewer than 10 events on either side only the intercept moves, and by at least one pseudo-event each way.

    Args:
        score: finite scores, shape (n,).
        events: 0 or 1, shape (n,).
        prior: link that few events leave nearly as it is.
        penalty: weight of the squared distance of the slope from the prior's; the intercept is nearly free.
    """
    few = min(events.sum(), (1 - events).sum()) < MIN_EVENTS
    x = np.column_stack((score, np.ones(len(score))))
    start = np.array([prior.slope, prior.intercept])
    weight = np.array([1e9 if few else penalty, 1.0 if few else 1e-3])
    beta = start.copy()
    for _ in range(300):
        p = sigmoid(x @ beta)
        gradient = x.T @ (p - events) + weight * (beta - start)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag(weight)
        step = np.linalg.solve(hessian, gradient)
        largest = float(np.abs(step).max())
        beta = beta - step * min(1.0, 1.0 / (largest + 1e-12))
        if largest < 1e-10:
            break
    return Link(max(float(beta[0]), 0.05), float(beta[1]))


def sigmoid(z: Array) -> Array:
    """Logistic function without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)), dtype=np.float64)
