"""A price distribution that carries over into other price levels: ridge regressions of prices relative to the last week's level and spread.

Standardising by the newest week makes a regression learned in one price level answer in another ("adaptive standardisation",
arXiv 2311.02610).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.hour_ridge import HOURS, LevelModel, fit_levels
from pipeline_tasks.contracts.features import FORECASTS, LAG_DAYS

Array = npt.NDArray[np.float64]
CENTRE, SPREAD = "price_mean_7d_ccy_per_mwh", "price_std_7d_ccy_per_mwh"
PRICES = (
    *(f"price_lag_{k}d_ccy_per_mwh" for k in LAG_DAYS),
    "price_last_ccy_per_mwh",
    *(f"price_prev_day_{part}_ccy_per_mwh" for part in ("mean", "min", "max")),
    "price_hour_mean_28d_ccy_per_mwh",
)
LEVELS = (
    *(f"{q}_forecast_mw" for q in (*FORECASTS, "residual_load")),
    "residual_load_ramp_mw",
    "residual_load_tightness",
    "temperature_forecast_degc",
)
CHANGES = tuple(f"{q}_forecast" for q in FORECASTS)
WEEKDAYS = tuple(f"weekday_{d}" for d in range(1, 8))
NAMES = (*PRICES, *LEVELS, *(f"{q}_change_7d_mw" for q in CHANGES), *WEEKDAYS, "is_holiday")
OPTIONAL = (CENTRE, SPREAD, *PRICES, *LEVELS)
USUAL = 0.98  # share of training rows in which an input must be known to be expected


@dataclass(frozen=True, slots=True)
class WeekRidge:
    """Fitted regressions, with the quantiles of their errors out of sample.

    Attributes:
        levels: regressions per local hour.
        centre, spread: what stands in for an unknown level and spread of the last week.
        least: smallest spread that is used.
        hour_error: mean absolute error out of sample by local hour, in spreads, shape (24,).
        ladder: quantiles of the errors over those, by state, shape (states, levels).
        expected: inputs that are usually known.
    """

    levels: LevelModel
    centre: float
    spread: float
    least: float
    hour_error: Array
    ladder: Array
    expected: tuple[str, ...]

    def parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """What JSON holds, and arrays by name."""
        head = {
            "names": list(self.levels.names),
            "centre": self.centre,
            "spread": self.spread,
            "least": self.least,
            "expected": list(self.expected),
        }
        arrays = {"input_mean": self.levels.mean, "input_std": self.levels.std, "weights": self.levels.weights}
        return head, {**arrays, "hour_error": self.hour_error, "ladder": self.ladder}

    @classmethod
    def of(cls, head: Mapping[str, Any], a: Mapping[str, Array]) -> Self:
        """The regressions of `parts`."""
        levels = LevelModel(tuple(head["names"]), a["input_mean"], a["input_std"], a["weights"])
        centre, spread, least = (float(head[name]) for name in ("centre", "spread", "least"))
        return cls(levels, centre, spread, least, a["hour_error"], a["ladder"], tuple(head["expected"]))

    def scale(self, rows: pl.DataFrame) -> tuple[Array, Array]:
        """Level and spread of the last week of every row, shape (n,)."""
        return _column(rows, CENTRE, self.centre), np.maximum(_column(rows, SPREAD, self.spread), self.least)

    def point(self, rows: pl.DataFrame) -> Array:
        """Point forecast, shape (n,)."""
        centre, spread = self.scale(rows)
        return np.asarray(centre + spread * np.sinh(self.levels.predict(inputs(rows, centre, spread), hours_of(rows))))

    def quantiles(self, rows: pl.DataFrame, point: Array, state: Array) -> Array:
        """Quantiles, shape (n, levels): those of every state weighted by its probability (n, states)."""
        _, spread = self.scale(rows)
        ladder = (state[:, :, None] * self.ladder[None]).sum(axis=1)
        return np.sort(point[:, None] + (spread * self.hour_error[hours_of(rows)])[:, None] * ladder, axis=1)

    def contributions(self, rows: pl.DataFrame) -> Array:
        """Additive contributions of `NAMES` and the intercept to arsinh((point - level) / spread), shape (n, names + 1)."""
        centre, spread = self.scale(rows)
        x = inputs(rows, centre, spread)
        z = np.clip(np.where(np.isfinite(x), (x - self.levels.mean) / self.levels.std, 0.0), -6.0, 6.0)
        return np.column_stack((z, np.ones(len(z)))) * self.levels.weights[hours_of(rows)]

    def lacking(self, rows: pl.DataFrame) -> list[str]:
        """Why each row is DEGRADED; empty text where it is not."""
        if rows.is_empty():
            return []
        parts = [pl.when(_known(rows, c)).then(None).otherwise(pl.lit(c)) for c in self.expected]
        told = rows.select(pl.concat_str([pl.lit(None, pl.String), *parts], separator=", ", ignore_nulls=True).alias("r"))
        return [f"unknown: {r}" if r else "" for r in told["r"].to_list()]


def hours_of(rows: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Local hour of every row."""
    return rows["local_hour"].to_numpy().astype(np.int64)


