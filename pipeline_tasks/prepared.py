"""A program that is imported once and forked for every run of it: dbt and Airflow take seconds to import, and are run often."""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from config.settings import REPO_ROOT

PATIENCE_S = 30  # what a run has to end in once it was told to


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended; `output` is what it wrote, both streams in order of writing."""

    returncode: int
    output: str


class Prepared:
    """A program whose runs are forks of one process that has imported it; nothing that a run leaves behind in memory reaches the next.

    The process starts with the first run and ends with the one that started it (a process forked from that one starts its own); so does a
    run under way. Runs of one object take turns.
    """

    def __init__(self, entry: str, *, preload: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        """Nothing starts before the first run.

        Args:
            entry: the program's function, `package.module:function`; called with a list of arguments, its result is the exit status.
            preload: what else is done before the first run: `package.module` is imported, `package.module:function` called as well.
                Nothing of it may leave a thread behind.
            environment: environment of the import; that of the caller by default.
        """
        self._words = [entry, *preload]
        self._environment = environment
        self._turn = threading.Lock()
        self._server: subprocess.Popen[str] | None = None
        self._owner = 0

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
        """Start a run that appends what it writes to `output`; leaving the returned context ends it."""
        self._turn.acquire()
        try:
            server = self._started(output)
            order = {"arguments": list(arguments), "environment": dict(environment), "cwd": str(cwd), "output": str(output)}
            with suppress(OSError):  # it died just now; the run's status says so
                _pipe(server.stdin).write(json.dumps(order) + "\n")
                _pipe(server.stdin).flush()
        except BaseException:
            self._turn.release()
            raise
        return Run(server, self._turn.release)

    def stop(self) -> None:
        """End the process and the run it is at; nothing where this one has started none."""
        server, self._server = self._server, None
        if server is not None and self._owner == os.getpid():
            _end(server, signal.SIGKILL)

    def _started(self, log: Path) -> subprocess.Popen[str]:
        """The process; what its import says goes to the log of the run that starts it."""
        if self._server is None or self._owner != os.getpid() or self._server.poll() is not None:
            command = [sys.executable, "-m", "pipeline_tasks.prepared", *self._words]
            pipe = subprocess.PIPE
            with log.open("a") as errors:
                self._server = subprocess.Popen(  # noqa: S603 - our own module
                    command, stdin=pipe, stdout=pipe, stderr=errors, cwd=REPO_ROOT, env=self._environment, text=True, process_group=0
                )
            self._owner = os.getpid()
            weakref.finalize(self, _end_own, self._server, self._owner)
        return self._server


@dataclass(slots=True)
class Run:
    """A run under way; a context that ends it."""

    _server: subprocess.Popen[str]
    _release: Callable[[], None]
    _code: int | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the run where it has not ended, and what it started in its process group."""
        try:
            if self.wait(0) is None:
                _end(self._server, signal.SIGTERM)
        finally:
            self._release()

    def wait(self, timeout_s: float) -> int | None:
        """Exit status, negative for the signal that ended the run; None while it lives, `timeout_s` from now."""
        if self._code is None and select.select([_pipe(self._server.stdout)], [], [], timeout_s)[0]:
            self._code = int(_pipe(self._server.stdout).readline() or -signal.SIGKILL)  # no answer: its parent died, and it with it
        return self._code


def _pipe(end: IO[str] | None) -> IO[str]:
    if end is None:
        raise ValueError("a process without pipes")
    return end


def _end_own(server: subprocess.Popen[str], owner: int) -> None:
    """End a server in the process that started it; one forked from that has it too."""
    if owner == os.getpid():
        _end(server, signal.SIGKILL)


def _end(server: subprocess.Popen[str], how: signal.Signals) -> None:
    """End a server and its run, at last by SIGKILL."""
    if server.poll() is None:
        for signum in (how, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signum)
            with suppress(subprocess.TimeoutExpired):
                server.wait(PATIENCE_S)
                break
    for pipe in (server.stdin, server.stdout):
        with suppress(OSError):
            _pipe(pipe).close()


def serve(words: Sequence[str], orders: IO[str], answers: IO[str]) -> None:
    """Import the program, then run it once for every order read, until there is nobody to give orders."""
    program, *_ = [_loaded(word) for word in words]
    for other in words[1:]:
        if ":" in other:
            _loaded(other)()
    for line in iter(orders.readline, ""):
        _flush()  # or the run would write it again
        ends, over = os.pipe()  # the run holds `over` open while it lives
        child = os.fork()
        if not child:
            os.close(ends)
            _become(program, json.loads(line))
        os.close(over)
        select.select([ends, orders], [], [])
        if not select.select([ends], [], [], 0)[0]:  # whoever gave the order is gone
            os.kill(child, signal.SIGKILL)
        os.close(ends)
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


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
    with os.fdopen(os.dup(1), "w") as its_answers:  # not where the import may write to
        os.dup2(2, 1)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # both streams stay in order of writing
        serve(sys.argv[1:], sys.stdin, its_answers)
