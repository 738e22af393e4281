"""Inserts that happen exactly once, whoever is killed and whenever.

A MergeTree with a deduplication window keeps one block per token, decided under the table's lock: inserting is also a
"put if absent". Two limits were measured and are handled here: a server killed between recording the token and keeping
the part drops every later insert of that token, and a token says nothing about content. So each insert is read back,
and a block that is proven absent although its token is taken is inserted again under a new token.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import polars as pl

from pipeline_tasks.contracts import Table
from pipeline_tasks.warehouse.client import Warehouse

ATTEMPTS = 5


class LostInsertError(RuntimeError):
    """The server acknowledged an insert whose rows cannot be read."""


def token_of(*parts: object) -> str:
    """A deduplication token: SHA-256 over the parts."""
    return hashlib.sha256("\x1f".join(str(p) for p in parts).encode()).hexdigest()


def insert_once(
    wh: Warehouse,
    table: Table,
    frame: pl.DataFrame,
    *,
    token: str,
    absent: Callable[[], pl.DataFrame],
) -> None:
    """Insert one block (one partition of one table) and make sure that it is there once.

    Args:
        wh: a connection that may write.
        table: contract with a deduplication window.
        frame: rows of one partition, few enough for one block.
        token: hash of the content.
        absent: rows of `frame` that cannot be read from the table now.

    Raises:
        LostInsertError: rows are still absent after several tokens.
    """
    if not table.dedup_window:
        raise ValueError(f"{table.full_name} has no deduplication window; give its contract dedup_window > 0")
    rest = frame
    for attempt in range(ATTEMPTS):
        wh.insert(table, rest, token=token if not attempt else f"{token}#{attempt}")
        rest = absent()
        if not rest.height:
            return
    raise LostInsertError(
        f"{table.full_name}: {rest.height} of {frame.height} rows are absent after {ATTEMPTS} inserts; check disk and server log"
    )
