"""Calibration on out-of-fold scores: a logistic link, so that the probability stays additive in its log-odds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
MIN_EVENTS = 10


@dataclass(frozen=True, slots=True)
class Calibrator:
    """log-odds = slope * raw + level_slope * level + intercept (Platt 1999, with the level score as second regressor)."""

    slope: float
    level_slope: float
    intercept: float

    def log_odds(self, raw: Array, level: Array) -> Array:
        """Calibrated log-odds from the booster's raw score and the level score."""
        return np.asarray(self.slope * raw + self.level_slope * level + self.intercept, dtype=np.float64)


def fit_calibrator(raw: Array, level: Array, events: Array, *, penalty: float = 1.0) -> Calibrator:
    """Fit by penalised maximum likelihood towards the uncalibrated score (slope 1, level slope 0, intercept 0).

    With fewer than 10 events on either side the score is left as it is: there is nothing to calibrate on.

    Args:
        raw: out-of-fold raw scores (log-odds), finite.
        level: out-of-fold level scores, finite.
        events: 0 or 1.
        penalty: weight of the squared distance from the uncalibrated score; the intercept is free of it.
    """
    if min(events.sum(), (1 - events).sum()) < MIN_EVENTS:
        return Calibrator(1.0, 0.0, 0.0)
    slope, level_slope, intercept = _newton(np.column_stack((raw, level, np.ones(len(raw)))), events, penalty)
    if level_slope < 0:  # a higher level never lowers the risk: leave it to the booster
        slope, level_slope, intercept = _newton(np.column_stack((raw, 0.0 * level, np.ones(len(raw)))), events, penalty)
    return Calibrator(slope, level_slope, intercept)


def _newton(x: Array, events: Array, penalty: float) -> tuple[float, float, float]:
    """Penalised logistic regression of three coefficients by damped Newton steps."""
    start = np.array([1.0, 0.0, 0.0])
    weight = np.array([penalty, penalty, 1e-6])
    beta = start.copy()
    for _ in range(200):
        p = sigmoid(x @ beta)
        gradient = x.T @ (p - events) + weight * (beta - start)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag(weight)
        step = np.linalg.solve(hessian, gradient)
        largest = float(np.abs(step).max())
        beta = beta - step * min(1.0, 1.0 / (largest + 1e-12))
        if largest < 1e-10:
            break
    return float(beta[0]), float(beta[1]), float(beta[2])


def sigmoid(z: Array) -> Array:
    """Logistic function without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)), dtype=np.float64)
