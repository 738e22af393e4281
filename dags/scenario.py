"""Scenario: from a trader's form to a decision plan that another person approves."""

# mypy: disallow-untyped-decorators=False

from datetime import timedelta

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, dag

from config.risk import load_risk
from dags import _tasks as tasks
from dags._factory import cron, dag_options, plan_params

DOC = """
### Scenario
1. `make_plan` forecasts the prices of up to five hubs as known at the gate, turns the dials, solves battery and hedge, checks the desk's
   limits (`config/risk.yaml`) and stores every number (`curated.decision_plans`) with its page under **Reports / plans**.
2. A plan that breaks a limit is **blocked**: it is shown with its reason and nobody can approve it.
3. `approve` waits for a person in **Required Actions**; nobody answers: the plan expires. **The person who asked cannot approve.** Until
   then the plan is a shadow: it is settled at realised prices like any other, and nothing is traded by it. No orders are ever sent.
"""
BODY = """
**{{ ti.xcom_pull(task_ids='make_plan')['plan_id'] }}** of **{{ params.market }}** for {{ params.delivery_date }}, desk {{ params.desk }}

{{ ti.xcom_pull(task_ids='make_plan')['text'] }}
"""
RISK = load_risk()
MANY = 1000  # runs that wait for an answer do not keep others from being asked for


@dag(schedule=cron("scenario"), **{**dag_options("scenario", doc=DOC, tags=("what-if",), params=plan_params()), "max_active_runs": MANY})
def scenario() -> None:
    """Build the DAG."""
    plan = tasks.make_plan()
    approve = HITLOperator(
        task_id="approve",
        subject="Approve the decision plan of {{ params.market }} for {{ params.delivery_date }}?",
        body=BODY,
        options=["Approve", "Reject"],
        params={"comment": Param("", type="string", description="Reason of the answer; kept in the audit log.")},
        response_timeout=timedelta(hours=RISK.approval_hours),
        retries=0,
        execution_timeout=None,
    )
    tasks.awaits_answer(plan) >> approve >> tasks.decide_plan(plan, approve.output)


dag = scenario()
