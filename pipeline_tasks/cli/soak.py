"""Commands that soak: a DAG many times in a row, with faults, and the proof of what it left behind."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline_tasks.cli.console import Day, ExitCode, JsonFlag, MarketName, command, out, print_json, print_rows, progress

soak_app = typer.Typer(help="A DAG many times in a row, with faults, and the proof of what it left behind.", no_args_is_help=True)


@soak_app.command("intraday")
@command
def intraday(
    cycles: Annotated[int, typer.Option("--cycles", min=1, max=10_000, help="Runs in a row.")] = 50,
    every: Annotated[int, typer.Option("--every", min=1, max=720, metavar="MIN", help="Simulated minutes between two runs.")] = 15,
    faults: Annotated[
        bool, typer.Option("--faults/--no-faults", help="Late, repeated, corrected, broken and missing intervals (config/faults.yaml).")
    ] = True,
    start: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%dT%H:%M"], metavar="YYYY-MM-DDTHH:MM", help="First run, UTC; default: on the first unpriced day."),
    ] = None,
    folder: Annotated[Path | None, typer.Option("--folder", help="Where the copy of the state lies; default: soak below it.")] = None,
    market: MarketName = "twin",
    as_json: JsonFlag = False,
) -> None:
    """Run the intraday DAG many times on a copy of the state, and prove: lost 0, duplicated 0, every run published or DEGRADED."""
    from pipeline_tasks.soak import soak_intraday
    from pipeline_tasks.soak.state import copied_state

    source = "twin_faults" if faults else "twin"
    with progress("soak", quiet=as_json) as say, copied_state(folder) as copy:
        say(f"working on a copy of the state in {copy}")
        begin = start.replace(tzinfo=UTC) if start else None
        made = soak_intraday(source=source, market=market, cycles=cycles, every_min=every, start=begin, say=say)
    if as_json:
        print_json(made)
    else:
        _print(made)
    if not made["holds"]:
        raise typer.Exit(ExitCode.FAILED)


@soak_app.command("plans")
@command
def plans(
    runs: Annotated[int, typer.Option("--runs", min=1, max=10_000, help="Plans.")] = 200,
    parallel: Annotated[int, typer.Option("--parallel", min=1, max=64, help="Asked for at once.")] = 5,
    market: MarketName = "twin",
    day: Day = date(2026, 6, 15),
    out_file: Annotated[Path | None, typer.Option("--out", help="Keep every run's figures as JSON.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask for decision plans through Airflow's API, answer them, and prove: lineage whole, replays exact, refusals held."""
    from pipeline_tasks.soak.plans import soak_plans, write_result

    with progress("soak plans", quiet=as_json) as say:
        made = soak_plans(market=market, day=day.isoformat(), runs=runs, parallel=parallel, say=say)
    if out_file:
        write_result(made, out_file)
    if as_json:
        print_json(made)
    else:
        rows = [{"what": name, **made[name]} for name in ("seconds", "compute_s")]
        print_rows("from the form to the plan", rows)
        print_rows("proof", [{"what": k, "count": v} for k, v in made["proof"].items()])
        out.print(f"proof [bold]{'holds' if made['holds'] else 'does NOT hold'}[/bold]", highlight=False)
    if not made["holds"]:
        raise typer.Exit(ExitCode.FAILED)


def _print(made: dict[str, Any]) -> None:
    shown = ("decided_at", "seconds", "status", "rows_read", "rows_loaded", "rows_quarantined", "rows_duplicate", "decisions", "degraded",
             "rewritten", "published", "holds", "reason")  # fmt: skip
    rows = [{**c, "decided_at": f"{c['decided_at']:%m-%d %H:%M}", "reason": c["reason"][:60]} for c in made["cycles"]]
    print_rows("cycles", rows, shown)
    print_rows("seconds", [made["seconds"]])
    print_rows("median seconds by step", [made["seconds_by_step"]])
    print_rows("cycles by status", [made["status"]])
    print_rows("proof", [{"what": k, "count": v} for k, v in made["proof"].items()])
    verdict = "holds: lost 0, duplicated 0, every cycle published or DEGRADED with a reason" if made["holds"] else "does NOT hold"
    out.print(f"proof [bold]{verdict}[/bold]", highlight=False)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(soak_app, name="soak")
