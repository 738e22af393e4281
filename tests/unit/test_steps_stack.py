from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

from pipeline_tasks.stack import accounts, pages, processes, supervisor


def test_accounts_are_random_private_and_kept(tmp_path: Path) -> None:
    first = accounts.ensure_accounts(tmp_path)
    assert accounts.ensure_accounts(tmp_path) == first
    assert set(first) == {"admin", "trader", "risk", "viewer"}
    assert len(set(first.values())) == 4
    assert stat.S_IMODE(accounts.accounts_file(tmp_path).stat().st_mode) == 0o600
    assert accounts.ensure_accounts(tmp_path / "other") != first


def test_secrets_are_private_and_shared(tmp_path: Path) -> None:
    first = accounts.ensure_secrets(tmp_path)
    assert accounts.ensure_secrets(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_ending_a_stack_leaves_nothing_even_in_other_groups() -> None:
    marker = f"test-{os.getpid()}"
    code = "import os, subprocess, sys, time; os.setsid(); subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, processes.MARKER: marker})
    deadline = time.monotonic() + 10
    while len(processes.members(marker)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(processes.members(marker)) == 2
    processes.end(marker)
    parent.wait(timeout=10)
    assert processes.members(marker) == []


def test_stack_state_round_trip(tmp_path: Path) -> None:
    state = processes.StackState(stack_id="a", supervisor=1, port=2)
    processes.write_state(tmp_path / "s.json", state)
    assert processes.read_state(tmp_path / "s.json") == state
    (tmp_path / "s.json").write_text(json.dumps({"port": "x"}))
    assert processes.read_state(tmp_path / "s.json") is None
    assert processes.read_state(tmp_path / "absent.json") is None


def test_an_occupied_port_is_not_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert processes.free_port(port) != port


def test_a_component_that_dies_is_started_again_ever_later(tmp_path: Path) -> None:
    part = supervisor.Component("x", [sys.executable, "-c", "pass"], tmp_path / "x.log")
    part.watch()
    assert part.child is not None
    part.child.wait(timeout=10)
    part.watch()
    assert part.restarts == 1
    assert part.child is None
    assert part.not_before > time.monotonic()


def test_site_paths_stay_inside_the_site(tmp_path: Path) -> None:
    site = tmp_path / "reports"
    (site / "run").mkdir(parents=True)
    (site / "run" / "index.html").write_text("ok")
    (tmp_path / "secret.txt").write_text("no")
    (site / "link.html").symlink_to(tmp_path / "secret.txt")
    assert pages.resolve(site, "run") == site / "run" / "index.html"
    assert pages.resolve(site, "run/index.html") == site / "run" / "index.html"
    assert pages.resolve(site, "../secret.txt") is None
    assert pages.resolve(site, "link.html") is None
    assert pages.resolve(site, "absent.html") is None
