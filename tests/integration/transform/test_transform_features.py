"""Features on days with clock changes, revisions, gaps and forecasts of several resolutions, against values worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from statistics import fmean, stdev
from typing import Any

import polars as pl
import pytest


def price_at(instant: datetime) -> float:
    """A price that tells its instant: hours since 2024-01-01 plus minutes as decimals."""
    return (instant - datetime(2024, 1, 1, tzinfo=UTC)).total_seconds() / 3600


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def publish(raw_rows: Callable[[str], Any]) -> None:
    """The markets of both cities."""
    _berlin(raw_rows("t_berlin"))
    _york(raw_rows("t_york"))


def _berlin(rows: Any) -> None:
    """Two months around the clock changes of 2024 with half a year of nothing between them."""
    starts = rows.starts(date(2024, 3, 1), date(2024, 4, 10), 60) + rows.starts(date(2024, 10, 1), date(2024, 11, 5), 60)
    published = [(s, rows.market.gate(rows.local_date(s)) + timedelta(minutes=45), price_at(s)) for s in starts]
    rows.prices(published)
    rows.prices(published[:48])  # exact duplicates
    rows.prices([(utc(2024, 10, 10, 8), utc(2024, 10, 12, 0), 9000.0)])  # a correction two days later
    day = rows.starts(date(2024, 10, 14), date(2024, 10, 16), 60)
    rows.quantities("load", "forecast", [(s, rows.market.gate(rows.local_date(s)) - timedelta(hours=2), 50_000.0 + s.hour) for s in day])
    late = [s for s in day if rows.local_date(s) == date(2024, 10, 15)]
    rows.quantities("load", "forecast", [(s, rows.market.gate(date(2024, 10, 15)) + timedelta(hours=1), 99_000.0) for s in late])
    rows.quantities("load", "actual", [(s, s + timedelta(hours=2), 50_100.0 + s.hour) for s in day])
    quarters = rows.starts(date(2024, 10, 15), date(2024, 10, 15), 15)
    known = [(s, rows.market.gate(date(2024, 10, 15)) - timedelta(hours=1), 1000.0 + s.minute) for s in quarters]
    rows.quantities("wind", "forecast", known[:-1], minutes=15)  # the last quarter of the day is missing
    rows.gas([(utc(2024, 10, d), utc(2024, 10, d, 18), 30.0 + d) for d in (1, 2, 3)])


def _york(rows: Any) -> None:
    """Quarter-hourly real-time prices around both clock changes, each known five minutes after the interval."""
    starts = rows.starts(date(2024, 3, 8), date(2024, 3, 13), 15) + rows.starts(date(2024, 11, 1), date(2024, 11, 6), 15)
    rows.prices([(s, s + timedelta(minutes=20), price_at(s)) for s in starts])


@pytest.fixture(scope="module")
def berlin(published: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    return published("t_berlin")


@pytest.fixture(scope="module")
def york(published: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    return published("t_york")


def one(frame: pl.DataFrame, delivery_ts: datetime) -> dict[str, Any]:
    found = frame.filter(pl.col("delivery_ts") == delivery_ts)
    assert found.height == 1, f"{found.height} rows at {delivery_ts}"
    return found.row(0, named=True)


def test_days_have_23_24_and_25_hours(berlin: pl.DataFrame) -> None:
    hours = dict(berlin.group_by("delivery_date").len().iter_rows())
    assert (hours[date(2024, 3, 31)], hours[date(2024, 4, 1)], hours[date(2024, 10, 27)]) == (23, 24, 25)
    spring = berlin.filter(pl.col("delivery_date") == date(2024, 3, 31))["local_hour"].to_list()
    assert spring == [0, 1, *range(3, 24)]
    autumn = berlin.filter(pl.col("delivery_date") == date(2024, 10, 27)).select("local_hour", "dst_fold").rows()
    assert autumn[:5] == [(0, 0), (1, 0), (2, 0), (2, 1), (3, 0)]
    assert berlin["dst_fold"].sum() == 1


def test_gate_is_noon_by_the_local_clock(berlin: pl.DataFrame) -> None:
    gates = dict(berlin.select("delivery_date", "as_of").unique().iter_rows())
    assert gates[date(2024, 3, 31)] == utc(2024, 3, 30, 11)
    assert gates[date(2024, 4, 1)] == utc(2024, 3, 31, 10)
    assert gates[date(2024, 10, 28)] == utc(2024, 10, 27, 11)


def test_lags_over_the_missing_hour_are_null(berlin: pl.DataFrame) -> None:
    next_day_at_two = one(berlin, utc(2024, 4, 1, 0))
    assert next_day_at_two["local_hour"] == 2
    assert next_day_at_two["price_lag_1d_ccy_per_mwh"] is None
    assert next_day_at_two["price_lag_2d_ccy_per_mwh"] == price_at(utc(2024, 3, 30, 1))
    at_three = one(berlin, utc(2024, 4, 1, 1))
    assert at_three["price_lag_1d_ccy_per_mwh"] == price_at(utc(2024, 3, 31, 1))
    assert one(berlin, utc(2024, 4, 7, 0))["price_lag_7d_ccy_per_mwh"] is None


def test_lags_over_the_repeated_hour_take_the_first(berlin: pl.DataFrame) -> None:
    after = one(berlin, utc(2024, 10, 28, 1))
    assert after["local_hour"] == 2
    assert after["price_lag_1d_ccy_per_mwh"] == price_at(utc(2024, 10, 27, 0))
    for repeated in (utc(2024, 10, 27, 0), utc(2024, 10, 27, 1)):
        assert one(berlin, repeated)["price_lag_1d_ccy_per_mwh"] == price_at(utc(2024, 10, 26, 0))


def test_a_gap_is_a_gap(berlin: pl.DataFrame) -> None:
    silent = berlin.filter(pl.col("delivery_date").is_between(date(2024, 5, 10), date(2024, 9, 30)))
    assert silent.height == 144 * 24
    prices = [c for c in berlin.columns if c.startswith("price_")]
    assert silent.select(pl.col(prices).count()).row(0) == (0,) * len(prices)


def test_revision_counts_only_from_the_gate_that_saw_it(berlin: pl.DataFrame) -> None:
    first = price_at(utc(2024, 10, 10, 8))
    assert one(berlin, utc(2024, 10, 10, 8))["price_ccy_per_mwh"] == first
    assert one(berlin, utc(2024, 10, 11, 8))["price_lag_1d_ccy_per_mwh"] == first
    assert one(berlin, utc(2024, 10, 12, 8))["price_lag_2d_ccy_per_mwh"] == first
    assert one(berlin, utc(2024, 10, 13, 8))["price_lag_3d_ccy_per_mwh"] == 9000.0
    assert one(berlin, utc(2024, 10, 13, 8))["price_max_7d_ccy_per_mwh"] == 9000.0


def test_daily_and_weekly_statistics(berlin: pl.DataFrame) -> None:
    row = one(berlin, utc(2024, 10, 30, 12))
    prices = dict(berlin.select("delivery_ts", "price_ccy_per_mwh").iter_rows())
    dates = dict(berlin.select("delivery_ts", "delivery_date").iter_rows())
    day = [p for t, p in prices.items() if dates[t] == date(2024, 10, 29)]
    week = [p for t, p in prices.items() if date(2024, 10, 23) <= dates[t] <= date(2024, 10, 29)]
    assert row["price_prev_day_mean_ccy_per_mwh"] == pytest.approx(fmean(day), rel=1e-12)
    assert (row["price_prev_day_min_ccy_per_mwh"], row["price_prev_day_max_ccy_per_mwh"]) == (min(day), max(day))
    assert len(week) == 169
    assert row["price_mean_7d_ccy_per_mwh"] == pytest.approx(fmean(week), rel=1e-12)
    assert row["price_std_7d_ccy_per_mwh"] == pytest.approx(stdev(week), rel=1e-9)
    assert row["price_last_ccy_per_mwh"] == price_at(utc(2024, 10, 29, 22))


def test_forecasts_are_those_of_the_gate(berlin: pl.DataFrame) -> None:
    at = utc(2024, 10, 15, 9)
    row = one(berlin, at)
    assert row["load_forecast_mw"] == 50_009.0
    assert row["load_forecast_lag_1d_mw"] == 50_009.0
    assert row["wind_forecast_mw"] == 1000.0 + fmean((0, 15, 30, 45))
    assert row["residual_load_forecast_mw"] == 50_009.0 - row["wind_forecast_mw"]
    assert row["residual_load_ramp_mw"] == 1.0
    next_day = one(berlin, at + timedelta(days=1))
    assert next_day["load_forecast_lag_1d_mw"] == 99_000.0  # the later version was known by then
    assert next_day["residual_load_tightness"] == pytest.approx(50_009.0 / (50_021.0), rel=1e-2)


def test_mean_of_quarters_needs_all_four(berlin: pl.DataFrame) -> None:
    day = berlin.filter(pl.col("delivery_date") == date(2024, 10, 15))
    assert day["wind_forecast_mw"].null_count() == 1
    assert day["wind_forecast_mw"][23] is None


def test_forecast_error_is_of_the_forecast_at_its_gate(berlin: pl.DataFrame) -> None:
    night = one(berlin, utc(2024, 10, 17, 2))  # at the gate of the 17th the actuals of 14th, 15th and the 16th's night are known
    assert night["load_error_7d_mw"] == pytest.approx(100.0)
    assert one(berlin, utc(2024, 10, 14, 2))["load_error_7d_mw"] is None


def test_settlements_are_carried_ten_days_at_most(berlin: pl.DataFrame) -> None:
    gas = dict(berlin.group_by("delivery_date").agg(pl.col("gas_price_ccy_per_unit").first()).iter_rows())
    assert gas[date(2024, 10, 2)] is None  # the first settlement was published after the gate
    assert gas[date(2024, 10, 3)] == 31.0
    assert gas[date(2024, 10, 5)] == 33.0
    assert gas[date(2024, 10, 14)] == 33.0
    assert gas[date(2024, 10, 15)] is None


def test_holidays_of_the_market(berlin: pl.DataFrame) -> None:
    holidays = set(berlin.filter("is_holiday")["delivery_date"].to_list())
    assert {date(2024, 4, 1), date(2024, 10, 3)} <= holidays
    assert date(2024, 10, 4) not in holidays


def test_quarter_hours_keep_their_place_over_american_clock_changes(york: pl.DataFrame) -> None:
    counts = dict(york.group_by("delivery_date").len().iter_rows())
    assert (counts[date(2024, 3, 10)], counts[date(2024, 3, 11)], counts[date(2024, 11, 3)]) == (92, 96, 100)
    assert york["dst_fold"].sum() == 4
    row = one(york, utc(2024, 11, 5, 6, 15))  # 01:15 EST
    assert (row["local_hour"], row["resolution_min"]) == (1, 15)
    assert row["price_lag_2d_ccy_per_mwh"] == price_at(utc(2024, 11, 3, 5, 15))
    assert one(york, utc(2024, 3, 12, 6, 30))["price_lag_2d_ccy_per_mwh"] is None  # 02:30 did not exist on the 10th


def test_real_time_prices_are_known_up_to_the_gate(york: pl.DataFrame) -> None:
    gate = utc(2024, 11, 4, 15)  # 10:00 EST, the decision for the 5th
    rows = york.filter(pl.col("delivery_date") == date(2024, 11, 5))
    assert rows["as_of"].unique().to_list() == [gate]
    known = rows.filter(pl.col("price_lag_1d_ccy_per_mwh").is_not_null())["delivery_ts"].max()
    assert known == utc(2024, 11, 5, 14, 30)  # the interval of 09:30 was published at 09:50, that of 09:45 at 10:05
    assert rows["price_last_ccy_per_mwh"].unique().to_list() == [price_at(utc(2024, 11, 4, 14, 30))]
    whole_day = [price_at(utc(2024, 11, 3, 4) + timedelta(minutes=15 * i)) for i in range(100)]
    assert rows["price_prev_day_mean_ccy_per_mwh"][0] == pytest.approx(fmean(whole_day), rel=1e-12)


def test_lags_agree_with_a_slow_oracle(berlin: pl.DataFrame) -> None:
    prices = berlin.filter(pl.col("price_ccy_per_mwh").is_not_null())
    by_clock = {
        (d, h): p for d, h, f, p in prices.select("delivery_date", "local_hour", "dst_fold", "price_ccy_per_mwh").iter_rows() if f == 0
    }
    by_clock.pop((date(2024, 10, 10), 10))
    checked = 0
    for row in berlin.filter(pl.col("delivery_date") <= date(2024, 11, 6)).iter_rows(named=True):
        for days in (1, 2, 3, 7, 14):
            lagged = (row["delivery_date"] - timedelta(days=days), row["local_hour"])
            if lagged != (date(2024, 10, 10), 10):
                assert row[f"price_lag_{days}d_ccy_per_mwh"] == by_clock.get(lagged), (row["delivery_ts"], days)
                checked += 1
    assert checked > 20_000
