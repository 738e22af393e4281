"""Connections to the database `truth`, for the loader (`steward`) and for yardsticks; features and models have none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from config.settings import Settings
from pipeline_tasks.warehouse.client import Warehouse, connect_if_granted


@contextmanager
def open_truth(role: Literal["steward", "yardstick"], settings: Settings | None = None) -> Iterator[Warehouse | None]:
    """A connection that may use `truth`, or None where a configured server has no account for the role."""
    with connect_if_granted(role, settings) as warehouse:
        yield warehouse
