"""Shared fixtures: a state folder of its own for every test session, and the real market data where it exists."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO))
from pipeline_tasks.processes import MATH_THREADS  # noqa: E402 - found by the line above

for _name, _count in MATH_THREADS.items():  # as the command line does, and before NumPy is loaded
    os.environ.setdefault(_name, _count)
os.environ.setdefault("NUMBA_CACHE_DIR", str(REPO / ".pytest_cache" / "compiled"))  # the grid kernel compiles once, not once a process


class _ByWarehouse(LoadFileScheduling):
    """A file's tests go to one worker, and so do all tests of a folder whose files share a warehouse."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return str(Path(file).parent) if "/transform/" in file else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByWarehouse | None:
    """How `-n` deals tests out with `--dist loadfile`: in the order of collection, not the files with most tests first."""
    config.option.loadscopereorder = False
    return _ByWarehouse(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The night of the DAG tests first: it takes longest, and compiles the grid kernel before tests of the grid load it."""
    items.sort(key=lambda item: item.path.name != "test_dags_run.py")


@pytest.fixture(scope="session", autouse=True)
def desk_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Point DESK_HOME at a fresh folder, so that tests never touch the developer's state."""
    from config.settings import get_settings

    home = tmp_path_factory.mktemp("desk")
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # one simulated market for all workers and state folders
    ours = {"DESK_HOME": str(home), "DESK_TWIN_PROFILE": "test", "DESK_TWIN_CACHE": os.environ.get("DESK_TWIN_CACHE", str(shared / "twin"))}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    get_settings.cache_clear()
    yield home
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real market data; tests that need it skip where it is absent."""
    from config.settings import get_settings

    folder = get_settings().data_dir
    if not folder.is_dir():
        pytest.skip(f"real market data not found at {folder}; set DESK_DATA_DIR to run this test")
    return folder


@pytest.fixture(scope="session")
def scoringrules() -> Any:
    """The library of scoring rules that ours are compared with, on NumPy: where it finds numba it compiles everything it has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "numba", None)
        return importlib.import_module("scoringrules")
