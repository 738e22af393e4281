"""Embeddings: vectors of a market's nodes, weekly."""

# mypy: disallow-untyped-decorators=False

from airflow.sdk import Param, dag

from dags import _tasks as tasks
from dags._factory import cron, dag_options, run_params

DOC = """
### Embeddings
A vector of 256 numbers for every node of a market with a network model, from what was known at the delivery date's gate: shift factors to
the limits that cost money, price co-movement, topology. Publishes `curated.node_embeddings`, `curated.node_neighbours` (the ten most
alike), `curated.node_hubs`, and `curated.node_nowcasts` for nodes with few prices of their own. The same name for the same date replaces
what was said before. `desk embed` does the same from a shell; `desk neighbours NODE` asks.
"""
PARAMS = {
    **run_params(),
    "days": Param(60, type="integer", minimum=1, maximum=1000, description="Days of prices that are learned from."),
    "name": Param("all", type="string", pattern="^[a-z][a-z0-9_]{0,39}$", description="Name of the embedding."),
}


@dag(schedule=cron("embeddings"), **dag_options("embeddings", doc=DOC, tags=("training",), params=PARAMS))
def embeddings() -> None:
    """Build the DAG."""
    tasks.embed_nodes()


dag = embeddings()
