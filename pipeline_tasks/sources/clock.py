"""From a file's clock to UTC: formats, offsets, hour numbers, interval ends, daylight saving."""

from __future__ import annotations

import polars as pl

from pipeline_tasks.contracts import TS_DTYPE
from pipeline_tasks.sources.importers import ColumnRule, DayRule, LagRule, TimeSpec

WALL = "_wall"
INSTANT = "_instant"
ISO_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
_OFFSET = r"\s*(Z|[+-]\d{2}:?\d{2})$"
_MINUTE = pl.Datetime("ms")


def _parse(column: str, dtype: pl.DataType, formats: tuple[str, ...], offset: str, interval: str = "") -> pl.Expr:
    """Naive wall clock (or, for `use`, UTC) of a column; null where no format fits."""
    col = pl.col(column)
    if isinstance(dtype, pl.Datetime):
        return (col.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else col).cast(_MINUTE)
    if dtype == pl.Date:
        return col.cast(_MINUTE)
    text = col.cast(pl.String).str.strip_chars()
    if interval:
        text = text.str.split(interval).list.first()
    if offset == "use":
        tried = [text.str.replace("Z$", "+00:00").str.to_datetime(f, strict=False, time_unit="ms", time_zone="UTC") for f in formats]
        return pl.coalesce(tried).dt.replace_time_zone(None)
    if offset == "ignore":
        text = text.str.replace(_OFFSET, "")
    # a bare date is a date: Polars reads it as a date-time only where the format has an hour
    tried = [
        text.str.to_datetime(f, strict=False, time_unit="ms") if "%H" in f else text.str.to_date(f, strict=False).cast(_MINUTE)
        for f in formats
    ]
    return pl.coalesce(tried)


def stamps(spec: TimeSpec, schema: pl.Schema) -> pl.Expr:
    """Naive stamp of every row on the file's own clock, named `_wall`; UTC when the file carries zoned stamps that are used.

    For an hour column the stamp is the hour's start, except with `dst: elapsed`, where it stays midnight (see `to_utc`).
    """
    dtype = schema[spec.column]
    formats = spec.formats or (tuple(f + "%:z" for f in ISO_FORMATS[:4]) if spec.offset == "use" else ISO_FORMATS)
    wall = _parse(spec.column, dtype, formats, spec.offset, spec.interval)
    if spec.hour is not None and spec.dst != "elapsed":
        wall = wall + pl.duration(hours=_hour_start(spec, spec.hour.column))
    if spec.clock:
        wall = wall + _time_of_day(spec.clock)
    return wall.alias(WALL)


def _time_of_day(column: str) -> pl.Expr:
    """Time from midnight to what `HH:MM` at the start of a text says; null where it says none of a day's."""
    parts = pl.col(column).cast(pl.String).str.strip_chars().str.extract_groups(r"^(\d{1,2}):(\d{2})")
    hour, minute = (parts.struct.field(name).cast(pl.Int64, strict=False) for name in ("1", "2"))
    return pl.when(hour.is_between(0, 23) & minute.is_between(0, 59)).then(pl.duration(hours=hour, minutes=minute))


def _hour_start(spec: TimeSpec, column: str) -> pl.Expr:
    """Hours from midnight to the hour's start; null where the number is none of a day's."""
    number = pl.col(column).cast(pl.Int64, strict=False)
    start = number - (1 if spec.hour is not None and spec.hour.label == "ending" else 0)
    last = 24 if spec.dst == "elapsed" else 23  # a 25-hour day counts to 25
    return pl.when(start.is_between(0, last)).then(start)


def is_zoned(spec: TimeSpec, schema: pl.Schema) -> bool:
    """Whether the stamps are instants already."""
    dtype = schema[spec.column]
    return spec.dst == "utc" or spec.offset == "use" or (isinstance(dtype, pl.Datetime) and dtype.time_zone is not None)


def to_utc(frame: pl.DataFrame, spec: TimeSpec, zone: str, *, series: list[str], zoned: bool, hour: str = "") -> pl.DataFrame:
    """Replace `_wall` by `_instant`, the UTC start of the interval; null where the wall time never was.

    Args:
        frame: rows in file order, with `_wall` (and the hour column for `dst: elapsed`).
        spec: the file's time rules.
        zone: IANA zone of the file's clock.
        series: columns that tell series apart; of two equal ambiguous stamps in a series the first is the earlier hour.
        zoned: the stamps are UTC already.
        hour: column of hour numbers, for `dst: elapsed`.
    """
    wall = pl.col(WALL)
    if spec.sample_hour is not None:
        frame = frame.filter(wall.dt.hour() == spec.sample_hour).with_columns(wall.dt.truncate("1d"))
        instant = wall.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    elif zoned:
        instant = wall.dt.replace_time_zone("UTC")
    elif spec.dst == "elapsed":
        midnight = wall.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        instant = midnight.dt.convert_time_zone("UTC") + pl.duration(hours=_hour_start(spec, hour))
    elif spec.dst == "standard_time":
        base = wall.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.base_utc_offset()
        instant = wall.dt.replace_time_zone("UTC") - base
    else:
        return _folded(frame, spec, zone, series)
    return _shifted(frame, instant, spec)


def _folded(frame: pl.DataFrame, spec: TimeSpec, zone: str, series: list[str]) -> pl.DataFrame:
    wall = pl.col(WALL)
    early = wall.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    late = wall.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null").dt.convert_time_zone("UTC")
    marked = frame.with_row_index("_row").with_columns(early.alias("_early"), late.alias("_late"))
    twice = (
        marked.filter(pl.col("_early") != pl.col("_late"))
        .with_columns(pl.int_range(pl.len()).over([*series, WALL]).alias("_nth"))
        .filter(pl.col("_nth") == 1)  # a third equal stamp stays on the first instant and is refused there as a duplicate
        .select("_row", second=pl.col("_late"))
    )
    joined = marked.join(twice, on="_row", how="left", maintain_order="left")
    return _shifted(joined, pl.coalesce("second", "_early"), spec).drop("_row", "_early", "_late", "second")


def _shifted(frame: pl.DataFrame, instant: pl.Expr, spec: TimeSpec) -> pl.DataFrame:
    utc = instant.dt.convert_time_zone("UTC")
    if spec.stamp == "end":
        utc = utc - pl.duration(minutes=spec.resolution_min)
    return frame.with_columns(utc.cast(TS_DTYPE).alias(INSTANT)).drop(WALL)


def publication(rule: DayRule | LagRule | ColumnRule, *, zone: str, resolution_min: int | pl.Expr, schema: pl.Schema) -> pl.Expr:
    """`known_ts` of every row from `delivery_ts`, in UTC.

    Day rules count market-local dates, so they hold across daylight saving; a local time that a spring night skips moves one
    hour on.
    """
    start = pl.col("delivery_ts")
    if isinstance(rule, LagRule):
        base = resolution_min if rule.rule == "interval_end" else 0
        known = start + pl.duration(minutes=base + rule.minutes)
    elif isinstance(rule, ColumnRule):
        known = _parse(rule.column, schema[rule.column], rule.formats or ISO_FORMATS, "absent").dt.replace_time_zone("UTC")
    else:
        zone = rule.zone or zone
        local_day = start.dt.convert_time_zone(zone).dt.replace_time_zone(None).dt.truncate("1d")
        wall = local_day + pl.duration(days=rule.days, hours=rule.at.hour, minutes=rule.at.minute, seconds=rule.at.second)
        there = wall.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        later = (wall + pl.duration(hours=1)).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        known = pl.coalesce(there, later).dt.convert_time_zone("UTC")
    return known.cast(TS_DTYPE)
