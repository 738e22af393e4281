"""Promote: a person, not the requester, makes a challenger champion."""

# mypy: disallow-untyped-decorators=False

from datetime import timedelta

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, dag

from dags import _tasks as tasks
from dags._factory import cron, dag_options, model_param, run_params
from pipeline_tasks.steps.schedules import load_schedules

DOC = """
### Promotion
1. `request_promotion` shows the challenger (or the version named), its gate and the present champion.
2. `approve` waits for a person in **Required Actions**. Nobody answers: the request expires and nothing changes.
3. `decide_promotion` reads who answered. **The requester cannot approve**; a missed gate cannot be promoted. Both answers go to
   ops.approvals and into the hash-chained ops.audit_log.
"""
PARAMS = {k: v for k, v in run_params().items() if k == "market"} | {
    "model": model_param(),
    "version": Param(None, type=["null", "string"], description="Registry version; empty: the challenger."),
    "reason": Param(None, type=["null", "string"], maxLength=500, description="Why it should become champion."),
}
BODY = """
**{{ params.model }}** of **{{ params.market }}**, asked for because: {{ params.reason or '(no reason given)' }}

{{ ti.xcom_pull(task_ids='request_promotion')['text'] }}
"""


@dag(schedule=cron("promote"), **dag_options("promote", doc=DOC, tags=("governance",), params=PARAMS))
def promote() -> None:
    """Build the DAG."""
    asked = tasks.request_promotion()
    approve = HITLOperator(
        task_id="approve",
        subject="Make {{ params.model }} champion of {{ params.market }}?",
        body=BODY,
        options=["Approve", "Reject"],
        params={"comment": Param("", type="string", description="Reason of the answer; kept in the audit log.")},
        response_timeout=timedelta(hours=load_schedules().approval_hours),
        retries=0,
        execution_timeout=None,
    )
    asked >> approve >> tasks.decide_promotion(asked, approve.output)


dag = promote()
