"""Commands about the simulated market: report."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline_tasks.cli.console import JsonFlag, command, out, print_json, print_rows, progress

twin_app = typer.Typer(help="The simulated market (synthetic).", no_args_is_help=True)


@twin_app.command("report")
@command
def report(
    market: Annotated[
        list[str] | None, typer.Option("--market", help="Real market to compute anew; repeatable; default all with prices.")
    ] = None,
    ingest: Annotated[bool, typer.Option("--ingest", help="First load the real files from DESK_DATA_DIR.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute also what has not changed since it was stored.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Also facts that only one side has, and price levels.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare the simulated market with real ones: stylised facts side by side, and where the twin is off."""
    from pipeline_tasks.reports.site import write_realism_page
    from pipeline_tasks.twin.realism.assess import compared
    from pipeline_tasks.twin.realism.report import realism_report

    with progress("realism", quiet=as_json) as say:
        made = realism_report(market or None, ingest=ingest, fresh=fresh, progress=say)
        page = write_realism_page(made.facts)
    if as_json:
        print_json({"page": page, "written": made.written, "sentences": made.sentences, "findings": [f.to_dict() for f in made.findings]})
        return
    judged = compared(made.findings)
    rows = [_row(f, made.data_sets) for f in made.findings if every or (f in judged)]
    print_rows("twin (synthetic) beside real markets; typical year", rows)
    for sentence in made.sentences:
        out.print(sentence, highlight=False, soft_wrap=True)
    out.print(f"page: {page}", highlight=False, soft_wrap=True)


def _row(finding: Any, data_sets: list[str]) -> dict[str, str]:
    """One line of the table, values written as the catalogue says."""
    text = finding.fact.text
    cells = {name: text(finding.real.get(name)) if i else finding.twin_text for i, name in enumerate(data_sets)}
    return {"fact": finding.name, **cells, "verdict": finding.verdict.value}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(twin_app, name="twin")
