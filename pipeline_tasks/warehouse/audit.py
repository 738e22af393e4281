"""The audit chain `ops.audit_log`: append-only, each row hashed over the row before it.

Writers of one machine take turns by a lock file. Between machines the position itself is the lock: the insert's
deduplication token is the sequence number, so that of two writers who saw the same head only one row is kept; each
reads back what stands at its position, and the one who lost tries again behind the winner.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from pipeline_tasks.contracts.ops import AUDIT_LOG
from pipeline_tasks.warehouse.client import Warehouse
from pipeline_tasks.warehouse.server import exclusive
from pipeline_tasks.warehouse.server_files import write_private
from pipeline_tasks.warehouse.staging import partition_hash

GENESIS = "0" * 64
ATTEMPTS = 50
LOOKUP = 300  # entries per look-up; their names travel in the URL


class AuditError(RuntimeError):
    """The chain could not be extended."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened, before it has a place in the chain.

    Attributes:
        actor, action, subject: who did what to what.
        payload: details; JSON-able.
    """

    actor: str
    action: str
    subject: str
    payload: Mapping[str, Any]

    @property
    def payload_json(self) -> str:
        """Canonical JSON of the payload."""
        return json.dumps(dict(self.payload), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Result of a verification.

    Attributes:
        ok: every row is where and what it was when it was written.
        rows: rows in the chain.
        first_bad_seq: first position that does not fit; None when ok.
        message: one sentence.
    """

    ok: bool
    rows: int
    first_bad_seq: int | None
    message: str


def row_sha(row: Mapping[str, Any]) -> str:
    """SHA-256 over `prev_sha` and the other fields of a row."""
    at_ms = int(row["at_ts"].timestamp() * 1000 + 0.5)
    fields = [row["prev_sha"], row["seq"], at_ms, row["actor"], row["action"], row["subject"], row["payload_json"]]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()


def _head(wh: Warehouse) -> dict[str, Any]:
    frame = wh.query("select seq, at_ts, row_sha from ops.audit_log order by seq desc, at_ts desc limit 1")
    return frame.row(0, named=True) if frame.height else {"seq": 0, "at_ts": datetime.fromtimestamp(0, UTC), "row_sha": GENESIS}


