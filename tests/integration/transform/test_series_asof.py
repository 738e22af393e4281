"""Series beside power: as known at each gate against a slow reference, units, rolls, missing days, and nothing from after a gate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline_tasks.sources.units import MWH_PER_MMBTU
from pipeline_tasks.warehouse import Warehouse

FIRST, LAST = date(2024, 10, 1), date(2024, 11, 30)  # across the autumn clock change
DECISION = date(2024, 11, 10)
BERLIN, YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
RANDOM = [f"R{k:02d}" for k in range(30)]
MISSING = date(2024, 10, 16)
Rows = list[tuple[datetime, datetime, float]]
Features = Callable[..., pl.DataFrame]


def _days(first: date = FIRST, last: date = LAST) -> list[date]:
    return [first + timedelta(days=k) for k in range((last - first).days + 1)]


def _at(day: date, zone: ZoneInfo, hour: int = 0) -> datetime:
    return datetime.combine(day, time(hour), tzinfo=zone).astimezone(UTC)


def _settled(day: date, zone: ZoneInfo, value: float) -> tuple[datetime, datetime, float]:
    """Settlement of a day, known on the next day at 18:00."""
    return _at(day, zone), _at(day + timedelta(days=1), zone, 18), value


def _random(place: str) -> Rows:
    """Days, some of them absent, some published late or revised, in a random order of publication."""
    rng = np.random.default_rng(int(place[1:]))
    rows: Rows = []
    for day in _days():
        for _ in range(int(rng.choice([0, 1, 1, 1, 2, 3]))):
            late = timedelta(minutes=int(rng.integers(0, 12 * 1440)))
            rows.append((_at(day, BERLIN), _at(day, BERLIN) + late, round(float(rng.normal(50, 10)), 6)))
    return rows


def publish(raw_rows: Callable[[str], Any]) -> None:
    """Power of 40; fuels on sessions but one; euros for dollars by month; random series."""
    rows = raw_rows("t_series")
    hours = rows.starts(FIRST, LAST, 60)
    rows.prices([(s, rows.market.gate(rows.local_date(s)) + timedelta(minutes=45), 40.0) for s in hours])
    week = [d for d in _days() if d.isoweekday() <= 5]
    rows.commodity("gas", "TTF", [_settled(d, BERLIN, 30.0 + d.day) for d in week if d != MISSING])
    rows.commodity("gas", "HENRY_HUB", [_settled(d, YORK, 2.0) for d in week], currency="USD", unit="MMBtu")
    rows.commodity("coal", "API2", [_settled(d, BERLIN, 120.0) for d in week], currency="USD", unit="t")
    rows.commodity("co2", "EUA", [_settled(d, BERLIN, 70.0) for d in week], unit="t")
    months = [(date(2024, m, 1), rate) for m, rate in ((8, 0.91), (9, 0.90), (10, 0.92))]
    euro = [(_at(d, BERLIN), _at(d + timedelta(days=33), BERLIN, 12), rate) for d, rate in months]
    rows.commodity("fx", "USD", euro, currency="EUR", unit="USD", minutes=44640)
    for place in RANDOM:
        rows.commodity("lng", place, _random(place))
    stock = [(_at(d, BERLIN), _at(d + timedelta(days=1), BERLIN, 20), 1_000.0 + d.toordinal()) for d in _days()]
    rows.quantities("gas_storage", "actual", stock, minutes=1440, unit="GWh")


def poison(raw_rows: Callable[[str], Any]) -> None:
    """Absurd values and revisions that are known a millisecond after a gate."""
    rows = raw_rows("t_series")
    after = rows.market.gate(DECISION) + timedelta(milliseconds=1)
    for commodity, hub, currency, unit in (("gas", "TTF", "EUR", "MWh"), ("co2", "EUA", "EUR", "t"), ("fx", "USD", "EUR", "USD")):
        rows.commodity(commodity, hub, [(_at(d, BERLIN), after, 9_000.0) for d in _days()], currency=currency, unit=unit)
    for place in RANDOM:
        rows.commodity("lng", place, [(_at(d, BERLIN), after, 9_000.0) for d in _days()])


def _of(frame: pl.DataFrame, place: str, series: str = "gas") -> pl.DataFrame:
    return frame.filter((pl.col("place") == place) & (pl.col("series") == series)).sort("delivery_date")


def test_every_value_is_the_newest_period_known_at_the_gate(published: Features, raw_rows: Callable[[str], Any]) -> None:
    frame, market = published("t_series", "int_series_asof"), raw_rows("t_series").market
    held = 0
    for place in RANDOM:
        found = dict(_of(frame, place, "lng").select("delivery_date", "value").iter_rows())
        expected = {}
        for day in _days():
            gate = market.gate(day)
            known = [r for r in _random(place) if r[1] <= gate <= r[0] + timedelta(days=11)]
            if known:
                expected[day] = max(known, key=lambda r: (r[0], r[1]))[2]
        assert {d: pytest.approx(v) for d, v in expected.items()} == {d: v for d, v in found.items() if FIRST <= d <= LAST}
        held += len(expected)
    assert held > 1000


def test_units_are_normalised_with_the_rate_known_then(published: Features) -> None:
    frame = published("t_series", "int_series_asof").filter(pl.col("delivery_date").is_between(date(2024, 10, 10), date(2024, 11, 20)))
    gas, hub = _of(frame, "TTF"), _of(frame, "HENRY_HUB")
    rate = dict(frame.filter(pl.col("series") == "fx").select("delivery_date", "value").iter_rows())
    assert {rate[d] for d in hub["delivery_date"]} == {0.90, 0.92}  # September's mean is known on 4 October, October's on 3 November
    for row in hub.iter_rows(named=True):
        assert row["price_eur_per_mwh"] == pytest.approx(2.0 * rate[row["delivery_date"]] / MWH_PER_MMBTU, abs=1e-9)
        assert row["price_usd_per_mmbtu"] == pytest.approx(2.0, abs=1e-12)
    for row in gas.iter_rows(named=True):
        assert row["price_eur_per_mwh"] == row["value"]
        assert row["price_usd_per_mmbtu"] == pytest.approx(row["value"] / rate[row["delivery_date"]] * MWH_PER_MMBTU, abs=1e-9)
    coal = _of(frame, "API2", "coal").row(0, named=True)
    assert coal["price_eur_per_mwh"] == pytest.approx(120.0 * rate[coal["delivery_date"]] * 3.6 / 25.12, abs=1e-9)
    assert _of(frame, "EUA", "co2")["price_eur_per_mwh"].null_count() == frame["delivery_date"].n_unique()


def test_a_missing_session_is_seen_and_a_weekend_is_none(published: Features, warehouse: Warehouse) -> None:
    gas = _of(published("t_series", "int_series_asof"), "TTF")
    short = gas.filter(pl.col("missing_sessions") > 0)
    # the settlement of the 16th would have been known at the gate of the 19th (18 October 12:00), that of the 17th is by the gate of the 20th
    assert short["delivery_date"].to_list() == [MISSING + timedelta(days=3)]
    gaps = warehouse.query(
        "select calendar_date from intermediate.trading_days where calendar = 'ice_europe' and is_session"
        " and calendar_date between '2024-12-20' and '2024-12-31'"
    )["calendar_date"].to_list()
    assert date(2024, 12, 25) not in gaps
    assert date(2024, 12, 24) in gaps


def test_daily_quantities_are_series_too(published: Features) -> None:
    stock = _of(published("t_series", "int_series_asof"), "system", "gas_storage").filter(pl.col("delivery_date") <= LAST)
    told = stock["delivery_date"].map_elements(lambda d: 1_000.0 + d.toordinal() - 3, return_dtype=pl.Float64)  # known on the next evening
    assert stock["value"].to_list() == told.to_list()
    assert stock["missing_sessions"].unique().to_list() == [0]
    assert stock["price_eur_per_unit"].null_count() == stock.height == (LAST - FIRST).days - 2


def test_the_contract_in_front_changes_after_its_expiry(published: Features) -> None:
    gas = _of(published("t_series", "int_series_asof"), "TTF").unique("period_date", keep="first").sort("period_date")
    by_day = dict(gas.select("period_date", "contract_date").iter_rows())
    assert by_day[date(2024, 10, 30)] == date(2024, 11, 1)
    assert by_day[date(2024, 10, 31)] == date(2024, 12, 1)


def test_nothing_known_after_a_gate_moves_a_value_before_it(published: Features, poisoned: Features) -> None:
    before, after = (f("t_series", "int_series_asof").filter(pl.col("delivery_date") <= DECISION) for f in (published, poisoned))
    assert_frame_equal(before, after)
    later = poisoned("t_series", "int_series_asof").filter(pl.col("delivery_date") > DECISION)
    assert later.filter(pl.col("series") == "lng")["value"].max() == 9_000.0
