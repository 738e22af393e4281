"""Scenarios as people ask for them: names of lines and units, or a CSV file of many."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from models._kernel.grid.network import Network
from models._kernel.grid.outage_study import Outage

COLUMNS = ("scenario", "kind", "element", "available_share")
KINDS = ("branch", "unit")
EVERY = "all"
SHOWN = 20


class RequestError(ValueError):
    """A scenario that cannot be simulated; names the field, the value and the remedy."""


@dataclass(slots=True)
class _Parts:
    branches: set[int] = field(default_factory=set)
    derates: dict[int, float] = field(default_factory=dict)
    units: dict[int, float] = field(default_factory=dict)

    def outage(self, name: str) -> Outage:
        return Outage(name, tuple(sorted(self.branches)), dict(sorted(self.derates.items())), dict(sorted(self.units.items())))


@dataclass(slots=True)
class _Asked:
    """Scenarios read so far, and what is wrong with the others."""

    network: Network
    made: dict[str, _Parts] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def put(self, scenario: str, kind: str, element: str, share: float, where: str) -> None:
        names = self.network.branches.names if kind == "branch" else self.network.generators.names
        if element not in names:
            near = get_close_matches(element, names, 3) or list(names[:3])
            self.problems.append(f"{where}: network {self.network.name!r} has no {kind} {element!r}; it has {', '.join(near)}, ...")
            return
        parts, position = self.made.setdefault(scenario, _Parts()), names.index(element)
        if kind == "unit":
            parts.units[position] = share
        elif share > 0.0:
            parts.derates[position] = share
        else:
            parts.branches.add(position)


def requested(network: Network, *, lines: Sequence[str] = (), units: Sequence[str] = (), batch: Path | None = None) -> list[Outage]:
    """Scenarios in the order they were asked, each once.

    Args:
        network: whose elements are named.
        lines: branches; `A+B` loses both at once, `all` stands for every branch by itself.
        units: units; `A+B` likewise.
        batch: CSV with scenario, kind (branch or unit), element, available_share (0 where empty: out); rows of one scenario
            happen at once.

    Raises:
        RequestError: an unknown element, a share outside [0, 1], a malformed file, a scenario asked twice, or nothing asked.
    """
    named = [(name, "branch") for line in lines for name in (network.branches.names if line == EVERY else (line,))]
    named += [(name, "unit") for name in units]
    counts = Counter(name for name, _ in named)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise RequestError(f"scenario {repeated[0]!r} is asked twice; ask for it once")
    asked = _Asked(network)
    for name, kind in named:
        for element in name.split("+"):
            asked.put(name, kind, element, 0.0, f"{kind} {element!r}")
    for name, kind, element, share, where in _rows(batch, asked.problems) if batch else []:
        asked.put(name, kind, element, share, where)
    if asked.problems:
        more = f"; and {len(asked.problems) - SHOWN} more" if len(asked.problems) > SHOWN else ""
        raise RequestError("; ".join(asked.problems[:SHOWN]) + more)
    if not asked.made:
        raise RequestError("no scenario was asked for; give lines, units or a batch file")
    return [parts.outage(name) for name, parts in asked.made.items()]


def _rows(path: Path, problems: list[str]) -> list[tuple[str, str, str, float, str]]:
    """Rows of a batch file with what to call them in messages; faulty ones go to the problems."""
    if not path.is_file():
        raise RequestError(f"batch file {path} does not exist; give the path of a CSV file with {', '.join(COLUMNS)}")
    rows = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        lacking = [c for c in COLUMNS[:3] if c not in (reader.fieldnames or [])]
        if lacking:
            raise RequestError(f"batch file {path.name} lacks column(s) {', '.join(lacking)}; give {', '.join(COLUMNS)}")
        for row in reader:
            where = f"{path.name} line {reader.line_num}"
            name, kind, element = (str(row[c] or "").strip() for c in COLUMNS[:3])
            share = _share(str(row.get("available_share") or "0").strip())
            if not name or kind not in KINDS or share is None:
                problems.append(
                    f"{where}: scenario {name!r}, kind {kind!r}, available_share {row.get('available_share')!r};"
                    f" give a name, one of {', '.join(KINDS)}, and a share from 0 to 1"
                )
                continue
            rows.append((name, kind, element, share, where))
    return rows


def _share(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0.0 <= value <= 1.0 else None
