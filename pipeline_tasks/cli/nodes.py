"""Commands on nodes: their vectors, and which are alike."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from pipeline_tasks.cli.console import Day, JsonFlag, MarketName, command, out, parse_day, print_json, print_rows, progress

Name = Annotated[str, typer.Option("--name", help="Name of the embedding; it replaces what it published before.")]
SHOWN = 24


@command
def embed(
    market: MarketName = "twin",
    day: Day = date(2026, 6, 15),
    days: Annotated[int, typer.Option("--days", min=1, max=1000, help="Days of prices that are learned from.")] = 60,
    least_days: Annotated[int, typer.Option("--least-days", min=1, help="A node with fewer days of own prices is sparse.")] = 14,
    as_new: Annotated[
        str, typer.Option("--as-new", metavar="NODE,...", help="Treat these nodes as if they had no prices: what would be said of them.")
    ] = "",
    name: Name = "all",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print only; publish and log nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Vectors of a market's nodes from shift factors, prices and topology; published as curated.node_embeddings, with hubs and nowcasts."""
    from pipeline_tasks.embedding.run import Request
    from pipeline_tasks.steps.embed import embed_nodes

    new = tuple(part.strip() for part in as_new.split(",") if part.strip())
    asked = Request(market, day, days=days, least_days=least_days, as_new=new, name=name)
    with progress("embedding nodes", quiet=as_json) as say:
        made = embed_nodes(asked, say, publish=not dry_run)
    if as_json:
        print_json(made)
        return
    print_rows("hubs", made["hubs"])
    print_rows("nowcasts of sparse nodes", made["nowcasts"][:SHOWN])
    print_rows("published", made["publications"])
    error = made["metrics"].get("left_out_mae_ccy_per_mwh")
    out.print(
        f"{made['nodes']} nodes in {made['corridors']} corridors; every known node left out in turn: mean absolute error {error};"
        f" status [bold]{made['status']}[/bold]",
        highlight=False,
    )


@command
def neighbours(
    node: Annotated[str, typer.Argument(help="Node, as in raw.nodal_prices.")],
    k: Annotated[int, typer.Option("-k", "--count", min=1, max=200, help="How many.")] = 10,
    market: MarketName = "twin",
    day: Annotated[
        date | None, typer.Option("--date", parser=parse_day, metavar="YYYY-MM-DD", help="Delivery date; default the newest published.")
    ] = None,
    name: Name = "all",
    exact: Annotated[bool, typer.Option("--exact", help="Search in full instead of through the index.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """The nodes most like a node: those whose prices answer to the same limits."""
    from pipeline_tasks.steps.embed import node_neighbours

    with progress("searching", quiet=as_json):
        found = node_neighbours(node, k, market=market, name=name, day=day, exact=exact)
    if as_json:
        print_json(found)
        return
    print_rows(f"nodes most like {node}", found)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("embed")(embed)
    app.command("neighbours")(neighbours)
