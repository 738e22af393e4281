"""Commands that simulate: what outages do to prices, on a market of the warehouse or on a public test network."""

from __future__ import annotations

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
