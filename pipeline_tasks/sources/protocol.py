"""What a source is: it yields batches of raw rows in contract columns and judges none of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

import polars as pl

from config.markets import MarketSelection
from pipeline_tasks.contracts import Table
from pipeline_tasks.contracts.raw import PROVENANCE

PROVENANCE_NAMES = frozenset(c.name for c in PROVENANCE)


class SourceError(ValueError):
    """A source cannot deliver what was asked; the message names the field, the value and the remedy."""


@dataclass(frozen=True)
class Seen:
    """Fetches that bound when rows became known.

    Attributes:
        fetched_ts: when this answer came, UTC.
        before_ts: when the answer before it came, which held what is in the warehouse; None for the first.
    """

    fetched_ts: datetime
    before_ts: datetime | None = None


@dataclass(frozen=True)
class RawBatch:
    """Rows of one raw table from one source object.

    Attributes:
        table: raw table the rows are for.
        frame: the table's contract columns without provenance, as delivered: good and bad rows alike.
        source_object: file, endpoint or object; with `#part` where one object feeds several tables or products.
        market: market key of config/markets.yaml.
        refused: true where the source could not resolve the rows (a wall time that never was, a stamp given twice with different
            values). Their `delivery_ts` and `known_ts` are then text, the stamp as delivered and the reason, so that the loader
            quarantines each row and keeps both.
        source: value of the `source` column where it is not the source's own name (the provider of a live feed).
        seen: when the rows were fetched, for rows whose publication time is a rule and not the provider's word.
    """

    table: Table
    frame: pl.DataFrame
    source_object: str
    market: str
    refused: bool = False
    source: str = ""
    seen: Seen | None = None

    @property
    def rows_read(self) -> int:
        """Contract rows delivered; loaded + quarantined + duplicate rows add up to it."""
        return self.frame.height


class Source(Protocol):
    """A provider of raw market data. Reads only what the selection needs and writes nothing."""

    @property
    def name(self) -> str:
        """Registry name, stored in the `source` column."""
        ...

    def batches(self, selection: MarketSelection, *, until: datetime, objects: frozenset[str] | None = None) -> Iterator[RawBatch]:
        """Rows of the selection whose delivery starts before `until`, in a deterministic order.

        Args:
            selection: market and hubs.
            until: UTC instant; rows with a later delivery start are not read.
            objects: names (see `objects`) to restrict to; None for all that the selection needs.

        Raises:
            SourceError: the source does not serve the market, or an object is unknown.
        """
        ...

    def objects(self, selection: MarketSelection) -> tuple[str, ...]:
        """Names of the objects (files, endpoints) that the selection would read."""
        ...


@runtime_checkable
class IncrementalSource(Source, Protocol):
    """A source that can leave out what the warehouse holds already."""

    @property
    def held_as(self) -> str:
        """Source name under which the warehouse holds the objects of `unread`."""
        ...

    def unread(
        self, selection: MarketSelection, *, until: datetime, objects: frozenset[str] | None = None, held: Collection[str]
    ) -> Iterator[RawBatch]:
        """`batches` without what the objects in `held` brought.

        Args:
            selection: market and hubs.
            until: as in `batches`.
            objects: as in `batches`.
            held: names (`RawBatch.source_object`) of objects that were loaded and are whole in the warehouse.
        """
        ...


@runtime_checkable
class LiveSource(Source, Protocol):
    """A source that can tell what arrived since an instant: what a run within the day reads."""

    def news(
        self, selection: MarketSelection, *, since: datetime, until: datetime, objects: frozenset[str] | None = None
    ) -> Iterator[RawBatch]:
        """Rows that arrived after `since` and not after `until`, whatever delivery they are about, in a deterministic order.

        Windows that follow each other lose and repeat nothing; one that overlaps another brings the rows of the overlap again, and the
        loader drops them.

        Args:
            selection: market and hubs.
            since: UTC instant up to which everything was read before.
            until: UTC instant of the run.
            objects: as in `batches`.

        Raises:
            SourceError: as `batches`.
            ConnectionError: the source cannot be reached.
        """
        ...


def contract_columns(table: Table) -> list[str]:
    """Columns of a raw table that a source delivers: all but provenance, in storage order."""
    return [c.name for c in table.columns if c.name not in PROVENANCE_NAMES]


def _files() -> Source:
    from pipeline_tasks.sources.files import FilesSource

    return FilesSource()


def _twin() -> Source:
    from pipeline_tasks.sources.twin import TwinSource

    return TwinSource()


def _twin_faults() -> Source:
    from pipeline_tasks.sources.faulty import FaultySource
    from pipeline_tasks.sources.twin import TwinSource

    return FaultySource(TwinSource())


def _live() -> Source:
    from pipeline_tasks.sources.live.source import LiveFeeds

    return LiveFeeds()


_REGISTRY: dict[str, Callable[[], Source]] = {"files": _files, "twin": _twin, "twin_faults": _twin_faults, "live": _live}


def source_names() -> tuple[str, ...]:
    """Names of all registered sources."""
    return tuple(_REGISTRY)


def get_source(name: str) -> Source:
    """The source of that name, configured from settings.

    Raises:
        SourceError: no source has that name; the message lists those there are.
    """
    if name not in _REGISTRY:
        raise SourceError(f"source {name!r} is not known; use one of {', '.join(_REGISTRY)}")
    return _REGISTRY[name]()
