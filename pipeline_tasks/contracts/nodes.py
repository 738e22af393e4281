"""Tables of node embeddings: a vector per node, what is near what, hubs as a whole, and prices of nodes that have hardly any."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from pipeline_tasks.contracts.columns import Column, flag, integer, number, symbol, vector
from pipeline_tasks.contracts.curated import companion_table
from pipeline_tasks.contracts.tables import Rule, Table, VectorIndex

DIMENSIONS = 256
NAME = symbol("hub", "Name of the embedding: made again for a market and delivery date, it replaces what it said before.")
NODE = symbol("node", "Bus of the network (raw.grid_buses).")
NODE_HUB = symbol("node_hub", "Hub of the node by the network model.")
CORRIDOR = integer("corridor", "Group of nodes on the same side of the limits that cost money; 0 is the largest.", ge=0)
VECTOR = vector("embedding", f"{DIMENSIONS} numbers, length 1: shift factors 96, prices 96, topology 64.")
WHOLE_VECTOR = Rule(
    name="vector_is_whole",
    expr=lambda: pl.col("embedding").list.len() == DIMENSIONS,
    sql=f"length(embedding) = {DIMENSIONS}",
    meaning=f"An embedding has {DIMENSIONS} numbers; make it again.",
)


def _table(name: str, columns: tuple[Column, ...], meaning: str, *, key: tuple[str, ...], rules: tuple[Rule, ...] = ()) -> Table:
    table = companion_table(name, columns, meaning, key=key, rules=rules)
    return replace(table, columns=tuple(NAME if c.name == "hub" else c for c in table.columns))


NODE_EMBEDDINGS = replace(
    _table(
        "node_embeddings",
        (
            NODE,
            NODE_HUB,
            CORRIDOR,
            integer("days_known", "Days of own prices that were learned from.", unit="d", ge=0),
            flag("is_sparse", "Too few days of own prices: the price part of the vector is that of similar nodes."),
            VECTOR,
        ),
        "The vector of one node, from what was known at as_of.",
        key=("node",),
        rules=(WHOLE_VECTOR,),
    ),
    vector_index=VectorIndex("embedding", DIMENSIONS),
)

NODE_NEIGHBOURS = _table(
    "node_neighbours",
    (
        NODE,
        integer("rank", "1 for the nearest.", ge=1),
        symbol("neighbour", "The other node."),
        number("similarity", "Cosine of the two vectors.", ge=-1.0001, le=1.0001),
    ),
    "One of the nearest nodes of a node, exact.",
    key=("node", "rank"),
)

NODE_HUBS = _table(
    "node_hubs",
    (
        NODE_HUB,
        integer("nodes", "Number of its nodes.", ge=1),
        integer("corridors", "Number of corridors its nodes lie in.", ge=1),
        number("cohesion", "Mean cosine of its nodes with the hub's vector: 1 where all nodes are alike.", ge=-1.0001, le=1.0001),
        symbol("nearest_hub", "The hub most like it; empty when there is no other."),
        number("nearest_similarity", "Cosine with that hub; 0 when there is no other.", ge=-1.0001, le=1.0001),
        VECTOR,
    ),
    "One hub as the load-weighted mean of its nodes.",
    key=("node_hub",),
    rules=(WHOLE_VECTOR,),
)

NODE_NOWCASTS = _table(
    "node_nowcasts",
    (
        NODE,
        integer("days_known", "Days of own prices that were used.", unit="d", ge=0),
        number("price_ccy_per_mwh", "Price as the other nodes' prices of the same interval tell it.", unit="currency/MWh"),
        number("deviation_ccy_per_mwh", "Standard deviation of its error, from known nodes left out.", unit="currency/MWh", ge=0),
    ),
    "Price of a sparse node in one interval whose prices elsewhere are known; delivery_ts is that interval, delivery_date the run's.",
    key=("node",),
)

NODE_TABLES = (NODE_EMBEDDINGS, NODE_NEIGHBOURS, NODE_HUBS, NODE_NOWCASTS)
