"""Exports: a published table as CSV or Parquet, with units, meanings and licences; what may not be redistributed is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_tasks.catalog import all_tables
from pipeline_tasks.contracts import Column, Database, Table
from pipeline_tasks.sources.licences import Tag, insist_on_export, tag_of
from pipeline_tasks.warehouse import Warehouse, connect

EXPORTABLE = (Database.CURATED, Database.MARTS)
_SOURCES = """
select distinct source from ops.loads
where rows_loaded > 0 and table_name like 'raw.%' and market in {markets:Array(String)}
order by source
"""


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
        RedistributionError: the licence of a source that fed the exported markets forbids it.
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
        tags = _licences(warehouse, frame)
    insist_on_export(name, table.database, tags)
    schema_path = output.with_suffix(output.suffix + ".schema.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    _write(frame, table, output, tags)
    columns = {c.name: _describe(c, tags) for c in table.columns}
    licences = [vars(tag) for tag in tags]
    schema = {"table": name, "meaning": table.meaning, "rows": frame.height, "licences": licences, "columns": columns}
    schema_path.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
    return {"rows": frame.height, "path": str(output), "schema_path": str(schema_path)}


def _licences(warehouse: Warehouse, frame: pl.DataFrame) -> list[Tag]:
    """Licences of the sources that fed the markets of a frame; of all markets where it names none."""
    if "market" in frame.columns:
        markets = frame.get_column("market").unique().drop_nulls().to_list()
    else:
        markets = warehouse.query("select distinct market from ops.loads").get_column("market").to_list()
    return [tag_of(source) for source in warehouse.query(_SOURCES, {"markets": markets}).get_column("source").to_list()]


def _describe(column: Column, tags: Sequence[Tag]) -> dict[str, str]:
    licence = "; ".join(dict.fromkeys(f"{t.licence} ({t.attribution})" if t.attribution else t.licence for t in tags))
    return {"type": column.type.name.lower(), "unit": column.unit, "meaning": column.meaning, "licence": licence}


def _write(frame: pl.DataFrame, table: Table, output: Path, tags: Sequence[Tag]) -> None:
    if output.suffix == ".csv":
        frame.write_csv(output, datetime_format="%Y-%m-%dT%H:%M:%S%.3fZ")
        return
    arrow = frame.to_arrow()
    described = {c.name: {k.encode(): v.encode() for k, v in _describe(c, tags).items()} for c in table.columns}
    fields = [f.with_metadata(described.get(f.name, {})) for f in arrow.schema]
    pq.write_table(arrow.cast(pa.schema(fields)), output, compression="zstd")
