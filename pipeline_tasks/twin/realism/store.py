"""Facts in the warehouse: written once, read back as the newest of every data set."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from pipeline_tasks.contracts import TS_DTYPE
from pipeline_tasks.contracts.ops import STYLISED_FACTS
from pipeline_tasks.warehouse import Warehouse
from pipeline_tasks.warehouse.once import insert_once, token_of
from pipeline_tasks.warehouse.server import exclusive

SIGNIFICANT = 9  # sums over threads differ in the last bits from run to run
_CONTENT = [c for c in STYLISED_FACTS.column_names if c != "at_ts"]
_NEWEST = """
select *
from ops.stylised_facts
where (data_set, at_ts) in (select data_set, max(at_ts) from ops.stylised_facts group by data_set)
order by data_set, fact, slice, span, window_from
"""


def stored_facts(warehouse: Warehouse) -> pl.DataFrame:
    """The newest facts of every data set; no rows where none were ever written."""
    return warehouse.query(_NEWEST)


def run_id_of(data_set: str, inputs: str) -> str:
    """Run id of facts that were computed from these inputs (`inputs_sha`)."""
    return f"realism:{data_set}:{inputs[:16]}"


def store_facts(warehouse: Warehouse, facts: pl.DataFrame, *, data_set: str, data_class: str, inputs: str, code_sha: str) -> int:
    """Write the facts of one data set, unless the newest ones there are the same.

    Args:
        warehouse: a connection that may write.
        facts: columns of `compute_facts`.
        data_set: market key.
        data_class: `real` or `twin`.
        inputs: `inputs_sha` of what they were computed from.
        code_sha: code version.

    Returns:
        Rows written: all of them or none.
    """
    constants = {"run_id": run_id_of(data_set, inputs), "data_set": data_set, "data_class": data_class, "code_sha": code_sha}
    rounded = pl.col("value", "hub_low", "hub_high").round_sig_figs(SIGNIFICANT)
    rows = facts.with_columns(rounded, **{k: pl.lit(v) for k, v in constants.items()}).select(_CONTENT)
    rows = rows.sort("fact", "slice", "span", "window_from")
    with exclusive(warehouse.lock_folder / "stylised_facts.lock"):
        newest = stored_facts(warehouse).filter(pl.col("data_set") == data_set)
        if not rows.height or newest.select(_CONTENT).equals(rows):
            return 0
        at = datetime.now(UTC)
        stamped = rows.with_columns(at_ts=pl.lit(at).cast(TS_DTYPE)).select(STYLISED_FACTS.column_names)
        written = {"run_id": constants["run_id"], "at": stamped["at_ts"][0]}

        def absent() -> pl.DataFrame:
            sql = f"select count() from {STYLISED_FACTS.full_name} where run_id = {{run_id:String}} and at_ts = {{at:DateTime64(3, 'UTC')}}"
            return stamped.clear() if int(warehouse.scalar(sql, written)) == stamped.height else stamped

        insert_once(warehouse, STYLISED_FACTS, stamped, token=token_of(rows.write_json(), at), absent=absent)
    return stamped.height
