"""Leak test: nothing known after as_of changes a feature; the target columns are the only ones that may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from config.markets import Market

FIRST, LAST = date(2024, 9, 20), date(2024, 11, 3)
DECISION = date(2024, 10, 29)
TARGET = ["price_ccy_per_mwh", "price_known_ts"]
LATER = datetime(2024, 12, 31, 1, tzinfo=UTC)
Features = Callable[..., pl.DataFrame]


def publish(raw_rows: Callable[[str], Any]) -> None:
    """Six weeks over a clock change: prices of two hubs, forecasts, actuals, gas."""
    rows = raw_rows("t_leak")
    starts = rows.starts(FIRST, LAST, 60)
    gate = {d: rows.market.gate(d) for d in {rows.local_date(s) for s in starts}}
    for hub, base in (("L", 40.0), ("M", 55.0)):
        prices = [(s, gate[rows.local_date(s)] + timedelta(minutes=45), base + s.hour + s.day / 10) for s in starts]
        rows.prices(prices, hub=hub)
    for quantity, level in (("load", 50_000.0), ("wind", 9_000.0)):
        rows.quantities(quantity, "forecast", [(s, gate[rows.local_date(s)] - timedelta(hours=3), level + s.hour) for s in starts])
        rows.quantities(quantity, "actual", [(s, s + timedelta(hours=2), level + 50) for s in starts])
    days = [datetime(2024, 9, 20, tzinfo=UTC) + timedelta(days=i) for i in range(45)]
    rows.gas([(d, d + timedelta(hours=18), 30.0 + d.day) for d in days])


def poison(raw_rows: Callable[[str], Any]) -> None:
    """Absurd corrections of it all, known a millisecond after a gate."""
    rows = raw_rows("t_leak")
    gate = rows.market.gate(DECISION)
    starts, just_after = rows.starts(FIRST, LAST, 60), gate + timedelta(milliseconds=1)
    for hub in ("L", "M"):
        rows.prices([(s, just_after, 1e4) for s in starts], hub=hub, ingested=LATER)
    future = [s for s in starts if s + timedelta(hours=1) > just_after]
    for quantity in ("load", "wind"):
        rows.quantities(quantity, "forecast", [(s, just_after, 1e5) for s in future], ingested=LATER)
        rows.quantities(quantity, "actual", [(s, max(just_after, s), 1e5) for s in starts], ingested=LATER)
    rows.gas([(gate - timedelta(hours=3), just_after, 9_000.0)])


def _known(frame: pl.DataFrame) -> pl.DataFrame:
    """Everything that was decided on up to the decision, less the target."""
    return frame.filter(pl.col("delivery_date") <= DECISION).drop(TARGET)


def test_poison_after_the_gate_and_nothing_after_it_give_the_same_past(
    published: Features, poisoned: Features, test_markets: dict[str, Market]
) -> None:
    clean, bad, gate = published("t_leak"), poisoned("t_leak"), test_markets["t_leak"].gate(DECISION)
    assert_frame_equal(_known(bad), _known(clean), check_exact=True)
    first = clean.filter(pl.col("price_known_ts") <= gate)
    assert first.height > 0
    assert first.filter(pl.col("price_known_ts") <= pl.col("as_of")).height == 0
    assert_frame_equal(
        bad.join(first.select("hub", "delivery_ts"), on=["hub", "delivery_ts"], how="semi").select(TARGET), first.select(TARGET)
    )
    seen = bad.filter(pl.col("delivery_date") == DECISION + timedelta(days=1))
    assert seen["price_lag_3d_ccy_per_mwh"].unique().to_list() == [1e4]  # the poison was there to be found
