"""Days of one hub for battery policies: prices and out-of-sample forecasts as a panel, one row per delivery date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel import quantile_boosting
from models._kernel.quantile_boosting import BoostSettings
from models._kernel.storage.opportunity import Days
from pipeline_tasks.contracts.features import DAY_AHEAD, OUTCOMES

Array = npt.NDArray[np.float64]
NOT_INPUTS = {
    "market", "hub", "product", "delivery_ts", "delivery_date", "dst_fold", "resolution_min", "as_of", "currency", "month",
    *OUTCOMES, *(name for values in OUTCOMES.values() for name in values),
}  # fmt: skip
MEDIAN = (0.5,)
SETTINGS = BoostSettings(rounds=200, leaves=31, learning_rate=0.05, min_rows=40)
BLOCKS = 4
NAIVE = "price_lag_7d_ccy_per_mwh"


@dataclass(frozen=True, slots=True)
class Panel:
    """Whole days of the usual length, in order.

    Attributes:
        dates: delivery dates.
        prices: shape (days, T).
        naive: price of the same local time a week before, where unknown the newest known price, shape (days, T).
        inputs: what the gate knew, shape (days, T, d).
        hours: length of an interval.
        left_out: days of another length (clock changes) or with a missing price.
    """

    dates: tuple[date, ...]
    prices: Array
    naive: Array
    inputs: Array
    hours: float
    left_out: int

    def forecasts(self, train: slice, ask: slice, *, seed: int) -> Array:
        """Median of the price for the days asked, by boosters trained on the days of `train` alone, shape (n, T)."""
        names = tuple(f"x{k}" for k in range(self.inputs.shape[2]))
        rows, y = self.inputs[train].reshape(-1, len(names)), self.prices[train].ravel()
        made = quantile_boosting.train(rows, names, y, MEDIAN, SETTINGS, seed=seed)
        asked = self.inputs[ask]
        return made.quantiles(asked.reshape(-1, len(names)))[:, 0].reshape(asked.shape[:2])

    def lesson(self, train: slice, *, seed: int) -> Days:
        """Days of `train` but for its first block, each with a forecast by boosters that saw earlier blocks only."""
        edges = np.linspace(train.start, train.stop, BLOCKS + 1).astype(int)
        later = [slice(int(a), int(b)) for a, b in pairwise(edges[1:])]
        forecast = np.concatenate([self.forecasts(slice(train.start, block.start), block, seed=seed) for block in later])
        return Days(self.prices[edges[1] : train.stop], forecast)


def panel_of(frame: pl.DataFrame) -> Panel:
    """The panel of one hub's day-ahead feature rows."""
    minutes = int(frame["resolution_min"].min())  # type: ignore[arg-type]
    count, all_days = 24 * 60 // minutes, frame["delivery_date"].n_unique()
    complete = pl.col("price_ccy_per_mwh").is_not_null().all() & (pl.len() == count) & (pl.col("resolution_min") == minutes).all()
    whole = frame.group_by("delivery_date").agg(complete.alias("whole")).filter("whole")["delivery_date"]
    rows = frame.filter(pl.col("delivery_date").is_in(whole.implode())).sort("delivery_ts")
    dates = tuple(rows["delivery_date"].unique().sort().to_list())
    names = [c for c in DAY_AHEAD.column_names if c not in NOT_INPUTS and c in rows.columns]
    minute = (pl.col("local_hour") + pl.col("delivery_ts").dt.minute() / 60).alias("time")
    numbers = rows.select(*(pl.col(c).cast(pl.Float64, strict=False) for c in names), minute)
    inputs = numbers.select(pl.all().fill_null(float("nan"))).to_numpy()
    inputs = inputs[:, ~np.isnan(inputs).all(axis=0)]
    shape = (len(dates), count)
    prices = rows["price_ccy_per_mwh"].to_numpy().reshape(shape)
    last = pl.coalesce(NAIVE, "price_prev_day_mean_ccy_per_mwh", "price_last_ccy_per_mwh", pl.lit(0.0))
    naive = rows.select(last.cast(pl.Float64)).to_series().to_numpy().reshape(shape)
    return Panel(dates, prices, naive, inputs.reshape(*shape, -1), minutes / 60, all_days - len(dates))
