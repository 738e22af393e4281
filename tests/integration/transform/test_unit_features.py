"""Features of units: by hand on a plant that runs from 6 to 22 o'clock, across a clock change, and nothing from after the decision."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from config.markets import Market

FIRST, LAST = date(2024, 9, 20), date(2024, 11, 3)
GAP = date(2024, 10, 15)
DECISION = date(2024, 10, 29)
OUTCOMES = ["online", "started", "stopped", "ramp_mw", "status_known_ts"]
LATER = datetime(2024, 12, 31, 1, tzinfo=UTC)
Features = Callable[..., pl.DataFrame]


def _decided_at(market: Market, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 6, tzinfo=market.zone).astimezone(UTC)


def publish(raw_rows: Callable[[str], Any]) -> None:
    """A plant of 100 MW from 6 to 22 o'clock, one that always runs with an hour missing, a store; outputs are known an hour later."""
    rows = raw_rows("t_units")
    hours = rows.starts(FIRST, LAST, 60)
    known = {s: s + timedelta(hours=2) for s in hours}
    gate = {d: rows.market.gate(d) for d in {rows.local_date(s) for s in hours}}
    rows.prices([(s, gate[rows.local_date(s)] + timedelta(minutes=45), 40.0 + s.day) for s in hours])
    rows.quantities("load", "actual", [(s, known[s], 50_000.0 + 100 * s.astimezone(rows.market.zone).hour) for s in hours])
    rows.units("CYCLE", "gas", [(s, known[s], 100.0 if 6 <= s.astimezone(rows.market.zone).hour < 22 else 0.0) for s in hours])
    missing = datetime(GAP.year, GAP.month, GAP.day, 15, tzinfo=UTC)
    rows.units("BASE", "coal", [(s, known[s], 300.0) for s in hours if s != missing])
    rows.units("STORE", "storage", [(s, known[s], 10.0) for s in hours])


def poison(raw_rows: Callable[[str], Any]) -> None:
    """Other outputs, loads and prices, known a millisecond after a decision."""
    rows = raw_rows("t_units")
    just_after = _decided_at(rows.market, DECISION) + timedelta(milliseconds=1)
    hours = rows.starts(FIRST, LAST, 60)
    rows.units("CYCLE", "gas", [(s, just_after, 7_000.0) for s in hours], ingested=LATER)
    rows.quantities("load", "actual", [(s, just_after, 1e5) for s in hours], ingested=LATER)
    rows.prices([(s, just_after, 1e3) for s in hours], ingested=LATER)


def _plant(frame: pl.DataFrame, unit: str, minutes: int) -> pl.DataFrame:
    return frame.filter(pl.col("product") == unit, pl.col("horizon_min") == minutes)


def test_every_decision_asks_for_every_horizon_of_units_that_are_committed(published: Features, test_markets: dict[str, Market]) -> None:
    frame, market = published("t_units", "ftr_unit_commit"), test_markets["t_units"]
    assert frame["product"].unique().sort().to_list() == ["BASE", "CYCLE"]
    assert frame["hub"].unique().to_list() == ["U"]
    assert frame["delivery_date"].min() == date(2024, 10, 10)
    decided = frame.filter(pl.col("delivery_date") <= LAST)["as_of"].dt.convert_time_zone(market.zone.key)
    assert decided.dt.hour().unique().to_list() == [6]  # on both sides of the clock change
    assert frame.select((pl.col("delivery_ts") - pl.col("as_of")).dt.total_minutes() == pl.col("horizon_min")).to_series().all()


