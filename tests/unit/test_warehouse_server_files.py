"""Files of the embedded server: private passwords, proven process identity, explicit rights."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from config.settings import Settings
from pipeline_tasks.warehouse.client import bind
from pipeline_tasks.warehouse.migrate import MigrationError, read_migrations, split_statements
from pipeline_tasks.warehouse.roles import ROLES
from pipeline_tasks.warehouse.server import ServerError, ensure_server, server_status, stop_server
from pipeline_tasks.warehouse.server_files import (
    ServerPaths,
    ServerState,
    config_xml,
    credentials,
    memory_limit_bytes,
    process_identity,
    users_xml,
    write_configuration,
    write_state,
)
from pipeline_tasks.warehouse.truth import open_truth


def test_passwords_are_random_kept_and_private(tmp_path: Path) -> None:
    paths = ServerPaths.below(tmp_path)
    first = credentials(paths)
    assert credentials(paths) == first
    assert stat.S_IMODE(paths.credentials.stat().st_mode) == 0o600
    assert len(set(first.values())) == 6
    assert min(map(len, first.values())) >= 32
    assert credentials(ServerPaths.below(tmp_path / "other")) != first


def test_missing_passwords_are_named_and_made_by_the_next_start(tmp_path: Path) -> None:
    paths = ServerPaths.below(tmp_path)
    credentials(paths)
    paths.credentials.write_text('{"admin": "x", "pipeline": "y"}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"lacks the password of \['analyst', 'yardstick', 'steward', 'shadow'\]; restart the server"):
        credentials(paths)
    write_configuration(paths, 4711)
    assert {k: v for k, v in credentials(paths).items() if k in {"admin", "pipeline"}} == {"admin": "x", "pipeline": "y"}


def test_users_have_hashes_not_passwords_and_only_their_rights() -> None:
    passwords = {role: f"p-{role}" for role in ROLES}
    text = users_xml(passwords)
    users = ET.fromstring(text).find("users")  # noqa: S314 - our own text
    assert users is not None
    assert {u.tag for u in users} == {"default", *ROLES}
    assert not any(p in text for p in passwords.values())
    assert users.findtext("analyst/password_sha256_hex") == hashlib.sha256(b"p-analyst").hexdigest()
    rights = [q.text or "" for q in users.findall("analyst/grants/query")]
    assert all(r.startswith("GRANT SELECT ON ") for r in rights)
    assert not any("raw" in r or "audit" in r or "FILE" in r for r in rights)
    for role, may in (("pipeline", False), ("analyst", False), ("yardstick", True), ("steward", True)):
        assert any("ON truth." in (q.text or "") for q in users.findall(f"{role}/grants/query")) is may, role
    assert [q.text for q in users.findall("default/grants/query")] == ["GRANT SYSTEM LISTEN ON *.*", "GRANT SELECT ON system.numbers"]


def test_configuration_is_on_loopback_bounded_durable_and_quiet(tmp_path: Path) -> None:
    root = ET.fromstring(config_xml(ServerPaths.below(tmp_path), 4711))  # noqa: S314 - our own text
    assert (root.findtext("listen_host"), root.findtext("http_port"), root.findtext("timezone")) == ("127.0.0.1", "4711", "UTC")
    assert int(root.findtext("max_server_memory_usage") or 0) == memory_limit_bytes() > 0
    assert root.findtext("merge_tree/fsync_after_insert") == "1"
    assert root.find("logger") is None
    assert (root.findtext("query_log/engine") or "").startswith("ENGINE = Memory")


def test_process_identity_tells_processes_apart_and_knows_the_dead() -> None:
    child = subprocess.Popen(["sleep", "30"])
    try:
        assert process_identity(child.pid) not in {None, process_identity(os.getpid())}
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process_identity(child.pid) is None, "a zombie is not alive"
    finally:
        child.wait()
    assert process_identity(child.pid) is None


@pytest.mark.parametrize("started", ["", "boot:1"])
def test_a_recycled_pid_is_recognised(tmp_path: Path, started: str) -> None:
    write_state(ServerPaths.below(tmp_path), ServerState(pid=os.getpid(), started=started, port=1))
    settings = Settings(home=tmp_path, clickhouse_host="")
    status = server_status(settings)
    assert (status.running, status.pid) == (False, None)
    assert "stale record" in status.detail
    assert stop_server(settings) is False


def test_a_configured_server_is_used_as_it_is_and_never_stopped(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        clickhouse_host="ch.example",
        clickhouse_port=8443,
        clickhouse_user="u",
        clickhouse_password="s",
        clickhouse_secure=True,
    )
    endpoint = ensure_server(settings, "analyst")
    assert (endpoint.host, endpoint.port, endpoint.user, endpoint.password, endpoint.secure) == ("ch.example", 8443, "u", "s", True)
    assert "s'" not in repr(endpoint).replace("secure", "")
    with pytest.raises(ServerError, match="CLICKHOUSE_STEWARD_USER"):
        ensure_server(settings, "steward")
    with open_truth("yardstick", settings) as none:
        assert none is None
    own = settings.model_copy(update={"clickhouse_steward_user": "keeper"})
    assert ensure_server(own, "steward").user == "keeper"
    assert stop_server(settings) is False
    assert server_status(settings).mode == "external"
    assert not list(tmp_path.iterdir())


def test_statements_end_at_semicolons_outside_quotes_and_comments() -> None:
    text = "-- first; comment\nselect ';' as a, `b;` /* ; */ from t;\n\n;select \"c;\";\n-- end;\n"
    assert split_statements(text) == ["-- first; comment\nselect ';' as a, `b;` /* ; */ from t", 'select "c;"']


def test_migration_files_are_numbered_once(tmp_path: Path) -> None:
    (tmp_path / "0002_b.sql").write_text("select 2", encoding="utf-8")
    (tmp_path / "0001_a.sql").write_text("select 1", encoding="utf-8")
    assert [m.version for m in read_migrations(tmp_path)] == [1, 2]
    (tmp_path / "0001_c.sql").write_text("select 3", encoding="utf-8")
    with pytest.raises(MigrationError, match="same number"):
        read_migrations(tmp_path)
    (tmp_path / "0001_c.sql").rename(tmp_path / "three.sql")
    with pytest.raises(MigrationError, match="NNNN_lower_snake"):
        read_migrations(tmp_path)


def test_naive_instants_are_not_bound() -> None:
    from datetime import UTC, datetime

    with pytest.raises(ValueError, match="no time zone"):
        bind(datetime(2024, 1, 1))  # noqa: DTZ001 - that is the point
    assert bind([datetime(2024, 1, 1, microsecond=5999, tzinfo=UTC)]) == ["2024-01-01 00:00:00.005"]
