"""`desk participants`: what the units of a market are expected to offer."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer

from pipeline_tasks.cli.console import Day, JsonFlag, MarketName, command, out, print_json, print_rows, progress

participants_app = typer.Typer(help="What is learned of a market's participants, and the offers expected of them.", no_args_is_help=True)
SHOWN = 20


@participants_app.command("learn")
@command
def learn(
    market: MarketName = "twin",
    day: Day = date(2026, 6, 15),
    seed: Annotated[int, typer.Option("--seed", help="Kept with the run; nothing is drawn.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print only; register and publish nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Learn policies from the offers public at the gate of a delivery date; publish them and the offers expected on it."""
    from pipeline_tasks.steps.context import RunContext
    from pipeline_tasks.steps.participants import learn_participants

    with progress("learning participants", quiet=as_json) as say:
        made = learn_participants(RunContext("twin", market, day, dag="participants"), say, seed=seed, publish=not dry_run)
    if as_json:
        print_json(made)
        return
    print_rows("units by behaviour", [{"kind": k, "units": n} for k, n in made["kinds"].items()])
    print_rows("published", made["publications"])
    out.print(
        f"{made['units']} units, {made['curves']} offers expected, version [bold]{made['version'] or '-'}[/bold], {made['seconds']} s",
        highlight=False,
    )


@participants_app.command("show")
@command
def show(
    market: MarketName = "twin",
    day: Day = date(2026, 6, 15),
    unit: Annotated[str, typer.Option("--unit", help="One unit; without it the first offers of all.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Published policies and expected offers of a delivery date."""
    from pipeline_tasks.steps.participants import show_participants

    made: dict[str, Any] = show_participants(market, day, unit=unit)
    if as_json:
        print_json(made)
        return
    for title, key in (("offers expected", "curves"), ("policies", "policies")):
        print_rows(title, made[key][:SHOWN])
        if len(made[key]) > SHOWN:
            out.print(f"and {len(made[key]) - SHOWN} more: --json", highlight=False)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(participants_app, name="participants")
