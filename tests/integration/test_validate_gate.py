"""The gate at work on the embedded server: what passes, what warns, what blocks, and what is written down."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from config.markets import resolve_market
from pipeline_tasks.catalog import table_named
from pipeline_tasks.contracts import FEATURE_TABLES, TS_DTYPE, Table
from pipeline_tasks.contracts.raw import PRICES, QUANTITIES
from pipeline_tasks.steps.validate import GateBlocked, build_data_docs, validate
from pipeline_tasks.warehouse import Warehouse
from pipeline_tasks.warehouse.ddl import create_table_sql

MARKET, HUB = "epf_fr", "FR"
LAST = date(2031, 3, 31)  # no real data set reaches this far: nothing else writes to this market
LOADS = itertools.count()  # each load differs, or the exactly-once window would drop it as a repetition
FEATURES, ANCILLARY = table_named("features.ftr_day_ahead"), table_named("features.ftr_ancillary")


def hours(days: int) -> pl.Series:
    _, end = resolve_market(MARKET).market.day_bounds(LAST)
    return pl.datetime_range(end - timedelta(days=days), end, "1h", closed="left", time_unit="ms", time_zone="UTC", eager=True)


def provenance(rows: int) -> list[pl.Series]:
    return [
        pl.Series("source", ["test"] * rows),
        pl.Series("source_object", ["made"] * rows),
        pl.Series("row_sha", [f"{i:064x}" for i in range(rows)]),
        pl.Series("ingested_ts", [datetime(2031, 4, 1, tzinfo=UTC) + timedelta(seconds=next(LOADS))] * rows, dtype=TS_DTYPE),
    ]


def prices(days: int = 60) -> pl.DataFrame:
    """Hourly day-ahead prices, published at 13:00 on the day before."""
    ts = hours(days)
    rng = np.random.default_rng(7)
    local = ts.dt.convert_time_zone("Etc/GMT-1")
    known = (local.dt.truncate("1d") - timedelta(hours=11)).dt.convert_time_zone("UTC")
    return pl.DataFrame(
        [
            pl.Series("market", [MARKET] * ts.len()),
            pl.Series("hub", [HUB] * ts.len()),
            pl.Series("product", ["da"] * ts.len()),
            ts.alias("delivery_ts"),
            pl.Series("resolution_min", [60] * ts.len(), dtype=pl.Int64),
            known.alias("known_ts").cast(TS_DTYPE),
            pl.Series("currency", ["EUR"] * ts.len()),
            pl.Series("price_ccy_per_mwh", rng.normal(50, 20, ts.len())),
            *(
                pl.Series(n, [None] * ts.len(), dtype=pl.Float64)
                for n in ("energy_ccy_per_mwh", "congestion_ccy_per_mwh", "loss_ccy_per_mwh")
            ),
            *provenance(ts.len()),
        ]
    )


def forecasts(days: int = 60) -> pl.DataFrame:
    ts = hours(days)
    return pl.DataFrame(
        [
            pl.Series("market", [MARKET] * ts.len()),
            pl.Series("area", ["system"] * ts.len()),
            pl.Series("quantity", ["load"] * ts.len()),
            pl.Series("kind", ["forecast"] * ts.len()),
            ts.alias("delivery_ts"),
            pl.Series("resolution_min", [60] * ts.len(), dtype=pl.Int64),
            (ts - timedelta(days=2)).alias("known_ts"),
            pl.Series("unit", ["MW"] * ts.len()),
            pl.Series("value", np.random.default_rng(8).normal(50_000, 500, ts.len())),
            *provenance(ts.len()),
        ]
    )


@pytest.fixture
def market(warehouse: Warehouse) -> Iterator[Warehouse]:
    """A warehouse without rows of the test's market, before and after."""
    for table in FEATURE_TABLES:
        warehouse.command(create_table_sql(table))

    def clear() -> None:
        for table in ("raw.prices", "raw.quantities", *(t.full_name for t in FEATURE_TABLES)):
            if warehouse.scalar(f"select count() from {table} where market = '{MARKET}'"):  # a delete takes long even of nothing
                warehouse.command(f"delete from {table} where market = '{MARKET}'")

    clear()
    yield warehouse
    clear()


def gate(run_id: str, layer: str = "raw", market: str = MARKET) -> dict[str, object]:
    return validate(layer, market=market, run_id=run_id, end_date=LAST)  # type: ignore[arg-type]


