"""Start, find and stop the server: the configured ClickHouse, or the embedded one below the state folder."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from config.settings import REPO_ROOT, Settings
from pipeline_tasks.warehouse.roles import Role
from pipeline_tasks.warehouse.server_files import (
    EXIT_ALREADY_RUNNING,
    ServerPaths,
    ServerState,
    credentials,
    hold_query_name,
    ping,
    process_identity,
    read_state,
)

START_SECONDS = 90.0
STOP_SECONDS = 30.0
HUNG_SECONDS = 60.0  # a live server that does not answer for so long is ended; a busy one answers pings
START_ATTEMPTS = 3
_children: dict[int, subprocess.Popen[bytes]] = {}


class ServerError(RuntimeError):
    """The server cannot be started or reached; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and as whom to connect.

    Attributes:
        host, port: HTTP interface.
        user, password: account; the password never shows in repr.
        secure: HTTPS.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    secure: bool = False


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is known of the server without starting it.

    Attributes:
        mode: "embedded" or "external".
        running: whether it answers.
        pid: process id of the embedded server, when it lives.
        port: its HTTP port, when known.
        detail: one sentence; names a stale record when there is one.
    """

    mode: Literal["embedded", "external"]
    running: bool
    pid: int | None
    port: int | None
    detail: str


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file for the time of the block; the system frees it when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _alive(state: ServerState | None) -> bool:
    if state is None:
        return False
    child = _children.get(state.pid)
    if child is not None and child.poll() is not None:
        del _children[state.pid]
    return process_identity(state.pid) == state.started


def server_status(settings: Settings) -> ServerStatus:
    """Whether the server runs; starts nothing and recognises dead and recycled process ids."""
    if not settings.embedded:
        host, port = settings.clickhouse_host, settings.clickhouse_port
        return ServerStatus("external", running=True, pid=None, port=port, detail=f"configured server {host}:{port} (not probed)")
    state = read_state(ServerPaths.below(settings.home))
    if state is None:
        return ServerStatus("embedded", running=False, pid=None, port=None, detail="not started")
    if not _alive(state):
        detail = f"stale record: pid {state.pid} is dead or belongs to another program; the next start replaces it"
        return ServerStatus("embedded", running=False, pid=None, port=state.port, detail=detail)
    if not ping(state.port):
        detail = f"pid {state.pid} lives but does not answer on port {state.port} (starting, stopping or hung)"
        return ServerStatus("embedded", running=False, pid=state.pid, port=state.port, detail=detail)
    return ServerStatus(
        "embedded", running=True, pid=state.pid, port=state.port, detail=f"pid {state.pid} answers on 127.0.0.1:{state.port}"
    )


def _log_tail(paths: ServerPaths, lines: int = 8) -> str:
    try:
        return "\n".join(paths.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"


def _spawn(paths: ServerPaths) -> subprocess.Popen[bytes]:
    paths.run.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPO_ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}
    with paths.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own module, no input
            [sys.executable, "-W", "ignore::RuntimeWarning", "-m", "pipeline_tasks.warehouse.embedded", "--root", str(paths.root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=paths.root,
            env=environment,
            start_new_session=True,
        )


def _start(paths: ServerPaths) -> ServerState:
    """One attempt: spawn, wait until it answers as us.

    Raises:
        ServerError: it ended or did not answer in time.
    """
    child = _spawn(paths)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        state = read_state(paths)
        if _alive(state) and state is not None and ping(state.port):
            if state.pid == child.pid:
                _children[child.pid] = child
            return state
        code = child.poll()
        if code not in {None, EXIT_ALREADY_RUNNING}:
            raise ServerError(
                f"the embedded ClickHouse ended with exit code {code}; end of {paths.log}:\n{_log_tail(paths)}\n"
                "Mend: run `uv sync` (chdb-core), free disk and memory, or set CLICKHOUSE_HOST to use a server."
            )
        time.sleep(0.03)
    child.kill()
    raise ServerError(f"the embedded ClickHouse did not answer within {START_SECONDS:.0f} s; end of {paths.log}:\n{_log_tail(paths)}")


def _running(paths: ServerPaths) -> ServerState | None:
    state = read_state(paths)
    return state if _alive(state) and state is not None and ping(state.port, timeout=5.0) else None


def _remove_hung(paths: ServerPaths) -> None:
    """Give a live process that does not answer time to come up or go; then end it (its identity is proven)."""
    deadline = time.monotonic() + HUNG_SECONDS
    while _alive(state := read_state(paths)) and state is not None:
        if ping(state.port):
            return
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.kill(state.pid, signal.SIGKILL)
        time.sleep(0.1)


def ensure_server(settings: Settings, role: Role = "pipeline") -> Endpoint:
    """The endpoint of a running server; starts the embedded one when no host is configured.

    Several processes may call it at once: one starts the server, the others wait for it.

    Args:
        settings: `get_settings()`.
        role: account of the embedded server; a configured server uses `CLICKHOUSE_USER` for every role but `yardstick`, `steward`
            and `shadow`, which have accounts of their own (`CLICKHOUSE_YARDSTICK_USER`, ... and their passwords).

    Raises:
        ServerError: the embedded server does not come up; the message holds the end of its log and the remedy. Or the configured
            server has no account for the role.
    """
    if not settings.embedded:
        user, password = settings.account(role)
        if not user:
            name = f"CLICKHOUSE_{role.upper()}"
            raise ServerError(f"role {role} has no account on the configured server; set {name}_USER and {name}_PASSWORD (sql/roles)")
        return Endpoint(settings.clickhouse_host, settings.clickhouse_port, user, password, settings.clickhouse_secure)
    paths = ServerPaths.below(settings.home)
    state = _running(paths)
    if state is None:
        with exclusive(paths.start_lock):
            _remove_hung(paths)
            state = _running(paths)
            for attempt in range(START_ATTEMPTS):
                if state is not None:
                    break
                try:
                    state = _start(paths)
                except ServerError:
                    if attempt == START_ATTEMPTS - 1:
                        raise
    if state is None:
        raise ServerError(f"the embedded ClickHouse did not start; see {paths.log}")
    return Endpoint("127.0.0.1", state.port, role, credentials(paths)[role])


def _kill_hold_query(paths: ServerPaths, state: ServerState) -> None:
    import clickhouse_connect
    from clickhouse_connect.driver.httputil import default_pool_manager

    client = clickhouse_connect.get_client(
        host="127.0.0.1",
        port=state.port,
        username="admin",
        password=credentials(paths)["admin"],
        autogenerate_session_id=False,
        send_receive_timeout=10,
    )
    client.command(
        "kill query where position(query, {name:String}) > 0 and query_id != queryID() async",
        parameters={"name": hold_query_name(state.pid)},
    )
    client.close()
    default_pool_manager().clear()  # the server waits for connections that are kept open


def stop_server(settings: Settings) -> bool:
    """Stop the embedded server: kill its hold query and wait; signals only when that does not work.

    Returns:
        True when a server was stopped, False when none ran (or a configured server is used: never stopped from here).
    """
    if not settings.embedded:
        return False
    paths = ServerPaths.below(settings.home)
    if not paths.state.exists():
        return False
    with exclusive(paths.start_lock):
        state = read_state(paths)
        if state is None or not _alive(state):
            paths.state.unlink(missing_ok=True)
            return False
        from clickhouse_connect.driver.exceptions import ClickHouseError

        with suppress(ClickHouseError, OSError, ValueError):  # ValueError: started before a role existed; the signals below stop it
            _kill_hold_query(paths, state)
        for sent in (None, signal.SIGTERM, signal.SIGKILL):
            if sent is not None:
                with suppress(ProcessLookupError):
                    os.kill(state.pid, sent)
            deadline = time.monotonic() + STOP_SECONDS
            while _alive(state) and time.monotonic() < deadline:
                time.sleep(0.05)
            if not _alive(state):
                paths.state.unlink(missing_ok=True)
                return True
    raise ServerError(f"pid {state.pid} does not end even after SIGKILL; check the machine, then delete {paths.state}")
