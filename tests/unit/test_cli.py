"""The command line: every command documented, with --json, stable exit codes and errors that name the remedy."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click
import pytest
import typer
from typer.testing import CliRunner

from pipeline_tasks.cli import app
from pipeline_tasks.cli.console import ExitCode, counts_line, plain

runner = CliRunner()
ROOT = typer.main.get_command(app)


def _leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from _leaves(child, (*path, name))


LEAVES = list(_leaves(ROOT))


def test_all_promised_commands_exist() -> None:
    promised = {
        "run", "up", "down", "status", "doctor", "ingest", "train", "infer", "promote", "scorecard", "bench", "query", "report", "export", "audit", "gen",
        "new-model", "kill-switch",
    }  # fmt: skip
    assert promised <= {path[0] for path, _ in LEAVES}
    assert {("twin", "generate"), ("twin", "hash"), ("twin", "report")} <= {path for path, _ in LEAVES}


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(p) for p, _ in LEAVES])
def test_every_command_has_help_and_json(path: tuple[str, ...], command: click.Command) -> None:
    assert command.help
    assert any("--json" in p.opts for p in command.params), path
    result = runner.invoke(app, [*path, "--help"])
    assert result.exit_code == 0


def test_exit_codes_are_stable() -> None:
    assert {c.name: c.value for c in ExitCode} == {"OK": 0, "FAILED": 1, "USAGE": 2, "REFUSED": 3}


def test_a_bad_date_is_a_usage_error_that_shows_the_form() -> None:
    result = runner.invoke(app, ["run", "nightly", "--date", "15.06.2017"])
    assert result.exit_code == ExitCode.USAGE
    assert "YYYY-MM-DD" in result.output


def test_an_unknown_table_lists_what_can_be_exported() -> None:
    result = runner.invoke(app, ["export", "raw.prices", "--output", "x.csv"])
    assert result.exit_code == ExitCode.USAGE
    assert "curated.v_curve_dist" in result.output


def test_standalone_inference_needs_both_folders() -> None:
    result = runner.invoke(app, ["infer", "curve_dist", "--data", "somewhere"])
    assert result.exit_code == ExitCode.USAGE
    assert "--artifact" in result.output


def test_models_as_json_is_one_document() -> None:
    result = runner.invoke(app, ["models", "--json"])
    assert result.exit_code == 0
    assert {"curve_dist", "spike_risk"} <= {row["model"] for row in json.loads(result.stdout)}


def test_plain_makes_json_of_dates_and_dataclasses() -> None:
    from datetime import UTC, date, datetime
    from pathlib import Path

    assert plain({"d": date(2026, 1, 2), "t": datetime(2026, 1, 2, 3, tzinfo=UTC), "p": Path("a"), "l": (1,)}) == {
        "d": "2026-01-02", "t": "2026-01-02T03:00:00+00:00", "p": "a", "l": [1],
    }  # fmt: skip


def test_counts_line_states_the_equation() -> None:
    line = counts_line({"rows_read": 10, "rows_loaded": 7, "rows_quarantined": 2, "rows_duplicate": 1})
    assert line == "rows read 10 = loaded 7 + quarantined 2 + already there 1"
