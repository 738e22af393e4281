"""What a plan came to: position, hedge and battery at realised prices, beside what was expected of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from config.risk import load_risk
from pipeline_tasks.copilot.battery import settled_battery
from pipeline_tasks.copilot.request import PlanRequest

Array = npt.NDArray[np.float64]


def outcome_rows(request: PlanRequest, numbers: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame | None:
    """Profit of each part at realised prices; None where a price of the horizon is not known.

    The battery keeps the day-ahead schedule that the plan gave; its deliveries are the best ones at the realised balancing prices, so
    this part is an upper bound, as its expectation is.

    Args:
        request: the plan's request.
        numbers: rows of curated.decision_plans of the plan.
        prices: hub, delivery_ts, day_ahead, real_time; currency/MWh.

    Returns:
        part, expected_ccy, realised_ccy, price_effect_ccy, unhedged_ccy.
    """
    own = numbers.filter(pl.col("quantity").is_in(["hedge_mw", "mark_ccy_per_mwh"]))
    hedge = own.pivot("quantity", index=["place", "delivery_ts"], values="value").rename({"place": "hub"})
    starts = hedge["delivery_ts"].unique().sort()
    joined = hedge.join(prices, on=["hub", "delivery_ts"], how="left").sort("hub", "delivery_ts")
    if joined.is_empty() or joined.select(pl.col("day_ahead", "real_time").null_count()).sum_horizontal()[0]:
        return None
    step_s = (starts[1] - starts[0]).total_seconds() if starts.len() > 1 else 60 * request.context.selection.market.resolution_min
    hours = float(step_s) / 3600
    position = dict(zip(request.hubs, request.position_mw, strict=True))
    sold, mark, day_ahead, real_time = (joined[c].to_numpy() for c in ("hedge_mw", "mark_ccy_per_mwh", "day_ahead", "real_time"))
    open_mw = np.array([position[h] for h in joined["hub"].to_list()])
    unhedged = float((open_mw * (real_time - mark)).sum() * hours)
    fee = load_risk().hedge_fee_ccy_per_mwh
    realised = {
        "open position": unhedged,
        "hedge": float((sold * (day_ahead - real_time) - fee * np.abs(sold)).sum() * hours),
        "battery": settled_battery(request, numbers, prices, hours),
    }
    whole = dict(numbers.filter(pl.col("scope") == "plan", pl.col("place") == "").select("quantity", "value").iter_rows())
    expected = {
        "open position": whole["expected_open_profit_ccy"],
        "hedge": whole["expected_hedge_profit_ccy"],
        "battery": whole["expected_battery_profit_ccy"],
    }
    realised["all"], expected["all"] = sum(realised.values()), sum(expected.values())
    base = {"open position": unhedged, "hedge": 0.0, "battery": 0.0, "all": unhedged}
    rows = [(part, expected[part], value, value - expected[part], base[part]) for part, value in realised.items()]
    return pl.DataFrame(rows, schema=["part", "expected_ccy", "realised_ccy", "price_effect_ccy", "unhedged_ccy"], orient="row")


__all__ = ["outcome_rows"]
