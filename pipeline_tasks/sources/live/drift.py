"""Schema drift: what a provider changed in its columns, and whether the answer may still be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pipeline_tasks.sources.live.product import Field, Product

RETYPED_SHARE = 0.5  # of the filled cells of a number column that are no numbers
ABSENT = ("", "-", "--", "n/a", "na", "nan", "null", "none")  # what providers write for "not reported"


@dataclass(frozen=True)
class Drift:
    """Differences between the columns of an answer and those a product reads.

    Attributes:
        added: new columns, kept in the payload and not read.
        broken: why the answer is refused whole; empty where it may be read.
    """

    added: tuple[str, ...]
    broken: tuple[str, ...]


def drift_of(records: pl.DataFrame, product: Product) -> Drift:
    """Compare an answer's columns with what the product declares: a column added, renamed (or gone), retyped, or in another unit."""
    known = {f.name for f in product.fields} | set(product.extra)
    added = () if "*" in product.extra else tuple(sorted(set(records.columns) - known))
    missing = [f.name for f in product.fields if not f.optional and f.name not in records.columns]
    broken = [f"column {name!r} is gone" + (f" (renamed? new: {', '.join(added)})" if added else "") for name in missing]
    broken += [why for f in product.fields if f.name in records.columns for why in _wrong(records.get_column(f.name), f)]
    return Drift(added, tuple(broken))


def _wrong(column: pl.Series, field: Field) -> Sequence[str]:
    if field.kind == "text" or column.dtype == pl.Null or not column.len():
        return ()
    if field.kind == "number" and not _no_numbers(column).len():
        return ()
    text = column.cast(pl.String).str.strip_chars()
    filled = text.filter((~text.str.to_lowercase().is_in(list(ABSENT))).fill_null(value=False))
    if field.kind == "number":
        bad = _no_numbers(filled)
        return (f"column {field.name!r} was numbers and now holds {bad[0]!r}",) if bad.len() > RETYPED_SHARE * filled.len() else ()
    other = filled.filter(~filled.is_in(list(field.values))).unique().sort()
    if other.len():
        return (f"unit column {field.name!r} was {' or '.join(field.values)} and now says {', '.join(other.head(3).to_list())}",)
    return ()


def _no_numbers(column: pl.Series) -> pl.Series:
    """Cells that hold something and no number."""
    return column.filter(column.cast(pl.Float64, strict=False).is_null() & column.is_not_null())
