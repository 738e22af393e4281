"""Series settings: calendars, rolls, refused entries; units that convert there and back."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.series import Calendar, SeriesBook, load_series
from pipeline_tasks.sources.units import CONVERSIONS, ENERGY_MWH, MWH_PER_MMBTU, conversion
from pipeline_tasks.steps.series_days import series_sha, settings_rows, trading_days, unit_rows

FIRST, LAST = date(2015, 1, 1), date(2016, 12, 31)
NAMES = sorted(load_series().calendars)


@pytest.mark.parametrize("name", NAMES)
def test_sessions_are_counted_and_contracts_only_move_forward(name: str) -> None:
    calendar = load_series().calendars[name]
    frame = trading_days(name, calendar, FIRST, LAST)
    assert frame["calendar_date"].to_list() == [FIRST + timedelta(days=k) for k in range(frame.height)]
    assert frame.filter("is_session")["calendar_date"].to_list() == calendar.sessions(FIRST, LAST)
    assert (frame["session_number"].diff().drop_nulls() == frame["is_session"].cast(pl.Int64)[1:]).all()
    assert frame["front_month_date"].is_sorted()
    assert (frame["front_month_date"] > frame["calendar_date"]).all()
    assert frame["front_december_date"].is_sorted()


def test_an_exchange_holiday_is_no_session_and_a_plain_day_is() -> None:
    calendar = load_series().calendars["ice_europe"]
    sessions = calendar.sessions(date(2021, 3, 29), date(2021, 4, 6))
    assert date(2021, 4, 2) not in sessions  # Good Friday
    assert date(2021, 4, 5) in sessions  # Easter Monday is traded
    assert [d.isoweekday() for d in load_series().calendars["friday"].sessions(FIRST, LAST)] == [5] * 105


def test_the_front_month_changes_after_the_last_trading_day() -> None:
    frame = trading_days("x", Calendar(rule="weekdays", front_month_expires=1, front_december_expires=10), FIRST, LAST)
    front = dict(frame.select("calendar_date", "front_month_date").iter_rows())
    assert front[date(2015, 4, 29)] == date(2015, 5, 1)
    assert front[date(2015, 4, 30)] == date(2015, 6, 1)
    december = dict(frame.select("calendar_date", "front_december_date").iter_rows())
    assert december[date(2015, 12, 1)] == date(2015, 12, 1)
    assert december[date(2015, 12, 31)] == date(2016, 12, 1)


def test_the_settings_table_has_a_row_per_series_and_changes_its_hash() -> None:
    book = load_series()
    rows = settings_rows(book)
    assert not rows.select("kind", "series", "place").is_duplicated().any()
    assert rows["settings_sha"].unique().to_list() == [series_sha(book)]
    other = book.model_copy(update={"series": book.series[1:]})
    assert series_sha(other) != series_sha(book)
    assert unit_rows().height == len(ENERGY_MWH)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"calendars": {"a": {"rule": "weekly", "exchange": "IFEU"}}, "series": []}, "has no holidays"),
        ({"calendars": {}, "series": [{"kind": "price", "series": "gas", "places": ["X"], "calendar": "b"}]}, "not declared"),
        (
            {
                "calendars": {"a": {"rule": "weekdays"}},
                "series": [{"kind": "price", "series": "gas", "places": ["X"], "calendar": "a", "roll": "front_month"}],
            },
            "expiry",
        ),
        (
            {"calendars": {"a": {"rule": "weekdays"}}, "series": [{"kind": "price", "series": "g", "places": ["X", "X"], "calendar": "a"}]},
            "declared twice",
        ),
    ],
)
def test_wrong_entries_are_refused_with_their_reason(entry: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SeriesBook.model_validate(entry)


def test_an_unknown_holiday_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no holiday is called"):
        Calendar(rule="weekdays", country="DE", only=("Nonsense Day",)).sessions(FIRST, LAST)


@given(st.floats(-1e6, 1e6, allow_nan=False), st.sampled_from(sorted(CONVERSIONS)))
def test_conversions_are_affine_and_lose_nothing(value: float, pair: tuple[str, str]) -> None:
    factor, add = conversion(*pair)
    there = value * factor + add
    assert (there - add) / factor == pytest.approx(value, rel=1e-9, abs=1e-9)


@given(st.floats(0.01, 1e4), st.floats(0.5, 2.0), st.sampled_from(sorted(ENERGY_MWH)))
def test_a_fuel_price_is_the_same_in_euros_per_mwh_and_dollars_per_mmbtu(price: float, usd_eur: float, key: tuple[str, str]) -> None:
    eur_per_mwh = price * usd_eur / ENERGY_MWH[key]
    usd_per_mmbtu = price / ENERGY_MWH[key] * MWH_PER_MMBTU
    assert usd_per_mmbtu * usd_eur / MWH_PER_MMBTU == pytest.approx(eur_per_mwh, rel=1e-12)
