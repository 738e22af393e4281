"""Inputs of the three kinds of members, made from day vectors; what is missing is filled with the training's typical value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from models.curve_dist.panel import DAILY, FORECAST_COLUMNS, FUELS, HOURLY, HOURS, LAG_COLUMNS, PRICE_LAGS, Panel, interpolated

Array = npt.NDArray[np.float64]

REGRESSION_LAGS = tuple(c for c, k in zip(LAG_COLUMNS, PRICE_LAGS, strict=True) if k != 14)
RARE = 0.8  # a column whose values are missing more often than that in training is not used
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
        expected_missing: column -> share of missing rows that training had.
    """

    forecasts: tuple[str, ...]
    hourly: tuple[str, ...]
    fuels: tuple[str, ...]
    typical: dict[str, Array]
    expected_missing: dict[str, float]

    @classmethod
    def learn(cls, panel: Panel) -> Self:
        """Columns that training days have, and their medians."""
        share = {c: float(v.mean()) for c, v in panel.missing.items()}
        used = [c for c, v in share.items() if v <= RARE]
        forecasts = tuple(q for q, columns in FORECAST_COLUMNS.items() if columns[0] in used)
        hourly = [*LAG_COLUMNS, *(c for q in forecasts for c in FORECAST_COLUMNS[q]), *(c for c in HOURLY if c in used)]
        typical = {c: _median(panel.hourly[c]) for c in hourly if c in panel.hourly}
        typical |= {c: _median(panel.daily[c][:, None]) for c in DAILY if c in used}
        fuels = tuple(c for c in FUELS if c in used)
        return cls(forecasts, tuple(c for c in HOURLY if c in used), fuels, typical, {c: share[c] for c in used})

    def vector(self, panel: Panel, column: str) -> Array:
        """A column by local hour, shape (D, 24), gaps filled."""
        typical = self.typical.get(column, np.zeros(HOURS))
        values = panel.hourly.get(column)
        if values is None:
            return np.tile(typical, (panel.days, 1))
        return np.where(np.isfinite(values), values, typical)

    def scalar(self, panel: Panel, column: str) -> Array:
        """A daily column, shape (D,), gaps filled."""
        typical = float(self.typical.get(column, np.zeros(1))[0])
        values = panel.daily.get(column)
        return np.full(panel.days, typical) if values is None else np.where(np.isfinite(values), values, typical)

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
        head = {"forecasts": self.forecasts, "hourly": self.hourly, "fuels": self.fuels, "expected_missing": self.expected_missing}
        return head, dict(self.typical)

    @classmethod
    def restore(cls, head: dict[str, Any], typical: dict[str, Array]) -> Self:
        """What `state` described."""
        forecasts, hourly, fuels = (tuple(head[k]) for k in ("forecasts", "hourly", "fuels"))
        return cls(forecasts, hourly, fuels, typical, dict(head["expected_missing"]))


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
