"""Row-wise validation: every broken rule of every row, good rows untouched."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from pipeline_tasks.contracts.raw import PRICES, PROVENANCE, QUANTITIES
from pipeline_tasks.warehouse.validation import Checked, as_json, check_rows, delivered_columns

PROVENANCE_NAMES = tuple(c.name for c in PROVENANCE)
COLUMNS = delivered_columns(PRICES, PROVENANCE_NAMES)
GOOD: dict[str, Any] = {
    "market": "m",
    "hub": "H",
    "product": "da",
    "delivery_ts": datetime(2024, 1, 1, tzinfo=UTC),
    "resolution_min": 60,
    "known_ts": datetime(2023, 12, 31, 12, tzinfo=UTC),
    "currency": "EUR",
    "price_ccy_per_mwh": 40.5,
    "energy_ccy_per_mwh": None,
    "congestion_ccy_per_mwh": None,
    "loss_ccy_per_mwh": None,
}


def check(**changes: Any) -> Checked:
    frame = pl.DataFrame([GOOD, GOOD | changes], infer_schema_length=None, strict=False)
    return check_rows(PRICES, frame.select(COLUMNS), COLUMNS)


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"price_ccy_per_mwh": None}, "price_ccy_per_mwh.null"),
        ({"price_ccy_per_mwh": float("nan")}, "price_ccy_per_mwh.not_finite"),
        ({"price_ccy_per_mwh": float("inf")}, "price_ccy_per_mwh.not_finite,price_ccy_per_mwh.above_maximum"),
        ({"price_ccy_per_mwh": 50_000.5}, "price_ccy_per_mwh.above_maximum"),
        ({"price_ccy_per_mwh": -20_000.5}, "price_ccy_per_mwh.below_minimum"),
        ({"energy_ccy_per_mwh": float("nan")}, "energy_ccy_per_mwh.not_finite"),
        ({"product": "spot"}, "product.not_allowed"),
        ({"product": None, "resolution_min": 0}, "product.null,resolution_min.below_minimum"),
        ({"known_ts": datetime(1975, 1, 1, tzinfo=UTC)}, "known_ts_plausible"),
        ({"delivery_ts": datetime(2500, 1, 1, tzinfo=UTC)}, "delivery_ts.out_of_range"),
        ({"price_ccy_per_mwh": 50_000.0}, ""),
        ({"price_ccy_per_mwh": -20_000.0}, ""),
    ],
)
def test_each_rule_is_named_and_bounds_are_inclusive(changes: dict[str, Any], broken: str) -> None:
    assert check(**changes).broken.to_list() == ["", broken]


def test_text_is_cast_and_what_cannot_be_cast_is_named() -> None:
    good = {k: (v.isoformat() if isinstance(v, datetime) else None if v is None else str(v)) for k, v in GOOD.items()}
    bad = good | {"price_ccy_per_mwh": "n/a", "delivery_ts": "yesterday", "resolution_min": "60.5"}
    frame = pl.DataFrame([good, bad], schema=dict.fromkeys(COLUMNS, pl.String))
    checked = check_rows(PRICES, frame, COLUMNS)
    assert checked.broken.to_list() == ["", "delivery_ts.wrong_type,resolution_min.wrong_type,price_ccy_per_mwh.wrong_type"]
    assert checked.rows.row(0, named=True) == GOOD
    assert checked.rows.schema == {c: PRICES.column(c).type.polars for c in COLUMNS}


def test_fractions_are_not_rounded_into_integers() -> None:
    frame = pl.DataFrame([GOOD, GOOD | {"resolution_min": 59.5}], infer_schema_length=None, strict=False)
    frame = frame.with_columns(resolution_min=pl.Series([60.0, 59.5]))
    assert check_rows(PRICES, frame.select(COLUMNS), COLUMNS).broken.to_list() == ["", "resolution_min.wrong_type"]


def test_row_rules_see_the_whole_row() -> None:
    columns = delivered_columns(QUANTITIES, PROVENANCE_NAMES)
    row = {
        "market": "m", "area": "a", "quantity": "load", "kind": "actual", "delivery_ts": GOOD["delivery_ts"], "resolution_min": 60,
        "known_ts": GOOD["known_ts"], "unit": "MW", "value": 1.0,
    }  # fmt: skip
    frame = pl.DataFrame([row, row | {"kind": "forecast"}]).select(columns)
    assert check_rows(QUANTITIES, frame, columns).broken.to_list() == ["actual_known_after_delivery_start", ""]


def test_other_columns_and_naive_instants_are_the_importers_fault() -> None:
    frame = pl.DataFrame([GOOD]).select(COLUMNS)
    with pytest.raises(ValueError, match=r"lacks columns \['hub'\] and has unknown columns \['node'\]"):
        check_rows(PRICES, frame.rename({"hub": "node"}), COLUMNS)
    with pytest.raises(ValueError, match="delivery_ts: instants without a time zone"):
        check_rows(PRICES, frame.with_columns(pl.col("delivery_ts").dt.replace_time_zone(None)), COLUMNS)


def test_empty_frames_pass_and_rows_become_json_text() -> None:
    assert check_rows(PRICES, pl.DataFrame([GOOD]).select(COLUMNS).clear(), COLUMNS).broken.len() == 0
    assert as_json(pl.DataFrame({"a": [1.5, None], "b": ['x"y', "z"]})).to_list() == ['{"a":"1.5","b":"x\\"y"}', '{"a":null,"b":"z"}']
