"""What every command shares: the `--json` switch, exit codes, progress, and errors as one clear sentence."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import IntEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

P = ParamSpec("P")
R = TypeVar("R")

out = Console(width=None if sys.stdout.isatty() else 180)  # a pipe has no width; 80 columns would fold every table
err = Console(stderr=True)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]


class ExitCode(IntEnum):
    """Stable exit codes of `desk`."""

    OK = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """A check said no (gate blocked, drift found, audit broken): exit code 3."""


def plain(value: Any) -> Any:
    """JSON-able form of dataclasses, dates, paths and mappings."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    return value


def print_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n")


def print_rows(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Print rows as a table; an empty list says so."""
    if not rows:
        out.print(f"[dim]{title}: nothing to show[/dim]")
        return
    table = RichTable(title=title, title_justify="left", header_style="bold", show_edge=False)
    names = list(columns or rows[0].keys())
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(n)) for n in names))
    out.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    text = str(plain(value))
    return f"{text[:12]}…" if re.fullmatch(r"[0-9a-f]{64}", text) else text


def counts_line(counts: Mapping[str, Any]) -> str:
    """The equation of a load: rows read = loaded + quarantined + already there."""
    read, loaded, quarantined, known = (int(counts.get(f"rows_{k}", 0)) for k in ("read", "loaded", "quarantined", "duplicate"))
    return f"rows read {read:,} = loaded {loaded:,} + quarantined {quarantined:,} + already there {known:,}"


@contextmanager
def progress(label: str, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Spinner with elapsed time on stderr; yields a function that changes the text."""
    if quiet or not err.is_terminal:
        yield (lambda _: None) if quiet else (lambda text: err.print(f"[dim]{text}[/dim]"))
        return
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=err, transient=True) as bar:
        task = bar.add_task(label)
        yield lambda text: bar.update(task, description=text)


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Turn expected errors into one sentence and a stable exit code; tracebacks stay with `DESK_DEBUG=1`."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Refused as refused:
            err.print(f"[bold red]refused:[/bold red] {refused}", highlight=False, soft_wrap=True)
            raise typer.Exit(ExitCode.REFUSED) from refused
        except (KeyError, ValueError, FileNotFoundError, NotADirectoryError) as error:
            if os.environ.get("DESK_DEBUG"):
                raise
            text = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
            err.print(f"[bold red]error:[/bold red] {text}", highlight=False, soft_wrap=True)
            raise typer.Exit(ExitCode.USAGE) from error
        except (RuntimeError, OSError) as error:
            if os.environ.get("DESK_DEBUG"):
                raise
            err.print(f"[bold red]failed:[/bold red] {error}", highlight=False, soft_wrap=True)
            raise typer.Exit(ExitCode.FAILED) from error
        except Exception as error:
            answer = _server_answer(error)
            if answer is None or os.environ.get("DESK_DEBUG"):
                raise
            err.print(f"[bold red]the warehouse refused:[/bold red] {answer}", highlight=False, soft_wrap=True)
            raise typer.Exit(ExitCode.FAILED) from error

    return wrapper


def _server_answer(error: Exception) -> str | None:
    """What ClickHouse said, without transport details; None when the error is not one of its client."""
    if not type(error).__module__.startswith("clickhouse_connect"):
        return None
    found = re.search(r"DB::Exception: (.*?)(?: \(version .*)?$", str(error), flags=re.DOTALL)
    return found.group(1) if found else str(error)


def parse_day(text: str | date) -> date:
    """A `YYYY-MM-DD` date; a date (an option's default) is returned as it is.

    Raises:
        typer.BadParameter: the text is no date; the message shows the form.
    """
    if isinstance(text, date):
        return text
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no date; write it as YYYY-MM-DD, e.g. 2017-06-15") from error


Day = Annotated[date, typer.Option("--date", parser=parse_day, metavar="YYYY-MM-DD", help="Market-local delivery date.")]
MarketName = Annotated[str, typer.Option("--market", help="Market key, or one hub of it (epf_de, ercot_hb_north).")]
SourceName = Annotated[str, typer.Option("--source", help="Where the data come from: twin or files.")]
