"""Page sections of lmp_nowcast: where and when nodes are forecast apart from the system."""

from __future__ import annotations

from typing import Any

import polars as pl

SHOWN = 12
SPREAD = "apart_ccy_per_mwh"


def sections(forecasts: pl.DataFrame, outcomes: pl.DataFrame) -> list[dict[str, Any]]:  # noqa: ARG001 - what every hook is given
    """Map of nodes over the newest delivery date, and the nodes furthest from the system price.

    Args:
        forecasts: published rows of the model.
        outcomes: hub, product, delivery_ts, price_ccy_per_mwh.
    """
    day = forecasts.filter(pl.col("delivery_date") == pl.col("delivery_date").max(), pl.col("horizon_min") == pl.col("horizon_min").min())
    if day.is_empty():
        return []
    node = pl.when(pl.col("product").cast(pl.String).is_in(["rt", "imbalance"])).then(pl.col("hub").cast(pl.String))
    shown = day.with_columns(
        node.otherwise(pl.col("product").cast(pl.String)).alias("node"),
        (pl.col("point_ccy_per_mwh") - pl.col("point_ccy_per_mwh").mean().over("delivery_ts")).alias(SPREAD),
        (pl.col("q90_ccy_per_mwh") - pl.col("q10_ccy_per_mwh")).alias("band"),
    )
    horizon = day["horizon_min"][0]
    told = (
        f"Point forecast decided {horizon} minutes ahead less the mean of all nodes, by delivery time (UTC); nodes in order of their mean."
    )
    order = shown.group_by("node").agg(pl.col(SPREAD).mean()).sort(SPREAD, "node")["node"].to_list()
    return [
        {"title": "Nodes apart from the system", "text": told, "spec": _map(shown, order)},
        {
            "title": "Furthest nodes",
            "text": f"Nodes whose forecast lay furthest from the system's over the day, {horizon} minutes ahead.",
            "rows": _furthest(shown),
        },
    ]


def _map(shown: pl.DataFrame, order: list[str]) -> dict[str, Any]:
    bound = max(float(shown[SPREAD].abs().quantile(0.99) or 1.0), 1.0)
    rows = shown.select(
        "node", pl.col("delivery_ts").dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("delivery"), pl.col(SPREAD).round(2).alias("apart")
    )
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 760,
        "height": min(620, 14 * len(order)),
        "data": {"values": rows.to_dicts()},
        "mark": "rect",
        "encoding": {
            "x": {
                "field": "delivery",
                "type": "ordinal",
                "timeUnit": "utchoursminutes",
                "title": "delivery (UTC)",
                "axis": {"labelOverlap": True},
            },
            "y": {"field": "node", "type": "nominal", "sort": order, "title": None, "axis": {"labels": len(order) <= 40, "ticks": False}},
            "color": {
                "field": "apart",
                "type": "quantitative",
                "title": "currency/MWh",
                "scale": {"scheme": "blueorange", "domain": [-bound, bound], "clamp": True},
            },
        },
    }


def _furthest(shown: pl.DataFrame) -> list[dict[str, Any]]:
    summary = shown.group_by("node", "hub").agg(
        pl.col(SPREAD).mean().round(2).alias("mean_apart"),
        pl.col(SPREAD).min().round(2).alias("lowest_apart"),
        pl.col(SPREAD).max().round(2).alias("highest_apart"),
        pl.col("band").mean().round(2).alias("mean_80_band"),
    )
    widest = pl.max_horizontal(pl.col("lowest_apart").abs(), pl.col("highest_apart").abs())
    return summary.sort(widest, "node", descending=[True, False]).head(SHOWN).to_dicts()
