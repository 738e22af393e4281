"""Spread features: by hand on prices that tell their instant, across a clock change, and nothing from after the gate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from config.markets import Market

FIRST, LAST = date(2024, 9, 20), date(2024, 11, 3)
DECISION = date(2024, 10, 29)
OUTCOMES = ["price_ccy_per_mwh", "price_known_ts", "load_deviation_share", "deviation_known_ts"]
LATER = datetime(2024, 12, 31, 1, tzinfo=UTC)
Features = Callable[..., pl.DataFrame]


def publish(raw_rows: Callable[[str], Any]) -> None:
    """Day-ahead prices of 40, balancing prices of quarter hours whose mean is 40 + the day of the month, loads that miss by 2 %."""
    rows = raw_rows("t_spread")
    hours, quarters = rows.starts(FIRST, LAST, 60), rows.starts(FIRST, LAST, 15)
    gate = {d: rows.market.gate(d) for d in {rows.local_date(s) for s in hours}}
    rows.prices([(s, gate[rows.local_date(s)] + timedelta(minutes=45), 40.0) for s in hours])
    rt = [(s, s + timedelta(minutes=30), 40.0 + rows.local_date(s).day + (s.minute - 22.5)) for s in quarters]
    rows.prices([r for r in rt if r[0] != quarters[400]], product="rt", minutes=15)  # one quarter is missing: its hour is a gap
    rows.prices([(s, gate[rows.local_date(s)] - timedelta(hours=1), 5.0) for s in hours], hub="system", product="regup")
    rows.quantities("load", "forecast", [(s, gate[rows.local_date(s)] - timedelta(hours=3), 50_000.0) for s in hours])
    rows.quantities("load", "actual", [(s, s + timedelta(hours=2), 51_000.0) for s in hours])


def poison(raw_rows: Callable[[str], Any]) -> None:
    """Absurd prices and loads that are known a millisecond after a gate."""
    rows = raw_rows("t_spread")
    just_after = rows.market.gate(DECISION) + timedelta(milliseconds=1)
    quarters, hours = rows.starts(FIRST, LAST, 15), rows.starts(FIRST, LAST, 60)
    rows.prices([(s, just_after, 9_000.0) for s in quarters], product="rt", minutes=15, ingested=LATER)
    rows.prices([(s, just_after, 900.0) for s in hours], hub="system", product="regup", ingested=LATER)
    rows.quantities("load", "actual", [(s, max(just_after, s), 1e5) for s in hours], ingested=LATER)


def _known(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("delivery_date") <= DECISION).drop(OUTCOMES)


def test_the_spread_is_the_mean_of_whole_hours_known_when_both_prices_are(published: Features) -> None:
    frame = published("t_spread", "ftr_spread")
    known = frame.drop_nulls("price_ccy_per_mwh")
    assert frame.height - known.height == 1
    assert (known["price_ccy_per_mwh"] - known["delivery_date"].dt.day()).abs().max() < 1e-9
    last_quarter = known["delivery_ts"] + timedelta(minutes=75)
    assert (known["price_known_ts"] == last_quarter).all()
    assert frame["product"].unique().to_list() == ["spread"]
    assert frame.group_by("delivery_date").len().filter(pl.col("delivery_date") == date(2024, 10, 27))["len"].item() == 25


def test_lags_and_statistics_are_those_the_gate_knew(published: Features) -> None:
    day = published("t_spread", "ftr_spread").filter(pl.col("delivery_date") == date(2024, 10, 20)).sort("delivery_ts")
    lag_1d = day["price_lag_1d_ccy_per_mwh"].to_list()
    assert lag_1d[:10] == pytest.approx([19.0] * 10)  # 11:00 to 12:00 ends at the gate and is published after it
    assert lag_1d[11:] == [None] * 13
    assert day["price_lag_2d_ccy_per_mwh"].to_list() == pytest.approx([18.0] * 24)
    assert day["price_hour_mean_28d_ccy_per_mwh"][20] == pytest.approx(
        sum((date(2024, 10, 20) - timedelta(days=k)).day for k in range(2, 29)) / 27
    )
    assert day["price_hour_positive_28d_share"].unique().to_list() == [1.0]
    assert day["da_price_lag_1d_ccy_per_mwh"].unique().to_list() == [40.0]
    assert day["reserve_price_lag_1d_ccy_per_mwh"].unique().to_list() == [5.0]


def test_load_deviations_are_against_the_forecast_and_known_at_a_gate(published: Features) -> None:
    frame = published("t_spread", "ftr_spread").drop_nulls("load_deviation_share")
    assert (frame["load_deviation_share"] - 0.02).abs().max() < 1e-9
    assert frame.filter(pl.col("deviation_known_ts") < pl.col("delivery_ts") + pl.duration(hours=2)).height == 0
    later = frame.filter(pl.col("delivery_date") > FIRST + timedelta(days=3))
    assert later["load_deviation_abs_28d_share"].to_list() == pytest.approx([0.02] * later.height)


def test_poison_after_the_gate_changes_nothing(published: Features, poisoned: Features, test_markets: dict[str, Market]) -> None:
    before, after, gate = published("t_spread", "ftr_spread"), poisoned("t_spread", "ftr_spread"), test_markets["t_spread"].gate(DECISION)
    assert_frame_equal(_known(after), _known(before), check_exact=True)
    first = before.filter(pl.col("price_known_ts") <= gate).select("delivery_ts", *OUTCOMES[:2])
    assert_frame_equal(after.join(first.select("delivery_ts"), on="delivery_ts", how="semi").select(first.columns), first)
    seen = after.filter(pl.col("delivery_date") == DECISION + timedelta(days=1))
    assert seen["price_lag_1d_ccy_per_mwh"].max() > 1_000  # the poison was there to be found
