"""Page sections of curve_dist: joint scenarios of the day, and day, week and month as distributions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from models._kernel.path_chart import paths
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
        made.append({"title": "Joint scenarios", "text": text, "spec": paths(scenarios, known, "price_ccy_per_mwh", SHOWN)})
    if risk.height:
        names = {f"{f}_ccy_per_mwh": f for f in FIGURES}
        rows = risk.sort("hub", "period_last_date").select(*TABLE, *(pl.col(c).round(3).alias(n) for c, n in names.items())).to_dicts()
        text = (
            "Mean price of the delivery day, its calendar week and month: known days as they were, the delivery day's scenarios, days after"
            " it extended. var and es: worst shares for who must buy; long: loss per MWh of 1 MW bought at the mean."
        )
        made.append({"title": "Day, week and month", "text": text, "rows": rows})
    return made
