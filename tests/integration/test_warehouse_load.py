"""Loads: every row is counted once, stored once, and comes back as it was sent."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_tasks.contracts import RAW_TABLES, Column, ColumnType, Table
from pipeline_tasks.contracts.raw import PRICES, PROVENANCE
from pipeline_tasks.warehouse import Warehouse
from pipeline_tasks.warehouse import load as load_module
from pipeline_tasks.warehouse.client import connect
from pipeline_tasks.warehouse.load import load_raw
from pipeline_tasks.warehouse.once import LostInsertError, insert_once, token_of
from pipeline_tasks.warehouse.validation import delivered_columns

START = datetime(2024, 1, 1, tzinfo=UTC)


def prices(hub: str, n: int = 48, **columns: pl.Expr) -> pl.DataFrame:
    frame = pl.DataFrame({"delivery_ts": [START + timedelta(hours=k) for k in range(n)]}, schema={"delivery_ts": pl.Datetime("ms", "UTC")})
    frame = frame.with_row_index("i").with_columns(
        market=pl.lit("it"),
        hub=pl.lit(hub),
        product=pl.lit("da"),
        resolution_min=pl.lit(60, dtype=pl.Int64),
        known_ts=pl.col("delivery_ts") - pl.duration(hours=12),
        currency=pl.lit("EUR"),
        price_ccy_per_mwh=pl.col("i").cast(pl.Float64),
        **{n: pl.lit(None, dtype=pl.Float64) for n in ("energy_ccy_per_mwh", "congestion_ccy_per_mwh", "loss_ccy_per_mwh")},
    )
    return frame.with_columns(**columns).drop("i")


def load(wh: Warehouse, frame: pl.DataFrame, name: str) -> tuple[int, int, int, int]:
    result = load_raw(wh, PRICES, frame, source="test", source_object=name, market="it")
    return result.rows_read, result.rows_loaded, result.rows_quarantined, result.rows_duplicate


def count(wh: Warehouse, table: str, name: str) -> int:
    return int(wh.scalar(f"select count() from {table} where source_object = {{o:String}}", {"o": name}))


def test_counts_add_up_and_bad_rows_keep_every_broken_rule(warehouse: Warehouse) -> None:
    bad = pl.col("i") < 3
    frame = prices(
        "CNT",
        price_ccy_per_mwh=pl.when(bad).then(1e9).otherwise(pl.col("i") * 1.0),
        currency=pl.when(bad).then(None).otherwise(pl.lit("EUR")),
    )
    frame = pl.concat([frame, frame.slice(10, 4), frame.slice(20, 2).with_columns(price_ccy_per_mwh=pl.lit(-1.0))])
    assert load(warehouse, frame, "cnt") == (54, 43, 7, 4)
    assert (count(warehouse, "raw.prices", "cnt"), count(warehouse, "quarantine.prices", "cnt")) == (43, 7)
    rules = warehouse.query(
        "select broken_rules, row_number, row_json from quarantine.prices where source_object = 'cnt' order by row_number"
    )
    assert rules["broken_rules"].to_list() == ["currency.null,price_ccy_per_mwh.above_maximum"] * 3 + ["duplicate_key"] * 4
    assert rules["row_number"].to_list() == [0, 1, 2, 20, 21, 52, 53]
    assert '"price_ccy_per_mwh":"1000000000.0"' in rules["row_json"][0]


def test_a_repeated_load_adds_nothing(warehouse: Warehouse) -> None:
    frame = prices("REP", price_ccy_per_mwh=pl.when(pl.col("i") == 5).then(1e9).otherwise(1.0))
    first = load_raw(warehouse, PRICES, frame, source="test", source_object="rep", market="it")
    again = load_raw(warehouse, PRICES, frame, source="test", source_object="rep", market="it")
    assert (first.rows_loaded, first.rows_quarantined, first.rows_duplicate) == (47, 1, 0)
    assert (again.load_id, again.rows_loaded, again.rows_quarantined, again.rows_duplicate) == (first.load_id, 0, 1, 47)
    assert (count(warehouse, "raw.prices", "rep"), count(warehouse, "quarantine.prices", "rep"), count(warehouse, "ops.loads", "rep")) == (
        47,
        1,
        1,
    )


def test_an_object_that_grew_loads_only_its_new_rows(warehouse: Warehouse) -> None:
    assert load(warehouse, prices("GRW", 24), "grw") == (24, 24, 0, 0)
    assert load(warehouse, prices("GRW", 48), "grw") == (48, 24, 0, 24)
    assert load(warehouse, prices("GRW", 48), "grw under another name") == (48, 0, 0, 48)


def test_a_changed_value_needs_a_later_known_ts(warehouse: Warehouse) -> None:
    load(warehouse, prices("KEY", 24), "key")
    changed = prices("KEY", 24, price_ccy_per_mwh=pl.when(pl.col("i") == 7).then(99.0).otherwise(pl.col("i") * 1.0))
    assert load(warehouse, changed, "key") == (24, 0, 1, 23)
    rule = warehouse.scalar("select broken_rules from quarantine.prices where source_object = 'key'")
    assert rule == "key_already_loaded"
    corrected = changed.with_columns(known_ts=pl.col("known_ts") + pl.duration(hours=1))
    assert load(warehouse, corrected, "key") == (24, 24, 0, 0)


def test_a_dropped_partition_can_be_loaded_again(warehouse: Warehouse) -> None:
    frame = prices("DRP", 24).with_columns(market=pl.lit("it_drop"))
    for _ in range(2):
        assert load(warehouse, frame, "drp") == (24, 24, 0, 0)
        warehouse.command("alter table raw.prices drop partition tuple('it_drop', 2024)")
    assert warehouse.scalar("select count() from ops.loads where source_object = 'drp'") == 2


def test_a_load_interrupted_at_any_insert_is_completed_by_the_next(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_module, "BLOCK_ROWS", 10)
    original, name = Warehouse.insert, "int"
    frame = prices("INT", price_ccy_per_mwh=pl.when(pl.col("i") == 5).then(1e9).otherwise(pl.col("i") * 1.0))
    for stop_at in range(1, 12):
        calls = 0

        def insert(self: Warehouse, table: Table, rows: pl.DataFrame, *, token: str | None = None, stop_at: int = stop_at) -> int:
            nonlocal calls
            calls += 1
            if calls == stop_at:
                raise ConnectionError("killed")
            return original(self, table, rows, token=token)

        object_name, hub = f"{name}{stop_at}", f"INT{stop_at}"
        rows = frame.with_columns(hub=pl.lit(hub))
        monkeypatch.setattr(Warehouse, "insert", insert)
        with suppress(ConnectionError):
            load(warehouse, rows, object_name)
        monkeypatch.setattr(Warehouse, "insert", original)
        load(warehouse, rows, object_name)
        assert count(warehouse, "raw.prices", object_name) == 47
        assert warehouse.scalar("select uniqExact(row_sha) from raw.prices where source_object = {o:String}", {"o": object_name}) == 47
        assert count(warehouse, "quarantine.prices", object_name) == 1
        sums = warehouse.query(
            "select rows_loaded, rows_quarantined, rows_duplicate from ops.loads where source_object = {o:String}", {"o": object_name}
        )
        assert sums.rows() == [(47, 1, 0)]


def test_an_insert_still_under_way_and_its_retry_are_one(warehouse: Warehouse) -> None:
    """The predecessor's block lands after the retry has looked and before it inserts."""
    late: list[tuple[Table, pl.DataFrame, str | None]] = []
    original = Warehouse.insert

    class DiedError(Exception):
        pass

    class Dying(Warehouse):
        def insert(self, table: Table, frame: pl.DataFrame, *, token: str | None = None) -> int:
            if table is PRICES:
                late.append((table, frame, token))
                raise DiedError
            return original(self, table, frame, token=token)

    class Late(Warehouse):
        def insert(self, table: Table, frame: pl.DataFrame, *, token: str | None = None) -> int:
            while late:
                old_table, rows, old_token = late.pop()
                original(self, old_table, rows, token=old_token)
            return original(self, table, frame, token=token)

    frame = prices("LATE")
    with pytest.raises(DiedError):
        load(Dying(warehouse.endpoint, warehouse.lock_folder), frame, "late")
    assert load(Late(warehouse.endpoint, warehouse.lock_folder), frame, "late") == (48, 48, 0, 0)
    assert count(warehouse, "raw.prices", "late") == 48


