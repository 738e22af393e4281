"""Versions of live schemas: a row of ops.schema_versions whenever the columns of a watched table change."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from pipeline_tasks.contracts import Database
from pipeline_tasks.contracts.watch import SCHEMA_VERSIONS

if TYPE_CHECKING:
    from pipeline_tasks.warehouse import Warehouse

WATCHED = (Database.FEATURES, Database.CURATED, Database.MARTS)
Columns = list[list[str]]


def live_schemas(warehouse: Warehouse) -> dict[str, Columns]:
    """Name and type of every column of the tables that models and readers depend on, in storage order, by table."""
    rows = warehouse.query(
        "select concat(database, '.', table) as table_name, name, type from system.columns where database in {databases:Array(String)}"
        " order by table_name, position",
        {"databases": [d.value for d in WATCHED]},
    )
    found: dict[str, Columns] = {}
    for table, name, kind in rows.iter_rows():
        found.setdefault(table, []).append([name, kind])
    return found


def latest_versions(warehouse: Warehouse) -> pl.DataFrame:
    """The newest version of every table."""
    return warehouse.query("select * from ops.schema_versions order by table_name, version desc limit 1 by table_name")


def record_schemas(warehouse: Warehouse, run_id: str) -> list[dict[str, object]]:
    """Write a new version of every table whose columns changed, and return those rows."""
    known = {row["table_name"]: row for row in latest_versions(warehouse).iter_rows(named=True)}
    written, rows = datetime.now(UTC), []
    for table, columns in live_schemas(warehouse).items():
        text = json.dumps(columns)
        sha, before = hashlib.sha256(text.encode()).hexdigest(), known.get(table)
        if before is not None and before["schema_sha"] == sha:
            continue
        rows.append(
            {
                "table_name": table,
                "version": before["version"] + 1 if before else 1,
                "schema_sha": sha,
                "columns_json": text,
                "changes": changes(json.loads(before["columns_json"]), columns) if before else "",
                "run_id": run_id,
                "at_ts": written,
            }
        )
    if rows:
        warehouse.insert(SCHEMA_VERSIONS, pl.DataFrame(rows, schema=SCHEMA_VERSIONS.polars_schema()))
    return rows


def changes(before: Columns, after: Columns) -> str:
    """What changed between two schemas, in one line: removed, added, of another type, moved."""
    old, new = {n: t for n, t in before}, {n: t for n, t in after}  # noqa: C416 - pairs are lists in JSON
    said = [f"removed {n}" for n in old if n not in new]
    said += [f"added {n} ({new[n]})" for n in new if n not in old]
    said += [f"{n}: {old[n]} became {new[n]}" for n in new if n in old and old[n] != new[n]]
    kept = [n for n in old if n in new]
    if kept != [n for n in new if n in old]:
        said.append("columns moved")
    return "; ".join(said)
