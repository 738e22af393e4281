"""Intraday: decisions made shortly before delivery, interval by interval, of one market."""

# mypy: disallow-untyped-decorators=False

from airflow.sdk import TaskGroup, dag

from dags import _tasks as tasks
from dags._factory import cron, dag_options, instant_params, models_in
from models._kernel.spec import Cadence

DOC = """
### Intraday run
ingest → validate raw → transform → validate features → per model that decides interval by interval: infer → publish;
beside them, after the raw gate: sensitivities (what the loss of each branch would do to the prices of the hour under way)

* **Incremental**: a run reads what arrived since the run before it, rebuilds what its models read, looks at the newest dates, and asks the
  models for decisions that are not published yet. Missed runs are made good by the next one.
* **Idempotent**: the run at an instant publishes every decision of the day made up to then; made again, the bytes are the same. A day that
  is over is published once more as a whole, by the first run after it. A published decision stays as it was, whatever arrives late.
* **Late, missing, unreachable**: the decisions made of old prices are published with a wider band, DEGRADED and with the reason.
* **Gated**: the regime of the day under way, published by the nightly run, is written with every decision and acts on it (docs/regimes.md).
* **Champions** come from the nightly run; a model without one fails its own tasks only.
* **Scores and reports** are the nightly run's.
* Owner: quant-desk. What it does and what to do when data are late: docs/intraday.md.
"""

INTRADAY = models_in(Cadence.INTRADAY)


@dag(schedule=cron("intraday"), **dag_options("intraday", doc=DOC, tags=("intraday",), params=instant_params()))
def intraday() -> None:
    """Build the DAG from the registry."""
    loaded, raw, built = tasks.ingest(), tasks.validate.override(task_id="validate_raw")("raw"), tasks.transform()
    checked = tasks.validate.override(task_id="validate_features")("features")
    grid = tasks.sensitivities()
    everything = [loaded, raw, built, checked, grid]
    loaded >> raw >> built >> checked
    raw >> grid
    for spec in INTRADAY:
        with TaskGroup(spec.name, tooltip=spec.description):
            staged = tasks.infer(spec.name)
            published = tasks.publish(spec.name, staged)
        checked >> staged
        everything += [staged, published]
    everything >> tasks.failed()


dag = intraday()