def test_a_token_without_rows_does_not_lose_them(warehouse: Warehouse) -> None:
    """A server that died between recording a token and keeping the part drops each later insert of that token."""
    frame = prices("ORPHAN", 5).with_columns(
        source=pl.lit("t"), source_object=pl.lit("orphan"), row_sha=pl.lit("x"), ingested_ts=pl.lit(START)
    )
    frame = frame.with_columns(market=pl.lit("it_orphan"), ingested_ts=pl.col("ingested_ts").cast(pl.Datetime("ms", "UTC")))
    other = frame.with_columns(source_object=pl.lit("holder of the token"))
    warehouse.insert(PRICES, other, token=token_of("orphan"))

    def absent() -> pl.DataFrame:
        return frame.clear() if count(warehouse, "raw.prices", "orphan") == 5 else frame

    insert_once(warehouse, PRICES, frame, token=token_of("orphan"), absent=absent)
    assert count(warehouse, "raw.prices", "orphan") == 5
    with pytest.raises(LostInsertError, match="5 of 5 rows are absent"):
        insert_once(warehouse, PRICES, frame, token=token_of("never"), absent=lambda: frame)


def test_a_block_that_vanished_behind_its_acknowledgement_is_sent_again(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_module, "BLOCK_ROWS", 10)
    original, swallowed = Warehouse.insert, []

    def insert(self: Warehouse, table: Table, rows: pl.DataFrame, *, token: str | None = None) -> int:
        if table is PRICES and len(swallowed) < 2:
            swallowed.append(token)
            if len(swallowed) == 2:
                return rows.height
        return original(self, table, rows, token=token)

    monkeypatch.setattr(Warehouse, "insert", insert)
    assert load(warehouse, prices("VAN"), "van") == (48, 48, 0, 0)
    distinct = warehouse.scalar("select uniqExact(row_sha) from raw.prices where source_object = 'van'")
    assert (count(warehouse, "raw.prices", "van"), distinct) == (48, 48)


