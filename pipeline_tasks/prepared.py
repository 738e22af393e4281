"""A program that is imported once and forked for every run of it: dbt and Airflow take seconds to import, and are run often."""

from __future__ import annotations

import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.settings import REPO_ROOT
from pipeline_tasks.processes import end_with_the_parent

PATIENCE_S = 30  # what a run has to end in once it was told to


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended; `output` is what it wrote, both streams in order of writing."""

    returncode: int
    output: str


class Prepared:
    """A program whose runs are forks of one process that has imported it; nothing that a run leaves behind in memory reaches the next.

    The process (the server) starts with the first run, or with `begin`. It serves the process that started it and those forked from that
    one afterwards, and ends with the last of them; a run ends with the process that asked for it. Runs may overlap.
    """

    def __init__(self, entry: str, *, preload: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        """Nothing starts yet.

        Args:
            entry: the program's function, `package.module:function`; called with a list of arguments, its result is the exit status.
            preload: what else is done before the first run: `package.module` is imported, `package.module:function` called as well.
                Nothing of it may leave a thread behind.
            environment: environment of the import; that of the caller by default.
        """
        self._words = [entry, *preload]
        self._environment = environment
        self._address = ""
        self._server: subprocess.Popen[bytes] | None = None

    def begin(self, log: Path | None = None) -> None:
        """Start the server, if there is none, and do not wait for its import.

        Args:
            log: file that what the import says is appended to; the caller's error stream by default.
        """
        probe = _connection(self._address)
        if probe:
            probe.close()
            return
        folder = tempfile.mkdtemp(prefix="desk-")  # only this user may enter it
        self._address = str(Path(folder) / "socket")
        said = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if log else os.dup(2)
        with socket.socket(socket.AF_UNIX) as listener, os.fdopen(said, "ab") as errors:
            listener.bind(self._address)
            listener.listen(16)
            words = [sys.executable, "-m", "pipeline_tasks.prepared", str(listener.fileno()), *self._words]
            self._server = subprocess.Popen(  # noqa: S603 - our own module; its standard input ends with this object and its copies
                words, stdin=subprocess.PIPE, stdout=errors, stderr=errors, pass_fds=[listener.fileno()], cwd=REPO_ROOT,
                env=self._environment, process_group=0,
            )  # fmt: skip

    def run(self, arguments: Sequence[str], *, environment: Mapping[str, str], cwd: Path, timeout_s: float) -> Ended:
        """Run the program and wait for its end.

        Args:
            arguments: its arguments.
            environment: its whole environment.
            cwd: its working folder.
            timeout_s: longest time it may take, its import included.

        Raises:
            subprocess.TimeoutExpired: it took longer; it was killed.
        """
        with tempfile.NamedTemporaryFile("r", encoding="utf-8", errors="replace") as output:
            with self.start(arguments, environment=environment, cwd=cwd, output=Path(output.name)) as run:
                code = run.wait(timeout_s)
            if code is None:
                raise subprocess.TimeoutExpired([*self._words[:1], *arguments], timeout_s, output.read())
            return Ended(code, output.read())

    def start(self, arguments: Sequence[str], *, environment: Mapping[str, str], cwd: Path, output: Path) -> Run:
        """Start a run that appends what it writes to `output`; leaving the returned context ends it.

        Raises:
            ConnectionError: the server ended as soon as it was started.
        """
        self.begin(output)
        connection = _connection(self._address)
        if connection is None:
            raise ConnectionError(f"the process that runs {self._words[0]} ended at once; see {output}")
        order = {"arguments": list(arguments), "environment": dict(environment), "cwd": str(cwd), "output": str(output)}
        with suppress(OSError):  # the server died just now; the run's status says so
            connection.sendall(json.dumps(order).encode() + b"\n")
        return Run(connection)


@dataclass(slots=True)
class Run:
    """A run under way; a context that ends it."""

    _connection: socket.socket
    _code: int | None = field(default=None, init=False)

    def __enter__(self) -> Run:  # noqa: PYI034 - a dataclass, not to be subclassed
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the run where it has not ended: SIGTERM to it and to what it started, SIGKILL when that does not do."""
        with self._connection:
            if self.wait(0) is None:
                with suppress(OSError):
                    self._connection.shutdown(socket.SHUT_WR)
                self.wait(PATIENCE_S + 5)

    def wait(self, timeout_s: float) -> int | None:
        """Exit status, negative for the signal that ended the run; None while it lives, `timeout_s` from now."""
        if self._code is None and select.select([self._connection], [], [], timeout_s)[0]:
            answer = b""
            with suppress(ConnectionResetError):
                answer = self._connection.recv(64)
            self._code = int(answer or -signal.SIGKILL)  # no answer: the server died
        return self._code


