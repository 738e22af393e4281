"""Laws of the clock: every real local day maps to distinct, increasing instants; conversions and publications keep order."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_tasks.sources.clock import INSTANT, is_zoned, publication, stamps, to_utc
from pipeline_tasks.sources.importers import DayRule, Hour, LagRule, TimeSpec
from pipeline_tasks.sources.units import CONVERSIONS, conversion

ZONES = st.sampled_from(["Europe/Berlin", "Europe/Brussels", "America/Chicago", "America/New_York", "Australia/Sydney", "Etc/GMT+5"])
DAYS = st.dates(date(2005, 1, 1), date(2035, 12, 30))
SWITCHES = st.sampled_from(
    [date(2024, 3, 31), date(2024, 10, 27), date(2024, 3, 10), date(2024, 11, 3), date(2024, 4, 7), date(2024, 10, 6)]
)
STEPS = st.sampled_from([5, 15, 30, 60])


def _instants(day: date, zone: str, minutes: int) -> list[datetime]:
    start = datetime.combine(day, time(0), tzinfo=ZoneInfo(zone)).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(0), tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return [start + timedelta(minutes=minutes * k) for k in range(int((end - start) / timedelta(minutes=minutes)))]


@given(day=st.one_of(DAYS, SWITCHES), zone=ZONES, minutes=STEPS)
@settings(max_examples=60, deadline=None)
def test_wall_clock_of_any_day_round_trips(day: date, zone: str, minutes: int) -> None:
    instants = _instants(day, zone, minutes)
    wall = [t.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for t in instants]
    frame = pl.DataFrame({"t": wall})
    spec = TimeSpec(column="t", dst="fold_by_order", resolution_min=minutes)
    got = to_utc(frame.with_columns(stamps(spec, frame.schema)), spec, zone, series=[], zoned=False)[INSTANT].to_list()
    assert got == instants  # distinct and increasing, for 23, 24 and 25 hours


@given(day=st.one_of(DAYS, SWITCHES), zone=ZONES)
@settings(max_examples=60, deadline=None)
def test_hours_counted_through_any_day_round_trip(day: date, zone: str) -> None:
    instants = _instants(day, zone, 60)
    frame = pl.DataFrame({"d": [day] * len(instants), "h": list(range(1, len(instants) + 1))})
    spec = TimeSpec(column="d", hour=Hour(column="h"), dst="elapsed", resolution_min=60)
    stamped = frame.with_columns(stamps(spec, frame.schema))
    assert to_utc(stamped, spec, zone, series=[], zoned=is_zoned(spec, frame.schema), hour="h")[INSTANT].to_list() == instants


@given(day=SWITCHES, zone=ZONES, series=st.integers(2, 4))
@settings(max_examples=30, deadline=None)
def test_series_interleaved_row_by_row_do_not_disturb_each_other(day: date, zone: str, series: int) -> None:
    instants = _instants(day, zone, 60)
    rows = [(t.astimezone(ZoneInfo(zone)).replace(tzinfo=None), s) for t in instants for s in range(series)]
    frame = pl.DataFrame(rows, schema={"t": pl.Datetime("us"), "s": pl.Int64}, orient="row")
    spec = TimeSpec(column="t", dst="fold_by_order", resolution_min=60)
    got = to_utc(frame.with_columns(stamps(spec, frame.schema)), spec, zone, series=["s"], zoned=False)
    for s in range(series):
        assert got.filter(pl.col("s") == s)[INSTANT].to_list() == instants


@given(pair=st.sampled_from(sorted(CONVERSIONS)), values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=5, unique=True))
def test_unit_conversion_is_affine_and_keeps_order(pair: tuple[str, str], values: list[float]) -> None:
    factor, add = conversion(*pair)
    assert factor > 0
    ordered = sorted(values)
    converted = [v * factor + add for v in ordered]
    assert converted == sorted(converted)
    for before, after in zip(ordered, converted, strict=True):
        assert abs((after - add) / factor - before) <= 1e-6 * max(1.0, abs(before))


@given(day=st.one_of(DAYS, SWITCHES), zone=ZONES, lag=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_actuals_are_known_after_their_interval_and_day_ahead_before_it(day: date, zone: str, lag: int) -> None:
    frame = pl.DataFrame({"delivery_ts": _instants(day, zone, 60)})
    after = publication(LagRule(rule="interval_end", minutes=lag), zone=zone, resolution_min=60, schema=frame.schema)
    before = publication(DayRule(rule="day", days=-1, at=time(12, 45)), zone=zone, resolution_min=60, schema=frame.schema)
    got = frame.with_columns(after.alias("after"), before.alias("before"))
    assert got.select((pl.col("after") >= pl.col("delivery_ts") + pl.duration(minutes=60)).all()).item()
    assert got.select((pl.col("before") < pl.col("delivery_ts")).all()).item()
    assert got["before"].n_unique() == 1  # one publication per local day
