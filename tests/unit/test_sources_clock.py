"""From a file's clock to UTC, on hand-checked stamps."""

from __future__ import annotations

from datetime import UTC, datetime, time

import polars as pl
import pytest

from pipeline_tasks.sources.clock import INSTANT, is_zoned, publication, stamps, to_utc
from pipeline_tasks.sources.importers import DayRule, Hour, LagRule, TimeSpec


def _utc(spec: TimeSpec, frame: pl.DataFrame, zone: str) -> list[datetime | None]:
    stamped = frame.with_columns(stamps(spec, frame.schema))
    hour = spec.hour.column if spec.hour else ""
    return to_utc(stamped, spec, zone, series=[], zoned=is_zoned(spec, frame.schema), hour=hour)[INSTANT].to_list()


def test_hour_ending_labels_of_a_spring_day_in_texas() -> None:
    frame = pl.DataFrame({"d": ["2024-03-10"] * 4, "h": [2, 3, 4, 24]})
    spec = TimeSpec(column="d", hour=Hour(column="h"), dst="fold_by_order", resolution_min=60)
    assert _utc(spec, frame, "America/Chicago") == [
        datetime(2024, 3, 10, 7, tzinfo=UTC),  # 01:00 CST
        None,  # 02:00 never was
        datetime(2024, 3, 10, 8, tzinfo=UTC),  # 03:00 CDT
        datetime(2024, 3, 11, 4, tzinfo=UTC),
    ]


def test_hours_that_count_through_a_day() -> None:
    spec = TimeSpec(column="d", hour=Hour(column="h"), dst="elapsed", resolution_min=60)
    autumn = pl.DataFrame({"d": ["2024-10-27"] * 3, "h": [3, 4, 25]})
    assert [t and t.hour for t in _utc(spec, autumn, "Europe/Berlin")] == [0, 1, 22]
    spring = pl.DataFrame({"d": ["2024-03-31"] * 2, "h": [3, 23]})
    assert [t and t.hour for t in _utc(spec, spring, "Europe/Berlin")] == [1, 21]


def test_interval_end_stamps_in_a_fixed_zone() -> None:
    frame = pl.DataFrame({"t": ["2024-01-01 00:05:00"]})
    spec = TimeSpec(column="t", stamp="end", dst="none", resolution_min=5)
    assert _utc(spec, frame, "Australia/Brisbane") == [datetime(2023, 12, 31, 14, tzinfo=UTC)]


def test_interval_end_stamps_across_the_repeated_hour() -> None:
    frame = pl.DataFrame({"t": [f"2024-11-03 {h}:00:00" for h in ("01", "01", "02")]})
    spec = TimeSpec(column="t", stamp="end", dst="fold_by_order", resolution_min=60)
    assert [t and t.hour for t in _utc(spec, frame, "America/New_York")] == [4, 5, 6]


def test_offsets_are_used_or_ignored_as_told() -> None:
    frame = pl.DataFrame({"t": ["2025-12-20 14:55:00+11:00", "2025-12-20T15:00:00+11:00"]})
    used = TimeSpec(column="t", offset="use", dst="utc", resolution_min=5)
    assert [t and (t.hour, t.minute) for t in _utc(used, frame, "Etc/UTC")] == [(3, 55), (4, 0)]
    ignored = TimeSpec(column="t", offset="ignore", dst="none", resolution_min=5)
    assert [t and (t.hour, t.minute) for t in _utc(ignored, frame, "Australia/Brisbane")] == [(4, 55), (5, 0)]


def test_standard_time_all_year() -> None:
    frame = pl.DataFrame({"t": ["2024-07-01 00:00", "2024-01-01 00:00", "2024-03-31 02:30"]})
    spec = TimeSpec(column="t", dst="standard_time", resolution_min=60)
    hours = [t and (t.hour, t.minute) for t in _utc(spec, frame, "Europe/Berlin")]
    assert hours == [(23, 0), (23, 0), (1, 30)]


