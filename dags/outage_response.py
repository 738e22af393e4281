"""Outage response: what the market made of outages that really happened, weekly."""

# mypy: disallow-untyped-decorators=False

from airflow.sdk import Param, dag

from dags import _tasks as tasks
from dags._factory import cron, dag_options, run_params

DOC = """
### Outage response
Asks the simulator about every planned outage of a branch that began before the delivery date, with what was public then, and compares
with what congestion did. What is learned (a median regression and a 90 % band) is registered in MLflow as `opf_surrogate`; simulations of
later decisions then tell an expected change with a band beside their exact answer. Too few outages that move congestion: DEGRADED, and what
was registered before stays. `desk simulate calibrate` does the same from a shell.
"""
PARAMS = {
    **run_params(),
    "days": Param(400, type="integer", minimum=30, maximum=2000, description="Days looked back for outages that began."),
}


@dag(schedule=cron("outage_response"), **dag_options("outage_response", doc=DOC, tags=("training",), params=PARAMS))
def outage_response() -> None:
    """Build the DAG."""
    tasks.learn_outage_response()


dag = outage_response()
