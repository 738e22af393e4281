"""Discrete-time hazards: boosting with the complementary log-log link on top of what the unit's past says.

The probability of an event within a horizon is 1 - exp(-L), L the cumulative hazard; log L is an offset (the unit's own past) plus the
sum of trees: a proportional-hazards model of grouped times (Prentice & Gloeckler 1978, eq. 5) with boosted covariates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
LOWEST, HIGHEST = -14.0, 3.0  # log cumulative hazards: probabilities of about 1e-6 and 1 - 2e-9
FEWEST_EVENTS = 20
FEWEST_TO_CALIBRATE = 200


def log_hazard(probability: Array) -> Array:
    """Log cumulative hazard of a probability."""
    return np.asarray(np.log(-np.log1p(-np.clip(probability, 1e-6, 1 - 1e-9))))


def probability_of(score: Array) -> Array:
    """Probability of a log cumulative hazard."""
    return np.asarray(-np.expm1(-np.exp(np.clip(score, LOWEST, HIGHEST))))


def gradients(score: Array, event: Array) -> tuple[Array, Array]:
    """First derivative of the log loss of `probability_of(score)` and a positive curvature.

    The curvature is the larger of the exact second derivative and Fisher's information: where an event came against all expectation the
    exact one nearly vanishes, and a Newton step would leap.
    """
    hazard = np.exp(np.clip(score, LOWEST, HIGHEST))
    rest = np.expm1(hazard)
    share = hazard / rest
    first = np.where(event > 0, -share, hazard)
    exact = np.where(event > 0, share * (hazard * (rest + 1) / rest - 1), hazard)
    return first, np.maximum(np.maximum(exact, hazard * share), 1e-9)


@dataclass(frozen=True, slots=True)
class Isotonic:
    """Monotone calibration per horizon: knots of a piecewise linear function; a horizon without any is left as it is."""

    knots: Mapping[int, tuple[tuple[float, ...], tuple[float, ...]]]

    @classmethod
    def of(cls, probability: Array, event: Array, horizon: npt.NDArray[np.int64]) -> Self:
        """Fit on rows that the scores have not seen (Zadrozny & Elkan 2002).

        Ends are held half an event away from 0 and 1; a horizon with fewer than 200 rows, or 20 events on either side, is left alone.
        """
        from sklearn.isotonic import IsotonicRegression

        knots = {}
        for minutes in np.unique(horizon):
            at = horizon == minutes
            p, e = probability[at], event[at]
            if len(e) < FEWEST_TO_CALIBRATE or min(e.sum(), (1 - e).sum()) < FEWEST_EVENTS:
                continue
            half = 0.5 / len(e)
            fitted = IsotonicRegression(y_min=half, y_max=1 - half, out_of_bounds="clip").fit(p, e)
            knots[int(minutes)] = (tuple(map(float, fitted.X_thresholds_)), tuple(map(float, fitted.y_thresholds_)))
        return cls(knots)

    def __call__(self, probability: Array, horizon: npt.NDArray[np.int64]) -> Array:
        """Calibrated probabilities."""
        made = probability.copy()
        for minutes, (x, y) in self.knots.items():
            at = horizon == minutes
            made[at] = np.interp(probability[at], x, y)
        return made


def boost(x: Array, event: Array, offset: Array, names: Sequence[str], settings: Mapping[str, Any], rounds: int) -> Any:
    """A LightGBM booster of log cumulative hazards beyond the offset; None with fewer than 20 events on either side."""
    import lightgbm as lgb

    if min(event.sum(), (1 - event).sum()) < FEWEST_EVENTS:
        return None

    def objective(score: Array, data: Any) -> tuple[Array, Array]:
        return gradients(score, np.asarray(data.get_label(), dtype=np.float64))

    fixed = dict(settings)
    data = lgb.Dataset(x, event, init_score=offset, feature_name=list(names), params=fixed, free_raw_data=False)
    return lgb.train({**fixed, "objective": objective}, data, rounds)


def boost_median(x: Array, target: Array, names: Sequence[str], settings: Mapping[str, Any], rounds: int) -> Any:
    """A LightGBM booster of the conditional median."""
    import lightgbm as lgb

    fixed = {**settings, "objective": "regression_l1"}
    return lgb.train(fixed, lgb.Dataset(x, target, feature_name=list(names), params=fixed, free_raw_data=False), rounds)
