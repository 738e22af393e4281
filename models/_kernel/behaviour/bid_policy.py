"""The policy library of hourly bids: for every unit and side, learned weights of its habits, with those of its kind behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.behaviour.habits import LEVELS, Habits, learn_habits
from models._kernel.behaviour.hourly_bids import CANDIDATES, KINDS, HourlyBids

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NEWEST, LAST_WEEK = CANDIDATES.index("newest"), CANDIDATES.index("last_week")


@dataclass(frozen=True, slots=True)
class BidPolicies:
    """Policies of all series, apart for hours whose newest same hour is a day old and for those where it is older.

    Attributes:
        habits: weights by (series, fresh), types by (kind, side, fresh).
        columns: candidates it uses, positions in `CANDIDATES`; one alone is a baseline.
        kind: (unit,) position in `KINDS`.
    """

    habits: Habits
    columns: tuple[int, ...]
    kind: Ints

    def quantiles(self, bids: HourlyBids, series: Ints, hour: Ints, levels: Array = LEVELS) -> Array:
        """Quantiles (row, level) of the price; NaN rows where the past suggests none."""
        found = self.habits.quantiles(self._candidates(bids, series, hour), group_of(bids, series, hour), levels)
        return np.asarray(found, dtype=np.float64)

    def log_density(self, bids: HourlyBids, series: Ints, hour: Ints) -> Array:
        """Log density (row,) of the prices that came, 1/(currency/MWh)."""
        price = bids.price[series, hour]
        return self.habits.log_density(self._candidates(bids, series, hour), price, group_of(bids, series, hour))

    def _candidates(self, bids: HourlyBids, series: Ints, hour: Ints) -> Array:
        return np.asarray(bids.candidates(series, hour)[:, list(self.columns)], dtype=np.float64)


def group_of(bids: HourlyBids, series: Ints, hour: Ints) -> Ints:
    """Group (row,) of habits: the series, and whether its newest same hour is one day old."""
    return np.asarray(series * 2 + (bids.newest_lag()[hour] == 1), dtype=np.int64)


def learn_policies(
    bids: HourlyBids, series: Ints, hour: Ints, kind: Ints, columns: tuple[int, ...] = tuple(range(len(CANDIDATES)))
) -> BidPolicies:
    """Learn from rows; those for which no candidate is there are left out.

    Args:
        bids: prices; rows must have been known when the policies are used.
        series: (row,) series 2 u and 2 u + 1 are the sides of unit u.
        hour: (row,) hours of the prices to learn from.
        kind: (unit,) position in `KINDS`.
        columns: candidates to use.
    """
    candidates = bids.candidates(series, hour)[:, list(columns)]
    some = np.isfinite(candidates).any(axis=1)
    group = group_of(bids, series, hour)
    of_series = np.repeat(kind * 2, 2) + np.tile([0, 1], len(kind))
    of_group = np.repeat(of_series * 2, 2) + np.tile([0, 1], len(of_series))
    habits = learn_habits(candidates[some], bids.price[series, hour][some], group[some], np.asarray(of_group, dtype=np.int64))
    return BidPolicies(habits, columns, kind)


def weights_of_kinds(policies: BidPolicies) -> dict[str, dict[str, float]]:
    """Weights of the candidates by kind, offers of fresh hours: what a person reads of the library."""
    shown = policies.habits.types.reshape(len(policies.habits.types), -1, policies.habits.types.shape[1] // len(policies.columns)).sum(
        axis=2
    )
    present = set(policies.kind.tolist())
    return {
        KINDS[k]: {CANDIDATES[c]: round(float(w), 4) for c, w in zip(policies.columns, shown[4 * k + 1], strict=True)}
        for k in range(len(KINDS))
        if k in present
    }
