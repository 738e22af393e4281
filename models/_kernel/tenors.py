"""From scenarios of one day to its week and month: daily means extended day by day, reconciled, and averaged with what is known.

Three levels are forecast directly by small regressions: each day after the delivery date from the last day and the means of 7 and 28
days, the mean of the week's rest from the means of 7 and 28 days, that of the rest of four weeks from the mean of 28 days; all relative
to the mean of the last year, after a profile of the weekdays. MinT reconciles the three, the delivery date itself stays as it is: its
distribution is calibrated. Around the reconciled means each scenario takes the path of errors that followed one past day, so that
persistence comes from the data; where the delivery date turns out dear, the days after it move as the regressions say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from models._kernel.reconcile import mint

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

AHEAD = 30
WEEK, MONTH = 6, 27
FEWEST_PATHS = 20
LEARN_DAYS = 728
PROFILE_DAYS = 182
SCALE_DAYS = 28
RIDGE = 0.05
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Extension:
    """Daily means after a delivery date.

    Attributes:
        values: scenarios, shape (m, AHEAD).
        base: direct daily forecasts, before reconciliation, shape (AHEAD,).
        reconciled: the same after it.
    """

    values: Array
    base: Array
    reconciled: Array


def periods(day: date) -> dict[str, tuple[date, date]]:
    """First and last date of the tenors that hold a delivery date: the day, its calendar week (Monday first), its calendar month."""
    monday = day - timedelta(days=day.weekday())
    following = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return {"day": (day, day), "week": (monday, monday + timedelta(days=6)), "month": (day.replace(day=1), following - timedelta(days=1))}


def tenor_values(known: Mapping[int, float], day: int, own: Array, ahead: Array) -> dict[str, Array]:
    """Scenarios of the mean price of every tenor: known days as they are, the delivery date and the days after it as drawn.

    A day of the period before the delivery date that is not known at the decision lies, scenario by scenario, on the line between its
    neighbours.

    Args:
        known: daily means by delivery date (days since 1970), known at the decision.
        day: delivery date, days since 1970.
        own: scenarios of its mean, shape (m,).
        ahead: scenarios of the daily means after it, shape (m, AHEAD); without columns only the day's tenor is given.
    """
    found = {}
    for tenor, (first, last) in periods(EPOCH + timedelta(days=day)).items():
        start, end = (first - EPOCH).days, (last - EPOCH).days
        if end - day > ahead.shape[1]:
            continue
        before = [d for d in known if d < day]
        anchor = max(before) if before else None
        columns = [
            own if d == day else ahead[:, d - day - 1] if d > day else _past(known, d, day, own, anchor) for d in range(start, end + 1)
        ]
        found[tenor] = np.mean(columns, axis=0)
    return found


def extend(dates: Ints, means: Array, day: int, own: Array, *, seed: int) -> Extension | None:
    """Scenarios of the daily means of the `AHEAD` days after a delivery date; None where the past holds fewer than 20 complete paths.

    Args:
        dates: delivery dates known at the decision, days since 1970, rising.
        means: their mean prices.
        day: delivery date, later than all of them.
        own: scenarios of its mean price, shape (m,).
        seed: seed of the draw of past paths.
    """
    dates, means = dates[-LEARN_DAYS:], means[-LEARN_DAYS:]
    if dates.size < FEWEST_PATHS + AHEAD + SCALE_DAYS:
        return None
    profile = _profile(dates[-PROFILE_DAYS:], means[-PROFILE_DAYS:])
    grid, series = _daily(dates, means - profile[_weekday(dates)], day)
    past = _inputs(series[None], np.arange(SCALE_DAYS, grid.size))[0]
    targets = _targets(series)[SCALE_DAYS:]
    complete = np.flatnonzero(np.isfinite(targets).all(axis=1))
    if complete.size < FEWEST_PATHS:
        return None
    x, y = past[complete], targets[complete] - past[complete][:, :1]
    coefficients = _fit(x, y)
    residuals = y - x[:, 1:] @ coefficients
    level = np.array([own.mean(), *own]) - profile[_weekday(np.array([day]))[0]]
    now = _inputs(np.column_stack([np.tile(series, (level.size, 1)), level]), np.array([series.size]))[:, 0]
    forecasts = now[:, :1] + now[:, 1:] @ coefficients
    summing = np.vstack([np.eye(AHEAD), _mean_row(WEEK), _mean_row(MONTH)])
    reconciled = mint(summing, forecasts[0], residuals)
    moved = forecasts[1:, :AHEAD] - forecasts[0, :AHEAD]
    paths = _paths(residuals[:, :AHEAD], series, complete + SCALE_DAYS, own.size, seed)
    seasonal = profile[_weekday(np.arange(day + 1, day + 1 + AHEAD))]
    return Extension(reconciled + seasonal + moved - moved.mean(axis=0) + paths, forecasts[0, :AHEAD] + seasonal, reconciled + seasonal)


def _past(known: Mapping[int, float], d: int, day: int, own: Array, anchor: int | None) -> Array:
    if d in known:
        return np.full(own.size, known[d])
    if anchor is None or d < anchor:
        near = [v for k, v in known.items() if abs(k - d) <= 7]
        return np.full(own.size, float(np.mean(near))) if near else own
    share = (d - anchor) / (day - anchor)
    return np.asarray(known[anchor] + share * (own - known[anchor]), dtype=np.float64)


def _weekday(dates: Ints) -> Ints:
    return np.asarray((dates + 3) % 7, dtype=np.int64)  # 1970-01-01 was a Thursday


def _profile(dates: Ints, means: Array) -> Array:
    """Mean deviation of every weekday from the mean, shape (7,)."""
    weekday = _weekday(dates)
    count, total = np.bincount(weekday, minlength=7), np.bincount(weekday, means - means.mean(), minlength=7)
    return np.asarray(total / np.maximum(count, 1), dtype=np.float64)


def _daily(dates: Ints, values: Array, day: int) -> tuple[Ints, Array]:
    """Every date from the first known one to the day before the delivery date, gaps on the line between their neighbours."""
    grid = np.arange(int(dates[0]), day)
    return grid, np.interp(grid, dates, values)


def _inputs(series: Array, at: Ints) -> Array:
    """Regressors after day `at`: mean of the last year, then last day, means of 7 and 28 days relative to it, shape (s, at, 4)."""
    total = np.concatenate([np.zeros((series.shape[0], 1)), np.cumsum(series, axis=1)], axis=1)

    def mean(days: int) -> Array:
        first = np.maximum(at + 1 - days, 0)
        return np.asarray((total[:, at + 1] - total[:, first]) / (at + 1 - first), dtype=np.float64)

    year = mean(364)
    return np.stack([year, series[:, at] - year, mean(7) - year, mean(28) - year], axis=-1)


def _targets(series: Array) -> Array:
    """Daily values 1 to AHEAD days later, their means over the rest of one and of four weeks; NaN if unknown, shape (n, AHEAD + 2)."""
    padded = np.concatenate([series, np.full(AHEAD, np.nan)])
    later = np.lib.stride_tricks.sliding_window_view(padded, AHEAD + 1)[:, 1:]
    return np.column_stack([later, later[:, :WEEK].mean(axis=1), later[:, :MONTH].mean(axis=1)])


def _fit(x: Array, y: Array) -> Array:
    """Ridge coefficients of all targets, shape (3, targets); the longer the target, the fewer regressors."""
    coefficients = np.zeros((3, y.shape[1]))
    for rows, columns in (((0, 1, 2), slice(0, AHEAD)), ((1, 2), slice(AHEAD, AHEAD + 1)), ((2,), slice(AHEAD + 1, AHEAD + 2))):
        design = x[:, 1:][:, list(rows)]
        gram = design.T @ design
        gram += RIDGE * np.trace(gram) / len(rows) * np.eye(len(rows))
        coefficients[list(rows), columns] = np.linalg.solve(gram, design.T @ y[:, columns])
    return coefficients


def _mean_row(days: int) -> Array:
    return np.where(np.arange(AHEAD) < days, 1.0 / days, 0.0)


def _paths(residuals: Array, series: Array, at: Ints, count: int, seed: int) -> Array:
    """Paths of errors after randomly ordered past days, on today's scale, with mean zero, shape (count, AHEAD).

    The scale is the mean absolute change from day to day over the last 28 days: then for the past day, now for the answer.
    """
    change = np.abs(np.diff(series, prepend=series[0]))
    total = np.concatenate([[0.0], np.cumsum(change)])
    scale = (total[SCALE_DAYS:] - total[:-SCALE_DAYS]) / SCALE_DAYS
    floor = 0.1 * max(float(change.mean()), 1e-9)
    then, now = np.maximum(scale[at + 1 - SCALE_DAYS], floor), max(float(scale[-1]), floor)
    order = np.random.default_rng(seed).permutation(residuals.shape[0])
    chosen = order[np.arange(count) % order.size]
    paths = residuals[chosen] * (now / then[chosen])[:, None]
    return np.asarray(paths - paths.mean(axis=0), dtype=np.float64)
