"""A supply portfolio: its scheduled load, and how far a schedule may leave the load forecast; from config/assets/portfolio.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
SHAPES = ("weekday_shape", "weekend_shape")
HOURS = 24


@dataclass(frozen=True, slots=True)
class Portfolio:
    """A fixed load profile and the limits of its day-ahead hedge; shares are of the scheduled load.

    Attributes:
        mean_load_mw: scheduled load, mean of a shape of ones.
        weekday_shape: scheduled load by local hour over the mean.
        weekend_shape: the same for weekends and public holidays.
        band_share: largest hedge of an interval, either way.
        net_share: largest net hedge of a day, either way.
        gross_growth_share: growth of a day's expected absolute deviation over the unhedged one that is admitted.
        fee_ccy_per_mwh: charge on absolute deviation, currency/MWh.
        forecast_error_share: mean absolute load deviation assumed where none is metered.
    """

    mean_load_mw: float
    weekday_shape: tuple[float, ...]
    weekend_shape: tuple[float, ...]
    band_share: float
    net_share: float
    gross_growth_share: float
    fee_ccy_per_mwh: float
    forecast_error_share: float

    def __post_init__(self) -> None:
        """Refuse shapes without 24 positive values and limits outside their range."""
        for name in SHAPES:
            shape = getattr(self, name)
            if len(shape) != HOURS or min(shape) <= 0:
                raise ValueError(f"config/assets/portfolio.yaml: {name} has {len(shape)} values; give 24 positive ones, hours 0 to 23")
        for name, low, high in (
            ("mean_load_mw", 0.0, np.inf),
            ("band_share", 0.0, 1.0),
            ("net_share", 0.0, 1.0),
            ("gross_growth_share", 0.0, 10.0),
            ("fee_ccy_per_mwh", 0.0, 1000.0),
            ("forecast_error_share", 1e-4, 1.0),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"config/assets/portfolio.yaml: {name} is {getattr(self, name)}; it must lie in {low:g}..{high:g}")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The portfolio of a mapping with exactly the attributes' names.

        Raises:
            ValueError: a name is missing or unknown, or a value is outside its range.
        """
        names = {f.name for f in fields(cls)}
        if set(values) != names:
            missing, unknown = sorted(names - set(values)), sorted(set(values) - names)
            raise ValueError(f"config/assets/portfolio.yaml: missing {missing}, unknown {unknown}; correct the names")
        typed: dict[str, Any] = {k: tuple(map(float, v)) if k in SHAPES else float(v) for k, v in values.items()}
        return cls(**typed)

    def scheduled_mwh(self, rows: pl.DataFrame) -> Array:
        """Energy of the unhedged schedule per row (local_hour, day_of_week, is_holiday, resolution_min), shape (n,)."""
        idle = rows.select((pl.col("day_of_week") >= 6) | pl.col("is_holiday").fill_null(value=False)).to_series().to_numpy()
        hour = rows["local_hour"].to_numpy()
        shape = np.where(idle, np.asarray(self.weekend_shape)[hour], np.asarray(self.weekday_shape)[hour])
        return np.asarray(self.mean_load_mw * shape * rows["resolution_min"].to_numpy() / 60, dtype=np.float64)

    def error_share(self, rows: pl.DataFrame) -> Array:
        """Expected absolute deviation per row: the metered one of the last 28 days where known, else the assumed one."""
        if "load_deviation_abs_28d_share" not in rows.columns:
            return np.full(rows.height, self.forecast_error_share)
        found = (
            rows["load_deviation_abs_28d_share"].cast(pl.Float64).fill_null(self.forecast_error_share).fill_nan(self.forecast_error_share)
        )
        return np.asarray(np.clip(found.to_numpy(), 1e-4, 1.0), dtype=np.float64)
