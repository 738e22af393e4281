"""Page section of rl_hedger: what the published hedges saved, day by day, once the spread was known, and where they were halted."""

from __future__ import annotations

from typing import Any

import polars as pl


def sections(forecasts: pl.DataFrame, outcomes: pl.DataFrame) -> list[dict[str, Any]]:
    """Saving of the hedges by delivery date and hub, before fees (scheduled energy x hedge x spread).

    Args:
        forecasts: published rows of the model.
        outcomes: hub, product, delivery_ts, price_ccy_per_mwh (of product `spread`: the spread).
    """
    known = outcomes.filter((pl.col("product") == "spread") & pl.col("price_ccy_per_mwh").is_not_null())
    joined = forecasts.join(known.select("hub", "delivery_ts", "price_ccy_per_mwh"), on=["hub", "delivery_ts"], how="inner")
    hedged = pl.col("scheduled_mwh") * pl.col("hedge_share")
    days = joined.group_by("delivery_date", "hub").agg(
        scheduled_mwh=pl.col("scheduled_mwh").sum().round(1),
        hedged_mwh=hedged.abs().sum().round(2),
        net_mwh=hedged.sum().round(2),
        realised_saving=(hedged * pl.col("price_ccy_per_mwh")).sum().round(2),
        halted=pl.col("is_halted").any(),
        drawdown=pl.col("drawdown_ccy_per_mwh").max().round(3),
    )
    rows = days.sort("delivery_date", "hub", descending=[True, False]).to_dicts()
    text = "Saving before fees against a schedule equal to the load forecast, in the market's currency, for the portfolio of config/assets."
    return [{"title": "Realised saving of the learned hedge", "text": text, "rows": rows}] if rows else []
