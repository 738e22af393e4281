"""Ridge level forecast: the point forecast of the forecast-level baseline where no published one exists."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.splitter import Fold

Array = npt.NDArray[np.float64]
PENALTY = 0.01
MIN_ROWS = 60


def ridge_inputs(frame: pl.DataFrame) -> Array:
    """Standardisable inputs: known prices, forecasts and their week-ago changes, weekday dummies; NaN where unknown."""
    skipped = {"price_ccy_per_mwh", "price_std_7d_ccy_per_mwh"}
    names = [c for c in frame.columns if known_price(c) and c not in skipped]
    names += [
        c
        for c in frame.columns
        if c.endswith(("_forecast_mw", "_forecast_lag_1d_mw", "_forecast_lag_7d_mw", "_forecast_degc", "_per_unit"))
    ]
    weekdays = [(pl.col("day_of_week") == d).cast(pl.Float64).alias(f"weekday_{d}") for d in range(1, 8)]
    holiday = [pl.col("is_holiday").cast(pl.Float64).alias("holiday")] if "is_holiday" in frame.columns else []
    table = frame.select(*(pl.col(c).cast(pl.Float64) for c in names), *weekdays, *holiday)
    return table.select(pl.all().fill_null(float("nan"))).to_numpy()


def known_price(column: str) -> bool:
    """Whether a feature column is a price."""
    return column.startswith("price_") and column.endswith("_ccy_per_mwh")


def ridge_walk(frame: pl.DataFrame, folds: tuple[Fold, ...]) -> Array:
    """Point forecasts on the test rows of every fold (NaN elsewhere), each fold fitted on what was known at its cutoff.

    One ridge regression per hub and local hour on the arsinh of the price in units of its training spread.
    """
    x, y = ridge_inputs(frame), frame["price_ccy_per_mwh"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    groups = frame.select(pl.struct("hub", "local_hour").rank("dense").cast(pl.Int64)).to_series().to_numpy()
    made = np.full(len(frame), np.nan)
    rows = frame.with_row_index("row")
    for fold in folds:
        train = fold.train(rows)["row"].to_numpy()
        test = fold.test(rows)["row"].to_numpy()
        train = train[np.isfinite(y[train])]
        for group in np.unique(groups[test]):
            mine, asked = train[groups[train] == group], test[groups[test] == group]
            if len(mine) >= MIN_ROWS:
                made[asked] = fit_predict(x[mine], y[mine], x[asked])
    return made


def fit_predict(x: Array, y: Array, asked: Array) -> Array:
    """Ridge regression of arsinh-compressed outcomes, answered at `asked`, shape (m,); unknown inputs count as their mean."""
    known = np.isfinite(x)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0.0).sum(axis=0) / count
    std = np.sqrt((np.where(known, x - mean, 0.0) ** 2).sum(axis=0) / count)
    std = np.where(std > 1e-9, std, 1.0)
    centre, spread = float(np.median(y)), max(float(np.subtract(*np.quantile(y, [0.84, 0.16]))) / 2, 0.01)

    def design(values: Array) -> Array:
        z = np.clip(np.where(np.isfinite(values), (values - mean) / std, 0.0), -8.0, 8.0)
        return np.column_stack((z, np.ones(len(z))))

    z = design(x)
    gram = z.T @ z + np.diag(np.append(np.full(x.shape[1], PENALTY * len(z)), 1e-9))
    weights = np.linalg.solve(gram, z.T @ np.arcsinh((y - centre) / spread))
    return np.asarray(np.sinh(design(asked) @ weights) * spread + centre, dtype=np.float64)
