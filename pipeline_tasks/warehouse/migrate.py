"""Bring a server to the contracts: databases, tables, added columns, hand-written migrations, views. Safe to repeat."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from config.settings import REPO_ROOT
from pipeline_tasks.contracts import STATIC_TABLES, Database, Table
from pipeline_tasks.contracts.ops import MIGRATIONS
from pipeline_tasks.warehouse import audit
from pipeline_tasks.warehouse.client import Warehouse
from pipeline_tasks.warehouse.ddl import add_columns_sql, create_database_sql, create_table_sql
from pipeline_tasks.warehouse.roles import OPEN_DATABASES
from pipeline_tasks.warehouse.server import exclusive
from pipeline_tasks.warehouse.truth import open_truth

SQL_ROOT = REPO_ROOT / "sql"
WHOLE = "all files"
_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_TOKEN = re.compile(r"'(?:[^'\\]|\\.|'')*'|`[^`]*`|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|;", re.DOTALL)


class MigrationError(RuntimeError):
    """The files do not fit what was applied, or a live table does not fit its contract."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One hand-written file.

    Attributes:
        version: its number; versions run in ascending order, once.
        name: file name.
        text: content.
    """

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def split_statements(text: str) -> list[str]:
    """Statements of a SQL file; semicolons in quotes and comments do not end one."""
    parts, start = [], 0
    for match in _TOKEN.finditer(text):
        if match.group() == ";":
            parts.append(text[start : match.start()])
            start = match.end()
    parts.append(text[start:])
    return [p.strip() for p in parts if re.sub(r"--[^\n]*|/\*.*?\*/", "", p, flags=re.DOTALL).strip()]


def read_migrations(folder: Path) -> list[Migration]:
    """Hand-written migrations in order.

    Raises:
        MigrationError: a file name is not `NNNN_lower_snake.sql`, or two files have one number.
    """
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if not match:
            raise MigrationError(f"{path.name}: name must be NNNN_lower_snake.sql; rename it")
        version = int(match.group(1))
        if version in found:
            raise MigrationError(f"{path.name} and {found[version].name} have the same number; give one the next free number")
        found[version] = Migration(version, path.name, path.read_text(encoding="utf-8"))
    return list(found.values())


def contract_tables() -> tuple[Table, ...]:
    """All tables that migrations create: the static ones and every model's curated table."""
    tables: tuple[Table, ...] = STATIC_TABLES
    if importlib.util.find_spec("pipeline_tasks.catalog") is not None:
        from pipeline_tasks.catalog import all_tables

        tables = tuple(all_tables())
    return tuple(t for t in tables if t.managed_by == "migrations")


def _create_tables(wh: Warehouse, root: Path, tables: Sequence[Table]) -> list[str]:
    """Create the tables that are not there, and add the contract's new columns to those that are."""
    live, created, altered = _live_types(wh, tables), [], []
    for table in tables:
        if table.full_name in live:
            altered += _add_columns(wh, table, live[table.full_name])
            continue
        path = root / "ddl" / f"{table.full_name}.sql"
        statements = split_statements(path.read_text(encoding="utf-8")) if path.is_file() else [create_table_sql(table)]
        for statement in statements:
            wh.command(statement)
        created.append(f"created {table.full_name}")
    return created + altered


def _live_types(wh: Warehouse, tables: Sequence[Table]) -> dict[str, dict[str, str]]:
    """Types of the live columns by table; a table that is not there is absent."""
    found = wh.query(
        "select concat(database, '.', table) as table_name, name, type from system.columns where database in {databases:Array(String)}",
        {"databases": sorted({t.database.value for t in tables})},
    )
    live: dict[str, dict[str, str]] = {}
    for table, name, kind in found.iter_rows():
        live.setdefault(table, {})[name] = kind
    return live


def _add_columns(wh: Warehouse, table: Table, types: dict[str, str]) -> list[str]:
    statements = add_columns_sql(table, types)
    for statement in statements:
        wh.command(statement)
    return [f"altered {table.full_name}: {s.split('if not exists ')[1].split()[0]} added" for s in statements]


def _check_types(wh: Warehouse, tables: Sequence[Table]) -> None:
    """Refuse to guess when a type changed and no migration changed it.

    Raises:
        MigrationError: a live column has another type than its contract.
    """
    live = _live_types(wh, tables)
    for table in tables:
        types = live.get(table.full_name, {})
        changed = {
            c.name: (types[c.name], c.clickhouse_type) for c in table.columns if c.name in types and types[c.name] != c.clickhouse_type
        }
        if changed:
            raise MigrationError(
                f"{table.full_name}: live and contract types differ {changed}; write a migration in sql/migrations that modifies them"
            )


