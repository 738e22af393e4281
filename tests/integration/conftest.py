"""One embedded ClickHouse for the integration tests of a session: started, migrated, stopped at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_tasks.warehouse import Warehouse, connect


@pytest.fixture(scope="session")
def warehouse(desk_home: Path) -> Iterator[Warehouse]:
    """A migrated warehouse as the role `pipeline`, on a server of its own below the session's state folder."""
    from config.settings import get_settings
    from pipeline_tasks.warehouse.migrate import migrate
    from pipeline_tasks.warehouse.server import stop_server

    with connect() as wh:
        migrate(wh)
        yield wh
    stop_server(get_settings())


@pytest.fixture(scope="session")
def analyst(warehouse: Warehouse) -> Iterator[Warehouse]:
    """The same server as the role `analyst`."""
    with connect("analyst") as wh:
        yield wh
