"""A source with faults: what another one publishes within the day, some of it late, twice, corrected, broken, or never.

For tests and for `desk soak intraday`. What is faulty follows from the plan's seed, the part and the interval alone, so that windows of any
length bring the same rows, and `delivered` can say afterwards what a number of windows must have brought.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field

from config.markets import MarketSelection
from config.settings import REPO_ROOT
from pipeline_tasks.sources.protocol import IncrementalSource, LiveSource, RawBatch

PLAN_FILE = REPO_ROOT / "config" / "faults.yaml"
VALUES = ("price_ccy_per_mwh", "energy_ccy_per_mwh", "value")  # what a correction changes
ABSURD = 1e9
_ARRIVES, _AGAIN = "_arrives", "_again"


class Silence(BaseModel):
    """The feed says nothing for `minutes`, every `every_h` hours."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every_h: int = Field(ge=1, le=1000)
    minutes: int = Field(ge=0, le=1440)


class FaultPlan(BaseModel):
    """config/faults.yaml; the meaning of every field stands there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int
    parts: tuple[str, ...]
    step_min: int = Field(ge=1, le=60)
    missing_share: float = Field(ge=0, le=1)
    late_share: float = Field(ge=0, le=1)
    repeated_share: float = Field(ge=0, le=1)
    again_share: float = Field(ge=0, le=1)
    corrected_share: float = Field(ge=0, le=1)
    garbled_share: float = Field(ge=0, le=1)
    longest_delay: int = Field(ge=1, le=96)
    correction: float
    silence: Silence
    unreachable_share: float = Field(ge=0, lt=1)

    @property
    def longest(self) -> timedelta:
        """Most that a row is late by."""
        return timedelta(minutes=self.step_min * self.longest_delay + self.silence.minutes)

    def draw(self, *about: object) -> float:
        """A number of [0, 1) that belongs to what is named."""
        text = "\x1f".join(map(str, (self.seed, *about)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7]) / 2**56

    def steps(self, *about: object) -> timedelta:
        """A delay of 1 to `longest_delay` steps."""
        return timedelta(minutes=self.step_min * (1 + int(self.draw(*about, "steps") * self.longest_delay)))

    def heard(self, instant: datetime) -> datetime:
        """When what is published at an instant is heard: then, or at the end of the silence it falls into."""
        period, quiet = timedelta(hours=self.silence.every_h), timedelta(minutes=self.silence.minutes)
        into = (instant - datetime(2020, 1, 1, tzinfo=UTC)) % period
        return instant if into >= quiet else instant - into + quiet


@lru_cache(maxsize=8)
def load_plan(path: Path = PLAN_FILE) -> FaultPlan:
    """The plan of a file.

    Raises:
        ValueError: the file breaks its schema; the message names field and value.
    """
    return FaultPlan.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


class ByDayAndNews(IncrementalSource, LiveSource, Protocol):
    """What a source must be to be given faults."""


class FaultySource:
    """Another source with the faults of a plan. `batches` and `unread` are the other source's own: whole days have no faults.

    Args:
        inner: whose rows they are.
        plan: what goes wrong; that of config/faults.yaml when None.
    """

    def __init__(self, inner: ByDayAndNews, plan: FaultPlan | None = None) -> None:
        """Nothing is read yet."""
        self._inner = inner
        self._plan = plan or load_plan()

    @property
    def name(self) -> str:
        """The other source's name with `_faults`."""
        return f"{self._inner.name}_faults"

    @property
    def held_as(self) -> str:
        """The other source's name: whole days that it loaded are there."""
        return self._inner.held_as

    def objects(self, selection: MarketSelection) -> tuple[str, ...]:
        """Those of the other source."""
        return self._inner.objects(selection)

    def batches(self, selection: MarketSelection, *, until: datetime, objects: frozenset[str] | None = None) -> Iterator[RawBatch]:
        """Those of the other source."""
        return self._inner.batches(selection, until=until, objects=objects)

    def unread(
        self, selection: MarketSelection, *, until: datetime, objects: frozenset[str] | None = None, held: Collection[str]
    ) -> Iterator[RawBatch]:
        """Those of the other source."""
        return self._inner.unread(selection, until=until, objects=objects, held=held)

    def news(
        self, selection: MarketSelection, *, since: datetime, until: datetime, objects: frozenset[str] | None = None
    ) -> Iterator[RawBatch]:
        """What of the other source arrives between the instants.

        Raises:
            ConnectionError: the plan has the source out of reach at `until`.
        """
        if self._plan.draw("unreachable", until.isoformat()) < self._plan.unreachable_share:
            raise ConnectionError(f"{self.name}: no answer at {until:%Y-%m-%d %H:%M} UTC (config/faults.yaml: unreachable_share)")
        yield from self.delivered(selection, since=since, until=until, objects=objects)

    def delivered(
        self, selection: MarketSelection, *, since: datetime, until: datetime, objects: frozenset[str] | None = None
    ) -> Iterator[RawBatch]:
        """`news` as if the source could always be reached: what windows that cover this one bring all together."""
        for batch in self._inner.news(selection, since=since - self._plan.longest, until=until, objects=objects):
            head, _, digest = batch.source_object.partition("@")
            part = head.partition(":")[2].partition("/")[0]
            arriving = _arrivals(self._plan, part, batch.frame).filter((pl.col(_ARRIVES) > since) & (pl.col(_ARRIVES) <= until))
            for (again,), rows in arriving.group_by(_AGAIN, maintain_order=True):
                name = f"{head.partition('/')[0]}{'#again' if again else ''}/{since:%Y%m%dT%H%M%SZ}..{until:%Y%m%dT%H%M%SZ}@{digest}"
                yield replace(batch, frame=rows.drop(_ARRIVES, _AGAIN), source_object=name)


