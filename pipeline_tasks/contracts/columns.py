"""Columns: the one place where a name, a type, a unit, bounds and a meaning are said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

import polars as pl

TS_DTYPE = pl.Datetime("ms", "UTC")


class ColumnType(Enum):
    """Logical column types; each knows its ClickHouse and its Polars type."""

    STRING = ("String", pl.String())
    SYMBOL = ("LowCardinality(String)", pl.String())
    INT = ("Int64", pl.Int64())
    FLOAT = ("Float64", pl.Float64())
    BOOL = ("Bool", pl.Boolean())
    DATE = ("Date32", pl.Date())
    TS = ("DateTime64(3, 'UTC')", TS_DTYPE)
    VECTOR = ("Array(Float32)", pl.List(pl.Float32()))

    @property
    def clickhouse(self) -> str:
        """ClickHouse type of a non-nullable column."""
        return str(self.value[0])

    @property
    def polars(self) -> pl.DataType:
        """Polars dtype of the column."""
        dtype: pl.DataType = self.value[1]
        return dtype


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one or more tables.

    Attributes:
        name: lower snake case; `_ts` ends UTC instants, `_date` market-local dates, units end numbers.
        type: logical type.
        meaning: one sentence for the data dictionary.
        unit: unit of a number ("MW", "currency/MWh", "" for none).
        nullable: whether a value may be absent; absent means unknown, never zero.
        ge: smallest admissible value, inclusive.
        le: largest admissible value, inclusive.
        allowed: admissible values of a symbol; empty means any.
    """

    name: str
    type: ColumnType
    meaning: str
    unit: str = ""
    nullable: bool = False
    ge: float | None = None
    le: float | None = None
    allowed: tuple[str, ...] = ()

    @property
    def clickhouse_type(self) -> str:
        """Full ClickHouse type, `Nullable` and `LowCardinality` nested in the order ClickHouse wants."""
        base = self.type.clickhouse
        if not self.nullable:
            return base
        if self.type is ColumnType.SYMBOL:
            return "LowCardinality(Nullable(String))"
        return f"Nullable({base})"

    def optional(self) -> Self:
        """The same column, nullable."""
        return replace(self, nullable=True)

    def named(self, name: str, meaning: str | None = None) -> Self:
        """The same column under another name (and meaning)."""
        return replace(self, name=name, meaning=meaning or self.meaning)


def string(name: str, meaning: str, **kw: object) -> Column:
    """Free text column."""
    return Column(name, ColumnType.STRING, meaning, **kw)  # type: ignore[arg-type]


def symbol(name: str, meaning: str, **kw: object) -> Column:
    """Low-cardinality text column (names, enumerations)."""
    return Column(name, ColumnType.SYMBOL, meaning, **kw)  # type: ignore[arg-type]


def integer(name: str, meaning: str, **kw: object) -> Column:
    """64-bit integer column."""
    return Column(name, ColumnType.INT, meaning, **kw)  # type: ignore[arg-type]


def number(name: str, meaning: str, **kw: object) -> Column:
    """64-bit float column."""
    return Column(name, ColumnType.FLOAT, meaning, **kw)  # type: ignore[arg-type]


def flag(name: str, meaning: str, **kw: object) -> Column:
    """Boolean column."""
    return Column(name, ColumnType.BOOL, meaning, **kw)  # type: ignore[arg-type]


def vector(name: str, meaning: str, **kw: object) -> Column:
    """Column of vectors: 32-bit numbers, all rows of one length (a row rule says which)."""
    return Column(name, ColumnType.VECTOR, meaning, **kw)  # type: ignore[arg-type]


def day(name: str, meaning: str, **kw: object) -> Column:
    """Market-local calendar date column."""
    return Column(name, ColumnType.DATE, meaning, **kw)  # type: ignore[arg-type]


def instant(name: str, meaning: str, **kw: object) -> Column:
    """UTC instant column, millisecond resolution."""
    return Column(name, ColumnType.TS, meaning, **kw)  # type: ignore[arg-type]
