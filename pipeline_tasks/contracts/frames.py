"""Frames against contracts: a dataframely schema made from a table, and a validator that answers in sentences."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache, partial

import dataframely as dy
import polars as pl

from pipeline_tasks.contracts.columns import Column, ColumnType
from pipeline_tasks.contracts.tables import Rule, Table

WHOLE_ROW = ""
FIRST_DATE, LAST_DATE = date(1900, 1, 1), date(2299, 12, 30)  # what Date32 and DateTime64 can hold; beyond, ClickHouse wraps silently
FIRST_TS, LAST_TS = datetime(1900, 1, 1, tzinfo=UTC), datetime(2299, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a frame breaks its contract.

    Attributes:
        column: the column, or empty when whole rows are meant.
        rule: missing_column, wrong_type, empty_column, null, not_finite, below_minimum, above_maximum, not_allowed,
            out_of_range (dates), duplicate_key, or the name of a row rule of the table.
        rows: rows that break the rule; all of them for a missing or mistyped column.
        example: one offending value (or key) as text.
        remedy: what to do, a sentence.
    """

    column: str
    rule: str
    rows: int
    example: str
    remedy: str

    def __str__(self) -> str:
        """One sentence for a person."""
        where = f"column {self.column}" if self.column else "rows"
        seen = f", e.g. {self.example}" if self.example else ""
        return f"{where}: {self.rule} ({self.rows} row(s){seen}). {self.remedy}"


def check_frame(table: Table, frame: pl.DataFrame, *, required: Sequence[str] | None = None) -> list[Violation]:
    """Everything that is wrong with a frame, columns first, then rows; empty when it follows the contract.

    Args:
        table: the contract.
        frame: rows to check; columns that the contract does not know are ignored.
        required: columns that must be there and hold at least one value (a model's `required`); the key is always
            required. None asks for every non-nullable column of the contract.

    Returns:
        Violations in column order; bounds are inclusive, nulls are judged by `nullable` alone.
    """
    demanded = {*table.key, *(required if required is not None else (c.name for c in table.columns if not c.nullable))}
    found: list[Violation] = []
    usable: set[str] = set()
    for column in table.columns:
        if column.name not in frame.columns:
            if column.name in demanded:
                found.append(_missing(table, column, frame.height))
            continue
        mistyped = _wrong_type(column, frame)
        if mistyped:
            found.append(mistyped)
            continue
        usable.add(column.name)
        found.extend(_column_violations(column, frame))
        if required is not None and column.name in required and frame.height and frame[column.name].null_count() == frame.height:
            found.append(Violation(column.name, "empty_column", frame.height, "", f"Fill {column.name}: {column.meaning}"))
    if set(table.key) <= usable:
        found.extend(_duplicates(table, frame))
    found.extend(_rule_violations(table, frame, usable))
    return found


def _missing(table: Table, column: Column, rows: int) -> Violation:
    unit = f" in {column.unit}" if column.unit else ""
    return Violation(
        column.name,
        "missing_column",
        rows,
        "",
        f"Add {column.name} ({column.type.name.lower()}{unit}) to the {table.full_name} rows: {column.meaning}",
    )


def _wrong_type(column: Column, frame: pl.DataFrame) -> Violation | None:
    """A violation when the frame's dtype cannot stand for the contract's."""
    dtype = frame.schema[column.name]
    kind = column.type
    if dtype == pl.Null():
        return None
    fits = {
        ColumnType.STRING: isinstance(dtype, pl.String | pl.Categorical | pl.Enum),
        ColumnType.SYMBOL: isinstance(dtype, pl.String | pl.Categorical | pl.Enum),
        ColumnType.INT: dtype.is_integer(),
        ColumnType.FLOAT: dtype.is_numeric(),
        ColumnType.BOOL: dtype == pl.Boolean(),
        ColumnType.DATE: dtype == pl.Date(),
        ColumnType.TS: isinstance(dtype, pl.Datetime) and dtype.time_zone == "UTC",
        ColumnType.VECTOR: isinstance(dtype, pl.List) and dtype.inner.is_float(),
    }[kind]
    if fits:
        return None
    hint = {
        ColumnType.TS: "Give UTC instants such as 2026-01-31T23:00:00Z (with the zone said, not local time).",
        ColumnType.DATE: "Give market-local dates such as 2026-01-31.",
        ColumnType.FLOAT: "Give plain numbers with a decimal point; leave absent values empty.",
        ColumnType.INT: "Give whole numbers.",
        ColumnType.BOOL: "Give true or false.",
        ColumnType.VECTOR: "Give lists of 32-bit numbers, all of one length.",
    }.get(kind, "Give text.")
    first = frame[column.name].drop_nulls().head(1)
    example = f"{first[0]!r} ({dtype})" if first.len() else str(dtype)
    return Violation(column.name, "wrong_type", frame.height, example, hint)


