"""Inputs of the boosters, each row from itself alone: prices and spreads of earlier days, forecasts and changes, calendar."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import polars as pl

from models.bess_vpp.spec import SPEC
from pipeline_tasks.contracts.features import FORECASTS, LAG_DAYS, OUTCOMES

Array = npt.NDArray[np.float64]
Hub = tuple[str, str]
KEYS = ("market", "hub", "product", "delivery_ts", "delivery_date", "dst_fold", "resolution_min", "as_of", "currency", "month")
OUTCOME_COLUMNS = tuple(name for known, values in OUTCOMES.items() for name in (known, *values))
NUMBERS = tuple(c for c in SPEC.inputs.column_names if c not in {*KEYS, *OUTCOME_COLUMNS, "day_of_year", "local_hour"})
OPTIONAL = tuple(c.name for c in SPEC.inputs.columns if c.nullable and c.name not in OUTCOME_COLUMNS)


def with_optional(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with every optional input present, absent ones as nulls."""
    return rows.with_columns(pl.lit(None, dtype=pl.Float64).alias(c) for c in OPTIONAL if c not in rows.columns)


def hubs_of(rows: pl.DataFrame) -> list[Hub]:
    """(market, hub) of every row."""
    return [(str(m), str(h)) for m, h in rows.select("market", "hub").iter_rows()]


def inputs_of(rows: pl.DataFrame, hubs: tuple[Hub, ...], names: tuple[str, ...] | None = None) -> tuple[Array, tuple[str, ...]]:
    """Inputs, shape (n, d), NaN where unknown, and their names: those of `names`, or all that have a value in some row."""
    number = {hub: float(k) for k, hub in enumerate(hubs)}
    frame = _design(with_optional(rows)).with_columns(pl.Series("hub", [number.get(h, np.nan) for h in hubs_of(rows)], dtype=pl.Float64))
    kept = names or tuple(c for c in frame.columns if frame[c].null_count() < frame.height)
    return frame.select(pl.col(c).fill_null(float("nan")) for c in kept).to_numpy(), kept


def _design(rows: pl.DataFrame) -> pl.DataFrame:
    turn = 2 * math.pi / 365.25
    changes = [
        (pl.col(f"{q}_forecast_mw") - pl.col(f"{q}_forecast_lag_{k}d_mw")).alias(f"{q}_change_{k}d_mw") for q in FORECASTS for k in (1, 7)
    ]
    balancing = [(pl.col(f"da_price_lag_{k}d_ccy_per_mwh") + pl.col(f"price_lag_{k}d_ccy_per_mwh")).alias(f"rt_lag_{k}d") for k in LAG_DAYS]
    expressions = [
        *(pl.col(c) for c in NUMBERS),
        (pl.col("local_hour") + pl.col("delivery_ts").dt.minute() / 60).alias("local_time_h"),
        (pl.col("day_of_year") * turn).sin().alias("season_sin"),
        (pl.col("day_of_year") * turn).cos().alias("season_cos"),
        *changes,
        *balancing,
    ]
    frame = rows.select(e.cast(pl.Float64, strict=False) for e in expressions)
    return frame.with_columns(pl.when(pl.all().is_finite()).then(pl.all()))


def slots_of(rows: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Local time of every row as the number of its interval in a 24-hour day."""
    per_hour = 60 // np.minimum(rows["resolution_min"].to_numpy(), 60)
    within = rows["delivery_ts"].dt.minute().to_numpy() * per_hour // 60
    return np.asarray(rows["local_hour"].to_numpy() * per_hour + within, dtype=np.int64)
