"""Parts scored by several processes: the order of the parts, absent data, faults."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from pipeline_tasks.scorecard.rows import ScoreRow
from pipeline_tasks.scorecard.side_by_side import Part, side_by_side
from pipeline_tasks.scorecard.sources import DataAbsentError, Say, WarehouseSource

PART = Part("curve_dist", "a", Path("cache"), None, None, "demo", 7)
ROW = ScoreRow(
    "curve_dist", "a", "real", "mae", None, "", None, 1.0, None, None, None, 1, date(2020, 1, 1), date(2020, 1, 2), 7, "pass", "", 0.0, ""
)


def score(part: Part, say: Say) -> list[ScoreRow]:
    """A row that tells the process; the first part takes longest."""
    say("scored")
    if part.data_set == "broken":
        raise ValueError("epf_x: no such hour")
    time.sleep(0.3 if part.data_set == "a" else 0.0)
    return [replace(ROW, data_set=part.data_set, reason=str(os.getpid()))]


def prepare(self: WarehouseSource, name: str, say: Say) -> None:
    if name == "absent":
        raise DataAbsentError("absent: no file")


def parts(*names: str) -> list[Part]:
    return [replace(PART, data_set=name) for name in names]


def test_rows_come_in_the_order_of_the_parts_from_other_processes(monkeypatch):
    monkeypatch.setattr(WarehouseSource, "prepare", prepare)
    told: list[str] = []
    rows = [row for found in side_by_side(parts("a", "absent", "b"), score, 2, told.append) for row in found]
    assert [row.data_set for row in rows] == ["a", "absent", "b"]
    here = str(os.getpid())
    assert [row.reason == here for row in rows] == [False, True, False]
    assert "b: curve_dist: 1 rows" in told


def test_a_fault_in_a_process_is_raised_here(monkeypatch):
    monkeypatch.setattr(WarehouseSource, "prepare", prepare)
    with pytest.raises(ValueError, match="no such hour"):
        list(side_by_side(parts("a", "broken", "b"), score, 2, lambda text: None))
