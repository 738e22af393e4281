"""dbt YAML made from contracts: enforced model contracts per layer, and the sources that models read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from pipeline_tasks.contracts import Column, Database, Table
from pipeline_tasks.generation.marker import HEADER, Artefact
from pipeline_tasks.warehouse.ddl import view_name

MODELS = "transforms/models"
UNIQUE_LAYERS = frozenset({Database.FEATURES, Database.MARTS})  # staging groups by its key; uniqueness there is by construction


def contracts_files(tables: Sequence[Table]) -> list[Artefact]:
    """`<layer>/_<layer>__contracts.yml` of every layer that dbt builds."""
    files = []
    for layer in sorted({t.database.value for t in tables if t.managed_by == "dbt"}):
        models = [_model(t) for t in tables if t.managed_by == "dbt" and t.database.value == layer]
        files.append(Artefact(f"{MODELS}/{layer}/_{layer}__contracts.yml", _text({"version": 2, "models": models})))
    return files


def sources_file(tables: Sequence[Table]) -> Artefact:
    """`sources.yml`: raw tables with freshness, and the views of published model output."""
    sources = [
        {
            "name": "raw",
            "schema": "raw",
            "description": "What sources delivered, row by row; loaded exactly once.",
            "config": {
                "loaded_at_field": "ingested_ts",
                "freshness": {"warn_after": {"count": 36, "period": "hour"}, "error_after": {"count": 10, "period": "day"}},
            },
            "tables": [_source_table(t, t.name) for t in tables if t.database is Database.RAW],
        }
    ]
    curated = [t for t in tables if t.database is Database.CURATED and t.managed_by != "dbt"]
    if curated:
        sources.append(
            {
                "name": "curated",
                "schema": "curated",
                "description": "Published, not revoked model output (views v_*); nothing else of curated may be read.",
                "tables": [_source_table(t, view_name(t).split(".")[1]) for t in curated],
            }
        )
    return Artefact(f"{MODELS}/sources.yml", _text({"version": 2, "sources": sources}))


def _text(content: dict[str, Any]) -> str:
    return f"# {HEADER}\n" + yaml.safe_dump(content, sort_keys=False, width=140, allow_unicode=True)


def _description(column: Column) -> str:
    return f"{column.meaning} [{column.unit}]" if column.unit else column.meaning


def _model(table: Table) -> dict[str, Any]:
    model: dict[str, Any] = {"name": table.name, "description": table.meaning, "config": {"contract": {"enforced": True}}}
    if table.database in UNIQUE_LAYERS:
        model["data_tests"] = [{"unique_key": {"name": f"unique_key_{table.name}", "arguments": {"columns": list(table.key)}}}]
    model["columns"] = [_column(table, c) for c in table.columns]
    return model


def _column(table: Table, column: Column) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": column.name, "data_type": column.clickhouse_type, "description": _description(column)}
    if not column.nullable:
        # the type already forbids nulls in ClickHouse; the constraint says so to readers of the docs
        entry["constraints"] = [{"type": "not_null", "warn_unsupported": False, "warn_unenforced": False}]
    if column.allowed:
        test = {"name": f"allowed_{table.name}_{column.name}", "arguments": {"values": list(column.allowed)}}
        entry["data_tests"] = [{"accepted_values": test}]
    return entry


def _source_table(table: Table, name: str) -> dict[str, Any]:
    columns = [{"name": c.name, "data_type": c.clickhouse_type, "description": _description(c)} for c in table.columns]
    return {"name": name, "description": table.meaning, "columns": columns}
