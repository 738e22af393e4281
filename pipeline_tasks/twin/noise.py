"""Random numbers that belong to a day: streams keyed by (seed, stream, day), so a longer horizon changes no earlier value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import blake2b

import numpy as np
import polars as pl
from scipy.signal import lfilter

FRESH = 0x9E3779B97F4A7C15  # odd, so that draws have seeds of their own
HOURS = 25  # drawn for every day; days of 23 and 24 hours use the first ones
FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
STREAMS = (
    "temperature",
    "load",
    "wind",
    "cloud",
    "outage",
    "spike",
    "load_error",
    "wind_error",
    "solar_error",
    "temperature_error",
    "gas",
    "co2",
    "auction",
    "temperature_field",
    "wind_field",
    "cloud_field",
    "fronts",
    "extremes",
    "demand",
    "demand_error",
    "regime",
    "fuels",
    "fuel_jumps",
    "basis",
    "closures",
    "voyages",
    "outages",
    "five_minutes",
)


def named_seed(seed: int, name: str) -> int:
    """Seed of the streams that belong to a name, whatever else exists."""
    return int.from_bytes(blake2b(f"{seed}:{name}".encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class Calendar:
    """Every hour of the horizon, in order.

    Attributes:
        start: first market-local delivery date.
        days: number of days.
        zone: IANA zone; days have 23, 24 or 25 hours.
        frame: columns delivery_ts (UTC), day (index from 0), hour_of_day (0-24, elapsed), local_hour (0-23), weekday (1-7), doy.
    """

    start: date
    days: int
    zone: str
    frame: pl.DataFrame = field(repr=False)

    @classmethod
    def build(cls, start: date, end: date, zone: str) -> Calendar:
        """Hours from local midnight of `start` to local midnight after `end`."""
        midnights = (
            pl.Series([start, end + timedelta(days=1)]).cast(pl.Datetime("ms")).dt.replace_time_zone(zone).dt.convert_time_zone("UTC")
        )
        hours = pl.datetime_range(midnights[0], midnights[1], "1h", closed="left", time_unit="ms", time_zone="UTC", eager=True)
        local = pl.col("delivery_ts").dt.convert_time_zone(zone)
        frame = pl.DataFrame({"delivery_ts": hours}).with_columns(
            (local.dt.date() - start).dt.total_days().alias("day"),
            local.dt.hour().cast(pl.Int64).alias("local_hour"),
            local.dt.weekday().cast(pl.Int64).alias("weekday"),
            local.dt.ordinal_day().cast(pl.Int64).alias("doy"),
        )
        frame = frame.with_columns(pl.int_range(pl.len()).over("day").alias("hour_of_day"))
        return cls(start, (end - start).days + 1, zone, frame)

    def column(self, name: str) -> FloatArray:
        """A column as floats, one per hour."""
        return self.frame.get_column(name).to_numpy().astype(np.float64)

    def hourly(self, daily: FloatArray) -> FloatArray:
        """Values of days, repeated over their hours."""
        repeated: FloatArray = daily[self.frame.get_column("day").to_numpy()]
        return repeated

    def local_midnights(self) -> pl.Series:
        """UTC instant of each local midnight."""
        dates = pl.date_range(self.start, self.start + timedelta(days=self.days - 1), "1d", eager=True)
        return dates.cast(pl.Datetime("ms")).dt.replace_time_zone(self.zone).dt.convert_time_zone("UTC")


@dataclass(frozen=True)
class Redraw:
    """Another draw of what no forecast can know of some days; all other draws stay as they are.

    Attributes:
        draw: number of the draw.
        ordinals: proleptic ordinals of the days.
    """

    draw: int
    ordinals: frozenset[int]


@dataclass(frozen=True)
class Noise:
    """Standard normals and uniforms, reproducible per day and stream."""

    seed: int
    calendar: Calendar
    redraw: Redraw | None = None

    def _generator(self, stream: str, unit: int, day: int) -> np.random.Generator:
        """Generator of a day (index from the calendar's start, may be negative)."""
        return self.generator(stream, unit, self.calendar.start.toordinal() + day)

    def generator(self, stream: str, unit: int, ordinal: int) -> np.random.Generator:
        """Generator of one key: a day's ordinal, or any other number below 2^24 where a stream counts something else; unit below 2^16."""
        key = np.array([self.seed, (STREAMS.index(stream) << 40) | (unit << 24) | ordinal], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key))

    def hourly(self, stream: str, unit: int = 0) -> FloatArray:
        """Independent standard normals, one per hour."""
        return self._by_hour(np.stack([self._generator(stream, unit, d).standard_normal(HOURS) for d in range(self.calendar.days)]))

    def uniform(self, stream: str, unit: int = 0) -> FloatArray:
        """Independent uniforms on [0, 1), one per hour; take a unit that `hourly` does not use."""
        return self._by_hour(np.stack([self._generator(stream, unit, d).random(HOURS) for d in range(self.calendar.days)]))

    def hourly_block(self, stream: str, columns: int, unit: int = 0, news: slice | None = None) -> FloatArray:
        """Independent standard normals, (columns, hours), from one generator per day.

        Args:
            stream: name of the stream.
            columns: number of series.
            unit: as in `hourly`.
            news: columns that no forecast knows; a redraw replaces them on its days.
        """
        block = np.stack([self._generator(stream, unit, d).standard_normal((HOURS, columns)) for d in range(self.calendar.days)])
        if self.redraw is not None and news is not None:
            other = Noise((self.seed + (self.redraw.draw + 1) * FRESH) % 2**64, self.calendar)
            for day in sorted(o - self.calendar.start.toordinal() for o in self.redraw.ordinals):
                if 0 <= day < self.calendar.days:
                    block[day, :, news] = other._generator(stream, unit, day).standard_normal((HOURS, columns))[:, news]
        return np.ascontiguousarray(self._by_hour(block).T)

    def daily_block(self, stream: str, columns: int, unit: int = 0) -> FloatArray:
        """Independent standard normals, (columns, days), from one generator per day."""
        return np.stack([self._generator(stream, unit, d).standard_normal(columns) for d in range(self.calendar.days)], axis=1)

    def daily_uniforms(self, stream: str, columns: int, unit: int = 0) -> FloatArray:
        """Independent uniforms on [0, 1), (columns, days), from one generator per day."""
        return np.stack([self._generator(stream, unit, d).random(columns) for d in range(self.calendar.days)], axis=1)

    def five_minute(self, stream: str, units: int, days: range) -> FloatArray:
        """Independent standard normals of the hours of some days, (units, hours, 12)."""
        frame = self.calendar.frame
        counts = np.bincount(frame.get_column("day").to_numpy(), minlength=days.stop)
        blocks = [self._generator(stream, 0, d).standard_normal((HOURS, units, 12), dtype=np.float32)[: counts[d]] for d in days]
        return np.concatenate(blocks).transpose(1, 0, 2).astype(np.float64)

    def _by_hour(self, block: FloatArray) -> FloatArray:
        frame = self.calendar.frame
        values: FloatArray = block[frame.get_column("day").to_numpy(), frame.get_column("hour_of_day").to_numpy()]
        return values

    def daily(self, stream: str, unit: int = 0) -> FloatArray:
        """Independent standard normals, one per day."""
        return np.array([self._generator(stream, unit, d).standard_normal() for d in range(self.calendar.days)])


def autoregressive(shocks: FloatArray, phi: float) -> FloatArray:
    """Stationary AR(1) along the last axis with unit variance, driven by standard normal shocks; the past never depends on the future."""
    scaled = shocks * np.sqrt(1 - phi**2)
    scaled[..., 0] = shocks[..., 0]
    path: FloatArray = lfilter([1.0], [1.0, -phi], scaled)
    return path


def combined(weights: FloatArray, series: FloatArray) -> FloatArray:
    """Product of (k, n) and (n, t), summed in the order of n: a BLAS product may round a column differently in a longer series."""
    total = np.zeros((len(weights), series.shape[1]))
    for column, row in zip(weights.T, series, strict=True):
        total += column[:, None] * row
    return total
