"""Inputs of the boosters, each row from itself alone: spreads of earlier days, day-ahead prices, forecasts and changes, calendar."""

from __future__ import annotations

import math

import polars as pl

from models.imbalance.spec import SPEC
from pipeline_tasks.contracts.features import FORECASTS, OUTCOMES

KEYS = ("market", "hub", "product", "delivery_ts", "delivery_date", "dst_fold", "resolution_min", "as_of", "currency", "month")
OUTCOME_COLUMNS = tuple(name for known, values in OUTCOMES.items() for name in (known, *values))
NUMBERS = tuple(c for c in SPEC.inputs.column_names if c not in {*KEYS, *OUTCOME_COLUMNS, "day_of_year"})
OPTIONAL = tuple(c.name for c in SPEC.inputs.columns if c.nullable and c.name not in OUTCOME_COLUMNS)


def with_optional(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with every optional input present, absent ones as nulls."""
    return rows.with_columns(pl.lit(None, dtype=pl.Float64).alias(c) for c in OPTIONAL if c not in rows.columns)


def design(rows: pl.DataFrame) -> pl.DataFrame:
    """Inputs of the boosters, all Float64, null where unknown; `rows` has every optional input (`with_optional`)."""
    turn = 2 * math.pi / 365.25
    minute = pl.col("local_hour") + pl.col("delivery_ts").dt.minute() / 60
    changes = [
        (pl.col(f"{q}_forecast_mw") - pl.col(f"{q}_forecast_lag_{k}d_mw")).alias(f"{q}_change_{k}d_mw") for q in FORECASTS for k in (1, 7)
    ]
    expressions = [
        *(pl.col(c) for c in NUMBERS if c != "local_hour"),
        minute.alias("local_time_h"),
        (pl.col("day_of_year") * turn).sin().alias("season_sin"),
        (pl.col("day_of_year") * turn).cos().alias("season_cos"),
        *changes,
    ]
    frame = rows.select(e.cast(pl.Float64, strict=False) for e in expressions)
    return frame.with_columns(pl.when(pl.all().is_finite()).then(pl.all()))
