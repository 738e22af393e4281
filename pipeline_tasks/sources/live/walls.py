"""Wall clocks of the providers: hour numbers, marked and unmarked repeated hours, to UTC starts."""

from __future__ import annotations

import polars as pl

from pipeline_tasks.contracts import TS_DTYPE


def utc(column: str, fmt: str | None = None) -> pl.Expr:
    """Text that is UTC already (`Z`, `+00:00`, `-00:00` or bare) to an instant; null where it is none."""
    text = pl.col(column).str.strip_chars().str.replace(r"(Z|[+-]00:?00)$", "").str.replace(r"\.0+$", "")
    return text.str.to_datetime(fmt, time_unit="ms", strict=False).dt.replace_time_zone("UTC").cast(TS_DTYPE)


def offset(column: str) -> pl.Expr:
    """ISO text with an offset (`...-04:00`) to an instant."""
    text = pl.col(column).str.replace("Z$", "+00:00")
    return text.str.to_datetime("%+", time_unit="ms", time_zone="UTC", strict=False).cast(TS_DTYPE)


def midnight(column: str, fmt: str, zone: str) -> pl.Expr:
    """A date to its start on a local clock: daily values are stamped with the market's own day."""
    day = pl.col(column).str.strip_chars().str.to_date(fmt, strict=False).cast(pl.Datetime("ms"))
    return day.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC").cast(TS_DTYPE)


def fixed(wall: pl.Expr, hours: int) -> pl.Expr:
    """A wall clock that is a whole number of hours ahead of UTC all year."""
    return (wall.dt.replace_time_zone("UTC") - pl.duration(hours=hours)).cast(TS_DTYPE)


def marked(wall: pl.Expr, second: pl.Expr, zone: str) -> pl.Expr:
    """A naive wall time to UTC; where it comes twice, `second` says that it is the later one. Null where it never was."""
    late = wall.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
    early = wall.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return pl.when(second.fill_null(value=False)).then(late).otherwise(early).dt.convert_time_zone("UTC").cast(TS_DTYPE)


def hour_ending(day: pl.Expr, hour: pl.Expr, second: pl.Expr, zone: str) -> pl.Expr:
    """Hour-ending numbers 1 to 24 on the wall clock, the repeated one marked by `second` (ERCOT's DSTFlag, ISO-NE's `02X`).

    The hour that ends at two starts at one, so the repeated one of autumn is the wall time 01:00.
    """
    start = day.cast(pl.Datetime("ms")) + pl.duration(hours=hour - 1)
    return marked(pl.when(hour.is_between(1, 24)).then(start), second, zone)


def elapsed(day: pl.Expr, number: pl.Expr, zone: str, minutes: int = 60) -> pl.Expr:
    """Periods counted through the local day from 1 (hours 1 to 25, half hours 1 to 50): the n-th starts n - 1 periods after midnight.

    Null for a number that the day does not have (hour 25 of a common day, hour 24 of the short one).
    """
    midnight = day.cast(pl.Datetime("ms")).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    after = (day + pl.duration(days=1)).cast(pl.Datetime("ms")).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    start = midnight + pl.duration(minutes=(number - 1) * minutes)
    return pl.when((number >= 1) & (start < after.dt.convert_time_zone("UTC"))).then(start).cast(TS_DTYPE)


def folded(frame: pl.DataFrame, wall: str, zone: str, series: list[str], into: str = "delivery_ts") -> pl.DataFrame:
    """Naive stamps without a mark: of two equal ambiguous stamps of a series the first in the answer is the earlier hour.

    Args:
        frame: rows in the order of the answer.
        wall: column of naive stamps; null where unreadable.
        zone: IANA zone.
        series: columns that tell series apart.
        into: column of UTC starts that is added.
    """
    second = (pl.int_range(pl.len()).over([*series, wall]) == 1).alias("_second")
    return frame.with_columns(second).with_columns(marked(pl.col(wall), pl.col("_second"), zone).alias(into)).drop("_second")
