from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl

from pipeline_tasks.steps.reading import Versions, as_known, features_of
from pipeline_tasks.warehouse.hashing import data_version

GATE = datetime(2026, 6, 10, 10, tzinfo=UTC)


def _rows() -> pl.DataFrame:
    days = [date(2026, 6, 8) + timedelta(days=k) for k in range(4)]
    return pl.DataFrame(
        {
            "hub": ["h"] * 4,
            "delivery_date": days,
            "as_of": [GATE + timedelta(days=k - 3) for k in range(4)],
            "price_ccy_per_mwh": [1.0, 2.0, 3.0, None],
            "price_known_ts": [GATE + timedelta(days=k - 3, hours=2) for k in range(3)] + [None],
        },
        schema_overrides={"as_of": pl.Datetime("ms", "UTC"), "price_known_ts": pl.Datetime("ms", "UTC")},
    )


def test_earlier_instants_hide_later_outcomes_and_decisions() -> None:
    known = as_known(_rows(), GATE - timedelta(days=1))
    assert known.height == 3
    assert known["price_ccy_per_mwh"].to_list() == [1.0, 2.0, None]
    assert known["price_known_ts"].null_count() == 1


def test_versions_agree_with_hashing_the_earlier_view() -> None:
    versions = Versions(_rows())
    for days in range(4):
        instant = GATE - timedelta(days=days)
        assert versions.at(instant) == data_version(as_known(_rows(), instant))
    assert len({versions.at(GATE - timedelta(days=k)) for k in range(4)}) == 4


def test_history_ends_before_the_asked_day() -> None:
    data = features_of(_rows(), date(2026, 6, 10))
    assert data.history["delivery_date"].max() == date(2026, 6, 9)
    assert data.target["delivery_date"].to_list() == [date(2026, 6, 10)]
