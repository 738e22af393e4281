"""Page sections of unit_commit: units a day ahead by class, and those whose status is least certain."""

from __future__ import annotations

from typing import Any

import polars as pl

MOST_ROWS = 25


def sections(forecasts: pl.DataFrame, outcomes: pl.DataFrame) -> list[dict[str, Any]]:  # noqa: ARG001 - prices say nothing of units
    """Two tables of the newest delivery date: expected units online, starts, stops and ramps by class; units most likely to start or stop.

    Args:
        forecasts: published rows of the model at its longest horizon.
        outcomes: prices; not used.
    """
    if forecasts.is_empty():
        return []
    day = forecasts.filter(pl.col("delivery_date") == pl.col("delivery_date").max())
    hours = day["horizon_min"][0] // 60
    classes = day.group_by("delivery_ts", "unit_class").agg(
        units=pl.len(),
        expected_online=pl.col("online_probability").sum().round(1),
        expected_starts=pl.col("start_probability").sum().round(2),
        expected_stops=pl.col("stop_probability").sum().round(2),
        expected_ramp_mw=pl.col("ramp_mw").sum().round(1),
    )
    moving = day.with_columns(change=pl.max_horizontal("start_probability", "stop_probability"))
    moving = moving.sort("change", "product", "delivery_ts", descending=[True, False, False]).unique(
        "product", keep="first", maintain_order=True
    )
    columns = ["product", "unit_class", "delivery_ts", "online_probability", "start_probability", "stop_probability", "ramp_mw"]
    rounded = moving.head(MOST_ROWS).select(pl.col(c).round(3) if day.schema[c].is_float() else c for c in columns)
    return [
        {
            "title": f"Units {hours} hours ahead, by class",
            "text": f"Sums over the units of a class of what is foretold {hours} hours before; starts and stops: in the hours between.",
            "rows": classes.sort("delivery_ts", "unit_class").to_dicts(),
        },
        {
            "title": "Units most likely to start or stop",
            "text": f"At most {MOST_ROWS} units, each in the hour of the day where a start or stop within {hours} hours is likeliest.",
            "rows": rounded.to_dicts(),
        },
    ]
