"""One file object to contract frames: scan lazily, take only what a run needs, map, place in time, tell refused rows apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import add as add_exprs
from pathlib import Path

import polars as pl

from config.markets import Market
from pipeline_tasks.contracts import Table
from pipeline_tasks.sources.clock import INSTANT, WALL, is_zoned, publication, stamps, to_utc
from pipeline_tasks.sources.importers import HUB_FIELD, MEASURED, TABLES, Cell, ColumnRule, FileObject, Publication, Target, Value
from pipeline_tasks.sources.protocol import RawBatch, SourceError, contract_columns

NO_SUCH_TIME = "refused: the stamp is unreadable or names a wall time that never was"
GIVEN_TWICE = "refused: the key is given twice with different values"
NO_NUMBER = "refused: the value is no number"
_PUBLISHED, _SAID, _SAID_HOUR, _TEXT = "_published", "_said", "_said_hour", "_text"


@dataclass(frozen=True)
class Reading:
    """What of an object a run reads.

    Attributes:
        market: the run's market.
        hubs: its hubs; with the market's area they also select quantities.
        until: delivery starts at or after this UTC instant are left out.
    """

    market: Market
    hubs: tuple[str, ...]
    until: datetime

    @property
    def places(self) -> tuple[str, ...]:
        """Hubs and the market's own area."""
        return (*self.hubs, self.market.area)


def scan(path: Path, spec: FileObject) -> pl.LazyFrame:
    """Lazy frame of a Parquet or CSV file, columns as in the file.

    CSV columns are all read as text, so that a value that is no number is quarantined and does not stop the load.

    Raises:
        SourceError: the file's ending is neither `.parquet` nor `.csv`.
    """
    if path.suffix == ".parquet":
        return pl.scan_parquet(path)
    if path.suffix == ".csv":
        csv = spec.csv
        return pl.scan_csv(
            path,
            separator=csv.separator,
            skip_rows=csv.skip_rows,
            null_values=list(csv.null_values),
            infer_schema=False,
            encoding="utf8-lossy",
        )
    raise SourceError(f"{spec.id}: file {path.name}: ending {path.suffix!r} is not read; convert it to .parquet or .csv")


def read_object(path: Path, label: str, spec: FileObject, reading: Reading) -> Iterator[RawBatch]:
    """Batches of one file: one per target, and one more per target with rows that cannot be resolved.

    Args:
        path: file to read.
        label: name of the file for `source_object`.
        spec: the importer's object.
        reading: what the run needs of it.

    Raises:
        SourceError: the file lacks a column that the importer names.
    """
    lazy = scan(path, spec)
    schema = lazy.collect_schema()
    for target in spec.targets:
        part = target.part or target.table
        needed = _inputs(spec, target)
        missing = sorted(needed - set(schema.names()))
        if missing:
            raise SourceError(
                f"{spec.id}: file {label} has no column {missing}; it has {schema.names()}; correct the importer's {part!r} part"
            )
        frame = _prepared(lazy.select(n for n in schema.names() if n in needed), spec, target, reading)
        table = TABLES[target.table]
        placed, timeless = _contract(frame, table, spec, target, reading)
        good, clashing = _resolved(placed, table, spec)
        name = f"{label}#{part}"
        if good.height:
            yield RawBatch(table, good, name, reading.market.key)
        refused = pl.concat([timeless, clashing])
        if refused.height:
            yield RawBatch(table, refused, f"{name}!refused", reading.market.key, refused=True)


def _inputs(spec: FileObject, target: Target) -> set[str]:
    cells = target.wide.cells() if target.wide else {}
    rules = [target.known, *(c.known for c in cells.values() if c.known)]
    names = {spec.time.column, *cells, *spec.filter, *(n for v in target.values().values() for n in v.inputs)}
    names |= {r.column for r in rules if isinstance(r, ColumnRule)}
    if spec.time.hour:
        names.add(spec.time.hour.column)
    if spec.time.clock:
        names.add(spec.time.clock)
    if spec.pivot:
        names = (names - set(spec.pivot.into.values())) | {*spec.pivot.index, spec.pivot.on, spec.pivot.values}
    return names


def _parsed(name: str, dtype: pl.DataType, spec: FileObject) -> pl.Expr:
    """The column as Float64: unreadable text and NaN are null."""
    col = pl.col(name)
    if dtype == pl.String:
        col = col.str.strip_chars()
        if spec.csv.decimal_comma:
            col = col.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    # Float32 values are read as the decimals that were stored (16.28, not 16.280000686): shortest text that gives the same Float32
    value = col.cast(pl.String).cast(pl.Float64, strict=False) if dtype == pl.Float32 else col.cast(pl.Float64, strict=False)
    return value.fill_nan(None)


