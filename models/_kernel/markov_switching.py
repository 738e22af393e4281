"""Hidden Markov model with diagonal Gaussian emissions: Bayes filter, and its parameters at the posterior mode.

Only `filtered` may be read by anything point in time: it uses the past alone. `smoothed` and `most_likely_path` use the days after as well,
and serve description (and, inside a fit, the days that are all known at the cutoff).

Filter and smoother: Hamilton 1989 (Econometrica 57) and Kim 1994; the fit is expectation-maximisation on the posterior, with Dirichlet
priors on the rows of the transition matrix (sticky ones) and normal-inverse-gamma priors on means and variances (Bishop 2006, sec. 13.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Priors:
    """Priors, in days of evidence.

    Attributes:
        stay_days: expected days in a state before it is left.
        transition_days: pseudo-days behind each row of the transition matrix.
        variance_days: pseudo-days behind each variance, around the pooled variance.
        mean_days: pseudo-days behind each mean, around the state's first guess.
    """

    stay_days: float = 20.0
    transition_days: float = 40.0
    variance_days: float = 20.0
    mean_days: float = 10.0


@dataclass(frozen=True, slots=True)
class Switching:
    """A fitted model of k states and d observed numbers a day.

    Attributes:
        start: probabilities of the first day, shape (k,).
        transition: [from, to], rows sum to one, shape (k, k).
        mean: shape (k, d).
        variance: shape (k, d).
    """

    start: Array
    transition: Array
    mean: Array
    variance: Array

    def log_density(self, observed: Array) -> Array:
        """Log density of every day under every state, shape (s, n, k); unknown numbers (NaN) are integrated out."""
        gap = observed[:, :, None, :] - self.mean
        each = -0.5 * (np.log(2 * np.pi * self.variance) + gap**2 / self.variance)
        return np.asarray(np.where(np.isfinite(each), each, 0.0).sum(axis=3))

    def filtered(self, observed: Array) -> tuple[Array, Array]:
        """P(state | this day and the days before) and the log density of each day given the days before.

        Args:
            observed: series by calendar days, shape (s, n, d); NaN where unknown, also for whole days.

        Returns:
            Shapes (s, n, k) and (s, n).
        """
        log_density = self.log_density(observed)
        top = log_density.max(axis=2, keepdims=True)
        density = np.exp(log_density - top)
        found, evidence = np.empty_like(density), np.empty(density.shape[:2])
        ahead = np.broadcast_to(self.start, density[:, 0].shape)
        for day in range(density.shape[1]):
            joint = ahead * density[:, day]
            total = np.maximum(joint.sum(axis=1, keepdims=True), 1e-300)
            found[:, day], evidence[:, day] = joint / total, total[:, 0]
            ahead = (found[:, day, :, None] * self.transition).sum(axis=1)
        return found, np.log(evidence) + top[:, :, 0]

    def smoothed(self, observed: Array, filtered: Array | None = None) -> tuple[Array, Array]:
        """P(state | all days), shape (s, n, k), and expected transitions, shape (k, k). For description and fits only."""
        known = self.filtered(observed)[0] if filtered is None else filtered
        found, pairs = known.copy(), np.zeros_like(self.transition)
        ahead = np.maximum((known[:, :, :, None] * self.transition).sum(axis=2), 1e-300)
        for day in range(known.shape[1] - 2, -1, -1):
            joint = known[:, day, :, None] * self.transition * (found[:, day + 1] / ahead[:, day])[:, None, :]
            found[:, day] = joint.sum(axis=2)
            pairs += joint.sum(axis=0)
        return found, pairs

    def most_likely_path(self, observed: Array) -> Ints:
        """States of the single likeliest path (Viterbi) of one series (n, d), shape (n,). For description only."""
        log_density, n = self.log_density(observed[None])[0], len(observed)
        with np.errstate(divide="ignore"):
            move, best = np.log(self.transition), np.log(self.start)
        back = np.zeros((n, len(best)), dtype=np.int64)
        for day in range(n):
            if day:
                ways = best[:, None] + move
                back[day], best = ways.argmax(axis=0), ways.max(axis=0)
            best = best + log_density[day]
        path = np.empty(n, dtype=np.int64)
        path[-1:] = best.argmax()
        for day in range(n - 1, 0, -1):
            path[day - 1] = back[day, path[day]]
        return path


def fit_switching(series: Array, shares: Sequence[float], priors: Priors | None = None, *, rounds: int = 40) -> Switching:
    """Parameters at the posterior mode from several series of days that share them; states are ordered by the sum of their means.

    The first guess sorts days by the mean of their numbers and cuts them by `shares`, so that a fit needs no random start.

    Args:
        series: standardised numbers by calendar days, shape (s, n, d); NaN where unknown, also for whole days.
        shares: first guess of the share of days in each state, from the least to the most severe; they sum to one.
        priors: priors.
        rounds: iterations at most.

    Raises:
        ValueError: fewer days than states.
    """
    prior, k = priors or Priors(), len(shares)
    days = series.reshape(-1, series.shape[2])
    days = days[np.isfinite(days).any(axis=1)]
    if len(days) < 2 * k:
        raise ValueError(f"{len(days)} days cannot tell {k} states apart; give at least {2 * k}")
    guess = _first_guess(days, shares)
    pooled = np.array([max(float(np.var(v[np.isfinite(v)])), 1e-3) if np.isfinite(v).any() else 1.0 for v in days.T])
    leave = 1 / prior.stay_days
    pseudo = prior.transition_days * (np.full((k, k), leave / (k - 1)) + np.eye(k) * (1 - leave - leave / (k - 1)))
    model = Switching(np.asarray(shares, dtype=np.float64), pseudo / prior.transition_days, guess, np.tile(pooled, (k, 1)))
    before = -np.inf
    for _ in range(rounds):
        filtered, log_evidence = model.filtered(series)
        smoothed, moved = model.smoothed(series, filtered)
        model = _maximise(series, smoothed, pseudo + moved, guess, pooled, prior)
        evidence = float(log_evidence.sum())
        if evidence - before < 1e-5 * abs(evidence):
            break
        before = evidence
    order = np.argsort(model.mean.sum(axis=1), kind="stable")
    return Switching(model.start[order], model.transition[np.ix_(order, order)], model.mean[order], model.variance[order])


def _first_guess(days: Array, shares: Sequence[float]) -> Array:
    """Means of the days that lie between the quantiles of severity, shape (k, d); severity is the mean of a day's known numbers."""
    known = np.isfinite(days)
    severity = np.where(known, days, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    state = np.searchsorted(np.quantile(severity, np.cumsum(shares)[:-1]), severity, side="right")
    means = [np.where(known, days, 0.0)[state == s].sum(axis=0) / np.maximum(known[state == s].sum(axis=0), 1) for s in range(len(shares))]
    return np.asarray(means, dtype=np.float64)


def _maximise(series: Array, smoothed: Array, pairs: Array, guess: Array, pooled: Array, prior: Priors) -> Switching:
    """Parameters at the mode given the expected states and transitions."""
    days, weight = series.reshape(-1, series.shape[2]), smoothed.reshape(-1, smoothed.shape[2])
    known = np.isfinite(days)
    value = np.where(known, days, 0.0)
    count = weight.T @ known.astype(np.float64)
    mean = (weight.T @ value + prior.mean_days * guess) / (count + prior.mean_days)
    spread = np.stack([(weight[:, s, None] * np.where(known, value - mean[s], 0.0) ** 2).sum(axis=0) for s in range(len(guess))])
    variance = (spread + prior.mean_days * (mean - guess) ** 2 + prior.variance_days * pooled) / (count + prior.variance_days)
    start = weight.mean(axis=0)
    return Switching(start / start.sum(), pairs / pairs.sum(axis=1, keepdims=True), mean, np.maximum(variance, 1e-4))
