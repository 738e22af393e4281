"""Outages of units and lines: what can fail, what did, what was said about it and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

import numpy as np
import polars as pl

from models._kernel.grid.network import Floats, Ints
from pipeline_tasks.twin.dials import ElementKind

STEP_MS = 300_000  # every outage starts and ends on a multiple of five minutes
OVERDUE = timedelta(hours=12)


@dataclass(frozen=True)
class OutageElement:
    """A unit or line that can be out.

    Attributes:
        kind: unit or line.
        name: unique within the kind; the element's random draws hang on it, not on its place in a list.
        capacity_mw: size, for the frame.
        forced_per_year: mean forced outages per year in the normal regime and mild weather.
        mean_repair_h: mean length of a forced outage.
        planned_days_per_year: mean days of planned outage per year.
        hub: position of the hub whose weather it feels; None for the average of the hubs.
        window: first and last market-local date on which it exists; None for always. Outages begin and are announced within it.
    """

    kind: ElementKind
    name: str
    capacity_mw: float
    forced_per_year: float
    mean_repair_h: float
    planned_days_per_year: float
    hub: int | None = None
    window: tuple[date, date] | None = None


@dataclass(frozen=True)
class Outages:
    """Outages announced within the horizon.

    Attributes:
        events: one row per outage (truth): outage_id, element_kind, element, kind (forced, planned, scenario), announced_ts, start_ts,
            end_ts, derate_share (share of capacity that is lost). Sorted by announced_ts, outage_id.
        reports: one row per announcement: outage_id, element_kind, element, kind, revision, known_ts, start_ts, expected_end_ts,
            derate_share. The last report of an outage is known when it ends and has its true end. Sorted by known_ts, outage_id.
    """

    events: pl.DataFrame
    reports: pl.DataFrame

    def availability(
        self, kind: ElementKind, names: tuple[str, ...], first: datetime, steps: int, *, minutes: int = 60, as_of: datetime | None = None
    ) -> Floats:
        """Mean share of capacity available in each interval, (n_names, steps); outages that overlap do not add up.

        Args:
            kind: unit or line.
            names: elements; those that are never out may be unknown here.
            first: start of the first interval, UTC, on a multiple of five minutes.
            steps: number of intervals.
            minutes: their length, a multiple of 5.
            as_of: None for what happens; else what was known then: outages reported until then with their last expected end (12 hours
                from then where that has passed).
        """
        start = int(first.timestamp() * 1000) // STEP_MS
        per = minutes // 5
        lost = np.zeros((len(names), steps * per))
        position = {n: k for k, n in enumerate(names)}
        table = self._happened[kind] if as_of is None else self._known(kind, as_of)
        inside = (table.begin < start + steps * per) & (table.end > start)
        for row in np.flatnonzero(inside):
            place = position.get(table.element[row])
            if place is not None:
                span = slice(max(int(table.begin[row]) - start, 0), max(int(table.end[row]) - start, 0))
                lost[place, span] = np.maximum(lost[place, span], table.lost[row])
        share: Floats = 1 - lost.reshape(len(names), steps, per).mean(axis=2)
        return share

    @cached_property
    def _happened(self) -> dict[str, _Table]:
        return {k: _Table.of(self.events.filter(element_kind=k), "end_ts") for k in ("unit", "line")}

    @cached_property
    def _reported(self) -> dict[str, pl.DataFrame]:
        return {k: self.reports.filter(element_kind=k) for k in ("unit", "line")}

    def _known(self, kind: ElementKind, as_of: datetime) -> _Table:
        known = self._reported[kind].filter(pl.col("known_ts") <= as_of).unique("outage_id", keep="last", maintain_order=True)
        late = pl.lit(as_of + OVERDUE).cast(known.schema["expected_end_ts"]).dt.round("5m")
        ended = self.events.filter(pl.col("end_ts") <= as_of).get_column("outage_id")
        open_ = known.filter(~pl.col("outage_id").is_in(ended.implode()))
        passed = pl.col("expected_end_ts") <= as_of
        return _Table.of(
            open_.with_columns(pl.when(passed).then(late).otherwise("expected_end_ts").alias("expected_end_ts")), "expected_end_ts"
        )


@dataclass(frozen=True)
class _Table:
    element: list[str]
    begin: Ints
    end: Ints
    lost: Floats

    @classmethod
    def of(cls, frame: pl.DataFrame, end: str) -> _Table:
        begin, stop = (frame.get_column(c).dt.epoch("ms").to_numpy() // STEP_MS for c in ("start_ts", end))
        return cls(frame.get_column("element").to_list(), begin, stop, frame.get_column("derate_share").to_numpy().astype(np.float64))
