"""Live tables have the contracts' columns; rows that follow a contract survive insert and read, and both forms of a rule agree."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_tasks.catalog import all_tables
from pipeline_tasks.contracts import Column, ColumnType, Table
from pipeline_tasks.contracts.frames import check_frame, dataframely_schema
from pipeline_tasks.contracts.raw import COMMODITIES, PRICES, QUANTITIES
from pipeline_tasks.warehouse import Warehouse, connect
from pipeline_tasks.warehouse.ddl import create_table_sql

FIRST = datetime(2020, 1, 1, tzinfo=UTC)


def values(column: Column) -> st.SearchStrategy[Any]:
    """Values that a column admits."""
    kind: dict[ColumnType, st.SearchStrategy[Any]] = {
        ColumnType.STRING: st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12),
        ColumnType.SYMBOL: st.sampled_from(column.allowed or ("a", "ä 'quoted'", "x\\y")),
        ColumnType.INT: st.integers(
            int(column.ge if column.ge is not None else -(2**40)), int(column.le if column.le is not None else 2**40)
        ),
        ColumnType.FLOAT: st.floats(column.ge, column.le, allow_nan=False, allow_infinity=False),
        ColumnType.BOOL: st.booleans(),
        ColumnType.VECTOR: st.floats(-1, 1, width=32).map(lambda x: [x] * 256),
        ColumnType.DATE: st.dates(date(1970, 1, 1), date(2200, 1, 1)),
        ColumnType.TS: st.integers(0, 10**8).map(lambda minutes: FIRST + timedelta(minutes=minutes % 10_000_000)),
    }
    chosen = kind[column.type]
    return st.none() | chosen if column.nullable else chosen


def frames(table: Table) -> st.SearchStrategy[pl.DataFrame]:
    rows = st.lists(st.fixed_dictionaries({c.name: values(c) for c in table.columns}), min_size=1, max_size=8)
    return rows.map(lambda r: pl.DataFrame(r, schema=table.polars_schema(), orient="row"))


def test_live_columns_are_the_contracts(warehouse: Warehouse) -> None:
    sql = "select concat(database, '.', table) as full_name, name, type from system.columns order by full_name, position"
    with connect("steward") as steward:  # the only role that sees the tables of `truth`
        live = pl.concat([warehouse.query(sql), steward.query(sql)]).unique(maintain_order=True)
    found = {k[0]: [(r["name"], r["type"]) for r in g.iter_rows(named=True)] for k, g in live.group_by("full_name", maintain_order=True)}
    for table in all_tables():
        if table.managed_by == "dbt" and table.full_name not in found:
            continue  # not built on this server; dbt enforces the same contract when it builds
        assert found.get(table.full_name) == [(c.name, c.clickhouse_type) for c in table.columns], table.full_name


@pytest.mark.parametrize("table", all_tables(), ids=lambda t: t.full_name)
def test_dataframely_schema_is_the_contract(table: Table) -> None:
    schema = dataframely_schema(table)
    assert dict(schema.create_empty().schema) == dict(table.polars_schema())
    assert tuple(schema.primary_key()) == tuple(n for n in table.column_names if n in table.key)


@pytest.mark.parametrize("table", [PRICES, QUANTITIES, COMMODITIES], ids=lambda t: t.name)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_rows_survive_insert_and_read(warehouse: Warehouse, table: Table, data: st.DataObject) -> None:
    frame = data.draw(frames(table)).unique(subset=table.key, maintain_order=True)
    target = f"ops.trip_{table.name}"
    warehouse.command(f"drop table if exists {target} sync")
    sql = create_table_sql(table).replace(f"if not exists {table.full_name}", target)
    warehouse.command(sql)
    warehouse.insert_into(target, table, frame)
    rules = ", ".join(f"ifNull({r.sql}, false) as rule__{r.name}" for r in table.rules)
    back = warehouse.query(f"select *, {rules} from {target}")
    warehouse.command(f"drop table {target} sync")
    key = list(table.key)
    assert back.select(table.column_names).sort(key).to_dicts() == frame.sort(key).to_dicts()
    for rule in table.rules:
        expected = back.select(rule.expr().fill_null(value=False)).to_series().to_list()
        assert back[f"rule__{rule.name}"].cast(pl.Boolean).to_list() == expected, rule.name


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frame=frames(PRICES))
def test_dataframely_and_the_frame_validator_agree(frame: pl.DataFrame) -> None:
    good = dataframely_schema(PRICES).is_valid(frame)
    found = check_frame(PRICES, frame)
    assert good == (not found), json.dumps([str(v) for v in found])
