"""Kill switch: a model, a market, a run or everything is hidden from every reader at once, or shown again."""

# mypy: disallow-untyped-decorators=False

from airflow.sdk import Param, dag

from dags import _tasks as tasks
from dags._factory import cron, dag_options

DOC = """
### Kill switch
What the form names is hidden from every reader from their next query on, and no decision plan is made of it or answered. Turn it off the
same way. Who did it and why goes into `ops.kill_switch` and the hash-chained `ops.audit_log`; **Reports / plans** shows what is on.
"""
PARAMS = {
    "scope": Param("model", type="string", enum=["model", "market", "run", "all"], description="What is hidden."),
    "target": Param("", type="string", minLength=1, maxLength=200, description="Name of the model, market or run; * with scope all."),
    "active": Param(True, type="boolean", description="On hides, off shows again."),
    "reason": Param("", type="string", minLength=3, maxLength=500, description="Why; kept in the audit log."),
}


@dag(schedule=cron("kill_switch"), **dag_options("kill_switch", doc=DOC, tags=("governance",), params=PARAMS))
def kill_switch() -> None:
    """Build the DAG."""
    tasks.turn_switch()


dag = kill_switch()
