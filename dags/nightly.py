"""Nightly: one delivery date of one market, from the source to the report."""

# mypy: disallow-untyped-decorators=False

from airflow.sdk import TaskGroup, dag

from dags import _tasks as tasks
from dags._factory import cron, dag_options, effort, models_in, run_params
from models._kernel.spec import Cadence

DOC = """
### Nightly run
ingest → validate raw → transform → validate features → drift → regime → per model: infer → gate → publish → evaluate → shadow → watch
→ marts → cross-asset → report; beside the transform: learn sensitivities (how limits answer to nodes, from their prices)

* **Idempotent**: a delivery date run twice gives byte-identical partitions (`desk audit hash`).
* **Fresh install**: a model without champion is trained some delivery days back and promoted under its own audit action;
  the run then publishes the delivery dates in between as well, each with its own decision time.
* **Upstream faults** (late or missing data) degrade the forecast and say why; a broken blocking check ends the run.
* **Gated** (docs/regimes.md): the market's regime is published first and written with every forecast; its gate may down-weight or block.
* **Watched** (docs/watch.md): drift and data faults, parity of what was served, challengers in the shadow, champions' standing.
* Owner: quant-desk. Runbook: docs/runbooks.
"""

NIGHTLY = models_in(Cadence.NIGHTLY)


@dag(schedule=cron("nightly"), **dag_options("nightly", doc=DOC, tags=("nightly",), params=run_params()))
def nightly() -> None:
    """Build the DAG from the registry."""
    names = sorted((spec.name for spec in NIGHTLY), key=lambda name: (-effort(name), name))
    loaded, raw, built = tasks.ingest(), tasks.validate.override(task_id="validate_raw")("raw"), tasks.transform()
    checked = tasks.validate.override(task_id="validate_features")("features")
    missing = tasks.without_champion(names)
    first = tasks.bootstrap.expand(model=missing)
    scored, finished = tasks.evaluate(names), tasks.report()
    drifted, shadowed, watched = tasks.drift(names), tasks.shadow(names), tasks.watch(names)
    limits = tasks.learn_sensitivities()
    everything = [loaded, raw, built, checked, drifted, missing, first, scored, shadowed, watched, limits]
    raw >> limits
    loaded >> raw >> built >> checked >> [missing, drifted]
    before = [first, drifted]
    for spec in sorted(NIGHTLY, key=lambda spec: not spec.precedes_all):
        with TaskGroup(spec.name, tooltip=spec.description):
            staged = tasks.infer(spec.name)
            published = tasks.publish(spec.name, staged)
        before >> staged
        before = [*before, published] if spec.precedes_all else before
        published >> scored
        everything += [staged, published]
    made, crossed, settled = tasks.marts(), tasks.cross_asset(), tasks.settle_plans()
    scored >> [shadowed, made, settled]
    shadowed >> watched
    made >> crossed
    [crossed, watched, limits, settled] >> finished
    [*everything, made, crossed, settled, finished] >> tasks.failed()


dag = nightly()
