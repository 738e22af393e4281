"""Upkeep: the audit chain checked, published bytes compared with their record, the registry backed up, tables merged, data docs."""

from __future__ import annotations

from typing import Any

from pipeline_tasks.contracts import Database


def verify_audit() -> dict[str, Any]:
    """Check the whole audit chain.

    Raises:
        ValueError: a row was changed, removed or inserted; the message names the first bad one.
    """
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.audit import verify

    with connect() as warehouse:
        found = verify(warehouse)
    if not found.ok:
        raise ValueError(f"audit chain is broken at row {found.first_bad_seq}: {found.message}")
    return {"rows": found.rows}


def optimise() -> dict[str, Any]:
    """Merge the parts of operations and raw tables; many small loads leave many small parts."""
    from pipeline_tasks.catalog import all_tables
    from pipeline_tasks.warehouse import connect

    wanted = [t.full_name for t in all_tables() if t.database in {Database.OPS, Database.RAW}]
    with connect("admin") as warehouse:
        there = warehouse.query("select concat(database, '.', name) as name from system.tables where engine like '%MergeTree'")
        names = [n for n in wanted if n in set(there.get_column("name").to_list())]
        for name in names:
            warehouse.command(f"optimize table {name}")
    return {"tables": len(names)}


def data_docs() -> dict[str, Any]:
    """Write the data docs."""
    from pipeline_tasks.quality.docs import build_data_docs

    return {"path": str(build_data_docs())}


def prune_payloads() -> dict[str, Any]:
    """Forget raw answers of live feeds that are older than their provider's retention."""
    from pipeline_tasks.steps.backfill import prune_payloads as prune

    return prune()


def back_up_registry() -> dict[str, Any]:
    """Export the registry to a new backup; old ones beyond the configured number go."""
    from pipeline_tasks.steps.registry import back_up

    return back_up()
