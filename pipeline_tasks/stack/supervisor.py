"""Supervisor of the stack: keeps Airflow's components alive. `python -m pipeline_tasks.stack.supervisor PORT`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

STOP_SECONDS = 15.0
BACKOFF_S = (1.0, 2.0, 5.0, 15.0, 30.0)
HEALTHY_SECONDS = 60.0


@dataclass(slots=True)
class Component:
    """One supervised process: its command, and when it may be started again."""

    name: str
    command: list[str]
    log: Path
    child: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    not_before: float = 0.0
    started: float = field(default=0.0)

    def start(self) -> None:
        """Start the process, its output appended to its log."""
        with self.log.open("ab") as stream:
            self.child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)  # noqa: S603 - fixed words
        self.started = time.monotonic()

    def watch(self) -> None:
        """Start it when it is due; a component that ended waits longer each time, until it stayed up for a while."""
        now = time.monotonic()
        if self.child is not None and self.child.poll() is not None:
            self.restarts = 0 if now - self.started > HEALTHY_SECONDS else self.restarts
            self.not_before = now + BACKOFF_S[min(self.restarts, len(BACKOFF_S) - 1)]
            self.restarts += 1
            self.child = None
        if self.child is None and now >= self.not_before:
            self.start()


def components(port: int, logs: Path) -> list[Component]:
    """Airflow's four processes. `airflow standalone` would orphan its children, so each is started here."""
    airflow = str(Path(sys.executable).parent / "airflow")
    logs.mkdir(parents=True, exist_ok=True)
    commands = {
        "api-server": ["api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
        "scheduler": ["scheduler"],
        "dag-processor": ["dag-processor"],
        "triggerer": ["triggerer"],
    }
    return [Component(name, [airflow, *words], logs / f"{name}.log") for name, words in commands.items()]


def main(port: int, logs: Path) -> int:
    """Run until SIGTERM or SIGINT, then stop all components."""
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    parts = components(port, logs)
    while not stopping:
        for part in parts:
            part.watch()
        time.sleep(0.5)
    stop_all([p.child for p in parts if p.child is not None])
    return 0


def stop_all(children: list[subprocess.Popen[bytes]]) -> None:
    """SIGTERM to all, and SIGKILL to those that do not end."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        try:
            child.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), Path(os.environ["AIRFLOW_HOME"]) / "logs" / "stack"))
