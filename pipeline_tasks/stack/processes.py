"""Processes of one stack: found by a marker in their environment, so that none is orphaned and no stranger is ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline_tasks.stack.accounts import write_private

MARKER = "DESK_STACK_ID"
TERM_SECONDS = 20.0
KILL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class StackState:
    """What `desk up` remembers.

    Attributes:
        stack_id: random marker in the environment of every process of the stack.
        supervisor: process id of the supervisor.
        port: port of the Airflow API server and UI on 127.0.0.1.
    """

    stack_id: str
    supervisor: int
    port: int


def read_state(path: Path) -> StackState | None:
    """The remembered stack; None when there is none or the file cannot be read."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return StackState(stack_id=str(fields["stack_id"]), supervisor=int(fields["supervisor"]), port=int(fields["port"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_state(path: Path, state: StackState) -> None:
    """Remember the stack."""
    write_private(path, json.dumps(asdict(state)))


def members(stack_id: str) -> list[int]:
    """Process ids of this user whose environment carries the marker, whatever group or session they moved to."""
    wanted = f"{MARKER}={stack_id}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0") and not _zombie(entry):
                found.append(int(entry.name))
    return sorted(found)


def end(stack_id: str, leader: int | None = None) -> int:
    """End every process of a stack: first politely (the leader alone, so that it can stop its children in order), then for good.

    Returns:
        Number of processes that had to be killed.
    """
    alive = members(stack_id)
    _signal([leader] if leader in alive else alive, signal.SIGTERM)
    if _gone(stack_id, TERM_SECONDS):
        return 0
    rest = members(stack_id)
    _signal(rest, signal.SIGKILL)
    if not _gone(stack_id, KILL_SECONDS):
        raise RuntimeError(f"processes {members(stack_id)} of the stack do not end; look at them with ps and end them by hand")
    return len(rest)


def free_port(preferred: int) -> int:
    """The preferred port when nobody listens there, else any free one of 127.0.0.1."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise RuntimeError("no free port on 127.0.0.1; close some programs and try again")


def _zombie(entry: Path) -> bool:
    return (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0] == "Z"


def _signal(pids: list[int | None] | list[int], number: signal.Signals) -> None:
    for pid in pids:
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _gone(stack_id: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while members(stack_id):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
