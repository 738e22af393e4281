"""Catalog: every table of the warehouse in one tuple, the declared ones and those of the registered models."""

from __future__ import annotations

from models._kernel.registry import specs
from pipeline_tasks.contracts import STATIC_TABLES, Database, Table


def model_tables() -> tuple[Table, ...]:
    """The tables of every registered model (forecasts, drivers, companions, shadow), in name order; imports no model library."""
    return tuple(table for spec in specs() for table in (spec.curated, *spec.beside, spec.shadow))


def all_tables() -> tuple[Table, ...]:
    """Every table, static ones first, in declaration order.

    Raises:
        ValueError: two tables share a name (a model named like a declared curated table); the message names it.
    """
    tables = (*STATIC_TABLES, *model_tables())
    names = [t.full_name for t in tables]
    repeated = sorted({n for n in names if names.count(n) > 1})
    if repeated:
        raise ValueError(f"tables declared twice: {', '.join(repeated)}; rename the model or drop one declaration")
    return tables


def tables_of(database: Database | str) -> tuple[Table, ...]:
    """The tables of one database.

    Raises:
        ValueError: there is no such database; the message lists those there are.
    """
    known = [d.value for d in Database]
    if str(database) not in known:
        raise ValueError(f"database {str(database)!r} is not known; use one of {', '.join(known)}")
    return tuple(t for t in all_tables() if t.database.value == str(database))


def table_named(full_name: str) -> Table:
    """The table called `database.name`.

    Raises:
        KeyError: no table has that name; the message lists those of the same database.
    """
    for table in all_tables():
        if table.full_name == full_name:
            return table
    near = [t.full_name for t in all_tables() if t.full_name.split(".")[0] == full_name.split(".", maxsplit=1)[0]]
    raise KeyError(f"table {full_name!r} is not declared; declared there: {', '.join(near) or '(none)'}")
