"""Generation killed with SIGKILL: no process is left behind, finished days stay, and the next run ends with the same content."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.settings import REPO_ROOT, get_settings
from pipeline_tasks.twin.content import hashes
from pipeline_tasks.twin.generate import store_of
from pipeline_tasks.twin.profiles import load_profile

PROFILE = load_profile("test")
LAST = PROFILE.date_of(13)
COMMAND = [str(Path(sys.executable).parent / "desk"), "twin"]


def _start(cache: Path) -> subprocess.Popen[bytes]:
    env = {**os.environ, "DESK_TWIN_CACHE": str(cache)}
    call = [*COMMAND, "generate", "--profile", "test", "--date", LAST.isoformat(), "--processes", "2", "--json"]
    return subprocess.Popen(call, cwd=REPO_ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def _group(leader: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] not in {"Z", "X"}:
                found.append(int(entry.name))
    return found


@pytest.mark.slow
def test_a_killed_generation_goes_on_where_it_stopped(tmp_path: Path) -> None:
    settings = get_settings().model_copy(update={"twin_cache": tmp_path})
    store, running = store_of(PROFILE, settings), _start(tmp_path)
    try:
        deadline = time.monotonic() + 240
        while not store.has(PROFILE.date_of(2)) and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert store.has(PROFILE.date_of(2)), f"the generation did not get that far (exit code {running.poll()})"
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        assert not store.has(LAST), "it was killed too late to show anything"
        deadline = time.monotonic() + 20
        while _group(running.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert _group(running.pid) == [], "processes outlive the one that was killed"
    finally:
        for pid in _group(running.pid):
            os.kill(pid, signal.SIGKILL)
    early = {day: (store.day(day) / "digests.json").stat().st_mtime_ns for day in map(PROFILE.date_of, range(14)) if store.has(day)}
    again = _start(tmp_path)
    assert again.wait(timeout=240) == 0
    assert {day: (store.day(day) / "digests.json").stat().st_mtime_ns for day in early} == early, "finished days are not made again"
    call = [*COMMAND, "hash", "--profile", "test", "--date", LAST.isoformat(), "--json"]
    done = subprocess.run(call, cwd=REPO_ROOT, env={**os.environ, "DESK_TWIN_CACHE": str(tmp_path)}, capture_output=True, check=True)
    assert json.loads(done.stdout)["sha"] == hashes("test", LAST)["sha"], "the shared store was made without a kill"
