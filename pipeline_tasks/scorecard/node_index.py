"""F7: the nearest-neighbour index of the warehouse beside exact search, on vectors of a network's nodes in shift-factor space."""

from __future__ import annotations

import numpy as np

from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.systems import SystemJob, system_row

QUERIES, NEAREST, TARGET = 200, 10, 0.95


def index_rows(job: SystemJob, kind: DataClass) -> list[ScoreRow]:
    """Recall of the ten nearest, through the index and without, over queries drawn from the nodes."""
    from models._kernel.grid.cases import load_case
    from models._kernel.grid.network import GridError
    from models._kernel.nodes.embedding import DIMENSIONS, nearest, recall, unit_rows
    from models._kernel.nodes.learn import limit_rows
    from models._kernel.nodes.shift_space import shift_vectors
    from pipeline_tasks.embedding.neighbours import nearest_sql
    from pipeline_tasks.embedding.probe import filled
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import migrate

    try:
        network = load_case(job.data_set)
    except GridError as error:
        return [system_row(job, kind, "recall_at_10", None, reason=str(error))]
    job.say(f"{job.data_set}: {network.n_buses} nodes into the index")
    vectors = unit_rows(shift_vectors(*limit_rows(network, ()), dimensions=DIMENSIONS)).astype(np.float32)
    chosen = np.random.default_rng(job.seed).choice(len(vectors), min(QUERIES, len(vectors)), replace=False)
    exact = nearest(vectors, vectors[chosen], NEAREST).position
    rows = []
    with connect() as warehouse:
        migrate(warehouse)
        with filled(warehouse, vectors, f"node_index_{job.data_set}") as table:
            for metric, full in (("recall_at_10", False), ("recall_at_10_exact_query", True)):
                sql = nearest_sql(table, "", exact=full)
                found = [warehouse.query(sql, {"q": vectors[k].tolist(), "k": NEAREST})["node"].cast(int).to_numpy() for k in chosen]
                value = recall(np.array(found), exact)
                verdict: Verdict = "pass" if value >= TARGET else "miss"
                said = f"share of the {NEAREST} nearest by NumPy that the warehouse finds, {network.n_buses} vectors of {DIMENSIONS}"
                rows.append(system_row(job, kind, metric, value, reason=said, n=len(chosen), verdict=verdict, target=TARGET))
    return rows
