"""Participants: what the units of a market are expected to offer for a delivery date, learned from public offers; asked by a form."""

# mypy: disallow-untyped-decorators=False

from airflow.sdk import Param, dag

from dags import _tasks as tasks
from dags._factory import cron, dag_options, date_param, market_names

DOC = """
### Participants
Learns each unit's policy from the offers that were public at the gate of the delivery date (costs by inverse optimisation, markups, habits,
rewards of stores), registers the run in MLflow, and publishes `curated.participant_policies` and `curated.offer_curves`. The same market
and date replaces what was published before. `desk participants learn` does the same from a shell.
"""
PARAMS = {
    "market": Param("twin", type="string", enum=market_names(), description="Market whose offers are public: twin or gb_bm."),
    "delivery_date": date_param("Delivery date, market-local.", required=True),
}


@dag(schedule=cron("participants"), **dag_options("participants", doc=DOC, tags=("behaviour",), params=PARAMS))
def participants() -> None:
    """Build the DAG."""
    tasks.learn_participants()


dag = participants()
