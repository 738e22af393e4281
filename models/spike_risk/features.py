"""Scale-free inputs of spike_risk: prices in units of (threshold - median), forecasts and their changes, the calendar."""

from __future__ import annotations

import math

import polars as pl

from models.spike_risk.thresholds import LEVEL_KEY, levels_at

PRICES = (
    *(f"price_lag_{k}d_ccy_per_mwh" for k in (1, 2, 3, 7, 14)),
    "price_last_ccy_per_mwh",
    "price_prev_day_mean_ccy_per_mwh",
    "price_prev_day_min_ccy_per_mwh",
    "price_prev_day_max_ccy_per_mwh",
    "price_mean_7d_ccy_per_mwh",
    "price_hour_mean_28d_ccy_per_mwh",
)
FORECASTS = ("load", "zonal_load", "generation", "wind", "solar", "renewables")
PLAIN = ("residual_load_forecast_mw", "load_error_7d_mw", "wind_error_7d_mw", "temperature_forecast_degc")
FUELS = ("gas_price_ccy_per_unit", "coal_price_ccy_per_unit", "co2_price_ccy_per_unit", "oil_price_ccy_per_unit")
OPTIONAL = (
    *PRICES,
    "price_std_7d_ccy_per_mwh",
    *(f"{q}_forecast{suffix}_mw" for q in FORECASTS for suffix in ("", "_lag_1d", "_lag_7d")),
    *PLAIN,
    *FUELS,
    "is_holiday",
    "day_of_year",
)
CALENDAR = ("local_hour", "day_of_week", "holiday", "season_sin", "season_cos")
SHARES = ("share_1d", "share_7d", "share_28d")


def _scaled(name: str) -> pl.Expr:
    """Price in units of the spike scale: 0 at the rolling median, 1 at the threshold; compressed beyond by arsinh."""
    return ((pl.col(name) - pl.col("median")) / pl.col("scale")).arcsinh().alias(name.removesuffix("_ccy_per_mwh"))


def with_optional(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with every optional input present, absent ones as nulls."""
    absent = [c for c in OPTIONAL if c not in frame.columns]
    return frame.with_columns(pl.lit(None, dtype=pl.Float64).alias(c) for c in absent)


def with_levels(rows: pl.DataFrame, outcomes: pl.DataFrame, *, window_days: int, quantile: float, min_days: int) -> pl.DataFrame:
    """`rows` in key order with the levels of `thresholds.levels_at`, each at its own as_of."""
    asks = rows.select(LEVEL_KEY).unique()
    levels = levels_at(outcomes, asks, window_days=window_days, quantile=quantile, min_days=min_days)
    return rows.join(levels, on=list(LEVEL_KEY), how="left").sort("market", "hub", "product", "delivery_ts", "as_of")


def design(rows: pl.DataFrame) -> pl.DataFrame:
    """Model inputs, one row per row of `rows` (which carries the levels), all Float64; nulls where unknown.

    Every value is computed from its own row alone, so a chunk of rows gives the same values as the whole.
    """
    frame = with_optional(rows)
    turn = 2 * math.pi / 365.25
    changes = [
        (pl.col(f"{q}_forecast_mw") - pl.col(f"{q}_forecast_lag_{k}d_mw")).alias(f"{q}_change_{k}d") for q in FORECASTS for k in (1, 7)
    ]
    expressions = [
        *(_scaled(c) for c in PRICES),
        (pl.col("price_std_7d_ccy_per_mwh") / pl.col("scale")).alias("price_std_7d"),
        *(pl.col(f"{q}_forecast_mw").alias(f"{q}_forecast") for q in FORECASTS),
        *changes,
        *(pl.col(c) for c in PLAIN),
        *((pl.col(c) / pl.col("median").abs().clip(1.0)).alias(c.removesuffix("_ccy_per_unit")) for c in FUELS),
        pl.col("local_hour"),
        pl.col("day_of_week"),
        pl.col("is_holiday").alias("holiday"),
        (pl.col("day_of_year") * turn).sin().alias("season_sin"),
        (pl.col("day_of_year") * turn).cos().alias("season_cos"),
        *(pl.col(c) for c in SHARES),
    ]
    return frame.select(e.cast(pl.Float64, strict=False) for e in expressions).with_columns(pl.when(pl.all().is_finite()).then(pl.all()))
