"""Scale-free inputs of models of spikes and tails: prices in units of (threshold - median), forecasts and their changes, the calendar."""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

from models._kernel.spike_levels import FALLBACK, LEVEL_KEY, levels_at

PRICES = (
    *(f"price_lag_{k}d_ccy_per_mwh" for k in (1, 2, 3, 7, 14)),
    "price_last_ccy_per_mwh",
    "price_prev_day_mean_ccy_per_mwh",
    "price_prev_day_min_ccy_per_mwh",
    "price_prev_day_max_ccy_per_mwh",
    "price_mean_7d_ccy_per_mwh",
    "price_max_7d_ccy_per_mwh",
    "price_hour_mean_28d_ccy_per_mwh",
)
WIDTHS = ("price_std_7d_ccy_per_mwh", "price_prev_day_spread_to_market_ccy_per_mwh")
FORECASTS = ("load", "zonal_load", "generation", "wind", "solar", "renewables")
PLAIN = (
    "residual_load_forecast_mw",
    "residual_load_ramp_mw",
    "residual_load_tightness",
    "load_error_7d_mw",
    "wind_error_7d_mw",
    "temperature_forecast_degc",
)
FUELS = ("gas_price_ccy_per_unit", "coal_price_ccy_per_unit", "co2_price_ccy_per_unit", "oil_price_ccy_per_unit")
OPTIONAL = (
    *PRICES,
    *WIDTHS,
    *(f"{q}_forecast{suffix}_mw" for q in FORECASTS for suffix in ("", "_lag_1d", "_lag_7d")),
    *PLAIN,
    *FUELS,
    "is_holiday",
    "day_of_year",
)
SHARES = ("share_1d", "share_7d", "share_28d")
DAY = (*LEVEL_KEY, "delivery_date")
VECTOR_LAGS = (1, 2, 3, 7)
WEEKDAYS = range(1, 8)


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
    """Inputs of the booster, one row per row of `rows` (which carries the levels), all Float64; nulls where unknown.

    Every value is computed from its own row alone.
    """
    frame = with_optional(rows)
    turn = 2 * math.pi / 365.25
    changes = [
        (pl.col(f"{q}_forecast_mw") - pl.col(f"{q}_forecast_lag_{k}d_mw")).alias(f"{q}_change_{k}d") for q in FORECASTS for k in (1, 7)
    ]
    expressions = [
        *(_scaled(c) for c in PRICES),
        *((pl.col(c) / pl.col("scale")).alias(c.removesuffix("_ccy_per_mwh")) for c in WIDTHS),
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
    return _finite(frame.select(e.cast(pl.Float64, strict=False) for e in expressions))


def level_design(rows: pl.DataFrame) -> pl.DataFrame:
    """Inputs of the level regressions: those of the booster, weekday dummies, and the whole day's prices and forecasts.

    The day vectors (`<column>@<local hour>`) are those LEAR regresses on (Lago et al. 2021): prices of 1, 2, 3 and 7 days before
    and forecasts of the delivery day, one day and seven days before, of all 24 hours; intervals shorter than an hour are averaged.
    They come from the rows of the same hub, delivery date and as_of, so a day is answered as a whole.
    """
    frame = with_optional(rows)
    prices = [_scaled(f"price_lag_{k}d_ccy_per_mwh") for k in VECTOR_LAGS]
    forecasts = [pl.col(f"{q}_forecast{suffix}_mw") for q in FORECASTS for suffix in ("", "_lag_1d", "_lag_7d")]
    hourly = frame.select(*DAY, "local_hour", *(e.cast(pl.Float64, strict=False) for e in (*prices, *forecasts)))
    names = [c for c in hourly.columns if c not in {*DAY, "local_hour"} and hourly[c].null_count() < len(hourly)]
    cells = [pl.col(c).filter(pl.col("local_hour") == h).mean().alias(f"{c}@{h:02d}") for c in names for h in range(24)]
    vectors = hourly.group_by(DAY).agg(cells)
    wide = frame.select(DAY).join(vectors, on=list(DAY), how="left", maintain_order="left").drop(DAY)
    weekdays = frame.select((pl.col("day_of_week") == d).cast(pl.Float64).alias(f"weekday_{d}") for d in WEEKDAYS)
    return pl.concat([design(rows), weekdays, _finite(wide)], how="horizontal")


def reasons(rows: pl.DataFrame, expected: Sequence[str]) -> list[str]:
    """Why each row is DEGRADED, empty where it is not: inputs that training had and the row lacks, levels taken from the training.

    Args:
        rows: rows to answer on, with the levels and `fallback` of `spike_levels.or_last`.
        expected: columns of `design` that training rows usually had.
    """
    inputs = design(rows)
    missing = [inputs[c].is_null().alias(c) for c in expected if inputs[c].null_count()]
    told = []
    for i, short in enumerate(rows["fallback"].to_list()):
        names = [s.name for s in missing if s[i]]
        parts = [f"missing inputs: {', '.join(names)}"] if names else []
        told.append("; ".join(parts + ([FALLBACK] if short else [])))
    return told


def _finite(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with everything that is not finite as null."""
    return frame.with_columns(pl.when(pl.all().is_finite()).then(pl.all()))
