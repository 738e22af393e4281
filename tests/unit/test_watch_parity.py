"""Parity finds every mutation of what was served: order, type, null, time zone, one bit; and nothing where nothing differs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from models._kernel.frames import outcomes_known
from models._kernel.synthetic import SyntheticMarket, day_ahead_features
from pipeline_tasks.contracts.features import DAY_AHEAD
from pipeline_tasks.watch.parity import compare
from pipeline_tasks.watch.schemas import changes
from pipeline_tasks.watch.served import snapshot

ROWS = day_ahead_features(SyntheticMarket(date(2020, 3, 20), date(2020, 4, 5))).select(DAY_AHEAD.column_names)  # a 23-hour day inside
SERVED = outcomes_known(ROWS, pl.col("as_of"))
LOAD = "load_forecast_mw"


def _first_value(frame: pl.DataFrame, name: str, value: object) -> pl.DataFrame:
    first = pl.int_range(pl.len()) == 30
    return frame.with_columns(pl.when(first).then(pl.lit(value, frame.schema[name])).otherwise(pl.col(name)).alias(name))


def _one_bit(frame: pl.DataFrame) -> pl.DataFrame:
    return _first_value(frame, LOAD, float(np.nextafter(frame[LOAD][30], np.inf)))


def _null_to_zero(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("temperature_forecast_degc").fill_null(0.0))


def _reordered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(*frame.columns[:20], frame.columns[21], frame.columns[20], *frame.columns[22:])


MUTATIONS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "columns reordered": _reordered,
    "column gone": lambda f: f.drop(LOAD),
    "float became single": lambda f: f.with_columns(pl.col(LOAD).cast(pl.Float32)),
    "int became float": lambda f: f.with_columns(pl.col("local_hour").cast(pl.Float64)),
    "null became 0": _null_to_zero,
    "value became null": lambda f: _first_value(f, LOAD, None),
    "one bit of one double": _one_bit,
    "zone shifted by an hour": lambda f: f.with_columns(pl.col("delivery_ts") + timedelta(hours=1)),
    "local time without zone": lambda f: f.with_columns(pl.col("delivery_ts").dt.convert_time_zone("Europe/Berlin").dt.replace_time_zone(None)),
    "hour of the wrong zone": lambda f: f.with_columns((pl.col("local_hour") + 1) % 24),
    "flag turned": lambda f: _first_value(f, "is_holiday", value=True),
    "text changed": lambda f: _first_value(f, "currency", "USD"),
    "rows shuffled": lambda f: f.sample(fraction=1.0, shuffle=True, seed=3),
    "forward filled": lambda f: _first_value(f, LOAD, f[LOAD][29]),
}  # fmt: skip


def test_equal_rows_hold_over_ten_thousand_values() -> None:
    found = compare(snapshot(SERVED), SERVED, DAY_AHEAD)
    assert found.holds
    assert found.samples == SERVED.height * len(DAY_AHEAD.columns) >= 10_000
    assert (found.first, found.last) == (date(2020, 3, 20), date(2020, 4, 5))


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_found_and_named(name: str) -> None:
    found = compare(snapshot(MUTATIONS[name](SERVED)), SERVED, DAY_AHEAD)
    assert not found.holds
    assert found.mismatches + found.schema_mismatches > 0
    assert found.example


def test_one_value_of_one_row_is_one_mismatch_and_says_both_values() -> None:
    found = compare(snapshot(_first_value(SERVED, "currency", "USD")), SERVED, DAY_AHEAD)
    assert (found.mismatches, found.schema_mismatches) == (1, 0)
    assert "currency: served USD, rebuilt EUR" in found.example


def test_a_row_that_is_gone_counts_all_its_values() -> None:
    found = compare(snapshot(SERVED), SERVED.slice(1), DAY_AHEAD)
    assert found.mismatches == len(DAY_AHEAD.columns)
    assert "not in the rebuilt table" in found.example


def test_nan_equals_nan_and_minus_zero_equals_zero() -> None:
    odd = SERVED.with_columns(pl.lit(-0.0).alias(LOAD))
    assert compare(snapshot(odd), SERVED.with_columns(pl.lit(0.0).alias(LOAD)), DAY_AHEAD).holds


def test_outcomes_published_after_the_decision_are_hidden() -> None:
    assert ROWS["price_ccy_per_mwh"].null_count() == 0
    assert SERVED["price_ccy_per_mwh"].null_count() == SERVED.height
    assert not compare(snapshot(ROWS), SERVED, DAY_AHEAD).holds  # a leak is a mismatch


def test_nothing_served_proves_nothing() -> None:
    assert not compare(snapshot(SERVED.clear()), SERVED, DAY_AHEAD).holds


def test_schema_changes_are_said() -> None:
    old = [["a", "Int64"], ["b", "String"], ["c", "Float64"]]
    assert changes(old, old) == ""
    assert (
        changes(old, [["b", "String"], ["a", "Float64"], ["d", "Bool"]])
        == "removed c; added d (Bool); a: Int64 became Float64; columns moved"
    )
