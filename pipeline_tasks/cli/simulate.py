"""Commands that simulate: what outages do to prices, on a market of the warehouse or on a public test network."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline_tasks.cli.console import Day, JsonFlag, MarketName, command, out, print_json, print_rows, progress

simulate_app = typer.Typer(help="What if: simulations a trader asks for.", no_args_is_help=True)
SHOWN = 20


@simulate_app.command("outages")
@command
def outages(
    lines: Annotated[
        str, typer.Option("--lines", metavar="A,B+C,...", help="Branches, a scenario each; A+B loses both at once, all: each by itself.")
    ] = "",
    units: Annotated[str, typer.Option("--units", metavar="A,B+C,...", help="Units, a scenario each.")] = "",
    batch: Annotated[
        Path | None, typer.Option("--batch", help="CSV: scenario, kind (branch or unit), element, available_share (empty: out).")
    ] = None,
    market: MarketName = "twin",
    day: Day = date(2026, 6, 15),
    hours: Annotated[str, typer.Option("--hours", metavar="H,H,...", help="Local hours; default all of the day.")] = "",
    network: Annotated[
        str, typer.Option("--network", help="A public test network instead of the market, e.g. case118; nothing is published.")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="Name of the simulation; it replaces what it published before.")] = "adhoc",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print only; publish nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Price changes, binding limits and cost of outages and derates, solved exactly and proven; published as curated.outage_impacts."""
    from pipeline_tasks.simulate.outages import Request
    from pipeline_tasks.steps.simulate import simulate_network, simulate_outages

    asked = Request(market, day, _hours(hours), _names(lines), _names(units), batch, name)
    with progress("simulating outages", quiet=as_json) as say:
        made = simulate_network(network, asked, say) if network else simulate_outages(asked, say, publish=not dry_run)
    if as_json:
        print_json(made)
        return
    _print(made)


@simulate_app.command("calibrate")
@command
def calibrate(
    market: MarketName = "twin",
    day: Day = date(2026, 6, 15),
    days: Annotated[int, typer.Option("--days", min=30, max=2000, help="Days looked back for outages that began.")] = 400,
    most: Annotated[int, typer.Option("--most", min=10, max=2000, help="Most outages and hours, drawn evenly over time.")] = 400,
    as_json: JsonFlag = False,
) -> None:
    """Learn what the market made of realised outages, and register it: later simulations tell an expected change with a 90 % band."""
    from pipeline_tasks.steps.outage_response import learn_outage_response

    with progress("realised outages", quiet=as_json) as say:
        made = learn_outage_response(market, day, say, days=days, most=most)
    if as_json:
        print_json(made)
        return
    print_rows("learned", [made["metrics"]] if made["version"] else [])
    told = f"{made['events']} events, version [bold]{made['version'] or '-'}[/bold], status [bold]{made['status']}[/bold] {made['reason']}"
    out.print(told, highlight=False)


@command
def sensitivities(
    flow_changes: Annotated[
        str,
        typer.Option("--flow-changes", metavar="JSON", help='Branch to MW that its flow rises by for other reasons, e.g. {"12-14": 25}.'),
    ],
    out_lines: Annotated[str, typer.Option("--out", metavar="A,B,...", help="Branches that are out: the topology signal.")] = "",
    market: MarketName = "twin",
    day: Day = date(2026, 6, 15),
    hour: Annotated[int, typer.Option("--hour", min=0, max=23, help="Local hour.")] = 18,
    network: Annotated[str, typer.Option("--network", help="A public test network instead of the market, e.g. case118.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """How prices, limits and flows of an interval answer when flows change for reasons outside the dispatch."""
    from pipeline_tasks.steps.simulate import flow_sensitivities

    with progress("sensitivities", quiet=as_json):
        made = flow_sensitivities(market, day, hour, _changes(flow_changes), out=_names(out_lines), network=network)
    if as_json:
        print_json(made)
        return
    for title, key in (
        ("prices that change most", "prices"),
        ("limits that bind", "limits"),
        ("MW on the branch per MW injected", "factors"),
    ):
        rows = sorted(made[key], key=lambda r: -abs(r["ptdf"])) if key == "factors" else made[key]
        print_rows(title, rows[:SHOWN])
    out.print(f"status [bold]{made['status']}[/bold]; every node: --json", highlight=False)


def _changes(text: str) -> dict[str, float]:
    """Flow changes of the option.

    Raises:
        ValueError: no JSON object of branches and numbers.
    """
    try:
        given = json.loads(text)
        return {str(name): float(mw) for name, mw in given.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f'--flow-changes is {text!r}; give a JSON object of branches and MW, e.g. {{"12-14": 25}}') from error


def _print(made: dict[str, Any]) -> None:
    for title, key in (("scenarios", "scenarios"), ("largest price changes", "largest"), ("limits that bind", "constraints")):
        print_rows(title, made[key][:SHOWN])
        if len(made[key]) > SHOWN:
            out.print(f"and {len(made[key]) - SHOWN} more", highlight=False)
    print_rows("published", made["publications"])
    out.print(f"status [bold]{made['status']}[/bold] {made['reason']}", highlight=False)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _hours(text: str) -> tuple[int, ...]:
    """Local hours of the option.

    Raises:
        ValueError: not a number from 0 to 23.
    """
    parts = _names(text)
    wrong = [p for p in parts if not p.isdigit() or int(p) > 23]
    if wrong:
        raise ValueError(f"--hours holds {wrong[0]!r}; give local hours from 0 to 23, separated by commas")
    return tuple(int(p) for p in parts)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(simulate_app, name="simulate")
    app.command("sensitivities")(sensitivities)
