"""Staging tables: where the rows of a run wait, checked and counted, until they are published."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import polars as pl

from pipeline_tasks.contracts import Table
from pipeline_tasks.contracts.frames import check_frame
from pipeline_tasks.warehouse.client import Warehouse
from pipeline_tasks.warehouse.ddl import quote_text
from pipeline_tasks.warehouse.hashing import content_sha
from pipeline_tasks.warehouse.once import token_of
from pipeline_tasks.warehouse.server import exclusive

PARTITION = ("market", "hub", "delivery_date")


class StageError(ValueError):
    """Rows break their contract, or what is staged is not what was sent."""


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """A curated partition."""

    market: str
    hub: str
    delivery_date: date

    @property
    def params(self) -> dict[str, object]:
        """Values of `IN_SQL`."""
        return {"market": self.market, "hub": self.hub, "day": self.delivery_date}

    @property
    def name(self) -> str:
        """`market/hub/date`."""
        return f"{self.market}/{self.hub}/{self.delivery_date.isoformat()}"


WITHIN = "market in {markets:Array(String)} and hub in {hubs:Array(String)} and delivery_date between {first:Date32} and {last:Date32}"
IN_SQL = "partition tuple({market:String}, {hub:String}, {day:Date32})"


def within(partitions: Collection[Partition]) -> dict[str, object]:
    """Values of `WITHIN`, which holds for the partitions (and may hold for others between them)."""
    dates = [p.delivery_date for p in partitions]
    names = {"markets": sorted({p.market for p in partitions}), "hubs": sorted({p.hub for p in partitions})}
    return {**names, "first": min(dates), "last": max(dates)}


def staging_name(table: Table, run_id: str) -> str:
    """Name of the staging table of a table and a run."""
    return f"staging.{table.name}__{token_of(table.full_name, run_id)[:16]}"


def partition_frames(frame: pl.DataFrame) -> dict[Partition, pl.DataFrame]:
    """Rows by partition, partitions in order."""
    groups = frame.partition_by(*PARTITION, as_dict=True)
    return {p: g for p, g in sorted((Partition(*key), group) for key, group in groups.items())}  # noqa: C416


def partition_hashes(wh: Warehouse, table: Table, target: str, partitions: Collection[Partition]) -> dict[Partition, str]:
    """SHA-256 over the rows of partitions of `target`, which has the structure of `table`, computed now from one read.

    Returns:
        A hash for every partition asked for; that of no rows where it is empty.
    """
    if not partitions:
        return {}
    columns = ", ".join(table.column_names)
    frames = partition_frames(wh.query(f"select {columns} from {target} where {WITHIN}", within(partitions)))
    empty = pl.DataFrame(schema=table.polars_schema())
    return {p: content_sha(frames.get(p, empty), table.key, table.column_names) for p in partitions}


def partition_hash(wh: Warehouse, table: Table, market: str, hub: str, delivery_date: date) -> str:
    """SHA-256 over the rows of a partition in key order, computed now; the hash of no rows when it is empty."""
    partition = Partition(market, hub, delivery_date)
    return partition_hashes(wh, table, table.full_name, [partition])[partition]


def read_manifest(wh: Warehouse, target: str) -> dict[str, str] | None:
    """Content hash by partition name as staged; None when there is no such staging table."""
    database, name = target.split(".")
    found = wh.query(
        "select comment from system.tables where database = {d:String} and name = {n:String}",
        {"d": database, "n": name},
    )
    if not found.height:
        return None
    text = found.item(0, 0)
    return {str(k): str(v) for k, v in json.loads(text).items()} if text.startswith("{") else {}


def _write_manifest(wh: Warehouse, target: str, manifest: dict[str, str]) -> None:
    wh.command(f"alter table {target} modify comment {quote_text(json.dumps(manifest, sort_keys=True))}")


def refuse_bad_rows(table: Table, frame: pl.DataFrame, run_id: str) -> None:
    """Check what a publication must be: rows, contract, one run, rising quantiles.

    Raises:
        StageError: names every broken rule with an example and the remedy.
    """
    if not frame.height:
        raise StageError(f"{table.full_name}, run {run_id}: no rows; a run that has nothing to say must not publish")
    problems = [str(v) for v in check_frame(table, frame)]
    runs = frame.get_column("run_id").unique().to_list() if "run_id" in frame.columns else [run_id]
    if runs != [run_id]:
        problems.append(f"column run_id: holds {runs[:3]}, expected {run_id!r} alone; stage each run by itself")
    problems += _falling_quantiles(table, frame)
    if problems:
        raise StageError(f"{table.full_name}, run {run_id}: {'; '.join(problems)}")


def _falling_quantiles(table: Table, frame: pl.DataFrame) -> list[str]:
    ladder = quantile_columns(table)
    if len(ladder) < 2 or not set(ladder) <= set(frame.columns):
        return []
    falls = frame.filter(pl.any_horizontal(pl.col(low) > pl.col(high) for low, high in pairwise(ladder)))
    if not falls.height:
        return []
    where = falls.select("hub", "delivery_ts").row(0)
    return [f"quantiles {ladder[0]}..{ladder[-1]}: {falls.height} row(s) do not rise, e.g. {where}; sort the quantiles of each row"]


def quantile_columns(table: Table) -> list[str]:
    """Quantile columns of a model's table, by rising level; empty when the table has none."""
    from models._kernel.registry import specs

    for spec in specs():
        if spec.name == table.name:
            return list(spec.quantile_columns.values())
    return []


