"""Commands of the watch over models: parity, schemas, drift, verdicts; and of the registry: champions, rollback, backups."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline_tasks.cli.console import Day, JsonFlag, MarketName, Refused, command, out, print_json, print_rows

watch_app = typer.Typer(help="What is watched of models in use: parity, schemas, drift, challengers.", no_args_is_help=True)
registry_app = typer.Typer(help="Versions and champions: history, rollback, comparison, export, backups.", no_args_is_help=True)
ModelName = Annotated[str, typer.Argument(help="Model name; `desk models` lists them.")]
Actor = Annotated[str, typer.Option(help="Who acts; default: the actor of the settings.")]


def _show(title: str, rows: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
    elif isinstance(rows, dict):
        print_rows(title, [{"field": k, "value": v} for k, v in rows.items()])
    else:
        print_rows(title, rows)


@watch_app.command("parity")
@command
def parity(name: ModelName, market: MarketName = "twin", as_json: JsonFlag = False) -> None:
    """Compare the values a model was served with their rebuild, exactly; exit 3 when one differs."""
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.watch.parity import check_recent

    with connect() as warehouse:
        found = check_recent(warehouse, name, market)
    row = {k: getattr(found, k) for k in ("samples", "rows", "mismatches", "schema_mismatches", "rebuilt_rows", "example")}
    _show("parity", row, as_json=as_json)
    if found.samples and not found.holds:
        raise Refused(found.example)


def _table(sql: str, title: str, params: dict[str, Any], *, as_json: bool) -> None:
    from pipeline_tasks.warehouse import connect

    with connect() as warehouse:
        rows = warehouse.query(sql, params).to_dicts()
    _show(title, rows, as_json=as_json)


@watch_app.command("schemas")
@command
def schemas(
    table: Annotated[str, typer.Option(help="database.name; default: the newest version of every table.")] = "", as_json: JsonFlag = False
) -> None:
    """List versions of schemas and what changed."""
    newest = " limit 1 by table_name" if not table else ""
    sql = (
        "select table_name, version, at_ts, schema_sha, changes from ops.schema_versions"
        f" where {{table:String}} = '' or table_name = {{table:String}} order by table_name, version desc{newest}"
    )
    _table(sql, "schemas", {"table": table}, as_json=as_json)


@watch_app.command("drift")
@command
def drift(
    market: MarketName = "twin",
    day: Day = date(2026, 6, 15),
    everything: Annotated[bool, typer.Option("--all", help="Quiet detectors too.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show the detectors that alarmed in the night of a delivery date."""
    sql = (
        "select hub, feature, delivery_date, detector, statistic, threshold, severity, reference from ops.drift"
        " where market = {market:String} and run_id like {run:String} and (alarm or {all:Bool})"
        " order by severity = 'severe' desc, statistic / threshold desc, at_ts desc limit 1 by hub, feature, delivery_date, detector"
    )
    _table(sql, f"drift in the night of {day}", {"market": market, "run": f"%:{market}:{day}", "all": everything}, as_json=as_json)


@watch_app.command("verdicts")
@command
def verdicts(market: MarketName = "twin", as_json: JsonFlag = False) -> None:
    """Show the newest verdict on every champion and challenger of a market."""
    sql = (
        "select model, question, champion_version, rival, days, champion_loss, rival_loss, e_value, threshold, power, inputs_equal_share,"
        " verdict, reason from ops.shadow_verdicts where market = {market:String} order by model, question, as_of desc, at_ts desc"
        " limit 1 by model, question"
    )
    _table(sql, "verdicts", {"market": market}, as_json=as_json)


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no instant; write it like 2026-06-15T10:30:00+00:00") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@registry_app.command("champion")
@command
def champion(
    name: ModelName,
    market: MarketName = "twin",
    at: Annotated[str, typer.Option(help="Instant, ISO (UTC unless it says otherwise); default now.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Who was champion at an instant, exactly, from the audit log; exit 3 when nobody was."""
    from pipeline_tasks.steps.registry import champion_at

    found = champion_at(model=name, market=market, instant=_instant(at) if at else datetime.now(UTC))
    if found is None:
        raise Refused(f"{name} had no champion for {market} then")
    _show("champion", found, as_json=as_json)


@registry_app.command("history")
@command
def history(name: ModelName, market: MarketName = "twin", as_json: JsonFlag = False) -> None:
    """Every champion, from when to when, and by whose word."""
    from pipeline_tasks.steps.registry import history as reigns

    keep = ("version", "since_ts", "until_ts", "action", "actor", "requester", "previous", "comment")
    rows = [{k: r.get(k) for k in keep} for r in reigns(model=name, market=market)]
    _show("champions", rows, as_json=as_json)


@registry_app.command("rollback")
@command
def rollback(
    name: ModelName,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")],
    to: Annotated[str, typer.Option(help="Version; default: the champion before the present one.")] = "",
    actor: Actor = "",
    market: MarketName = "twin",
    as_json: JsonFlag = False,
) -> None:
    """Return to a former champion at once."""
    from config.settings import get_settings
    from pipeline_tasks.steps.registry import rollback as act

    made = act(model=name, market=market, actor=actor or get_settings().actor, reason=reason, to=to)
    _show("champion now", made, as_json=as_json)


@registry_app.command("compare")
@command
def compare(
    name: ModelName,
    first: Annotated[str, typer.Argument(help="Version.")],
    second: Annotated[str, typer.Argument(help="Version.")],
    market: MarketName = "twin",
    as_json: JsonFlag = False,
) -> None:
    """Two versions side by side: data, code, parameters, gate, published metrics."""
    from pipeline_tasks.steps.registry import compare as beside

    _show(f"{name} {first} and {second}", beside(model=name, market=market, first=first, second=second), as_json=as_json)


@registry_app.command("export")
@command
def export(folder: Annotated[Path, typer.Argument(help="New folder for registry.json and artifacts.")], as_json: JsonFlag = False) -> None:
    """Write the whole registry to a folder."""
    from pipeline_tasks.tracking.exchange import export_registry

    document = export_registry(folder)
    if as_json:
        print_json(document)
    else:
        out.print(f"{sum(len(m['versions']) for m in document['models'])} versions written to {folder}", highlight=False)


@registry_app.command("import")
@command
def import_(folder: Annotated[Path, typer.Argument(help="Folder of an export or a backup.")], as_json: JsonFlag = False) -> None:
    """Fill an empty registry from an export or a backup."""
    from pipeline_tasks.tracking.exchange import import_registry

    document = import_registry(folder)
    if as_json:
        print_json(document)
    else:
        out.print(f"{sum(len(m['versions']) for m in document['models'])} versions imported", highlight=False)


@registry_app.command("backup")
@command
def backup(as_json: JsonFlag = False) -> None:
    """Back the registry up; the maintenance DAG does so every night."""
    from pipeline_tasks.steps.registry import back_up

    _show("backup", back_up(), as_json=as_json)


@registry_app.command("backups")
@command
def list_backups(as_json: JsonFlag = False) -> None:
    """List the backups, oldest first; `desk registry import` restores one."""
    from pipeline_tasks.tracking.exchange import backups

    _show("backups", [{"path": str(p)} for p in backups()], as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(watch_app, name="watch")
    app.add_typer(registry_app, name="registry")
