"""Maintenance: the nightly upkeep of the warehouse."""

# mypy: disallow-untyped-decorators=False

from airflow.sdk import dag

from dags import _tasks as tasks
from dags._factory import cron, dag_options, run_params

DOC = """
### Maintenance
Checks the audit chain (a changed row fails the run), backs the registry up, merges small parts, writes the data docs, and
forgets raw answers of live feeds beyond their retention.
"""


@dag(schedule=cron("maintenance"), **dag_options("maintenance", doc=DOC, tags=("upkeep",), params=run_params()))
def maintenance() -> None:
    """Build the DAG."""
    verified = tasks.maintain.override(task_id="verify_audit")("verify_audit")
    saved = tasks.maintain.override(task_id="back_up_registry")("back_up_registry")
    merged = tasks.maintain.override(task_id="optimise")("optimise")
    written = tasks.maintain.override(task_id="data_docs")("data_docs")
    pruned = tasks.maintain.override(task_id="prune_payloads")("prune_payloads")
    verified >> saved >> merged >> written >> pruned


dag = maintenance()
