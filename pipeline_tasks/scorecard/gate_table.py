"""Before and after the gate: one line per forecast, loss and gate from the scorecard's rows of the system `regime_gate`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline_tasks.scorecard.regime_slices import PARTS, read_reason

SYSTEM = "regime_gate"
RATIO = re.compile(rf"(?P<name>\w+)_(?P<part>{'|'.join(PARTS)})_ratio")
NOT_TOLD = "not measurable"


def gate_table(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Lines of the table: data set, forecast with its loss and gate, and per slice loss before and after, ratio, interval and verdict.

    Args:
        rows: scorecard rows as mappings, of any system.
    """
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted((r for r in rows if r["system"] == SYSTEM), key=lambda r: (r["data_set"], r["metric"])):
        found = RATIO.fullmatch(row["metric"])
        told = read_reason(row["reason"])
        if found is None or (told is None and row["value"] is not None) or found["name"].startswith("oracle"):
            continue
        label = row["data_set"] + (" (synthetic)" if row["data_class"] == "twin" else "")
        line = lines.setdefault((label, found["name"]), {"data set": label, "forecast, loss, gate": found["name"].replace("_", " ")})
        if told is not None:
            line["forecast, loss, gate"] = told.name
        line |= _part(found["part"], row, told)
    return [{**dict.fromkeys(_COLUMNS, "-"), **line} for line in lines.values()]


_COLUMNS = ("data set", "forecast, loss, gate", *(f"{p}: {c}" for p in PARTS for c in ("before", "after", "ratio", "days", "verdict")))


def _part(part: str, row: Mapping[str, Any], told: Any) -> dict[str, Any]:
    """The cells of one slice."""
    if told is None:
        return {f"{part}: verdict": NOT_TOLD}
    interval = "" if row["ci_low"] is None else f" ({row['ci_low']:.3f} .. {row['ci_high']:.3f})"
    cells = {"before": f"{told.before:.4g}", "after": f"{told.after:.4g}", "ratio": f"{row['value']:.3f}{interval}", "days": str(told.days)}
    return {f"{part}: {name}": value for name, value in (cells | {"verdict": row["verdict"]}).items()}