def test_rows_of_other_products_and_hubs_do_not_stand_in_the_way(warehouse: Warehouse) -> None:
    for hub, product in (("OTH1", "da"), ("OTH1", "rt"), ("OTH2", "da"), ("O'TH\\n{q:String}", "da")):
        frame = prices(hub, 24).with_columns(product=pl.lit(product))
        assert load(warehouse, frame, f"other {hub} {product}") == (24, 24, 0, 0)
        assert load(warehouse, frame, f"again {hub} {product}") == (24, 0, 0, 24)


def test_concurrent_loads_of_overlapping_objects_store_each_row_once(warehouse: Warehouse) -> None:
    errors: list[Exception] = []

    def work(k: int) -> None:
        try:
            with connect() as own:
                load(own, prices("CON", 200).slice(k * 20, 100), f"con{k}")
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    total, distinct = warehouse.query("select count(), uniqExact(row_sha) from raw.prices where hub = 'CON'").row(0)
    assert (total, distinct) == (160, 160)


def test_an_empty_object_is_recorded(warehouse: Warehouse) -> None:
    assert load(warehouse, prices("NIL", 0), "nil") == (0, 0, 0, 0)
    assert count(warehouse, "ops.loads", "nil") == 1


def test_wrong_frames_are_refused_whole(warehouse: Warehouse) -> None:
    with pytest.raises(ValueError, match=r"raw\.prices: frame lacks columns \['currency'\]"):
        load(warehouse, prices("BAD", 3).drop("currency"), "bad")
    assert count(warehouse, "ops.loads", "bad") == 0
    full = prices("BAD", 3).with_columns(
        source=pl.lit(None, dtype=pl.String), source_object=pl.lit(""), row_sha=pl.lit(""), ingested_ts=pl.col("known_ts")
    )
    with pytest.raises(ValueError, match="nulls in non-nullable columns"):
        warehouse.insert(PRICES, full)


def values(column: Column) -> st.SearchStrategy[Any]:
    bounds = (column.ge, column.le)
    match column.type:
        case ColumnType.STRING | ColumnType.SYMBOL:
            text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
            strategy: st.SearchStrategy[Any] = st.sampled_from(column.allowed) if column.allowed else text
        case ColumnType.INT:
            low, high = (int(b) if b is not None else d for b, d in zip(bounds, (-(2**62), 2**62), strict=True))
            strategy = st.integers(low, high)
        case ColumnType.FLOAT:
            strategy = st.floats(bounds[0], bounds[1], allow_nan=False, allow_infinity=False)
        case ColumnType.BOOL:
            strategy = st.booleans()
        case ColumnType.DATE:
            strategy = st.dates(date(1990, 1, 1), date(2090, 1, 1))
        case ColumnType.TS:
            strategy = st.integers(631_152_000_000, 3_786_912_000_000).map(
                lambda ms: datetime.fromtimestamp(ms / 1000, UTC).replace(microsecond=ms % 1000 * 1000)
            )
    return st.none() | strategy if column.nullable else strategy


@pytest.mark.parametrize("table", RAW_TABLES, ids=lambda t: t.full_name)
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], derandomize=True
)
@given(data=st.data())
def test_any_frame_of_a_contract_comes_back_bit_by_bit(warehouse: Warehouse, table: Table, data: st.DataObject) -> None:
    """Sample from the contract, insert, read back, for every raw table."""
    rows = data.draw(st.lists(st.fixed_dictionaries({c.name: values(c) for c in table.columns}), min_size=1, max_size=20))
    frame = pl.DataFrame(rows, schema=table.polars_schema(), orient="row").with_columns(source_object=pl.lit("roundtrip"))
    warehouse.command(f"drop table if exists staging.roundtrip_{table.name} sync")
    warehouse.command(f"create table staging.roundtrip_{table.name} as {table.full_name}")
    warehouse.insert_into(f"staging.roundtrip_{table.name}", table, frame)
    back = warehouse.query(f"select {', '.join(table.column_names)} from staging.roundtrip_{table.name}")
    order = [n for n in table.column_names if n != "source_object"]
    assert back.schema == frame.schema
    assert back.sort(order).equals(frame.sort(order))


def test_delivered_columns_leave_provenance_out() -> None:
    names = delivered_columns(PRICES, tuple(c.name for c in PROVENANCE))
    assert set(PRICES.column_names) - set(names) == {"source", "source_object", "row_sha", "ingested_ts"}
