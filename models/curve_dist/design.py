"""Inputs of the three kinds of members, made from day vectors; what is missing is filled with the training's typical value.

An input that begins late (a forecast that was first published in the middle of the training days) is NaN on the days before: the
regressions learn its scale on the days that have it and take the days before as typical, LightGBM has branches for missing values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from models.curve_dist.panel import DAILY, FORECAST_COLUMNS, FUELS, HOURLY, HOURS, LAG_COLUMNS, PRICE_LAGS, Panel, interpolated

Array = npt.NDArray[np.float64]

REGRESSION_LAGS = tuple(c for c, k in zip(LAG_COLUMNS, PRICE_LAGS, strict=True) if k != 14)
RARE = 0.8  # a column whose values are missing more often than that in training is not used
LATE_DAYS = 28  # an input that begins more than that after the first training day begins late
TRIAL_DAYS = 91  # such an input is used once it is there for that long, however rare it is over all training days
CALENDAR = ("hour", "weekday", "day_of_year", "holiday")
SUMMARY = ("prev_day_min", "prev_day_max", "mean_7d", "std_7d", "last")
DERIVED = (
    *("", "_lag_1d", "_lag_7d", "_change_1d", "_change_7d", "_mean", "_shape"),
    *("_max", "_min", "_mean_1d", "_mean_7d", "_before", "_after"),
)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Which columns a series has, and what to put where a value is missing.

    Attributes:
        forecasts: forecast quantities in use.
        hourly: other hourly columns in use (boosting only).
        fuels: daily columns in use.
        typical: column -> typical value by hour (24,) or of the day (1,).
        expected_missing: column -> share of missing rows that training had, of a late column since it begins.
        begins: column that begins late -> its first day, days since 1970-01-01.
    """

    forecasts: tuple[str, ...]
    hourly: tuple[str, ...]
    fuels: tuple[str, ...]
    typical: dict[str, Array]
    expected_missing: dict[str, float]
    begins: dict[str, int]

    @classmethod
    def learn(cls, panel: Panel) -> Self:
        """Columns that training days have, and their medians."""
        first = {c: _first(v) for c, v in (panel.hourly | panel.daily).items()}
        begins = {c: int(panel.date[i]) for c, i in first.items() if i is not None and panel.date[i] > panel.date[0] + LATE_DAYS}
        share = {c: float(v.mean()) for c, v in panel.missing.items()}
        since = {c: float(v[first[c] :].mean()) if c in begins else share[c] for c, v in panel.missing.items()}
        tried = {c for c, day in begins.items() if panel.date[-1] - day >= TRIAL_DAYS - 1}
        used = [c for c, v in share.items() if v <= RARE or (c in tried and since[c] <= RARE)]
        forecasts = tuple(q for q, columns in FORECAST_COLUMNS.items() if columns[0] in used)
        hourly = [*LAG_COLUMNS, *(c for q in forecasts for c in FORECAST_COLUMNS[q]), *(c for c in HOURLY if c in used)]
        typical = {c: _median(panel.hourly[c]) for c in hourly if c in panel.hourly}
        typical |= {c: _median(panel.daily[c][:, None]) for c in DAILY if c in used}
        fuels = tuple(c for c in FUELS if c in used)
        late = {c: day for c, day in begins.items() if c in typical and c not in LAG_COLUMNS}
        return cls(forecasts, tuple(c for c in HOURLY if c in used), fuels, typical, {c: since[c] for c in used}, late)

    def vector(self, panel: Panel, column: str) -> Array:
        """A column by local hour, shape (D, 24), gaps filled; NaN on days before it begins."""
        typical = self._typical(panel, column, self.typical.get(column, np.zeros(HOURS)))
        values = panel.hourly.get(column)
        return typical if values is None else np.where(np.isfinite(values), values, typical)

    def scalar(self, panel: Panel, column: str) -> Array:
        """A daily column, shape (D,), gaps filled; NaN on days before it begins."""
        typical = self._typical(panel, column, self.typical.get(column, np.zeros(1)))[:, 0]
        values = panel.daily.get(column)
        return typical if values is None else np.where(np.isfinite(values), values, typical)

    def _typical(self, panel: Panel, column: str, values: Array) -> Array:
        """What stands in for a missing value, by day."""
        repeated = np.tile(values, (panel.days, 1))
        if column in self.begins:
            repeated[panel.date < self.begins[column]] = np.nan
        return repeated

    def lags(self, panel: Panel) -> list[Array]:
        """Price vectors of D-1, D-2, D-3, D-7."""
        return [self.vector(panel, c) for c in REGRESSION_LAGS]

    def forecast(self, panel: Panel, age: int) -> Array:
        """Forecast vectors of all quantities side by side, for D (age 0), D-1 (1) or D-7 (2), shape (D, 24 * quantities)."""
        return np.hstack([self.vector(panel, FORECAST_COLUMNS[q][age]) for q in self.forecasts] or [np.zeros((panel.days, 0))])

    def regression(self, panel: Panel) -> Array:
        """Inputs of LEAR, shape (D, p)."""
        fuels = [self.scalar(panel, c)[:, None] for c in self.fuels]
        return np.hstack([*self.lags(panel), *(self.forecast(panel, age) for age in range(3)), *fuels])

    def boosting(self, panel: Panel, slots: int) -> tuple[Array, tuple[str, ...], Array]:
        """Inputs of LightGBM, one row per interval.

        Returns:
            Table of shape (D, slots, features), the names of its features, and the reference (mean of the last known day, shape
            (D,)) that prices are told relative to.
        """
        lags = {k: self.vector(panel, c) for k, c in zip(PRICE_LAGS, LAG_COLUMNS, strict=True)}
        reference = lags[1].mean(axis=1)
        columns = _calendar(panel) | {f"price_lag_{k}d": v - reference[:, None] for k, v in lags.items()}
        last, week, spread = (self.scalar(panel, c) for c in DAILY[:3])
        extremes = (lags[1].min(axis=1) - reference, lags[1].max(axis=1) - reference)
        summary = (*extremes, week - reference, spread, last - reference)
        columns |= {f"price_{name}": _wide(v) for name, v in zip(SUMMARY, summary, strict=True)}
        columns["reference_price"] = _wide(reference)
        for q in self.forecasts:
            columns |= _forecast_columns(q, *(self.vector(panel, c) for c in FORECAST_COLUMNS[q]))
        for c in self.hourly:
            values = self.vector(panel, c)
            columns[c] = values - reference[:, None] if c.startswith("price_") else values
        columns |= {c: _wide(self.scalar(panel, c)) for c in self.fuels}
        table = np.repeat(np.stack(list(columns.values()), axis=-1), slots // HOURS, axis=1)
        table[:, :, 0] = np.arange(slots) * HOURS / slots
        return table, tuple(columns), reference

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """JSON and arrays that `restore` reads."""
        head = {"forecasts": self.forecasts, "hourly": self.hourly, "fuels": self.fuels}
        return {**head, "expected_missing": self.expected_missing, "begins": self.begins}, dict(self.typical)

    @classmethod
    def restore(cls, head: dict[str, Any], typical: dict[str, Array]) -> Self:
        """What `state` described."""
        forecasts, hourly, fuels = (tuple(head[k]) for k in ("forecasts", "hourly", "fuels"))
        return cls(forecasts, hourly, fuels, typical, dict(head["expected_missing"]), dict(head["begins"]))


def dummies(panel: Panel) -> Array:
    """Weekday dummies, shape (D, 7); a public holiday counts as a Sunday."""
    day = np.where(panel.holiday > 0, 6, panel.weekday)
    return np.asarray(np.eye(7)[day], dtype=np.float64)


def season(panel: Panel) -> Array:
    """First harmonic of the year, shape (D, 2)."""
    angle = 2 * np.pi * panel.day_of_year / 365.25
    return np.column_stack([np.sin(angle), np.cos(angle)])


def training_prices(panel: Panel) -> Array:
    """Prices to train on, the missing hour of a 23-hour day interpolated, shape (D, slots)."""
    return interpolated(panel.price, longest=max(panel.slots // HOURS * 2, 1))


def _first(values: Array) -> int | None:
    """First entry with a value; None where there is none."""
    present = np.isfinite(values.reshape(len(values), -1)).any(axis=1)
    return int(present.argmax()) if present.any() else None


def _median(values: Array) -> Array:
    usable = np.where(np.isfinite(values).any(axis=0), values, 0.0)
    return np.asarray(np.nanmedian(usable, axis=0), dtype=np.float64)


def _wide(values: Array) -> Array:
    return np.repeat(values[:, None], HOURS, axis=1)


def _calendar(panel: Panel) -> dict[str, Array]:
    hour = np.tile(np.arange(HOURS, dtype=np.float64), (panel.days, 1))
    values = (hour, _wide(panel.weekday.astype(np.float64)), _wide(panel.day_of_year), _wide(panel.holiday))
    return dict(zip(CALENDAR, values, strict=True))


def _forecast_columns(quantity: str, now: Array, day: Array, week: Array) -> dict[str, Array]:
    """Level, change, shape within the day, and neighbours of one forecast quantity."""
    mean = now.mean(axis=1)
    values = (
        *(now, day, week, now - day, now - week, _wide(mean), now - mean[:, None], _wide(now.max(axis=1)), _wide(now.min(axis=1))),
        *(_wide(mean - day.mean(axis=1)), _wide(mean - week.mean(axis=1)), np.roll(now, 1, axis=1), np.roll(now, -1, axis=1)),
    )
    return {f"{quantity}{suffix}": v for suffix, v in zip(DERIVED, values, strict=True)}