def test_outcomes_of_the_hour_and_of_the_hours_before_it(published: Features) -> None:
    frame = published("t_units", "ftr_unit_commit").filter(pl.col("delivery_date").is_between(date(2024, 10, 12), LAST))
    near, far = _plant(frame, "CYCLE", 60), _plant(frame, "CYCLE", 1440)
    assert near.select(OUTCOMES[:4]).unique().rows() == [(1.0, 1.0, 0.0, 0.0)]  # from 6 to 7 it has started
    assert far.filter(pl.col("delivery_date") != date(2024, 10, 27)).select(OUTCOMES[:4]).unique().rows() == [(1.0, 1.0, 1.0, 100.0)]
    (autumn,) = far.filter(pl.col("delivery_date") == date(2024, 10, 27)).select("local_hour", *OUTCOMES[:4]).rows()
    assert autumn == (5, 0.0, 1.0, 1.0, 0.0)  # 24 hours after 6 o'clock it is 5
    assert (near["status_known_ts"] == near["delivery_ts"] + timedelta(hours=2)).all()


def test_a_gap_is_a_gap(published: Features) -> None:
    base = _plant(published("t_units", "ftr_unit_commit"), "BASE", 1440)
    after = base.filter(pl.col("delivery_date") == GAP + timedelta(days=1))
    assert after.select(OUTCOMES[:4]).rows() == [(1.0, None, None, 0.0)]
    assert base.filter(pl.col("delivery_date") == GAP + timedelta(days=2)).select(OUTCOMES[:3]).rows() == [(1.0, 0.0, 0.0)]


def test_what_was_known_of_the_unit_at_the_decision(published: Features) -> None:
    frame = published("t_units", "ftr_unit_commit").filter(pl.col("delivery_date") == date(2024, 10, 24))
    near, far = (_plant(frame, "CYCLE", minutes).row(0, named=True) for minutes in (60, 1440))
    for row in (near, far):
        assert (row["online_last"], row["status_age_min"], row["state_h"]) == (0.0, 120, 7)  # offline since 22, 4 o'clock is known
        assert (row["capacity_mw"], row["output_last_share"], row["ramp_last_mw"]) == (100.0, 0.0, 0.0)
        assert row["online_24h_share"] == 16 / 24
        assert (row["unit_class"], row["fleet_online_share"], row["fuel_online_share"]) == ("cycling", 0.5, 0.0)
        assert (row["online_hour_7d_share"], row["online_slot_28d_share"]) == (1.0, 1.0)
    assert (near["online_lag_1d"], near["online_lag_2d"], near["online_lag_7d"]) == (1.0, 1.0, 1.0)
    assert (far["online_lag_1d"], far["online_lag_2d"]) == (None, 1.0)  # what it does at 6 today is not known at 6
    assert (far["ramp_lag_1d_mw"], far["ramp_lag_7d_mw"]) == (None, 100.0)
    assert (near["load_lag_7d_mw"], near["load_lag_7d_ramp_mw"]) == (50_700.0, 100.0)
    assert near["price_da_ccy_per_mwh"] == near["price_now_ccy_per_mwh"] == 64.0
    assert (far["price_da_ccy_per_mwh"], far["price_now_ccy_per_mwh"]) == (None, 63.0)  # tomorrow's auction is at noon


def test_poison_after_a_decision_changes_nothing_it_knew(published: Features, poisoned: Features, test_markets: dict[str, Market]) -> None:
    decided = pl.col("as_of") <= _decided_at(test_markets["t_units"], DECISION)
    clean, bad = (f("t_units", "ftr_unit_commit").filter(decided) for f in (published, poisoned))
    assert_frame_equal(bad.drop(OUTCOMES), clean.drop(OUTCOMES), check_exact=True)
    known = clean.filter(pl.col("status_known_ts") <= _decided_at(test_markets["t_units"], DECISION))
    assert known.height > 0
    assert_frame_equal(bad.join(known.select("product", "delivery_ts", "as_of"), on=["product", "delivery_ts", "as_of"], how="semi"), known)
    seen = poisoned("t_units", "ftr_unit_commit").filter(pl.col("product") == "CYCLE", pl.col("delivery_date") == LAST)
    assert seen["capacity_mw"].max() == 7_000.0  # the poison was there to be found
