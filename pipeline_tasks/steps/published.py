"""What is published of a delivery date already, where it is what the model would answer now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipeline_tasks.steps import decisions
from pipeline_tasks.steps.infer import Made, known_at_decision
from pipeline_tasks.steps.reading import Versions

if TYPE_CHECKING:
    from models._kernel.spec import ModelSpec
    from pipeline_tasks.contracts import Table
    from pipeline_tasks.steps.context import RunContext
    from pipeline_tasks.tracking import VersionRef
    from pipeline_tasks.warehouse import Warehouse


def published_answer(warehouse: Warehouse, run: RunContext, spec: ModelSpec, ref: VersionRef) -> Made | None:
    """The published answer of a run's delivery date with what was published beside it.

    It is given where it was made by this version and this code, at the run's decision time, for every hub, from the very rows that are
    known at that time now: then `forecast` would answer the same to the last bit, and readers and plans see one number.

    Returns:
        None where anything of that is not so; then `forecast` is to be asked.
    """
    frame = decisions.published(warehouse, spec, ref, [run])
    if set(frame["hub"]) != set(run.selection.hubs) or set(frame["as_of"]) != {run.as_of}:
        return None
    versions, runs = frame["data_version"].unique().to_list(), frame["run_id"].unique().to_list()
    if len(versions) != 1 or len(runs) != 1:
        return None
    if Versions(known_at_decision(warehouse, spec, ref, run)).at(run.as_of) != versions[0]:
        return None
    beside = {table.name: _beside(warehouse, table, run, runs[0]) for table in spec.beside}
    nothing = pl.DataFrame()
    return Made(frame, {name: rows for name, rows in beside.items() if rows.height}, nothing, 0.0)


def _beside(warehouse: Warehouse, table: Table, run: RunContext, run_id: str) -> pl.DataFrame:
    rows = warehouse.query(
        f"select {', '.join(table.column_names)} from curated.v_{table.name} where market = {{market:String}}"
        " and hub in {hubs:Array(String)} and delivery_date = {day:Date32} and run_id = {run:String}",
        {"market": run.selection.market.key, "hubs": list(run.selection.hubs), "day": run.delivery_date, "run": run_id},
    )
    return rows.select(pl.col(c.name).cast(c.type.polars) for c in table.columns)
