"""Write the generated files, or compare them with what is there; files whose contract is gone are removed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from config.settings import REPO_ROOT
from pipeline_tasks.contracts import Table
from pipeline_tasks.generation.artefacts import HEADER, build_artefacts

GENERATED_PLACES = (
    "sql/ddl/*.sql",
    "sql/views/*.sql",
    "sql/roles/*.sql",
    "expectations/suites/*.json",
    "transforms/models/*/_*__contracts.yml",
    "transforms/models/sources.yml",
    "docs/data_dictionary.md",
)
_HEAD = 400  # characters in which the header must appear
_DIFF_LINES = 40


@dataclass(frozen=True, slots=True)
class Drift:
    """A generated file that differs from its contracts.

    Attributes:
        path: relative to the root.
        kind: `missing`, `changed`, or `stale` when no contract stands behind it any more.
        diff: unified diff from the file to what it should be, shortened; empty for missing and stale files.
    """

    path: str
    kind: Literal["missing", "changed", "stale"]
    diff: str = ""

    def __str__(self) -> str:
        """One line, then the diff."""
        return f"{self.kind}: {self.path}" + (f"\n{self.diff}" if self.diff else "")


def generate(check: bool = False, *, root: Path | None = None, tables: Sequence[Table] | None = None) -> list[Drift]:
    """Bring every generated file in line with the contracts, or only say which are not.

    Args:
        check: compare and write nothing.
        root: repository root.
        tables: contracts to generate from; the whole catalog by default.

    Returns:
        The files that differed, sorted by path; with `check` they still do.
    """
    if tables is None:
        from pipeline_tasks.catalog import all_tables

        tables = all_tables()
    place = root or REPO_ROOT
    wanted = {a.path: a.text for a in build_artefacts(tables)}
    drifts = sorted([*_differing(place, wanted), *_stale(place, wanted)], key=lambda d: d.path)
    if not check:
        for drift in drifts:
            target = place / drift.path
            if drift.kind == "stale":
                target.unlink()
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(wanted[drift.path], encoding="utf-8", newline="\n")
    return drifts


def _differing(root: Path, wanted: dict[str, str]) -> Iterator[Drift]:
    for path, text in wanted.items():
        target = root / path
        if not target.is_file():
            yield Drift(path, "missing")
            continue
        found = target.read_text(encoding="utf-8")
        if found != text:
            lines = list(difflib.unified_diff(found.splitlines(), text.splitlines(), path, "contracts", lineterm="", n=1))
            shortened = [*lines[:_DIFF_LINES], f"... {len(lines) - _DIFF_LINES} more lines"] if len(lines) > _DIFF_LINES else lines
            yield Drift(path, "changed", "\n".join(shortened))


def _stale(root: Path, wanted: dict[str, str]) -> Iterator[Drift]:
    """Generated files without a contract; a file without the header was written by a person and is left alone."""
    for pattern in GENERATED_PLACES:
        for found in sorted(root.glob(pattern)):
            path = found.relative_to(root).as_posix()
            if path not in wanted and HEADER in found.read_text(encoding="utf-8")[:_HEAD]:
                yield Drift(path, "stale")
