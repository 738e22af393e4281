"""The process of the embedded ClickHouse: `python -m pipeline_tasks.warehouse.embedded --root DIR`.

The wheel `chdb-core` links ClickHouse's own server code; `SYSTEM START LISTEN HTTP` opens its real HTTP listener. The
listener lives as long as one query of the engine, the hold query; killing that query ends the server cleanly.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib.util
import os
import signal
import socket
import sys
import threading
import time
import traceback
from importlib.machinery import ExtensionFileLoader
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline_tasks.warehouse.server_files import (
    EXIT_ALREADY_RUNNING,
    ServerPaths,
    ServerState,
    hold_query_name,
    ping,
    process_identity,
    read_state,
    write_configuration,
    write_state,
)

EXIT_BROKEN = 1
TESTED_ENGINE = "26.9.0"
READY_SECONDS = 60.0


class EngineError(RuntimeError):
    """The engine cannot be loaded or does not open its listener."""


def load_engine() -> Any:
    """The extension module of chdb, loaded without its package (whose import would open a second engine).

    Raises:
        EngineError: the wheel is missing, or is not the one whose private entry point was tested.
    """
    found = version("chdb-core")
    spec = importlib.util.find_spec("chdb")
    if spec is None or not spec.submodule_search_locations:
        raise EngineError("the package chdb is not installed; run `uv sync`, or set CLICKHOUSE_HOST to use a server")
    folder = Path(next(iter(spec.submodule_search_locations)))
    library = next(iter(sorted(folder.glob("_chdb*.so"))), None)
    if library is None:
        raise EngineError(f"{folder} holds no _chdb*.so; chdb-core {TESTED_ENGINE} has one, {found} is installed: run `uv sync`")
    os.chdir(folder)
    loader = ExtensionFileLoader("chdb._chdb", str(library))
    module_spec = importlib.util.spec_from_file_location("chdb._chdb", library, loader=loader)
    if module_spec is None:
        raise EngineError(f"cannot load {library}; reinstall chdb-core=={TESTED_ENGINE}")
    module = importlib.util.module_from_spec(module_spec)
    loader.exec_module(module)
    if not hasattr(module, "query"):
        raise EngineError(f"chdb-core {found} has no entry point `query`; install chdb-core=={TESTED_ENGINE}")
    return module


def free_port(preferred: int) -> int:
    """`preferred` when nothing listens there, else a port the system picks."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EngineError("no free port on 127.0.0.1; close some programs and start again")


def _hold(engine: Any, data: Path, failures: list[str]) -> None:
    sql = (
        f"SYSTEM START LISTEN HTTP; SELECT sleepEachRow(1) AS `{hold_query_name(os.getpid())}` FROM system.numbers FORMAT Null "
        "SETTINGS max_block_size=1, max_execution_time=0, log_queries=0"
    )
    try:
        engine.query(sql, "TSV", path=str(data))
    except Exception as error:  # noqa: BLE001 - every way the engine ends is reported by the main thread
        failures.append(str(error))


def _take_life_lock(paths: ServerPaths) -> int:
    descriptor = os.open(paths.life_lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"another server already holds {paths.life_lock}", flush=True)
        sys.exit(EXIT_ALREADY_RUNNING)
    return descriptor


def serve(root: Path) -> int:
    """Run the server until its hold query is killed.

    Returns:
        0 after a clean stop, 1 when the engine did not come up.
    """
    paths = ServerPaths(root)
    paths.run.mkdir(parents=True, exist_ok=True)
    lock = _take_life_lock(paths)
    before = read_state(paths)
    port = free_port(before.port if before else 0)
    write_configuration(paths, port)
    identity = process_identity(os.getpid()) or ""
    write_state(paths, ServerState(pid=os.getpid(), started=identity, port=port))
    engine = load_engine()
    os.chdir(paths.run)
    failures: list[str] = []
    thread = threading.Thread(target=_hold, args=(engine, paths.data, failures), name="clickhouse", daemon=True)
    thread.start()
    deadline = time.monotonic() + READY_SECONDS
    while thread.is_alive() and time.monotonic() < deadline and not ping(port):
        time.sleep(0.02)
    time.sleep(0.05)
    if not thread.is_alive() or not ping(port):
        detail = "; ".join(failures) or f"no answer on port {port} within {READY_SECONDS:.0f} s"
        print(f"the embedded ClickHouse (chdb-core {version('chdb-core')}) did not open its HTTP listener: {detail}", flush=True)
        return EXIT_BROKEN
    print(f"ready on 127.0.0.1:{port}, pid {os.getpid()}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while thread.is_alive():
        thread.join(0.5)
    print("stopped" + (f": {failures[0].splitlines()[0]}" if failures else ""), flush=True)
    os.close(lock)
    return 0


def main() -> None:
    """Entry point of the server process."""
    parser = argparse.ArgumentParser(description="Embedded ClickHouse server process of powerdesk.")
    parser.add_argument("--root", type=Path, required=True, help="folder of the server: data, run, credentials")
    root = parser.parse_args().root.resolve()
    try:
        code = serve(root)
    except EngineError as error:
        print(str(error), flush=True)
        code = EXIT_BROKEN
    except Exception:  # noqa: BLE001 - the log is the only place where this process can speak
        traceback.print_exc()
        code = EXIT_BROKEN
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
