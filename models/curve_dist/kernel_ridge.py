"""Kernel ridge regression (the mean of a Gaussian process) of whole day vectors.

Two variants share the kernel: `level` predicts prices, `relative` predicts their distance from the mean of the last known day, so
that it follows shifts of the price level. The kernel is linear plus rational quadratic over weighted groups of inputs, with a
small part that decays over calendar time (Rasmussen & Williams 2006, ch. 2, 4 and 5.4.3). All intervals of the day share one
Cholesky factor, so re-estimation on every decision day is cheap. Everything is linear algebra: no seed, no iteration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.curve_dist.design import Inputs, dummies, season, training_prices
from models.curve_dist.lasso import centre_and_scale, standardised
from models.curve_dist.panel import HOURS, Panel
from models.curve_dist.params import KernelParams

Array = npt.NDArray[np.float64]
PRICE_GROUPS = ("price_1d", "price_2d", "price_3d", "price_7d")
FORECAST_GROUPS = ("forecast", "forecast_1d", "forecast_7d")
BLOCK = 64  # days of a block of the calendar
USUAL_FORECASTS = 2  # quantities that the weights were chosen with; more of them share the same total weight


@dataclass(frozen=True, slots=True)
class Standard:
    """Transform of one variant, frozen at the cutoff.

    Attributes:
        relative: told relative to the mean of the last known day.
        centre: medians of the groups' columns. scale: their MADs. mean: means of the weighted columns.
        price_centre, price_scale: of the prices, shape (slots,).
    """

    relative: bool
    centre: Array
    scale: Array
    mean: Array
    price_centre: Array
    price_scale: Array


def reference(inputs: Inputs, panel: Panel) -> Array:
    """Mean of the price vector of the day before, shape (D,)."""
    return np.asarray(inputs.lags(panel)[0].mean(axis=1), dtype=np.float64)


def standardise(inputs: Inputs, panel: Panel, params: KernelParams, *, relative: bool) -> Standard:
    """Learn the transform on training days."""
    raw, weights = _raw(inputs, panel, params, relative=relative)
    centre, scale = centre_and_scale(raw)
    prices = training_prices(panel) - (reference(inputs, panel)[:, None] if relative else 0.0)
    price_centre, price_scale = centre_and_scale(prices)
    if relative:
        groups = len(PRICE_GROUPS)
        blocks = scale[: groups * HOURS].reshape(groups, HOURS)
        scale = np.concatenate([np.repeat(np.median(blocks, axis=1), HOURS), scale[groups * HOURS :]])
        price_scale = np.full_like(price_scale, np.median(price_scale))
    plain = Standard(relative, centre, scale, np.zeros(raw.shape[1] + 9), price_centre, price_scale)
    features = _weighted(raw, weights, plain, panel, params)
    return Standard(relative, centre, scale, features.mean(axis=0), price_centre, price_scale)


def features(inputs: Inputs, panel: Panel, params: KernelParams, standard: Standard) -> Array:
    """Coordinates in which the kernel measures distance, shape (D, f); an input that is not published yet is at its centre."""
    raw, weights = _raw(inputs, panel, params, relative=standard.relative)
    return _weighted(raw, weights, standard, panel, params)


def targets(inputs: Inputs, panel: Panel, standard: Standard) -> Array:
    """Transformed prices, shape (D, slots)."""
    shift = reference(inputs, panel)[:, None] if standard.relative else 0.0
    return np.asarray(np.arcsinh((training_prices(panel) - shift - standard.price_centre) / standard.price_scale), dtype=np.float64)


def restored(values: Array, shift: float, standard: Standard) -> Array:
    """Prices of transformed values."""
    return np.asarray(np.sinh(values) * standard.price_scale + standard.price_centre + (shift if standard.relative else 0.0))


def kernel(rows: Array, columns: Array, row_dates: Array, column_dates: Array, params: KernelParams) -> Array:
    """Kernel between two sets of days, shape (rows, columns); an entry is the same to the last bit whatever the other days are.

    Args:
        rows: features of one set, shape (r, f).
        columns: features of the other, shape (c, f).
        row_dates: day numbers, shape (r,).
        column_dates: day numbers, shape (c,).
        params: weights of its parts.
    """
    inner = _inner(rows, columns, row_dates, column_dates)
    distance = np.maximum((rows**2).sum(axis=1)[:, None] + (columns**2).sum(axis=1)[None] - 2 * inner, 0.0)
    quadratic = np.exp(-params.shape * np.log1p(distance / (2 * params.shape)))
    decay = np.exp(-np.abs(row_dates[:, None] - column_dates[None]) / params.memory_days)
    return np.asarray(params.linear * inner + quadratic * (1 + params.drift * decay) + params.level * decay, dtype=np.float64)


def _inner(rows: Array, columns: Array, row_dates: Array, column_dates: Array) -> Array:
    """Inner products by calendar blocks of one size: products of other sizes round differently."""
    (left, place), (right, seat) = _blocks(rows, row_dates), _blocks(columns, column_dates)
    tiles = np.matmul(left[:, None], right.transpose(0, 2, 1)[None])
    return np.asarray(tiles.transpose(0, 2, 1, 3).reshape(len(left) * BLOCK, len(right) * BLOCK)[np.ix_(place, seat)])


def _blocks(values: Array, dates: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    """Values on a calendar cut into blocks, shape (blocks, BLOCK, f), and the place of each.

    Each occurrence of a date has a calendar of its own.
    """
    day = dates.astype(np.int64)
    order = np.argsort(day, kind="stable")
    _, begin, count = np.unique(day[order], return_index=True, return_counts=True)
    occurrence = np.empty(len(day), dtype=np.int64)
    occurrence[order] = np.arange(len(day)) - np.repeat(begin, count)
    first = int(day[order[0]]) // BLOCK if len(day) else 0
    length = int(day[order[-1]]) // BLOCK - first + 1 if len(day) else 0
    place = occurrence * length * BLOCK + day - first * BLOCK
    calendar = np.zeros((int(count.max(initial=0)) * length * BLOCK, values.shape[1]))
    calendar[place] = values
    return calendar.reshape(-1, BLOCK, values.shape[1]), place


def solve(gram: Array, values: Array, params: KernelParams) -> tuple[Array, Array]:
    """Dual coefficients (n, slots) and prior mean (slots,) of the training days behind `gram`."""
    from scipy.linalg import cho_factor, cho_solve

    system = gram.copy()
    system.flat[:: len(system) + 1] += params.noise
    mean = values[-params.mean_days :].mean(axis=0)
    factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    return np.asarray(cho_solve(factor, values - mean, check_finite=False)), mean


def _raw(inputs: Inputs, panel: Panel, params: KernelParams, *, relative: bool) -> tuple[Array, Array]:
    """Columns before the transform, and the weight of each."""
    shift = reference(inputs, panel)[:, None]
    w, quantities = params.weights, max(len(inputs.forecasts), 1)
    blocks = [(v - shift if relative else v, w[g] / np.sqrt(HOURS)) for g, v in zip(PRICE_GROUPS, inputs.lags(panel), strict=True)]
    share = np.sqrt(min(1.0, USUAL_FORECASTS / quantities) / HOURS)
    blocks += [(inputs.forecast(panel, age), w[g] * share) for age, g in enumerate(FORECAST_GROUPS)]
    blocks += [(inputs.scalar(panel, c)[:, None], w["scalar"]) for c in inputs.fuels]
    blocks += [(shift, w["level"])] if relative else []
    return np.hstack([b for b, _ in blocks]), np.concatenate([np.full(b.shape[1], weight) for b, weight in blocks])


def _weighted(raw: Array, weights: Array, standard: Standard, panel: Panel, params: KernelParams) -> Array:
    scaled = standardised(raw, standard.centre, standard.scale) * weights
    calendar = (dummies(panel) * params.weights["weekday"], season(panel) * params.weights["season"])
    return np.hstack([scaled, *calendar]) - standard.mean
