"""Content hashes of rows and frames: the same values give the same SHA-256 on every machine and in every version.

A row's text is `name=value` for every column that is not null, columns sorted by name, joined by the unit separator.
Numbers are written as the bits of the IEEE double (so no printer of decimals matters), vectors as the hash of theirs, instants as
UTC milliseconds, dates as days since 1970. A null column adds nothing: a column that a contract gains later leaves old hashes as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl

SEPARATOR = "\x1f"


def _bits(series: pl.Series) -> pl.Series:
    values = series.cast(pl.Float64)
    numbers = values.fill_null(0.0).to_numpy() + 0.0  # one zero: -0.0 + 0.0 is 0.0
    numbers[np.isnan(numbers)] = np.nan  # one NaN
    bits = numbers.view(np.int64)
    return pl.Series(series.name, bits).zip_with(values.is_not_null(), pl.Series(series.name, [None], dtype=pl.Int64))


def _vector_text(values: list[float]) -> str:
    """SHA-256 of a vector's numbers as IEEE doubles, one zero."""
    return hashlib.sha256((np.asarray(values, dtype=np.float64) + 0.0).tobytes()).hexdigest()


def exact_text(series: pl.Series) -> pl.Series:
    """Values as text that is equal exactly where they are equal; nulls stay null."""
    dtype = series.dtype
    if dtype.is_float():
        return _bits(series).cast(pl.String)
    if isinstance(dtype, pl.Datetime):
        return series.dt.epoch("ms").cast(pl.String)
    if dtype == pl.Date:
        return series.dt.epoch("d").cast(pl.String)
    if dtype == pl.Boolean:
        return series.cast(pl.Int8).cast(pl.String)
    if dtype.is_integer():
        return series.cast(pl.Int64).cast(pl.String)
    if isinstance(dtype, pl.List):
        text = pl.Series(series.name, [None if v is None else _vector_text(v) for v in series.to_list()], dtype=pl.String)
    else:
        text = series.cast(pl.String)
    if text.str.contains("\\", literal=True).any() or text.str.contains(SEPARATOR, literal=True).any():
        text = text.str.replace_all("\\", "\\\\", literal=True).str.replace_all(SEPARATOR, "\\u", literal=True)
    return text


def row_shas(frame: pl.DataFrame, columns: Sequence[str] | None = None) -> pl.Series:
    """SHA-256 of every row, lower-case hex.

    Args:
        frame: any rows.
        columns: columns that count; all of the frame when not given. Their order does not matter.

    Returns:
        A String series as long as the frame, without nulls.
    """
    names = sorted(columns if columns is not None else frame.columns)
    if not frame.height:
        return pl.Series("row_sha", [], dtype=pl.String)
    pieces: list[pl.Expr] = []  # every value behind its separator; the first one of a line is cut off
    constant = ""  # text that all rows share up to here
    varying: list[pl.Series] = []
    for name in names:
        column = frame.get_column(name)
        title = f"{SEPARATOR}{name}="
        if _is_constant(column):
            shared = exact_text(column.head(1))[0]
            constant += "" if shared is None else title + shared
            continue
        text = exact_text(column)
        varying.append(text)
        if text.null_count():
            pieces += [pl.lit(constant), (pl.lit(title) + pl.col(name)).fill_null("")]
        else:
            pieces += [pl.lit(constant + title), pl.col(name)]
        constant = ""
    if not varying:
        return pl.Series("row_sha", [hashlib.sha256(constant[1:].encode()).hexdigest()], dtype=pl.String).new_from_index(0, frame.height)
    pieces.append(pl.lit(constant))
    line = pl.DataFrame(varying).select(pl.concat_str(pieces).str.slice(1).cast(pl.Binary).alias("line")).get_column("line")
    sha256 = hashlib.sha256
    return pl.Series("row_sha", [sha256(text).hexdigest() for text in line.to_list()], dtype=pl.String)


def _is_constant(column: pl.Series) -> bool:
    """Whether all values are one (or null); False for numbers that are no whole ones, whose zeros and NaN compare otherwise."""
    if column.dtype.is_float() or column.dtype.is_nested():
        return False
    if column.null_count():
        return column.null_count() == column.len()
    first = column[0]
    return bool(first == column[-1] and (column == first).all())


def combined_sha(shas: Iterable[str]) -> str:
    """SHA-256 over row hashes in the order given."""
    text = shas.str.join("\n").item() if isinstance(shas, pl.Series) else "\n".join(shas)  # walking a series row by row takes long
    return hashlib.sha256(text.encode()).hexdigest()


def content_sha(frame: pl.DataFrame, key: Sequence[str], columns: Sequence[str] | None = None) -> str:
    """SHA-256 over the rows in key order (ties by row hash): the hash of a published partition."""
    shas = row_shas(frame, columns)
    ordered = frame.select(key).with_columns(shas.alias("_row_sha")).sort([*key, "_row_sha"], nulls_last=False)
    return combined_sha(ordered.get_column("_row_sha").to_list())


def data_version(frame: pl.DataFrame) -> str:
    """SHA-256 of the rows a model read; row and column order do not matter."""
    return combined_sha(row_shas(frame).sort().to_list())