def _chain(head: Mapping[str, Any], entries: Sequence[Entry]) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    at_ts = max(now.replace(microsecond=now.microsecond // 1000 * 1000), head["at_ts"] + timedelta(milliseconds=1))
    rows, previous = [], head["row_sha"]
    for offset, entry in enumerate(entries, start=1):
        row: dict[str, Any] = {
            "seq": head["seq"] + offset,
            "at_ts": at_ts,
            "actor": entry.actor,
            "action": entry.action,
            "subject": entry.subject,
            "payload_json": entry.payload_json,
            "prev_sha": previous,
        }
        row["row_sha"] = previous = row_sha(row)
        rows.append(row)
    return rows


def _absent(wh: Warehouse, entries: Sequence[Entry]) -> list[Entry]:
    known: set[tuple[str, str, str]] = set()
    for start in range(0, len(entries), LOOKUP):
        some = entries[start : start + LOOKUP]
        found = wh.query(
            "select action, subject, payload_json from ops.audit_log where action in {a:Array(String)} and subject in {s:Array(String)}",
            {"a": sorted({e.action for e in some}), "s": sorted({e.subject for e in some})},
        )
        known.update(found.iter_rows())
    return [e for e in entries if (e.action, e.subject, e.payload_json) not in known]


def append_all(wh: Warehouse, entries: Sequence[Entry], *, once: bool = False) -> list[dict[str, Any]]:
    """Append entries as consecutive rows, all or none.

    Args:
        wh: a connection that may write.
        entries: what happened, in order.
        once: leave out entries whose action, subject and payload are in the chain already (a retry after a crash).

    Returns:
        The rows written, as stored.

    Raises:
        AuditError: other writers took the place 50 times in a row.
    """
    orphaned = 0
    with exclusive(wh.lock_folder / "audit.lock"):
        for _ in range(ATTEMPTS):
            wanted = _absent(wh, entries) if once and entries else list(entries)
            if not wanted:
                return []
            rows = _chain(_head(wh), wanted)
            first, last = rows[0]["seq"], rows[-1]["seq"]
            frame = pl.DataFrame(rows, schema=AUDIT_LOG.polars_schema())
            wh.insert(AUDIT_LOG, frame, token=f"audit-{first}-{orphaned}")
            stored = wh.query(
                "select row_sha from ops.audit_log where seq between {a:Int64} and {b:Int64} order by seq", {"a": first, "b": last}
            )["row_sha"].to_list()
            if stored == [r["row_sha"] for r in rows]:
                _remember_head(wh, rows[-1])
                return rows
            # nothing stored: the token was recorded by a server that died before it kept the row
            orphaned = 0 if stored else orphaned + 1
    raise AuditError(f"audit chain: {ATTEMPTS} attempts to append at its end failed; too many writers, try again")


def append(wh: Warehouse, *, actor: str, action: str, subject: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Append one row; returns it as stored. See `append_all`."""
    return append_all(wh, [Entry(actor, action, subject, payload)])[0]


def append_once(wh: Warehouse, *, actor: str, action: str, subject: str, payload: Mapping[str, Any]) -> bool:
    """Append one row unless action, subject and payload are in the chain already; returns whether it was written."""
    return bool(append_all(wh, [Entry(actor, action, subject, payload)], once=True))


def _head_file(wh: Warehouse) -> Path:
    return wh.lock_folder.parent / "audit" / f"head_{wh.endpoint.host}.json"


def _remember_head(wh: Warehouse, row: Mapping[str, Any]) -> None:
    """Keep the head outside the database: rows cut off the end leave a chain that is valid in itself."""
    write_private(_head_file(wh), json.dumps({"seq": row["seq"], "row_sha": row["row_sha"]}))


def _remembered_head(wh: Warehouse) -> tuple[int, str]:
    path = _head_file(wh)
    if not path.is_file():
        return 0, GENESIS
    head = json.loads(path.read_text(encoding="utf-8"))
    return int(head["seq"]), str(head["row_sha"])


def verify(wh: Warehouse) -> AuditReport:
    """Walk the chain: positions without gaps, every hash right, nothing cut off the end since this machine last wrote."""
    with exclusive(wh.lock_folder / "audit.lock"):
        frame = wh.query(f"select {', '.join(AUDIT_LOG.column_names)} from ops.audit_log order by seq, at_ts, row_sha")
        seen_seq, seen_sha = _remembered_head(wh)
    report = chain_report(frame, seen_seq, seen_sha)
    if report.ok or report.first_bad_seq != frame.height + 1:
        return report
    remedy = f"restore ops.audit_log from a backup (after a deliberate reset of the warehouse delete {_head_file(wh)})"
    return replace(report, message=f"{report.message}; {remedy}")


def chain_report(frame: pl.DataFrame, seen_seq: int, seen_sha: str) -> AuditReport:
    """Whether rows, in order of their position, are the chain that was written.

    Args:
        frame: rows of ops.audit_log.
        seen_seq: newest position that this machine wrote or saw; 0 for none.
        seen_sha: its hash.
    """
    previous = GENESIS
    for position, row in enumerate(frame.iter_rows(named=True), start=1):
        problem = ""
        if row["seq"] != position:
            problem = f"position {position} is missing or stored twice (found {row['seq']})"
        elif row["prev_sha"] != previous:
            problem = f"row {position} does not follow the row before it"
        elif row["row_sha"] != row_sha(row):
            problem = f"row {position} was changed after it was written"
        elif position == seen_seq and row["row_sha"] != seen_sha:
            problem = f"row {position} is not the one this machine wrote or saw"
        if problem:
            return AuditReport(ok=False, rows=frame.height, first_bad_seq=position, message=f"audit chain broken: {problem}")
        previous = row["row_sha"]
    if seen_seq > frame.height:
        message = f"audit chain broken: rows after {frame.height} are gone, {seen_seq} were seen"
        return AuditReport(ok=False, rows=frame.height, first_bad_seq=frame.height + 1, message=message)
    return AuditReport(ok=True, rows=frame.height, first_bad_seq=None, message=f"audit chain valid: {frame.height} rows")


def published_hashes(wh: Warehouse, *, market: str = "", delivery_date: date | None = None) -> list[dict[str, Any]]:
    """Every partition that readers see: the hash recorded when it was published beside the hash of its bytes now.

    Args:
        wh: a connection that may read curated and ops.
        market: only this market; empty for all.
        delivery_date: only this date; None for all.

    Returns:
        Dicts with table_name, market, hub, delivery_date, run_id, row_count, recorded_sha, current_sha, matches.
    """
    from pipeline_tasks.catalog import table_named

    frame = wh.query(
        "select table_name, market, hub, delivery_date, run_id, row_count, content_sha from ops.publications "
        "where ({market:String} = '' or market = {market:String}) and ({every:Bool} or delivery_date = {day:Date32}) "
        "order by at_ts desc, publication_id desc limit 1 by table_name, market, hub, delivery_date",
        {"market": market, "every": delivery_date is None, "day": delivery_date or date(1970, 1, 1)},
    )
    rows = []
    for row in frame.sort("table_name", "market", "hub", "delivery_date").iter_rows(named=True):
        recorded = row.pop("content_sha")
        current = partition_hash(wh, table_named(row["table_name"]), row["market"], row["hub"], row["delivery_date"])
        rows.append({**row, "recorded_sha": recorded, "current_sha": current, "matches": current == recorded})
    return rows
