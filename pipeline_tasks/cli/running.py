"""Commands that run the pipeline: run, replay, report, docs."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer

from pipeline_tasks.cli.console import (
    Day,
    JsonFlag,
    MarketName,
    SourceName,
    command,
    counts_line,
    out,
    parse_day,
    print_json,
    print_rows,
    progress,
)
from pipeline_tasks.cli.plans import replay_plan

run_app = typer.Typer(help="Run a DAG in this process, exactly as Airflow would.", no_args_is_help=True)


def print_summary(summary: dict[str, Any], day: date) -> None:
    """Print what a run did and published."""
    from models._kernel.registry import specs

    print_rows("steps", summary.get("steps", []))
    forecasts = {spec.curated.full_name for spec in specs()}
    own = [p for p in summary.get("publications", []) if str(p["delivery_date"]) == str(day) and p["table"] in forecasts]
    print_rows(f"published for {day}", own)
    more = len(summary.get("publications", [])) - len(own)
    if more:
        out.print(f"and {more} more partitions (drivers, companions, earlier dates): desk audit hash", highlight=False)
    counts = summary.get("ingest", {})
    out.print(counts_line(counts), highlight=False)
    out.print(f"status [bold]{summary.get('status', '?')}[/bold] {summary.get('status_reason', '')}", highlight=False)
    if summary.get("report"):
        out.print(f"report: {summary['report']}", highlight=False, soft_wrap=True)


@run_app.command("nightly")
@command
def nightly(source: SourceName = "twin", market: MarketName = "twin", day: Day = date(2026, 6, 15), as_json: JsonFlag = False) -> None:
    """Ingest, validate, transform, infer, evaluate, publish and report for one delivery date."""
    from pipeline_tasks.steps.pipeline import run_nightly

    with progress(f"nightly {market} {day}", quiet=as_json) as say:
        summary = run_nightly(source=source, market=market, delivery_date=day, on_progress=say)
    if as_json:
        print_json(summary)
    else:
        print_summary(summary, day)
    if summary.get("status") == "FAILED":
        raise typer.Exit(1)


@run_app.command("intraday")
@command
def intraday(
    at: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"], metavar="YYYY-MM-DDTHH:MM", help="Decision time, UTC.")
    ],
    source: SourceName = "twin",
    market: MarketName = "twin",
    as_json: JsonFlag = False,
) -> None:
    """Ingest, validate, transform, infer and publish the decisions made up to an instant."""
    from pipeline_tasks.steps.pipeline import run_intraday

    with progress(f"intraday {market} {at:%Y-%m-%d %H:%M}", quiet=as_json) as say:
        summary = run_intraday(source=source, market=market, instant=at.replace(tzinfo=UTC), on_progress=say)
    if as_json:
        print_json(summary)
    else:
        print_summary(summary, at.date())
    if summary.get("status") == "FAILED":
        raise typer.Exit(1)


@command
def replay(
    plan: Annotated[str, typer.Argument(metavar="[PLAN]", help="A decision plan; without it a range of delivery dates.")] = "",
    start: Annotated[date | None, typer.Option("--from", parser=parse_day, metavar="YYYY-MM-DD", help="First delivery date.")] = None,
    end: Annotated[date | None, typer.Option("--to", parser=parse_day, metavar="YYYY-MM-DD", help="Last delivery date.")] = None,
    source: SourceName = "twin",
    market: MarketName = "twin",
    as_json: JsonFlag = False,
) -> None:
    """Make a decision plan, or a range of delivery dates, again, and compare bit for bit with what was published."""
    from pipeline_tasks.steps.pipeline import run_replay

    if plan:
        replay_plan(plan, as_json=as_json)
        return
    if start is None or end is None:
        raise typer.BadParameter("give a plan, or --from and --to")

    with progress(f"replay {market} {start}..{end}", quiet=as_json) as say:
        rows = run_replay(source=source, market=market, start=start, end=end, on_progress=say)
    if as_json:
        print_json(rows)
    else:
        print_rows("replayed partitions", rows)
    if any(not row["identical"] for row in rows):
        raise typer.Exit(3)


@command
def report(market: MarketName = "twin", day: Day = date(2026, 6, 15), as_json: JsonFlag = False) -> None:
    """Write the report site again from what is in the warehouse."""
    from pipeline_tasks.reports import build_site
    from pipeline_tasks.steps.context import RunContext

    ctx = RunContext(source="", market=market, delivery_date=day)
    with progress("report", quiet=as_json):
        path = build_site(run_id=ctx.run_id, market=market, delivery_date=day)
    if as_json:
        print_json({"report": path})
    else:
        out.print(f"report: {path}", highlight=False, soft_wrap=True)


@command
def docs(as_json: JsonFlag = False) -> None:
    """Write docs/scorecard.md from the stored scorecard, and the data docs of the gates."""
    from pipeline_tasks.quality.docs import build_data_docs
    from pipeline_tasks.scorecard import stored_rows, write_markdown

    with progress("docs", quiet=as_json):
        made = {"scorecard": write_markdown(stored_rows()), "data_docs": build_data_docs()}
    if as_json:
        print_json(made)
    else:
        print_rows("docs", [{"page": k, "path": v} for k, v in made.items()])


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(run_app, name="run")
    app.command("replay")(replay)
    app.command("report")(report)
    app.command("docs")(docs)
