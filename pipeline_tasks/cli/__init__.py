"""The `desk` command line: one command per thing a desk does, every one with `--json`."""

from __future__ import annotations

import os
import sys

import structlog
import typer

from config.settings import get_settings
from pipeline_tasks.cli import (
    cross_asset,
    data,
    govern,
    grid,
    live,
    modelling,
    nodes,
    participants,
    plans,
    running,
    simulate,
    soak,
    stack,
    twin,
    twin_days,
    watch,
)
from pipeline_tasks.processes import MATH_THREADS

app = typer.Typer(
    name="desk",
    help=(
        "powerdesk: nightly and intraday analytics of a power, LNG and carbon desk.\n\n"
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a check said no."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (
    running,
    plans,
    live,
    soak,
    simulate,
    grid,
    nodes,
    participants,
    cross_asset,
    data,
    modelling,
    govern,
    watch,
    twin_days,
    twin,
    stack,
):
    module.register(app)


def main() -> None:
    """Entry point of the `desk` script."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("NUMBA_CACHE_DIR", str(get_settings().home / "compiled"))  # the grid kernel compiles once, not once a call
    for name, count in MATH_THREADS.items():
        os.environ.setdefault(name, count)
    # stdout belongs to results: `--json` prints one document and nothing else
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    app()
