"""Hourly prices of many units as one array: what of it was known at each gate, the candidates of habit, and kinds of units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from models._kernel.behaviour.inverse import InverseError, cost_of_offers

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
DAY, WEEK = 24, 168
CANDIDATES = ("newest", "before", "last_week", "latest", "median", "low", "high", "stepped")
KINDS = ("renewable", "base_load", "storage", "peaker", "mid_merit")
STILL = 0.9
PAID_TO_STOP, DEAR, SHAPED = -10.0, 120.0, 0.25


@dataclass(frozen=True)
class HourlyBids:
    """Prices of series (unit and side) by hour.

    Attributes:
        price: (series, hour) currency/MWh; NaN where none was given or the unit did not want to be called.
        known: (hour,) last hour whose prices are known at the gate of this hour's delivery date; -1 for none.
    """

    price: Array
    known: Ints

    def __post_init__(self) -> None:
        """Refuse what cannot be: a price known before the gate of its own day."""
        hours = np.arange(self.price.shape[1])
        if self.known.shape != hours.shape or (self.known >= hours).any():
            raise ValueError("known must give, for every hour, an earlier hour; check the gate and the publication lag")

    def newest_lag(self) -> Ints:
        """(hour,) days back to the newest same hour that is known."""
        hours = np.arange(len(self.known))
        return np.asarray(np.maximum(-((self.known - hours) // DAY), 1), dtype=np.int64)

    def candidates(self, series: Ints, hour: Ints) -> Array:
        """(row, candidate) prices that the past suggests for given rows, in the order of `CANDIDATES`; NaN where it suggests none."""
        lag = self.newest_lag()[hour] * DAY
        week = np.stack([self._at(series, hour - lag - DAY * k) for k in range(7)], axis=1)
        last_week, newest = self._at(series, hour - WEEK), week[:, 0]
        base = self._at(series, hour - lag - WEEK)
        low, median, high = _order_statistics(week)
        seen = self.known[hour]
        latest = np.where(seen >= 0, self._latest[series, np.maximum(seen, 0)], np.nan)
        stepped = newest + last_week - base  # the weekly step of this hour, added to its newest price
        return np.stack([newest, week[:, 1], last_week, latest, median, low, high, stepped], axis=1)

    def _at(self, series: Ints, hour: Ints) -> Array:
        return np.asarray(np.where(hour >= 0, self.price[series, np.maximum(hour, 0)], np.nan), dtype=np.float64)

    @cached_property
    def _latest(self) -> Array:
        """(series, hour) last price up to the hour."""
        there = np.where(np.isfinite(self.price), np.arange(self.price.shape[1]), 0)
        return np.asarray(np.take_along_axis(self.price, np.maximum.accumulate(there, axis=1), axis=1), dtype=np.float64)


def _order_statistics(values: Array) -> tuple[Array, Array, Array]:
    """Lowest, lower median and highest (row,) of what is there; NaN where nothing is."""
    ranked = np.sort(values, axis=1)  # NaN last
    last = np.isfinite(values).sum(axis=1) - 1
    picked = [np.take_along_axis(ranked, np.maximum(at, 0)[:, None], axis=1)[:, 0] for at in (0 * last, last // 2, last)]
    low, middle, high = (np.where(last >= 0, found, np.nan) for found in picked)
    return low, middle, high


def kinds_of(offer: Array, bid: Array, withheld: Array) -> Ints:
    """Kind (unit,) of each unit, a position in `KINDS`, by what it did over some past hours.

    Who pays to be stopped is renewable; who is never to be called is base load; whose prices follow the hours of the day trades a store;
    who is dear and hardly ever changes is a peaker; the others follow their fuel.

    Args:
        offer: (unit, hour) prices of offers, NaN where there is none.
        bid: the same of bids.
        withheld: (unit,) share of hours in which the unit did not want to be called, either way.
    """
    count = len(offer)
    level, low = _row_median(offer), _row_median(bid)
    days = offer.shape[1] // DAY
    daily = np.nan_to_num(offer[:, : days * DAY], nan=0.0).reshape(count, days, DAY)
    there = np.isfinite(offer[:, : days * DAY]).reshape(count, days, DAY).all(axis=2)
    spread = np.where(there, daily.std(axis=2) / np.maximum(np.abs(daily.mean(axis=2)), 1.0), np.nan)
    shaped = np.nan_to_num(_row_median(spread), nan=0.0)
    kind = np.full(count, KINDS.index("mid_merit"))
    kind[np.nan_to_num(level, nan=0.0) >= DEAR] = KINDS.index("peaker")
    kind[shaped >= SHAPED] = KINDS.index("storage")
    kind[withheld >= STILL] = KINDS.index("base_load")
    kind[np.nan_to_num(low, nan=0.0) <= PAID_TO_STOP] = KINDS.index("renewable")
    return kind


def _row_median(values: Array) -> Array:
    some = np.asarray(np.isfinite(values).any(axis=1))
    return np.asarray(np.where(some, np.nanmedian(np.where(some[:, None], values, 0.0), axis=1), np.nan), dtype=np.float64)


def cost_paths(daily: Array, inputs: Array, learned: slice, *, level: float = 0.1, fewest: int = 14) -> Array:
    """Marginal cost (series, day) from fuel prices, by inverse optimisation of each series' lowest offers of the learned days.

    Args:
        daily: (series, day) lowest price of the day, NaN for none.
        inputs: (day, parameter) fuel prices known at the gate of the day, and a constant; NaN rows are not used.
        learned: days that may be learned from.
        level: share of offers below cost (`inverse.cost_of_offers`).
        fewest: days with an offer that a series needs; others have no cost (NaN).
    """
    found = np.full(daily.shape, np.nan)
    usable = np.isfinite(inputs).all(axis=1)
    days = np.zeros(daily.shape[1], dtype=bool)
    days[learned] = True
    for k, prices in enumerate(daily):
        rows = days & usable & np.isfinite(prices)
        if rows.sum() < fewest:
            continue
        try:
            fit = cost_of_offers(inputs[rows], prices[rows], level=level)
        except InverseError:
            continue
        found[k, usable] = fit.cost(inputs[usable])
    return found
