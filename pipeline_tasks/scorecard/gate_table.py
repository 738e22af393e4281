"""Before and after the gate: a line per forecast, loss, gate and slice of days from the scorecard's rows of the system `regime_gate`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline_tasks.scorecard.regime_slices import PARTS, read_reason

SYSTEM = "regime_gate"
RATIO = re.compile(rf"(?P<name>\w+)_(?P<part>{'|'.join(PARTS)})_ratio")
COLUMNS = ("data set", "forecast: loss gate", "days", "before", "after", "ratio (95 %)", "verdict")


def gate_table(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Lines of the table, `COLUMNS` each, stressed above normal days; a slice that could not be measured has dashes.

    Args:
        rows: scorecard rows as mappings, of any system.
    """
    found = []
    for row in rows:
        named = RATIO.fullmatch(row["metric"]) if row["system"] == SYSTEM else None
        if named is not None and not named["name"].startswith("oracle"):
            label = row["data_set"] + (" (synthetic)" if row["data_class"] == "twin" else "")
            found.append((label, named["name"], PARTS.index(named["part"]), row))
    return [_line(label, name, PARTS[part], row) for label, name, part, row in sorted(found, key=lambda f: f[:3])]


def _line(label: str, name: str, part: str, row: Mapping[str, Any]) -> dict[str, str]:
    told = read_reason(row["reason"]) if row["value"] is not None else None
    if told is None:
        cells = [label, name.replace("_", " "), part, "-", "-", "-", "not measurable"]
    else:
        interval = "" if row["ci_low"] is None else f" ({row['ci_low']:.3f} .. {row['ci_high']:.3f})"
        cells = [label, told.name, f"{told.days} {part}", f"{told.before:.4g}", f"{told.after:.4g}", f"{row['value']:.3f}{interval}"]
        cells.append(row["verdict"])
    return dict(zip(COLUMNS, cells, strict=True))
