"""Baselines of price forecasts: naive, hour-of-week, persistence and published, with intervals from their own past errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.splitter import Fold
from pipeline_tasks.scorecard.intraday_baselines import climatology_last, ridge_change
from pipeline_tasks.scorecard.panel import Comparator
from pipeline_tasks.scorecard.published import ALIASES, COLUMNS, published
from pipeline_tasks.scorecard.ridge import ridge_walk
from pipeline_tasks.scorecard.sources import DataSet

Array = npt.NDArray[np.float64]
ERROR_DAYS = 182
MIN_ERROR_DAYS = 28


def naive_week(frame: pl.DataFrame) -> Array:
    """Price of the same local hour a week before (Lago et al. 2021); where unknown the next of 14, 1, 2 and 3 days, then a mean."""
    order = [f"price_lag_{k}d_ccy_per_mwh" for k in (7, 14, 1, 2, 3)] + ["price_hour_mean_28d_ccy_per_mwh", "price_last_ccy_per_mwh"]
    return _first_known(frame, order)


def naive_hybrid(frame: pl.DataFrame) -> Array:
    """Yesterday's price from Tuesday to Friday, last week's on Saturday, Sunday and Monday."""
    weekly = frame["day_of_week"].is_in([1, 6, 7]).to_numpy()
    return np.where(weekly, naive_week(frame), persistence(frame))


def persistence(frame: pl.DataFrame) -> Array:
    """Price of the same local hour one day before where it was known at as_of, else two, three, seven days before."""
    return _first_known(frame, [f"price_lag_{k}d_ccy_per_mwh" for k in (1, 2, 3, 7)] + ["price_last_ccy_per_mwh"])


def persistence_last(frame: pl.DataFrame) -> Array:
    """Last price known at as_of; where there is none, that of the same local time one day or one week before."""
    return _first_known(frame, ["price_last_ccy_per_mwh", "price_lag_1d_ccy_per_mwh", "price_lag_7d_ccy_per_mwh"])


def day_ahead_price(frame: pl.DataFrame) -> Array:
    """Day-ahead price that holds in the interval; NaN where none was known at as_of."""
    return _first_known(frame, ["price_da_ccy_per_mwh"])


SIMPLE: dict[str, Callable[[pl.DataFrame], Array]] = {
    "naive_week": naive_week,
    "naive_hybrid": naive_hybrid,
    "persistence_24h": persistence,
    "persistence_last": persistence_last,
    "day_ahead_price": day_ahead_price,
}
WALKED: dict[str, Callable[[pl.DataFrame, tuple[Fold, ...]], Array]] = {
    "ridge_level": ridge_walk,
    "ridge_change": ridge_change,
    "climatology_last": climatology_last,
}


def _first_known(frame: pl.DataFrame, order: list[str]) -> Array:
    there = [pl.col(c).cast(pl.Float64).fill_nan(None) for c in order if c in frame.columns]
    if not there:
        return np.full(len(frame), np.nan)
    return frame.select(pl.coalesce(there).fill_null(float("nan"))).to_series().to_numpy()


def point_comparators(
    names: list[str], data: DataSet, folds: tuple[Fold, ...], window: npt.NDArray[np.bool_], levels: Array
) -> tuple[dict[str, Comparator], dict[str, str]]:
    """Named baselines on the window's rows of `data.frame`, with quantiles from their errors of the 182 days known before.

    Args:
        names: baselines asked for.
        data: data set; its frame is in key order.
        folds: the walk's folds (refit cutoffs).
        window: rows that are scored.
        levels: quantile levels, shape (k,).

    Returns:
        Baselines by name, and name -> reason for those that cannot be computed here.
    """
    frame, made, absent = data.frame, {}, {}
    public, note = published(data, frame)
    for name in names:
        canonical = ALIASES.get(name, name)
        quantiles = None
        remark = ""
        if canonical in SIMPLE:
            point = SIMPLE[canonical](frame)
        elif canonical in WALKED:
            point = WALKED[canonical](frame, folds)
        elif canonical == "hour_of_week_climatology":
            point, quantiles = _climatology(frame, folds, levels)
        elif canonical in COLUMNS and canonical in public:
            point, remark = public[canonical], note
        else:
            absent[name] = note if canonical in COLUMNS else f"the scorecard does not know how to compute baseline {name!r}"
            continue
        if quantiles is None:
            quantiles = historical_quantiles(frame, point, levels, only=window)
        made[name] = Comparator(name, point[window], quantiles[window], note=remark)
    return made, absent


def historical_quantiles(frame: pl.DataFrame, point: Array, levels: Array, *, only: npt.NDArray[np.bool_]) -> Array:
    """Rolling historical simulation: point forecast plus quantiles of its own errors of the same hub, local hour and horizon.

    The errors are those of the 182 delivery days before whose outcome was known at the first decision for the hour of the day, at
    least 28 of them; rows with fewer get NaN. Shape (n, k), NaN outside `only`.
    """
    quantiles = np.full((len(frame), len(levels)), np.nan)
    error = frame["price_ccy_per_mwh"].cast(pl.Float64).fill_null(float("nan")).to_numpy() - point
    known = frame["price_known_ts"].dt.epoch("ms").fill_null(np.iinfo(np.int64).max).to_numpy()
    as_of = frame["as_of"].dt.epoch("ms").to_numpy()
    day = frame["delivery_date"].cast(pl.Int32).cast(pl.Int64).to_numpy()
    cell = [c for c in ("hub", "product", "local_hour", "horizon_min") if c in frame.columns]
    grouped = frame.select(cell).with_row_index("row").group_by(cell, maintain_order=True).agg("row")
    for group in grouped["row"].to_list():
        rows = np.asarray(group, dtype=np.int64)
        usable = rows[np.isfinite(error[rows])]
        asked = rows[only[rows] & np.isfinite(point[rows])]
        for date in np.unique(day[asked]):
            now = asked[day[asked] == date]
            first, last = np.searchsorted(day[usable], [date - ERROR_DAYS, date])
            past = usable[first:last]
            past = past[known[past] <= as_of[now].min()]
            if len(past) >= MIN_ERROR_DAYS:
                quantiles[now] = point[now, None] + np.quantile(error[past], levels)
    return quantiles


def _climatology(frame: pl.DataFrame, folds: tuple[Fold, ...], levels: Array) -> tuple[Array, Array]:
    """Median and quantiles of the same hub and hour of the week in the 365 days known before each refit."""
    point, quantiles = np.full(len(frame), np.nan), np.full((len(frame), len(levels)), np.nan)
    price = frame["price_ccy_per_mwh"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    group = frame.select(pl.struct("hub", "product", "day_of_week", "local_hour").rank("dense").cast(pl.Int64)).to_series().to_numpy()
    rows = frame.with_row_index("row")
    for fold in folds:
        past = rows.filter(
            pl.col("price_known_ts").is_not_null() & (pl.col("price_known_ts") <= fold.cutoff),
            pl.col("delivery_date") > fold.test_dates[0] - timedelta(days=366),
        )["row"].to_numpy()
        past = past[np.isfinite(price[past])]
        test = fold.test(rows)["row"].to_numpy()
        for g in np.unique(group[test]):
            mine = price[past[group[past] == g]]
            if len(mine):
                asked = test[group[test] == g]
                point[asked] = np.median(mine)
                quantiles[asked] = np.quantile(mine, levels)
    return point, quantiles
