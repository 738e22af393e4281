"""Up, down and status of the stack."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.settings import REPO_ROOT, Settings, get_settings
from pipeline_tasks.stack import processes
from pipeline_tasks.stack.accounts import ACCOUNTS, accounts_file, ensure_accounts, ensure_secrets
from pipeline_tasks.stack.environment import POOLS_ENV, base_environment, stack_home

Say = Callable[[str], None]
Row = dict[str, Any]
PREFERRED_PORT = 8080
HEALTHY_SECONDS = 180.0
PARTS = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer", "metadata database": "metadatabase"}


class StackError(RuntimeError):
    """The stack does not come up; the message says which part, and where its log is."""


def up(on_progress: Say | None = None) -> dict[str, Any]:
    """Start ClickHouse and Airflow, and wait until UI, scheduler and DAG processor are healthy. Calling it again changes nothing.

    Returns:
        `components` (name, state, detail), `airflow_url`, `accounts_file`, `seconds`.

    Raises:
        StackError: a component does not come up; the message names its log.
    """
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import migrate

    say, settings, began = on_progress or (lambda _line: None), get_settings(), time.monotonic()
    state = _running(settings)
    if state is None:
        say("ClickHouse")
        with connect() as warehouse:
            migrate(warehouse)
        state = _start(settings, say)
    _wait_healthy(settings, state, say)
    return {**status(), "seconds": round(time.monotonic() - began, 1)}


def down() -> dict[str, Any]:
    """Stop Airflow and the embedded ClickHouse; nothing stays behind.

    Returns:
        `components`: what was stopped, and how many processes had to be killed.
    """
    from pipeline_tasks.warehouse.server import stop_server

    settings = get_settings()
    state = processes.read_state(_state_file(settings))
    rows: list[Row] = [{"component": "airflow", "state": "not running", "detail": ""}]
    if state is not None:
        found = len(processes.members(state.stack_id))
        killed = processes.end(state.stack_id, state.supervisor)
        _state_file(settings).unlink(missing_ok=True)
        rows = [{"component": "airflow", "state": "stopped" if found else "was dead", "detail": f"{found} processes, {killed} killed"}]
    rows.append({"component": "clickhouse", "state": "stopped" if stop_server(settings) else "not running", "detail": ""})
    return {"components": rows}


def status() -> dict[str, Any]:
    """What runs, and the last runs of each market. Starts nothing.

    Returns:
        `components`, `last_runs`, and for a running stack `airflow_url` and `accounts_file`.
    """
    from pipeline_tasks.warehouse.server import server_status

    settings = get_settings()
    server = server_status(settings)
    rows: list[Row] = [{"component": "clickhouse", "state": "running" if server.running else "stopped", "detail": server.detail}]
    state = _running(settings)
    found: dict[str, Any] = {"components": rows, "last_runs": _last_runs() if server.running else []}
    if state is None:
        rows.append({"component": "airflow", "state": "stopped", "detail": "`desk up` starts it"})
        return found
    url, health = f"http://127.0.0.1:{state.port}", _health(state.port)
    rows.append({"component": "api-server", "state": "running" if health else "starting", "detail": url})
    rows += [{"component": n, "state": _part(health, key), "detail": ""} for n, key in PARTS.items()]
    return {**found, "airflow_url": url, "accounts_file": str(accounts_file(stack_home(settings)))}


def stack_environment(settings: Settings, port: int, stack_id: str) -> dict[str, str]:
    """Environment of the stack's processes: loopback only, password log-in, shared secrets, pools."""
    home = stack_home(settings)
    ensure_accounts(home)
    url = f"http://127.0.0.1:{port}"
    return {
        **base_environment(settings, home),
        **ensure_secrets(home),
        processes.MARKER: stack_id,
        POOLS_ENV: "1",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPO_ROOT / "dags" / "plugins"),
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role.lower()}" for user, role in ACCOUNTS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(accounts_file(home)),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__EXPOSE_CONFIG": "False",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    }


def _state_file(settings: Settings) -> Path:
    return stack_home(settings) / "stack.json"


def _running(settings: Settings) -> processes.StackState | None:
    """The remembered stack when its supervisor lives; leftovers of a dead one are ended and forgotten."""
    state = processes.read_state(_state_file(settings))
    if state is None:
        return None
    alive = processes.members(state.stack_id)
    if state.supervisor in alive:
        return state
    if alive:
        processes.end(state.stack_id)
    _state_file(settings).unlink(missing_ok=True)
    return None


def _start(settings: Settings, say: Say) -> processes.StackState:
    port, stack_id = processes.free_port(PREFERRED_PORT), secrets.token_hex(16)
    environment, home = stack_environment(settings, port, stack_id), stack_home(settings)
    logs = home / "logs" / "stack"
    logs.mkdir(parents=True, exist_ok=True)
    say("Airflow database and pools")
    with (logs / "prepare.log").open("ab") as stream:
        command = [sys.executable, "-m", "pipeline_tasks.stack.prepare"]
        done = subprocess.run(command, env=environment, cwd=REPO_ROOT, stdout=stream, stderr=stream, check=False)  # noqa: S603 - our own module
    if done.returncode:
        raise StackError(f"Airflow's database could not be prepared; see {logs / 'prepare.log'}")
    with (logs / "supervisor.log").open("ab") as stream:
        child = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "pipeline_tasks.stack.supervisor", str(port)],
            env=environment,
            cwd=REPO_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    state = processes.StackState(stack_id=stack_id, supervisor=child.pid, port=port)
    processes.write_state(_state_file(settings), state)
    return state


def _wait_healthy(settings: Settings, state: processes.StackState, say: Say) -> None:
    deadline = time.monotonic() + HEALTHY_SECONDS
    while time.monotonic() < deadline:
        health = _health(state.port)
        waiting = [name for name, key in PARTS.items() if _part(health, key) != "healthy"]
        if health and not waiting:
            return
        say(f"Airflow: waiting for {', '.join(waiting) if health else 'the API server'}")
        time.sleep(0.5)
    logs = stack_home(settings) / "logs" / "stack"
    raise StackError(f"Airflow is not healthy after {HEALTHY_SECONDS:.0f} s; see the logs in {logs}, then `desk down` and try again")


def _health(port: int) -> dict[str, Any]:
    """Answer of Airflow's health page; empty while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/monitor/health", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return {}
    return found


def _part(health: dict[str, Any], key: str) -> str:
    return str((health.get(key) or {}).get("status") or "starting")


def _last_runs() -> list[Row]:
    from pipeline_tasks.warehouse import connect

    with connect() as warehouse:
        if not warehouse.scalar("select count() from system.tables where database = 'ops' and name = 'runs'"):
            return []
        return warehouse.query(
            "select market, dag, run_id, max(at_ts) as ended_ts, if(countIf(status = 'FAILED') > 0, 'FAILED',"
            " if(countIf(status = 'DEGRADED') > 0, 'DEGRADED', 'OK')) as status"
            " from (select * from ops.runs order by at_ts desc limit 1 by run_id, step) group by market, dag, run_id"
            " order by ended_ts desc limit 1 by market, dag"
        ).to_dicts()
