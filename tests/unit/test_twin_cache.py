"""The store of generated days: bit by bit, in one step, hashed by value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline_tasks.twin.cache import DayStore, frame_sha
from pipeline_tasks.twin.codec import from_bytes, to_bytes

DAY = date(2026, 1, 1)


@dataclass(frozen=True)
class Inner:
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    flags: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True)
class Outer:
    day: int
    price: float
    inner: Inner
    empty: np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def test_dataclasses_come_back_bit_by_bit() -> None:
    outer = Outer(3, 0.1 + 0.2, Inner(np.array([[1.5, np.nan, -0.0]]), np.array([True, False])), np.zeros(0, dtype=np.int64))
    back = from_bytes(Outer, to_bytes(outer))
    assert (back.day, back.price) == (outer.day, outer.price)
    assert isinstance(back.day, int)
    assert back.inner.values.tobytes() == outer.inner.values.tobytes()
    assert back.inner.flags.dtype == np.bool_
    assert back.empty.dtype == np.int64


def test_a_file_with_objects_is_refused() -> None:
    import io

    stream = io.BytesIO()
    np.savez_compressed(stream, day=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        from_bytes(Outer, stream.getvalue())


FRAME = pl.DataFrame(
    {
        "name": ["a", None, "b", "a"],
        "value": [1.0, None, -0.0, 3.5],
        "at": [datetime(2026, 1, 1, tzinfo=UTC)] * 4,
        "n": [1, 2, None, 4],
    }
)


def test_hash_is_of_values_not_of_layout() -> None:
    sha = frame_sha(FRAME)
    assert frame_sha(FRAME.select(reversed(FRAME.columns))) == sha
    assert frame_sha(pl.concat([FRAME.head(1), FRAME.tail(3)], rechunk=False)) == sha
    assert frame_sha(FRAME.with_columns(value=pl.Series([1.0, None, 0.0, 3.5]))) == sha, "one zero"


@pytest.mark.parametrize(
    "other",
    [
        FRAME.reverse(),
        FRAME.with_columns(value=pl.Series([1.0, 0.0, 0.0, 3.5])),
        FRAME.with_columns(name=pl.Series(["a", "", "b", "a"])),
        FRAME.with_columns(name=pl.Series(["a", None, "b", "b"])),
        FRAME.rename({"n": "m"}),
        FRAME.head(3),
    ],
)
def test_any_other_value_order_or_name_changes_the_hash(other: pl.DataFrame) -> None:
    assert frame_sha(other) != frame_sha(FRAME)


def test_a_day_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    store = DayStore.of(tmp_path, "probe", "0123456789abcdef0123")
    assert not store.has(DAY)
    store.day(DAY).parent.mkdir(parents=True)
    (store.day(DAY).parent / f".{DAY}.1").mkdir()  # what a killed process leaves
    assert not store.has(DAY)
    store.write(DAY, {"one": FRAME, "none": FRAME.clear()})
    store.write(DAY, {"one": FRAME.reverse()})
    assert store.has(DAY)
    assert set(store.digests(DAY)) == {"one"}
    assert store.digests(DAY)["one"].rows == 4
    kept = store.read("one", [DAY])
    assert kept is not None
    assert kept.equals(FRAME), "a day that is there stays"
    assert store.read("none", [DAY]) is None


def test_a_redraw_changes_the_news_of_its_days_alone() -> None:
    from pipeline_tasks.twin.noise import Calendar, Noise, Redraw

    calendar = Calendar.build(date(2026, 3, 27), date(2026, 3, 31), "Europe/Berlin")
    chosen = frozenset({date(2026, 3, 29).toordinal(), date(2020, 1, 1).toordinal()})
    stream = "wind_field"
    base = Noise(7, calendar).hourly_block(stream, 6, news=slice(2, 4))
    assert np.array_equal(base, Noise(7, calendar).hourly_block(stream, 6))
    one, two = (Noise(7, calendar, Redraw(k, chosen)).hourly_block(stream, 6, news=slice(2, 4)) for k in range(2))
    day = calendar.frame.get_column("day").to_numpy() == 2
    assert np.array_equal(one[:, ~day], base[:, ~day])
    assert np.array_equal(one[[0, 1, 4, 5]], base[[0, 1, 4, 5]])
    assert not np.any(one[2:4, day] == base[2:4, day])
    assert not np.any(one[2:4, day] == two[2:4, day])
    assert np.array_equal(Noise(7, calendar, Redraw(0, chosen)).hourly_block(stream, 6), base), "what a forecast knows stays"
