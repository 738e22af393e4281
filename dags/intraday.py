"""Intraday: decisions made shortly before delivery, interval by interval, of one market."""

# mypy: disallow-untyped-decorators=False

from airflow.sdk import TaskGroup, dag

from dags import _tasks as tasks
from dags._factory import cron, dag_options, instant_params, models_in
from models._kernel.spec import Cadence

DOC = """
### Intraday run
ingest → validate raw → transform → validate features → per model that decides interval by interval: infer → publish

* **Idempotent**: the run at an instant publishes every decision of the day made up to then; made again, the bytes are the same. A day that
  is over is published once more as a whole, by the first run after it.
* **Champions** come from the nightly run; a model without one fails its own tasks only.
* **Scores and reports** are the nightly run's.
* Owner: quant-desk. Runbook: docs/runbooks.
"""

INTRADAY = models_in(Cadence.INTRADAY)


@dag(schedule=cron("intraday"), **dag_options("intraday", doc=DOC, tags=("intraday",), params=instant_params()))
def intraday() -> None:
    """Build the DAG from the registry."""
    loaded, raw, built = tasks.ingest(), tasks.validate.override(task_id="validate_raw")("raw"), tasks.transform()
    checked = tasks.validate.override(task_id="validate_features")("features")
    everything = [loaded, raw, built, checked]
    loaded >> raw >> built >> checked
    for spec in INTRADAY:
        with TaskGroup(spec.name, tooltip=spec.description):
            staged = tasks.infer(spec.name)
            published = tasks.publish(spec.name, staged)
        checked >> staged
        everything += [staged, published]
    everything >> tasks.failed()


dag = intraday()
