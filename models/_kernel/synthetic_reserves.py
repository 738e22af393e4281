"""Synthetic features of energy and two reserve products in the shape of features.ftr_ancillary, from `synthetic.day_ahead_features`.

Upward and downward regulation are system-wide: their price follows that of energy in the first hub above and below its daily mean, the hour
of the day, and a persistent disturbance, with spikes when energy is dear. They become known with the energy price. Never real data.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from models._kernel.synthetic import SyntheticMarket, day_ahead_features
from pipeline_tasks.contracts.features import ANCILLARY, LAG_DAYS

PRICE = "price_ccy_per_mwh"
RESERVES = ("regup", "regdn")
_SLOT = ["hub", "product", "delivery_date", "local_hour"]


def reserve_features(what: SyntheticMarket) -> pl.DataFrame:
    """A frame of the contract features.ftr_ancillary, in key order, 23- and 25-hour days included."""
    base = day_ahead_features(what)
    beside = {c: f"energy_{c}" for c in base.columns if c.startswith("price_") and f"energy_{c}" in ANCILLARY.column_names}
    first = base.filter(pl.col("hub") == what.hubs[0]).sort("delivery_ts")
    quoted = {name: _prices(first, name, np.random.default_rng([what.seed, 11, k])) for k, name in enumerate(RESERVES)}
    plain = base.with_columns(pl.col(old).alias(new) for old, new in beside.items()).drop(c for c in beside if c != PRICE)
    frames = [plain.with_columns(pl.lit("da").alias("product"), pl.lit(value=True).alias("is_energy"))]
    for name, prices in quoted.items():
        own = first.select("delivery_ts", pl.Series(PRICE, prices))
        reserve = plain.drop(PRICE).join(own, on="delivery_ts", how="left", maintain_order="left")
        frames.append(reserve.with_columns(pl.lit(name).alias("product"), pl.lit(value=False).alias("is_energy")))
    frame = _days(_hours(_lags(pl.concat(frames, how="diagonal"))))
    frame = frame.with_columns(pl.lit(0, pl.Int64).alias("reserve_regime"))
    schema = ANCILLARY.polars_schema()
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
    return frame.with_columns(absent).select(pl.col(n).cast(t) for n, t in schema.items()).sort(ANCILLARY.key)


def _prices(rows: pl.DataFrame, name: str, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    n, hour = rows.height, rows["local_hour"].to_numpy()
    energy = rows[PRICE].to_numpy()
    level = rows.select(pl.col(PRICE) - pl.col(PRICE).mean().over("delivery_date")).to_series().to_numpy()
    noise = np.zeros(n)
    shocks = rng.normal(0, 0.6, n)
    for i in range(1, n):
        noise[i] = 0.95 * noise[i - 1] + shocks[i]
    sign = 1.0 if name == "regup" else -1.0
    spikes = (sign * level > 15) * rng.exponential(4.0, n)
    price = 3.0 + sign * 0.15 * level + 1.5 * np.cos(2 * np.pi * (hour - 18) / 24) + noise + spikes + 0.01 * np.abs(energy)
    return np.asarray(np.round(np.maximum(price, 0.0), 2), dtype=np.float64)


def _lags(frame: pl.DataFrame) -> pl.DataFrame:
    """Own prices of earlier days; at the gate of day D all prices up to the end of day D - 1 are known."""
    for k in LAG_DAYS:
        past = frame.filter(pl.col("dst_fold") == 0).select(
            "hub",
            "product",
            pl.col("delivery_date") + timedelta(days=k),
            "local_hour",
            pl.col(PRICE).alias(f"price_lag_{k}d_ccy_per_mwh"),
        )
        frame = frame.join(past, on=_SLOT, how="left", maintain_order="left")
    mean = pl.col("price_lag_1d_ccy_per_mwh").filter(~pl.col("is_energy")).mean().over("hub", "delivery_ts")
    return frame.with_columns(mean.alias("reserve_price_lag_1d_ccy_per_mwh"))


def _hours(frame: pl.DataFrame) -> pl.DataFrame:
    """Statistics of the same local hour over the days before."""
    price, slot = pl.col(PRICE), ("hub", "product", "local_hour")
    hourly = frame.filter(pl.col("dst_fold") == 0).sort(*slot, "delivery_date")
    hourly = hourly.select(
        "hub",
        "product",
        pl.col("delivery_date") + timedelta(days=1),
        "local_hour",
        price.rolling_mean(7, min_samples=3).over(slot).alias("price_hour_mean_7d_ccy_per_mwh"),
        price.rolling_mean(28, min_samples=7).over(slot).alias("price_hour_mean_28d_ccy_per_mwh"),
        price.rolling_std(28, min_samples=7).over(slot).alias("price_hour_std_28d_ccy_per_mwh"),
    )
    return frame.join(hourly, on=_SLOT, how="left", maintain_order="left")


def _days(frame: pl.DataFrame) -> pl.DataFrame:
    """Statistics of whole days before."""
    keys, price = ("hub", "product"), pl.col(PRICE)
    daily = frame.group_by("hub", "product", "delivery_date").agg(
        price.mean().alias("mean"), price.std().alias("std"), price.max().alias("max")
    )
    daily = daily.sort("hub", "product", "delivery_date").select(
        "hub",
        "product",
        pl.col("delivery_date") + timedelta(days=1),
        pl.col("mean").rolling_mean(7, min_samples=1).over(keys).alias("price_mean_7d_ccy_per_mwh"),
        pl.col("std").rolling_mean(7, min_samples=1).over(keys).alias("price_std_7d_ccy_per_mwh"),
        pl.col("max").rolling_max(7, min_samples=1).over(keys).alias("price_max_7d_ccy_per_mwh"),
        pl.col("mean").rolling_mean(28, min_samples=1).over(keys).alias("price_mean_28d_ccy_per_mwh"),
    )
    return frame.join(daily, on=["hub", "product", "delivery_date"], how="left", maintain_order="left")
