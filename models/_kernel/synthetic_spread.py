"""Synthetic spread features: `synthetic.day_ahead_features` with a balancing price, in the shape of features.ftr_spread. Never real data.

The spread has a daily shape, persists from day to day, follows the load's own deviation, and spikes. It becomes known an hour after
its interval, so at the gate the spreads of the morning of the day before are known and those of its afternoon are not.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from models._kernel.synthetic import SyntheticMarket, day_ahead_features
from pipeline_tasks.contracts.features import LAG_DAYS, SPREAD

_SLOT = ["hub", "delivery_date", "local_hour"]
PRICE = "price_ccy_per_mwh"


def spread_features(what: SyntheticMarket) -> pl.DataFrame:
    """A frame of the contract features.ftr_spread, in key order, 23- and 25-hour days included."""
    base = day_ahead_features(what)
    beside = {c: f"da_{c}" for c in base.columns if c.startswith("price_") and f"da_{c}" in SPREAD.column_names}
    frame = base.rename(beside).with_columns(product=pl.lit("spread"))
    parts = [
        _outcomes(part, np.random.default_rng([what.seed, 7, i])) for i, part in enumerate(frame.partition_by("hub", maintain_order=True))
    ]
    frame = _days(_hours(_lags(pl.concat(parts))))
    schema = SPREAD.polars_schema()
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
    return frame.with_columns(absent).select(pl.col(n).cast(t) for n, t in schema.items()).sort(SPREAD.key)


def _outcomes(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Spread and load deviation of one hub, and when they became known."""
    n, hour = rows.height, rows["local_hour"].to_numpy()
    day = rows["delivery_date"].rle_id().to_numpy()
    mood, deviation = np.zeros(int(day[-1]) + 1), np.zeros(n)
    for d in range(1, len(mood)):
        mood[d] = 0.8 * mood[d - 1] + rng.normal(0, 1.5)
    shocks = rng.normal(0, 0.01, n)
    for i in range(1, n):
        deviation[i] = 0.9 * deviation[i - 1] + shocks[i]
    shape = 4.0 * np.sin(2 * np.pi * (hour - 9) / 24)
    spike = (rng.random(n) < 0.02) * rng.exponential(60, n)
    spread = shape + mood[day] + 120 * deviation + rng.normal(0, 4, n) + spike
    end = pl.col("delivery_ts") + timedelta(hours=1)
    return rows.with_columns(
        pl.Series(PRICE, np.round(spread, 2)),
        (end + timedelta(hours=1)).alias("price_known_ts"),
        pl.Series("load_deviation_share", deviation),
        (end + timedelta(hours=12)).alias("deviation_known_ts"),
    )


def _lags(frame: pl.DataFrame) -> pl.DataFrame:
    for k in LAG_DAYS:
        name = f"price_lag_{k}d_ccy_per_mwh"
        past = frame.filter(pl.col("dst_fold") == 0).select(
            "hub",
            pl.col("delivery_date") + timedelta(days=k),
            "local_hour",
            pl.col(PRICE).alias(name),
            pl.col("price_known_ts").alias("_known"),
        )
        frame = frame.join(past, on=_SLOT, how="left", maintain_order="left")
        frame = frame.with_columns(pl.when(pl.col("_known") <= pl.col("as_of")).then(pl.col(name)).alias(name)).drop("_known")
    return frame


def _hours(frame: pl.DataFrame) -> pl.DataFrame:
    """Statistics of the same local hour over the 28 days that end two days before delivery."""
    price = pl.col(PRICE)
    hourly = frame.filter(pl.col("dst_fold") == 0).sort(*_SLOT[::2], "delivery_date")
    hourly = hourly.select(
        "hub",
        pl.col("delivery_date") + timedelta(days=2),
        "local_hour",
        price.rolling_mean(28, min_samples=7).over("hub", "local_hour").alias("price_hour_mean_28d_ccy_per_mwh"),
        price.rolling_std(28, min_samples=7).over("hub", "local_hour").alias("price_hour_std_28d_ccy_per_mwh"),
        (price > 0).cast(pl.Float64).rolling_mean(28, min_samples=7).over("hub", "local_hour").alias("price_hour_positive_28d_share"),
    )
    return frame.join(hourly, on=_SLOT, how="left", maintain_order="left")


def _days(frame: pl.DataFrame) -> pl.DataFrame:
    """Statistics of whole days up to two days before delivery."""
    daily = frame.group_by("hub", "delivery_date").agg(
        pl.col(PRICE).mean().alias("mean"),
        pl.col(PRICE).std().alias("std"),
        pl.col("load_deviation_share").mean().alias("last"),
        pl.col("load_deviation_share").abs().mean().alias("abs"),
    )
    daily = daily.sort("hub", "delivery_date").select(
        "hub",
        pl.col("delivery_date") + timedelta(days=2),
        pl.col("mean").rolling_mean(7, min_samples=1).over("hub").alias("price_mean_7d_ccy_per_mwh"),
        pl.col("std").rolling_mean(7, min_samples=1).over("hub").alias("price_std_7d_ccy_per_mwh"),
        pl.col("mean").rolling_mean(28, min_samples=1).over("hub").alias("price_mean_28d_ccy_per_mwh"),
        pl.col("abs").rolling_mean(28, min_samples=1).over("hub").alias("load_deviation_abs_28d_share"),
        pl.col("last").alias("load_deviation_last_day_share"),
    )
    return frame.join(daily, on=["hub", "delivery_date"], how="left", maintain_order="left")
