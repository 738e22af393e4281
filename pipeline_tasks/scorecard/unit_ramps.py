"""Ridge regression of units' ramps on the ramp of net load: the yardstick's linear baseline."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
DRIVERS = ("residual_load_ramp_mw", "load_lag_7d_ramp_mw", "load_lag_1d_ramp_mw", "residual_load_change_mw")
OWN = ("ramp_lag_1d_mw", "ramp_lag_7d_mw", "ramp_hour_7d_mw")
PENALTY = 10.0
FEWEST_ROWS = 50


def ridge_ramps(past: pl.DataFrame, rows: pl.DataFrame) -> Array:
    """Ramp of every row, MW: one ridge per unit on the ramps of net load and load, and on the unit's own ramps of past days.

    Unknown inputs count as their mean. A unit with fewer than 50 past rows is expected not to move.
    """
    made = np.zeros(rows.height)
    known = past.filter(pl.col("ramp_mw").is_not_null())
    parts = {k[0]: part for k, part in known.partition_by("product", as_dict=True).items()}
    numbered = rows.with_row_index("_row")
    for (unit,), mine in numbered.partition_by("product", as_dict=True).items():
        train = parts.get(unit)
        if train is None or train.height < FEWEST_ROWS:
            continue
        x, mean, scale = _design(train)
        y = train["ramp_mw"].to_numpy()
        centred = y - y.mean()
        weights = np.linalg.solve(x.T @ x + PENALTY * np.eye(x.shape[1]), x.T @ centred)
        made[mine["_row"].to_numpy()] = _standard(mine, mean, scale) @ weights + y.mean()
    return made


def _design(rows: pl.DataFrame) -> tuple[Array, Array, Array]:
    raw = rows.select(pl.col(c).cast(pl.Float64) for c in (*DRIVERS, *OWN)).to_numpy()
    known = np.isfinite(raw)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, raw, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, (raw - mean) ** 2, 0.0).sum(axis=0) / count)
    scale = np.where(spread > 1e-9, spread, 1.0)
    return _standard(rows, mean, scale), mean, scale


def _standard(rows: pl.DataFrame, mean: Array, scale: Array) -> Array:
    raw = rows.select(pl.col(c).cast(pl.Float64) for c in (*DRIVERS, *OWN)).to_numpy()
    return np.where(np.isfinite(raw), (raw - mean) / scale, 0.0)
