"""Intraday features over clock changes, late and missing publications, two resolutions: against values worked out by hand and a slow oracle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from statistics import fmean, stdev
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline_tasks.steps.transform import transform

FIRST, LAST = date(2024, 10, 24), date(2024, 11, 5)
LATE = datetime(2024, 11, 1, 13, tzinfo=UTC)
GAP = (datetime(2024, 11, 2, 12, tzinfo=UTC), datetime(2024, 11, 3, 14, tzinfo=UTC))
LATER = datetime(2024, 12, 31, 1, tzinfo=UTC)
CUT = datetime(2024, 11, 1, 16, tzinfo=UTC)
TARGET = ["price_ccy_per_mwh", "price_known_ts"]
Price = tuple[datetime, datetime, float]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def price_at(instant: datetime) -> float:
    """A saw of quarter hours that repeats itself never, with a flat hour on every day from 06:00 UTC."""
    if instant.hour == 6:
        return 42.0
    hours = (instant - utc(2024, 10, 1)).total_seconds() / 3600
    return round(30 + 10 * (hours % 7) - 3 * (hours % 3) + hours / 100, 4)


def _known(instant: datetime, minutes: int) -> datetime:
    """Twenty minutes after the interval; one interval a day late."""
    return instant + timedelta(minutes=minutes + 20) + (timedelta(days=1) if instant == LATE else timedelta(0))


def _metered(hour: datetime) -> datetime:
    """A load is known 75 minutes after the start of its hour; two are late, and known at one instant with newer ones."""
    late = {utc(2024, 10, 30, 10): 1, utc(2024, 10, 30, 14): 3}
    return hour + timedelta(minutes=75, hours=late.get(hour, 0))


def _prices(rows: Any) -> dict[str, list[Price]]:
    """Two weeks around the repeated hour: quarter hours of Q with a gap of 26 hours and a late price, hours of R."""
    quarters = [s for s in rows.starts(FIRST, LAST, 15) if not GAP[0] <= s < GAP[1]]
    hours = rows.starts(FIRST, LAST, 60)
    return {"Q": [(s, _known(s, 15), price_at(s)) for s in quarters], "R": [(s, _known(s, 60), 100 + price_at(s)) for s in hours]}


def publish(raw_rows: Callable[[str], Any]) -> None:
    """Real-time prices, and day-ahead prices, forecasts and loads beside them."""
    rows = raw_rows("t_quarter")
    prices, hours = _prices(rows), rows.starts(FIRST, LAST, 60)
    rows.prices(prices["Q"], hub="Q", product="rt", minutes=15)
    rows.prices([(s, k, -1e4) for s, k, _ in prices["Q"] if s.minute == 0], hub="Q", product="rt", minutes=60)  # coarser: not used
    rows.prices(prices["R"], hub="R", product="rt", minutes=60)
    gate = {d: rows.market.gate(d) for d in {rows.local_date(s) for s in hours}}
    for hub in ("Q", "R"):
        rows.prices([(s, gate[rows.local_date(s)] + timedelta(hours=3), 50.0 + s.hour) for s in hours], hub=hub, product="da", minutes=60)
    rows.quantities("load", "forecast", [(s, gate[rows.local_date(s)], 50_000.0 + 100 * s.hour) for s in hours])
    late = [(s, s - timedelta(minutes=30), 9_000.0) for s in hours]  # known too late for the earliest decision
    rows.quantities("wind", "forecast", late)
    rows.quantities("load", "actual", [(s, _metered(s), 49_000.0 + s.hour) for s in hours])


def poison(raw_rows: Callable[[str], Any]) -> None:
    """Absurd prices, forecasts and loads that are known a millisecond after a decision."""
    rows, just_after = raw_rows("t_quarter"), CUT + timedelta(milliseconds=1)
    prices, hours = _prices(rows), rows.starts(FIRST, LAST, 60)
    for hub, minutes in (("Q", 15), ("R", 60)):
        rows.prices([(s, just_after, 1e4) for s, _, _ in prices[hub]], hub=hub, product="rt", minutes=minutes, ingested=LATER)
        rows.prices([(s, max(just_after, k), 9e3) for s, k, _ in prices[hub]], hub=hub, product="da", minutes=60, ingested=LATER)
    rows.quantities("load", "forecast", [(s, just_after, 1e5) for s in hours if s > just_after], ingested=LATER)
    rows.quantities("load", "actual", [(s, max(just_after, s), 1e5) for s in hours], ingested=LATER)


@pytest.fixture(scope="module")
def intraday(published: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    return published("t_quarter", "ftr_intraday")


def one(frame: pl.DataFrame, hub: str, delivery: datetime, horizon: int) -> dict[str, Any]:
    found = frame.filter((pl.col("hub") == hub) & (pl.col("delivery_ts") == delivery) & (pl.col("horizon_min") == horizon))
    assert found.height == 1
    return found.row(0, named=True)


def test_every_interval_has_a_decision_per_horizon(intraday: pl.DataFrame) -> None:
    counts = dict(
        intraday.group_by("hub", "delivery_date")
        .len()
        .select(pl.concat_list(pl.col("hub"), pl.col("delivery_date").cast(pl.String)).list.join(" "), "len")
        .iter_rows()
    )
    assert (counts["Q 2024-11-02"], counts["Q 2024-11-03"], counts["R 2024-11-03"]) == (2 * 96, 2 * 100, 2 * 25)
    lead = intraday.select((pl.col("delivery_ts") - pl.col("as_of")).dt.total_minutes() == pl.col("horizon_min")).to_series()
    assert bool(lead.all())
    repeated = intraday.filter((pl.col("hub") == "Q") & (pl.col("dst_fold") == 1))
    assert repeated.height == 2 * 4
    assert repeated["local_hour"].unique().to_list() == [1]


def test_the_last_price_is_the_last_one_published(intraday: pl.DataFrame) -> None:
    delivery = utc(2024, 10, 31, 15)
    short, long = one(intraday, "Q", delivery, 15), one(intraday, "Q", delivery, 60)
    assert short["price_last_ccy_per_mwh"] == price_at(utc(2024, 10, 31, 14))  # 14:00 to 14:15 was published at 14:35, the next at 14:50
    assert short["price_last_age_min"] == 60
    assert long["price_last_ccy_per_mwh"] == price_at(utc(2024, 10, 31, 13, 15))
    hourly = 100 + price_at(utc(2024, 10, 31, 13))
    assert one(intraday, "R", delivery, 15)["price_last_ccy_per_mwh"] == hourly
    assert short["price_others_last_ccy_per_mwh"] == pytest.approx(hourly, rel=1e-12)


def test_a_late_price_is_left_out_of_what_was_known(intraday: pl.DataFrame) -> None:
    just_after = one(intraday, "Q", LATE + timedelta(hours=1), 15)
    assert just_after["price_last_ccy_per_mwh"] == price_at(LATE - timedelta(minutes=15)) or just_after["price_last_age_min"] == 60
    at_publication = one(intraday, "Q", _known(LATE, 15).replace(minute=45) + timedelta(minutes=15), 15)
    assert at_publication["price_last_ccy_per_mwh"] != price_at(LATE)
    assert one(intraday, "Q", LATE, 15)["price_known_ts"] == _known(LATE, 15)


def test_no_price_older_than_a_day_is_the_last_one(intraday: pl.DataFrame) -> None:
    before_the_limit = one(intraday, "Q", utc(2024, 11, 3, 11, 45), 15)
    assert before_the_limit["price_last_ccy_per_mwh"] == price_at(utc(2024, 11, 2, 11, 45))
    past_it = one(intraday, "Q", utc(2024, 11, 3, 12, 15), 15)
    assert past_it["price_last_ccy_per_mwh"] is None
    assert past_it["price_mean_1440m_ccy_per_mwh"] is None
    assert past_it["price_ccy_per_mwh"] is None


def test_lags_follow_the_local_clock(intraday: pl.DataFrame) -> None:
    row = one(intraday, "Q", utc(2024, 11, 4, 6, 30), 60)  # 01:30 EST; the day before had it twice
    assert row["price_lag_1d_ccy_per_mwh"] is None or row["price_lag_1d_ccy_per_mwh"] == price_at(utc(2024, 11, 3, 5, 30))
    week = one(intraday, "R", utc(2024, 11, 5, 6), 60)
    assert week["price_lag_7d_ccy_per_mwh"] == 100 + price_at(utc(2024, 10, 29, 5))
    days = [utc(2024, 11, 4, 6), utc(2024, 11, 3, 5), *(utc(2024, 11, 2, 5) - timedelta(days=k) for k in range(5))]
    assert week["price_slot_mean_7d_ccy_per_mwh"] == pytest.approx(fmean(100 + price_at(d) for d in days), rel=1e-12)


def test_day_ahead_forecasts_and_loads(intraday: pl.DataFrame) -> None:
    row = one(intraday, "Q", utc(2024, 10, 31, 15, 45), 60)
    assert row["price_da_ccy_per_mwh"] == 65.0
    assert row["price_last_da_ccy_per_mwh"] == 64.0  # of 14:00, the last interval published by 14:45
    assert row["load_forecast_mw"] == 51_500.0
    assert row["wind_forecast_mw"] == 9_000.0
    assert (
        one(intraday, "Q", utc(2024, 10, 31, 15), 15)["wind_forecast_mw"] is None
    )  # known half an hour before, the first decision is an hour
    assert row["residual_load_forecast_change_mw"] == 100.0 - 9_000.0  # of 14:00 no wind forecast was known in time
    assert row["load_last_mw"] == 49_013.0
    assert row["load_last_change_60m_mw"] == 1.0


@pytest.mark.parametrize(("decided", "hour"), [((12, 15), 11), ((17, 30), 16), ((18, 15), 17), ((18, 45), 17)])
def test_of_loads_known_at_one_instant_or_late_the_newest_counts(intraday: pl.DataFrame, decided: tuple[int, int], hour: int) -> None:
    row = one(intraday, "Q", utc(2024, 10, 30, *decided) + timedelta(minutes=15), 15)
    assert row["load_last_mw"] == 49_000.0 + hour


def test_statistics_agree_with_a_slow_oracle(intraday: pl.DataFrame, raw_rows: Callable[[str], Any]) -> None:
    checked, quarters = 0, sorted(_prices(raw_rows("t_quarter"))["Q"])
    for row in intraday.filter(pl.col("hub") == "Q").gather_every(7).iter_rows(named=True):
        usable = [(s, p) for s, k, p in quarters if k <= row["as_of"] and s != LATE]
        usable = [] if not usable or usable[-1][0] < row["as_of"] - timedelta(days=1) else usable
        if not usable:
            assert row["price_last_ccy_per_mwh"] is None
            continue
        last, price = usable[-1]
        assert (row["price_last_ccy_per_mwh"], row["price_last_age_min"]) == (price, (row["delivery_ts"] - last).total_seconds() / 60)
        if len(usable) > 11:
            assert row["price_before_11_ccy_per_mwh"] == usable[-12][1]
        same = last
        for start, before in reversed(usable):
            if before != price:
                break
            same = start
        assert row["price_unchanged_min"] == (last - same).total_seconds() / 60
        for minutes in (60, 360, 1440):
            window = [p for s, p in usable if s > last - timedelta(minutes=minutes)]
            assert row[f"price_mean_{minutes}m_ccy_per_mwh"] == pytest.approx(fmean(window), rel=1e-9)
            assert (row[f"price_min_{minutes}m_ccy_per_mwh"], row[f"price_max_{minutes}m_ccy_per_mwh"]) == (min(window), max(window))
            if len(window) > 1:
                assert row[f"price_std_{minutes}m_ccy_per_mwh"] == pytest.approx(stdev(window), rel=1e-6, abs=1e-9)
        checked += 1
    assert checked > 250


def test_rebuilding_one_month_gives_the_same_rows(intraday: pl.DataFrame, features: Callable[[str], pl.DataFrame]) -> None:
    transform("staging", "intermediate", "features", market="t_quarter", end_date=LAST, run_id="whole")
    before = features("ftr_intraday")
    assert before.height >= intraday.height
    again = transform("features", market="t_quarter", start_date=date(2024, 11, 4), end_date=LAST, run_id="again")
    assert again["from_date"] == "2024-11-04"
    assert_frame_equal(features("ftr_intraday"), before, check_exact=True)


def test_poison_after_the_decision_changes_nothing(intraday: pl.DataFrame, poisoned: Callable[..., pl.DataFrame]) -> None:
    after, early = poisoned("t_quarter", "ftr_intraday"), pl.col("as_of") <= CUT
    assert_frame_equal(after.filter(early).drop(TARGET), intraday.filter(early).drop(TARGET), check_exact=True)
    assert 1e4 in after.filter(~early)["price_last_ccy_per_mwh"].to_list()  # the poison was there to be found


def test_no_target_is_known_before_its_decision(intraday: pl.DataFrame) -> None:
    known = intraday.filter(pl.col("price_known_ts").is_not_null())
    assert known.height > 1000
    assert known.filter(pl.col("price_known_ts") <= pl.col("as_of")).height == 0