def _number(name: str, dtype: pl.DataType, spec: FileObject) -> pl.Expr:
    """The column as Float64: unreadable text, NaN and sentinels are null."""
    value = _parsed(name, dtype, spec)
    marks = spec.sentinels.get(name)
    return pl.when(value.is_in(list(marks)).not_()).then(value) if marks else value


def _prepared(lazy: pl.LazyFrame, spec: FileObject, target: Target, reading: Reading) -> pl.DataFrame:
    """Rows of the run, in file order, stamped with `_wall`."""
    schema = lazy.collect_schema()
    for name, texts in spec.filter.items():
        lazy = lazy.filter(pl.col(name).cast(pl.String).is_in(list(texts)))
    hub = target.values().get(HUB_FIELD[target.table]) if HUB_FIELD[target.table] else None
    if hub is not None and hub.column and spec.scope == "hub":
        places = [k for k, v in hub.map.items() if v in reading.places] if hub.map else list(reading.places)
        lazy = lazy.filter(pl.col(hub.column).cast(pl.String).is_in(places))
    lazy = lazy.with_columns(stamps(spec.time, schema))
    frame = lazy.collect()
    return _pivoted(frame, spec) if spec.pivot else frame


def _pivoted(frame: pl.DataFrame, spec: FileObject) -> pl.DataFrame:
    pivot = spec.pivot
    if pivot is None:
        return frame
    by_column: dict[str, list[str]] = {}
    for text, column in pivot.into.items():
        by_column.setdefault(column, []).append(text)
    chosen = [
        pl.col(pivot.values).filter(pl.col(pivot.on).cast(pl.String).is_in(texts)).first().alias(column)
        for column, texts in by_column.items()
    ]
    return frame.group_by([*pivot.index, WALL], maintain_order=True).agg(chosen)


def _value(name: str, value: Value, table: Table, schema: pl.Schema, spec: FileObject) -> pl.Expr:
    """Expression of one contract column."""
    wanted = table.column(name).type.polars
    if wanted != pl.Float64():
        text = pl.col(value.column).cast(pl.String).str.strip_chars()
        if value.map:
            text = text.replace_strict(value.map, default=None, return_dtype=pl.String)
        return text.cast(wanted, strict=False).alias(name)
    terms = value.sum or {value.column: 1.0}
    # added one after the other: sum_horizontal may add in another order in another run, and the last bit decides the row's hash
    total = reduce(add_exprs, [_number(n, schema[n], spec) * w for n, w in terms.items()])
    factor, add = value.scale
    return (total * factor + add).alias(name)


def _cell_rows(frame: pl.DataFrame, table: Table, spec: FileObject, target: Target, cell: tuple[str, Cell] | None) -> pl.DataFrame:
    """Contract columns (times excepted) of one value column, or of the whole row where the layout is long."""
    wide = target.wide
    constants = {**target.constants, **(cell[1].constants if cell else {})}
    columns = [_value(n, v, table, frame.schema, spec) for n, v in target.values().items()]
    columns += [pl.lit(v).cast(table.column(n).type.polars, strict=False).alias(n) for n, v in constants.items()]
    rule = (cell[1].known if cell else None) or target.known
    if cell is not None and wide is not None:
        value = Value(column=cell[0], factor=cell[1].factor, unit=wide.unit if cell[1].factor == 1.0 else None)
        columns.append(_value(wide.into, value, table, frame.schema, spec))
    kept = [pl.col(WALL), pl.col(spec.time.column).alias(_SAID)]
    if spec.time.hour is not None:
        kept.append(pl.col(spec.time.hour.column).alias(_SAID_HOUR))
    if isinstance(rule, ColumnRule):
        kept.append(pl.col(rule.column).alias(_PUBLISHED))
    origin = cell[0] if cell else getattr(target.values().get(MEASURED[table.name]), "column", "")
    text = origin and frame.schema[origin] == pl.String()
    kept.append((_unread(origin, spec) if text else pl.lit(None, dtype=pl.String)).alias(_TEXT))
    rows = frame.select(*columns, *kept)
    if target.absent_cells == "skip":
        rows = rows.filter(pl.col(MEASURED[table.name]).is_not_null() | pl.col(_TEXT).is_not_null())
    return rows


def _unread(column: str, spec: FileObject) -> pl.Expr:
    """Text of a cell that is no number; an empty cell says nothing and is null."""
    no_number = _parsed(column, pl.String(), spec).is_null() & (pl.col(column).str.strip_chars() != "")
    return pl.when(no_number).then(pl.col(column))


