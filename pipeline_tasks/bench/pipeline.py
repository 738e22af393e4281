"""Bench of the report: the site of a run with published forecasts of every model."""

from __future__ import annotations

from pipeline_tasks.bench.core import Figure, scratch_home, seconds
from pipeline_tasks.bench.warehouse import TWIN_DATE, prepared


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
