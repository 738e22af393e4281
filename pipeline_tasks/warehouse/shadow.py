"""Writing to `curated_shadow`, as the role `shadow`: the only thing that role may write besides its record of days."""

from __future__ import annotations

import polars as pl

from pipeline_tasks.contracts import Database, Table
from pipeline_tasks.warehouse.client import Warehouse
from pipeline_tasks.warehouse.server import exclusive
from pipeline_tasks.warehouse.staging import IN_SQL, partition_frames, refuse_bad_rows


def replace_shadow(wh: Warehouse, table: Table, frame: pl.DataFrame, *, run_id: str) -> int:
    """Put a challenger's answers into its shadow table, whole partitions at a time; repeating it changes nothing.

    Args:
        wh: a connection as `shadow`.
        table: a contract of `curated_shadow`.
        frame: all its columns; whole partitions (market, hub, delivery_date).
        run_id: run of all rows.

    Returns:
        Rows written.

    Raises:
        ValueError: the table is not one of `curated_shadow`.
        StageError: the rows break the contract.
    """
    if table.database is not Database.CURATED_SHADOW:
        raise ValueError(f"{table.full_name} is not in curated_shadow; challengers write nowhere else")
    refuse_bad_rows(table, frame, run_id)
    with exclusive(wh.lock_folder / f"shadow_{table.name}.lock"):
        for partition in partition_frames(frame):
            wh.command(f"alter table {table.full_name} drop {IN_SQL}", partition.params)
        return wh.insert(table, frame)
