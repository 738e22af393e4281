"""Answers whose outcome is known: what recalibrates the quantiles of both prices and lends scenarios their dependence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.recalibration import cqr_ladder
from models._kernel.scenarios import SCHAAKE, Past, joint_levels, level_of, quantile_at, seed_of
from models.bess_vpp.inputs import slots_of
from models.bess_vpp.spec import LEVELS

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NAME = "bess_vpp"
NEVER = np.iinfo(np.int64).max
DAY_AHEAD, REAL_TIME = 0, 1


@dataclass(frozen=True, slots=True)
class Known:
    """Rows of one hub, of a repeated hour the first; axis 1 of `known`, `outcome` and `base`: day-ahead, real time.

    Attributes:
        date: delivery date, days since 1970, shape (n,).
        slot: local time, shape (n,).
        known: when each price became known, ms, `NEVER` where it is not, shape (n, 2).
        outcome: prices, NaN where unknown, shape (n, 2).
        base: quantiles at `LEVELS` by boosters that never saw the row, shape (n, 2, levels).
    """

    date: Ints
    slot: Ints
    known: Ints
    outcome: Array
    base: Array

    @classmethod
    def of(cls, rows: pl.DataFrame, base: Array) -> Self:
        """Rows of one hub with their quantiles."""
        once = rows["dst_fold"].to_numpy() == 0
        return cls(
            rows["delivery_date"].cast(pl.Int32).cast(pl.Int64).to_numpy()[once],
            slots_of(rows)[once],
            np.column_stack([_instants(rows, name) for name in ("da_price_known_ts", "price_known_ts")])[once],
            outcomes_of(rows)[once],
            base[once],
        )

    @classmethod
    def restore(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The rows as an artifact holds them."""
        return cls(*(arrays[f.name] for f in fields(cls)))

    def plus(self, other: Known) -> Known:
        """These rows, then those of `other` that are not among them."""
        own = self.date * 10_000 + self.slot
        new = ~np.isin(other.date * 10_000 + other.slot, own)
        return Known(*(np.concatenate((getattr(self, f.name), getattr(other, f.name)[new])) for f in fields(self)))

    def at(self, instant_ms: int, day: int, window_days: int) -> Known:
        """What was known at an instant of the `window_days` days before a delivery date; prices unknown then are NaN."""
        mine = (self.date < day) & (self.date >= day - window_days) & (self.known <= instant_ms).any(axis=1)
        seen = self.known[mine] <= instant_ms
        return Known(self.date[mine], self.slot[mine], self.known[mine], np.where(seen, self.outcome[mine], np.nan), self.base[mine])

    def recalibrated(self, ladder: Array, slot: Ints, blocks: Ints) -> Array:
        """Quantiles conformalised by block of the day on these rows, both prices; shape (m, 2, levels) like `ladder`.

        Args:
            ladder: quantiles to correct.
            slot: local time of their rows, shape (m,).
            blocks: block of every slot, shape (slots,).
        """
        found, own = ladder.copy(), blocks[np.minimum(self.slot, blocks.size - 1)]
        here = blocks[np.minimum(slot, blocks.size - 1)]
        for block in np.unique(here):
            for price in (DAY_AHEAD, REAL_TIME):
                past = own == block
                asked = here == block
                found[asked, price] = cqr_ladder(ladder[asked, price], self.base[past, price], self.outcome[past, price], LEVELS)
        return found

    def scenarios(
        self, hub: tuple[str, str], day: int, ladder: Array, slot: Ints, *, slots: int, count: int, method: str = SCHAAKE
    ) -> Array:
        """Joint scenarios of both prices of a day, shape (2, count, m): ladders put together by the ranks of past days.

        Args:
            hub: market and hub.
            day: delivery date.
            ladder: quantiles, shape (m, 2, levels).
            slot: local time of the rows, shape (m,).
            slots: intervals of a 24-hour day.
            count: scenarios.
            method: how they are coupled (`scenarios.METHODS`, or independence).
        """
        dates, where = np.unique(self.date, return_inverse=True)
        score = np.full((dates.size, 2 * slots), np.nan)
        for price in (DAY_AHEAD, REAL_TIME):
            level = level_of(np.sort(self.base[:, price], axis=1), LEVELS, self.outcome[:, price])
            score[where, price * slots + np.minimum(self.slot, slots - 1)] = level
        seeds = {"shared_seed": seed_of(hub[0], day), "own_seed": seed_of(NAME, *hub, day)}
        level = joint_levels(method, Past(dates, score), day, count, **seeds)
        at = np.minimum(slot, slots - 1)
        return np.stack([quantile_at(ladder[:, price], LEVELS, level[:, price * slots + at]) for price in (DAY_AHEAD, REAL_TIME)])


def outcomes_of(rows: pl.DataFrame) -> Array:
    """Day-ahead and balancing price of every row, NaN where unknown, shape (n, 2)."""
    first, spread = (rows[c].cast(pl.Float64).fill_null(float("nan")).to_numpy() for c in ("da_price_ccy_per_mwh", "price_ccy_per_mwh"))
    return np.column_stack((first, first + spread))


def _instants(rows: pl.DataFrame, name: str) -> Ints:
    return rows[name].dt.epoch("ms").fill_null(NEVER).to_numpy().astype(np.int64)
