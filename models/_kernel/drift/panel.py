"""Days of a feature as rows of a matrix: one column per hour of the local clock, one row per calendar day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
MAX_MISSING = 2  # hours of a day that are interpolated: the spring day has 23


@dataclass(frozen=True, slots=True)
class DayPanel:
    """One feature of one hub.

    Attributes:
        days: calendar days without gaps, as days since 1970, shape (n,).
        values: shape (n, m); m is 24, or 1 for a feature that is constant within its days. A day with more than
            `MAX_MISSING` missing hours is NaN throughout.
    """

    days: npt.NDArray[np.int64]
    values: Array

    @property
    def width(self) -> int:
        """Intervals per day."""
        return int(self.values.shape[1])

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Days with values."""
        return np.asarray(np.isfinite(self.values).all(axis=1))

    @property
    def day_of_year(self) -> npt.NDArray[np.int64]:
        """1 to 366."""
        dates = self.days.astype("datetime64[D]")
        return np.asarray((dates - dates.astype("datetime64[Y]")).astype(np.int64) + 1)

    @property
    def year(self) -> npt.NDArray[np.int64]:
        """Calendar year of each day."""
        return np.asarray(self.days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970)

    def with_day(self, index: int, values: Array) -> DayPanel:
        """The same panel with other values on one day."""
        changed = self.values.copy()
        changed[index] = values
        return replace(self, values=changed)

    def upto(self, index: int) -> DayPanel:
        """The days before `index`."""
        return DayPanel(self.days[:index], self.values[:index])


def day_panel(rows: pl.DataFrame, feature: str) -> DayPanel | None:
    """The panel of a feature of one hub; None where it has no value at all.

    Hours are means over their intervals (5, 15, 30 minutes) and over both passes of a repeated hour; the hour that the spring
    day lacks lies between its neighbours.

    Args:
        rows: delivery_date, local_hour and the feature; one hub, one product.
        feature: numeric column.
    """
    given = rows.select("delivery_date", "local_hour", pl.col(feature).cast(pl.Float64).alias("v")).drop_nulls()
    given = given.filter(pl.col("v").is_finite())
    first, last = given["delivery_date"].min(), given["delivery_date"].max()
    if not isinstance(first, date) or not isinstance(last, date):
        return None
    days = np.arange(np.datetime64(first), np.datetime64(last) + 1).astype(np.int64)
    values = np.full((days.size, 24), np.nan)
    hours = given.group_by("delivery_date", "local_hour").agg(pl.col("v").mean())
    row = hours["delivery_date"].cast(pl.Int32).to_numpy().astype(np.int64) - days[0]
    values[row, hours["local_hour"].to_numpy()] = hours["v"].to_numpy()
    values = _filled(values)
    flat = np.ptp(values, axis=1) == 0
    complete = np.isfinite(values).all(axis=1)
    if complete.any() and np.mean(flat[complete]) > 0.95:
        values = values[:, :1]
    return DayPanel(days, values)


def _filled(values: Array) -> Array:
    """Short gaps interpolated along the day; days with longer ones NaN throughout."""
    filled = values.copy()
    missing = ~np.isfinite(values)
    few = missing.any(axis=1) & (missing.sum(axis=1) <= MAX_MISSING)
    hours = np.arange(values.shape[1])
    for i in np.flatnonzero(few):
        ok = ~missing[i]
        filled[i] = np.interp(hours, hours[ok], values[i, ok])
    filled[missing.sum(axis=1) > MAX_MISSING] = np.nan
    return filled


def season_days(panel: DayPanel, day_of_year: int, half_width: int) -> npt.NDArray[np.bool_]:
    """Known days whose place in the year lies within `half_width` days of `day_of_year`, around the turn of the year."""
    away = np.abs(panel.day_of_year - day_of_year)
    return np.asarray(panel.known & (np.minimum(away, 365 - away) <= half_width))
