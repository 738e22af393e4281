"""Health of the warehouse: each check says what it found and how to mend it."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from config.settings import Settings, get_settings
from pipeline_tasks.contracts import Database
from pipeline_tasks.warehouse.client import Warehouse, connect
from pipeline_tasks.warehouse.embedded import TESTED_ENGINE
from pipeline_tasks.warehouse.server import server_status
from pipeline_tasks.warehouse.server_files import ServerPaths

FREE_GIB = 1.0


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        name: what was looked at.
        ok: whether it is as it should be.
        detail: what was found.
        remedy: how to mend it.
    """

    name: str
    ok: bool
    detail: str
    remedy: str


def _engine() -> Check:
    try:
        found = version("chdb-core")
    except PackageNotFoundError:
        found = "not installed"
    remedy = f"run `uv sync` (chdb-core {TESTED_ENGINE} was tested), or set CLICKHOUSE_HOST to use a server"
    return Check("clickhouse engine", found == TESTED_ENGINE, f"chdb-core {found}", remedy)


def _files(settings: Settings) -> Check:
    paths = ServerPaths.below(settings.home)
    folder = next(f for f in (settings.home, *settings.home.parents) if f.exists())
    free = shutil.disk_usage(folder).free / 2**30
    if free < FREE_GIB:
        return Check(
            "warehouse disk", ok=False, detail=f"{free:.1f} GiB free", remedy=f"free at least {FREE_GIB:.0f} GiB below {settings.home}"
        )
    if paths.credentials.is_file() and stat.S_IMODE(paths.credentials.stat().st_mode) != 0o600:
        mode = oct(stat.S_IMODE(paths.credentials.stat().st_mode))
        return Check(
            "warehouse passwords", ok=False, detail=f"{paths.credentials} has mode {mode}", remedy=f"chmod 600 {paths.credentials}"
        )
    return Check("warehouse files", ok=True, detail=f"{free:.0f} GiB free below {settings.home}", remedy="")


def _connected(settings: Settings) -> tuple[Check, Warehouse | None]:
    before = server_status(settings)
    remedy = (
        f"see {ServerPaths.below(settings.home).log}; run `desk down` and try again"
        if settings.embedded
        else "check CLICKHOUSE_HOST, CLICKHOUSE_PORT, CLICKHOUSE_USER, CLICKHOUSE_PASSWORD and CLICKHOUSE_SECURE"
    )
    try:
        wh = connect(settings=settings)
        answer = wh.scalar("select version()")
    except Exception as error:  # noqa: BLE001 - whatever keeps us from connecting is the finding
        return Check("warehouse server", ok=False, detail=f"{type(error).__name__}: {error}", remedy=remedy), None
    detail = f"ClickHouse {answer}, {before.mode}, {wh.endpoint.host}:{wh.endpoint.port}" + ("" if before.running else " (was not running)")
    return Check("warehouse server", ok=True, detail=detail, remedy=remedy), wh


def _guarded(name: str, remedy: str, probe: Callable[[], tuple[bool, str]]) -> Check:
    try:
        ok, detail = probe()
    except Exception as error:  # noqa: BLE001 - a check that cannot run is a failed check
        return Check(name, ok=False, detail=f"{type(error).__name__}: {error}", remedy=remedy)
    return Check(name, ok=ok, detail=detail, remedy=remedy)


def _tables(wh: Warehouse, settings: Settings) -> tuple[bool, str]:
    from pipeline_tasks.warehouse.migrate import contract_tables
    from pipeline_tasks.warehouse.truth import open_truth

    live: dict[str, set[str]] = {}
    sql = "select concat(database, '.', table) as t, name from system.columns"
    with open_truth("steward", settings) as steward:
        rows = [*wh.query(sql).iter_rows(), *(steward.query(sql).iter_rows() if steward else ())]
    for table, column in rows:
        live.setdefault(table, set()).add(column)
    tables = [t for t in contract_tables() if steward or t.database is not Database.TRUTH]
    lacking = [t.full_name for t in tables if not set(t.column_names) <= live.get(t.full_name, set())]
    return not lacking, f"{len(tables) - len(lacking)} of {len(tables)} tables are as declared" + (
        f"; lacking: {lacking[:5]}" if lacking else ""
    )


def _chain(wh: Warehouse) -> tuple[bool, str]:
    from pipeline_tasks.warehouse.audit import verify

    report = verify(wh)
    return report.ok, report.message


def check_warehouse(settings: Settings | None = None) -> list[Check]:
    """Look at engine, files, server, tables and audit chain; starts the embedded server when it is not running.

    Args:
        settings: defaults to `get_settings()`.

    Returns:
        Findings in the order in which a person would mend them; never raises for a broken warehouse.
    """
    chosen = settings or get_settings()
    checks = [_engine(), _files(chosen)] if chosen.embedded else []
    server, wh = _connected(chosen)
    checks.append(server)
    if wh is not None:
        with wh:
            checks.append(_guarded("warehouse tables", "run `desk run nightly` or any command that migrates", lambda: _tables(wh, chosen)))
            checks.append(_guarded("audit chain", "find who wrote to ops.audit_log; restore it from a backup", lambda: _chain(wh)))
    return checks
