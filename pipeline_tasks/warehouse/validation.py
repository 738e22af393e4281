"""Row-wise validation of delivered rows against a contract: which rows break which rules, all of them, vectorised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline_tasks.contracts import Column, ColumnType, Table

FIRST_YEAR, LAST_YEAR = 1900, 2298  # what Date32 and DateTime64 hold; ClickHouse wraps silently beyond
DUPLICATE_KEY = "duplicate_key"


@dataclass(frozen=True, slots=True)
class Checked:
    """Outcome of a validation.

    Attributes:
        rows: the rows cast to the contract's types, nulls where a cast failed; same order and height as delivered.
        broken: rules broken by each row, comma separated; empty for a good row.
    """

    rows: pl.DataFrame
    broken: pl.Series


def _cast(column: Column, series: pl.Series) -> pl.Series:
    target, found = column.type.polars, series.dtype
    if column.type is ColumnType.TS:
        if isinstance(found, pl.Datetime) and found.time_zone is None:
            raise ValueError(f"column {column.name}: instants without a time zone; localise them to UTC (dt.replace_time_zone)")
        if isinstance(found, pl.Datetime):
            return series.dt.convert_time_zone("UTC").cast(target)
        if found == pl.String:
            return series.str.to_datetime(time_unit="ms", time_zone="UTC", strict=False)
        if found != pl.Null:
            raise ValueError(f"column {column.name}: type {found} is not an instant; give UTC datetimes or ISO 8601 text")
    if column.type is ColumnType.INT and found.is_float():
        whole = series.is_finite() & (series == series.round()) & (series.abs() < 2**53)
        return series.set(~whole.fill_null(value=False), None).cast(target)
    if column.type in {ColumnType.STRING, ColumnType.SYMBOL} and found.is_nested():
        raise ValueError(f"column {column.name}: nested type {found} is not text; flatten it")
    return series.cast(target, strict=False)


def _column_rules(column: Column) -> Iterator[tuple[str, pl.Expr]]:
    """(rule, expression true where the row is bad) of one cast column."""
    value, name = pl.col(column.name), column.name
    if not column.nullable:
        yield f"{name}.null", value.is_null() & ~pl.col(f"_cast_failed.{name}")
    yield f"{name}.wrong_type", pl.col(f"_cast_failed.{name}")
    if column.type is ColumnType.FLOAT:
        yield f"{name}.not_finite", ~value.is_finite()
    if column.type in {ColumnType.DATE, ColumnType.TS}:
        yield f"{name}.out_of_range", ~value.dt.year().is_between(FIRST_YEAR, LAST_YEAR)
    comparable = value.fill_nan(None) if column.type is ColumnType.FLOAT else value
    if column.ge is not None:
        yield f"{name}.below_minimum", comparable < column.ge
    if column.le is not None:
        yield f"{name}.above_maximum", comparable > column.le
    if column.allowed:
        yield f"{name}.not_allowed", ~value.is_in(list(column.allowed))


def delivered_columns(table: Table, provenance: Sequence[str]) -> tuple[str, ...]:
    """Columns that a source delivers: the contract's without the provenance columns."""
    return tuple(c for c in table.column_names if c not in provenance)


def check_rows(table: Table, frame: pl.DataFrame, columns: Sequence[str]) -> Checked:
    """Cast and judge every row.

    Args:
        table: the contract.
        frame: rows as delivered; values of any type.
        columns: the columns the frame must have, exactly.

    Returns:
        The cast rows and the rules each broke: `<column>.null|wrong_type|not_finite|out_of_range|below_minimum|
        above_maximum|not_allowed`, and names of the table's row rules.

    Raises:
        ValueError: columns missing or unknown, or an instant column without a time zone: the importer is wrong, not a row.
    """
    missing, unknown = [c for c in columns if c not in frame.columns], [c for c in frame.columns if c not in columns]
    if missing or unknown:
        raise ValueError(f"{table.full_name}: frame lacks columns {missing} and has unknown columns {unknown}; mend the importer")
    declared = [table.column(c) for c in columns]
    rows = pl.DataFrame([_cast(c, frame.get_column(c.name)) for c in declared])
    failed = [(frame.get_column(n).is_not_null() & rows.get_column(n).is_null()).alias(f"_cast_failed.{n}") for n in columns]
    wide = rows.with_columns(failed)
    rules = [rule for column in declared for rule in _column_rules(column)]
    flags = wide.select(bad.fill_null(value=False).alias(name) for name, bad in rules)
    row_rules = rows.select((~r.expr().fill_null(value=False)).alias(r.name) for r in table.rules)
    return Checked(rows, broken_names(pl.concat([flags, row_rules], how="horizontal") if table.rules else flags))


def broken_names(flags: pl.DataFrame) -> pl.Series:
    """Names of the true columns of each row, comma separated."""
    raised = [n for n in flags.columns if flags.get_column(n).any()]
    if not raised:
        return pl.Series("broken_rules", [""] * flags.height, dtype=pl.String)
    names = [pl.when(pl.col(n)).then(pl.lit(n)).otherwise(pl.lit(None, dtype=pl.String)) for n in raised]
    return flags.select(pl.concat_str(names, separator=",", ignore_nulls=True).alias("broken_rules")).get_column("broken_rules")


def as_json(frame: pl.DataFrame) -> pl.Series:
    """Each row as JSON text, values as text, nulls as null."""
    texts = frame.select(pl.all().cast(pl.String, strict=False))
    return texts.select(pl.struct(pl.all()).struct.json_encode().alias("row_json")).get_column("row_json")
