"""Ancillary features: rows per hub and product from the first reserve price on, system prices for every hub, nothing from after the gate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from config.markets import Market

FIRST, RESERVES_FROM, LAST = date(2024, 9, 10), date(2024, 9, 20), date(2024, 11, 3)
DECISION, CHANGE = date(2024, 10, 29), date(2024, 10, 25)
OUTCOMES = ["price_ccy_per_mwh", "price_known_ts"]
LATER = datetime(2024, 12, 31, 1, tzinfo=UTC)
Features = Callable[..., pl.DataFrame]


def publish(raw_rows: Callable[[str], Any]) -> None:
    """Energy of 40 + the day of the month at A, one more at B and C; upward reserve of the day of the month, downward half of it."""
    rows = raw_rows("t_reserve")
    hours = rows.starts(FIRST, LAST, 60)
    gate = {d: rows.market.gate(d) for d in {rows.local_date(s) for s in hours}}
    for k, hub in enumerate("ABC"):
        rows.prices([(s, gate[d] + timedelta(minutes=45), 40.0 + d.day + min(k, 1)) for s in hours for d in [rows.local_date(s)]], hub=hub)
    for product, factor in (("regup", 1.0), ("regdn", 0.5)):
        quoted = [(s, gate[d] + timedelta(minutes=50), factor * d.day) for s in hours for d in [rows.local_date(s)] if d >= RESERVES_FROM]
        rows.prices(quoted, hub="system", product=product)
        rows.prices([(s, k, 999.0) for s, k, _ in quoted], hub="elsewhere", product=product)


def poison(raw_rows: Callable[[str], Any]) -> None:
    """Absurd prices that are known a millisecond after a gate."""
    rows = raw_rows("t_reserve")
    just_after, hours = rows.market.gate(DECISION) + timedelta(milliseconds=1), rows.starts(RESERVES_FROM, LAST, 60)
    rows.prices([(s, just_after, 900.0) for s in hours], hub="system", product="regup", ingested=LATER)
    rows.prices([(s, just_after, 9_000.0) for s in hours], hub="A", ingested=LATER)


def test_rows_are_of_every_product_at_the_hubs_named_since_reserves_are_quoted(published: Features) -> None:
    frame = published("t_reserve", "ftr_ancillary")
    assert frame["delivery_date"].min() == RESERVES_FROM
    counts = frame.group_by("hub", "product").len().sort("hub", "product")
    assert counts["hub"].to_list() == ["A"] * 3 + ["B"] * 3
    assert counts["product"].to_list() == ["da", "regdn", "regup"] * 2
    assert counts["len"].n_unique() == 1
    assert frame.filter(pl.col("product") == "regup", pl.col("delivery_date") == date(2024, 10, 27), pl.col("hub") == "A").height == 25
    expected = pl.when(pl.col("product") == "da").then(40.0 + pl.col("delivery_date").dt.day() + (pl.col("hub") == "B"))
    expected = (
        expected.when(pl.col("product") == "regup").then(pl.col("delivery_date").dt.day()).otherwise(pl.col("delivery_date").dt.day() / 2)
    )
    assert frame.select((pl.col("price_ccy_per_mwh") - expected).abs().max()).item() < 1e-9
    assert (frame["is_energy"] == (frame["product"] == "da")).all()
    assert (frame["reserve_regime"] == (frame["delivery_date"] >= CHANGE).cast(pl.Int64)).all()


def test_lags_and_statistics_are_the_products_own(published: Features) -> None:
    day = published("t_reserve", "ftr_ancillary").filter(pl.col("delivery_date") == date(2024, 10, 20), pl.col("hub") == "B")
    means = {"da": (41.0, 1.0), "regup": (0.0, 1.0), "regdn": (0.0, 0.5)}
    for product, (level, factor) in means.items():
        rows = day.filter(pl.col("product") == product)
        for k in (1, 2, 3, 7, 14):
            assert rows[f"price_lag_{k}d_ccy_per_mwh"].to_list() == pytest.approx([level + factor * (20 - k)] * 24)
        assert rows["price_hour_mean_7d_ccy_per_mwh"].to_list() == pytest.approx([level + factor * 16] * 24)
        assert rows["price_mean_7d_ccy_per_mwh"].to_list() == pytest.approx([level + factor * 16] * 24)
        assert rows["price_max_7d_ccy_per_mwh"].to_list() == pytest.approx([level + factor * 19] * 24)
        assert rows["energy_price_lag_1d_ccy_per_mwh"].to_list() == pytest.approx([60.0] * 24)
        assert rows["reserve_price_lag_1d_ccy_per_mwh"].to_list() == pytest.approx([(19 + 9.5 + 999 * 2) / 4] * 24)


def test_poison_after_the_gate_changes_nothing(published: Features, poisoned: Features, test_markets: dict[str, Market]) -> None:
    before, after = published("t_reserve", "ftr_ancillary"), poisoned("t_reserve", "ftr_ancillary")
    gate = test_markets["t_reserve"].gate(DECISION)
    known = pl.col("delivery_date") <= DECISION
    assert_frame_equal(after.filter(known).drop(OUTCOMES), before.filter(known).drop(OUTCOMES), check_exact=True)
    first = before.filter(pl.col("price_known_ts") <= gate).select("hub", "product", "delivery_ts", *OUTCOMES)
    again = after.join(first.select("hub", "product", "delivery_ts"), on=["hub", "product", "delivery_ts"], how="semi")
    assert_frame_equal(again.select(first.columns), first)
    later = after.filter(pl.col("delivery_date") > DECISION + timedelta(days=1), pl.col("product") == "regup")
    assert later["price_ccy_per_mwh"].max() == 900.0  # the poison was there to be found: prices that nobody knew before it
