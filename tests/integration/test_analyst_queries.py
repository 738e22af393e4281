"""Every query of docs/analysts.md runs as the read-only `analyst` user, and that user can do nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOC = Path(__file__).resolve().parents[2] / "docs" / "analysts.md"
QUERIES = re.findall(r"```sql\n(.*?)```", DOC.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_guide_has_fifteen_numbered_queries() -> None:
    assert len(re.findall(r"(?m)^## \d+\.", DOC.read_text(encoding="utf-8"))) == 15
    assert len(QUERIES) >= 15