def _connection(address: str) -> socket.socket | None:
    """A connection to a server, None where none listens."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        return None
    return connection


def serve(listener: socket.socket, words: Sequence[str]) -> None:
    """Import the program, then run it for whoever asks, until nobody is left who could: then standard input ends."""
    program, *_ = [_loaded(word) for word in words]
    for other in words[1:]:
        if ":" in other:
            _loaded(other)()
    runs: list[_Served] = []
    while True:
        ready = select.select([listener, 0, *(end for r in runs for end in (r.over, r.connection))], [], [])[0]
        if 0 in ready:
            for run in runs:
                run.end(signal.SIGKILL)
            return
        for run in [r for r in runs if r.over in ready or r.connection in ready]:
            if run.over not in ready:  # whoever asked for it is gone, or has had enough
                run.end(signal.SIGTERM)
            run.answer()
            runs.remove(run)
        if listener in ready:
            connection, _ = listener.accept()
            order = connection.makefile("rb").readline()
            gone = bool(select.select([connection], [], [], 0)[0])  # while the program was imported, or it only asked for a server
            if gone:
                connection.close()
            else:
                runs.append(_forked(program, json.loads(order), connection, listener, runs))


@dataclass(slots=True, eq=False)
class _Served:
    """A run of the server: its process, the end of a pipe that it holds open while it lives, and who asked."""

    process: int
    over: int
    connection: socket.socket

    def end(self, how: signal.Signals) -> None:
        """Signal the run and what it started; SIGKILL when it outlives the first signal."""
        with suppress(ProcessLookupError):
            os.killpg(self.process, how)
            if not select.select([self.over], [], [], PATIENCE_S)[0]:
                os.killpg(self.process, signal.SIGKILL)

    def answer(self) -> None:
        """Reap the run and tell its status."""
        _, status = os.waitpid(self.process, 0)
        with self.connection, suppress(OSError):
            self.connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os.close(self.over)


def _forked(
    program: Callable[[Sequence[str]], object],
    order: Mapping[str, Any],
    connection: socket.socket,
    listener: socket.socket,
    others: Sequence[_Served],
) -> _Served:
    """Start a run."""
    over, held = os.pipe()
    _flush()  # or the run would write it again
    server = os.getpid()
    process = os.fork()
    if not process:
        os.setpgid(0, 0)
        for end in (connection, listener, *(r.connection for r in others)):
            end.close()
        end_with_the_parent(server)
        _become(program, order)
    os.close(held)
    with suppress(OSError):  # it did so itself
        os.setpgid(process, process)
    return _Served(process, over, connection)


def _loaded(word: str) -> Any:
    module, _, name = word.partition(":")
    loaded = importlib.import_module(module)
    return getattr(loaded, name) if name else loaded


def _become(program: Callable[[Sequence[str]], object], order: Mapping[str, Any]) -> None:
    """In the forked process: be the program, and end."""
    code = 1
    try:
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["cwd"])
        sink = os.open(order["output"], os.O_WRONLY | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(sink, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.exit(program(order["arguments"]))  # type: ignore[arg-type]  # whatever a console script may return
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter would: say it on the error stream, end with 1
        sys.excepthook(*sys.exc_info())
    finally:
        _flush()
        os._exit(code)


def _flush() -> None:
    for text in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            text.flush()


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # both streams stay in order of writing
    with socket.socket(fileno=int(sys.argv[1])) as its_listener:
        try:
            serve(its_listener, sys.argv[2:])
        finally:
            shutil.rmtree(Path(its_listener.getsockname()).parent, ignore_errors=True)