def _arrivals(plan: FaultPlan, part: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows as they arrive: columns of the frame, when, and whether in an object of their own that only repeats."""
    measured = pl.col("known_ts") > pl.col("delivery_ts")
    if part not in plan.parts:
        return _arriving(frame, pl.col("known_ts"))
    parts = [_arriving(frame.filter(~measured), pl.col("known_ts"))]
    for (delivery, known), rows in frame.filter(measured).group_by("delivery_ts", "known_ts", maintain_order=True):
        parts += _interval(plan, (part, delivery), rows, known)
    return pl.concat(parts)


def _arriving(rows: pl.DataFrame, at: pl.Expr | datetime, *, again: bool = False) -> pl.DataFrame:
    when = at if isinstance(at, pl.Expr) else pl.lit(at).cast(rows.schema["known_ts"])
    return rows.with_columns(when.alias(_ARRIVES), pl.lit(again).alias(_AGAIN))


def _interval(plan: FaultPlan, about: tuple[str, datetime], rows: pl.DataFrame, known: datetime) -> Iterator[pl.DataFrame]:
    """What of one interval arrives, and when."""
    fate = plan.draw(*about)
    if fate < plan.missing_share:
        return
    at = plan.heard(known + plan.steps(*about, "late") if fate < plan.missing_share + plan.late_share else known)
    first = _arriving(rows.with_columns(pl.lit(at).cast(rows.schema["known_ts"]).alias("known_ts")), at)
    yield first
    if plan.draw(*about, "repeated") < plan.repeated_share:
        yield first
    if plan.draw(*about, "garbled") < plan.garbled_share:
        yield first.with_columns(pl.lit(ABSURD).alias(c) for c in VALUES if c in rows.columns)
    if plan.draw(*about, "again") < plan.again_share:
        yield _arriving(first.select(rows.columns), plan.heard(at + plan.steps(*about, "again")), again=True)
    if plan.draw(*about, "corrected") < plan.corrected_share:
        later = plan.heard(at + plan.steps(*about, "corrected"))
        changed = [pl.col(c) + plan.correction for c in VALUES if c in rows.columns]
        yield _arriving(rows.with_columns(pl.lit(later).cast(rows.schema["known_ts"]).alias("known_ts"), *changed), later)
