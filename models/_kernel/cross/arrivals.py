"""LNG arrivals that were expected from what was known the day before, and the shocks that are left.

A departure is seen on the next day and is due after its distance at service speed. What is due, what arrived lately and what is overdue
predict the arrivals of a day; the prediction is fitted anew on the past alone every `REFIT_DAYS`, so no shock looks at its day or later.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
SPEED_KN = 16.5
REFIT_DAYS, FIRST_DAYS = 28, 120
AROUND = 4  # days around the due day that a cargo may come on
KNOWN_LAG = 2  # arrivals of a day are known at noon of the next: a prediction made the day before looks two days back
RIDGE = 1.0


def due_days(departed: npt.NDArray[np.int64], distance_nm: Array, speed_kn: float = SPEED_KN) -> npt.NDArray[np.int64]:
    """Day number on which a cargo is due, at least one after its departure."""
    return departed + np.maximum(1, np.rint(distance_nm / (24 * speed_kn))).astype(np.int64)


def daily(day: npt.NDArray[np.int64], amount: Array, days: int) -> Array:
    """Sum of amounts by day number 0 .. days - 1; others are left out."""
    inside = (day >= 0) & (day < days)
    return np.bincount(day[inside], weights=amount[inside], minlength=days).astype(np.float64)


def _means(values: Array, window: int, lag: int) -> Array:
    """Mean of `window` values up to `lag` days before each; of those there are at the beginning, 0 before any."""
    total = np.concatenate(([0.0], np.cumsum(values)))
    last = np.clip(np.arange(values.size) + 1 - lag, 0, values.size)
    first = np.clip(last - window, 0, values.size)
    return np.asarray((total[last] - total[first]) / np.maximum(last - first, 1), dtype=np.float64)


def predictors(arrived: Array, due: Array) -> Array:
    """(days, p): a constant, cargo due around the day, recent arrivals, and what was due and has not come; all known the day before.

    `due` must hold only cargoes whose departure is seen by then: the caller leaves out voyages of fewer than `AROUND` + `KNOWN_LAG` days.
    """
    n = arrived.size
    padded = np.concatenate((np.zeros(AROUND), due, np.zeros(AROUND)))
    around = np.column_stack([padded[k : k + n] for k in range(2 * AROUND + 1)])
    overdue = np.cumsum(due - arrived)
    late = np.concatenate((np.zeros(KNOWN_LAG), overdue[:-KNOWN_LAG])) if n > KNOWN_LAG else np.zeros(n)
    late = late - _means(late, 90, 0)
    return np.column_stack((np.ones(n), around, _means(arrived, 7, KNOWN_LAG), _means(arrived, 60, KNOWN_LAG), late))


def expected_arrivals(arrived: Array, due: Array) -> Array:
    """Expected arrivals by day, walk-forward ridge regression; NaN for the first `FIRST_DAYS`."""
    x = predictors(arrived, due)
    found = np.full(arrived.size, np.nan)
    for start in range(FIRST_DAYS, arrived.size, REFIT_DAYS):
        past = slice(0, start - KNOWN_LAG + 1)
        mean, scale = x[past].mean(axis=0), x[past].std(axis=0)
        scale[scale == 0] = 1.0
        z = (x - mean) / scale
        a = z[past].T @ z[past] + RIDGE * np.eye(x.shape[1])
        centre = float(arrived[past].mean())
        weights = np.linalg.solve(a, z[past].T @ (arrived[past] - centre))
        block = slice(start, start + REFIT_DAYS)
        found[block] = np.maximum(centre + z[block] @ weights, 0.0)
    return found
