"""What a day should look like: a ridge regression of its hours on the days before it, the calendar and other features.

Works on a variance-stabilised scale, asinh((x - median) / spread) (Uniejewski, Weron & Ziel 2018), so that spikes do not rule
the fit. Residuals behind covariance and thresholds are out of sample and forward in time, as the monitor is used: each block of days is
foretold by a fit on the days before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.drift.panel import DayPanel

Array = npt.NDArray[np.float64]
LAGS = (1, 2, 7)
BLOCKS = 7
FIRST_BLOCKS = 2  # behind the first fit; their own days have no residual
PENALTIES = (1.0, 10.0, 100.0, 1000.0)
HALF_LIFE_DAYS = 240.0  # of a day's weight in the covariance: how well days are foretold changes over the years


@dataclass(frozen=True, slots=True)
class Scale:
    """The monotone transform between values and the scale of the regression."""

    centre: float
    spread: float

    @classmethod
    def of(cls, values: Array) -> Scale:
        """Median, and the interquartile range (else the standard deviation, else 1) as spread; 0 and 1 where nothing is known."""
        known = values[np.isfinite(values)]
        if not known.size:
            return cls(0.0, 1.0)
        low, mid, high = np.quantile(known, [0.25, 0.5, 0.75])
        spread = float(high - low) or float(known.std()) or 1.0
        return cls(float(mid), spread)

    def forward(self, values: Array) -> Array:
        """Values to scale."""
        return np.asarray(np.arcsinh((values - self.centre) / self.spread))

    def back(self, scaled: Array) -> Array:
        """Scale to values."""
        return np.asarray(np.sinh(scaled) * self.spread + self.centre)


def design(panel: DayPanel, scale: Scale, others: Sequence[Array], beside: Sequence[Scale]) -> Array:
    """Predictors of every day, shape (n, p); NaN in rows that lack one.

    The hours of the days 1, 2 and 7 before, the mean of the last seven days, weekday, two harmonics of the year, and other
    features' hours of the same day less those of the day before.

    Args:
        panel: the feature.
        scale: its transform.
        others: further features on the same days, shape (n, width), NaN where unknown.
        beside: their transforms: those of the fit, also where a few days are foretold.
    """
    y = scale.forward(panel.values)
    n, m = y.shape
    lags = [_shifted(y, k) for k in LAGS]
    week = np.full((n, 1), np.nan)
    if n > 7:
        means = np.lib.stride_tricks.sliding_window_view(y.mean(axis=1), 7)
        week[7:, 0] = means[:-1].mean(axis=1)
    weekday = np.eye(7)[(panel.days + 3) % 7]
    angle = 2 * np.pi * panel.day_of_year[:, None] / 365.25 * np.arange(1, 3)
    parts = [*lags, week, weekday, np.sin(angle), np.cos(angle)]
    for other, own in zip(others, beside, strict=True):
        z = own.forward(other)
        parts += [z, z - _shifted(z, 1)]
    return np.column_stack(parts) if m else np.empty((n, 0))


def _shifted(values: Array, by: int) -> Array:
    out = np.full_like(values, np.nan)
    out[by:] = values[:-by] if by < values.shape[0] else values[:0]
    return out


@dataclass(frozen=True, slots=True)
class Expectation:
    """A fitted expectation.

    Attributes:
        scale: transform of the feature.
        beside: transforms of the other features, in their order.
        centre, weights, intercept: the regression on standardised predictors.
        precision: inverse covariance of out-of-sample residuals, recent ones weighing more, shape (m, m), shrunk (Ledoit & Wolf 2004).
        residuals: out-of-sample residuals of the days of the fit, shape (n, m); NaN for the first ones and for days that
            could not be foretold.
    """

    scale: Scale
    beside: tuple[Scale, ...]
    centre: Array
    width: Array
    weights: Array
    intercept: Array
    precision: Array
    residuals: Array

    def predict(self, predictors: Array) -> Array:
        """Expected days on the regression's scale, shape (k, m)."""
        return np.asarray((predictors - self.centre) / self.width @ self.weights + self.intercept)


def fit_expectation(panel: DayPanel, others: Sequence[Array]) -> Expectation:
    """Fit the expectation of a feature's days.

    Raises:
        ValueError: fewer than 60 days that can be foretold.
    """
    scale, beside = Scale.of(panel.values), tuple(Scale.of(other) for other in others)
    x, y = design(panel, scale, others, beside), scale.forward(panel.values)
    usable = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    if usable.sum() < 60:
        raise ValueError(f"{int(usable.sum())} days can be foretold; at least 60 are needed: give a longer history")
    rows = np.flatnonzero(usable)
    residuals, blocks = np.full_like(y, np.nan), np.array_split(rows, BLOCKS)
    for number in range(FIRST_BLOCKS, BLOCKS):
        past, block = np.concatenate(blocks[:number]), blocks[number]
        centre, width, weights, intercept = _ridge(x[past], y[past])
        residuals[block] = y[block] - ((x[block] - centre) / width @ weights + intercept)
    precision = _precision(residuals, np.concatenate(blocks[FIRST_BLOCKS:]))
    return Expectation(scale, beside, *_ridge(x[rows], y[rows]), precision=precision, residuals=residuals)


def _precision(residuals: Array, rows: npt.NDArray[np.int64]) -> Array:
    """Inverse covariance of residuals, weights halving every `HALF_LIFE_DAYS` into the past."""
    from sklearn.covariance import ledoit_wolf

    weight = 0.5 ** ((rows[-1] - rows) / HALF_LIFE_DAYS)
    known = residuals[rows] * np.sqrt(weight / weight.mean())[:, None]
    covariance = ledoit_wolf(known)[0] + np.eye(known.shape[1]) * max(1e-9, 1e-4 * float(known.var()))
    return np.asarray(np.linalg.inv(covariance), dtype=np.float64)


def _ridge(x: Array, y: Array) -> tuple[Array, Array, Array, Array]:
    """Ridge on standardised predictors, penalty by generalised cross-validation."""
    from sklearn.linear_model import RidgeCV

    centre, width = x.mean(axis=0), x.std(axis=0)
    width = np.where(width > 1e-12, width, 1.0)
    fitted = RidgeCV(alphas=PENALTIES).fit((x - centre) / width, y)
    return centre, width, np.atleast_2d(fitted.coef_).T, np.atleast_1d(fitted.intercept_)