def _contract(frame: pl.DataFrame, table: Table, spec: FileObject, target: Target, reading: Reading) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows with a delivery time, and rows whose stamp names none; one block per value column, columns in contract order."""
    field = HUB_FIELD[table.name]
    cells: list[tuple[str, Cell] | None] = list(target.wide.cells().items()) if target.wide else [None]
    empty = table.empty().select(contract_columns(table))
    blocks = [(empty, _as_refused(empty, table))]
    for cell in cells:
        place = {**target.constants, **(cell[1].constants if cell else {})}.get(field) if field else None
        if place is not None and place not in reading.places and spec.scope == "hub":
            continue
        rows = _cell_rows(frame, table, spec, target, cell)
        blocks.append(
            _placed(rows, table, spec, (cell[1].known if cell else None) or target.known, reading, is_zoned(spec.time, frame.schema))
        )
    # in order of delivery: a later `until` then adds rows at the end and renumbers none, so that quarantine knows a row again
    return pl.concat([b[0] for b in blocks]).sort("delivery_ts", maintain_order=True), pl.concat([b[1] for b in blocks])


def _placed(
    rows: pl.DataFrame, table: Table, spec: FileObject, rule: Publication, reading: Reading, zoned: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give rows their delivery and publication times; rows whose stamp names no instant come second, the stamp as text."""
    names, schema, market = contract_columns(table), table.polars_schema(), reading.market
    series = [c for c in table.key if c in rows.columns]
    timed = to_utc(rows, spec.time, spec.time.zone or market.time_zone, series=series, zoned=zoned, hour=_SAID_HOUR)
    timed = timed.rename({INSTANT: "delivery_ts"}).filter(pl.col("delivery_ts").is_null() | (pl.col("delivery_ts") < reading.until))
    if isinstance(rule, ColumnRule):
        rule = rule.model_copy(update={"column": _PUBLISHED})
    known = publication(rule, zone=market.time_zone, resolution_min=spec.time.resolution_min, schema=timed.schema)
    timed = timed.with_columns(
        known.alias("known_ts"), market=pl.lit(market.key), resolution_min=pl.lit(spec.time.resolution_min, dtype=pl.Int64)
    )
    absent = [pl.lit(None, dtype=schema[n]).alias(n) for n in names if n not in timed.columns]
    timed = timed.with_columns(absent).with_columns(pl.col(n).cast(schema[n]) for n in names)
    lost, unread = pl.col("delivery_ts").is_null(), pl.col(_TEXT).is_not_null()
    good, bad = timed.filter(~(lost | unread)), timed.filter(lost | unread)
    return good.select(names), _said_as_text(bad, table).select(names)


def _said_as_text(bad: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Rows whose stamp names no instant or whose value is no number, with both as the file says them."""
    said = [pl.col(_SAID).cast(pl.String)]
    if _SAID_HOUR in bad.columns:
        said.append(pl.format("hour {}", pl.col(_SAID_HOUR)))
    on_file = pl.concat_str([*said, pl.lit("on the file's clock")], separator=" ", ignore_nulls=True)
    lost, measured = pl.col("delivery_ts").is_null(), MEASURED[table.name]
    texts = _as_refused(bad, table)
    return texts.with_columns(
        pl.when(bad.select(lost).to_series()).then(on_file).otherwise("delivery_ts").alias("delivery_ts"),
        pl.when(bad.select(lost).to_series()).then(pl.lit(NO_SUCH_TIME)).otherwise(pl.lit(NO_NUMBER)).alias("known_ts"),
        pl.coalesce(_TEXT, measured).alias(measured),
    )


def _as_refused(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Times and value as text: the loader quarantines what is no instant (known_ts holds the reason) and keeps the text."""
    return frame.with_columns(
        pl.col("delivery_ts").dt.strftime("%Y-%m-%d %H:%M:%S"), pl.col(MEASURED[table.name]).cast(pl.String), known_ts=pl.lit(GIVEN_TWICE)
    )


def _resolved(frame: pl.DataFrame, table: Table, spec: FileObject) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows to load, and rows of keys that were given different values: those that the importer's rule does not keep.

    Equal rows given twice are left together: the loader counts the second as a duplicate.
    """
    key = list(table.key)
    values = [n for n in frame.columns if n not in key]
    if frame.select(pl.struct(key).hash().n_unique()).item() == frame.height:  # hashing first keeps six million rows quick
        return frame, _as_refused(frame.clear(), table)
    marked = frame.with_row_index("_row")
    valued = marked.filter(pl.col(MEASURED[table.name]).is_not_null())  # a missing value is refused on its own account
    clashing = valued.filter(pl.struct(key).is_duplicated()).filter(pl.struct(values).n_unique().over(key) > 1)
    if spec.duplicates == "keep_first":
        clashing = clashing.filter(pl.col("_row") != pl.col("_row").min().over(key))
    elif spec.duplicates == "keep_last":
        clashing = clashing.filter(pl.col("_row") != pl.col("_row").max().over(key))
    kept = marked.join(clashing.select("_row"), on="_row", how="anti", maintain_order="left").drop("_row")
    return kept, _as_refused(clashing.drop("_row"), table)
