"""The scorecard for people: a table on the terminal and docs/scorecard.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from config.settings import REPO_ROOT
from pipeline_tasks.scorecard.gate_table import gate_table
from pipeline_tasks.scorecard.rows import ScoreRow

if TYPE_CHECKING:
    from rich.console import Console

DOCUMENT = REPO_ROOT / "docs" / "scorecard.md"
LABELS = {"real": "", "twin": " (synthetic)", "test_system": " (test network)"}
COLOURS = {"pass": "green", "miss": "red", "not_measurable": "yellow"}

GATE_NOTE = (
    "Mean loss of each forecast on stressed and on normal days, without the gate of the regime and with it, all rows scored. Targets:",
    "0.75 of the loss where stressed, not worse by 2 % where normal. The label of a day is frozen and was known at its gate",
    "([regimes](regimes.md)).",
)


def print_table(rows: Sequence[ScoreRow], console: Console) -> None:
    """Print one table per model and data set; every verdict with its reason."""
    from rich.table import Table as RichTable

    for title, group in _groups(rows):
        table = RichTable(title=title, title_justify="left", header_style="bold", show_edge=False)
        for column in ("metric", "value", "95 %", "target", "baseline", "its value", "p", "n", "verdict", "reason"):
            table.add_column(column, overflow="fold")
        for r in group:
            verdict = f"[{COLOURS[r.verdict]}]{r.verdict}[/]"
            numbers = [_number(r.value), _interval(r), _number(r.target), r.baseline or "-", _number(r.baseline_value), _number(r.p_value)]
            table.add_row(r.metric, *numbers, f"{r.n:,}", verdict, r.reason)
        console.print(table)
    counts = {v: sum(r.verdict == v for r in rows) for v in COLOURS}
    console.print(", ".join(f"{k}: {v}" for k, v in counts.items()), highlight=False)


def markdown(rows: Sequence[ScoreRow]) -> str:
    """The page docs/scorecard.md: misses first, then every row, both by model and data set."""
    rows = sorted(rows, key=lambda r: (r.system, r.data_set))
    lines = [
        "# Scorecard",
        "",
        "Walk-forward results on unseen delivery days, written by `desk scorecard`; do not edit. A missed number is a",
        "result: its interval and its reason stand beside it. Rows on synthetic data and test networks say so and never stand in",
        "for real ones. What is measured, where and against whom: `models/<name>/yardstick.py`.",
        "",
    ]
    missed = [r for r in rows if r.verdict == "miss"]
    absent = [r for r in rows if r.verdict == "not_measurable"]
    aimed = [r for r in rows if r.verdict == "pass" and not r.reason.startswith("reported")]
    lines += [f"**{len(aimed)} targets reached, {len(missed)} missed, {len(absent)} not measurable here.**", ""]
    if missed:
        lines += ["## Missed", "", *_table(missed, with_set=True), ""]
    if gates := gate_table(r.to_dict() for r in rows):
        lines += ["## Gate of the regime, before and after", "", *GATE_NOTE, "", *_plain(gates), ""]
    for title, group in _groups(rows):
        lines += [f"## {title}", "", *_table(group, with_set=False), ""]
    return "\n".join(lines).rstrip() + "\n"


def write_markdown(rows: Sequence[ScoreRow], path: Path = DOCUMENT) -> Path:
    """Write `markdown(rows)` to a file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(markdown(rows), encoding="utf-8")
    return path


def _groups(rows: Iterable[ScoreRow]) -> list[tuple[str, list[ScoreRow]]]:
    ordered = sorted(rows, key=lambda r: (r.system, r.data_set))
    found = []
    for (system, data_set), members in groupby(ordered, key=lambda r: (r.system, r.data_set)):
        group = list(members)
        first = group[0]
        label = LABELS[first.data_class]
        window = f", {first.window_from} to {first.window_to}" if first.window_from else ""
        found.append((f"{system} on {data_set}{label}{window}", group))
    return found


def _table(rows: Sequence[ScoreRow], *, with_set: bool) -> list[str]:
    head = (["system", "data set"] if with_set else []) + [
        "metric",
        "value",
        "95 % interval",
        "target",
        "baseline",
        "its value",
        "p",
        "n",
        "verdict",
        "reason",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for r in rows:
        place = [r.system, r.data_set + LABELS[r.data_class]] if with_set else []
        cells = [
            *place,
            r.metric,
            _number(r.value),
            _interval(r),
            _number(r.target),
            r.baseline or "-",
            _number(r.baseline_value),
            _number(r.p_value),
        ]
        cells += [f"{r.n:,}", r.verdict, r.reason.replace("|", "/")]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _plain(lines: Sequence[Mapping[str, str]]) -> list[str]:
    """A table of text cells."""
    head = list(lines[0])
    made = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*made, *("| " + " | ".join(line[c].replace("|", "/") for c in head) + " |" for line in lines)]


def _interval(row: ScoreRow) -> str:
    return "-" if row.ci_low is None or row.ci_high is None else f"{_number(row.ci_low)} .. {_number(row.ci_high)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
