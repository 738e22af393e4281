"""The warehouse client: Polars in and out over ClickHouse's HTTP interface (clickhouse-connect, Arrow)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from config.settings import Settings, get_settings
from pipeline_tasks.contracts import Table
from pipeline_tasks.warehouse.roles import Role
from pipeline_tasks.warehouse.server import Endpoint, ensure_server

_INSERT_SETTINGS: dict[str, Any] = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "input_format_null_as_default": 0,
    "max_partitions_per_insert_block": 0,
    "min_insert_block_size_rows": 4_000_000,
    "min_insert_block_size_bytes": 0,
    "max_insert_block_size": 4_000_000,
}
_READ_SETTINGS: dict[str, Any] = {"output_format_arrow_string_as_string": 1, "output_format_arrow_low_cardinality_as_dictionary": 0}
_HERE = ("127.0.0.1", "localhost", "::1")


def bind(value: Any) -> Any:
    """A parameter value as ClickHouse's server-side binding reads it: instants as UTC text with milliseconds.

    Raises:
        ValueError: an instant without a time zone.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"parameter {value!r} has no time zone; pass an aware datetime (UTC)")
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"
    if isinstance(value, list | tuple | set | frozenset):
        return [bind(v) for v in value]
    return value


class Warehouse:
    """A connection to the warehouse as one role. Safe to share between threads; cheap to open.

    Args:
        endpoint: where and as whom.
        lock_folder: folder of the lock files by which writers of this machine take turns.
    """

    def __init__(self, endpoint: Endpoint, lock_folder: Path) -> None:
        """Remember the endpoint; the first query connects."""
        self.endpoint = endpoint
        self.lock_folder = lock_folder

    @cached_property
    def _client(self) -> Any:
        import clickhouse_connect

        return clickhouse_connect.get_client(
            host=self.endpoint.host,
            port=self.endpoint.port,
            username=self.endpoint.user,
            password=self.endpoint.password,
            secure=self.endpoint.secure,
            compress=self.endpoint.host not in _HERE,  # on one machine packing costs more than it saves
            autogenerate_session_id=False,
            connect_timeout=10,
            send_receive_timeout=600,
            client_name="powerdesk",
        )

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Rows of a select.

        Args:
            sql: statement with `{name:Type}` placeholders.
            params: values of the placeholders; instants must be aware.

        Returns:
            A Polars frame; instants `Datetime("ms", "UTC")` for DateTime64(3, 'UTC'), text as String.
        """
        table = self._client.query_arrow(sql, parameters=_bound(params), use_strings=True, settings=_READ_SETTINGS)
        frame = pl.from_arrow(table)
        if not isinstance(frame, pl.DataFrame):
            raise TypeError(f"query returned {type(frame).__name__}, not a table: {sql[:80]}")
        coded = [n for n, t in frame.schema.items() if t == pl.Categorical]
        return frame.with_columns(pl.col(coded).cast(pl.String)) if coded else frame

    def command(self, sql: str, params: Mapping[str, Any] | None = None) -> None:
        """Run a statement that returns no rows; raises when the server refuses it."""
        self._client.command(sql, parameters=_bound(params))

    def scalar(self, sql: str, params: Mapping[str, Any] | None = None) -> Any:
        """First value of the first row, or None when there is no row."""
        frame = self.query(sql, params)
        return frame.item(0, 0) if frame.height else None

    def insert(self, table: Table, frame: pl.DataFrame, *, token: str | None = None) -> int:
        """Insert a frame of a contract; one block per partition.

        Args:
            table: the contract of the target.
            frame: all columns of the contract, any order; types must match the contract's.
            token: deduplication token; a second insert with the same token within the table's window writes nothing.
                It must be a hash of the content: the same token with other data loses that data silently.

        Returns:
            Rows sent.

        Raises:
            ValueError: a column is missing, unknown, of another type, or null where the contract forbids it.
        """
        return self.insert_into(table.full_name, table, frame, token=token)

    def insert_into(self, target: str, table: Table, frame: pl.DataFrame, *, token: str | None = None) -> int:
        """Like `insert`, into `target`, a table with the contract's structure (a staging table)."""
        ready = conform(table, frame)
        if not ready.height:
            return 0
        settings = {**_INSERT_SETTINGS, "insert_deduplication_token": token} if token else {**_INSERT_SETTINGS, "insert_deduplicate": 0}
        arrow = ready.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
        database, name = target.split(".", 1)
        self._client.insert_arrow(name, arrow.combine_chunks(), database=database, settings=settings)
        return ready.height

    def close(self) -> None:
        """Close the connection; the server keeps running."""
        if "_client" in self.__dict__:
            self._client.close()
            del self.__dict__["_client"]

    def __enter__(self) -> Self:
        """The warehouse itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the connection."""
        self.close()


def _bound(params: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {k: bind(v) for k, v in params.items()} if params else None


def conform(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with exactly the contract's columns, in storage order.

    Raises:
        ValueError: columns missing or unknown, a type that differs, or a null in a column that allows none.
    """
    missing = [c for c in table.column_names if c not in frame.columns]
    unknown = [c for c in frame.columns if c not in table.column_names]
    if missing or unknown:
        raise ValueError(
            f"{table.full_name}: frame lacks columns {missing} and has unknown columns {unknown}; select the contract's columns"
        )
    for column in table.columns:
        found = frame.schema[column.name]
        if found != column.type.polars and not (found == pl.Null and column.nullable):
            raise ValueError(f"{table.full_name}.{column.name}: type {found} is not {column.type.polars}; cast it before the insert")
    nulls = frame.select(pl.col(c.name).null_count() for c in table.columns if not c.nullable).row(0)
    broken = {c.name: n for c, n in zip((c for c in table.columns if not c.nullable), nulls, strict=True) if n}
    if broken:
        raise ValueError(f"{table.full_name}: nulls in non-nullable columns {broken}; fill or drop those rows")
    return frame.select(pl.col(c.name).cast(c.type.polars) for c in table.columns)


def connect(role: Role = "pipeline", settings: Settings | None = None) -> Warehouse:
    """A warehouse connection; starts the embedded server when no ClickHouse host is configured.

    Args:
        role: `pipeline` writes, `analyst` reads published data only, `admin` may do everything but is for people;
            `yardstick` reads everything and `truth`, `steward` loads `truth`, `shadow` runs challengers.
        settings: defaults to `get_settings()`.

    Raises:
        ServerError: the server cannot be started.
    """
    chosen = settings or get_settings()
    return Warehouse(ensure_server(chosen, role), chosen.home / "locks")


@contextmanager
def connect_if_granted(role: Role, settings: Settings | None = None) -> Iterator[Warehouse | None]:
    """A connection as `role`, or None where a configured server has no account for it."""
    chosen = settings or get_settings()
    if not chosen.embedded and not chosen.account(role)[0]:
        yield None
        return
    with connect(role, settings=chosen) as warehouse:
        yield warehouse
