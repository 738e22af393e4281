"""Drift of the features of a market: a monitor per feature and hub, fitted on the history before the newest day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from config.markets import MarketSelection
from models._kernel.drift.calendar import calendar_errors
from models._kernel.drift.monitor import MonitorOptions, fit_monitor
from models._kernel.drift.panel import DayPanel, day_panel
from pipeline_tasks.contracts import Table
from pipeline_tasks.contracts.features import MONITORED
from pipeline_tasks.contracts.ops import CHECK_RESULTS
from pipeline_tasks.contracts.watch import DRIFT
from pipeline_tasks.steps.schedules import load_schedules

if TYPE_CHECKING:
    from pipeline_tasks.steps.context import RunContext
    from pipeline_tasks.warehouse import Warehouse

Array = npt.NDArray[np.float64]
EPOCH = date(1970, 1, 1)
MOST_MISSING = 0.1  # another feature with more gaps than this does not help to foretell
CATEGORIES = ("day_of_week", "month", "local_hour", "day_of_year", "is_holiday", "delivery_date")


@dataclass(frozen=True, slots=True)
class Watched:
    """One feature of one hub with those that help to foretell it, on the same days."""

    hub: str
    feature: str
    panel: DayPanel
    others: tuple[Array, ...]


def watched_series(rows: pl.DataFrame, table: Table) -> list[Watched]:
    """The monitored features of a table's rows: one per hub, or one for all hubs where they do not differ."""
    names = [n for n in MONITORED.get(table.full_name, ()) if rows.get_column(n).null_count() < rows.height]
    hubs = rows.get_column("hub").unique(maintain_order=True).to_list()
    found: list[Watched] = []
    for number, hub in enumerate(hubs):
        own = rows.filter(pl.col("hub") == hub)
        panels = {n: p for n in names if (p := day_panel(own, n)) is not None}
        helping = {n: p for n, p in panels.items() if n.endswith("_forecast_mw") and float(np.mean(~p.known)) <= MOST_MISSING}
        for name, panel in panels.items():
            if number and _shared(rows, name):
                continue
            beside = (_on_days(p, panel.days) for n, p in helping.items() if n != name)
            found.append(Watched(hub, name, panel, (_holidays_around(own, panel.days), *beside)))
    return found


def _holidays_around(rows: pl.DataFrame, days: npt.NDArray[np.int64]) -> Array:
    """1 where the day itself, the one before it, the one a week before is a public holiday, shape (n, 3)."""
    dates = rows.filter(pl.col("is_holiday")).get_column("delivery_date").unique().cast(pl.Int32).to_numpy()
    return np.column_stack([np.isin(days + shift, dates) for shift in (0, -1, -7)]).astype(np.float64)


def _shared(rows: pl.DataFrame, name: str) -> bool:
    """Whether all hubs have the same value at each interval: a feature of the market, watched once."""
    return bool(rows.group_by("delivery_ts").agg(pl.col(name).n_unique().alias("n"))["n"].max() == 1)


def _on_days(panel: DayPanel, days: npt.NDArray[np.int64]) -> Array:
    out = np.full((days.size, panel.width), np.nan)
    inside = (days >= panel.days[0]) & (days <= panel.days[-1])
    out[inside] = panel.values[days[inside] - panel.days[0]]
    return out


def judge_newest(watched: Watched, options: MonitorOptions) -> list[dict[str, Any]]:
    """Findings on the newest day of a series, as rows of ops.drift without lineage; empty when history is too short."""
    panel, newest = watched.panel, watched.panel.days.size - 1
    try:
        monitor = fit_monitor(panel.upto(newest), [o[:newest] for o in watched.others], options)
    except ValueError:
        return []
    return [
        {
            "hub": watched.hub,
            "feature": watched.feature,
            "delivery_date": EPOCH + timedelta(days=int(panel.days[newest])),
            "detector": f.detector,
            "statistic": f.statistic,
            "threshold": f.threshold,
            "alarm": f.alarm,
            "severity": f.severity,
            "reference": monitor.reference,
            "reference_days": monitor.reference_days,
        }
        for f in monitor.check(panel, watched.others)
        if np.isfinite(f.threshold)
    ]


