"""What steps read: feature rows as known at an instant, for training and for answering alike."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from config.markets import MarketSelection
from models._kernel.frames import outcomes_known
from models._kernel.protocol import Features
from models._kernel.spec import ModelSpec
from pipeline_tasks.contracts.features import OUTCOMES
from pipeline_tasks.steps.schedules import load_schedules

if TYPE_CHECKING:
    from pipeline_tasks.warehouse import Warehouse


def known_rows(
    warehouse: Warehouse, spec: ModelSpec, selection: MarketSelection, *, start: date, end: date, as_of: datetime
) -> pl.DataFrame:
    """Feature rows of delivery dates start..end as known at `as_of`: later decisions left out, unknown outcomes null."""
    from pipeline_tasks.warehouse.read import read_features

    return read_features(
        warehouse, spec.inputs, market=selection.market.key, hubs=selection.hubs, start_date=start, end_date=end, as_of=as_of
    )


def lacks_input(warehouse: Warehouse, spec: ModelSpec, selection: MarketSelection) -> str:
    """Why a model can say nothing of a market: its feature table has no row of it (no balancing price, ...); empty where it has."""
    found = warehouse.scalar(
        f"select count() from {spec.inputs.full_name} where market = {{market:String}} and hub in {{hubs:Array(String)}}",
        {"market": selection.market.key, "hubs": list(selection.hubs)},
    )
    return "" if found else f"{spec.name} does not apply to {selection.key}: {spec.inputs.full_name} has no row of it"


def history_start(cutoff: datetime) -> date:
    """First delivery date that a version trained at `cutoff` is shown when it answers: the same for all dates it ever answers for."""
    return cutoff.date() - timedelta(days=load_schedules().train_history_days)


def features_of(rows: pl.DataFrame, delivery_date: date) -> Features:
    """Rows known at the gate of a delivery date, split into the history before it and the rows to answer on."""
    day = pl.col("delivery_date")
    return Features(history=rows.filter(day < delivery_date), target=rows.filter(day == delivery_date))


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
