from __future__ import annotations

from pathlib import Path

import pytest

from config.settings import get_settings
from pipeline_tasks.steps import code_version


def _tree(root: Path, text: str) -> Path:
    (root / "models").mkdir(parents=True)
    (root / "models" / "a.py").write_text(text)
    (root / "models" / "notes.md").write_text("prose")
    return root


def test_content_hash_follows_code_only(tmp_path: Path) -> None:
    one, two = _tree(tmp_path / "one", "x = 1"), _tree(tmp_path / "two", "x = 1")
    (two / "models" / "notes.md").write_text("other prose")
    assert code_version.content_sha(one) == code_version.content_sha(two)
    (two / "models" / "a.py").write_text("x = 2")
    assert code_version.content_sha(one) != code_version.content_sha(two)


def test_setting_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_CODE_SHA", "abc")
    get_settings.cache_clear()
    try:
        assert code_version.code_sha() == "abc"
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()


def test_version_outside_git_is_the_content_hash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(code_version, "REPO_ROOT", _tree(tmp_path / "copy", "x = 1"))
    code_version._computed.cache_clear()
    try:
        assert code_version._computed() == code_version.content_sha(tmp_path / "copy")
    finally:
        code_version._computed.cache_clear()
