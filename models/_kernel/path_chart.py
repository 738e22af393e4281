"""Chart of joint scenarios: paths of a delivery day with what came of it."""

from __future__ import annotations

from typing import Any

import polars as pl


def paths(scenarios: pl.DataFrame, known: pl.DataFrame, column: str, shown: int) -> dict[str, Any]:
    """Vega-Lite spec: a thin line per scenario, the outcome on top, one panel per hub.

    Args:
        scenarios: hub, delivery_ts, scenario and `column`, currency/MWh.
        known: hub, delivery_ts, price_ccy_per_mwh: outcomes of the scenarios' product.
        column: what is drawn.
        shown: scenarios drawn, the first ones.
    """
    drawn = scenarios.filter(pl.col("scenario") <= shown).select(
        "hub", "delivery_ts", "scenario", pl.col(column).alias("price_ccy_per_mwh")
    )
    day = known.filter(pl.col("price_ccy_per_mwh").is_not_null()).join(
        drawn.select("hub", "delivery_ts").unique(), on=["hub", "delivery_ts"]
    )
    outcome = day.select("hub", "delivery_ts", pl.lit(0).cast(pl.Int64).alias("scenario"), "price_ccy_per_mwh")
    stamp = pl.col("delivery_ts").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = pl.concat([drawn, outcome], how="vertical_relaxed").with_columns(stamp).to_dicts()
    axes: dict[str, Any] = {
        "x": {"field": "delivery_ts", "type": "temporal", "title": None, "scale": {"type": "utc"}},
        "y": {"field": "price_ccy_per_mwh", "type": "quantitative", "title": "currency/MWh", "scale": {"zero": False}},
        "detail": {"field": "scenario"},
    }
    layers = [
        _line(axes, "datum.scenario > 0", {"color": "#0072B2", "opacity": 0.25, "strokeWidth": 0.7}),
        _line(axes, "datum.scenario == 0", {"color": "#1b1f24", "strokeWidth": 1.6}),
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": rows},
        "facet": {"field": "hub", "type": "nominal", "title": None},
        "columns": 2,
        "resolve": {"scale": {"y": "independent"}},  # a spike at one hub must not flatten the others
        "spec": {"width": 330, "height": 180, "layer": layers},
    }


def _line(axes: dict[str, Any], chosen: str, look: dict[str, Any]) -> dict[str, Any]:
    return {"transform": [{"filter": chosen}], "mark": {"type": "line", "interpolate": "step-after", **look}, "encoding": axes}
