from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl

from config.markets import resolve_market
from models._kernel.registry import spec_of
from pipeline_tasks.steps.reading import Versions, as_known, decided_by, features_of, history_start
from pipeline_tasks.steps.schedules import load_schedules
from pipeline_tasks.warehouse.hashing import data_version

DAILY, INTERVALS = spec_of("curve_dist"), spec_of("price_prediction")
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
    data = features_of(DAILY, _rows(), [date(2026, 6, 10)])
    assert data.history["delivery_date"].max() == date(2026, 6, 9)
    assert data.target["delivery_date"].to_list() == [date(2026, 6, 10)]


def test_decisions_within_the_day_see_the_day_itself() -> None:
    data = features_of(INTERVALS, _rows(), [date(2026, 6, 9), date(2026, 6, 10)])
    assert data.history.height == _rows().height
    assert data.target["delivery_date"].to_list() == [date(2026, 6, 9), date(2026, 6, 10)]


def test_the_last_decision_is_the_gate_or_the_end_of_the_day() -> None:
    market = resolve_market("twin").market
    assert decided_by(DAILY, market, date(2026, 6, 10)) == market.gate(date(2026, 6, 10))
    assert decided_by(INTERVALS, market, date(2026, 6, 10)) == datetime(2026, 6, 10, 22, tzinfo=UTC)


def test_history_begins_where_the_spec_says() -> None:
    assert history_start(INTERVALS, GATE) == date(2026, 6, 8)
    assert (GATE.date() - history_start(DAILY, GATE)).days == load_schedules().train_history_days
