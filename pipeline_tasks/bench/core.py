"""What a bench is made of: timed calls, figures, the machine, a state folder that is thrown away."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGES = ("polars", "lightgbm", "numpy", "clickhouse-connect", "chdb", "dbt-clickhouse", "dbt-core", "pyarrow")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        case: what was done, on how much.
        metric: name of the number.
        value: measured value.
        unit: its unit.
        peer: what it is compared with; empty for none.
        peer_value: the peer's value in the same run.
        runs: repetitions the value is the median of.
    """

    case: str
    metric: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    runs: int = 1

    @property
    def ratio(self) -> float | None:
        """Value over the peer's."""
        return self.value / self.peer_value if self.peer_value else None


def seconds(act: Callable[[], object], *, runs: int, before: Callable[[], object] | None = None) -> float:
    """Median wall-clock seconds of `act`; `before` runs untimed ahead of every run."""
    taken = []
    for _ in range(runs):
        if before is not None:
            before()
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def machine() -> dict[str, Any]:
    """The machine and the versions that figures belong to."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "absent"
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    load = os.getloadavg()[0]
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(pages / 2**30, 1),
        "load_1min": round(load, 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def peak_memory_mb() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def scratch_home() -> Iterator[Path]:
    """A state folder and warehouse of the bench's own, stopped and removed afterwards: a bench never touches the desk's data.

    Days of the simulated market are shared with the desk, which has the same ones: they take minutes to make and are not what is measured.
    """
    from config.settings import get_settings
    from pipeline_tasks.warehouse.server import stop_server

    names = ("DESK_HOME", "DESK_TWIN_CACHE")
    before = {name: os.environ.get(name) for name in names}
    days = get_settings().twin_cache_folder
    with tempfile.TemporaryDirectory(prefix="desk-bench-") as folder:
        os.environ.update(dict(zip(names, (folder, str(days)), strict=True)))
        get_settings.cache_clear()
        try:
            yield Path(folder)
        finally:
            stop_server(get_settings())
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
            get_settings.cache_clear()
