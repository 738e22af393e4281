"""Rows of the scorecard: one measured metric with its baseline, interval, test and verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

import polars as pl

from pipeline_tasks.contracts.ops import SCORECARD

Verdict = Literal["pass", "miss", "not_measurable"]
NO_WINDOW = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One row of `ops.scorecard` without its time stamp; the fields mean what the contract says.

    `window_from` and `window_to` are None where nothing could be scored; the warehouse then holds 1970-01-01.
    """

    system: str
    data_set: str
    data_class: str
    metric: str
    target: float | None
    baseline: str
    baseline_value: float | None
    value: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    n: int
    window_from: date | None
    window_to: date | None
    seed: int
    verdict: Verdict
    reason: str
    seconds: float
    code_sha: str

    def to_dict(self) -> dict[str, Any]:
        """The row as a JSON-able mapping; numbers that are not finite become None."""
        return {k: _finite(v) for k, v in asdict(self).items()}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def rows_frame(rows: Iterable[Mapping[str, Any]], *, at: datetime | None = None) -> pl.DataFrame:
    """Rows as a frame of the contract `ops.scorecard`.

    Args:
        rows: mappings from `ScoreRow.to_dict`.
        at: when they were made; now, if not given.
    """
    stamp = at or datetime.now(UTC)
    made = [{**r, "window_from": r["window_from"] or NO_WINDOW, "window_to": r["window_to"] or NO_WINDOW, "at_ts": stamp} for r in rows]
    return pl.DataFrame(made, schema=SCORECARD.polars_schema(), orient="row") if made else SCORECARD.empty()
