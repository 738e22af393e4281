"""The audit chain: whatever is changed, moved, doubled or taken away is found."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from pipeline_tasks.contracts.ops import AUDIT_LOG
from pipeline_tasks.warehouse.audit import GENESIS, chain_report, row_sha

ROWS, TRIES = 60, 1000
Row = dict[str, Any]


def _chain() -> list[Row]:
    rows, previous = [], GENESIS
    for k in range(1, ROWS + 1):
        row: Row = {
            "seq": k, "at_ts": datetime(2026, 6, 1, tzinfo=UTC) + timedelta(minutes=k), "actor": f"a{k % 3}", "action": "plan",
            "subject": f"plan_{k:016x}", "payload_json": f'{{"n":{k}}}', "prev_sha": previous,
        }  # fmt: skip
        row["row_sha"] = previous = row_sha(row)
        rows.append(row)
    return rows


def _frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=AUDIT_LOG.polars_schema()).sort("seq", "at_ts", "row_sha")


def _tampered(rows: list[Row], rng: random.Random) -> list[Row]:
    """One random try: a field changed, rows swapped, a row doubled or gone, a row rewritten with a hash of its own, the end cut off."""
    made, k, kind = [dict(r) for r in rows], rng.randrange(ROWS), rng.randrange(6)
    if kind == 0:
        column = rng.choice([c for c in AUDIT_LOG.column_names if c != "at_ts"])
        made[k][column] = made[k][column] + 1 if column == "seq" else f"{made[k][column]}x"
    elif kind == 1:
        made[k]["at_ts"] += timedelta(milliseconds=rng.choice([-1, 1, 60_000]))
    elif kind == 2:
        other = (k + rng.randrange(1, ROWS)) % ROWS
        for column in ("actor", "subject", "payload_json", "at_ts", "row_sha", "prev_sha"):
            made[k][column], made[other][column] = made[other][column], made[k][column]
    elif kind == 3:
        made.insert(k, dict(made[k]))
    elif kind == 4:
        made[k]["payload_json"] = '{"n":-1}'
        made[k]["row_sha"] = row_sha(made[k])
    else:
        made = made[:k] if rng.random() < 0.5 else made[:k] + made[k + 1 :]
    return made


def test_a_thousand_random_tries_of_tampering_are_all_found() -> None:
    rows, rng = _chain(), random.Random(7)  # noqa: S311 -- tries, not secrets
    head = rows[-1]["row_sha"]
    assert chain_report(_frame(rows), ROWS, head).ok
    missed = [k for k in range(TRIES) if chain_report(_frame(_tampered(rows, rng)), ROWS, head).ok]
    assert missed == []
