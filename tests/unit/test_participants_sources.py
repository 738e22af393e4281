"""Hourly bids from files: what is read and refused, and what of it is known at each gate."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from config.markets import load_markets, resolve_market
from models._kernel.behaviour.hourly_bids import HourlyBids
from pipeline_tasks.participants.hourly import (
    EPOCH,
    HourlyBook,
    NoOffersError,
    _known,
    daily_lowest,
    known_days,
    rows_of,
    unit_kinds,
    with_day,
)
from pipeline_tasks.sources.files import FilesSource

FAR = datetime(2100, 1, 1, tzinfo=UTC)
MARKET = load_markets()["gb_bm"]


def test_offers_without_mw_are_read_and_clashing_ones_refused(tmp_path: Path) -> None:
    folder = tmp_path / "gb_elexon_bm_2020"
    folder.mkdir()
    hours = [datetime(2020, 6, 1) + timedelta(hours=h) for h in (0, 1, 1, 2)]  # noqa: DTZ001 -- the file's stamps carry no zone
    frame = pl.DataFrame({"datetime": hours, "bmu": ["T_A-1"] * 4, "price": [55.5, 60.0, 61.0, -9999.0]})
    for side in ("offers", "bids"):
        frame.write_parquet(folder / f"bmu_{side}_gbp_per_mwh_hourly.parquet")
    batches = list(FilesSource(tmp_path).batches(resolve_market("gb_bm"), until=FAR))
    good, bad = ([b for b in batches if b.refused is refused] for refused in (False, True))
    assert [b.table.full_name for b in good] == ["raw.offers"] * 2
    rows = pl.concat([b.frame for b in good])
    assert set(rows["product"]) == {"bm_offer", "bm_bid"}
    assert rows["block_mw"].null_count() == rows.height == 4
    assert rows["price_ccy_per_mwh"].to_list() == [55.5, -9999.0] * 2
    assert (rows["known_ts"] - rows["delivery_ts"]).unique().to_list() == [timedelta(hours=2)]
    assert sum(b.frame.height for b in bad) == 4


def _book(days: int = 40, first: date = date(2020, 3, 10)) -> HourlyBook:
    begin = MARKET.day_bounds(first)[0]
    hours = round((MARKET.day_bounds(first + timedelta(days=days - 1))[1] - begin) / timedelta(hours=1))
    delivery, known = _known(MARKET, begin, hours, 60)
    price = np.tile(np.arange(hours, dtype=np.float64), (4, 1))
    withheld = np.zeros((4, hours), dtype=bool)
    price[2:], withheld[2:] = np.nan, True
    bids = HourlyBids(price, np.minimum(known, np.arange(hours) - 1))
    return HourlyBook(MARKET, ("A", "B"), bids, withheld, begin, delivery, np.ones((days, 4)), np.unique(delivery), 60)


def test_a_gate_knows_hours_published_by_then_also_over_the_spring_change() -> None:
    book = _book()
    for position, ordinal in enumerate(book.days.tolist()):
        day = date.fromordinal(ordinal + EPOCH)
        span = book.hours_of(day, day + timedelta(days=1))
        assert span.stop - span.start == (23 if day == date(2020, 3, 29) else 24)
        last = int(book.bids.known[span.start])
        if position:
            ended = book.first + timedelta(hours=last + 1)
            assert ended + timedelta(hours=1) <= MARKET.gate(day) < ended + timedelta(hours=2)
    lowest = daily_lowest(book)
    assert lowest.shape == (4, 40)
    assert lowest[0, 1] == 24


def test_rows_days_and_kinds_stop_at_what_is_known() -> None:
    book, day = _book(), date(2020, 4, 10)
    span = book.hours_of(date(2020, 4, 1), day)
    until = int(book.bids.known[span.stop])
    series, hour = rows_of(book, span, until=until)
    assert set(series.tolist()) == {0, 1}
    assert hour.max() == until < span.stop
    assert known_days(book, day, 7) == slice(23, 30)
    assert unit_kinds(book, span, until).tolist()[1] == 1


def test_a_coming_day_is_added_without_prices_and_an_old_book_refused() -> None:
    book, day = _book(), date(2020, 4, 19)
    longer = with_day(book, day)
    span = longer.hours_of(day, day + timedelta(days=1))
    assert span.stop - span.start == 24
    assert np.isnan(longer.bids.price[:, span]).all()
    with pytest.raises(NoOffersError, match="newest bids"):
        with_day(book, date(2020, 6, 1))
