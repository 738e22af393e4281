"""LEAR: lasso-estimated autoregressive regression of day vectors (Lago et al. 2021, Applied Energy 293, 116983).

Every interval of the day has its own lasso on the prices of days D-1, D-2, D-3 and D-7 and the forecasts for D, D-1 and D-7
of all hours, and on the weekday; inputs and prices go through the median / MAD / asinh transform (Uniejewski, Weron & Ziel
2018) within each training window, where an input that begins inside the window counts as typical before; several windows are
averaged. The penalty is a fixed share of the smallest one that empties the regression, so it follows hour, window and day
without a search. All intervals share one Gram matrix.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

MAD_TO_SIGMA = 1.4826022185056018
TOLERANCE = 1e-3
SWEEPS = 500


def centre_and_scale(values: Array) -> tuple[Array, Array]:
    """Median and normalised MAD by column of what is not NaN; where the MAD is zero, the standard deviation, else 1.

    A column of NaN alone has centre 0 and scale 1.
    """
    columns = np.ascontiguousarray(values.T)
    centre = _medians(columns)
    scale = MAD_TO_SIGMA * _medians(np.abs(columns - centre[:, None]))
    scale = np.where(scale > 1e-9, scale, _deviations(columns))
    return np.nan_to_num(centre), np.where(scale > 1e-9, scale, 1.0)


def standardised(values: Array, centre: Array, scale: Array) -> Array:
    """The asinh transform; what is NaN (not published yet) counts as the centre."""
    return np.asarray(np.nan_to_num(np.arcsinh((values - centre) / scale), copy=False, nan=0.0), dtype=np.float64)


def _medians(rows: Array) -> Array:
    """Median of every row's values that are not NaN; NaN where there is none."""
    gaps = np.isnan(rows)
    late = gaps.any(axis=1)
    if not late.any():
        return np.asarray(np.median(rows, axis=1), dtype=np.float64)
    result = np.full(len(rows), np.nan)
    result[~late] = np.median(rows[~late], axis=1)
    begin = int((~gaps[late]).any(axis=0).argmax())  # nothing to sort before the first of them begins
    ordered, count = np.sort(rows[late, begin:], axis=1), (~gaps[late]).sum(axis=1)  # NaN is sorted to the end
    lower, upper = (np.take_along_axis(ordered, np.maximum(k, 0)[:, None], axis=1)[:, 0] for k in ((count - 1) // 2, count // 2))
    result[late] = np.where(count > 0, (lower + upper) / 2, np.nan)
    return result


def _deviations(rows: Array) -> Array:
    """Standard deviation of every row's values that are not NaN; 0 where there is none."""
    gaps = np.isnan(rows)
    if not gaps.any():
        return np.asarray(rows.std(axis=1), dtype=np.float64)
    count = np.maximum(rows.shape[1] - gaps.sum(axis=1), 1)
    mean = np.nansum(rows, axis=1) / count
    return np.asarray(np.sqrt(np.nansum((rows - mean[:, None]) ** 2, axis=1) / count), dtype=np.float64)


def forecast(inputs: Array, dummies: Array, prices: Array, query: tuple[Array, Array], windows: Mapping[int, float]) -> Array:
    """Forecast days from one training set, the mean over windows.

    Args:
        inputs: training inputs, oldest day first, shape (n, p); NaN on the days before an input begins.
        dummies: weekday dummies, shape (n, 7).
        prices: training prices, shape (n, slots), finite.
        query: inputs (a, p) and dummies (a, 7) of the days to forecast.
        windows: days -> penalty share; a window longer than n uses what there is, once.

    Returns:
        Prices, shape (a, slots).
    """
    n = len(prices)
    usable = {min(days, n): share for days, share in sorted(windows.items())}
    answers = [_window(inputs[n - days :], dummies[n - days :], prices[n - days :], query, share) for days, share in usable.items()]
    return np.asarray(np.mean(answers, axis=0), dtype=np.float64)


def _window(inputs: Array, dummies: Array, prices: Array, query: tuple[Array, Array], share: float) -> Array:
    centre, scale = centre_and_scale(inputs)
    level, spread = centre_and_scale(prices)
    design = np.hstack([standardised(inputs, centre, scale), dummies])
    asked = np.hstack([standardised(query[0], centre, scale), query[1]])
    target = np.arcsinh((prices - level) / spread)
    mean, offset = design.mean(axis=0), target.mean(axis=0)
    coefficients = _lasso(np.asfortranarray(design - mean), np.ascontiguousarray((target - offset).T), share)
    answer = np.stack([coefficients @ (row - mean) for row in asked]) + offset  # one by one: rounding must not depend on how many
    limited = np.clip(answer, target.min(axis=0) - 1.0, target.max(axis=0) + 1.0)
    return np.asarray(np.sinh(limited) * spread + level, dtype=np.float64)


def _lasso(design: Array, targets: Array, share: float) -> Array:
    """Coefficients of every target, shape (slots, p); coordinate descent on the shared Gram matrix, each warm from the last."""
    from sklearn import config_context
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import enet_path

    gram, moments = design.T @ design, targets @ design
    gram.flat[:: len(gram) + 1] += 1e-9
    result, warm = np.zeros_like(moments), None
    unused = np.random.RandomState(0)  # the cyclic solver draws a seed it never uses; not from the global state
    with warnings.catch_warnings(), config_context(skip_parameter_validation=True):
        warnings.simplefilter("ignore", ConvergenceWarning)  # the tolerance is loose on purpose: daily re-estimation averages it out
        for slot, (target, moment) in enumerate(zip(targets, moments, strict=True)):
            penalty = share * float(np.abs(moment).max()) / len(target)
            if penalty <= 1e-12:
                continue
            _, path, _ = enet_path(
                design,
                target,
                l1_ratio=1.0,
                alphas=np.array([penalty]),
                precompute=gram,
                Xy=moment,
                coef_init=warm,
                check_input=False,
                tol=TOLERANCE,
                max_iter=SWEEPS,
                random_state=unused,
            )
            result[slot] = path[:, 0]
            warm = result[slot].copy()
    return result