def inputs(rows: pl.DataFrame, centre: Array, spread: Array) -> Array:
    """Inputs `NAMES` of every row, NaN where unknown: prices less the level over the spread, forecasts as they are, their weekly change."""
    prices = [(_column(rows, c) - centre) / spread for c in PRICES]
    changes = [_column(rows, f"{q}_mw") - _column(rows, f"{q}_lag_7d_mw") for q in CHANGES]
    weekday = rows["day_of_week"].to_numpy()
    days = [(weekday == d).astype(np.float64) for d in range(1, 8)]
    return np.column_stack([*prices, *(_column(rows, c) for c in LEVELS), *changes, *days, _column(rows, "is_holiday")])


@dataclass(frozen=True, slots=True)
class Fit:
    """Regressions, and the point forecast of every training row by regressions that did not see its block of days, shape (n,)."""

    model: WeekRidge
    out_of_block: Array


def fit_week_ridge(rows: pl.DataFrame, state: Array, levels: Sequence[float], *, penalty: float, windows: Sequence[int], folds: int) -> Fit:
    """Fit on rows with known prices, in time order within a series.

    Args:
        rows: feature rows with known outcome.
        state: filtered probabilities of the row's day, shape (n, states).
        levels: probability levels.
        penalty: ridge penalty per row.
        windows: lengths of the training windows that are averaged, days.
        folds: chronological blocks that give errors out of sample.
    """
    known = rows.filter(_known(rows, CENTRE) & _known(rows, SPREAD))
    source = known if known.height else rows
    centre = float(np.nan_to_num(np.nanmedian(_column(source, CENTRE, float(source["price_ccy_per_mwh"].median() or 0.0)))))  # type: ignore[arg-type]
    usual = float(np.nanmedian(_column(source, SPREAD, 1.0)))
    least = max(0.1 * usual, 0.01)
    mid, spread = _column(rows, CENTRE, centre), np.maximum(_column(rows, SPREAD, usual), least)
    x, hours = inputs(rows, mid, spread), hours_of(rows)
    price = rows["price_ccy_per_mwh"].cast(pl.Float64).to_numpy()
    target = np.arcsinh((price - mid) / spread)
    day = rows["delivery_date"].cast(pl.Int32).cast(pl.Int64).to_numpy()

    def fitted(chosen: npt.NDArray[np.bool_]) -> LevelModel:
        age = (day.max() - day[chosen]).astype(np.float64)
        return fit_levels(NAMES, x[chosen], hours[chosen], target[chosen], age, penalties=[penalty], windows=windows)[0]

    told = np.empty(len(price))
    block = np.minimum((np.argsort(np.argsort(day, kind="stable"), kind="stable") * folds) // max(len(day), 1), folds - 1)
    block = _block_of_days(day, block)
    for part in range(folds):
        mine = block == part
        if mine.any() and (~mine).any():
            told[mine] = (mid + spread * np.sinh(fitted(~mine).predict(x, hours)))[mine]
    error = (price - told) / spread
    size = np.asarray([max(float(np.mean(np.abs(error[hours == h]))) if np.any(hours == h) else 1.0, 1e-3) for h in range(HOURS)])
    ladder = np.stack([_weighted_quantiles(error / size[hours], state[:, s], levels) for s in range(state.shape[1])])
    expected = tuple(c for c in OPTIONAL if c in rows.columns and rows.select(_known(rows, c).mean()).item() >= USUAL)
    return Fit(WeekRidge(fitted(np.ones(len(price), dtype=bool)), centre, usual, least, size, ladder, expected), told)


def _block_of_days(day: npt.NDArray[np.int64], block: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Blocks that keep the rows of a day together: each day's smallest."""
    days, index = np.unique(day, return_inverse=True)
    smallest = np.full(len(days), block.max(initial=0))
    np.minimum.at(smallest, index, block)
    return np.asarray(smallest[index])


def _weighted_quantiles(values: Array, weight: Array, levels: Sequence[float]) -> Array:
    """Quantiles of weighted values; those of all where the weights come to fewer than 50 rows."""
    used = weight if weight.sum() >= 50 else np.ones_like(weight)
    order = np.argsort(values, kind="stable")
    share = (np.cumsum(used[order]) - 0.5 * used[order]) / used.sum()
    return np.interp(levels, share, values[order])


def _known(rows: pl.DataFrame, name: str) -> pl.Expr:
    return (pl.col(name).is_not_null() & pl.col(name).cast(pl.Float64).is_finite()) if name in rows.columns else pl.lit(value=False)


def _column(rows: pl.DataFrame, name: str, absent: float = float("nan")) -> Array:
    if name not in rows.columns:
        return np.full(rows.height, absent)
    values = rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(values), values, absent)
