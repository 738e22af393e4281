"""`desk grid`: limits and their sensitivities as prices tell them."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated

import typer

from pipeline_tasks.cli.console import Day, JsonFlag, MarketName, command, out, parse_day, print_json, print_rows, progress

grid_app = typer.Typer(help="Limits of a market's network, learned from its prices and shadow prices.", no_args_is_help=True)
Name = Annotated[str, typer.Option("--name", help="Name of the study; it replaces what it published before.")]
SHOWN = 24


@grid_app.command("learn")
@command
def learn(
    market: MarketName = "twin",
    day: Day = date(2026, 6, 15),
    days: Annotated[int, typer.Option("--days", min=7, max=2000, help="Days of prices that are learned from.")] = 90,
    name: Name = "adhoc",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print only; register and publish nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Learn the sensitivities of every limit from what was known at the gate of a delivery date, and publish them."""
    from pipeline_tasks.sensitivity.run import Request
    from pipeline_tasks.steps.sensitivities import learn_sensitivities

    with progress("learning sensitivities", quiet=as_json) as say:
        made = learn_sensitivities(Request(market, day, days=days, name=name), say, publish=not dry_run)
    if as_json:
        print_json(made)
        return
    print_rows("limits", made["limits"][:SHOWN])
    print_rows("on hours not learned from", [made["metrics"]])
    print_rows("published", made["publications"])
    out.print(f"version [bold]{made['version'] or '-'}[/bold], status [bold]{made['status']}[/bold] {made['reason']}", highlight=False)


@grid_app.command("show")
@command
def show(
    node: Annotated[str, typer.Argument(help="Node whose sensitivities are shown; without it the limits alone.")] = "",
    market: MarketName = "twin",
    day: Annotated[
        date | None, typer.Option("--date", parser=parse_day, metavar="YYYY-MM-DD", help="Delivery date; default the newest published.")
    ] = None,
    name: Name = "nightly",
    as_json: JsonFlag = False,
) -> None:
    """Published limits, and how they answer to a node."""
    from pipeline_tasks.steps.sensitivities import show_sensitivities

    made = show_sensitivities(market, node=node, name=name, day=day)
    if as_json:
        print_json(made)
        return
    print_rows("limits", made["limits"][:SHOWN])
    print_rows(f"sensitivities of {node}", made["sensitivities"][:SHOWN]) if node else None


@grid_app.command("tell")
@command
def tell(
    shadow_prices: Annotated[
        str,
        typer.Option(
            "--shadow-prices",
            metavar="JSON",
            help='Limit ("branch" or "branch|contingency") to currency/MWh, negative where the flow is at its positive limit.',
        ),
    ],
    out_lines: Annotated[str, typer.Option("--out", metavar="A,B,...", help="Branches that are out: the topology signal.")] = "",
    market: MarketName = "twin",
    as_json: JsonFlag = False,
) -> None:
    """Congestion of every node for given shadow prices, with a 90 % band, by the newest registered version."""
    from pipeline_tasks.steps.sensitivities import tell_congestion

    made = tell_congestion(market, _prices(shadow_prices), out=tuple(p.strip() for p in out_lines.split(",") if p.strip()))
    if as_json:
        print_json(made)
        return
    print_rows("congestion", made["nodes"][:SHOWN])
    out.print(f"version [bold]{made['version']}[/bold], gate {made['gate']}; every node: --json", highlight=False)


def _prices(text: str) -> dict[str, float]:
    """Shadow prices of the option.

    Raises:
        ValueError: no JSON object of limits and numbers.
    """
    try:
        return {str(name): float(price) for name, price in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError) as error:
        remedy = 'give a JSON object of limits and currency/MWh, e.g. {"12-14|15-17": -30}'
        raise ValueError(f"--shadow-prices is {text!r}; {remedy}") from error


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(grid_app, name="grid")
