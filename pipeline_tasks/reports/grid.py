"""Pages of the network: limits and how they answer to nodes, as prices tell it; and outages, what they would do to prices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import altair as alt
import polars as pl

from pipeline_tasks.reports.charts import BLUE, GREY, ORANGE, RED, WIDTH, to_svg
from pipeline_tasks.warehouse import Warehouse

KEPT, BARS = 20, 15
NEWEST = """
select {columns}
from curated.v_{table}
where market = {{market:String}} and hub = {{name:String}} and delivery_date = {{day:Date32}}"""
STUDIES = """
select hub, delivery_date, max(as_of) as known_ts
from curated.v_{table}
where market = {{market:String}} and delivery_date <= {{last:Date32}}
group by hub, delivery_date
order by delivery_date desc, known_ts desc, hub
limit 1"""


@dataclass(frozen=True, slots=True)
class GridData:
    """The newest learned limits and the newest outage study of a market; empty frames when there are none.

    Attributes:
        limits, nodes, sensitivities: rows of curated.grid_limits, grid_nodes (with places) and grid_sensitivities.
        scenarios, impacts, constraints: rows of the newest outage study.
    """

    limits: pl.DataFrame = field(default_factory=pl.DataFrame)
    nodes: pl.DataFrame = field(default_factory=pl.DataFrame)
    sensitivities: pl.DataFrame = field(default_factory=pl.DataFrame)
    scenarios: pl.DataFrame = field(default_factory=pl.DataFrame)
    impacts: pl.DataFrame = field(default_factory=pl.DataFrame)
    constraints: pl.DataFrame = field(default_factory=pl.DataFrame)


def grid_data(warehouse: Warehouse, window: dict[str, object]) -> GridData:
    """Read the newest of both up to the window's last date."""
    bound = {"market": window["market"], "last": window["last"]}

    def study(table: str) -> dict[str, Any]:
        found = warehouse.query(STUDIES.format(table=table), bound)
        return {**bound, "name": found["hub"][0], "day": found["delivery_date"][0]} if found.height else {}

    def rows(table: str, columns: str, which: dict[str, Any]) -> pl.DataFrame:
        return warehouse.query(NEWEST.format(columns=columns, table=table), which) if which else pl.DataFrame()

    learned, outages = study("grid_limits"), study("outage_scenarios")
    nodes = rows("grid_nodes", "node, band_90, congestion_mean_ccy_per_mwh", learned)
    places = warehouse.query(
        "select bus as node, longitude_deg, latitude_deg from raw.grid_buses where market = {market:String}"
        " order by known_ts desc limit 1 by bus",
        bound,
    )
    limits = "branch, contingency, hours_bound, shadow_price_mean_ccy_per_mwh, model_correlation, topologies, model_version, as_of, status"
    proof = "cost_change_ccy_per_h, unserved_mw, is_split, is_certified, as_of, hub, delivery_date"
    prices = "price_before_ccy_per_mwh, price_change_ccy_per_mwh, expected_change_ccy_per_mwh, low_90_ccy_per_mwh, high_90_ccy_per_mwh"
    return GridData(
        rows("grid_limits", limits, learned),
        nodes.join(places, on="node", how="left").sort("node") if nodes.height else nodes,
        rows("grid_sensitivities", "branch, contingency, topology, node, sensitivity_mw_per_mw", learned),
        rows("outage_scenarios", f"scenario, delivery_ts, {proof}", outages),
        rows("outage_impacts", f"scenario, delivery_ts, node, {prices}, response_version", outages),
        rows("outage_constraints", "scenario, branch, contingency, shadow_price_ccy_per_mwh", outages),
    )


def limits_page(data: GridData) -> dict[str, Any]:
    """Values of the page of limits."""
    limits = data.limits.sort("hours_bound", "branch", "contingency", descending=[True, False, False])
    first = limits.row(0, named=True)
    own = data.sensitivities.filter(
        pl.col("branch") == first["branch"], pl.col("contingency") == first["contingency"], pl.col("topology") == ""
    )
    placed = own.join(data.nodes, on="node").drop_nulls("longitude_deg") if own.height else own
    shifts = data.sensitivities.filter(pl.col("topology") != "")
    return {
        "about": f"{limits.height} limits and {data.nodes.height} nodes; version {first['model_version']}, {first['status']},"
        f" known at {first['as_of']:%Y-%m-%d %H:%M} UTC.",
        "limit_rows": limits.drop("model_version", "as_of", "status").head(KEPT).to_dicts(),
        "map_svg": sensitivity_map(placed) if placed.height else "",
        "map_of": first["branch"] + (f" after the loss of {first['contingency']}" if first["contingency"] else ""),
        "shift_rows": _shifts(shifts, data.sensitivities) if shifts.height else [],
        "node_rows": data.nodes.sort("band_90", descending=True)
        .head(KEPT)
        .select("node", "band_90", "congestion_mean_ccy_per_mwh")
        .to_dicts(),
    }


