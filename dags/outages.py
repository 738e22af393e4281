"""Outages: what they would do to the prices of a delivery date; asked by a form."""

# mypy: disallow-untyped-decorators=False

from airflow.sdk import Param, dag

from dags import _tasks as tasks
from dags._factory import cron, dag_options, date_param, market_names

DOC = """
### Outages
Solves the network of a market for every outage that the form names, exactly and with a proof, from what was known at the delivery date's
gate, and publishes price changes (`curated.outage_impacts`), limits that bind (`curated.outage_constraints`) and cost
(`curated.outage_scenarios`). The same name for the same date replaces what was said before. `desk simulate outages` does the same from a
shell, and takes files of thousands.
"""
NAMES = {"type": "array", "items": {"type": "string", "maxLength": 200}}
PARAMS = {
    "market": Param("twin", type="string", enum=market_names(), description="Market with a network model."),
    "delivery_date": date_param("Delivery date, market-local.", required=True),
    "lines": Param(["all"], description="Branches, a scenario each; A+B loses both at once; all: each by itself.", **NAMES),
    "units": Param([], description="Units, a scenario each.", **NAMES),
    "hours": Param(
        [18], type="array", items={"type": "integer", "minimum": 0, "maximum": 23}, description="Local hours; empty: all of the day."
    ),
    "name": Param("form", type="string", pattern="^[a-z][a-z0-9_]{0,39}$", description="Name of the simulation."),
}


@dag(schedule=cron("outages"), **dag_options("outages", doc=DOC, tags=("what-if",), params=PARAMS))
def outages() -> None:
    """Build the DAG."""
    tasks.simulate_outages()


dag = outages()