def _make_table(wh: Warehouse, target: str, table: Table) -> None:
    """An empty or fitting staging table; one left by an older contract is dropped, its rows are staged again anyway."""
    sql = "select name, type from system.columns where concat(database, '.', table) = {t:String} order by position"
    held = wh.query(sql, {"t": target})
    if held.height and not held.equals(wh.query(sql, {"t": table.full_name})):
        wh.command(f"drop table {target} sync")
    wh.command(f"create table if not exists {target} as {table.full_name}")


def _held(wh: Warehouse, target: str) -> set[Partition]:
    """Partitions of a staging table that hold rows."""
    return {Partition(*row) for row in wh.query(f"select distinct {', '.join(PARTITION)} from {target}").iter_rows()}


def stage(wh: Warehouse, table: Table, frame: pl.DataFrame, *, run_id: str) -> dict[str, str]:
    """Put the rows of a run into its staging table; repeating it replaces the partitions of the frame.

    A manifest (content hash by partition) is written after the rows were read back and found equal; partitions
    without a manifest entry are never published, so that a stage that was killed leaves nothing to publish.

    Args:
        wh: a connection that may write.
        table: a curated contract.
        frame: all its columns; whole partitions (market, hub, delivery_date).
        run_id: run of all rows.

    Returns:
        Content hash by partition name (`market/hub/date`) of the rows of this call.

    Raises:
        StageError: the rows break the contract, or were not stored as sent.
    """
    refuse_bad_rows(table, frame, run_id)
    target = staging_name(table, run_id)
    groups = partition_frames(frame)
    shas = {p.name: content_sha(g, table.key, table.column_names) for p, g in groups.items()}
    with exclusive(wh.lock_folder / f"stage_{table.name}.lock"):
        _make_table(wh, target, table)
        manifest = read_manifest(wh, target) or {}
        _write_manifest(wh, target, {k: v for k, v in manifest.items() if k not in shas})
        for partition in sorted(_held(wh, target) & set(groups)):
            wh.command(f"alter table {target} drop {IN_SQL}", partition.params)
        wh.insert_into(target, table, frame)
        for partition, stored in partition_hashes(wh, table, target, groups).items():
            if stored != shas[partition.name]:
                raise StageError(f"{target} {partition.name}: stored rows differ from those sent; stage again")
        kept = {k: v for k, v in manifest.items() if k not in shas}
        _write_manifest(wh, target, kept | shas)
    return shas
