"""Bayesian online change-point detection of mean and variance (Adams & MacKay 2007, arXiv 0710.3742): uses the past alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OnlineChanges:
    """What is known of the last change, day by day.

    Attributes:
        recent: probability that the last change lies within the last `recent_days` days, shape (n,).
        run_length: likeliest number of days since the last change, shape (n,).
    """

    recent: Array
    run_length: npt.NDArray[np.int64]


def online_changes(values: Array, *, mean_run_days: float, recent_days: int = 14, longest_days: int = 200) -> OnlineChanges:
    """Run-length posterior under a constant hazard and a normal-inverse-gamma prior of mean 0, a pseudo-day of mean and unit scale.

    Args:
        values: standardised numbers, shape (n,); a NaN is a day without evidence.
        mean_run_days: expected days between changes.
        recent_days: what counts as recent; changes before the first day do not.
        longest_days: run lengths are cut here; the tail is kept in the last.
    """
    n, hazard = len(values), 1 / mean_run_days
    posterior = np.ones(1)
    mean, kappa, alpha, beta = np.zeros(1), np.ones(1), np.full(1, 2.0), np.full(1, 2.0)
    recent, run = np.zeros(n), np.zeros(n, dtype=np.int64)
    for t, value in enumerate(values):
        if np.isfinite(value):
            log_predictive = _log_student(value, mean, kappa, alpha, beta)
            likely = posterior * np.exp(log_predictive - log_predictive.max())
            shifted = kappa * (value - mean) ** 2 / (2 * (kappa + 1))
            mean, kappa, alpha, beta = (kappa * mean + value) / (kappa + 1), kappa + 1, alpha + 0.5, beta + shifted
        else:
            likely = posterior
        grown = np.concatenate(([hazard * likely.sum()], (1 - hazard) * likely))
        mean, kappa, alpha, beta = (np.concatenate(([p], v)) for p, v in ((0.0, mean), (1.0, kappa), (2.0, alpha), (2.0, beta)))
        if len(grown) > longest_days:
            grown[longest_days - 1] += grown[longest_days]
            grown, mean, kappa, alpha, beta = (v[:longest_days] for v in (grown, mean, kappa, alpha, beta))
        posterior = grown / grown.sum()
        # after day t a run length of r means that the last change came before day t - r + 1
        recent[t] = posterior[: recent_days + 1].sum() if t >= recent_days else 0.0
        run[t] = int(posterior.argmax())
    return OnlineChanges(recent, run)


def _log_student(value: float, mean: Array, kappa: Array, alpha: Array, beta: Array) -> Array:
    """Log of the predictive Student density of each run length."""
    freedom, scale = 2 * alpha, beta * (kappa + 1) / (alpha * kappa)
    log_norm = gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - 0.5 * np.log(freedom * np.pi * scale)
    return np.asarray(log_norm - (freedom + 1) / 2 * np.log1p((value - mean) ** 2 / (freedom * scale)))
