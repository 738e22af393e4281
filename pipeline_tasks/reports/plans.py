"""Pages of decision plans: one for each plan, and the desk page with budgets, answers that are waited for and kill switches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import polars as pl
from altair.utils.schemapi import debug_mode

from config.risk import load_risk
from pipeline_tasks.copilot import store
from pipeline_tasks.copilot.request import Dials
from pipeline_tasks.reports import plan_charts as charts
from pipeline_tasks.reports.charts import driver_bars
from pipeline_tasks.reports.site import environment, replace_file, reports_root, write_root_index

if TYPE_CHECKING:
    from pipeline_tasks.warehouse import Warehouse

FOLDER = "plans"
TOP_DRIVERS = 10
LOOKS = {"approved": "ok", "shadow": "warn", "blocked": "bad", "rejected": "bad", "expired": "dim", "stopped": "bad"}
FOOT = "Decision support; no orders are sent. A plan is a shadow until another person than the one who asked approved it."
METHODS = {
    "network": "Both worlds were dispatched exactly, hour by hour, from the network, outages, load forecasts and last disclosed offers"
    " known at the gate; the change is added to every scenario.",
    "model": "The champion answered on the changed inputs; its mean change is added to every scenario.",
    "none": "No dial is turned: the world as known at the gate.",
}


def plans_folder() -> Path:
    """Folder of the pages."""
    return reports_root() / FOLDER


def write_plan_page(warehouse: Warehouse, plan_id: str) -> Path:
    """Write the page of a plan and the desk page anew; every figure is read from the warehouse.

    Raises:
        PlanError: there is no such plan.
    """
    plan = store.plan(warehouse, plan_id)
    folder = plans_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{plan_id}.html"
    with debug_mode(False):
        html = environment().get_template("plan.html.j2").render(**_plan_values(warehouse, plan))
    replace_file(path, html)
    write_desk_page(warehouse)
    return path


def write_desk_page(warehouse: Warehouse) -> Path:
    """Write the desk page: switches, plans that wait, budgets and all plans on record."""
    from pipeline_tasks.reports.desk import desk_values

    folder = plans_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.html"
    replace_file(path, environment().get_template("desk.html.j2").render(**desk_values(warehouse, datetime.now(UTC))))
    write_root_index()
    return path


def numbers_of(warehouse: Warehouse, market: str, plan_id: str) -> pl.DataFrame:
    """Every number of a plan."""
    return warehouse.query(
        "select quantity, place, scope, delivery_ts, value, unit, status, status_reason, regime from curated.decision_plans"
        " where market = {market:String} and hub = {plan:String} order by quantity, place, delivery_ts",
        {"market": market, "plan": plan_id},
    )


def whole(numbers: pl.DataFrame) -> dict[str, float]:
    """Figures of the plan as a whole by name."""
    return dict(numbers.filter(pl.col("scope") == "plan", pl.col("place") == "").select("quantity", "value").iter_rows())


def _plan_values(warehouse: Warehouse, plan: store.StoredPlan) -> dict[str, Any]:
    request, risk, now = plan.request, load_risk(), datetime.now(UTC)
    market = request.context.selection.market
    numbers = numbers_of(warehouse, market.key, plan.plan_id)
    other = _other(warehouse, request.compare_with)
    state, found, level = plan.state(now), whole(numbers), round(100 * risk.level)
    return {
        "title": f"Decision plan {plan.plan_id}",
        "meta": f"{market.label} · delivery {request.delivery_date:%a %d %B %Y} · decided on what was known at"
        f" {request.context.as_of.astimezone(market.zone):%a %d %b %H:%M %Z}",
        "tags": [(state.value, LOOKS[state.value]), *([("synthetic market", "warn")] if market.key == "twin" else [])],
        "links": [("Desk", "index.html"), ("All reports", "../index.html")],
        "foot": f"{FOOT} Times in {market.time_zone}. Prices in {market.currency}/MWh.",
        "plan_id": plan.plan_id,
        "count": f"{numbers.height:,}",
        "banners": _banners(plan, numbers),
        "cards": _cards(found, level, market.currency),
        "scenario": _scenario(request),
        "scenario_note": METHODS[_method(numbers, request)],
        "change_svg": _change_svg(numbers, request, market),
        "change_note": f"Change of the price of each hub, {market.currency}/MWh.",
        **_actions(numbers, market),
        "fans": [_fan(numbers, hub, market) for hub in request.hubs],
        **_risk(numbers, found, other, plan.plan_id, market.currency, level),
        "outcomes": _outcomes(warehouse, plan),
        "desk": risk.desk(request.desk).label,
        "limits": _limits(numbers),
        **_compare(found, other, market.currency),
        "drivers": _drivers(numbers, request.hubs, market.currency),
        "drivers_note": "Mean contribution (TreeSHAP) of each input to the boosted median of the day-ahead price over the horizon, in the"
        " world as known; with the base value the contributions of an interval add up to what they explain.",
        "people": _people(plan),
        "inputs": json.loads(plan.row["inputs_json"]),
    }


def _banners(plan: store.StoredPlan, numbers: pl.DataFrame) -> list[dict[str, str]]:
    found = []
    if plan.stopped:
        found.append({"title": "Stopped.", "text": plan.stopped})
    if plan.row["decision"] == "blocked":
        found.append({"title": "Blocked.", "text": f"{plan.row['reason']}. Nobody can approve it."})
    if numbers["status"][0] == "DEGRADED":
        found.append({"title": "DEGRADED.", "text": numbers["status_reason"][0]})
    return found


def _cards(found: dict[str, float], level: int, currency: str) -> list[dict[str, str]]:
    money = [
        ("expected profit", found["expected_profit_ccy"]),
        (f"expected shortfall, worst {100 - level} %", found[f"es_{level}_ccy"]),
        ("the same, doing nothing", found[f"unhedged_es_{level}_ccy"]),
        ("drawdown, 95 %", found["drawdown_95_ccy"]),
    ]
    cards = [{"value": f"{value:,.0f}", "label": f"{label}, {currency}"} for label, value in money]
    return [*cards, {"value": f"{found['sharpe_annual']:.1f}", "label": "Sharpe ratio of the day, scaled to a year"}]


def _scenario(request: Any) -> list[dict[str, Any]]:
    turned = {f.name: getattr(request.dials, f.name) for f in fields(Dials)}
    told = {k: ", ".join(v) if isinstance(v, tuple) else f"{v:+g} %" for k, v in turned.items() if v}
    rows = [("hubs and open positions", ", ".join(f"{h} {mw:+g} MW" for h, mw in zip(request.hubs, request.position_mw, strict=True)))]
    rows += [
        ("horizon", f"{request.horizon_h} hours"),
        ("battery", (request.battery_hub or request.hubs[0]) if request.battery else "none"),
    ]
    rows += [(k.removesuffix("_pct").replace("_", " "), v) for k, v in told.items()] or [("dials", "none turned")]
    rows += [("risk aversion asked for", f"{request.risk_aversion:g}")]
    rows += [("risk budget asked for", f"{request.risk_budget_ccy:,.0f}" if request.risk_budget_ccy else "the desk's limit")]
    return [{"input": k, "value": v} for k, v in rows]


def _method(numbers: pl.DataFrame, request: Any) -> str:
    if not request.dials.turned:
        return "none"
    return "network" if numbers.filter(pl.col("quantity") == "dispatched_hours").height else "model"


def _of(numbers: pl.DataFrame, *quantities: str) -> pl.DataFrame:
    return numbers.filter(pl.col("quantity").is_in(quantities), pl.col("scope") == "interval")


def _change_svg(numbers: pl.DataFrame, request: Any, market: Any) -> str:
    rows = _of(numbers, "price_change_ccy_per_mwh")
    return charts.lines(rows, zone=market.zone, title=f"{market.currency}/MWh") if request.dials.turned else ""


def _actions(numbers: pl.DataFrame, market: Any) -> dict[str, Any]:
    """Figures and table of what to do."""
    figures = []
    hedge = _of(numbers, "hedge_mw")
    if hedge["value"].abs().sum():
        text = "Sold day-ahead of each open position, purchases below zero; the rest is left to the balancing price."
        figures.append({"title": "Day-ahead hedge", "svg": charts.hedge_map(hedge, zone=market.zone, unit="MW"), "caption": text})
    battery = _of(numbers, "battery_day_ahead_mw", "battery_output_mw").with_columns(
        pl.col("quantity").replace({"battery_day_ahead_mw": "sold day-ahead", "battery_output_mw": "expected output"}).alias("place")
    )
    if battery.height:
        text = "Battery: schedule sold day-ahead and mean output over the scenarios; charging below zero."
        figures.append({"title": "Battery", "svg": charts.lines(battery, zone=market.zone, title="MW", steps=True), "caption": text})
    table = _of(numbers, "hedge_mw", "battery_day_ahead_mw", "day_ahead_mean_ccy_per_mwh", "real_time_mean_ccy_per_mwh")
    names = {"hedge_mw": "hedge MW", "battery_day_ahead_mw": "battery MW", "day_ahead_mean_ccy_per_mwh": "day-ahead"}
    names["real_time_mean_ccy_per_mwh"] = "balancing"
    wide = table.with_columns((pl.col("place") + " " + pl.col("quantity").replace(names)).alias("_c")).pivot(
        "_c", index="delivery_ts", values="value"
    )
    hours = [{"start": _clock(r.pop("delivery_ts"), market.zone), **r} for r in wide.sort("delivery_ts").iter_rows(named=True)]
    note = "Nothing is traded: no position is open and no battery is planned." if not figures else "What to trade at the day-ahead gate."
    return {"actions": figures, "hours": hours, "hour_columns": list(hours[0])[1:] if hours else [], "plan_note": note}


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%d %b %H:%M")


def _fan(numbers: pl.DataFrame, hub: str, market: Any) -> dict[str, str]:
    own = numbers.filter(pl.col("place") == hub, pl.col("scope") == "interval")
    wide = own.pivot("quantity", index="delivery_ts", values="value").sort("delivery_ts")
    unit = f"{market.currency}/MWh"
    return {"name": hub} | {kind: charts.price_fan(wide, kind, zone=market.zone, unit=unit) for kind in ("day_ahead", "real_time")}


def _risk(
    numbers: pl.DataFrame, found: dict[str, float], other: tuple[str, pl.DataFrame] | None, plan_id: str, currency: str, level: int
) -> dict[str, Any]:
    """Figures, frontier and distribution of profit."""
    shortfall, expected = f"frontier_es_{level}_ccy", "frontier_expected_profit_ccy"
    points = (
        numbers.filter(pl.col("quantity").is_in([shortfall, expected]))
        .pivot("quantity", index="place", values="value")
        .select(
            pl.col(shortfall).alias("shortfall"),
            pl.col(expected).alias("expected"),
            pl.col("place").str.split(" ").list.last().cast(pl.Float64).alias("label"),
        )
        .sort("label")
    )

    def mark(values: dict[str, float], label: str) -> pl.DataFrame:
        return pl.DataFrame({"shortfall": [values[f"es_{level}_ccy"]], "expected": [values["expected_profit_ccy"]], "label": [label]})

    others = mark(whole(other[1]), other[0]) if other else mark(found, "").clear()
    curves = [_quantiles(numbers, plan_id), *([_quantiles(other[1], other[0])] if other else [])]
    shown = [{"figure": k.replace("_ccy", "").replace("_", " "), "value": v} for k, v in found.items()]
    return {
        "figures": shown,
        "risk_note": f"Over equally likely scenarios, in {currency}, against the position's mark (the mean day-ahead price of the world"
        " as known at the gate, without the dials); losses are above zero in value at risk, shortfall and drawdown. The"
        " battery is planned first, then the hedge of the position beside it.",
        "frontier_svg": charts.frontier(points, mark(found, plan_id), others, currency=currency),
        "frontier_note": "Plans at each risk aversion (numbers at the points), all else equal; the diamond is this plan.",
        "profit_svg": charts.profit_curve(pl.concat(curves), currency=currency),
    }


def _quantiles(numbers: pl.DataFrame, name: str) -> pl.DataFrame:
    own = numbers.filter(pl.col("quantity") == "profit_quantile_ccy")
    return own.select(
        (pl.col("place").str.strip_chars("%").cast(pl.Float64) / 100).alias("level"), "value", pl.lit(name).alias("plan")
    ).sort("level")


def _outcomes(warehouse: Warehouse, plan: store.StoredPlan) -> list[dict[str, Any]]:
    """What each part came to; nothing before its prices are known."""
    rows = warehouse.query(
        "select part, expected_ccy as expected, price_effect_ccy as price_effect, realised_ccy as realised, unhedged_ccy as doing_nothing"
        " from curated.plan_outcomes where market = {market:String} and hub = {plan:String} order by part = 'all', part desc",
        {"market": plan.row["market"], "plan": plan.plan_id},
    )
    return rows.to_dicts()


def _limits(numbers: pl.DataFrame) -> list[dict[str, Any]]:
    pair = numbers.filter(pl.col("quantity").is_in(["limit_value", "limit_allowed"])).pivot(
        "quantity", index=["place", "unit"], values="value"
    )
    return [
        {"limit": r["place"], "needed": r["limit_value"], "allowed": r["limit_allowed"], "unit": r["unit"],
         "holds": "yes" if r["limit_value"] <= r["limit_allowed"] + 1e-6 else "NO"}
        for r in pair.iter_rows(named=True)
    ]  # fmt: skip


def _other(warehouse: Warehouse, plan_id: str) -> tuple[str, pl.DataFrame] | None:
    """The plan to compare with; None where none is named or it is not on record any more."""
    found = store.plans(warehouse, plan_id=plan_id) if plan_id else []
    return (plan_id, numbers_of(warehouse, found[0].row["market"], plan_id)) if found else None


def _compare(found: dict[str, float], other: tuple[str, pl.DataFrame] | None, currency: str) -> dict[str, Any]:
    if other is None:
        return {"compared": []}
    theirs = whole(other[1])
    rows = [
        {"figure": k.replace("_ccy", "").replace("_", " "), "this plan": v, "other plan": theirs[k], "difference": v - theirs[k]}
        for k, v in found.items()
        if k in theirs
    ]
    return {"compared": rows, "other_id": other[0], "compare_note": f"What if: both plans side by side, in {currency} where it is money."}


def _drivers(numbers: pl.DataFrame, hubs: Sequence[str], currency: str) -> list[dict[str, str]]:
    own = numbers.filter(pl.col("quantity") == "driver_ccy_per_mwh")
    figures = []
    for hub in hubs:
        mine = own.filter(pl.col("place").str.starts_with(f"{hub}: ")).select(
            pl.col("place").str.strip_prefix(f"{hub}: ").alias("feature"), pl.col("value").alias("contribution")
        )
        top = mine.filter(pl.col("feature") != "(base)").sort(pl.col("contribution").abs(), descending=True).head(TOP_DRIVERS)
        if top.height:
            figures.append({"title": hub, "svg": driver_bars(top, unit=f"{currency}/MWh")})
    return figures


def _people(plan: store.StoredPlan) -> list[dict[str, str]]:
    rows = [("asked by", plan.row["requester"], plan.row["requested_ts"])]
    if plan.decision:
        rows.append((f"{plan.decision} by", plan.approver + (f": {plan.comment}" if plan.comment else ""), plan.answered_ts))
    elif plan.row["decision"] == "proposed":
        rows.append(("waits for", "another person than the one who asked", plan.row["expires_ts"]))
    return [{"what": what, "who": who, "at (UTC)": f"{at:%Y-%m-%d %H:%M}"} for what, who, at in rows]


__all__ = ["FOOT", "LOOKS", "numbers_of", "plans_folder", "whole", "write_desk_page", "write_plan_page"]
