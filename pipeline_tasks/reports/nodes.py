"""The page of a market's nodes: corridors on the map, hubs, nodes that stand alone, nowcasts; from the newest published embedding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import altair as alt
import polars as pl

from pipeline_tasks.reports.charts import BLUE, GREEN, GREY, ORANGE, RED, SKY, to_svg
from pipeline_tasks.warehouse import Warehouse

COLOURS = (BLUE, ORANGE, GREEN, RED, "#CC79A7", SKY, "#F0E442")
KEPT = 12
NEWEST = """
select {columns}
from curated.v_{table}
where market = {{market:String}} and hub = 'all' and delivery_date <= {{last:Date32}}
order by delivery_date desc
limit 1 with ties"""


@dataclass(frozen=True, slots=True)
class NodesData:
    """The newest published embedding of a market: nodes with their places, neighbours, hubs, nowcasts; empty when there is none."""

    nodes: pl.DataFrame = field(default_factory=pl.DataFrame)
    neighbours: pl.DataFrame = field(default_factory=pl.DataFrame)
    hubs: pl.DataFrame = field(default_factory=pl.DataFrame)
    nowcasts: pl.DataFrame = field(default_factory=pl.DataFrame)


def nodes_data(warehouse: Warehouse, window: dict[str, object]) -> NodesData:
    """Read the newest embedding up to the window's last date."""
    bound = {"market": window["market"], "last": window["last"]}

    def newest(table: str, columns: str) -> pl.DataFrame:
        return warehouse.query(NEWEST.format(columns=columns, table=table), bound)

    nodes = newest("node_embeddings", "node, node_hub, corridor, days_known, is_sparse, model_version, as_of, delivery_date")
    if nodes.is_empty():
        return NodesData()
    places = warehouse.query(
        "select bus as node, longitude_deg, latitude_deg from raw.grid_buses where market = {market:String}"
        " order by known_ts desc limit 1 by bus",
        bound,
    )
    return NodesData(
        nodes.join(places, on="node", how="left").sort("node"),
        newest("node_neighbours", "node, rank, neighbour, similarity, delivery_date"),
        newest("node_hubs", "node_hub, nodes, corridors, cohesion, nearest_hub, nearest_similarity, delivery_date").sort("node_hub"),
        newest("node_nowcasts", "node, delivery_ts, days_known, price_ccy_per_mwh, deviation_ccy_per_mwh, delivery_date"),
    )


def nodes_page(data: NodesData) -> dict[str, Any]:
    """Values of the page."""
    first = data.nodes.row(0, named=True)
    alone = (
        data.neighbours.filter(pl.col("rank") == 1)
        .sort("similarity", "node")
        .head(KEPT)
        .select("node", pl.col("neighbour").alias("nearest"), "similarity")
    )
    sparse = data.nodes.filter("is_sparse").height
    return {
        "about": f"{data.nodes.height} nodes in {data.nodes['corridor'].n_unique()} corridors, {sparse} with too few days of own prices;"
        f" version {first['model_version']}, known at {first['as_of']:%Y-%m-%d %H:%M} UTC.",
        "map_svg": corridor_map(data.nodes) if data.nodes["longitude_deg"].null_count() < data.nodes.height else "",
        "hub_rows": data.hubs.drop("delivery_date").to_dicts(),
        "alone_rows": alone.to_dicts(),
        "nowcast_rows": data.nowcasts.drop("delivery_date").sort("node", "delivery_ts").to_dicts() if data.nowcasts.height else [],
    }


def corridor_map(nodes: pl.DataFrame) -> str:
    """Nodes on the map, the largest corridors in colours of their own, smaller ones grey, the form by hub; SVG."""
    shown = len(COLOURS)
    named = pl.when(pl.col("corridor") < shown).then(pl.format("corridor {}", "corridor")).otherwise(pl.lit("smaller"))
    points = nodes.drop_nulls("longitude_deg").select("node", "node_hub", "longitude_deg", "latitude_deg", named.alias("group"))
    domain = [f"corridor {k}" for k in range(min(shown, nodes["corridor"].n_unique()))] + ["smaller"]
    scale = alt.Scale(domain=domain, range=[*COLOURS[: len(domain) - 1], GREY])
    chart = (
        alt.Chart(points)
        .mark_point(filled=True, size=70, opacity=0.9)
        .encode(
            x=alt.X("longitude_deg:Q", title="longitude", scale=alt.Scale(zero=False)),
            y=alt.Y("latitude_deg:Q", title="latitude", scale=alt.Scale(zero=False)),
            color=alt.Color("group:N", scale=scale, legend=alt.Legend(columns=4)),
            shape=alt.Shape("node_hub:N", legend=alt.Legend(columns=5)),
        )
        .properties(width=620, height=460)
    )
    return to_svg(chart)
