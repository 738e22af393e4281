"""A plan as rows: every number one row of curated.decision_plans, with an identity and the lineage of all it rests on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from config.risk import Risk
from config.settings import REPO_ROOT
from pipeline_tasks.contracts import with_lineage
from pipeline_tasks.contracts.plans import DECISION_PLANS
from pipeline_tasks.copilot.decide import Decision, figures
from pipeline_tasks.copilot.forecasts import EXACT, Input, Prices
from pipeline_tasks.copilot.request import PlanRequest
from pipeline_tasks.steps.code_version import code_sha
from pipeline_tasks.warehouse.hashing import combined_sha

MODEL = "copilot"
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
PLAN, INTERVAL = "plan", "interval"
CONFIGURATION = ("risk.yaml", "markets.yaml", "gates.yaml", "assets/bess.yaml", "assets/cross_commodity.yaml")
MW, PRICE, MONEY = "MW", "currency/MWh", "currency"


def number_id(plan: str, quantity: str, place: str, start: datetime | None) -> str:
    """Identity of a number."""
    return "/".join((plan, quantity, place or "-", f"{start:%Y%m%dT%H%MZ}" if start else "-"))


def inputs_of(prices: Prices) -> tuple[Input, ...]:
    """Everything numbers rest on: models and data, configuration files and code."""
    files = (Input("configuration", name, "", _file_sha(name)) for name in CONFIGURATION)
    return (*prices.inputs, *files, Input("code", "powerdesk", "", code_sha()))


def config_sha(request: PlanRequest, inputs: Iterable[Input]) -> str:
    """SHA-256 of the request and of every configuration file."""
    return combined_sha([hashlib.sha256(request.to_json().encode()).hexdigest(), *(i.sha for i in inputs if i.kind == "configuration")])


def inputs_json(inputs: Iterable[Input]) -> str:
    """Canonical JSON of the inputs."""
    return json.dumps([asdict(i) for i in inputs], sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def plan_rows(request: PlanRequest, prices: Prices, decision: Decision, risk: Risk) -> pl.DataFrame:
    """Every number of the plan, in key order of `curated.decision_plans`."""
    inputs = inputs_of(prices)
    rows = [*_whole(request, prices, decision, risk), *_by_interval(request, prices, decision)]
    frame = pl.DataFrame(rows, schema=["quantity", "place", "delivery_ts", "value", "unit"], orient="row", infer_schema_length=None)
    frame = frame.with_columns(pl.col("value").cast(pl.Float64) + 0.0)
    plan = request.plan_id
    scope = pl.when(pl.col("delivery_ts").is_null()).then(pl.lit(PLAN)).otherwise(pl.lit(INTERVAL)).alias("scope")
    names = [number_id(plan, q, p, t) for q, p, t in frame.select("quantity", "place", "delivery_ts").iter_rows()]
    own = frame.with_columns(
        scope,
        pl.Series("number_id", names),
        pl.col("delivery_ts").fill_null(prices.starts[0]),
        seed=pl.lit(request.seed),
        config_sha=pl.lit(config_sha(request, inputs)),
    )
    models = [i for i in inputs if i.kind == "model"]
    return with_lineage(
        DECISION_PLANS,
        own,
        {
            "run_id": request.run_id,
            "model": MODEL,
            "model_version": " ".join(f"{i.name}:{i.version}" for i in models),
            "artifact_sha": combined_sha([i.sha for i in models]),
            "code_sha": code_sha(),
            "data_version": combined_sha([i.sha for i in inputs if i.kind == "data"]),
            "regime": prices.regime,
            "status": "DEGRADED" if prices.reasons else "OK",
            "status_reason": "; ".join(prices.reasons),
            "as_of": request.context.as_of,
            "market": request.context.selection.market.key,
            "hub": plan,
            "product": "plan",
            "delivery_date": request.delivery_date,
        },
    )


def _whole(request: PlanRequest, prices: Prices, decision: Decision, risk: Risk) -> list[tuple[Any, ...]]:
    """Numbers of the plan as a whole."""
    chosen, rows = decision.chosen, []
    rows += [(name, "", None, value, unit) for name, (value, unit) in figures(chosen, risk).items()]
    rows += [("dispatched_hours", "", None, float(prices.hours.sum()), "h")] if prices.method == EXACT else []
    for solved in decision.frontier:
        found = figures(solved, risk)
        place = f"risk aversion {solved.risk_aversion:g}"
        rows += [(f"frontier_{name}", place, None, *found[name]) for name in ("expected_profit_ccy", f"es_{round(100 * risk.level)}_ccy")]
    for limit in decision.limits:
        rows += [("limit_value", limit.name, None, limit.value, limit.unit), ("limit_allowed", limit.name, None, limit.limit, limit.unit)]
    rows += [("position_mw", hub, None, mw, MW) for hub, mw in zip(request.hubs, request.position_mw, strict=True)]
    explained = prices.drivers.select("hub", "feature", "contribution").iter_rows()
    rows += [("driver_ccy_per_mwh", f"{hub}: {feature}", None, value, PRICE) for hub, feature, value in explained]
    losses = np.sort(chosen.profit)
    at = [round(p, 2) for p in np.linspace(0.01, 0.99, 99)]
    rows += [("profit_quantile_ccy", f"{p:.0%}", None, float(np.quantile(losses, p)), MONEY) for p in at]
    return rows


def _by_interval(request: PlanRequest, prices: Prices, decision: Decision) -> list[tuple[Any, ...]]:
    """Numbers of each interval: prices and actions by hub, the battery, the running profit."""
    chosen, starts, rows = decision.chosen, prices.starts, []
    for k, hub in enumerate(request.hubs):
        rows += _series("hedge_mw", hub, starts, chosen.hedge_mw[k], MW)
        rows += _series("price_change_ccy_per_mwh", hub, starts, prices.change[k], PRICE)
        rows += _series("mark_ccy_per_mwh", hub, starts, prices.mark[k], PRICE)
        for name, cube in (("day_ahead", prices.day_ahead), ("real_time", prices.real_time)):
            rows += _series(f"{name}_mean_ccy_per_mwh", hub, starts, cube[:, k].mean(axis=0), PRICE)
            for level in LEVELS:
                values = np.quantile(cube[:, k], level, axis=0)
                rows += _series(f"{name}_q{round(100 * level):02d}_ccy_per_mwh", hub, starts, values, PRICE)
    battery = chosen.battery
    if request.battery:
        place = request.battery_hub or request.hubs[0]
        rows += _series("battery_day_ahead_mw", place, starts, battery.day_ahead_mw, MW)
        rows += _series("battery_output_mw", place, starts, battery.output_mw.mean(axis=0), MW)
        rows += _series("battery_charge_mwh", place, starts, battery.charge_mwh.mean(axis=0), "MWh")
    running = chosen.running.cumsum(axis=1)
    rows += _series("running_profit_mean_ccy", "", starts, running.mean(axis=0), MONEY)
    for level in (0.05, 0.95):
        rows += _series(f"running_profit_q{round(100 * level):02d}_ccy", "", starts, np.quantile(running, level, axis=0), MONEY)
    return rows


def _series(quantity: str, place: str, starts: Sequence[datetime], values: Iterable[float], unit: str) -> list[tuple[Any, ...]]:
    return [(quantity, place, start, float(value), unit) for start, value in zip(starts, values, strict=True)]


def _file_sha(name: str) -> str:
    return hashlib.sha256((REPO_ROOT / "config" / name).read_bytes()).hexdigest()


__all__ = ["CONFIGURATION", "LEVELS", "MODEL", "config_sha", "inputs_json", "inputs_of", "number_id", "plan_rows"]
