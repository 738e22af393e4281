"""Commands about the running stack: up, down, status."""

from __future__ import annotations

import typer

from pipeline_tasks.cli.console import JsonFlag, command, out, print_json, print_rows, progress


@command
def up(as_json: JsonFlag = False) -> None:
    """Start ClickHouse and Airflow in the background and wait until the UI answers."""
    from pipeline_tasks.stack import up as start

    with progress("starting", quiet=as_json) as say:
        state = start(on_progress=say)
    if as_json:
        print_json(state)
        return
    print_rows("running", state["components"])
    out.print(f"Airflow: {state['airflow_url']}  (accounts and passwords: {state['accounts_file']})", highlight=False, soft_wrap=True)


@command
def down(as_json: JsonFlag = False) -> None:
    """Stop everything that `desk up` or a run started."""
    from pipeline_tasks.stack import down as stop

    with progress("stopping", quiet=as_json):
        state = stop()
    if as_json:
        print_json(state)
    else:
        print_rows("stopped", state["components"])


@command
def status(as_json: JsonFlag = False) -> None:
    """Show what runs, where, and the last run of each market."""
    from pipeline_tasks.stack import status as look

    state = look()
    if as_json:
        print_json(state)
        return
    print_rows("components", state["components"])
    print_rows("last runs", state.get("last_runs", []))


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("up")(up)
    app.command("down")(down)
    app.command("status")(status)
