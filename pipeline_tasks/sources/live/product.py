"""What a client declares: products of a provider, each with its requests, the columns it reads, and how they become contract rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

import polars as pl

from config.markets import Market
from pipeline_tasks.contracts import Table
from pipeline_tasks.sources.importers import Publication
from pipeline_tasks.sources.live.answers import Member
from pipeline_tasks.sources.protocol import contract_columns

SAID = "_said"  # optional column of a product's rows: the stamp as the provider wrote it, kept where it names no instant


@dataclass(frozen=True)
class Ask:
    """One chunk of one feed.

    Attributes:
        market: the market the rows are for.
        regions: the provider's id of a place -> hub, area or node of the contract row; empty where the product has no places.
        first: first local day of the chunk.
        last: last local day, inclusive.
        start: UTC start of `first`.
        end: UTC end of `last`, exclusive.
        settings: provider settings that requests may need (key, folder).
        fetched_ts: when the answer came, UTC; for answers that say no publication time.
    """

    market: Market
    regions: Mapping[str, str]
    first: date
    last: date
    start: datetime
    end: datetime
    settings: Mapping[str, str] = field(default_factory=dict)
    fetched_ts: datetime | None = None

    @property
    def region(self) -> str:
        """The provider's id of the only place; empty where the product has none."""
        return next(iter(self.regions), "")

    @property
    def days(self) -> tuple[date, ...]:
        """Local days of the chunk."""
        return tuple(self.first + timedelta(days=k) for k in range((self.last - self.first).days + 1))


@dataclass(frozen=True)
class Request:
    """One HTTP GET.

    Attributes:
        path: below the provider's base URL, or a whole URL.
        params: query; the key is added by the fetcher and never kept.
        immutable: the answer to this very request never changes (a document id): once fetched it is never fetched again.
        absent_ok: a 404 means that nothing is published yet, not a fault.
        page: the answer is a web page (a folder's listing).
    """

    path: str
    params: Mapping[str, str] = field(default_factory=dict, hash=False)
    immutable: bool = False
    absent_ok: bool = False
    page: bool = False


@dataclass(frozen=True)
class Field:
    """A column that a product reads.

    Attributes:
        name: as the provider writes it.
        kind: text, number, or unit (a column whose only admissible values are `values`).
        values: admissible texts of a unit column.
        optional: its absence is no drift.
    """

    name: str
    kind: Literal["text", "number", "unit"] = "text"
    values: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True)
class Product:
    """One series of a provider.

    Attributes:
        provider: key of config/providers.yaml.
        name: name within the provider.
        table: raw table of its rows.
        requests: what to ask for a chunk.
        records: an answer's member to a frame of text columns, one row per published record.
        fields: columns of the records that are read; others are kept in the payload and, when new, reported.
        rows: records to contract columns without provenance; `known_ts` may be absent (then `known` says it); numbers may be text.
        known: when the market could know a row of which the answer does not say when it was published.
        extra: columns that are there and not read; `*` where a provider's table has too many to list, and new ones are not reported.
        chunk_days: longest chunk, local days.
        settles: after the end of a chunk: the time after which no answer about it changes any more.
        ahead: how far beyond now rows are published.
        by_region: one chunk per place (the provider wants one request each); False for one answer about all.
        follow: further requests that an answer names (a list of documents); their answers are the records.
    """

    provider: str
    name: str
    table: Table
    requests: Callable[[Ask], tuple[Request, ...]]
    records: Callable[[Member, Ask], pl.DataFrame]
    fields: tuple[Field, ...]
    rows: Callable[[pl.DataFrame, Ask], pl.DataFrame]
    known: Publication
    extra: tuple[str, ...] = ()
    chunk_days: int = 1
    settles: timedelta = timedelta(days=2)
    ahead: timedelta = timedelta(days=1)
    by_region: bool = True
    follow: Callable[[Member, Ask], tuple[Request, ...]] | None = None

    @property
    def full_name(self) -> str:
        """`provider/name`."""
        return f"{self.provider}/{self.name}"


def number(name: str) -> Field:
    """A column of numbers."""
    return Field(name, "number")


def texts(*names: str) -> tuple[Field, ...]:
    """Columns of text."""
    return tuple(Field(n) for n in names)


def numbers(*names: str) -> tuple[Field, ...]:
    """Columns of numbers."""
    return tuple(Field(n, "number") for n in names)


def shaped(product_table: Table, frame: pl.DataFrame, ask: Ask, **constants: str | int) -> pl.DataFrame:
    """The frame with market, constants and absent columns added, in contract order; `known_ts` and `_said` are kept where they are.

    Args:
        product_table: raw table.
        frame: columns named as in the contract.
        ask: gives market and, for tables with a currency, the market's currency unless the frame or a constant has one.
        constants: contract column -> value of every row.
    """
    given: dict[str, str | int] = {"market": ask.market.key, **constants}
    if "currency" in product_table.column_names and "currency" not in frame.columns:
        given.setdefault("currency", ask.market.currency)
    frame = frame.with_columns(pl.lit(v).alias(k) for k, v in given.items())
    names = contract_columns(product_table)
    absent = [n for n in names if n not in frame.columns and n != "known_ts"]
    frame = frame.with_columns(pl.lit(None, dtype=product_table.column(n).type.polars).alias(n) for n in absent)
    order = [n for n in names if n in frame.columns]
    return frame.select(*order, *([SAID] if SAID in frame.columns else []))


def unpivoted(frame: pl.DataFrame, columns: Mapping[str, str], index: list[str], name: str, value: str) -> pl.DataFrame:
    """One row per filled cell of the columns that are there.

    Args:
        frame: wide rows.
        columns: column -> what its rows are called.
        index: columns that every row keeps.
        name: column that says which.
        value: column of the cells.
    """
    there = [c for c in columns if c in frame.columns]
    long = frame.unpivot(there, index=index, variable_name=name, value_name=value)
    filled = pl.col(value).is_not_null() & (pl.col(value).str.strip_chars() != "")
    return long.filter(filled).with_columns(pl.col(name).replace(columns))


def optional_numbers(*names: str) -> tuple[Field, ...]:
    """Columns of numbers whose absence is no drift."""
    return tuple(Field(n, "number", optional=True) for n in names)


def either(column: str, *formats: str) -> pl.Expr:
    """Text in one of several formats to a naive wall time; null where it fits none."""
    return pl.coalesce(pl.col(column).str.strip_chars().str.to_datetime(f, time_unit="ms", strict=False) for f in formats)
