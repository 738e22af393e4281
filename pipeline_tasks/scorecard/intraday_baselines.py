"""Baselines of intraday forecasts: changes from the last known price, by hour of the week or by ridge regression."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.splitter import Fold
from pipeline_tasks.scorecard.ridge import fit_predict, known_price

Array = npt.NDArray[np.float64]
DAYS = 365
MIN_ROWS = 60
CELL = ("hub", "horizon_min", "day_of_week", "local_hour")
NOT_INPUTS = {"price_ccy_per_mwh", "resolution_min", "horizon_min", "local_hour", "dst_fold", "month", "day_of_year"}
LAST = "price_last_ccy_per_mwh"


def climatology_last(frame: pl.DataFrame, folds: tuple[Fold, ...]) -> Array:
    """Last known price plus the median change of the same hub, horizon and hour of the week in the 365 days known before each refit.

    Shape (n,), NaN outside the folds' test rows and where no price was known; cells without history take no change.
    """
    rows = _with_change(frame)
    made = np.full(len(frame), np.nan)
    for fold in folds:
        past = _past(rows, fold).group_by(CELL).agg(pl.col("_change").median().alias("_median"))
        test = fold.test(rows).join(past, on=list(CELL), how="left")
        made[test["_row"].to_numpy()] = (
            test.select((pl.col(LAST) + pl.col("_median").fill_null(0.0)).fill_null(float("nan"))).to_series().to_numpy()
        )
    return made


def ridge_change(frame: pl.DataFrame, folds: tuple[Fold, ...]) -> Array:
    """Last known price plus a ridge regression of the change, one per hub and horizon, fitted on what each refit knew of 365 days.

    Every number of the feature table is an input, prices as their distance from the last known one, beside sine and cosine of the
    local time. Changes are compressed by arsinh in units of their spread, as those of `ridge_walk`. Shape (n,), NaN as above.
    """
    rows, x = _with_change(frame), _inputs(frame)
    made = np.full(len(frame), np.nan)
    for fold in folds:
        past, test = _past(rows, fold), fold.test(rows).filter(pl.col(LAST).is_not_null())
        for key, asked in test.group_by("hub", "horizon_min", maintain_order=True):
            mine = past.filter((pl.col("hub") == key[0]) & (pl.col("horizon_min") == key[1]))
            if len(mine) >= MIN_ROWS:
                at, learned = asked["_row"].to_numpy(), mine["_row"].to_numpy()
                made[at] = asked[LAST].to_numpy() + fit_predict(x[learned], mine["_change"].to_numpy(), x[at])
    return made


def _with_change(frame: pl.DataFrame) -> pl.DataFrame:
    change = (pl.col("price_ccy_per_mwh") - pl.col(LAST)).alias("_change")
    return frame.with_row_index("_row").with_columns(change)


def _past(rows: pl.DataFrame, fold: Fold) -> pl.DataFrame:
    recent = pl.col("delivery_date") > fold.test_dates[0] - timedelta(days=DAYS + 1)
    return fold.train(rows).filter(recent, pl.col("_change").is_not_null())


def _inputs(frame: pl.DataFrame) -> Array:
    numbers = [c for c, t in frame.schema.items() if t.is_numeric() and c not in NOT_INPUTS]
    prices = [c for c in numbers if known_price(c) and "_std_" not in c and c != LAST]
    angle = 2 * np.pi * pl.col("local_minute") / 1440
    table = frame.select(
        *((pl.col(c) - pl.col(LAST)).alias(c) for c in prices),
        *(pl.col(c).cast(pl.Float64) for c in numbers if c not in prices),
        angle.sin().alias("_sin"),
        angle.cos().alias("_cos"),
    )
    return table.select(pl.all().fill_null(float("nan"))).to_numpy()
