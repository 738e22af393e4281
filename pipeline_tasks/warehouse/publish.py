"""Publication: a staged partition becomes what readers see, in one step, recorded and chained.

Order, and why a kill anywhere leaves one final state after a retry: the staged rows are compared with their manifest;
`REPLACE PARTITION` swaps the partition as a whole; the row of ops.publications makes it visible through the views; the
audit row proves it; then the staging table goes. Each step looks first whether it was done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from config.settings import get_settings
from pipeline_tasks.contracts import Table
from pipeline_tasks.contracts.ops import PUBLICATIONS
from pipeline_tasks.warehouse import audit
from pipeline_tasks.warehouse.client import Warehouse
from pipeline_tasks.warehouse.hashing import content_sha
from pipeline_tasks.warehouse.once import insert_once, token_of
from pipeline_tasks.warehouse.server import exclusive
from pipeline_tasks.warehouse.staging import (
    IN_SQL,
    WITHIN,
    Partition,
    StageError,
    partition_frames,
    partition_hash,
    partition_hashes,
    read_manifest,
    refuse_bad_rows,
    stage,
    staging_name,
    within,
)

GROUP = 20
"""Partitions swapped before they are recorded: readers miss a partition between the two, so not all of a long run at once."""

__all__ = ["Publication", "StageError", "partition_hash", "publish_staged", "stage"]


@dataclass(frozen=True, slots=True)
class Publication:
    """One published partition, as stored in ops.publications."""

    publication_id: str
    run_id: str
    model: str
    table_name: str
    market: str
    hub: str
    delivery_date: date
    as_of: datetime
    model_version: str
    row_count: int
    content_sha: str
    status: str
    at_ts: datetime

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Publication:
        """From a row of ops.publications."""
        return cls(**{name: row[name] for name in PUBLICATIONS.column_names})

    @property
    def partition(self) -> Partition:
        """What was published."""
        return Partition(self.market, self.hub, self.delivery_date)

    @property
    def audit_entry(self) -> audit.Entry:
        """What the audit chain says of it."""
        payload = {
            "publication_id": self.publication_id,
            "run_id": self.run_id,
            "model": self.model,
            "model_version": self.model_version,
            "row_count": self.row_count,
            "content_sha": self.content_sha,
            "status": self.status,
            "at_ts": self.at_ts.astimezone(UTC).isoformat(timespec="milliseconds"),
        }
        subject = f"{self.table_name}/{self.market}/{self.hub}/{self.delivery_date.isoformat()}"
        return audit.Entry(get_settings().actor, "publication", subject, payload)


def latest(wh: Warehouse, table: Table, partitions: Sequence[Partition]) -> dict[Partition, Publication]:
    """The last publication of each partition that has one: what readers see."""
    frame = wh.query(
        f"select {', '.join(PUBLICATIONS.column_names)} from ops.publications where table_name = {{table:String}} and {WITHIN} "
        "order by at_ts desc, publication_id desc limit 1 by market, hub, delivery_date",
        {**within(partitions), "table": table.full_name},
    )
    found = [Publication.from_row(row) for row in frame.iter_rows(named=True)]
    return {p.partition: p for p in found if p.partition in set(partitions)}


def _of_run(wh: Warehouse, table: Table, run_id: str) -> list[Publication]:
    """Publications of a run that readers see now."""
    frame = wh.query(
        f"select {', '.join(PUBLICATIONS.column_names)} from ops.publications where table_name = {{table:String}} "
        "order by at_ts desc, publication_id desc limit 1 by market, hub, delivery_date",
        {"table": table.full_name},
    )
    rows = frame.filter(pl.col("run_id") == run_id).sort("market", "hub", "delivery_date").iter_rows(named=True)
    return [Publication.from_row(row) for row in rows]


@dataclass(frozen=True, slots=True)
class _Staged:
    """One partition that waits in a staging table: its rows and their hash."""

    source: str
    partition: Partition
    frame: pl.DataFrame
    sha: str


def _describe(table: Table, staged: _Staged, model: str, after: datetime) -> Publication:
    partition, frame, sha = staged.partition, staged.frame, staged.sha
    first = frame.row(0, named=True)
    now = datetime.now(UTC)
    return Publication(
        publication_id=token_of(table.full_name, partition.name, sha),
        run_id=first["run_id"],
        model=model,
        table_name=table.full_name,
        market=partition.market,
        hub=partition.hub,
        delivery_date=partition.delivery_date,
        as_of=frame.get_column("as_of").max(),  # type: ignore[arg-type]
        model_version=first["model_version"],
        row_count=frame.height,
        content_sha=sha,
        status="DEGRADED" if (frame.get_column("status") == "DEGRADED").any() else "OK",
        at_ts=max(now.replace(microsecond=now.microsecond // 1000 * 1000), after + timedelta(milliseconds=1)),
    )


def _swap(wh: Warehouse, table: Table, group: Sequence[_Staged]) -> None:
    """Make the partitions hold what is staged; those that do are not touched.

    Raises:
        StageError: a partition holds something else after its swap.
    """
    held = partition_hashes(wh, table, table.full_name, [s.partition for s in group])
    changed = {s.partition: s for s in group if held[s.partition] != s.sha}
    for staged in changed.values():
        wh.command(f"alter table {table.full_name} replace {IN_SQL} from {staged.source}", staged.partition.params)
    for partition, stored in partition_hashes(wh, table, table.full_name, list(changed)).items():
        if stored != changed[partition].sha:
            raise StageError(
                f"{table.full_name} {partition.name}: content {stored} after the swap, expected {changed[partition].sha};"
                " stage and publish again"
            )


def _publish_group(wh: Warehouse, table: Table, group: Sequence[_Staged], model: str) -> list[Publication]:
    """Swap and record some partitions; does nothing that was done before."""
    partitions = [s.partition for s in group]
    before = latest(wh, table, partitions)
    _swap(wh, table, group)
    never = datetime.fromtimestamp(0, UTC)
    described = [_describe(table, s, model, before[s.partition].at_ts if s.partition in before else never) for s in group]
    new = {p.publication_id: p for p in described if p.partition not in before or before[p.partition].publication_id != p.publication_id}
    rows = pl.DataFrame([{n: getattr(p, n) for n in PUBLICATIONS.column_names} for p in new.values()], schema=PUBLICATIONS.polars_schema())

    def absent() -> pl.DataFrame:
        seen = [p.publication_id for p in latest(wh, table, partitions).values()]
        return rows.filter(~pl.col("publication_id").is_in(seen))

    if rows.height:
        earlier = [before[p.partition].at_ts if p.partition in before else "first" for p in new.values()]
        insert_once(wh, PUBLICATIONS, rows, token=token_of(*new, *earlier), absent=absent)
    recorded = latest(wh, table, partitions)
    return [recorded.get(p.partition, p) for p in described]


def _staged(wh: Warehouse, table: Table, source: str, manifest: Mapping[str, str], run_id: str) -> list[_Staged]:
    frame = wh.query(f"select {', '.join(table.column_names)} from {source} order by {', '.join(table.key)}")
    frames = partition_frames(frame)
    for partition, rows in frames.items():
        if content_sha(rows, table.key, table.column_names) != manifest.get(partition.name):
            raise StageError(f"{source} {partition.name}: rows are not those that were staged (a stage was interrupted); stage again")
    absent = set(manifest) - {p.name for p in frames}
    if absent:
        raise StageError(f"{source}: staged partitions {sorted(absent)} are gone; stage again")
    refuse_bad_rows(table, frame, run_id)
    return [_Staged(source, p, f, manifest[p.name]) for p, f in frames.items()]


def publish_staged(wh: Warehouse, table: Table, *, run_id: str, model: str) -> list[Publication]:
    """Publish what a run staged: checks, swap, record, chain, clean up. Safe to repeat after any failure.

    Args:
        wh: a connection that may write.
        table: a curated contract.
        run_id: the run whose staged rows are published.
        model: model name, for the record.

    Returns:
        One publication per (market, hub, delivery_date), in that order. When nothing is staged (any more): those that
        this run published and readers still see.

    Raises:
        StageError: what is staged is incomplete or breaks the contract; nothing was published then.
    """
    source = staging_name(table, run_id)
    with exclusive(wh.lock_folder / f"stage_{table.name}.lock"), exclusive(wh.lock_folder / f"publish_{table.name}.lock"):
        manifest = read_manifest(wh, source)
        if manifest is None:
            done = _of_run(wh, table, run_id)
            audit.append_all(wh, [p.audit_entry for p in done], once=True)
            return done
        waiting = _staged(wh, table, source, manifest, run_id)
        done = [p for k in range(0, len(waiting), GROUP) for p in _publish_group(wh, table, waiting[k : k + GROUP], model)]
        audit.append_all(wh, [p.audit_entry for p in done], once=True)
        wh.command(f"drop table if exists {source} sync")
    return done