def judge_calendar(rows: pl.DataFrame, selection: MarketSelection, day: date, holidays: dict[date, bool]) -> list[dict[str, Any]]:
    """Findings on the categories of a delivery date, as rows of ops.drift without lineage."""
    found = []
    for (hub,), own in rows.filter(pl.col("delivery_date") == day).group_by("hub", maintain_order=True):
        wrong = calendar_errors(own, time_zone=selection.market.time_zone, holidays=holidays)
        for name in (c for c in CATEGORIES if c in wrong):
            row = {"hub": hub, "feature": name, "delivery_date": day, "detector": "calendar", "statistic": float(wrong[name])}
            state = {"alarm": wrong[name] > 0, "severity": "severe" if wrong[name] else "ok"}
            found.append({**row, "threshold": 0.5, **state, "reference": "season", "reference_days": 0})
    return found


def watch_features(warehouse: Warehouse, ctx: RunContext, table: Table) -> pl.DataFrame:
    """Judge the newest day of every monitored feature as known at the run's decision, and write what was found.

    A severe finding is a failed warning of the gates too (ops.check_results), so that the forecasts made of it are DEGRADED.

    Returns:
        The rows of ops.drift; empty where the market has no rows.
    """
    from pipeline_tasks.warehouse.read import read_features

    limits, selection = load_schedules().watch, ctx.selection
    start = ctx.delivery_date - timedelta(days=limits.drift_history_days)
    rows = read_features(
        warehouse, table, market=selection.market.key, hubs=selection.hubs, start_date=start, end_date=ctx.delivery_date, as_of=ctx.as_of
    )
    options = MonitorOptions(budget=limits.false_alarms_per_quarter, seed=load_schedules().seed)
    found = [row for series in watched_series(rows, table) for row in judge_newest(series, options)]
    found += judge_calendar(rows, selection, ctx.delivery_date, _holidays(warehouse, ctx))
    lineage = {"run_id": ctx.run_id, "market": selection.key, "as_of": ctx.as_of, "at_ts": datetime.now(UTC)}
    frame = pl.DataFrame([{**lineage, **row} for row in found], schema=DRIFT.polars_schema())
    if frame.height:
        warehouse.insert(DRIFT, frame)
        _warn(warehouse, table, frame)
    return frame


def _holidays(warehouse: Warehouse, ctx: RunContext) -> dict[date, bool]:
    days = warehouse.query(
        "select delivery_date, is_holiday from intermediate.market_days where market = {market:String} and delivery_date = {day:Date32}",
        {"market": ctx.selection.market.key, "day": ctx.delivery_date},
    )
    return dict(days.iter_rows())


def _warn(warehouse: Warehouse, table: Table, frame: pl.DataFrame) -> None:
    """Severe findings as failed warnings, by which `infer` degrades forecasts; those of an earlier try of the run are taken back."""
    severe = frame.group_by("run_id", "feature", "detector", "at_ts").agg(
        pl.len().alias("rows_checked"), (pl.col("severity") == "severe").sum().alias("rows_failed"), pl.col("hub").filter(pl.col("alarm"))
    )
    kinds = severe.filter(pl.col("detector").is_in(["unit", "stuck", "calendar"]))
    rows = kinds.select(
        "run_id",
        pl.lit(table.full_name).alias("table_name"),
        ("drift_" + pl.col("detector")).alias("check_name"),
        pl.col("feature").alias("column_name"),
        pl.lit("warn").alias("severity"),
        (pl.col("rows_failed") == 0).alias("success"),
        pl.col("rows_checked").cast(pl.Int64),
        pl.col("rows_failed").cast(pl.Int64),
        ("hubs: " + pl.col("hub").list.join(", ")).alias("detail_json"),
        "at_ts",
    )
    warehouse.insert(CHECK_RESULTS, rows)


def summary(frame: pl.DataFrame) -> dict[str, Any]:
    """What a step says of the findings: counts, and reasons where something is severe."""
    alarms = frame.filter("alarm")
    severe = alarms.filter(pl.col("severity") == "severe")
    reasons: Sequence[str] = [f"{r['hub']} {r['feature']}: {r['detector']}" for r in severe.sort("hub", "feature").iter_rows(named=True)]
    series = frame.select("hub", "feature").n_unique() if frame.height else 0
    return {
        "status": "DEGRADED" if reasons else "OK",
        "reason": "; ".join(reasons),
        "series": series,
        "alarms": alarms.height,
        "severe": severe.height,
    }
