"""Connections to the database `truth`, for the loader (`steward`) and for yardsticks; features and models have none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from config.settings import Settings, get_settings
from pipeline_tasks.warehouse.client import Warehouse, connect


@contextmanager
def open_truth(role: Literal["steward", "yardstick"], settings: Settings | None = None) -> Iterator[Warehouse | None]:
    """A connection that may use `truth`, or None where a configured server has no account for the role."""
    chosen = settings or get_settings()
    if not chosen.embedded and not chosen.account(role)[0]:
        yield None
        return
    with connect(role, settings=chosen) as wh:
        yield wh
