"""Nodal features: those of hubs against the intraday features of the same rows, those of nodes against values worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline_tasks.steps.transform import transform

FIRST, LAST = date(2024, 10, 28), date(2024, 11, 2)
KEY = ["market", "hub", "product", "delivery_ts", "as_of"]
SHARED = [
    *KEY,
    *("delivery_date", "local_hour", "local_minute", "dst_fold", "resolution_min", "horizon_min", "currency", "is_holiday"),
    *("price_ccy_per_mwh", "price_known_ts", "price_last_ccy_per_mwh", "price_last_age_min", "price_da_ccy_per_mwh"),
    *("price_before_1_ccy_per_mwh", "price_before_2_ccy_per_mwh", "price_before_5_ccy_per_mwh"),
    *("price_mean_60m_ccy_per_mwh", "price_std_60m_ccy_per_mwh", "load_forecast_mw", "wind_forecast_mw"),
]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def price_at(node: int, instant: datetime) -> float:
    return 20.0 * node + instant.hour + instant.minute / 60 + instant.day


def publish(raw_rows: Callable[[str], Any]) -> None:
    """Quarter hours of three nodes of two hubs, one of them absent for an hour; day-ahead prices beside them, hours long before."""
    rows = raw_rows("t_nodal")
    rows.prices([(s, s - timedelta(hours=20), 50.0) for s in rows.starts(FIRST, LAST, 60)], hub="NORTH")
    for node, hub in enumerate(("NORTH", "NORTH", "SOUTH")):
        rows.bus(f"bus_{node}", hub=hub, since=utc(2024, 1, 1))
        quarters = [s for s in rows.starts(FIRST, LAST, 15) if not (node == 2 and s.hour == 9)]
        real = [(s, s + timedelta(minutes=20), price_at(node, s)) for s in quarters]
        corrected = [(s, s + timedelta(days=1), 999.0) for s in quarters]
        rows.nodal_prices([*real, *corrected], node=f"bus_{node}", product="rt", minutes=15)
        hours = rows.starts(date(2024, 10, 20), LAST, 60)
        rows.nodal_prices([(s, s - timedelta(hours=20), 50.0 + node) for s in hours], node=f"bus_{node}", product="da", minutes=60)
        coarse = [(s, s + timedelta(hours=2), -77.0) for s in hours]
        rows.nodal_prices(coarse, node=f"bus_{node}", product="rt", minutes=60)  # longer than the market decides on


@pytest.fixture(scope="module")
def nodal(published: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    return published("t_nodal", "ftr_nodal")


def one(frame: pl.DataFrame, node: str, delivery: datetime) -> dict[str, Any]:
    found = frame.filter((pl.col("product") == node) & (pl.col("delivery_ts") == delivery))
    assert found.height == 1
    return found.row(0, named=True)


def test_hubs_without_nodes_see_what_intraday_features_see(published: Callable[..., pl.DataFrame]) -> None:
    nodal, intraday = published("t_quarter", "ftr_nodal"), published("t_quarter", "ftr_intraday")
    assert nodal["hub"].unique().to_list() == ["Q"]  # the hours of R are longer than the market decides on
    first = nodal["delivery_ts"].min()
    same = intraday.filter((pl.col("hub") == "Q") & (pl.col("delivery_ts") >= first))
    assert nodal.height > 2000
    assert_frame_equal(nodal.select(SHARED), same.select(SHARED), rel_tol=1e-9)


def test_rows_of_nodes_stand_under_their_hubs(nodal: pl.DataFrame) -> None:
    where = nodal.select(pl.col("hub").cast(pl.String), pl.col("product").cast(pl.String)).unique().sort("product").rows()
    assert where == [("NORTH", "bus_0"), ("NORTH", "bus_1"), ("SOUTH", "bus_2")]
    assert (nodal["local_minute"] % 30).unique().to_list() == [0]
    lead = nodal.select((pl.col("delivery_ts") - pl.col("as_of")).dt.total_minutes().unique()).to_series().to_list()
    assert lead == [30]


def test_known_prices_of_a_node(nodal: pl.DataFrame) -> None:
    row = one(nodal, "bus_1", utc(2024, 10, 31, 15, 30))
    last = utc(2024, 10, 31, 14, 30)  # decided at 15:00; 14:45 is published at 15:05
    assert row["price_last_ccy_per_mwh"] == price_at(1, last)
    assert row["price_last_age_min"] == 60
    assert row["price_before_1_ccy_per_mwh"] == price_at(1, last - timedelta(minutes=15))
    assert row["price_ccy_per_mwh"] == price_at(1, utc(2024, 10, 31, 15, 30))  # the correction came later
    assert row["price_lag_1d_ccy_per_mwh"] == price_at(1, utc(2024, 10, 30, 15, 30))
    assert (row["price_da_ccy_per_mwh"], row["price_last_da_ccy_per_mwh"]) == (51.0, 51.0)
    assert row["price_system_last_ccy_per_mwh"] == pytest.approx(sum(price_at(n, last) for n in range(3)) / 3, rel=1e-12)
    assert row["is_apart"] == 0
    assert one(nodal, "bus_2", utc(2024, 10, 31, 15, 30))["is_apart"] == 1


def test_a_gap_of_one_node_is_a_gap(nodal: pl.DataFrame) -> None:
    row = one(nodal, "bus_2", utc(2024, 10, 31, 10, 30))
    assert row["price_last_ccy_per_mwh"] == price_at(2, utc(2024, 10, 31, 8, 45))
    assert row["price_last_age_min"] == 105
    assert one(nodal, "bus_2", utc(2024, 10, 31, 9, 30))["price_ccy_per_mwh"] is None


def test_no_target_is_known_before_its_decision(nodal: pl.DataFrame) -> None:
    known = nodal.filter(pl.col("price_known_ts").is_not_null())
    assert known.height > 500
    assert known.filter(pl.col("price_known_ts") <= pl.col("as_of")).height == 0


def test_rebuilding_one_month_gives_the_same_rows(nodal: pl.DataFrame, features: Callable[[str], pl.DataFrame]) -> None:
    transform("staging", "intermediate", "features", market="t_nodal", end_date=LAST, run_id="whole")
    before = features("ftr_nodal")
    assert before.height >= nodal.height
    transform("intermediate", "features", market="t_nodal", start_date=date(2024, 11, 1), end_date=LAST, run_id="again")
    assert_frame_equal(features("ftr_nodal"), before, check_exact=True)


def test_poison_after_the_decision_changes_nothing(published: Callable[..., pl.DataFrame], poisoned: Callable[..., pl.DataFrame]) -> None:
    cut, target = utc(2024, 11, 1, 16), ["price_ccy_per_mwh", "price_known_ts"]
    before, after = published("t_quarter", "ftr_nodal"), poisoned("t_quarter", "ftr_nodal")
    early = pl.col("as_of") <= cut
    assert_frame_equal(after.filter(early).drop(target), before.filter(early).drop(target), check_exact=True)
    assert 1e4 in after.filter(~early)["price_last_ccy_per_mwh"].to_list()  # the poison was there to be found
