"""What a profile's rows follow from, as one hash: numbers, settings, code, libraries. Imports nothing heavy."""

from __future__ import annotations

import ast
import hashlib
import json
from functools import lru_cache
from importlib.metadata import version

from config.markets import load_markets
from config.settings import REPO_ROOT
from pipeline_tasks.twin.fleet_config import load_trading
from pipeline_tasks.twin.profiles import MARKET, TwinProfile
from pipeline_tasks.twin.world_config import load_world

LIBRARIES = ("numpy", "scipy", "highspy", "polars", "holidays")
NO_ROWS = frozenset({"cache.py", "codec.py", "content.py", "crew.py", "generate.py", "identity.py", "profiles.py"})
"""Modules of the twin that make no row."""


@lru_cache(maxsize=1)
def code_sha() -> str:
    """SHA-256 of what makes the rows: the code of twin and grid kernel without comments and docstrings, the libraries' versions."""
    twin = [p for p in (REPO_ROOT / "pipeline_tasks" / "twin").glob("*.py") if p.name not in NO_ROWS]
    digest = hashlib.sha256(" ".join(f"{name}={version(name)}" for name in LIBRARIES).encode())
    for path in sorted([*twin, *(REPO_ROOT / "models" / "_kernel" / "grid").glob("*.py")]):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        digest.update(f"{path.name}\x1f{ast.dump(tree)}".encode())
    return digest.hexdigest()


def profile_digest(profile: TwinProfile) -> str:
    """SHA-256 of all that a profile's rows follow from: its numbers, the market's settings, the code. The horizon does not count."""
    content = {
        "profile": profile.model_dump(mode="json", exclude={"last_date"}),
        "world": load_world(profile.name).model_dump(mode="json"),
        "trading": load_trading(profile=profile.name).model_dump(mode="json"),
        "market": load_markets()[MARKET].model_dump(mode="json", exclude={"units", "nodal", "storage"}),  # what is foretold makes no row
        "code": code_sha(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
