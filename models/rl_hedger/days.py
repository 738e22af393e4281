"""Delivery days as steps of a decision process: what was known at the gate, what every action would have saved, and what it costs to act.

A hedge moves no price (the desk is small), so the saving of every action is known after the day, also of those not taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.portfolio import Portfolio
from models.rl_hedger.limits import HedgeRules

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Key = tuple[str, ...]
SERIES = ("market", "hub", "product")
DAY_HOURS = (8, 20)  # local hours [8, 20) are the day block, the others the night
BLOCKS = ("day", "night")
NEVER = np.iinfo(np.int64).max
BY_BLOCK = ("price_hour_mean_28d_ccy_per_mwh", "price_lag_1d_ccy_per_mwh", "price_lag_2d_ccy_per_mwh", "price_lag_7d_ccy_per_mwh")
BY_DAY = (
    "price_mean_7d_ccy_per_mwh",
    "price_mean_28d_ccy_per_mwh",
    "price_std_7d_ccy_per_mwh",
    "load_deviation_last_day_share",
    "residual_load_tightness",
)
STATE = (*(f"{c}_{b}" for c in BY_BLOCK for b in BLOCKS), *BY_DAY, "is_idle")
PRICES = tuple(k for k, name in enumerate(STATE) if name.startswith("price_"))


@dataclass(frozen=True, slots=True)
class Steps:
    """Days of one series, dates rising.

    Attributes:
        date: delivery date, days since 1970, shape (n,).
        as_of: decision time, ms, shape (n,).
        known: when all spreads of the day were known, ms, NEVER where they were not, shape (n,).
        state: `STATE` as known at the gate, NaN where unknown, shape (n, k).
        share: share of the scheduled energy in (day, night), shape (n, 2).
        widest: hedge of a block that the limits admit at most, shape (n,).
        spread: energy-weighted mean spread of (day, night), NaN where unknown, shape (n, 2).
        positions: hedge of every action, shape (n, actions, 2).
        fee_saving: fee saved (negative: paid) on absolute deviation by every action, currency per MWh of load, shape (n, actions).
    """

    date: Ints
    as_of: Ints
    known: Ints
    state: Array
    share: Array
    widest: Array
    spread: Array
    positions: Array
    fee_saving: Array

    @property
    def count(self) -> int:
        """Days."""
        return int(self.date.size)

    def take(self, chosen: npt.NDArray[np.generic]) -> Steps:
        """The chosen days."""
        return Steps(*(getattr(self, f.name)[chosen] for f in fields(self)))

    def saving(self) -> Array:
        """Saving of every action before trading fees, currency per MWh of load, shape (n, actions); NaN where spreads are unknown."""
        return np.asarray((self.positions * (self.share * self.spread)[:, None, :]).sum(axis=2) + self.fee_saving)

    def traded(self) -> Array:
        """Energy that every action trades, MWh per MWh of load, shape (n, actions)."""
        return np.asarray((np.abs(self.positions) * self.share[:, None, :]).sum(axis=2))


def block_of(rows: pl.DataFrame) -> Ints:
    """0 for rows of the day block, 1 for the night, shape (n,)."""
    hour = rows["local_hour"].cast(pl.Int64).to_numpy()
    return np.where((hour >= DAY_HOURS[0]) & (hour < DAY_HOURS[1]), 0, 1)


def steps_of(rows: pl.DataFrame, portfolio: Portfolio, rules: HedgeRules) -> Mapping[Key, Steps]:
    """Days of every series.

    Args:
        rows: rows of features.ftr_spread in key order; outcomes may be null.
        portfolio: the hedged load.
        rules: limits that the actions keep.
    """
    made = {}
    for key, part in rows.group_by(SERIES, maintain_order=True):
        made[tuple(str(v) for v in key)] = _steps(part.sort("delivery_date", "delivery_ts"), portfolio, rules)
    return made


def _steps(rows: pl.DataFrame, portfolio: Portfolio, rules: HedgeRules) -> Steps:
    date, day = np.unique(rows["delivery_date"].cast(pl.Int32).cast(pl.Int64).to_numpy(), return_inverse=True)
    n, block = date.size, block_of(rows)
    energy, error = portfolio.scheduled_mwh(rows), portfolio.error_share(rows)
    cell = day * 2 + block
    by_block = np.bincount(cell, energy, minlength=2 * n).reshape(n, 2)
    share = by_block / np.maximum(by_block.sum(axis=1, keepdims=True), 1e-12)
    mad = np.bincount(day, energy * error, minlength=n) / np.maximum(by_block.sum(axis=1), 1e-12)
    spread = _column(rows, "price_ccy_per_mwh")
    known_ts = rows["price_known_ts"].dt.epoch("ms").fill_null(NEVER).to_numpy()
    as_of, known = np.zeros(n, np.int64), np.zeros(n, np.int64)
    np.maximum.at(as_of, day, rows["as_of"].dt.epoch("ms").to_numpy())
    np.maximum.at(known, day, np.where(np.isfinite(spread), known_ts, NEVER))
    widest = rules.widest(mad)
    positions = rules.positions(share, widest)
    return Steps(
        date, as_of, known, _state(rows, day, cell, n), share, widest,
        _means(spread, cell, energy, 2 * n, whole=True).reshape(n, 2), positions, _fee_saving(rows, day, energy, positions, portfolio),
    )  # fmt: skip


def _fee_saving(rows: pl.DataFrame, day: Ints, energy: Array, positions: Array, portfolio: Portfolio) -> Array:
    """Fee on the unhedged absolute deviation less that on the hedged one; on the hedge alone where no load is metered."""
    own = _column(rows, "load_deviation_share")
    hedge = positions[day, :, block_of(rows)]
    metered = np.isfinite(own)[:, None]
    before = np.where(metered, np.abs(np.nan_to_num(own))[:, None], 0.0)
    after = np.abs(np.where(metered, np.nan_to_num(own)[:, None] - hedge, hedge))
    gain = portfolio.fee_ccy_per_mwh * energy[:, None] * (before - after)
    total = np.maximum(np.bincount(day, energy, minlength=len(positions)), 1e-12)
    return np.column_stack([np.bincount(day, column, minlength=len(positions)) for column in gain.T]) / total[:, None]


def _state(rows: pl.DataFrame, day: Ints, cell: Ints, n: int) -> Array:
    """State of every day, shape (n, k)."""
    one = np.ones(rows.height)
    parts = [_means(_column(rows, c), cell, one, 2 * n).reshape(n, 2) for c in BY_BLOCK]
    parts += [_means(_column(rows, c), day, one, n)[:, None] for c in BY_DAY]
    idle = rows.select((pl.col("day_of_week") >= 6) | pl.col("is_holiday").fill_null(value=False)).to_series().to_numpy()
    return np.column_stack([*parts, _means(idle.astype(np.float64), day, one, n)])


def _means(values: Array, cell: Ints, weight: Array, size: int, *, whole: bool = False) -> Array:
    """Weighted means by cell over known values; NaN where none is known, or with `whole` where one is not."""
    good = np.isfinite(values)
    total = np.bincount(cell[good], (values * weight)[good], minlength=size)
    count = np.bincount(cell[good], weight[good], minlength=size)
    mean: Array = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
    if whole:
        mean[np.bincount(cell, ~good, minlength=size) > 0] = np.nan
    return mean


def _column(rows: pl.DataFrame, name: str) -> Array:
    if name not in rows.columns:
        return np.full(rows.height, np.nan)
    return rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


@dataclass(frozen=True, slots=True)
class StateScale:
    """Scale of states in training: spreads are read by the inverse hyperbolic sine of their typical size, the rest standardised.

    Attributes:
        unit: typical size of a spread.
        mean, spread: of what is standardised, shape (k,).
    """

    unit: float
    mean: Array
    spread: Array

    @classmethod
    def of(cls, state: Array) -> StateScale:
        """Scale of states, shape (n, k)."""
        prices = np.abs(state[:, PRICES])
        unit = max(float(np.nanmedian(prices)) if np.isfinite(prices).any() else 1.0, 0.1)
        told = _read(state, unit)
        known = np.isfinite(told)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, told, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(known, told - mean, 0.0) ** 2).sum(axis=0) / count)
        return cls(unit, mean, np.where(spread > 1e-9, spread, 1.0))

    def scaled(self, state: Array) -> Array:
        """States as networks read them, shape (n, k); unknown is 0."""
        return np.asarray(np.clip(np.nan_to_num((_read(state, self.unit) - self.mean) / self.spread), -4.0, 4.0))


def _read(state: Array, unit: float) -> Array:
    made = state.copy()
    made[:, PRICES] = np.arcsinh(state[:, PRICES] / unit)
    return made
