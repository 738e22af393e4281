# /// script
# requires-python = ">=3.11"
# dependencies = ["mlforecast==1.1.0", "lightgbm==4.7.0", "polars==2.1.0", "pandas==2.3.3", "pyarrow"]
# [tool.desk]
# answers = "day_ahead"
# ///
"""Nixtla mlforecast: LightGBM on price lags and rolling means, with our known features as exogenous inputs, and its conformal intervals.

Refitted every eight weeks on all that was known; the features are those our model gets. For prices that are known up to the end of the
day before delivery (a day-ahead auction): other rows are refused.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
from exchange import HOURS, Task, hub_grid
from lightgbm import LGBMRegressor
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMean
from mlforecast.utils import PredictionIntervals

REFIT_DAYS, BAND_DAYS = 56, 84


def main(folder: Path) -> None:
    """Answer every scored delivery date of every hub."""
    task, parts = Task.read(folder), []
    bands = sorted({round(100 * (1 - 2 * level), 6) for level in task.levels if level < 0.5})
    for cutoff, block in task.blocks(REFIT_DAYS):
        for scored in block.partition_by("hub"):
            rows = task.rows.filter(pl.col("hub") == scored["hub"][0])
            inputs = [c for c in task.inputs if not c.startswith(("price_", "local_")) and rows[c].null_count() < 0.5 * len(rows)]
            first = scored["delivery_date"].min()
            learned = _learned(_table(rows, inputs, cutoff, first))
            model, seen = _fitted(learned), len(learned)
            for day in scored.partition_by("delivery_date"):
                table = _table(rows, inputs, day["as_of"].min(), day["delivery_date"][0])
                past, ahead = table.head(len(table) - HOURS), table.tail(HOURS).drop("y")
                if past["y"].is_nan().any():
                    raise SystemExit("mlforecast_boosting answers only markets whose prices of the day before are known at the decision")
                if len(past) > seen:
                    model.update(past.tail(len(past) - seen).to_pandas())
                    seen = len(past)
                told = model.predict(h=HOURS, X_df=ahead.to_pandas(), level=bands)
                hour = day["local_hour"].to_numpy().astype(int)
                ladder = {level: _quantile(told, level)[hour] for level in task.levels}
                parts.append((day["row"].to_numpy(), told["boosted"].to_numpy()[hour], ladder))
    task.write(parts, ["mlforecast", "lightgbm"])


def _table(rows: pl.DataFrame, inputs: list[str], as_of: object, last: object) -> pl.DataFrame:
    """Hourly table up to a date: price where known, and the inputs of the row's own decision."""
    values, days = hub_grid(rows, as_of, last)
    grid = pl.DataFrame(
        {"delivery_date": np.repeat(np.array(days, dtype="datetime64[D]"), HOURS), "local_hour": np.tile(np.arange(HOURS), len(days))}
    )
    of = rows.group_by("delivery_date", "local_hour").agg(pl.col(inputs).mean()).with_columns(pl.col("local_hour").cast(pl.Int64))
    joined = grid.with_columns(pl.col("delivery_date").cast(pl.Date)).join(
        of, on=["delivery_date", "local_hour"], how="left", maintain_order="left"
    )
    return joined.select(
        pl.lit("hub").alias("unique_id"),
        pl.int_range(pl.len()).alias("ds"),
        pl.Series("y", values),
        pl.col("local_hour").alias("hour_of_day"),
        *(pl.col(c).cast(pl.Float64) for c in inputs),
    )


def _learned(table: pl.DataFrame) -> pl.DataFrame:
    return table.head(len(table) - HOURS).filter(pl.col("y").is_not_nan())


def _fitted(past: pl.DataFrame) -> MLForecast:
    boosted = LGBMRegressor(
        objective="regression_l1", n_estimators=400, learning_rate=0.03, num_leaves=31, n_jobs=1, verbose=-1, random_state=0
    )
    lags = {24: [RollingMean(24), RollingMean(168)]}
    model = MLForecast(models={"boosted": boosted}, freq=1, lags=[24, 48, 72, 168, 336], lag_transforms=lags)
    return model.fit(past.to_pandas(), static_features=[], prediction_intervals=PredictionIntervals(n_windows=BAND_DAYS, h=HOURS))


def _quantile(told: pd.DataFrame, level: float) -> np.ndarray:
    if level == 0.5:
        return told["boosted"].to_numpy()
    band = round(100 * (1 - 2 * min(level, 1 - level)), 6)
    name = f"boosted-{'lo' if level < 0.5 else 'hi'}-{band:g}"
    return told[name if name in told.columns else f"boosted-{'lo' if level < 0.5 else 'hi'}-{band}"].to_numpy()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