def results(wh: Warehouse, run_id: str) -> pl.DataFrame:
    return wh.query("select * from ops.check_results where run_id = {r:String}", {"r": run_id})


def test_good_rows_open_the_gate(market: Warehouse) -> None:
    market.insert(PRICES, prices())
    market.insert(QUANTITIES, forecasts())
    answer = gate("good")
    assert (answer["status"], answer["failed"], answer["warnings"]) == ("OK", 0, [])
    assert answer["rows_checked"] == {"raw.prices": 1440, "raw.quantities": 1440}
    written = results(market, "good")
    assert written.height == answer["checks"]
    assert written["success"].all()
    bounds = written.filter((pl.col("check_name") == "bounds") & (pl.col("column_name") == "price_ccy_per_mwh"))
    assert bounds["rows_checked"].to_list() == [1440]


def test_an_empty_market_blocks(market: Warehouse) -> None:
    with pytest.raises(GateBlocked, match=r"(?s)market epf_fr.*history_present") as caught:
        gate("empty")
    assert "Ingest" in str(caught.value)
    assert caught.value.breaks[0].table == "raw.prices"
    with pytest.raises(GateBlocked, match="market_has_prices"):
        validate("raw", market=MARKET, run_id="empty2")
    assert results(market, "empty2").height == 1


def test_a_broken_row_blocks_with_table_rule_count_and_remedy(market: Warehouse) -> None:
    bad = prices().with_columns(
        known_ts=pl.when(pl.int_range(pl.len()) < 3).then(pl.lit(datetime(1975, 1, 1, tzinfo=UTC)).cast(TS_DTYPE)).otherwise("known_ts")
    )
    market.insert(PRICES, bad)
    with pytest.raises(GateBlocked) as caught:
        gate("broken")
    names = {b.check: b.rows_failed for b in caught.value.breaks}
    assert names == {"known_ts_plausible": 3, "known_ts_not_too_early": 3}
    assert "raw.prices: known_ts_plausible failed for 3 of 1440" in str(caught.value)
    failed = results(market, "broken").filter(~pl.col("success"))
    assert set(failed["check_name"]) == set(names)
    assert json.loads(failed["detail_json"][0])["remedy"]


def test_gate_blocked_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(GateBlocked.of("raw", "x", [])))  # noqa: S301
    assert isinstance(again, GateBlocked)
    assert "gate raw is shut" in str(again)


