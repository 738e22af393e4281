"""Exports: a published table as CSV or Parquet, with units and meanings beside the numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_tasks.catalog import all_tables
from pipeline_tasks.contracts import Column, Database, Table
from pipeline_tasks.warehouse import connect

EXPORTABLE = (Database.CURATED, Database.MARTS)


def exportable() -> dict[str, Table]:
    """Name -> table of everything that may be exported: published views of curated tables, and marts."""
    tables = [t for t in all_tables() if t.database in EXPORTABLE]
    return {(f"curated.v_{t.name}" if t.database is Database.CURATED else t.full_name): t for t in tables}


def export_table(name: str, output: Path, *, market: str = "") -> dict[str, Any]:
    """Write one published table to `output` (.csv or .parquet) and its column units to `<output>.schema.json`.

    Returns:
        rows, path and schema_path.

    Raises:
        KeyError: the table is not exportable; the message lists those that are.
        ValueError: the suffix is neither .csv nor .parquet.
    """
    tables = exportable()
    if name not in tables:
        raise KeyError(f"table {name!r} cannot be exported; exportable: {', '.join(sorted(tables))}")
    if output.suffix not in (".csv", ".parquet"):
        raise ValueError(f"output {output} ends with {output.suffix!r}; use .csv or .parquet")
    table = tables[name]
    filtered = bool(market) and "market" in table.column_names
    where = " where market = {market:String}" if filtered else ""
    with connect() as warehouse:
        frame = warehouse.query(f"select * from {name}{where} order by {', '.join(table.key)}", {"market": market} if filtered else None)
    schema_path = output.with_suffix(output.suffix + ".schema.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    _write(frame, table, output)
    schema = {"table": name, "meaning": table.meaning, "rows": frame.height, "columns": {c.name: _describe(c) for c in table.columns}}
    schema_path.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
    return {"rows": frame.height, "path": str(output), "schema_path": str(schema_path)}


def _describe(column: Column) -> dict[str, str]:
    return {"type": column.type.name.lower(), "unit": column.unit, "meaning": column.meaning}


def _write(frame: pl.DataFrame, table: Table, output: Path) -> None:
    if output.suffix == ".csv":
        frame.write_csv(output, datetime_format="%Y-%m-%dT%H:%M:%S%.3fZ")
        return
    arrow = frame.to_arrow()
    described = {c.name: {k.encode(): v.encode() for k, v in _describe(c).items()} for c in table.columns}
    fields = [f.with_metadata(described.get(f.name, {})) for f in arrow.schema]
    pq.write_table(arrow.cast(pa.schema(fields)), output, compression="zstd")
