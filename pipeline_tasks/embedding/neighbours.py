"""Nearest nodes by cosine, asked of the warehouse: through the HNSW index, or exactly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from pipeline_tasks.contracts.nodes import DIMENSIONS, NODE_EMBEDDINGS
from pipeline_tasks.warehouse import Warehouse

MODEL = "node2grid"
NAME = "all"
CANDIDATES = 320
"""Length of the list that HNSW keeps while it searches (ef): more finds more and takes longer."""


class NodeError(ValueError):
    """No such node, or no embedding of the market yet; says what there is."""


def nearest_sql(source: str, where: str, *, exact: bool) -> str:
    """The query of the k nearest rows of `source` to `{q:Array(Float32)}`.

    HNSW answers where the part has its index; a part without one, or `exact`, is searched in full.

    Args:
        source: table, from a contract.
        where: condition on columns of the partition key alone: others would make the engine filter behind the index and return too few.
        exact: leave the index out.
    """
    chosen = "use_skip_indexes = 0" if exact else f"hnsw_candidate_list_size_for_search = {CANDIDATES}"
    return (
        f"select node, cosineDistance(embedding, {{q:Array(Float32)}}) as distance from {source}{where}"
        f" order by distance limit {{k:UInt32}} settings {chosen}"
    )


def search(
    warehouse: Warehouse, vector: Sequence[float], k: int, *, market: str, name: str, delivery_date: date, exact: bool = False
) -> pl.DataFrame:
    """The k published nodes nearest to a vector: node, similarity; nearest first.

    Raises:
        ValueError: the vector has another length than 256, or k is below 1.
    """
    if len(vector) != DIMENSIONS or k < 1:
        raise ValueError(f"a vector of length {len(vector)} and k {k}; give {DIMENSIONS} numbers and at least 1")
    where = " where market = {market:String} and hub = {name:String} and delivery_date = {day:Date32}"
    params: dict[str, Any] = {"q": [float(x) for x in vector], "k": k, "market": market, "name": name, "day": delivery_date}
    found = warehouse.query(nearest_sql(NODE_EMBEDDINGS.full_name, where, exact=exact), params)
    return found.select("node", (1.0 - pl.col("distance")).cast(pl.Float64).alias("similarity"))


def published(warehouse: Warehouse, market: str, name: str = NAME, day: date | None = None) -> pl.DataFrame:
    """Published vectors of a market: those of the newest delivery date, or of `day`.

    Raises:
        NodeError: there are none.
    """
    columns = "node, node_hub, corridor, days_known, is_sparse, delivery_date, run_id, embedding"
    found = warehouse.query(
        f"select {columns} from curated.v_{NODE_EMBEDDINGS.name} where market = {{market:String}} and hub = {{name:String}}"
        " and (delivery_date = {day:Date32} or {any:Bool})"
        f" and delivery_date = (select max(delivery_date) from curated.v_{NODE_EMBEDDINGS.name} where market = {{market:String}}"
        " and hub = {name:String} and (delivery_date = {day:Date32} or {any:Bool})) order by node",
        {"market": market, "name": name, "day": day or date(1970, 1, 1), "any": day is None},
    )
    if found.is_empty():
        when = f" for {day}" if day else ""
        raise NodeError(f"no embedding {name!r} of market {market!r} is published{when}; `desk embed --market {market}` makes one")
    return found


def neighbours(
    warehouse: Warehouse, node: str, k: int, *, market: str, name: str = NAME, day: date | None = None, exact: bool = False
) -> pl.DataFrame:
    """The nodes most like a node: node, similarity, node_hub, corridor, is_sparse; nearest first, the node itself left out.

    Raises:
        NodeError: no embedding is published, or the market has no such node.
    """
    every = published(warehouse, market, name, day)
    own = every.filter(pl.col("node") == node)
    if own.is_empty():
        near = [n for n in every["node"].to_list() if node.lower() in n.lower()][:5] or every["node"].to_list()[:5]
        raise NodeError(f"market {market!r} has no node {node!r}; there are e.g. {', '.join(near)}")
    row = own.row(0, named=True)
    found = search(warehouse, row["embedding"], k + 1, market=market, name=name, delivery_date=row["delivery_date"], exact=exact)
    about = every.select("node", "node_hub", "corridor", "is_sparse")
    return found.filter(pl.col("node") != node).head(k).join(about, on="node", how="left", maintain_order="left")
