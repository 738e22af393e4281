"""Outcome of a check, its row in ops.check_results, and the error of a gate that stays shut."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import polars as pl

from pipeline_tasks.contracts import TS_DTYPE
from pipeline_tasks.contracts.ops import CHECK_RESULTS
from pipeline_tasks.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check found.

    Attributes:
        table: checked table, `database.name`.
        check: name of the expectation or business rule.
        column: checked column; empty for whole rows.
        severity: `block` or `warn`.
        success: whether the check held.
        rows_checked: rows looked at.
        rows_failed: rows that failed.
        meaning: what was expected, a sentence.
        remedy: what to do about it, a sentence.
        degrades: whether a break marks the run DEGRADED (warnings only).
        seen: what was found: examples, window, observed values.
    """

    table: str
    check: str
    column: str
    severity: str
    success: bool
    rows_checked: int
    rows_failed: int
    meaning: str
    remedy: str
    degrades: bool = False
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The break in one sentence, with count, examples and remedy."""
        where = f"{self.table}.{self.column}" if self.column else self.table
        examples = self.seen.get("examples") or []
        shown = f" (e.g. {', '.join(str(e) for e in examples[:3])})" if examples else ""
        return f"{where}: {self.check} failed for {self.rows_failed} of {self.rows_checked}{shown}. {self.meaning} {self.remedy}"


class GateBlocked(RuntimeError):  # noqa: N818 - named for what it says to the operator
    """A blocking check broke; retrying without new data or code cannot help.

    Attributes:
        breaks: the blocking checks that broke.
    """

    breaks: tuple[Outcome, ...] = ()

    @classmethod
    def of(cls, layer: str, market: str, breaks: Sequence[Outcome]) -> Self:
        """The error for these breaks; its message has one line per break."""
        lines = "\n".join(f"- {b.sentence}" for b in breaks)
        error = cls(f"gate {layer} is shut for market {market}: {len(breaks)} blocking check(s) broke\n{lines}")
        error.breaks = tuple(breaks)
        return error


def record(wh: Warehouse, outcomes: Sequence[Outcome], *, run_id: str, at: datetime) -> int:
    """Write outcomes to ops.check_results; returns the rows written."""
    rows = [
        {
            "run_id": run_id,
            "table_name": o.table,
            "check_name": o.check,
            "column_name": o.column,
            "severity": o.severity,
            "success": o.success,
            "rows_checked": o.rows_checked,
            "rows_failed": o.rows_failed,
            "detail_json": json.dumps(
                {"meaning": o.meaning, "remedy": o.remedy, "degrades": o.degrades, **o.seen}, default=str, sort_keys=True
            ),
            "at_ts": at,
        }
        for o in outcomes
    ]
    frame = pl.DataFrame(rows, schema_overrides={"at_ts": TS_DTYPE}, infer_schema_length=None)
    return wh.insert(CHECK_RESULTS, frame) if rows else 0