def _shifts(shifts: pl.DataFrame, every: pl.DataFrame) -> list[dict[str, Any]]:
    """Largest shift of each limit's sensitivities by each outage."""
    base = every.filter(pl.col("topology") == "").select("branch", "contingency", "node", base=pl.col("sensitivity_mw_per_mw"))
    change = (pl.col("sensitivity_mw_per_mw") - pl.col("base")).abs()
    joined = shifts.join(base, on=["branch", "contingency", "node"]).sort(change, "node", descending=[True, False])
    largest = joined.group_by("branch", "contingency", "topology", maintain_order=True).agg(
        pl.col("node").first().alias("node moved most"), change.first().alias("shift")
    )
    return largest.head(KEPT).to_dicts()


def sensitivity_map(placed: pl.DataFrame) -> str:
    """Nodes on the map by their sensitivity to one limit; SVG."""
    most = float(placed["sensitivity_mw_per_mw"].abs().max() or 1.0)  # type: ignore[arg-type]
    scale = alt.Scale(domain=[-most, 0, most], range=[BLUE, "#e8eaed", RED], interpolate="rgb")
    chart = (
        alt.Chart(placed.select("longitude_deg", "latitude_deg", "sensitivity_mw_per_mw"))
        .mark_circle(size=90, opacity=0.95, stroke=GREY, strokeWidth=0.5)
        .encode(
            x=alt.X("longitude_deg:Q", title="longitude", scale=alt.Scale(zero=False)),
            y=alt.Y("latitude_deg:Q", title="latitude", scale=alt.Scale(zero=False)),
            color=alt.Color("sensitivity_mw_per_mw:Q", scale=scale, legend=alt.Legend(title="MW per MW injected", format=".2f")),
        )
        .properties(width=620, height=440)
    )
    return to_svg(chart)


def outages_page(data: GridData) -> dict[str, Any]:
    """Values of the page of outages."""
    scenarios = data.scenarios.sort("cost_change_ccy_per_h", "scenario", descending=[True, False])
    first = scenarios.row(0, named=True)
    change = pl.col("price_change_ccy_per_mwh").abs()
    impacts = data.impacts.sort(change, "scenario", "node", descending=[True, False, False])
    version = impacts["response_version"][0] if impacts.height else ""
    band = f"; expected changes and their 90 % band by version {version}, learned from realised outages" if version else ""
    unproven = scenarios.filter(~pl.col("is_certified")).height
    names = {
        "price_before_ccy_per_mwh": "before",
        "price_change_ccy_per_mwh": "change",
        "expected_change_ccy_per_mwh": "expected congestion",
    }
    names |= {"low_90_ccy_per_mwh": "low", "high_90_ccy_per_mwh": "high"}
    shown = impacts.rename(names).select("scenario", "delivery_ts", "node", *list(names.values())[: None if version else 2])
    worth = data.constraints.group_by("branch", "contingency").agg(
        pl.col("scenario").n_unique().alias("scenarios"), pl.col("shadow_price_ccy_per_mwh").mean().round(2)
    )
    return {
        "about": f"Study {first['hub']} for {first['delivery_date']}: {scenarios['scenario'].n_unique()} scenarios in"
        f" {scenarios['delivery_ts'].n_unique()} intervals, known at {first['as_of']:%Y-%m-%d %H:%M} UTC; {unproven} without proof{band}.",
        "cost_svg": cost_bars(scenarios) if scenarios["cost_change_ccy_per_h"].max() else "",
        "scenario_rows": scenarios.drop("as_of", "hub", "delivery_date").head(KEPT).to_dicts(),
        "impact_rows": shown.head(KEPT).to_dicts(),
        "limit_rows": worth.sort("scenarios", "branch", "contingency", descending=[True, False, False]).head(KEPT).to_dicts(),
    }


def cost_bars(scenarios: pl.DataFrame) -> str:
    """The costliest scenarios of a study; those that leave load without supply in another colour; SVG."""
    worst = scenarios.group_by("scenario").agg(pl.col("cost_change_ccy_per_h").max(), pl.col("unserved_mw").max())
    top = worst.sort("cost_change_ccy_per_h", "scenario", descending=[True, False]).head(BARS)
    kind = pl.when(pl.col("unserved_mw") > 0.01).then(pl.lit("load not served")).otherwise(pl.lit("all load served"))
    scale = alt.Scale(domain=["all load served", "load not served"], range=[BLUE, ORANGE])
    chart = (
        alt.Chart(top.with_columns(kind=kind))
        .mark_bar()
        .encode(
            y=alt.Y("scenario:N", sort=None, title=None),
            x=alt.X("cost_change_ccy_per_h:Q", title="cost of the outage, currency/h"),
            color=alt.Color("kind:N", scale=scale),
        )
        .properties(width=WIDTH - 140, height=24 * top.height)
    )
    return to_svg(chart)
