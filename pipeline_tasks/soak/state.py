"""A copy of the state folder that a soak may fill with faults: what the desk works with stays as it is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from config.settings import get_settings
from pipeline_tasks.stack.control import status

LEFT_OUT = ("twin", "reports", "soak", "locks", "notifications.jsonl")


class SoakError(RuntimeError):
    """A soak cannot begin here; says why."""


@contextmanager
def copied_state(folder: Path | None = None) -> Iterator[Path]:
    """Work on a copy of the state folder, with a warehouse server of its own; the simulated days are shared, not copied.

    The original's server is stopped while its files are copied, so that they belong together; the next command starts it again.

    Args:
        folder: where the copy lies, replaced where it is there; `soak` below the state folder when None.

    Raises:
        SoakError: the warehouse is a configured server, Airflow runs on the state folder, or there is no warehouse in it.
    """
    from pipeline_tasks.warehouse.server import stop_server

    settings = get_settings()
    if not settings.embedded:
        raise SoakError(f"the warehouse is {settings.clickhouse_host}; a soak fills it with faults, so it needs the embedded one")
    if "airflow_url" in status():
        raise SoakError("Airflow runs on this state folder; stop it first (desk down)")
    if not (settings.home / "clickhouse" / "data").is_dir():
        raise SoakError(f"{settings.home} has no warehouse yet; run `desk run nightly` first: a soak needs champions and history")
    target = (folder or settings.home / "soak").resolve()
    stop_server(settings)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(settings.home, target, ignore=_beside(settings.home, target), symlinks=True)
    ours = {"DESK_HOME": str(target), "DESK_TWIN_CACHE": str(settings.twin_cache_folder)}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    get_settings.cache_clear()
    try:
        yield target
    finally:
        stop_server(get_settings())
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
        get_settings.cache_clear()


def _beside(home: Path, target: Path) -> Callable[[str, list[str]], list[str]]:
    """What of the state folder's own level is not copied."""

    def left_out(folder: str, names: list[str]) -> list[str]:
        here = Path(folder)
        return [n for n in names if here / n == target or (here == home and n in LEFT_OUT) or n.endswith((".lock", "server.json"))]

    return left_out
