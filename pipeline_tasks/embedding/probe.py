"""A table of vectors with the index of curated.node_embeddings, for measurements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_tasks.contracts import Database, Table
from pipeline_tasks.contracts.columns import string
from pipeline_tasks.contracts.nodes import DIMENSIONS, VECTOR
from pipeline_tasks.contracts.tables import VectorIndex
from pipeline_tasks.warehouse import Warehouse
from pipeline_tasks.warehouse.ddl import create_table_sql


@contextmanager
def filled(warehouse: Warehouse, vectors: npt.NDArray[np.float32], name: str) -> Iterator[str]:
    """`staging.<name>` with a row per vector (node: its position), merged into one part; dropped afterwards."""
    index = VectorIndex(VECTOR.name, DIMENSIONS)
    table = Table(
        Database.STAGING, name, (string("node", "Position."), VECTOR), ("node",), "Vectors for a measurement.", vector_index=index
    )
    warehouse.command(f"drop table if exists {table.full_name} sync")
    warehouse.command(create_table_sql(table))
    try:
        nodes = [str(k) for k in range(len(vectors))]
        warehouse.insert(table, pl.DataFrame({"node": nodes, VECTOR.name: vectors.tolist()}, schema=table.polars_schema()))
        warehouse.command(f"optimize table {table.full_name} final")
        yield table.full_name
    finally:
        warehouse.command(f"drop table if exists {table.full_name} sync")
