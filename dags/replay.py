"""Replay: make published delivery dates again and compare the bytes."""

# mypy: disallow-untyped-decorators=False

from airflow.sdk import dag

from dags import _tasks as tasks
from dags._factory import cron, dag_options, date_param, models_in, run_params
from models._kernel.spec import Cadence

DOC = """
### Replay
For every published delivery date of the range: forecast again with the version that was published, from what was known at that
date's gate, and compare each partition's hash with what readers see. Nothing is written; a difference is reported with its columns.
"""
PARAMS = run_params()
PARAMS.pop("delivery_date")
PARAMS |= {"start_date": date_param("First delivery date.", required=True), "end_date": date_param("Last delivery date.", required=True)}


@dag(schedule=cron("replay"), **dag_options("replay", doc=DOC, tags=("audit",), params=PARAMS))
def replay() -> None:
    """Build the DAG."""
    names = [spec.name for spec in models_in(Cadence.NIGHTLY)]
    tasks.replay.partial(models=names).expand(day=tasks.published_dates(names))


dag = replay()
