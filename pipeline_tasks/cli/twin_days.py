"""Commands about the days of the simulated market: generate, hash."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from pipeline_tasks.cli.console import Day, JsonFlag, command, out, print_json, print_rows, progress
from pipeline_tasks.cli.twin import twin_app

ProfileName = Annotated[str, typer.Option("--profile", help="Profile of config/twin/profiles.yaml; that of the settings when left out.")]
Processes = Annotated[int, typer.Option("--processes", help="Processes that generate; 0 for as many as there are cores.", min=0)]


@command
def generate(profile: ProfileName = "", day: Day = date(2026, 6, 15), processes: Processes = 0, as_json: JsonFlag = False) -> None:
    """Make the days up to a date that are not there yet; a broken run goes on where it stopped."""
    from pipeline_tasks.twin.content import make

    with progress("twin", quiet=as_json) as say:
        made = make(profile, day, processes=processes or None, on_progress=lambda k, n: say(f"twin: day {k} of {n}"))
    if as_json:
        print_json(made)
    else:
        out.print(
            f"{made['days']} days ({made['made']} new in {made['seconds']:.1f} s) in {made['folder']}", highlight=False, soft_wrap=True
        )


@command
def content_hash(profile: ProfileName = "", day: Day = date(2026, 6, 15), processes: Processes = 0, as_json: JsonFlag = False) -> None:
    """SHA-256 over all rows up to a date, part by part; generates what is missing."""
    from pipeline_tasks.twin.content import hashes

    with progress("twin", quiet=as_json) as say:
        found = hashes(profile, day, processes=processes or None, on_progress=lambda k, n: say(f"twin: day {k} of {n}"))
    if as_json:
        print_json(found)
        return
    print_rows(f"profile {found['profile']}, {found['first']} to {found['last']}", found["parts"])
    out.print(f"sha256 {found['sha']}", highlight=False)


def register(_: typer.Typer) -> None:
    """Add the commands of this module to `desk twin`."""
    twin_app.command("generate")(generate)
    twin_app.command("hash")(content_hash)
