"""Content hashes: fixed values, and what must and must not change them."""

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_tasks.warehouse.hashing import combined_sha, content_sha, data_version, row_shas


def test_row_text_is_what_the_documentation_says() -> None:
    at = datetime(2024, 3, 31, 1, 0, tzinfo=UTC)
    frame = pl.DataFrame(
        {"b_ts": [at], "a": ["x"], "c": [1.5], "d": [date(2024, 3, 31)], "e": [None], "f": [True], "g": [7]},
        schema_overrides={"b_ts": pl.Datetime("ms", "UTC"), "e": pl.Float64},
    )
    bits = struct.unpack("<q", struct.pack("<d", 1.5))[0]
    text = f"a=x\x1fb_ts={int(at.timestamp() * 1000)}\x1fc={bits}\x1fd={(date(2024, 3, 31) - date(1970, 1, 1)).days}\x1ff=1\x1fg=7"
    assert row_shas(frame).to_list() == [hashlib.sha256(text.encode()).hexdigest()]


_TEXTS = st.sampled_from(["", "x", "y", "a\x1fb", "c\\d", None])
_NUMBERS = st.sampled_from([0.0, -0.0, 1.5, float("nan"), None])
_ROWS = st.lists(st.tuples(_TEXTS, _NUMBERS, st.integers(-2, 2) | st.none(), st.booleans(), st.dates() | st.none()), min_size=1, max_size=6)


@given(_ROWS)
def test_a_row_has_one_hash_whatever_stands_beside_it(rows: list[tuple[object, ...]]) -> None:
    """Columns that hold one value are hashed by a shorter way, which must end at the same text."""
    schema = {"b": pl.String, "a": pl.Float64, "d": pl.Int64, "c": pl.Boolean, "e": pl.Date}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    alone = [row_shas(frame[n : n + 1])[0] for n in range(frame.height)]
    assert row_shas(frame).to_list() == alone
    other = pl.DataFrame([("z", 9.0, 9, not rows[0][3], date(1999, 1, 1))], schema=schema, orient="row")
    assert row_shas(pl.concat([frame, other])).to_list()[:-1] == alone


def test_a_null_column_that_a_contract_gains_changes_no_hash() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    assert row_shas(frame.with_columns(c=pl.lit(None, dtype=pl.Float64))).equals(row_shas(frame))


def test_column_order_does_not_matter_and_values_do() -> None:
    frame = pl.DataFrame({"a": [1.0], "b": ["x"]})
    assert row_shas(frame.select("b", "a")).equals(row_shas(frame))
    assert not row_shas(frame.with_columns(a=pl.lit(1.0000000000000002))).equals(row_shas(frame))
    assert row_shas(pl.DataFrame({"a": [0.0]})).equals(row_shas(pl.DataFrame({"a": [-0.0]})))
    assert row_shas(pl.DataFrame({"a": [float("nan")]})).equals(row_shas(pl.DataFrame({"a": [-float("nan")]})))


@pytest.mark.parametrize(
    "pair", [(("a", "b\x1fc=d", None), ("a", "b", "d")), (("a\\u", "b", None), ("a\x1f", "b", None)), (("", None, None), (None, "", None))]
)
def test_separators_inside_values_do_not_make_rows_equal(pair: tuple[tuple[str | None, ...], ...]) -> None:
    frame = pl.DataFrame(list(pair), schema={"a": pl.String, "b": pl.String, "c": pl.String}, orient="row")
    assert row_shas(frame).n_unique() == 2


def test_instants_hash_by_instant_not_by_unit_or_zone() -> None:
    utc = pl.Series("t", [datetime(2024, 1, 1, tzinfo=UTC)], dtype=pl.Datetime("ms", "UTC"))
    other = utc.cast(pl.Datetime("us", "UTC")).dt.convert_time_zone("Europe/Berlin")
    assert row_shas(utc.to_frame()).equals(row_shas(other.to_frame()))


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(allow_nan=True)), min_size=1, max_size=30), st.randoms())
def test_frame_hashes_do_not_depend_on_row_order(rows: list[tuple[int, float]], rng: object) -> None:
    frame = pl.DataFrame(rows, schema={"k": pl.Int64, "x": pl.Float64}, orient="row")
    mixed = list(rows)
    rng.shuffle(mixed)  # type: ignore[attr-defined]
    other = pl.DataFrame(mixed, schema=frame.schema, orient="row")
    assert content_sha(frame, ["k"]) == content_sha(other, ["k"])
    assert data_version(frame) == data_version(other)


def test_frame_hash_depends_on_every_row() -> None:
    frame = pl.DataFrame({"k": [1, 2], "x": [0.5, 0.6]})
    assert content_sha(frame, ["k"]) != content_sha(frame.head(1), ["k"])
    assert content_sha(frame.clear(), ["k"]) == combined_sha([])
    assert data_version(pl.concat([frame, frame.head(1)])) != data_version(frame)
