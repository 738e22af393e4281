"""Days of a series as vectors over the 24 local hours: normal scores of prices in their forecast distributions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import ndtri

from models._kernel.market_days import SERIES
from models._kernel.scenarios import level_of

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Key = tuple[str, ...]
HOURS = 24
GAPS = 2  # hours of a day that may be missing (one is, when clocks go forward)
EDGE = 1e-6
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Days:
    """Known days of one series, dates rising.

    Attributes:
        date: delivery date, days since 1970, shape (n,).
        as_of: its decision, ms since 1970, shape (n,).
        known: when its last price was known, ms, shape (n,).
        score: normal scores, shape (n, 24).
    """

    date: Ints
    as_of: Ints
    known: Ints
    score: Array

    @property
    def count(self) -> int:
        """Days."""
        return int(self.date.size)

    def take(self, chosen: npt.NDArray[np.bool_]) -> Days:
        """The chosen days."""
        return Days(self.date[chosen], self.as_of[chosen], self.known[chosen], self.score[chosen])

    def and_later(self, other: Days) -> Days:
        """These days, and those of the other that come after the last of them."""
        later = other.take(other.date > self.date.max(initial=-1))
        parts = zip((self.date, self.as_of, self.known, self.score), (later.date, later.as_of, later.known, later.score), strict=True)
        return Days(*(np.concatenate(pair) for pair in parts))


def scores(ladder: Array, levels: Array, price: Array) -> Array:
    """Normal score of every price in its forecast distribution, NaN where there is no price, shape (n,)."""
    return np.asarray(ndtri(np.clip(level_of(ladder, levels, price), EDGE, 1 - EDGE)), dtype=np.float64)


def days_of(rows: pl.DataFrame, score: Array) -> Mapping[Key, Days]:
    """Whole days of every series.

    Args:
        rows: delivery_date, local_hour, as_of, price_known_ts and the series, price known or not.
        score: normal score of every row, NaN where unknown, shape (n,).

    An hour with several intervals has the mean of their scores; up to `GAPS` missing hours are interpolated, other days are left out. A
    day with a row whose score is unknown is never known: where prices become known hour by hour, a part of a day must not stand for it.
    """
    told = rows.select(
        *SERIES,
        date=pl.col("delivery_date").cast(pl.Int32).cast(pl.Int64),
        hour=pl.col("local_hour").cast(pl.Int64),
        as_of=pl.col("as_of").dt.epoch("ms"),
        known=pl.when(pl.Series(np.isfinite(score))).then(pl.col("price_known_ts").dt.epoch("ms")).fill_null(NEVER),
    ).with_columns(score=pl.Series(score))
    made: dict[Key, Days] = {}
    for key, part in told.sort(*SERIES, "date", "hour").group_by(SERIES, maintain_order=True):
        date, entry = np.unique(part["date"].to_numpy(), return_inverse=True)
        value = part["score"].to_numpy()
        good = np.isfinite(value)
        cell = (entry * HOURS + part["hour"].to_numpy())[good]
        count = np.bincount(cell, minlength=date.size * HOURS)
        total = np.bincount(cell, value[good], minlength=date.size * HOURS)
        table = np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(-1, HOURS)
        as_of, known = np.zeros(date.size, np.int64), np.zeros(date.size, np.int64)
        np.maximum.at(as_of, entry, part["as_of"].to_numpy())
        np.maximum.at(known, entry, part["known"].to_numpy())
        whole = np.isnan(table).sum(axis=1) <= GAPS
        made[tuple(str(v) for v in key)] = Days(date, as_of, known, _filled(table)).take(whole)
    return made


def recent(days: Days, date: int, as_of: int, *, window: int = 7) -> tuple[float, float]:
    """Mean score, and log of the root mean square score, of the newest `window` days known at a decision; NaN where there are none."""
    usable = np.flatnonzero((days.known <= as_of) & (days.date < date))[-window:]
    if not usable.size:
        return float("nan"), float("nan")
    told = days.score[usable]
    return float(told.mean()), float(0.5 * np.log(np.mean(told**2) + 0.01))


def _filled(table: Array) -> Array:
    """Rows with at most `GAPS` gaps, interpolated over the hours."""
    result, grid = table.copy(), np.arange(HOURS, dtype=np.float64)
    gap = np.isnan(table)
    for i in np.flatnonzero(gap.any(axis=1) & (gap.sum(axis=1) <= GAPS)):
        result[i, gap[i]] = np.interp(grid[gap[i]], grid[~gap[i]], table[i, ~gap[i]])
    return result
