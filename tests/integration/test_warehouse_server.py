"""The embedded server: one for many starters, outlives them, recognises the dead; roles can do what they must and no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from config.settings import REPO_ROOT, Settings
from pipeline_tasks.warehouse import Warehouse, connect
from pipeline_tasks.warehouse.doctor import check_warehouse
from pipeline_tasks.warehouse.server import ServerError, ensure_server, server_status, stop_server
from pipeline_tasks.warehouse.server_files import ServerPaths, ping, process_identity, read_state

CONNECT = "from pipeline_tasks.warehouse import connect; w = connect(); print(w.endpoint.port, w.scalar('select 1'))"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(home=tmp_path, clickhouse_host="")
    yield settings
    stop_server(settings)


def starter(settings: Settings) -> subprocess.Popen[str]:
    environment = {**os.environ, "DESK_HOME": str(settings.home)}
    return subprocess.Popen([sys.executable, "-c", CONNECT], env=environment, cwd=REPO_ROOT, stdout=subprocess.PIPE, text=True)


def test_concurrent_starters_share_one_server_that_outlives_them(own: Settings) -> None:
    answers = [p.communicate(timeout=120)[0].split() for p in [starter(own) for _ in range(3)]]
    assert len({a[0] for a in answers}) == 1
    assert [a[1] for a in answers] == ["1", "1", "1"]
    status = server_status(own)
    assert status.running
    assert str(status.port) == answers[0][0]
    log = ServerPaths.below(own.home).log.read_text(encoding="utf-8")
    assert log.count("ready on 127.0.0.1:") == 1


def test_stop_is_clean_and_data_survives_stop_and_kill(own: Settings) -> None:
    with connect("admin", settings=own) as wh:
        wh.command("create database if not exists marts")
        wh.command("create table marts.kept (a Int64) engine = MergeTree order by a")
        wh.command("insert into marts.kept values (1)")
    first = server_status(own)
    assert stop_server(own)
    assert not stop_server(own)
    assert process_identity(first.pid or 0) is None
    assert not ping(first.port or 0)
    with connect("admin", settings=own) as wh:
        wh.command("insert into marts.kept values (2)")
    second = server_status(own)
    assert second.pid is not None
    os.kill(second.pid, signal.SIGKILL)
    while process_identity(second.pid):
        time.sleep(0.02)
    assert "stale record" in server_status(own).detail
    with connect(settings=own) as wh:
        assert wh.query("select a from marts.kept order by a")["a"].to_list() == [1, 2]
        assert wh.endpoint.port == second.port, "the port stays, so that other clients keep their settings"


def test_a_hung_server_is_replaced(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_server(own)
    hung = server_status(own).pid
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)
    while psutil.Process(hung).status() != psutil.STATUS_STOPPED:
        time.sleep(0.05)
    monkeypatch.setattr("pipeline_tasks.warehouse.server.HUNG_SECONDS", 3.0)
    with connect(settings=own) as wh:
        assert wh.scalar("select 1") == 1
    assert server_status(own).pid != hung


def test_a_server_that_cannot_start_says_why_and_what_to_do(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline_tasks.warehouse.server.START_ATTEMPTS", 1)
    paths = ServerPaths.below(own.home)
    paths.root.mkdir(parents=True)
    paths.data.write_text("not a folder", encoding="utf-8")
    with pytest.raises(ServerError, match=r"ended with exit code 1(.|\n)*Mend: run `uv sync`"):
        ensure_server(own)
    findings = {c.name: c for c in check_warehouse(own)}
    assert not findings["warehouse server"].ok
    assert findings["clickhouse engine"].ok
    paths.data.unlink()


def test_state_and_passwords_are_private(warehouse: Warehouse) -> None:
    home = Path(os.environ["DESK_HOME"])
    paths = ServerPaths.below(home)
    assert read_state(paths) is not None
    assert [oct(p.stat().st_mode)[-3:] for p in (paths.credentials, paths.run / "users.xml", paths.state)] == ["600", "600", "600"]


def test_doctor_finds_a_migrated_warehouse_well(warehouse: Warehouse) -> None:
    findings = check_warehouse()
    assert [c.name for c in findings if not c.ok] == []
    assert {"clickhouse engine", "warehouse server", "warehouse tables", "audit chain"} <= {c.name for c in findings}


@pytest.mark.parametrize(
    "sql",
    [
        "select count() from raw.prices",
        "select count() from curated.role_probe",
        "select count() from ops.audit_log",
        "select count() from ops.kill_switch",
        "select count() from file('/etc/passwd', 'LineAsString')",
        "select count() from url('http://127.0.0.1:1/', 'LineAsString')",
        "select count() from system.query_log",
        "insert into ops.scorecard (system) values ('x')",
        "create table marts.mine (a Int64) engine = Memory",
        "select 1 settings max_execution_time = 0",
        "select 1 settings max_execution_time = 3600",
        "select 1 settings readonly = 0",
    ],
)
def test_the_analyst_is_refused(warehouse: Warehouse, analyst: Warehouse, sql: str) -> None:
    warehouse.command("create table if not exists curated.role_probe (a Int64) engine = MergeTree order by a")
    with connect("admin") as admin:
        admin.command("system flush logs")  # the log tables exist from the first flush on
    with pytest.raises(DatabaseError, match=r"ACCESS_DENIED|READONLY|SETTING_CONSTRAINT|Not enough privileges|Cannot modify"):
        analyst.query(sql)


def test_the_analyst_reads_what_is_published(warehouse: Warehouse, analyst: Warehouse) -> None:
    for table in ("scorecard", "model_metrics", "publications", "check_results"):
        assert analyst.scalar(f"select count() >= 0 from ops.{table}")
    warehouse.command("create table if not exists marts.role_probe (a Int64) engine = MergeTree order by a")
    warehouse.command("create table if not exists curated.role_probe (a Int64) engine = MergeTree order by a")
    warehouse.command(
        "create or replace view curated.v_role_probe definer = current_user sql security definer as select a from curated.role_probe"
    )
    assert analyst.scalar("select count() from marts.role_probe") == 0
    assert analyst.scalar("select count() from curated.v_role_probe settings max_execution_time = 10") == 0


def test_default_and_pipeline_cannot_reach_files(warehouse: Warehouse) -> None:
    with pytest.raises(DatabaseError, match="READ ON FILE"):
        warehouse.query("select count() from file('/etc/passwd', 'LineAsString')")
    import clickhouse_connect

    client = clickhouse_connect.get_client(host="127.0.0.1", port=warehouse.endpoint.port, username="default", password="")
    for sql in ("select count() from raw.prices", "select count() from file('/etc/passwd', 'LineAsString')", "create database mine"):
        with pytest.raises(DatabaseError, match="Not enough privileges"):
            client.command(sql)
    client.close()
