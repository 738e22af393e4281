"""One dbt command as a process of its own: nothing of dbt's global state, logging or threads reaches the caller."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.settings import REPO_ROOT, get_settings
from pipeline_tasks.prepared import Prepared
from pipeline_tasks.warehouse import Warehouse

PROJECT_DIR = REPO_ROOT / "transforms"
TIMEOUT_S = 1800
DBT = Prepared("dbt.cli.main:cli", preload=("dbt.adapters.clickhouse",))
FAILED = frozenset({"error", "fail", "runtime error"})


class TransformFailed(RuntimeError):  # noqa: N818 - the name is the verdict that operators look for
    """A dbt node failed; the message names node, reason and compiled SQL."""


@dataclass(frozen=True, slots=True)
class NodeResult:
    """Result of one dbt node, from run_results.json."""

    unique_id: str
    status: str
    seconds: float
    failures: int
    message: str
    compiled_path: str

    @property
    def resource_type(self) -> str:
        """`model`, `test`, `unit_test`, ..."""
        return self.unique_id.split(".", 1)[0]


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Builds of one machine take turns: dbt creates and swaps tables by name."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _environment(wh: Warehouse, target: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of the dbt process; the password lives there only, under a name that dbt masks in its logs.

    What to build is there too, not on the command line: dbt parses the whole project again whenever a variable given there changes.
    """
    end = wh.endpoint
    return {
        **os.environ,
        **{f"DESK_DBT_{name.upper()}": value for name, value in variables.items()},
        "DESK_DBT_HOST": end.host,
        "DESK_DBT_PORT": str(end.port),
        "DESK_DBT_USER": end.user,
        "DBT_ENV_SECRET_DESK_PASSWORD": end.password,
        "DESK_DBT_SECURE": str(end.secure),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target.parent / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


def _node(entry: Mapping[str, Any], target: Path) -> NodeResult:
    path = entry.get("compiled_path") or ""
    compiled = next(target.glob(f"compiled/*/**/{entry['unique_id'].split('.')[-1]}.sql"), None)
    return NodeResult(
        unique_id=str(entry["unique_id"]),
        status=str(entry["status"]),
        seconds=float(entry.get("execution_time") or 0.0),
        failures=int(entry.get("failures") or 0),
        message=str(entry.get("message") or ""),
        compiled_path=str(path or compiled or ""),
    )


def run_dbt(wh: Warehouse, command: Sequence[str], *, variables: Mapping[str, str] | None = None) -> list[NodeResult]:
    """Run `dbt <command>` against the warehouse.

    Args:
        wh: whose endpoint dbt uses.
        command: dbt arguments (`build --select staging`).
        variables: project variables; those not named have the project's defaults.

    Returns:
        The nodes' results, in the order dbt finished them, failed ones included.

    Raises:
        TransformFailed: dbt ended without results; the message carries the end of its output.
    """
    folder = get_settings().home / "dbt"
    target = folder / "target"
    results = target / "run_results.json"
    paths = ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)]
    arguments = [*command, *paths]
    with _one_at_a_time(folder):
        results.unlink(missing_ok=True)
        done = DBT.run(arguments, environment=_environment(wh, target, variables or {}), cwd=PROJECT_DIR, timeout_s=TIMEOUT_S)
        if not results.is_file():
            tail = "\n".join(done.output.strip().splitlines()[-15:])
            raise TransformFailed(f"dbt {' '.join(command)} ended with {done.returncode} and without results:\n{tail}")
        entries = json.loads(results.read_text(encoding="utf-8"))["results"]
        return [_node(entry, target) for entry in entries]


def raise_on_failure(nodes: Sequence[NodeResult]) -> None:
    """Raise for the first failed node.

    Raises:
        TransformFailed: a node failed; the message names it, the reason, its compiled SQL and how many others failed.
    """
    failed = [n for n in nodes if n.status in FAILED]
    if failed:
        first = failed[0]
        more = f" ({len(failed) - 1} more failed)" if len(failed) > 1 else ""
        raise TransformFailed(f"{first.unique_id}: {first.message.strip()}; compiled SQL: {first.compiled_path or '(not compiled)'}{more}")
