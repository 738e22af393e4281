"""Page sections of curve_dist: joint scenarios of the day, and day, week and month as distributions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from models.curve_dist.tables import SCENARIOS, TENOR_RISK

SHOWN = 40
TABLE = ("hub", "tenor", "period_first_date", "period_last_date", "known_days", "forecast_days")
FIGURES = ("mean", "q05", "q50", "q95", "var_95", "es_95", "es_975", "long_var_95", "long_es_95", "long_es_975")


def sections(forecasts: pl.DataFrame, outcomes: pl.DataFrame, companions: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """Scenario paths of every hub with the day's outcome where it is known, and the table of tenors.

    Args:
        forecasts: published rows of the model.
        outcomes: hub, product, delivery_ts, price_ccy_per_mwh.
        companions: published rows of the companion tables for the newest delivery date.
    """
    made: list[dict[str, Any]] = []
    scenarios, risk = (companions.get(table.name, table.empty()) for table in (SCENARIOS, TENOR_RISK))
    if scenarios.height:
        known = outcomes.join(forecasts.select("hub", "product", "delivery_ts").unique(), on=["hub", "product", "delivery_ts"], how="semi")
        count = scenarios.get_column("scenario").n_unique()
        text = f"The first {SHOWN} of {count} equally likely paths of the day by delivery time (UTC); the same number"
        text += " belongs together over all hubs. Black: outcome, where it is known."
        made.append({"title": "Joint scenarios", "text": text, "spec": _paths(scenarios, known)})
    if risk.height:
        names = {f"{f}_ccy_per_mwh": f for f in FIGURES}
        rows = risk.sort("hub", "period_last_date").select(*TABLE, *(pl.col(c).round(3).alias(n) for c, n in names.items())).to_dicts()
        text = (
            "Mean price of the delivery day, its calendar week and month: known days as they were, the delivery day's scenarios, days after"
            " it extended. var and es: worst shares for who must buy; long: loss per MWh of 1 MW bought at the mean."
        )
        made.append({"title": "Day, week and month", "text": text, "rows": rows})
    return made


def _paths(scenarios: pl.DataFrame, known: pl.DataFrame) -> dict[str, Any]:
    """Vega-Lite spec: thin lines per scenario, the outcome on top, one panel per hub."""
    drawn = scenarios.filter(pl.col("scenario") <= SHOWN).select("hub", "delivery_ts", "scenario", "price_ccy_per_mwh")
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
        "spec": {"width": 330, "height": 180, "layer": layers},
    }


def _line(axes: dict[str, Any], chosen: str, look: dict[str, Any]) -> dict[str, Any]:
    return {"transform": [{"filter": chosen}], "mark": {"type": "line", "interpolate": "step-after", **look}, "encoding": axes}
