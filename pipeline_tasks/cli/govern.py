"""Commands of control: audit, kill-switch, doctor."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from pipeline_tasks.cli.console import JsonFlag, Refused, command, out, parse_day, print_json, print_rows, progress

audit_app = typer.Typer(help="The hash-chained audit log and the bytes of what was published.", no_args_is_help=True)
kill_app = typer.Typer(help="Hide a model, a market or a run from every reader at once.", no_args_is_help=True)


@audit_app.command("verify")
@command
def verify(as_json: JsonFlag = False) -> None:
    """Check the whole chain; exit 3 and the first broken row when it was tampered with."""
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.audit import verify as verify_chain

    with connect() as warehouse:
        report = verify_chain(warehouse)
    if as_json:
        print_json(report)
    else:
        out.print(f"audit chain: {report.rows} rows, {'intact' if report.ok else report.message}", highlight=False)
    if not report.ok:
        raise Refused(report.message)


@audit_app.command("hash")
@command
def hashes(
    market: Annotated[str, typer.Option(help="Market key; default all.")] = "",
    day: Annotated[date | None, typer.Option("--date", parser=parse_day, metavar="YYYY-MM-DD", help="Delivery date; default all.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Print the content hash of every published partition, computed now, beside the one that was recorded."""
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.audit import published_hashes

    with connect() as warehouse:
        rows = published_hashes(warehouse, market=market, delivery_date=day)
    if as_json:
        print_json(rows)
    else:
        print_rows("partitions", rows)
    if any(not row["matches"] for row in rows):
        raise Refused("a partition differs from what was published; see the rows with matches = False")


@audit_app.command("log")
@command
def log(limit: Annotated[int, typer.Option(help="Newest rows to show.", min=1)] = 20, as_json: JsonFlag = False) -> None:
    """Show the newest rows of the audit log."""
    from pipeline_tasks.warehouse import connect

    with connect() as warehouse:
        rows = warehouse.query(
            "select seq, at_ts, actor, action, subject, row_sha from ops.audit_log order by seq desc limit {n:UInt32}", {"n": limit}
        ).to_dicts()
    if as_json:
        print_json(rows)
    else:
        print_rows("audit log", rows)


def _switch(scope: str, target: str, *, active: bool, reason: str, as_json: bool) -> None:
    from config.settings import get_settings
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.switch import set_kill_switch

    with connect() as warehouse:
        set_kill_switch(warehouse, scope=scope, target=target, active=active, reason=reason, actor=get_settings().actor)
    if as_json:
        print_json({"scope": scope, "target": target, "active": active})
    else:
        out.print(f"{scope} {target}: {'hidden from readers' if active else 'visible again'}", highlight=False)


Scope = Annotated[str, typer.Argument(help="model, market, run or all.")]
Target = Annotated[str, typer.Argument(help="Name of the model, market or run; '*' with all.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit log.")]


@kill_app.command("on")
@command
def kill_on(scope: Scope, target: Target, reason: Reason, as_json: JsonFlag = False) -> None:
    """Hide the target; the next query no longer sees it."""
    _switch(scope, target, active=True, reason=reason, as_json=as_json)


@kill_app.command("off")
@command
def kill_off(scope: Scope, target: Target, reason: Reason, as_json: JsonFlag = False) -> None:
    """Show the target again."""
    _switch(scope, target, active=False, reason=reason, as_json=as_json)


@kill_app.command("list")
@command
def kill_list(as_json: JsonFlag = False) -> None:
    """List the switches that are on."""
    from pipeline_tasks.warehouse import connect

    with connect() as warehouse:
        rows = warehouse.query(
            "select scope, target, argMax(reason, at_ts) as reason, argMax(actor, at_ts) as actor, max(at_ts) as since_ts"
            " from ops.kill_switch group by scope, target having argMax(active, at_ts) order by scope, target"
        ).to_dicts()
    if as_json:
        print_json(rows)
    else:
        print_rows("kill switches that are on", rows)


@command
def doctor(as_json: JsonFlag = False) -> None:
    """Check every component and say how to mend what is wrong; exit 3 when something is."""
    from pipeline_tasks.doctor import check_all

    with progress("doctor", quiet=as_json):
        checks = check_all()
    if as_json:
        print_json(checks)
    else:
        print_rows(
            "doctor",
            [{"check": c.name, "state": "ok" if c.ok else "WRONG", "detail": c.detail, "remedy": "" if c.ok else c.remedy} for c in checks],
        )
    if not all(c.ok for c in checks):
        raise Refused("at least one component needs mending; see the remedies above")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(audit_app, name="audit")
    app.add_typer(kill_app, name="kill-switch")
    app.command("doctor")(doctor)
