"""Backfill: a range of days of a live market, one mapped task per provider."""

# mypy: disallow-untyped-decorators=False

from airflow.sdk import dag

from dags import _tasks as tasks
from dags._factory import backfill_params, cron, dag_options

DOC = """
### Backfill of live feeds
One task per provider (pool `live`), each chunk by chunk: fetched within the provider's rate, kept raw, checked, loaded exactly once and
written down in `ops.ingest_cursors`. A run that was killed, or is run again, fetches nothing that landed.
"""


@dag(schedule=cron("backfill"), **dag_options("backfill", doc=DOC, tags=("live",), params=backfill_params()))
def backfill() -> None:
    """Build the DAG."""
    tasks.backfill.expand(provider=tasks.live_providers())


dag = backfill()
