"""Commands about data: ingest, query, export, gen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline_tasks.cli.console import (
    Day,
    JsonFlag,
    MarketName,
    Refused,
    SourceName,
    command,
    counts_line,
    out,
    print_json,
    print_rows,
    progress,
)
from pipeline_tasks.cli.twin_days import Processes, ProfileName

if TYPE_CHECKING:
    from pipeline_tasks.sources import Source


@command
def ingest(
    source: SourceName = "twin",
    market: MarketName = "twin",
    day: Day = date(2026, 6, 15),
    profile: ProfileName = "",
    processes: Processes = 0,
    as_json: JsonFlag = False,
) -> None:
    """Load a market's raw data; loading the same data again changes nothing."""
    from pipeline_tasks.sources import get_source
    from pipeline_tasks.steps.context import RunContext
    from pipeline_tasks.steps.ingest import ingest as ingest_step
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import migrate

    with progress(f"ingest {market}", quiet=as_json) as say:
        with connect() as warehouse:
            migrate(warehouse)
        if source == "twin":
            chosen: Source = twin_source(profile, processes or None, lambda k, n: say(f"ingest {market}: day {k} of {n} is generated"))
        else:
            chosen = get_source(source)
        summary = ingest_step(RunContext(source=source, market=market, delivery_date=day), source=chosen)
    if as_json:
        print_json(summary)
        return
    print_rows("objects", summary.get("objects", []))
    out.print(counts_line(summary), highlight=False)


@command
def query(
    sql: Annotated[str, typer.Argument(help="A SELECT; run as the read-only analyst user.")],
    limit: Annotated[int, typer.Option(help="Most rows to print.", min=1)] = 100,
    as_json: JsonFlag = False,
) -> None:
    """Run a query as the `analyst` user."""
    from pipeline_tasks.warehouse import connect

    with connect("analyst") as warehouse:
        frame = warehouse.query(sql)
    rows = frame.head(limit).to_dicts()
    if as_json:
        print_json(rows)
        return
    print_rows(f"{frame.height:,} rows", rows, frame.columns)


@command
def export(
    table: Annotated[str, typer.Argument(help="Table or view, e.g. curated.v_curve_dist.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; .csv or .parquet.")],
    market: Annotated[str, typer.Option(help="Only this market.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Export a published table to CSV or Parquet; units travel in Parquet metadata and in a .schema.json beside the file."""
    from pipeline_tasks.reports.export import export_table

    with progress(f"export {table}", quiet=as_json):
        result = export_table(table, output, market=market)
    if as_json:
        print_json(result)
    else:
        out.print(
            f"{result['rows']:,} rows written to {result['path']} (units in {result['schema_path']})", highlight=False, soft_wrap=True
        )


@command
def gen(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 3 when a generated file is out of date.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Generate DDL, views, dbt contracts, expectation suites and the data dictionary from the contracts."""
    from pipeline_tasks.generation import generate

    drift = generate(check=check)
    if as_json:
        print_json([{"path": str(d.path), "kind": d.kind} for d in drift])
    else:
        print_rows("out of date" if check else "written", [{"path": str(d.path), "what": d.kind} for d in drift])
    if check and drift:
        raise Refused(f"{len(drift)} generated file(s) differ from the contracts; run `make gen` and commit the result")


def twin_source(profile: str, processes: int | None, on_progress: Callable[[int, int], None]) -> Source:
    """The twin with the profile of a name; that of the settings for an empty one."""
    from pipeline_tasks.sources.twin import TwinSource
    from pipeline_tasks.twin.profiles import load_profile

    return TwinSource(load_profile(profile) if profile else None, processes=processes, on_progress=on_progress)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("ingest")(ingest)
    app.command("query")(query)
    app.command("export")(export)
    app.command("gen")(gen)
