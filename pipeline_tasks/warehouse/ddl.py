"""SQL text made from contracts: tables, added columns, views of published rows. Pure text; talks to no server."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline_tasks.contracts import Column, Database, Table

DATABASES: tuple[str, ...] = tuple(d.value for d in Database)


def quote_text(value: str) -> str:
    """`value` as a ClickHouse string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def view_name(table: Table) -> str:
    """`curated.v_<name>`: the view of the published rows of a curated table."""
    return f"{table.database.value}.v_{table.name}"


def _column_sql(column: Column) -> str:
    text = f"{column.meaning} [{column.unit}]" if column.unit else column.meaning
    return f"{column.name} {column.clickhouse_type} comment {quote_text(text)}"


def create_database_sql(names: Iterable[str] = DATABASES) -> tuple[str, ...]:
    """One statement per database (of the warehouse, by default), each safe to repeat."""
    return tuple(f"create database if not exists {name}" for name in names)


def create_table_sql(table: Table) -> str:
    """`create table if not exists` of a contract: MergeTree with its partitions, order and deduplication window.

    Args:
        table: the contract; identifiers come from it and from nowhere else.

    Returns:
        One statement without a final semicolon or newline, lower case, stable for the same contract.
    """
    columns = ",\n".join(f"    {_column_sql(c)}" for c in table.columns)
    if table.vector_index:
        index = table.vector_index
        kind = f"vector_similarity('hnsw', 'cosineDistance', {index.dimensions})"
        columns += f",\n    index {index.column}_nearest {index.column} type {kind} granularity 100000000"
    lines = [f"create table if not exists {table.full_name}", "(", columns, ")", "engine = MergeTree"]
    if table.partition_by:
        lines.append(f"partition by {table.partition_by}")
    lines.append(f"order by ({', '.join(table.sorting_key)})")
    if table.dedup_window:
        lines.append(f"settings non_replicated_deduplication_window = {table.dedup_window}")
    lines.append(f"comment {quote_text(table.meaning)}")
    return "\n".join(lines)


def add_columns_sql(table: Table, existing: Iterable[str]) -> tuple[str, ...]:
    """Statements that add the contract's columns which a live table lacks, each in its place.

    Args:
        table: the contract.
        existing: names of the live columns.

    Returns:
        `alter table ... add column if not exists` per missing column, in contract order.
    """
    present = set(existing)
    statements = []
    for position, column in enumerate(table.columns):
        if column.name not in present:
            place = f"after {table.columns[position - 1].name}" if position else "first"
            statements.append(f"alter table {table.full_name} add column if not exists {_column_sql(column)} {place}")
    return tuple(statements)


def published_view_sql(table: Table) -> str:
    """`create or replace view curated.v_<name>`: only published rows that no kill switch hides.

    A row shows when the last publication of its (market, hub, delivery_date) has the row's run_id and the last kill
    switch event of its model, market and run (and of `all`) is not active. The view runs with the rights of its
    definer, so that a reader needs no right on the tables below it.

    Args:
        table: a curated contract (lineage columns included).

    Returns:
        One statement without a final semicolon or newline.

    Raises:
        ValueError: the table is not a curated one.
    """
    if table.database is not Database.CURATED:
        raise ValueError(f"table {table.full_name} is not in curated; published views exist for curated tables only")
    columns = ",\n".join(f"    c.{name} as {name}" for name in table.column_names)
    return f"""create or replace view {view_name(table)}
definer = current_user sql security definer
as
with
    latest as (
        select market, hub, delivery_date, argMax(run_id, (at_ts, publication_id)) as run_id
        from ops.publications
        where table_name = {quote_text(table.full_name)}
        group by market, hub, delivery_date
    ),
    hidden as (
        select scope, target
        from ops.kill_switch
        group by scope, target
        having argMax(active, at_ts)
    )
select
{columns}
from {table.full_name} as c
where (c.market, c.hub, c.delivery_date, c.run_id) in (select market, hub, delivery_date, run_id from latest)
    and c.model not in (select target from hidden where scope = 'model')
    and c.market not in (select target from hidden where scope = 'market')
    and c.run_id not in (select target from hidden where scope = 'run')
    and not exists (select 1 from hidden where scope = 'all' or target = '*')
comment {quote_text(f"Published rows of {table.full_name}: {table.meaning}")}"""
