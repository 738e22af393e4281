"""Page sections of regime: the states as a strip over the price with what the gate did, the newest days, and the days in hindsight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from models._kernel.gating import ACTIONS, STATES
from models.regime.tables import REGIME_HISTORY

COLOURS = dict(zip(STATES, ("#009E73", "#E69F00", "#D55E00"), strict=True))
NAMED = {
    "state": "state",
    **{f"{s}_probability": s for s in STATES},
    "change_probability": "change",
    "run_length_days": "days since change",
    "surprise_share": "surprise",
    "gate": "gate",
}
DAYS_SHOWN = 14


def sections(forecasts: pl.DataFrame, outcomes: pl.DataFrame, companions: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """Strip, table of the newest days, and description in hindsight.

    Args:
        forecasts: published rows of the model.
        outcomes: hub, product, delivery_ts, price_ccy_per_mwh.
        companions: published rows of the companion tables for the newest delivery date.
    """
    if forecasts.is_empty():
        return []
    days = forecasts.group_by("hub", "product", "delivery_date").agg(
        pl.col("delivery_ts").min(), pl.col("delivery_ts").max().alias("last_ts"), *(pl.col(c).first() for c in NAMED)
    )
    shown = days.sort("delivery_date", "hub", descending=[True, False]).head(DAYS_SHOWN * days["hub"].n_unique())
    rounded = shown.select(
        "delivery_date", "hub", *((pl.col(c).round(3) if shown.schema[c].is_float() else pl.col(c)).alias(n) for c, n in NAMED.items())
    )
    text = (
        "Price (black; grey: fallback forecast) over the likeliest state of the day as known at its gate: green normal, amber transition,"
    )
    text += " red stressed. A triangle marks a day that the gate down-weights, a cross one that it blocks."
    made: list[dict[str, Any]] = [
        {"title": "Regime over price", "text": text, "spec": strip(days, forecasts, outcomes)},
        {
            "title": "Days and gate",
            "text": "Probabilities of the states and of a change, filtered: what was known at the day's gate alone. Surprise: share of the"
            " training days that were less likely. What follows for which model: config/gates.yaml.",
            "rows": rounded.to_dicts(),
        },
    ]
    past = companions.get(REGIME_HISTORY.name, REGIME_HISTORY.empty())
    if past.height:
        title = "In hindsight"
        text = "Smoothed shares use the days after as well, and are description only: no test of a forecast may use them."
        columns = ["described_date", "hub", *(f"{s}_smoothed_share" for s in STATES), "path_state"]
        rows = past.sort("described_date", "hub", descending=[True, False]).select(columns).head(DAYS_SHOWN * past["hub"].n_unique())
        made.append(
            {
                "title": title,
                "text": text,
                "rows": rows.select(pl.col(c).round(3) if rows.schema[c].is_float() else c for c in columns).to_dicts(),
            }
        )
    return made


def strip(days: pl.DataFrame, forecasts: pl.DataFrame, outcomes: pl.DataFrame) -> dict[str, Any]:
    """Vega-Lite spec: a band per day in the colour of its state, price and fallback on top, marks where the gate acts; a panel per hub.

    Args:
        days: hub, delivery_ts, last_ts, state, gate; a row per hub and day.
        forecasts: hub, product, delivery_ts, point_ccy_per_mwh.
        outcomes: hub, product, delivery_ts, price_ccy_per_mwh.
    """
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    known = outcomes.join(forecasts.select("hub", "product", "delivery_ts").unique(), on=["hub", "product", "delivery_ts"], how="semi")
    lines = [
        forecasts.select("hub", "delivery_ts", pl.col("point_ccy_per_mwh").alias("value"), pl.lit("fallback").alias("series")),
        known.filter(pl.col("price_ccy_per_mwh").is_not_null()).select(
            "hub", "delivery_ts", pl.col("price_ccy_per_mwh").alias("value"), pl.lit("price").alias("series")
        ),
    ]
    line = pl.concat(lines, how="vertical_relaxed").with_columns(pl.col("delivery_ts").dt.strftime(stamp))
    band = days.select(
        "hub",
        "state",
        "gate",
        pl.col("delivery_ts").dt.strftime(stamp),
        (pl.col("last_ts") + pl.duration(hours=1)).dt.strftime(stamp).alias("until"),
    )
    rows = [*line.to_dicts(), *band.with_columns(pl.lit("band").alias("series")).to_dicts()]
    time = {"field": "delivery_ts", "type": "temporal", "title": None, "scale": {"type": "utc"}}
    price = {"field": "value", "type": "quantitative", "title": "currency/MWh", "scale": {"zero": False}}
    colour = {
        "field": "state",
        "type": "nominal",
        "scale": {"domain": list(STATES), "range": list(COLOURS.values())},
        "legend": {"title": None, "orient": "top"},
    }
    shape = {
        "field": "gate",
        "type": "nominal",
        "scale": {"domain": list(ACTIONS[1:]), "range": ["triangle-down", "cross"]},
        "legend": {"title": None, "orient": "top"},
    }
    acted = "datum.series == 'band' && datum.gate != 'allow'"
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": "datum.series == 'band'"}],
            "mark": {"type": "rect", "opacity": 0.35},
            "encoding": {"x": time, "x2": {"field": "until"}, "color": colour},
        },
        _line(time, price, "fallback", {"color": "#8a8f98", "strokeWidth": 0.8}),
        _line(time, price, "price", {"color": "#1b1f24", "strokeWidth": 1.1}),
        {
            "transform": [{"filter": acted}],
            "mark": {"type": "point", "filled": True, "size": 60, "color": "#1b1f24"},
            "encoding": {"x": time, "y": {"value": 8}, "shape": shape},
        },
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": rows},
        "facet": {"field": "hub", "type": "nominal", "title": None},
        "columns": 1,
        "resolve": {"scale": {"y": "independent"}},
        "spec": {"width": 760, "height": 140, "layer": layers},
    }


def _line(time: dict[str, Any], price: dict[str, Any], series: str, look: dict[str, Any]) -> dict[str, Any]:
    return {
        "transform": [{"filter": f"datum.series == '{series}'"}],
        "mark": {"type": "line", "interpolate": "step-after", **look},
        "encoding": {"x": time, "y": price},
    }
