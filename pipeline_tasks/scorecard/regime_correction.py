"""F4's second route: in stress, correct the ungated forecast by what it did not use, weighted by the stressed probability.

A ridge regression of the forecast's error on the fallback's distance, its own newest errors, the move of gas, tightness, and prices of
the neighbours known at the gate. Refitted every four weeks on the year before, days weighted by their stressed probability; the correction
counts by the stressed probability of the day that is answered, so that normal days are left as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
REFIT_DAYS, TRAIN_DAYS, LEAST_DAYS = 28, 365, 60
PENALTY, FLOOR = 0.05, 0.1


@dataclass(frozen=True, slots=True)
class DayTable:
    """One hub by delivery day and slot of the day.

    Attributes:
        price, base, fallback: shape (days, slots), NaN where unknown.
        stressed: stressed probability of each day, shape (days,).
        beside: further numbers of each day as known at its gate, by name, shape (days,); in currency/MWh, or scaled by the level here.
        known_lag: days from a delivery day to the first whose decision knows all of its prices.
    """

    price: Array
    base: Array
    fallback: Array
    stressed: Array
    beside: Mapping[str, Array]
    known_lag: int


def corrected(table: DayTable) -> Array:
    """The base forecast corrected where stressed, shape (days, slots); the base itself until `LEAST_DAYS` days are known."""
    error = table.price - table.base
    x = _inputs(table, error)
    made = table.base.copy()
    for first in range(LEAST_DAYS, len(error), REFIT_DAYS):
        block = slice(first, min(first + REFIT_DAYS, len(error)))
        past = slice(max(first - table.known_lag + 1 - TRAIN_DAYS, 0), first - table.known_lag + 1)
        weights = _fit(x[past], error[past], table.stressed[past])
        made[block] += table.stressed[block, None] * (np.nan_to_num(x[block]) @ weights)
    return made


def _inputs(table: DayTable, error: Array) -> Array:
    """Inputs of every day and slot, shape (days, slots, k), NaN where unknown; all in currency/MWh."""
    days, slots = error.shape
    lag = table.known_lag

    def back(values: Array, span: int) -> Array:
        """Mean over the newest `span` known days, shape of `values`."""
        found = np.full(values.shape, np.nan)
        for t in range(lag, days):
            part = values[max(t - lag + 1 - span, 0) : t - lag + 1]
            known = np.isfinite(part)
            count = known.sum(axis=0)
            found[t] = np.where(count > 0, np.where(known, part, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
        return found

    of_day = np.where(np.isfinite(error).any(axis=1), np.nansum(error, axis=1) / np.maximum(np.isfinite(error).sum(axis=1), 1), np.nan)
    wide = [np.repeat(back(of_day[:, None], span), slots, axis=1) for span in (1, 7)]
    others = [np.repeat(v[:, None], slots, axis=1) for _, v in sorted(table.beside.items())]
    return np.stack([table.fallback - table.base, *wide, back(error, 7), *others], axis=2)


def _fit(x: Array, error: Array, stressed: Array) -> Array:
    """Ridge coefficients on inputs in units of their own spread, gaps as zero, shape (k,)."""
    flat, target = x.reshape(-1, x.shape[2]), error.reshape(-1)
    weight = np.repeat(FLOOR + np.nan_to_num(stressed), error.shape[1])
    good = np.isfinite(target)
    flat, target, weight = np.nan_to_num(flat[good]), target[good], weight[good]
    scale = np.sqrt(np.average(flat**2, axis=0, weights=weight)) if len(target) else np.ones(x.shape[2])
    scale = np.where(scale > 1e-9, scale, 1.0)
    z = np.clip(flat / scale, -5, 5)
    limit = 5 * np.average(np.abs(target), weights=weight) if len(target) else 0.0
    gram = (z * weight[:, None]).T @ z + PENALTY * weight.sum() * np.eye(z.shape[1])
    return np.asarray(np.linalg.solve(gram, (z * weight[:, None]).T @ np.clip(target, -limit, limit)) / scale)
