"""All generated files of a set of tables, as text; the same tables always give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_tasks.contracts import Database, Table
from pipeline_tasks.generation.dbt_yaml import contracts_files, sources_file
from pipeline_tasks.generation.dictionary import dictionary_text
from pipeline_tasks.generation.marker import HEADER, Artefact
from pipeline_tasks.generation.suites import SUITE_LAYERS, suite_text
from pipeline_tasks.warehouse.ddl import create_table_sql, published_view_sql, view_name
from pipeline_tasks.warehouse.roles import roles_sql


def build_artefacts(tables: Sequence[Table]) -> tuple[Artefact, ...]:
    """Every generated file, sorted by path.

    Args:
        tables: all tables of the warehouse; those with managed_by="dbt" get dbt contracts, the others DDL.
    """
    files = [*_ddl(tables), *_views(tables), *_suites(tables), *contracts_files(tables)]
    files.append(sources_file(tables))
    files.append(Artefact("sql/roles/roles.sql", f"-- {HEADER}\n{roles_sql()}"))
    files.append(Artefact("docs/data_dictionary.md", dictionary_text(tables)))
    return tuple(sorted(files, key=lambda f: f.path))


def _sql(text: str) -> str:
    return f"-- {HEADER}\n{text};\n"


def _ddl(tables: Sequence[Table]) -> list[Artefact]:
    return [Artefact(f"sql/ddl/{t.full_name}.sql", _sql(create_table_sql(t))) for t in tables if t.managed_by != "dbt"]


def _views(tables: Sequence[Table]) -> list[Artefact]:
    curated = (t for t in tables if t.database is Database.CURATED and t.managed_by != "dbt")
    return [Artefact(f"sql/views/{view_name(t)}.sql", _sql(published_view_sql(t))) for t in curated]


def _suites(tables: Sequence[Table]) -> list[Artefact]:
    gated = (t for t in tables if t.database in SUITE_LAYERS)
    return [Artefact(f"expectations/suites/{t.full_name}.json", suite_text(t)) for t in gated]


__all__ = ["HEADER", "Artefact", "build_artefacts"]
