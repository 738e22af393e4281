"""Settling step: what decision plans came to at realised prices, approved ones and shadows alike."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from pipeline_tasks.copilot.store import StoredPlan
    from pipeline_tasks.warehouse import Warehouse


def settle_plans(market: str, *, now: datetime | None = None, since: date | None = None) -> dict[str, Any]:
    """Settle the plans of a market whose prices are all known, and publish what they came to.

    Plans that broke a limit are settled too: what a limit cost, or saved, is part of judging it.

    Args:
        market: market key.
        now: outcomes known by then count; the present by default.
        since: first delivery date; None for all.

    Returns:
        `plans`: plan_id, state, expected, realised and unhedged profit; `waiting`: plans whose prices are not all known.
    """
    from config.markets import resolve_market
    from pipeline_tasks.copilot import store
    from pipeline_tasks.warehouse import connect

    key, instant = resolve_market(market).market.key, now or datetime.now(UTC)
    settled, waiting = [], 0
    with connect() as warehouse:
        for plan in store.plans(warehouse, market=key):
            if since and plan.row["delivery_date"] < since:
                continue
            row = _settle(warehouse, plan, instant)
            settled += [row] if row else []
            waiting += not row
    return {"status": "OK", "plans": settled, "waiting": waiting}


def _settle(warehouse: Warehouse, plan: StoredPlan, now: datetime) -> dict[str, Any] | None:
    """Settle and publish one plan; None where a price is not known."""
    from pipeline_tasks.contracts import with_lineage
    from pipeline_tasks.contracts.plans import PLAN_OUTCOMES
    from pipeline_tasks.copilot.outcome import outcome_rows
    from pipeline_tasks.copilot.store import MODEL
    from pipeline_tasks.reports.plans import write_plan_page
    from pipeline_tasks.steps.learned import publish_rows

    numbers = warehouse.query(
        "select * from curated.decision_plans where market = {m:String} and hub = {p:String}", {"m": plan.row["market"], "p": plan.plan_id}
    )
    prices = _realised(warehouse, plan, now)
    found = outcome_rows(plan.request, numbers, prices)
    if found is None:
        return None
    state = plan.state(now).value
    shared = {
        c: numbers[c][0]
        for c in ("model", "model_version", "artifact_sha", "code_sha", "data_version", "regime", "status", "status_reason", "as_of")
    }
    own = found.with_columns(pl.lit(state).alias("state"))
    lineage = {
        **shared,
        "run_id": f"settle_{plan.request.run_id}",
        "market": plan.row["market"],
        "hub": plan.plan_id,
        "product": "plan",
        "delivery_ts": numbers["delivery_ts"].min(),
        "delivery_date": plan.row["delivery_date"],
    }
    before = warehouse.query(
        "select part, realised_ccy, state from curated.plan_outcomes where market = {m:String} and hub = {p:String} order by part",
        {"m": plan.row["market"], "p": plan.plan_id},
    )
    publish_rows(warehouse, PLAN_OUTCOMES, with_lineage(PLAN_OUTCOMES, own, lineage), run_id=lineage["run_id"], model=MODEL)
    if not before.equals(own.select(before.columns).sort("part")):
        write_plan_page(warehouse, plan.plan_id)
    total = found.filter(pl.col("part") == "all").row(0, named=True)
    return {"plan_id": plan.plan_id, "state": state, **{k: total[k] for k in ("expected_ccy", "realised_ccy", "unhedged_ccy")}}


def _realised(warehouse: Warehouse, plan: StoredPlan, now: datetime) -> pl.DataFrame:
    """First published day-ahead and balancing prices of the plan's hubs and day: hub, delivery_ts, day_ahead, real_time."""
    market, request = plan.request.context.selection.market, plan.request
    begin, end = market.day_bounds(request.delivery_date)

    def first(product: str, name: str) -> pl.DataFrame:
        return warehouse.query(
            "select hub, toDateTime64(toStartOfInterval(delivery_ts, toIntervalMinute({step:UInt16})), 3, 'UTC') as delivery_ts,"
            " avg(price) as price from ("
            " select hub, delivery_ts, argMin(price_ccy_per_mwh, known_ts) as price from raw.prices where market = {m:String}"
            " and hub in {h:Array(String)} and product = {p:String} and delivery_ts >= {a:DateTime64(3, 'UTC')}"
            " and delivery_ts < {b:DateTime64(3, 'UTC')} and known_ts <= {now:DateTime64(3, 'UTC')}"
            " group by hub, delivery_ts, resolution_min) group by hub, delivery_ts",
            {
                "m": market.key,
                "h": list(request.hubs),
                "p": product,
                "a": begin,
                "b": end,
                "now": now,
                "step": market.resolution_min,
            },
        ).rename({"price": name})

    day_ahead = first(market.product, "day_ahead")
    real_time = first(market.balancing_product, "real_time") if market.balancing_product else day_ahead.rename({"day_ahead": "real_time"})
    return day_ahead.join(real_time, on=["hub", "delivery_ts"])


__all__ = ["settle_plans"]