def _column_violations(column: Column, frame: pl.DataFrame) -> Iterator[Violation]:
    """Nulls, non-finite numbers, bounds and allowed values of one column."""
    values = frame[column.name]
    if not column.nullable and values.null_count():
        yield Violation(column.name, "null", values.null_count(), "", f"Fill {column.name} or drop the rows: {column.meaning}")
    for rule, bad, remedy in _value_checks(column, values):
        hits = values.filter(bad.fill_null(value=False))
        if hits.len():
            yield Violation(column.name, rule, hits.len(), str(hits[0]), remedy)


def _value_checks(column: Column, values: pl.Series) -> Iterator[tuple[str, pl.Series, str]]:
    unit = f" {column.unit}" if column.unit else ""
    if column.type is ColumnType.FLOAT and values.dtype.is_float():
        yield "not_finite", ~values.is_finite(), "Leave absent values empty instead of NaN or infinity."
    if column.type is ColumnType.VECTOR:
        finite = values.list.eval(pl.element().is_finite()).list.all()
        yield "not_finite", ~finite, "A vector holds NaN or infinity; leave such rows out."
    if column.ge is not None:
        yield "below_minimum", values < column.ge, f"Values of {column.name} are at least {column.ge:g}{unit}; check unit and sign."
    if column.le is not None:
        above = (values > column.le) & ~values.is_nan() if values.dtype.is_float() else values > column.le
        yield "above_maximum", above, f"Values of {column.name} are at most {column.le:g}{unit}; check unit and sentinels."
    if column.type in {ColumnType.DATE, ColumnType.TS} and values.dtype.is_temporal():
        year = values.dt.year()
        yield (
            "out_of_range",
            (year < FIRST_DATE.year) | (year > LAST_DATE.year),
            "Give years from 1900 to 2299; check the unit of the epoch.",
        )
    if column.allowed:
        yield "not_allowed", ~values.cast(pl.String()).is_in(list(column.allowed)), f"Use one of: {', '.join(column.allowed)}."


def _duplicates(table: Table, frame: pl.DataFrame) -> Iterator[Violation]:
    keys = frame.select(table.key)
    twice = keys.filter(keys.is_duplicated())
    if twice.height:
        example = ", ".join(f"{k}={v}" for k, v in twice.row(0, named=True).items())
        yield Violation(WHOLE_ROW, "duplicate_key", twice.height, example, f"Keep one row per {', '.join(table.key)}.")


def _rule_violations(table: Table, frame: pl.DataFrame, usable: set[str]) -> Iterator[Violation]:
    """Row rules whose columns are all there."""
    for rule in table.rules:
        expr = rule.expr()
        if not set(expr.meta.root_names()) <= usable:
            continue
        bad = frame.filter(~expr.fill_null(value=False))
        if bad.height:
            example = ", ".join(f"{n}={bad[n][0]}" for n in dict.fromkeys(expr.meta.root_names()))
            yield Violation(WHOLE_ROW, rule.name, bad.height, example, rule.meaning)


@lru_cache(maxsize=256)
def dataframely_schema(table: Table) -> type[dy.Schema]:
    """A dataframely schema with the table's columns, bounds, allowed values, primary key and row rules.

    `schema.validate(frame)` raises with every broken rule, `schema.filter(frame)` parts good rows from bad ones.
    """
    members: dict[str, object] = {c.name: _dataframely_column(c, primary_key=c.name in table.key) for c in table.columns}
    members.update({r.name: dy.rule()(_rule_function(r)) for r in table.rules})
    members["__doc__"] = table.meaning
    members["__module__"] = __name__
    name = "".join(part.capitalize() for part in re.split(r"[._]", table.full_name))
    return types.new_class(name, (dy.Schema,), exec_body=lambda namespace: namespace.update(members))


def _rule_function(rule: Rule) -> Callable[[type[dy.Schema]], pl.Expr]:
    return lambda _cls: rule.expr().fill_null(value=False)


def _dataframely_column(column: Column, *, primary_key: bool) -> dy.Column:
    nullable = column.nullable and not primary_key
    match column.type:
        case ColumnType.STRING | ColumnType.SYMBOL:
            regex = f"^({'|'.join(re.escape(a) for a in column.allowed)})$" if column.allowed else None
            return dy.String(nullable=nullable, primary_key=primary_key, regex=regex, description=column.meaning)
        case ColumnType.INT:
            low, high = (None if b is None else int(b) for b in (column.ge, column.le))
            return dy.Int64(nullable=nullable, primary_key=primary_key, min=low, max=high, description=column.meaning)
        case ColumnType.FLOAT:
            return dy.Float64(nullable=nullable, primary_key=primary_key, min=column.ge, max=column.le, description=column.meaning)
        case ColumnType.VECTOR | ColumnType.BOOL:
            kind = dy.Bool if column.type is ColumnType.BOOL else partial(dy.List, dy.Float32(nullable=False))
            return kind(nullable=nullable, primary_key=primary_key, description=column.meaning)
        case ColumnType.DATE:
            return dy.Date(nullable=nullable, primary_key=primary_key, min=FIRST_DATE, max=LAST_DATE, description=column.meaning)
        case ColumnType.TS:
            return dy.Datetime(
                nullable=nullable,
                primary_key=primary_key,
                min=FIRST_TS,
                max=LAST_TS,
                time_unit="ms",
                time_zone="UTC",
                description=column.meaning,
            )
