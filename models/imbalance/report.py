"""Page sections of imbalance: what the published hedges saved, day by day, once the spread was known, and the spread's scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from models._kernel.path_chart import paths
from models.imbalance.tables import SCENARIOS

SHOWN = 40


def sections(forecasts: pl.DataFrame, outcomes: pl.DataFrame, companions: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """Saving of the hedges by delivery date and hub, before fees (scheduled energy x hedge x spread), and scenario paths of the spread.

    Args:
        forecasts: published rows of the model.
        outcomes: hub, product, delivery_ts, price_ccy_per_mwh (of product `spread`: the spread).
        companions: published rows of the companion table for the newest delivery date.
    """
    known = outcomes.filter((pl.col("product") == "spread") & pl.col("price_ccy_per_mwh").is_not_null())
    joined = forecasts.join(known.select("hub", "delivery_ts", "price_ccy_per_mwh"), on=["hub", "delivery_ts"], how="inner")
    hedged = pl.col("scheduled_mwh") * pl.col("hedge_share")
    days = joined.group_by("delivery_date", "hub").agg(
        scheduled_mwh=pl.col("scheduled_mwh").sum().round(1),
        hedged_mwh=hedged.abs().sum().round(2),
        net_mwh=hedged.sum().round(2),
        expected_saving=pl.col("expected_saving_ccy").sum().round(2),
        realised_saving=(hedged * pl.col("price_ccy_per_mwh")).sum().round(2),
    )
    rows = days.sort("delivery_date", "hub", descending=[True, False]).to_dicts()
    text = "Saving before fees against a schedule equal to the load forecast, in the market's currency, for the portfolio of config/assets."
    made: list[dict[str, Any]] = [{"title": "Realised saving of the hedge", "text": text, "rows": rows}] if rows else []
    scenarios = companions.get(SCENARIOS.name, SCENARIOS.empty())
    if scenarios.height:
        text = (
            f"The first {SHOWN} of {scenarios.get_column('scenario').n_unique()} equally likely paths of the spread by delivery time (UTC);"
        )
        text += " the same number of curve_dist's scenarios is the day-ahead price it belongs to. Black: outcome, where it is known."
        made.append({"title": "Joint scenarios of the spread", "text": text, "spec": paths(scenarios, known, "spread_ccy_per_mwh", SHOWN)})
    return made
