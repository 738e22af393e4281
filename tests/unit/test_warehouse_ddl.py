"""SQL text of contracts: complete, quoted, repeatable."""

from __future__ import annotations

import pytest

from pipeline_tasks.contracts import STATIC_TABLES, Table, curated_table
from pipeline_tasks.contracts.columns import number, symbol
from pipeline_tasks.contracts.raw import PRICES
from pipeline_tasks.contracts.tables import Database
from pipeline_tasks.warehouse.ddl import add_columns_sql, create_database_sql, create_table_sql, published_view_sql, quote_text

PROBE = curated_table("probe", (number("x_mw", "It's a \\ test.", unit="MW"),), "The probe's rows.")


@pytest.mark.parametrize("table", STATIC_TABLES, ids=lambda t: t.full_name)
def test_every_column_has_its_type_and_every_key_is_sorted_by(table: Table) -> None:
    sql = create_table_sql(table)
    assert sql.startswith(f"create table if not exists {table.full_name}\n(")
    for column in table.columns:
        assert f"    {column.name} {column.clickhouse_type} comment '" in sql
    assert f"order by ({', '.join(table.sorting_key)})" in sql
    assert (f"non_replicated_deduplication_window = {table.dedup_window}" in sql) == (table.dedup_window > 0)
    assert create_table_sql(table) == sql


def test_text_is_quoted_so_that_it_cannot_end_the_literal() -> None:
    assert quote_text("a'b\\c") == "'a\\'b\\\\c'"
    assert "comment 'It\\'s a \\\\ test. [MW]'" in create_table_sql(PROBE)


def test_partition_and_databases() -> None:
    assert "partition by (market, toYear(delivery_ts))" in create_table_sql(PRICES)
    assert {s.split()[-1] for s in create_database_sql()} == {d.value for d in Database}


def test_only_missing_columns_are_added_in_their_place() -> None:
    names = [n for n in PROBE.column_names if n not in {"x_mw", "run_id"}]
    first, last = add_columns_sql(PROBE, names)
    assert first.startswith("alter table curated.probe add column if not exists run_id String")
    assert first.endswith(" first")
    assert last.endswith(" after delivery_date")
    assert add_columns_sql(PROBE, PROBE.column_names) == ()


def test_published_view_filters_by_publication_and_switch() -> None:
    sql = published_view_sql(PROBE)
    assert sql.startswith("create or replace view curated.v_probe\ndefiner = current_user sql security definer")
    assert "table_name = 'curated.probe'" in sql
    assert all(f"scope = '{s}'" in sql for s in ("model", "market", "run", "all"))


def test_published_view_of_another_database_is_refused() -> None:
    table = Table(database=Database.RAW, name="x", columns=(symbol("a", "A."),), key=("a",), meaning="X.")
    with pytest.raises(ValueError, match=r"raw\.x is not in curated"):
        published_view_sql(table)