def test_one_row_a_day_at_the_sampled_hour() -> None:
    frame = pl.DataFrame({"t": [f"2024-07-01 {h:02d}:00" for h in range(24)]})
    spec = TimeSpec(column="t", dst="utc", sample_hour=12, resolution_min=1440)
    assert _utc(spec, frame, "Europe/Berlin") == [datetime(2024, 6, 30, 22, tzinfo=UTC)]


def test_formats_may_be_mixed_and_unpadded() -> None:
    frame = pl.DataFrame({"t": ["1/8/2016", "01/08/2017", "2016-01-08", "?"]})
    spec = TimeSpec(column="t", formats=("%m/%d/%Y", "%Y-%m-%d"), dst="utc", resolution_min=1440)
    assert [t and t.date().isoformat() for t in _utc(spec, frame, "Etc/UTC")] == ["2016-01-08", "2017-01-08", "2016-01-08", None]


@pytest.mark.parametrize("number", [0, 25, -1, 99])
def test_hour_numbers_that_no_day_has_are_refused(number: int) -> None:
    frame = pl.DataFrame({"d": ["2024-07-01"], "h": [number]})
    spec = TimeSpec(column="d", hour=Hour(column="h"), dst="fold_by_order", resolution_min=60)
    assert _utc(spec, frame, "Europe/Berlin") == [None]


def test_day_rule_follows_the_market_clock_across_daylight_saving() -> None:
    frame = pl.DataFrame({"delivery_ts": [datetime(2024, 3, 30, 23, tzinfo=UTC), datetime(2024, 3, 31, 22, tzinfo=UTC)]})
    known = publication(DayRule(rule="day", days=-1, at=time(12, 45)), zone="Europe/Berlin", resolution_min=60, schema=frame.schema)
    assert frame.select(known.alias("k"))["k"].to_list() == [
        datetime(2024, 3, 30, 11, 45, tzinfo=UTC),  # winter time
        datetime(2024, 3, 31, 10, 45, tzinfo=UTC),  # summer time
    ]


def test_day_rule_at_a_time_that_a_spring_night_skips() -> None:
    frame = pl.DataFrame({"delivery_ts": [datetime(2024, 3, 31, 12, tzinfo=UTC)]})
    known = publication(DayRule(rule="day", days=0, at=time(2, 30)), zone="Europe/Berlin", resolution_min=60, schema=frame.schema)
    assert frame.select(known.alias("k"))["k"].to_list() == [datetime(2024, 3, 31, 1, 30, tzinfo=UTC)]


def test_lag_rules_count_from_start_or_end() -> None:
    frame = pl.DataFrame({"delivery_ts": [datetime(2024, 1, 1, tzinfo=UTC)]})
    for rule, wanted in (("interval_start", datetime(2023, 12, 31, 23, tzinfo=UTC)), ("interval_end", datetime(2024, 1, 1, tzinfo=UTC))):
        known = publication(LagRule(rule=rule, minutes=-60), zone="Etc/UTC", resolution_min=60, schema=frame.schema)  # type: ignore[arg-type]
        assert frame.select(known.alias("k"))["k"].to_list() == [wanted]


def test_blocks_of_a_day_beside_its_date() -> None:
    """As India's exchange writes them; the last block ends at 24:00, a text without a time is no instant."""
    spec = TimeSpec(column="d", formats=("%d-%m-%Y",), clock="b", dst="none", resolution_min=15)
    blocks = ["00:00 - 00:15", "11:15-11:30", "23:45 - 24:00", "24:00 - 24:15", "noon"]
    frame = pl.DataFrame({"d": ["07-08-2025"] * 5, "b": blocks})
    found = [t and t.strftime("%d %H:%M") for t in _utc(spec, frame, "Asia/Kolkata")]
    assert found == ["06 18:30", "07 05:45", "07 18:15", None, None]
    with pytest.raises(ValueError, match="keep one"):
        TimeSpec(column="d", hour=Hour(column="h"), clock="b", dst="none", resolution_min=15)
