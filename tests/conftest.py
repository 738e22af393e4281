"""Shared fixtures: a state folder of its own for every test session, and the real market data where it exists."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO))


@pytest.fixture(scope="session", autouse=True)
def desk_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Point DESK_HOME at a fresh folder, so that tests never touch the developer's state."""
    from config.settings import get_settings

    home = tmp_path_factory.mktemp("desk")
    before = os.environ.get("DESK_HOME")
    os.environ["DESK_HOME"] = str(home)
    get_settings.cache_clear()
    yield home
    if before is None:
        os.environ.pop("DESK_HOME", None)
    else:
        os.environ["DESK_HOME"] = before
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real market data; tests that need it skip where it is absent."""
    from config.settings import get_settings

    folder = get_settings().data_dir
    if not folder.is_dir():
        pytest.skip(f"real market data not found at {folder}; set DESK_DATA_DIR to run this test")
    return folder
