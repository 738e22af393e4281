"""What steps read: feature rows as known at an instant, for training and for answering alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from config.markets import Market, MarketSelection
from models._kernel.frames import outcomes_known
from models._kernel.protocol import Features
from models._kernel.spec import ModelSpec
from pipeline_tasks.contracts.features import OUTCOMES
from pipeline_tasks.steps.schedules import load_schedules

if TYPE_CHECKING:
    from pipeline_tasks.warehouse import Warehouse


def known_rows(
    warehouse: Warehouse,
    spec: ModelSpec,
    selection: MarketSelection,
    *,
    start: date,
    end: date,
    as_of: datetime,
    since: datetime | None = None,
) -> pl.DataFrame:
    """Feature rows of delivery dates start..end as known at `as_of`: later decisions left out, unknown outcomes null.

    With `since`, only decisions of which an outcome was published after it.
    """
    from pipeline_tasks.warehouse.read import read_features

    return read_features(
        warehouse,
        spec.inputs,
        market=selection.market.key,
        hubs=selection.hubs,
        start_date=start,
        end_date=end,
        as_of=as_of,
        news=(spec.outcome.known, since) if since else None,
    )


def hubs_of(spec: ModelSpec, selection: MarketSelection) -> tuple[str, ...]:
    """Hubs of the selection that a model answers for: all of them, of generating units the one they are published under."""
    if not spec.per_unit:
        return selection.hubs
    units = selection.market.units
    return (units.hub,) if units and units.hub in selection.hubs else ()


def lacks_input(warehouse: Warehouse, spec: ModelSpec, selection: MarketSelection) -> str:
    """Why a model can say nothing of a market: its feature table has no row of it (no balancing price, ...); empty where it has."""
    there = "".join(f" and {column} is not null" for column in spec.needs)
    found = warehouse.scalar(
        f"select count() from {spec.inputs.full_name} where market = {{market:String}} and hub in {{hubs:Array(String)}}{there}",
        {"market": selection.market.key, "hubs": list(selection.hubs)},
    )
    having = f" with {' and '.join(spec.needs)}" if spec.needs else ""
    return "" if found else f"{spec.name} does not apply to {selection.key}: {spec.inputs.full_name} has no row of it{having}"


def training_start(spec: ModelSpec, cutoff_date: date) -> date:
    """First delivery date that a version with this cutoff learns from."""
    return cutoff_date - timedelta(days=spec.history_days or load_schedules().train_history_days)


def history_start(spec: ModelSpec, cutoff: datetime) -> date:
    """First delivery date that a version trained at `cutoff` is shown when it answers: the same for all dates it ever answers for."""
    return training_start(spec, cutoff.date()) if spec.lookback_days is None else cutoff.date() - timedelta(days=spec.lookback_days)


def decided_by(spec: ModelSpec, market: Market, delivery_date: date) -> datetime:
    """When the last decision for a delivery date was made: at the market's gate, or interval by interval until the day is over."""
    return market.day_bounds(delivery_date)[1] if spec.intraday else market.gate(delivery_date)


def features_of(spec: ModelSpec, rows: pl.DataFrame, delivery_dates: Sequence[date]) -> Features:
    """Rows known at a decision time, split into history and the rows to answer on.

    History ends before the first of the delivery dates; where decisions are made interval by interval, it holds those dates' own earlier
    decisions with their outcomes too.
    """
    day = pl.col("delivery_date")
    history = rows if spec.intraday else rows.filter(day < min(delivery_dates))
    return Features(history=history, target=rows.filter(day.is_in(list(delivery_dates))))


def as_known(rows: pl.DataFrame, instant: datetime) -> pl.DataFrame:
    """What of `rows` was known at an earlier instant: what `known_rows` would have returned then."""
    return outcomes_known(rows.filter(pl.col("as_of") <= instant), instant)


class Versions:
    """Data versions of one read at several instants: each row is hashed once, those that looked different then once more.

    Args:
        rows: rows of `known_rows`.
    """

    def __init__(self, rows: pl.DataFrame) -> None:
        """Hash every row."""
        from pipeline_tasks.warehouse.hashing import row_shas

        self._rows = rows.with_columns(row_shas(rows).alias("_sha"))

    def at(self, instant: datetime) -> str:
        """The data version of `as_known(rows, instant)`."""
        from pipeline_tasks.warehouse.hashing import combined_sha, row_shas

        there = self._rows.filter(pl.col("as_of") <= instant)
        late = pl.any_horizontal(pl.col(c) > instant for c in OUTCOMES if c in there.columns).fill_null(value=False)
        same = there.filter(~late).get_column("_sha")
        changed = row_shas(as_known(there.filter(late).drop("_sha"), instant))
        return combined_sha(pl.concat([same, changed.alias("_sha")]).sort().to_list())
