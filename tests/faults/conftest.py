"""A warehouse of their own for the fault tests: they kill its server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def fault_home(tmp_path_factory: pytest.TempPathFactory, desk_home: Path) -> Iterator[Path]:
    """A migrated state folder, whose server is stopped afterwards."""
    from workload import prepare

    from config.settings import get_settings
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import migrate
    from pipeline_tasks.warehouse.server import stop_server

    home = tmp_path_factory.mktemp("faults")
    before = os.environ["DESK_HOME"]
    os.environ["DESK_HOME"] = str(home)
    get_settings.cache_clear()
    with connect() as wh:
        migrate(wh)
        prepare(wh)
    yield home
    stop_server(get_settings())
    os.environ["DESK_HOME"] = before
    get_settings.cache_clear()
