"""Inputs of the boosters: known prices told relative to the last known one, forecasts, calendar."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_tasks.contracts.features import INTRADAY, INTRADAY_BACK, INTRADAY_WINDOWS_MIN

Array = npt.NDArray[np.float64]
SERIES = ("market", "hub", "product")
OPTIONAL = tuple(
    c.name for c in INTRADAY.columns if c.nullable and c.name not in {"price_ccy_per_mwh", "price_known_ts"} and c.type.polars.is_numeric()
)
CENTRES = ("price_last", "price_lag_1d", "price_slot_mean_7d", "price_lag_7d", "price_da")
HUB = "hub_code"


def _price(name: str) -> pl.Expr:
    return pl.col(f"{name}_ccy_per_mwh")


def expressions() -> dict[str, pl.Expr]:
    """Booster inputs by name, as expressions over the rows of features.ftr_intraday."""
    last = _price("price_last")
    made = {f"change_{k}": last - _price(f"price_before_{k}") for k in INTRADAY_BACK}
    for minutes in INTRADAY_WINDOWS_MIN:
        made[f"above_mean_{minutes}m"] = last - _price(f"price_mean_{minutes}m")
        made[f"std_{minutes}m"] = _price(f"price_std_{minutes}m")
        made[f"above_min_{minutes}m"] = last - _price(f"price_min_{minutes}m")
        made[f"below_max_{minutes}m"] = _price(f"price_max_{minutes}m") - last
    for name in ("lag_1d", "lag_7d", "slot_mean_7d", "da"):
        made[f"{name}_change"] = _price(f"price_{name}") - _price(f"price_last_{name}")
        made[f"above_{name}"] = last - _price(f"price_last_{name}")
    made |= {
        "others_above": _price("price_others_last") - last,
        "price_last": last,
        "price_da": _price("price_da"),
        "unchanged_min": pl.col("price_unchanged_min"),
        "age_min": pl.col("price_last_age_min"),
        "residual_load": pl.col("residual_load_forecast_mw"),
        "residual_load_change": pl.col("residual_load_forecast_change_mw"),
        "wind": pl.col("wind_forecast_mw"),
        "solar": pl.col("solar_forecast_mw"),
        "load_forecast": pl.col("load_forecast_mw"),
        "load": pl.col("load_last_mw"),
        "load_change": pl.col("load_last_change_60m_mw"),
        "local_minute": pl.col("local_minute"),
        "day_of_week": pl.col("day_of_week"),
        "is_holiday": pl.col("is_holiday"),
    }
    return made


NAMES = (*expressions(), HUB)


def complete(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with every optional column; those the frame lacks are null."""
    absent = [c for c in (*OPTIONAL, "is_holiday") if c not in rows.columns]
    return rows.with_columns(pl.lit(None, dtype=INTRADAY.column(c).type.polars).alias(c) for c in absent)


def matrix(rows: pl.DataFrame, names: list[str], hubs: list[str]) -> Array:
    """The named inputs, shape (n, p), NaN where unknown; the hub as its position among the trained ones."""
    known = expressions()
    code = pl.col("hub").replace_strict({h: i for i, h in enumerate(hubs)}, default=None, return_dtype=pl.Float64)
    chosen = [(code if n == HUB else known[n]).cast(pl.Float64).alias(n) for n in names]
    table = rows.select(chosen).select(pl.all().fill_null(float("nan")))
    return table.to_numpy().reshape(rows.height, len(names)).astype(np.float64)


def centre(rows: pl.DataFrame, fallback: float) -> Array:
    """What changes are told relative to: the last known price, else the next best known one, else `fallback`; shape (n,)."""
    known = [_price(name).fill_nan(None) for name in CENTRES]
    return rows.select(pl.coalesce(*known).fill_null(fallback)).to_series().to_numpy().astype(np.float64)
