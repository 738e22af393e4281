"""The frame validator answers in sentences that name column, rule, count, example and remedy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipeline_tasks.contracts.features import DAY_AHEAD
from pipeline_tasks.contracts.frames import check_frame
from pipeline_tasks.contracts.raw import PRICES

KEYS = ("market", "hub", "product", "delivery_ts", "resolution_min", "known_ts")


def good(rows: int = 4) -> pl.DataFrame:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    ts = [start + timedelta(hours=i) for i in range(rows)]
    frame = PRICES.empty().select(c for c in PRICES.column_names)
    given = pl.DataFrame({"delivery_ts": ts, "known_ts": ts}, schema={n: PRICES.polars_schema()[n] for n in ("delivery_ts", "known_ts")})
    texts = {"market": "m", "hub": "h", "product": "da", "currency": "EUR", "source": "s", "source_object": "o"}
    given = given.with_columns(
        **{k: pl.lit(v) for k, v in texts.items()},
        resolution_min=pl.lit(60, dtype=pl.Int64),
        price_ccy_per_mwh=pl.lit(50.0),
        row_sha=pl.lit("0"),
        ingested_ts=pl.col("known_ts"),
    )
    return pl.concat([frame, given], how="diagonal")


def test_a_good_frame_has_no_violations() -> None:
    assert check_frame(PRICES, good()) == []
    assert check_frame(PRICES, good(0)) == []


@pytest.mark.parametrize(
    ("spoil", "column", "rule", "rows"),
    [
        (lambda f: f.drop("hub"), "hub", "missing_column", 4),
        (lambda f: f.with_columns(hub=pl.lit(None, dtype=pl.String)), "hub", "null", 4),
        (lambda f: f.with_columns(price_ccy_per_mwh=pl.lit("12,5")), "price_ccy_per_mwh", "wrong_type", 4),
        (lambda f: f.with_columns(pl.col("delivery_ts").dt.replace_time_zone(None)), "delivery_ts", "wrong_type", 4),
        (lambda f: f.with_columns(price_ccy_per_mwh=pl.lit(float("nan"))), "price_ccy_per_mwh", "not_finite", 4),
        (lambda f: f.with_columns(price_ccy_per_mwh=pl.lit(1e9)), "price_ccy_per_mwh", "above_maximum", 4),
        (lambda f: f.with_columns(price_ccy_per_mwh=pl.lit(-1e9)), "price_ccy_per_mwh", "below_minimum", 4),
        (lambda f: f.with_columns(product=pl.lit("dayahead")), "product", "not_allowed", 4),
        (lambda f: pl.concat([f, f.head(1)]), "", "duplicate_key", 2),
        (lambda f: f.with_columns(known_ts=pl.col("known_ts").dt.offset_by("-60y")), "", "known_ts_plausible", 4),
        (lambda f: f.with_columns(ingested_ts=pl.col("ingested_ts").dt.offset_by("900y")), "ingested_ts", "out_of_range", 4),
    ],
)
def test_each_fault_is_named(spoil, column: str, rule: str, rows: int) -> None:
    (violation,) = check_frame(PRICES, spoil(good()))
    assert (violation.column, violation.rule, violation.rows) == (column, rule, rows)
    assert violation.remedy.endswith((".", "]"))
    assert rule in str(violation)
    assert f"{rows} row(s)" in str(violation)


def test_required_columns_must_hold_something_and_optional_ones_may_be_absent() -> None:
    frame = DAY_AHEAD.empty().select(*DAY_AHEAD.key, "price_lag_1d_ccy_per_mwh")
    assert check_frame(DAY_AHEAD, frame, required=("price_lag_1d_ccy_per_mwh",)) == []
    assert {v.rule for v in check_frame(DAY_AHEAD, frame)} == {"missing_column"}
    (missing,) = check_frame(DAY_AHEAD, frame.drop("price_lag_1d_ccy_per_mwh"), required=("price_lag_1d_ccy_per_mwh",))
    assert "Add price_lag_1d_ccy_per_mwh (float in currency/MWh)" in missing.remedy
    start = datetime(2024, 1, 1, tzinfo=UTC)
    row = {"market": "m", "hub": "h", "product": "da", "delivery_ts": start, "as_of": start, "price_lag_1d_ccy_per_mwh": None}
    filled = pl.DataFrame([row], schema=frame.schema)
    (empty,) = check_frame(DAY_AHEAD, filled, required=("price_lag_1d_ccy_per_mwh",))
    assert (empty.rule, empty.rows) == ("empty_column", 1)


def test_integers_stand_for_floats_and_columns_beyond_the_contract_are_ignored() -> None:
    frame = good().with_columns(price_ccy_per_mwh=pl.lit(50, dtype=pl.Int32), my_note=pl.lit("x"))
    assert check_frame(PRICES, frame) == []
