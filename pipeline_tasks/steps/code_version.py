"""Version of the code that makes a row: git commit, or a content hash outside git."""

from __future__ import annotations

import hashlib
import subprocess
from functools import lru_cache
from pathlib import Path

from config.settings import REPO_ROOT, get_settings

CODE_FOLDERS = ("config", "models", "pipeline_tasks", "sql", "transforms")
CODE_SUFFIXES = {".py", ".sql", ".yaml", ".yml"}


def code_sha() -> str:
    """`DESK_CODE_SHA` where set; else the commit, with `+` and a content hash when files that make data differ from it."""
    return get_settings().code_sha or _computed()


@lru_cache(maxsize=1)
def _computed() -> str:
    commit = _git("rev-parse", "HEAD") if (REPO_ROOT / ".git").exists() else None
    if commit is None:
        return content_sha(REPO_ROOT)
    changed = _git("status", "--porcelain", "--untracked-files=normal", "--", *CODE_FOLDERS)
    return f"{commit}+{content_sha(REPO_ROOT)[:12]}" if changed else commit


def content_sha(root: Path) -> str:
    """SHA-256 over names and bytes of the files below `root` that make data."""
    digest = hashlib.sha256()
    files = (p for folder in CODE_FOLDERS for p in (root / folder).rglob("*") if p.suffix in CODE_SUFFIXES and p.is_file())
    for path in sorted(p for p in files if "target" not in p.parts):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _git(*arguments: str) -> str | None:
    """Output of a git command in the repository; None when git is absent or refuses."""
    try:
        done = subprocess.run(["git", *arguments], cwd=REPO_ROOT, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603, S607 - fixed words
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
