"""NYISO: whether congestion moves by zone, when an interface reaches its limit, as it did while that interface was at its limit before."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.grid.lead_lag import LeadLag
from models._kernel.grid.recovery import correlation
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.lead_lag import LEARNED, Panel, lead_lag_of, lead_lag_rows
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.sources import DataAbsentError
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
TARGET, FLOOR = 0.8, 0.7
FEWEST_HOURS = 50
BINDING, FREE = 0.95, 0.90  # share of an interface's limit; operators keep a margin, so that none is ever reached
SCHEDULED = "SCH - "  # ties are scheduled up to their limits; being full is no congestion there
WINDOW_H = 4
MOVED = 5.0  # USD/MWh at some zone


def interface_rows(job: SystemJob) -> list[ScoreRow]:
    """NYISO: an interface reaches its limit; does congestion move by zone as it did in the hours in which that interface bound before?"""
    zones, flows = _read(job)
    panel = _panel(zones, flows)
    job.say(f"{job.data_set}: lead and lag")
    model = lead_lag_of(panel)
    return [*_event_rows(job, panel, model), *lead_lag_rows(job, panel, model, DataClass.REAL)]


def _read(job: SystemJob) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Congestion by zone, and flow over limit by interface that is not scheduled up to its limit."""
    from pipeline_tasks.scorecard.sources import WarehouseSource
    from pipeline_tasks.warehouse import connect

    WarehouseSource().prepare(job.data_set, job.say, features=False)
    with connect() as warehouse:
        zones = warehouse.query(
            "select delivery_ts, hub, congestion_ccy_per_mwh as value from raw.prices where market = 'nyiso' and product = 'rt'"
            " and congestion_ccy_per_mwh is not null order by known_ts limit 1 by delivery_ts, hub"
        )
        flows = warehouse.query(
            "select delivery_ts, interface, flow_mw / if(flow_mw >= 0, limit_pos_mw, limit_neg_mw) as loading from raw.interfaces"
            " where market = 'nyiso' and not startsWith(interface, {scheduled:String}) order by known_ts limit 1 by delivery_ts, interface",
            {"scheduled": SCHEDULED},
        )
    return zones, flows


def _event_rows(job: SystemJob, panel: Panel, model: LeadLag) -> list[ScoreRow]:
    found = _interface_events(panel, model)
    if not found:
        raise DataAbsentError("nyiso: no interface reached its limit with congestion that moved")
    own = np.array([e[0] for e in found])
    low, high = _median_interval(own, job.seed)
    said = (
        "median over events of the last 30 % of the hours of the correlation over zones of the change of congestion (4 hours after less 4"
        " before an interface reaches its limit) with its direction while that interface was at its limit before"
    )
    made = []
    for k, name in enumerate(("mean_response", "granger_var"), start=1):
        base = np.array([e[k] for e in found])
        verdict: Verdict = "pass" if np.median(own) >= TARGET and low > FLOOR and np.median(own) > np.median(base) else "miss"
        made += [
            system_row(job, DataClass.REAL, "event_correlation", float(np.median(own)), reason=said, n=len(own), verdict=verdict,
                       target=TARGET, interval=(low, high), baseline=name, baseline_value=float(np.median(base))),
            system_row(job, DataClass.REAL, "share_above_0_8", float((own >= TARGET).mean()), reason="reported; share of events",
                       n=len(own), verdict="pass", baseline=name, baseline_value=float((base >= TARGET).mean())),
        ]  # fmt: skip
    return made


def _panel(zones: pl.DataFrame, flows: pl.DataFrame) -> Panel:
    """Hours with congestion of every zone, and loadings, 0 where an interface reports none."""
    table = zones.pivot("hub", index="delivery_ts", values="value").drop_nulls().sort("delivery_ts")
    loading = flows.pivot("interface", index="delivery_ts", values="loading", aggregate_function="first")
    joined = table.join(loading, on="delivery_ts", how="left", maintain_order="left")
    congestion, ratio = joined.select(table.columns[1:]).to_numpy(), joined.select(loading.columns[1:]).cast(pl.Float64).to_numpy()
    return Panel(joined["delivery_ts"].to_numpy(), congestion, np.where(np.isfinite(ratio), ratio, 0.0))


def _interface_events(panel: Panel, model: LeadLag | None = None) -> list[tuple[float, float, float]]:
    """Correlation over zones of each event's change of congestion with the interface's direction, the mean one, the lead-lag response."""
    congestion, ratio, stamp = panel.led, panel.leading, panel.stamp
    responses = model.responses(WINDOW_H).mean(axis=0) if model is not None else None
    cut, hour = int(LEARNED * len(stamp)), np.timedelta64(timedelta(hours=1))
    mean = np.abs(congestion[:cut]).max(axis=1) > MOVED
    anywhere = _direction(congestion[:cut][mean])
    found = []
    for j in range(ratio.shape[1]):
        at_limit = (ratio[:cut, j] >= BINDING) & (np.abs(congestion[:cut]).max(axis=1) > MOVED)
        if at_limit.sum() < FEWEST_HOURS:
            continue
        own = _direction(congestion[:cut][at_limit])
        for k in range(cut + WINDOW_H, len(stamp) - WINDOW_H):
            whole = stamp[k + WINDOW_H - 1] - stamp[k - WINDOW_H] == (2 * WINDOW_H - 1) * hour
            if not whole or ratio[k, j] < BINDING or ratio[k - WINDOW_H : k, j].max() >= FREE:
                continue
            change = congestion[k : k + WINDOW_H].mean(axis=0) - congestion[k - WINDOW_H : k].mean(axis=0)
            if np.abs(change).max() > MOVED:
                led = (
                    panel.scale[: change.size] * responses[: change.size, change.size + j]
                    if responses is not None
                    else np.zeros(change.size)
                )
                found.append((correlation(own, change), correlation(anywhere, change), correlation(led, change)))
    return found


def _direction(congestion: Array) -> Array:
    """Leading direction of congestion, with the sign of its mean."""
    _, _, vectors = np.linalg.svd(congestion, full_matrices=False)
    return np.asarray(vectors[0] * (np.sign(vectors[0] @ congestion.mean(axis=0)) or 1.0), dtype=np.float64)


def _median_interval(values: Array, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    draws = np.median(rng.choice(values, (2000, len(values))), axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)
