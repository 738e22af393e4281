"""Page sections of tailrisk: alarms as episodes, and return levels of weekly price maxima beside what was published."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl

from models._kernel.tail_regression import block_return_levels

FEWEST_WEEKS = 12
RETURN_WEEKS = (4.0, 13.0, 52.0)
GAP = timedelta(hours=1, minutes=1)


def sections(forecasts: pl.DataFrame, outcomes: pl.DataFrame) -> list[dict[str, Any]]:
    """Alarm episodes, newest first, and return levels by hub.

    Args:
        forecasts: published rows of the model.
        outcomes: hub, product, delivery_ts, price_ccy_per_mwh.
    """
    parts = [
        {
            "title": "Alarm episodes",
            "text": "Runs of intervals with an alarm: their highest spike probability, and the worst that is expected beyond 99 %.",
            "rows": _episodes(forecasts),
        },
        {
            "title": "Return levels of weekly maxima",
            "text": "Generalised extreme value law of the highest price of each week: exceeded once in 4, 13 and 52 weeks.",
            "rows": _return_levels(forecasts, outcomes),
        },
    ]
    return [part for part in parts if part["rows"]]


def _episodes(forecasts: pl.DataFrame) -> list[dict[str, Any]]:
    alarms = forecasts.filter(pl.col("alarm")).sort("hub", "delivery_ts")
    begins = (pl.col("delivery_ts").diff().over("hub") > GAP).fill_null(value=True)
    runs = alarms.with_columns(begins.cum_sum().over("hub").alias("run"))
    found = runs.group_by("hub", "run").agg(
        begins=pl.col("delivery_ts").min(),
        intervals=pl.len(),
        highest_probability=pl.col("spike_probability").max().round(3),
        threshold=pl.col("spike_threshold_ccy_per_mwh").max().round(2),
        shortfall_99=pl.col("es99_ccy_per_mwh").max().round(2),
    )
    return found.drop("run").sort("begins", "hub", descending=[True, False]).head(50).to_dicts()


def _return_levels(forecasts: pl.DataFrame, outcomes: pl.DataFrame) -> list[dict[str, Any]]:
    asked = forecasts.select("hub", "product").unique()
    known = outcomes.filter(pl.col("price_ccy_per_mwh").is_not_null()).join(asked, on=["hub", "product"], how="semi")
    weekly = known.group_by("hub", pl.col("delivery_ts").dt.truncate("1w").alias("week")).agg(pl.col("price_ccy_per_mwh").max())
    rows = []
    for part in weekly.sort("hub", "week").partition_by("hub", maintain_order=True):
        if part.height >= FEWEST_WEEKS:
            levels, (_, _, shape) = block_return_levels(part["price_ccy_per_mwh"].to_numpy(), RETURN_WEEKS)
            named = {f"once_in_{weeks:.0f}_weeks": round(float(level), 2) for weeks, level in zip(RETURN_WEEKS, levels, strict=True)}
            rows.append({"hub": part["hub"][0], "weeks": part.height, **named, "shape": round(shape, 3)})
    return rows
