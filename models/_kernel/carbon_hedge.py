"""Hedge ratios of power against gas and carbon, and the tests of two hedges on the same position.

Ratios are quantities of the hedge sold per MWh of power held: MWh of gas, t of CO2. All estimators see changes over the hedge's own
period up to the decision and none after it; the hedge with two assets and the one with three come from the same estimator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
METHODS = ("ols", "shrunk", "varx", "vecm", "state_space")
LEAST_ROWS = 30
MOST = np.array([3.0, 1.2])  # MWh of gas and t of CO2 per MWh of power: an old gas plant and an old lignite plant; no plant exceeds them
SHRINK = 0.5


@dataclass(frozen=True, slots=True)
class Levels:
    """Prices by period, oldest first, and what else moves power.

    Attributes:
        power: currency/MWh, shape (n,).
        hedges: prices of the hedges, shape (n, k): gas, or gas and carbon.
        load: residual load in its own spread, shape (n,); NaN where unknown.
    """

    power: Array
    hedges: Array
    load: Array

    def until(self, period: int, window: int) -> Levels:
        """The last `window` periods before a position (`window` changes), ending with the one before it."""
        part = slice(max(period - window - 1, 0), period)
        return Levels(self.power[part], self.hedges[part], self.load[part])


def ratios(method: str, seen: Levels, whole: Levels) -> Array:
    """Hedge ratios, shape (k,), by one of `METHODS`, within 0 and `MOST`: what plants can do.

    `ols`: regression of changes of power on those of the hedges and of residual load (minimum variance; Ederington 1979). `shrunk`: half
    way from it to the same over all that was seen. `varx`: the same regression of the innovations of a vector autoregression with residual
    load as exogenous input; `vecm`: of a vector error-correction model of rank 1 (statsmodels). `state_space`: ratios that drift as random
    walks, filtered (Kalman), drift and noise by maximum likelihood.

    Args:
        method: one of `METHODS`.
        seen: the estimation window.
        whole: all periods before the decision.

    Raises:
        ValueError: no such method, or fewer than 30 changes.
    """
    if method not in METHODS:
        raise ValueError(f"hedge method {method!r} is not known; use one of {', '.join(METHODS)}")
    if len(seen.power) <= LEAST_ROWS:
        raise ValueError(f"{len(seen.power) - 1} changes; a hedge ratio needs {LEAST_ROWS}")
    if method == "ols":
        found = _regressed(*_changes(seen))
    elif method == "shrunk":
        found = SHRINK * _regressed(*_changes(seen)) + (1 - SHRINK) * _regressed(*_changes(whole))
    elif method == "state_space":
        found = _filtered(*_changes(whole))
    else:
        found = _innovations(method, seen)
    return np.clip(found, 0.0, MOST[: len(found)])


def _changes(levels: Levels) -> tuple[Array, Array, Array]:
    return np.diff(levels.power), np.diff(levels.hedges, axis=0), np.diff(np.nan_to_num(levels.load))


def _regressed(power: Array, hedges: Array, load: Array) -> Array:
    design = np.column_stack((hedges, load, np.ones(len(power))))
    return np.asarray(np.linalg.lstsq(design, power, rcond=None)[0][: hedges.shape[1]], dtype=np.float64)


def _innovations(method: str, seen: Levels) -> Array:
    """Ratios from the innovations of a model of all prices together."""
    from statsmodels.tsa.api import VAR
    from statsmodels.tsa.vector_ar.vecm import VECM

    load = np.nan_to_num(seen.load)
    if method == "varx":
        power, hedges, moved = _changes(seen)
        errors = np.asarray(VAR(np.column_stack((power, hedges)), exog=moved).fit(1).resid)
    else:
        errors = np.asarray(
            VECM(np.column_stack((seen.power, seen.hedges)), exog=load, k_ar_diff=1, coint_rank=1, deterministic="co").fit().resid
        )
    design = np.column_stack((errors[:, 1:], np.ones(len(errors))))
    return np.asarray(np.linalg.lstsq(design, errors[:, 0], rcond=None)[0][:-1], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Drift:
    """How coefficients drift.

    Attributes:
        ratio: variance of a coefficient's drift per period over that of the noise, inputs in units of `spread`.
        noise: variance of the noise.
        spread: root mean square of every input, shape (k,).
    """

    ratio: float
    noise: float
    spread: Array


def drifting(power: Array, inputs: Array, drift: Drift) -> tuple[Array, Array, Any]:
    """Random-walk coefficients of a regression, filtered (statsmodels' Kalman filter); those of a period rest on it and those before it.

    Args:
        power: regressand, shape (n,); NaN where unknown.
        inputs: regressors, shape (n, k).
        drift: how they drift.

    Returns:
        Filtered coefficients (n, k), their standard deviations (n, k), and what the filter found.
    """
    from statsmodels.tsa.statespace.kalman_filter import KalmanFilter

    n, k = inputs.shape
    made: Any = KalmanFilter(k_endog=1, k_states=k, nobs=n, loglikelihood_burn=k)
    made.bind(np.ascontiguousarray(power[:, None]))
    made["design"] = (inputs / drift.spread).T[None]
    made["transition"], made["selection"] = np.eye(k), np.eye(k)
    made["obs_cov"], made["state_cov"] = np.array([[drift.noise]]), drift.ratio * drift.noise * np.eye(k)
    made.initialize_known(np.zeros(k), 1e4 * drift.noise * np.eye(k))
    found = made.filter()
    sd = np.sqrt(np.maximum(np.einsum("iit->ti", found.filtered_state_cov), 0.0))
    return found.filtered_state.T / drift.spread, sd / drift.spread, found


RATIOS = (0.0, 1e-5, 1e-4, 1e-3)


def best_drift(power: Array, inputs: Array) -> Drift:
    """The drift of `RATIOS` with the highest likelihood, each at its best noise."""
    k, best = inputs.shape[1], (-np.inf, Drift(0.0, 1.0, np.ones(inputs.shape[1])))
    spread = np.maximum(np.sqrt(np.mean(inputs**2, axis=0)), 1e-9)
    for ratio in RATIOS:
        noise = max(float(np.nanvar(power)), 1e-9)
        for _ in range(3):  # the best noise at a given ratio makes standardised errors have unit variance
            found = drifting(power, inputs, Drift(ratio, noise, spread))[2]
            standard = found.forecasts_error[0, k:] ** 2 / found.forecasts_error_cov[0, 0, k:]
            noise = max(noise * float(np.nanmean(standard)), 1e-9)
        drift = Drift(ratio, noise, spread)
        best = max(best, (float(drifting(power, inputs, drift)[2].llf), drift), key=lambda pair: pair[0])
    return best[1]


def _filtered(power: Array, hedges: Array, load: Array) -> Array:
    inputs = np.column_stack((hedges, load))
    return np.asarray(drifting(power, inputs, best_drift(power, inputs))[0][-1, : hedges.shape[1]], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class PitmanMorgan:
    """Test of equal variances of two paired series (Pitman 1939, Morgan 1939).

    Attributes:
        ratio: var(a) / var(b).
        p_value: one-sided: that a varies less.
    """

    ratio: float
    p_value: float


def pitman_morgan(a: Array, b: Array) -> PitmanMorgan:
    """The correlation of a + b and a - b is negative where a varies less; Student's t with n - 2 degrees of freedom.

    Raises:
        ValueError: fewer than four pairs, or series of different length.
    """
    from scipy import stats

    if len(a) != len(b) or len(a) < 4:
        raise ValueError(f"series have {len(a)} and {len(b)} values; give at least four pairs")
    total, difference = a + b, a - b
    ratio = float(np.var(a, ddof=1) / np.var(b, ddof=1))
    if np.ptp(difference) < 1e-12 or np.ptp(total) < 1e-12:
        return PitmanMorgan(ratio, 0.5)
    r = float(np.corrcoef(total, difference)[0, 1])
    t = r * np.sqrt((len(a) - 2) / max(1 - r * r, 1e-15))
    return PitmanMorgan(ratio, float(stats.t.cdf(t, len(a) - 2)))


def equal_means(a: Array, b: Array, margin: float) -> float:
    """Two one-sided t-tests that the mean of paired differences lies within the margin; the larger p-value."""
    from scipy import stats

    difference = a - b
    error = float(np.std(difference, ddof=1) / np.sqrt(len(difference)))
    if error < 1e-15:
        return 0.0 if abs(float(difference.mean())) < margin else 1.0
    mean, law = float(difference.mean()), stats.t(df=len(difference) - 1)
    return float(max(law.sf((mean + margin) / error), law.cdf((mean - margin) / error)))
