"""Commands about live markets: init market, backfill, feeds, payloads."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import typer

from pipeline_tasks.cli.console import JsonFlag, MarketName, Refused, command, counts_line, out, parse_day, print_json, print_rows, progress

init_app = typer.Typer(help="Set something up.", no_args_is_help=True)
MOST_OBJECTS = 20


@init_app.command("market")
@command
def init_market(
    name: Annotated[str, typer.Argument(help="Preset: caiso, ercot, de_lu, ... (`desk init market list` lists them).")],
    days: Annotated[int, typer.Option(help="Days of history to load; models say how many they need.", min=2, max=4000)] = 30,
    replace: Annotated[bool, typer.Option("--replace", help="Write the market's file anew.")] = False,
    run: Annotated[bool, typer.Option("--run/--no-run", help="Load the history and run the nightly DAG.")] = True,
    as_json: JsonFlag = False,
) -> None:
    """Set up a live market: write its YAML, check keys and reachability, load its history, run the nightly DAG."""
    from pipeline_tasks.steps.markets import check_market, described, missing, presets, write_market

    if name == "list":
        print_json(presets()) if as_json else print_rows("presets", [{"market": p} for p in presets()])
        return
    path, written = write_market(name, days=days, replace=replace)
    checks = check_market(name)
    result: dict[str, Any] = {"file": str(path), "written": written, "feeds": described(name), "checks": checks}
    if not as_json:
        out.print(
            f"{path} {'written' if written else 'is there already and kept (--replace writes it anew)'}", highlight=False, soft_wrap=True
        )
        print_rows("feeds", result["feeds"])
        print_rows("providers", [{"provider": c.provider, "ok": c.ok, "needed": c.needed, "found": c.said} for c in checks])
    if not_ready := list(missing(checks)):
        if as_json:
            print_json(result)
        raise Refused(
            f"market {name} is not ready: " + "; ".join(c.said for c in not_ready) + f"; then run `desk init market {name}` again"
        )
    if run:
        result |= _first_night(name, quiet=as_json)
    if as_json:
        print_json(result)
    if result.get("nightly", {}).get("status") == "FAILED":
        raise typer.Exit(1)


def _first_night(name: str, *, quiet: bool) -> dict[str, Any]:
    """History, and the nightly run of the newest delivery date whose gate is past."""
    from pipeline_tasks.cli.running import print_summary
    from pipeline_tasks.steps.backfill import backfill
    from pipeline_tasks.steps.faults import delivery_date_of
    from pipeline_tasks.steps.pipeline import run_nightly

    day = delivery_date_of(name, datetime.now(UTC)) - timedelta(days=1)
    with progress(f"ingest {name}", quiet=quiet) as say:
        loaded = backfill(name, last=day)
        if not quiet:
            out.print(counts_line(loaded), highlight=False)
        say(f"nightly {name} {day}")
        summary = run_nightly(source="live", market=name, delivery_date=day, on_progress=say)
    if not quiet:
        print_summary(summary, day)
    return {"ingest": loaded, "nightly": summary}


@command
def backfill(
    start: Annotated[date, typer.Option("--from", parser=parse_day, metavar="YYYY-MM-DD", help="First local day.")],
    end: Annotated[date, typer.Option("--to", parser=parse_day, metavar="YYYY-MM-DD", help="Last local day.")],
    market: MarketName,
    product: Annotated[list[str] | None, typer.Option(help="Only this provider/product; may be repeated.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Read chunks that are whole too.")] = False,
    replay: Annotated[bool, typer.Option("--replay", help="Parse kept answers again; nothing is fetched. Implies --again.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Load a range of days of a live market's feeds; resumable, and nothing that landed is fetched again."""
    from pipeline_tasks.steps.backfill import backfill as run

    with progress(f"backfill {market} {start}..{end}", quiet=as_json):
        result = run(market, first=start, last=end, objects=frozenset(product) if product else None, again=again or replay, offline=replay)
    if as_json:
        print_json(result)
        return
    print_rows("objects", result["objects"][-MOST_OBJECTS:])
    out.print(f"{counts_line(result)}; {result['requests']} requests; chunks {result['chunks']}", highlight=False)
    if result.get("reason"):
        out.print(f"status [bold]{result['status']}[/bold] {result['reason']}", highlight=False)


@command
def feeds(market: MarketName, as_json: JsonFlag = False) -> None:
    """Live feeds of a market: what each covers, the age of its newest row, its last outcome."""
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.cursors import feed_states

    with connect() as warehouse:
        states = feed_states(warehouse, market)
    now = datetime.now(UTC)
    rows = [
        {**row, "age_h": None if row["newest_known_ts"] is None else (now - row["newest_known_ts"]) / timedelta(hours=1)}
        for row in states.to_dicts()
    ]
    if as_json:
        print_json(rows)
    else:
        print_rows(f"feeds of {market}", rows)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(init_app, name="init")
    app.command("backfill")(backfill)
    app.command("feeds")(feeds)
