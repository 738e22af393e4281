"""Feature rows of decisions: read once, and again only when the feature table was written to."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from config.markets import MarketSelection
from models._kernel.frames import outcomes_known
from models._kernel.spec import ModelSpec
from pipeline_tasks.warehouse import Warehouse

KEPT = 16  # decisions in memory; one of 5,000 nodes takes 1.5 MB


class Decisions:
    """Rows to answer on, by decision. Requests may come from several threads.

    A part of a ClickHouse table never changes: whatever is written, late prices too, comes as new parts with names of their own. So rows
    are those that the warehouse holds as long as the table has the parts that it was seen with before they were read, and asking for its
    parts costs a fraction of reading rows.

    Args:
        spec: spec of the model that answers.
        selection: market.
        warehouse: where features are read.
    """

    def __init__(self, spec: ModelSpec, selection: MarketSelection, warehouse: Warehouse) -> None:
        """Remember the parts; nothing is read yet."""
        self._spec, self._selection, self._warehouse = spec, selection, warehouse
        self._columns = [c for c in spec.inputs.columns if c.name not in spec.unread]
        self._held: OrderedDict[tuple[datetime, int | None], tuple[int, pl.DataFrame]] = OrderedDict()
        self._newest: tuple[int, datetime | None] = (0, None)
        self._seen = 0  # the table's state when it was last looked at
        self._lock = threading.Lock()

    def newest(self) -> datetime | None:
        """The newest decision that lies at or before the last one with a known price; None where there is none."""
        state = self._state()
        if not state or self._newest[0] != state:
            found = self._warehouse.scalar(
                f"select max(as_of) from {self._spec.inputs.full_name} where market = {{market:String}} and hub in {{hubs:Array(String)}}"
                f" and {self._spec.naive_column} is not null",
                {"market": self._selection.market.key, "hubs": list(self._selection.hubs)},
            )
            known = isinstance(found, datetime) and found.year >= 1990  # the maximum of nothing is 1970
            self._newest = (state, (found if found.tzinfo else found.replace(tzinfo=UTC)) if known else None)
        return self._newest[1]

    def at(self, as_of: datetime, horizon_min: int | None = None) -> pl.DataFrame:
        """Rows of the decision at `as_of`, of one horizon or all; empty where nothing was decided then."""
        key = (as_of, horizon_min)
        with self._lock:
            held = self._held.get(key)
        # for new rows the last look will do: whether nothing changed since is asked when they are asked for again
        state = self._state() if held or not self._seen else self._seen
        if held and held[0] == state:
            return held[1]
        rows = self._read(as_of, horizon_min)
        if state and not rows.is_empty():
            with self._lock:
                self._held[key] = (state, rows)
                self._held.move_to_end(key)
                while len(self._held) > KEPT:
                    self._held.popitem(last=False)
        return rows

    def _state(self) -> int:
        """A hash of the parts that make the table up; 0 where the table has none of its own (a view)."""
        table = self._spec.inputs
        found = self._warehouse.scalar(
            "select sum(cityHash64(path, hash_of_all_files)) from system.parts"
            " where database = {database:String} and table = {table:String} and active",
            {"database": table.database.value, "table": table.name},
        )
        state = int(found or 0)
        self._seen = state
        return state

    def _read(self, as_of: datetime, horizon_min: int | None) -> pl.DataFrame:
        """Rows without their outcomes; the range of delivery_ts is what the table is sorted by."""
        horizons = self._spec.horizons_min
        params: dict[str, Any] = {
            "market": self._selection.market.key,
            "hubs": list(self._selection.hubs),
            "as_of": as_of,
            "first": as_of + timedelta(minutes=horizon_min or horizons[0]),
            "last": as_of + timedelta(minutes=horizon_min or horizons[-1]),
        }
        frame = self._warehouse.query(
            f"select {', '.join(c.name for c in self._columns)} from {self._spec.inputs.full_name}"
            " where market = {market:String} and hub in {hubs:Array(String)}"
            " and delivery_ts between {first:DateTime64(3, 'UTC')} and {last:DateTime64(3, 'UTC')}"
            " and delivery_date between toDate32({first:DateTime64(3, 'UTC')}) - 1 and toDate32({last:DateTime64(3, 'UTC')}) + 1"
            " and as_of = {as_of:DateTime64(3, 'UTC')}",
            params,
        )
        return outcomes_known(frame.select(pl.col(c.name).cast(c.type.polars) for c in self._columns), None)
