"""Facts in the warehouse: written once, read back as the newest of every data set."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import polars as pl

from pipeline_tasks.contracts.ops import STYLISED_FACTS
from pipeline_tasks.warehouse import Warehouse
from pipeline_tasks.warehouse.once import insert_once, token_of
from pipeline_tasks.warehouse.server import exclusive

SIGNIFICANT = 9  # sums over threads differ in the last bits from run to run
_CONTENT = [c for c in STYLISED_FACTS.column_names if c not in {"run_id", "at_ts"}]
_NEWEST = """
select *
from ops.stylised_facts
where (data_set, at_ts) in (select data_set, max(at_ts) from ops.stylised_facts group by data_set)
order by data_set, fact, slice, span, window_from
"""


def stored_facts(warehouse: Warehouse) -> pl.DataFrame:
    """The newest facts of every data set; no rows where none were ever written."""
    return warehouse.query(_NEWEST)


def store_facts(warehouse: Warehouse, facts: pl.DataFrame, *, data_set: str, data_class: str, code_sha: str) -> int:
    """Write the facts of one data set, unless the newest ones there are the same.

    Args:
        warehouse: a connection that may write.
        facts: columns of `compute_facts`.
        data_set: market key.
        data_class: `real` or `twin`.
        code_sha: code version.

    Returns:
        Rows written: all of them or none.
    """
    rows = facts.with_columns(
        pl.col("value", "hub_low", "hub_high").round_sig_figs(SIGNIFICANT),
        data_set=pl.lit(data_set),
        data_class=pl.lit(data_class),
        code_sha=pl.lit(code_sha),
    ).select(_CONTENT)
    rows = rows.sort("fact", "slice", "span", "window_from")
    with exclusive(warehouse.lock_folder / "stylised_facts.lock"):
        newest = stored_facts(warehouse).filter(pl.col("data_set") == data_set)
        if newest.select(_CONTENT).equals(rows):
            return 0
        content = hashlib.sha256(rows.write_json().encode()).hexdigest()
        stamped = rows.with_columns(
            run_id=pl.lit(f"realism:{data_set}:{content[:12]}"),
            at_ts=pl.lit(datetime.now(UTC)).cast(STYLISED_FACTS.column("at_ts").type.polars),
        ).select(STYLISED_FACTS.column_names)
        run = {"run_id": stamped["run_id"][0], "at": stamped["at_ts"][0]} if stamped.height else {}

        def absent() -> pl.DataFrame:
            sql = f"select count() from {STYLISED_FACTS.full_name} where run_id = {{run_id:String}} and at_ts = {{at:DateTime64(3, 'UTC')}}"
            return stamped.clear() if int(warehouse.scalar(sql, run)) == stamped.height else stamped

        if stamped.height:
            insert_once(warehouse, STYLISED_FACTS, stamped, token=token_of(content, run["at"]), absent=absent)
    return stamped.height