def test_nothing_after_the_decided_date_is_looked_at(market: Warehouse) -> None:
    rows = prices()
    market.insert(
        PRICES,
        rows.with_columns(price_ccy_per_mwh=pl.when(pl.int_range(pl.len()) >= 1416).then(9e3).otherwise(50.0 + pl.int_range(pl.len()) % 7)),
    )
    earlier = validate("raw", market=MARKET, run_id="earlier", end_date=LAST - timedelta(days=1))
    assert earlier["warnings"] == []
    assert "price_within_market_limits" in " ".join(gate("later")["warnings"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spoil", "rule", "status"),
    [
        (lambda f: f.filter((pl.int_range(pl.len()) < 900) | (pl.int_range(pl.len()) > 1000)), "hours_missing_last_30_days", "DEGRADED"),
        (lambda f: f.head(1440 - 24 * 4), "fresh_at_gate", "DEGRADED"),
        (lambda f: f.with_columns(price_ccy_per_mwh=pl.when(pl.int_range(pl.len()).is_between(1200, 1240)).then(33.3).otherwise("price_ccy_per_mwh")), "price_not_stuck", "OK"),
        (lambda f: pl.concat([f, f.head(5).with_columns(price_ccy_per_mwh=pl.lit(1.0))]), "unique_key", "OK"),
    ],
)  # fmt: skip
def test_warnings_are_returned_and_some_degrade(market: Warehouse, spoil, rule: str, status: str) -> None:
    market.insert(PRICES, spoil(prices()))
    answer = gate(f"warn-{rule}")
    assert any(f": {rule} failed" in w for w in answer["warnings"]), answer
    assert answer["status"] == status
    assert (rule in str(answer["reason"])) == (status == "DEGRADED")


def test_a_missing_forecast_degrades(market: Warehouse) -> None:
    market.insert(PRICES, prices())
    market.insert(QUANTITIES, forecasts().head(1440 - 24))
    answer = gate("noforecast")
    assert answer["status"] == "DEGRADED"
    assert "forecasts_present_for_delivery_date" in str(answer["reason"])
    assert "system load: 1 share of the day missing" in str(answer["reason"])


def features(days: int = 60, hub: str = HUB, table: Table = FEATURES, product: str = "da") -> pl.DataFrame:
    ts = hours(days)
    known = {c.name: c for c in table.columns}
    local = ts.dt.convert_time_zone("Etc/GMT-1")
    gate_ts = (local.dt.truncate("1d") - timedelta(hours=12, minutes=30)).dt.convert_time_zone("UTC").cast(TS_DTYPE)
    values = {
        "market": pl.lit(MARKET), "hub": pl.lit(hub), "product": pl.lit(product), "delivery_ts": pl.lit(ts), "delivery_date": pl.lit(local.dt.date()),
        "local_hour": pl.lit(local.dt.hour().cast(pl.Int64)), "resolution_min": pl.lit(60, dtype=pl.Int64), "as_of": pl.lit(gate_ts),
        "currency": pl.lit("EUR"), "price_lag_7d_ccy_per_mwh": pl.lit(40.0), "day_of_week": pl.lit(local.dt.weekday().cast(pl.Int64)),
        "month": pl.lit(local.dt.month().cast(pl.Int64)), "day_of_year": pl.lit(local.dt.ordinal_day().cast(pl.Int64)),
        "load_forecast_mw": pl.lit(50_000.0),
    }  # fmt: skip
    base = pl.DataFrame({"n": range(ts.len())})
    for name, column in known.items():
        default = None if column.nullable else {pl.Int64(): 0, pl.Boolean(): False, pl.String(): ""}.get(column.type.polars, 0.0)
        base = base.with_columns(values.get(name, pl.lit(default, dtype=column.type.polars)).alias(name))
    return base.select(table.column_names)


def test_features_gate(market: Warehouse) -> None:
    market.insert(PRICES, prices())
    market.insert(FEATURES, features())
    answer = gate("ftr", "features")
    assert (answer["status"], answer["rows_checked"]) == ("OK", {"features.ftr_day_ahead": 1440}), answer


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda f: pl.concat([f, f.tail(2)]), "unique_key"),
        (lambda f: f.with_columns(local_hour=pl.lit(24, dtype=pl.Int64)), "bounds"),
        (lambda f: f.with_columns(as_of=pl.col("delivery_ts") + pl.duration(hours=1)), "decided_at_the_gate"),
        (lambda f: f.with_columns(price_ccy_per_mwh=pl.lit(1.0)), "target_has_known_ts"),
        (lambda f: f.head(1440 - 24), "rows_for_delivery_date"),
    ],
)
def test_features_gate_blocks(market: Warehouse, spoil, rule: str) -> None:
    market.insert(PRICES, prices())
    market.insert(FEATURES, spoil(features()))
    with pytest.raises(GateBlocked, match=rule):
        gate(f"ftr-{rule}", "features")


def test_a_reserve_product_without_its_lags_degrades_and_one_without_known_ts_blocks(market: Warehouse) -> None:
    market.insert(PRICES, prices())
    market.insert(FEATURES, features())
    rows = pl.concat([features(table=ANCILLARY, product=product) for product in ("da", "regup")])
    today = (pl.col("delivery_date") == LAST) & (pl.col("product") == "regup")
    market.insert(ANCILLARY, rows.with_columns(price_lag_7d_ccy_per_mwh=pl.when(~today).then("price_lag_7d_ccy_per_mwh")))
    answer = gate("reserve", "features")
    assert answer["status"] == "DEGRADED"
    assert "price_lags_present" in str(answer["reason"])
    assert f"{HUB} regup: 1 share of the day missing" in str(answer["reason"])
    assert f"{HUB} da:" not in str(answer["reason"])
    market.insert(ANCILLARY, rows.filter(today).with_columns(price_ccy_per_mwh=pl.lit(1.0)))
    with pytest.raises(GateBlocked, match=r"(?s)features.ftr_ancillary.price_known_ts: target_has_known_ts failed for 24 of 24"):
        gate("reserve-early", "features")


def test_data_docs_work_without_a_network(market: Warehouse) -> None:
    market.insert(PRICES, prices(3))
    validate("raw", market=MARKET, run_id="nightly:docs:2031-03-31", end_date=LAST)
    index = build_data_docs()
    pages = list(Path(index).parent.rglob("*.html"))
    assert any("raw_prices" in str(p) for p in pages)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<script" not in text
        assert 'rel="stylesheet" href="http' not in text
        assert 'src="http' not in text
