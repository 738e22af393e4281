"""Tables: columns, grain, order and partitioning, said once; everything else is generated from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

from pipeline_tasks.contracts.columns import Column


class Database(StrEnum):
    """The databases of the warehouse, in the direction data moves.

    Beside them stand `curated_shadow`, unpublished answers of challengers, and `truth`, for yardsticks alone.
    """

    RAW = "raw"
    QUARANTINE = "quarantine"
    STAGING = "staging"
    INTERMEDIATE = "intermediate"
    FEATURES = "features"
    CURATED = "curated"
    CURATED_SHADOW = "curated_shadow"
    MARTS = "marts"
    OPS = "ops"
    TRUTH = "truth"


class Severity(StrEnum):
    """What a broken rule does: `BLOCK` stops the run, `WARN` is recorded and shown."""

    BLOCK = "block"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule over one row that bounds on single columns cannot say.

    Attributes:
        name: lower snake case; stored as the broken rule of a quarantined row.
        expr: Polars expression, true where the row is good; null counts as broken.
        sql: the same condition in ClickHouse SQL.
        meaning: one sentence, with the remedy.
        severity: consequence in a validation gate.
    """

    name: str
    expr: Callable[[], pl.Expr]
    sql: str
    meaning: str
    severity: Severity = Severity.BLOCK


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """An approximate index (HNSW, cosine distance) over a vector column.

    Attributes:
        column: the column.
        dimensions: length of its vectors.
    """

    column: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the warehouse.

    Attributes:
        database: where it lives.
        name: table name; `full_name` adds the database.
        columns: in storage order.
        key: columns whose values identify a row (the grain).
        meaning: what a row is, for the dictionary.
        order_by: ClickHouse sorting key; defaults to `key`.
        partition_by: ClickHouse partition expression; empty for none.
        rules: row rules beyond column bounds.
        managed_by: "migrations" for generated DDL, "dbt" for tables that dbt builds.
        dedup_window: number of insert tokens remembered (exactly-once loads); 0 for none.
        vector_index: approximate nearest-neighbour index; None for none.
    """

    database: Database
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    meaning: str
    order_by: tuple[str, ...] = ()
    partition_by: str = ""
    rules: tuple[Rule, ...] = field(default=())
    managed_by: str = "migrations"
    dedup_window: int = 0
    vector_index: VectorIndex | None = None

    def __post_init__(self) -> None:
        """Refuse duplicate columns and keys that name no column."""
        names = [c.name for c in self.columns]
        repeated = {n for n in names if names.count(n) > 1}
        if repeated:
            raise ValueError(f"table {self.full_name}: columns declared twice: {sorted(repeated)}; keep one of each")
        unknown = [k for k in (*self.key, *self.order_by) if k not in names]
        if unknown:
            raise ValueError(f"table {self.full_name}: key or order columns {unknown} are not declared; add them to columns")

    @property
    def full_name(self) -> str:
        """`database.name`."""
        return f"{self.database.value}.{self.name}"

    @property
    def sorting_key(self) -> tuple[str, ...]:
        """Columns of ORDER BY."""
        return self.order_by or self.key

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in storage order."""
        return tuple(c.name for c in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: the table has no such column; the message lists those it has.
        """
        for col in self.columns:
            if col.name == name:
                return col
        raise KeyError(f"table {self.full_name} has no column {name!r}; it has {', '.join(self.column_names)}")

    def polars_schema(self) -> pl.Schema:
        """Polars schema of a frame of this table, in storage order."""
        return pl.Schema({c.name: c.type.polars for c in self.columns})

    def empty(self) -> pl.DataFrame:
        """A frame with the right columns and no rows."""
        return pl.DataFrame(schema=self.polars_schema())
