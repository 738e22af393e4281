"""Publication: a staged partition becomes what readers see, in one step, recorded and chained.

Order, and why a kill anywhere leaves one final state after a retry: the staged rows are compared with their manifest;
`REPLACE PARTITION` swaps the partition as a whole; the row of ops.publications makes it visible through the views; the
audit row proves it; then the staging table goes. Each step looks first whether it was done.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    WHERE,
    Partition,
    StageError,
    partition_frames,
    partition_hash,
    read_manifest,
    refuse_bad_rows,
    stage,
    staging_name,
)

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


def latest(wh: Warehouse, table: Table, partition: Partition) -> Publication | None:
    """The last publication of a partition: what readers see."""
    frame = wh.query(
        f"select {', '.join(PUBLICATIONS.column_names)} from ops.publications where table_name = {{table:String}} and {WHERE} "
        "order by at_ts desc, publication_id desc limit 1",
        {**partition.params, "table": table.full_name},
    )
    return Publication.from_row(frame.row(0, named=True)) if frame.height else None


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


def _publish_partition(wh: Warehouse, table: Table, staged: _Staged, model: str) -> Publication:
    """Swap and record one partition; does nothing that was done before."""
    partition, sha = staged.partition, staged.sha
    before = latest(wh, table, partition)
    if partition_hash(wh, table, partition.market, partition.hub, partition.delivery_date) != sha:
        wh.command(f"alter table {table.full_name} replace {IN_SQL} from {staged.source}", partition.params)
        stored = partition_hash(wh, table, partition.market, partition.hub, partition.delivery_date)
        if stored != sha:
            raise StageError(
                f"{table.full_name} {partition.name}: content {stored} after the swap, expected {sha}; stage and publish again"
            )
    published = _describe(table, staged, model, before.at_ts if before else datetime.fromtimestamp(0, UTC))
    if before is not None and before.publication_id == published.publication_id:
        return before
    row = pl.DataFrame([{n: getattr(published, n) for n in PUBLICATIONS.column_names}], schema=PUBLICATIONS.polars_schema())

    def absent() -> pl.DataFrame:
        last = latest(wh, table, partition)
        return row.clear() if last is not None and last.publication_id == published.publication_id else row

    token = token_of(published.publication_id, before.at_ts if before else "first")
    insert_once(wh, PUBLICATIONS, row, token=token, absent=absent)
    return latest(wh, table, partition) or published


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
        done = [_publish_partition(wh, table, staged, model) for staged in _staged(wh, table, source, manifest, run_id)]
        audit.append_all(wh, [p.audit_entry for p in done], once=True)
        wh.command(f"drop table if exists {source} sync")
    return done
