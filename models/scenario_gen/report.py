"""Page sections of scenario_gen: paths of the base set, and what every set says of the day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from models._kernel.path_chart import paths
from models.scenario_gen.tables import SCENARIO_BANK

SHOWN = 40
SHARES = (0.01, 0.05, 0.5, 0.95, 0.99)
TAGS = ("generator", "marginals", "stressed_probability", "renewables_share", "tightness", "tail_dial")


def sections(forecasts: pl.DataFrame, outcomes: pl.DataFrame, companions: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """Paths of the base set of every hub with the day's outcome where it is known, and the table of sets.

    Args:
        forecasts: published rows of the model.
        outcomes: hub, product, delivery_ts, price_ccy_per_mwh.
        companions: published rows of the companion tables for the newest delivery date.
    """
    bank = companions.get(SCENARIO_BANK.name, SCENARIO_BANK.empty())
    if bank.is_empty():
        return []
    sets = bank["scenario_set"].unique().sort().to_list()
    first = "base" if "base" in sets else sets[0]
    base = bank.filter(pl.col("scenario_set") == first)
    known = outcomes.join(forecasts.select("hub", "product", "delivery_ts").unique(), on=["hub", "product", "delivery_ts"], how="semi")
    drawn = base.rename({"path_id": "scenario"})
    text = f"The first {SHOWN} paths of the set {first} by delivery time (UTC); the same number belongs together over all hubs."
    made: list[dict[str, Any]] = [
        {
            "title": "Paths of the day",
            "text": f"{text} Black: outcome, where it is known.",
            "spec": paths(drawn, known, "price_ccy_per_mwh", SHOWN),
        }
    ]
    by_path = bank.group_by("hub", "scenario_set", "path_id", *TAGS).agg(
        pl.col("price_ccy_per_mwh").mean().alias("mean"),
        (pl.col("price_ccy_per_mwh").max() - pl.col("price_ccy_per_mwh").min()).alias("span"),
    )
    told = by_path.group_by("hub", "scenario_set", *TAGS).agg(
        pl.len().alias("paths"),
        *(pl.col("mean").quantile(p).round(2).alias(f"day_mean_q{round(100 * p):02d}") for p in SHARES),
        pl.col("span").median().round(2).alias("daily_span_q50"),
    )
    rounded = told.with_columns(pl.col(c).round(3) for c in TAGS[2:])
    made.append(
        {
            "title": "Sets",
            "text": "Quantiles over the paths of the day's mean price, and the median of highest less lowest price, currency/MWh, by set.",
            "rows": rounded.sort("hub", "scenario_set").to_dicts(),
        }
    )
    return made
