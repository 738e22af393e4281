"""A program imported once: every run is alone with its environment, folder and memory, and none outlives its caller."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline_tasks.prepared import Prepared

PROGRAM = """
import json, os, sys, time
IMPORTED_BY = os.getpid()
print("a word of the import")
seen = []
def main(arguments):
    seen.append(arguments)
    if arguments[0] == "sleep":
        print(os.getpid(), flush=True)
        time.sleep(60)
    if arguments[0] == "raise":
        raise ValueError(arguments[1])
    if arguments[0] == "exit":
        sys.exit(int(arguments[1]))
    print(json.dumps({"env": dict(os.environ), "cwd": os.getcwd(), "imported_by": IMPORTED_BY, "me": os.getpid(), "seen": seen}))
    print("to the error stream", file=sys.stderr)
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    (tmp_path / "a_program.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Prepared("a_program:main", preload=("json.tool",))


def test_runs_share_an_import_and_nothing_else(program: Prepared, tmp_path: Path) -> None:
    first, second = (program.run(["say", name], environment={"NAME": name}, cwd=tmp_path, timeout_s=60) for name in ("a", "b"))
    assert first.returncode == second.returncode == 0
    one, two = (json.loads(ended.output.splitlines()[-2]) for ended in (first, second))
    assert second.output.splitlines()[-1] == "to the error stream"
    assert one["imported_by"] == two["imported_by"] != one["me"] != two["me"]
    assert (one["env"], two["env"]) == ({"NAME": "a"}, {"NAME": "b"})
    assert one["cwd"] == str(tmp_path)
    assert two["seen"] == [["say", "b"]]


@pytest.mark.parametrize(("arguments", "code", "said"), [(["exit", "3"], 3, ""), (["raise", "broken"], 1, "ValueError: broken")])
def test_an_end_is_reported_as_a_process_would(program: Prepared, tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    ended = program.run(arguments, environment={}, cwd=tmp_path, timeout_s=60)
    assert ended.returncode == code
    assert said in ended.output


def test_a_run_that_takes_too_long_is_killed_and_the_next_one_works(program: Prepared, tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired) as raised:
        program.run(["sleep"], environment={}, cwd=tmp_path, timeout_s=3)
    assert _is_gone(int(str(raised.value.output).split()[-1]))
    assert program.run(["exit", "0"], environment={}, cwd=tmp_path, timeout_s=60).returncode == 0


def test_a_server_that_died_is_replaced_and_its_run_is_no_success(program: Prepared, tmp_path: Path) -> None:
    server = _imported_by(program, tmp_path)
    log = tmp_path / "log"
    log.touch()
    with program.start(["sleep"], environment={}, cwd=tmp_path, output=log) as run:
        asleep = _said(log)
        os.kill(server, signal.SIGKILL)
        assert run.wait(30) == -signal.SIGKILL
    assert _is_gone(asleep)
    assert _imported_by(program, tmp_path) != server


def test_a_run_nobody_waits_for_any_more_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_program.py").write_text("import time\ntime.sleep(1)\ndef main(arguments):\n    print(*arguments)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    slow, log = Prepared("slow_program:main"), tmp_path / "log"
    log.touch()
    with slow.start(["given up"], environment={}, cwd=tmp_path, output=log):
        pass
    assert slow.run(["wanted"], environment={}, cwd=tmp_path, timeout_s=60).output == "wanted\n"
    assert log.read_text() == ""


def test_forked_processes_share_the_server(program: Prepared, tmp_path: Path) -> None:
    server = _imported_by(program, tmp_path)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=lambda: answers.put(_imported_by(program, tmp_path)))
    child.start()
    child.join()
    assert answers.get() == server


def test_runs_may_overlap(program: Prepared, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    with program.start(["sleep"], environment={}, cwd=tmp_path, output=log) as run:
        asleep = _said(log)
        assert program.run(["exit", "4"], environment={}, cwd=tmp_path, timeout_s=60).returncode == 4
        assert run.wait(0) is None
    assert _is_gone(asleep)
    assert run.wait(0) == -signal.SIGTERM


def _imported_by(program: Prepared, folder: Path) -> int:
    said = program.run(["say"], environment={}, cwd=folder, timeout_s=60).output.splitlines()
    return int(json.loads(said[-2])["imported_by"])


def _said(log: Path) -> int:
    until = time.monotonic() + 60
    while not log.read_text()[-2:-1].isdigit() and time.monotonic() < until:
        time.sleep(0.05)
    return int(log.read_text().split()[-1])


def test_a_run_ends_when_its_caller_was_killed(program: Prepared, tmp_path: Path) -> None:
    caller = f"""
from pathlib import Path
from pipeline_tasks.prepared import Prepared
import tempfile
tempfile.tempdir = {str(tmp_path)!r}
Prepared("a_program:main").run(["sleep"], environment={{}}, cwd=Path({str(tmp_path)!r}), timeout_s=60)
"""
    with subprocess.Popen([sys.executable, "-c", caller], cwd=Path(__file__).parents[2]) as process:
        until = time.monotonic() + 60
        while not (said := "".join(f.read_text() for f in tmp_path.glob("tmp*")))[-2:-1].isdigit() and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
    assert _is_gone(int(said.split()[-1]))


def _is_gone(process: int) -> bool:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
