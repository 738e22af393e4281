"""Page section of ancillary: what the published schedules earned, day by day, once prices were known."""

from __future__ import annotations

from typing import Any

import polars as pl


def sections(forecasts: pl.DataFrame, outcomes: pl.DataFrame) -> list[dict[str, Any]]:
    """Revenue of the schedules by delivery date, hub and product at published prices: energy sold and awards held, before fuel and wear.

    Args:
        forecasts: published rows of the model.
        outcomes: hub, product, delivery_ts, price_ccy_per_mwh.
    """
    if forecasts.is_empty():
        return []
    step = pl.col("delivery_ts").diff().over("hub", "product", order_by="delivery_ts").min()
    hours = forecasts.select(step.dt.total_minutes().cast(pl.Float64) / 60).item() or 1.0
    known = outcomes.filter(pl.col("price_ccy_per_mwh").is_not_null()).select("hub", "product", "delivery_ts", "price_ccy_per_mwh")
    joined = forecasts.join(known, on=["hub", "product", "delivery_ts"], how="left")
    priced = pl.col("price_ccy_per_mwh").is_not_null()
    days = joined.group_by("delivery_date", "hub", "product").agg(
        battery_mwh=(pl.col("battery_mw").abs().sum() * hours).round(2),
        ccgt_mwh=(pl.col("ccgt_mw").sum() * hours).round(2),
        expected_profit=pl.col("expected_profit_ccy").sum().round(2),
        realised_revenue=pl.when(priced.any())
        .then(((pl.col("battery_mw") + pl.col("ccgt_mw")) * pl.col("price_ccy_per_mwh") * hours).sum())
        .round(2),
    )
    rows = days.sort("delivery_date", "hub", "product", descending=[True, False, False]).to_dicts()
    text = (
        "Energy moved and MW-hours awarded by battery and plant of config/assets, expected profit, and revenue at published prices"
        " (before fuel, starts and wear; empty where no price of the product is at hand), in the market's currency."
    )
    return [{"title": "Schedules of battery and plant", "text": text, "rows": rows}]
