"""Inputs of the boosters: ramps as shares of the unit's capacity, calendar, fleet, prices and load, and what the unit's past says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.frames import KEY
from models.unit_commit.spec import OUTCOMES, SPEC
from pipeline_tasks.contracts.features import UNIT_COMMIT

Array = npt.NDArray[np.float64]
OFFSET = "markov_log_hazard"
NOT_INPUTS = {*KEY, *OUTCOMES, SPEC.outcome.known, "delivery_date", "dst_fold", "resolution_min", "fuel", "unit_class"}
COLUMNS = tuple(c.name for c in UNIT_COMMIT.columns if c.name not in NOT_INPUTS)
NAMES = (*COLUMNS, OFFSET)
RAMPS = tuple(c for c in COLUMNS if "ramp" in c and not c.startswith(("load", "residual")))
OPTIONAL = tuple(c.name for c in UNIT_COMMIT.columns if c.nullable and c.name in COLUMNS)
USUAL = 0.98  # share of rows in which an optional input must be known to be expected


def complete(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with every input column; those that the frame lacks are unknown."""
    schema = UNIT_COMMIT.polars_schema()
    return rows.with_columns(pl.lit(None, schema[c]).alias(c) for c in COLUMNS if c not in rows.columns)


def matrix(rows: pl.DataFrame, offset: Array) -> Array:
    """Inputs of every row, shape (n, len(NAMES)), NaN where unknown; ramps over capacity."""
    scale = pl.max_horizontal("capacity_mw", pl.lit(1.0))
    told = [(pl.col(c) / scale if c in RAMPS else pl.col(c).cast(pl.Float64)).alias(c) for c in COLUMNS]
    return np.column_stack((rows.select(told).to_numpy().astype(np.float64), offset))


def scale_of(rows: pl.DataFrame) -> Array:
    """What ramps are shares of, MW, shape (n,)."""
    return np.asarray(rows.select(pl.max_horizontal("capacity_mw", pl.lit(1.0)).alias("c"))["c"].to_numpy(), dtype=np.float64)


def expected_of(rows: pl.DataFrame) -> dict[str, list[str]]:
    """Optional inputs that nearly every training row of a horizon has, by horizon."""
    shares = rows.group_by("horizon_min").agg(pl.col(c).is_not_null().mean() for c in OPTIONAL).sort("horizon_min")
    return {str(r["horizon_min"]): [c for c in OPTIONAL if r[c] >= USUAL] for r in shares.iter_rows(named=True)}


def reasons(rows: pl.DataFrame, expected: dict[str, list[str]], trained: list[int]) -> list[str]:
    """Why each row is DEGRADED; empty text where it is not."""
    if rows.is_empty():
        return []
    parts = [pl.lit(None, pl.String)]
    for minutes in rows["horizon_min"].unique().sort().to_list():
        nearest = min(trained, key=lambda h: (abs(h - minutes), h))
        mine = pl.col("horizon_min") == minutes
        lacking = [pl.when(mine & pl.col(c).is_null()).then(pl.lit(c)) for c in expected[str(nearest)]]
        parts += lacking
        if minutes not in trained:
            parts.append(pl.when(mine).then(pl.lit(f"no horizon of {minutes} min was trained")))
    told = rows.select(pl.concat_str(parts, separator=", ", ignore_nulls=True).alias("r"))
    return [f"unknown: {r}" if r else "" for r in told["r"].to_list()]
