"""Benches of single steps: the gates over the simulated market, and the site of a run with published forecasts of every model."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pipeline_tasks.bench.core import Figure, scratch_home, seconds
from pipeline_tasks.bench.warehouse import TWIN_DATE, prepared


def gates() -> list[Figure]:
    """Rows per second that the gates check: all raw and all feature rows of the simulated market, results written and data docs apart.

    The first gate of a process, which imports Great Expectations, stands by itself.
    """
    from pipeline_tasks.steps.validate import validate

    def check(layer: Literal["raw", "features"]) -> float:
        answer = validate(layer, market="twin", run_id=f"bench:{layer}", end_date=TWIN_DATE)
        return float(sum(answer["rows_checked"].values()))

    with scratch_home():
        prepared()
        figures = [Figure("raw, the first gate of a process", "gate_seconds", seconds(lambda: check("raw"), runs=1), "s")]
        for layer in ("raw", "features"):
            rows, taken = check(layer), seconds(partial(check, layer), runs=3)
            figures.append(Figure(f"{layer}, {int(rows):,} rows", "gate", rows / taken, "rows/s", runs=3))
            figures.append(Figure(f"{layer}, {int(rows):,} rows", "gate_seconds", taken, "s", runs=3))
    return figures


def report() -> list[Figure]:
    """Seconds to write the report site after inference and publication of every model for one hub of the simulated market."""
    from config.markets import resolve_market
    from models._kernel.registry import model_names
    from pipeline_tasks.steps.context import RunContext
    from pipeline_tasks.steps.infer import infer
    from pipeline_tasks.steps.publish import publish
    from pipeline_tasks.steps.report import report as write
    from pipeline_tasks.steps.train import bootstrap

    selection = resolve_market("twin")
    hub = f"twin_{selection.hubs[0].lower()}"
    with scratch_home():
        prepared(("staging", "intermediate", "features", "marts"))
        ctx = RunContext(source="twin", market=hub, delivery_date=TWIN_DATE)

        def answer() -> None:
            for name in model_names():
                bootstrap(ctx, name)
                infer(ctx, name)
                publish(ctx, name)

        answered = seconds(answer, runs=1)
        taken = seconds(lambda: write(ctx), runs=3)
    return [
        Figure(f"{len(model_names())} models, one hub, one day", "report_site", taken, "s", runs=3),
        Figure(f"{len(model_names())} models, one hub", "bootstrap_infer_publish", answered, "s"),
    ]
