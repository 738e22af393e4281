"""`desk cross-asset`: spreads, netbacks, signals, and what LNG arrivals do to prices."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from pipeline_tasks.cli.console import Day, JsonFlag, MarketName, SourceName, command, out, print_json, print_rows, progress


@command
def cross_asset(
    market: MarketName = "twin",
    day: Day = date(2026, 6, 15),
    source: SourceName = "twin",
    effects: Annotated[bool, typer.Option(help="Estimate the effect of LNG arrivals too.")] = True,
    seed: Annotated[int, typer.Option("--seed", help="Seed of forest and refutation.")] = 7,
    as_json: JsonFlag = False,
) -> None:
    """Publish spreads, netbacks, signals and effects of LNG arrivals as known at the gate of a delivery date."""
    from pipeline_tasks.steps.context import RunContext
    from pipeline_tasks.steps.cross_asset import publish_cross_asset
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import migrate

    with connect() as warehouse:
        migrate(warehouse)
    with progress("cross-asset views", quiet=as_json) as say:
        made = publish_cross_asset(RunContext(source, market, day, dag="cross_asset"), say, seed=seed, effects=effects)
    if as_json:
        print_json(made)
        return
    print_rows("published", made["publications"])
    out.print(f"effects of arrivals: {made['effects']}; {made['seconds']} s", highlight=False)


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("cross-asset")(cross_asset)
