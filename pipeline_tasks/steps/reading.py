"""What steps read: feature rows as known at an instant, for training and for answering alike."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from config.markets import MarketSelection
from models._kernel.protocol import Features
from models._kernel.spec import ModelSpec
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


def for_day(warehouse: Warehouse, spec: ModelSpec, selection: MarketSelection, delivery_date: date) -> Features:
    """What a model may see at the gate of a delivery date: the history before it, and the rows to answer on."""
    start = delivery_date - timedelta(days=load_schedules().infer_history_days)
    rows = known_rows(warehouse, spec, selection, start=start, end=delivery_date, as_of=selection.market.gate(delivery_date))
    today = pl.col("delivery_date") == delivery_date
    return Features(history=rows.filter(~today), target=rows.filter(today))