def _apply(wh: Warehouse, migration: Migration) -> str:
    for number, statement in enumerate(split_statements(migration.text), start=1):
        try:
            wh.command(statement)
        except Exception as error:
            raise MigrationError(f"{migration.name}, statement {number} failed: {error}; mend the file and run again") from error
    payload = {"version": migration.version, "checksum": migration.checksum}
    audit.append_once(wh, actor="migrate", action="migration", subject=migration.name, payload=payload)
    _record(wh, migration.version, migration.name, migration.checksum, token=migration.checksum)
    return f"applied {migration.name}"


def _record(wh: Warehouse, version: int, name: str, checksum: str, *, token: str) -> None:
    row = {"version": version, "name": name, "checksum": checksum, "at_ts": datetime.now(UTC)}
    wh.insert(MIGRATIONS, pl.DataFrame([row], schema=MIGRATIONS.polars_schema()), token=token)


def apply_migrations(wh: Warehouse, folder: Path) -> list[str]:
    """Apply the hand-written migrations that were not applied yet, in order.

    Raises:
        MigrationError: an applied file was changed or deleted, a new file has a number below an applied one, or a
            statement fails (the file runs again as a whole next time, so its statements must be repeatable).
    """
    files = read_migrations(folder)
    applied = wh.query(
        "select version, argMax(name, at_ts) as name, argMax(checksum, at_ts) as checksum from ops.migrations"
        " where version > 0 group by version"
    )
    known = {v: (n, c) for v, n, c in applied.iter_rows()}
    lost = sorted(set(known) - {m.version for m in files})
    if lost:
        raise MigrationError(f"applied migrations {[known[v][0] for v in lost]} are gone from {folder}; restore the files")
    done = []
    for migration in files:
        if migration.version in known:
            if known[migration.version][1] != migration.checksum:
                raise MigrationError(f"{migration.name} was changed after it was applied; restore it and put the change in a new migration")
        elif known and migration.version < max(known):
            raise MigrationError(f"{migration.name} is older than an applied migration; give it a number above {max(known):04d}")
        else:
            done.append(_apply(wh, migration))
    return done


def _migrate_truth(root: Path, tables: Sequence[Table]) -> list[str]:
    """Bring `truth` to its contracts as the role that owns it; nothing where a configured server has no account for that role."""
    with open_truth("steward") as steward:
        if steward is None:
            return []
        for statement in create_database_sql([Database.TRUTH.value]):
            steward.command(statement)
        changes = _create_tables(steward, root, tables)
        _check_types(steward, tables)
        return changes


def migrate(wh: Warehouse, root: Path = SQL_ROOT) -> list[str]:
    """Create and change everything the contracts and the files below `root` ask for.

    The database `truth` is created by its owner, the role `steward`: `wh` has no rights there.

    Args:
        wh: a connection as `pipeline` or `admin`.
        root: folder with `ddl/`, `migrations/` and `views/`.

    Returns:
        One line per change, in order; views are replaced every time and not listed.

    Raises:
        MigrationError: see `apply_migrations`; or a live column has another type than its contract.
    """
    with exclusive(wh.lock_folder / "migrate.lock"):
        for statement in create_database_sql(OPEN_DATABASES):
            wh.command(statement)
        tables = contract_tables()
        own = [t for t in tables if t.database is not Database.TRUTH]
        changes = _create_tables(wh, root, own)
        changes += _migrate_truth(root, [t for t in tables if t.database is Database.TRUTH])
        changes += apply_migrations(wh, root / "migrations")
        _check_types(wh, own)
        for path in sorted((root / "views").glob("*.sql")):
            for statement in split_statements(path.read_text(encoding="utf-8")):
                wh.command(statement)
        asked = fingerprint(root)
        if _last_fingerprint(wh) != asked:
            _record(wh, 0, WHOLE, asked, token=f"{asked} {datetime.now(UTC).isoformat()}")
    return changes


def ensure(wh: Warehouse, root: Path = SQL_ROOT) -> list[str]:
    """`migrate` where the files below `root` are not those of the last one; otherwise one look and nothing else.

    For what people wait for. A table that somebody dropped by hand since comes back with the next run's `migrate`.
    """
    has_record = wh.scalar("select count() from system.tables where database = 'ops' and name = 'migrations'")
    return [] if has_record and _last_fingerprint(wh) == fingerprint(root) else migrate(wh, root)


def fingerprint(root: Path = SQL_ROOT) -> str:
    """SHA-256 over the names and contents of all SQL files below `root`."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.sql")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _last_fingerprint(wh: Warehouse) -> str:
    return str(wh.scalar("select argMax(checksum, at_ts) from ops.migrations where version = 0"))
