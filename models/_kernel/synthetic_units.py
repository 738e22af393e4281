"""Synthetic units: four plants that follow the residual load of `synthetic.day_ahead_features`, in the shape of features.ftr_unit_commit.

A plant starts when the residual load passes its own level and stops some way below it, with noise, so that status persists, follows the
hour and can be foretold in part. Decisions fall every hour; an hour's output is known an hour after its end. Never real data.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from models._kernel.synthetic import SyntheticMarket, day_ahead_features
from pipeline_tasks.contracts.features import UNIT_COMMIT

HORIZONS_MIN = (60, 1440)
KNOWN_AFTER_H = 2  # hours from the start of an hour to when its output is known
PLANTS = ((0, 300.0, 0.35), (0, 80.0, 0.75), (1, 500.0, 0.15), (1, 60.0, 0.85))  # hub, MW, quantile of the residual load at which it starts


def unit_features(what: SyntheticMarket) -> pl.DataFrame:
    """A frame of the contract features.ftr_unit_commit, in key order, 23- and 25-hour days included."""
    base = day_ahead_features(what)
    hubs = base["hub"].unique().sort().to_list()
    parts = [
        _plant(base.filter(pl.col("hub") == hubs[hub % len(hubs)]).sort("delivery_ts"), number, capacity, level, what.seed)
        for number, (hub, capacity, level) in enumerate(PLANTS)
    ]
    hours = pl.concat(parts)
    fleet = hours.group_by("delivery_ts").agg(pl.col("online").mean().alias("fleet_online_share"))
    hours = hours.join(fleet, on="delivery_ts", maintain_order="left", how="left").with_columns(fuel_online_share="fleet_online_share")
    frame = pl.concat([_decided(hours, horizon) for horizon in HORIZONS_MIN])
    frame = frame.filter(pl.col("online_last").is_not_null() & pl.col("online_slot_28d_share").is_not_null())
    schema = UNIT_COMMIT.polars_schema()
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
    return frame.with_columns(absent).select(pl.col(n).cast(t) for n, t in schema.items()).sort(UNIT_COMMIT.key)


def _plant(rows: pl.DataFrame, number: int, capacity_mw: float, level: float, seed: int) -> pl.DataFrame:
    """Hours of one plant: status, output, and what they say up to each hour."""
    rng = np.random.default_rng([seed, 11, number])
    residual = rows["residual_load_forecast_mw"].to_numpy() + 1_500 * rng.standard_normal(rows.height)
    starts, stops = np.quantile(residual, level), np.quantile(residual, level) - 4_000
    on, state = np.zeros(rows.height), False
    for hour in range(rows.height):
        state = bool(residual[hour] > starts or (state and residual[hour] > stops))
        on[hour] = state
    output = np.round(on * capacity_mw * (0.6 + 0.4 / (1 + np.exp(-(residual - starts) / 4_000))), 2)
    hours = rows.select(
        "market", "hub", "delivery_ts", "delivery_date", "local_hour", "dst_fold", "resolution_min", "day_of_week", "month", "is_holiday",
        "residual_load_forecast_mw", "residual_load_ramp_mw", "residual_load_tightness", "load_forecast_mw", "gas_price_ccy_per_unit",
        "co2_price_ccy_per_unit",
    ).with_columns(product=pl.lit(f"PLANT_{number}"), fuel=pl.lit("gas"), output_mw=pl.Series(output), online=pl.Series(on))  # fmt: skip
    changed = (pl.col("online") != pl.col("online").shift()).fill_null(value=True)
    return hours.with_columns(
        ramp_mw=pl.col("output_mw").diff(),
        is_start=changed & (pl.col("online") == 1),
        is_stop=changed & (pl.col("online") == 0),
        state_h=pl.int_range(1, pl.len() + 1).over(changed.cum_sum()).clip(1, 2160),
        capacity_mw=pl.col("output_mw").cum_max(),
        **{f"online_{h}h_share": pl.col("online").rolling_mean(h, min_samples=1) for h in (24, 168, 2160)},
    ).with_columns(starts_2160h=pl.col("is_start").cast(pl.Int64).rolling_sum(2160, min_samples=1))


def _decided(hours: pl.DataFrame, horizon_min: int) -> pl.DataFrame:
    """Rows of one horizon: outcomes of the hour, and what was known when it was decided on."""
    ahead = horizon_min // 60
    back = ahead + KNOWN_AFTER_H  # from the hour to the last one known

    def of(column: str, shift: int) -> pl.Expr:
        return pl.col(column).shift(shift).over("product", order_by="delivery_ts")

    def within(column: str) -> pl.Expr:
        return pl.col(column).cast(pl.Int64).shift(1).rolling_sum(ahead).over("product", order_by="delivery_ts") > 0

    def daily(column: str, day: int, name: str) -> pl.Expr:
        return (of(column, 24 * day) if 24 * day >= back else pl.lit(None, pl.Float64)).alias(name)

    share = of("online_2160h_share", back)
    return hours.with_columns(
        pl.lit(horizon_min).alias("horizon_min"),
        (pl.col("delivery_ts") - pl.duration(minutes=horizon_min)).alias("as_of"),
        within("is_start").cast(pl.Float64).alias("started"),
        within("is_stop").cast(pl.Float64).alias("stopped"),
        (pl.col("delivery_ts") + pl.duration(hours=KNOWN_AFTER_H)).alias("status_known_ts"),
        of("capacity_mw", back),
        of("online", back).alias("online_last"),
        pl.lit(60 * KNOWN_AFTER_H).alias("status_age_min"),
        (of("output_mw", back) / of("capacity_mw", back)).fill_nan(None).alias("output_last_share"),
        of("ramp_mw", back).alias("ramp_last_mw"),
        *(of(c, back) for c in ("state_h", "online_24h_share", "online_168h_share", "online_2160h_share", "starts_2160h")),
        *(of(c, back) for c in ("fleet_online_share", "fuel_online_share")),
        pl.when(share > 0.85).then(pl.lit("base_load")).when(share < 0.15).then(pl.lit("peaker")).otherwise(pl.lit("cycling"))
        .alias("unit_class"),
        *(daily("online", day, f"online_lag_{day}d") for day in (1, 2, 7)),
        *(daily("ramp_mw", day, f"ramp_lag_{day}d_mw") for day in (1, 7)),
        pl.mean_horizontal(*(of("online", 24 * day) for day in range(2, 9))).alias("online_hour_7d_share"),
        pl.mean_horizontal(*(of("ramp_mw", 24 * day) for day in range(2, 9))).alias("ramp_hour_7d_mw"),
        pl.mean_horizontal(*(of("online", 168 * week) for week in range(1, 5))).alias("online_slot_28d_share"),
        (pl.col("residual_load_forecast_mw") - of("residual_load_forecast_mw", ahead)).alias("residual_load_change_mw"),
    )  # fmt: skip
