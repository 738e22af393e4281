"""M1 on the simulated market: sensitivities from published prices alone, beside the exact ones and on later hours; what leads what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.grid.learned_limits import History, LearnedLimits, learn_limits
from models._kernel.grid.recovery import by_size, correlation
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.grid_estimators import FEWEST_HOURS, TARGET, Compared, others, recovery_rows
from pipeline_tasks.scorecard.lead_lag import Panel, lead_lag_of, lead_lag_rows
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.sources import DataAbsentError
from pipeline_tasks.scorecard.systems import SystemJob, system_row

if TYPE_CHECKING:
    from pipeline_tasks.warehouse import Warehouse

Array = npt.NDArray[np.float64]
MARKET = "twin"
LEARNED = 0.7  # first share of the hours, the rest is predicted
EVERY_DAY = 2000
FELT = 1.0  # currency/MWh at some node
BAND = (0.85, 0.95)


def market_rows(job: SystemJob) -> list[ScoreRow]:
    """Sensitivities from published nodal prices and shadow prices, judged by the exact ones and on later hours."""
    from pipeline_tasks.scorecard.sources import TWIN_DATE, WarehouseSource
    from pipeline_tasks.sensitivity.market import history_of
    from pipeline_tasks.warehouse import connect

    rules = WarehouseSource().prepare(job.data_set, job.say, features=False).market
    with connect() as warehouse:
        history, _ = history_of(warehouse, MARKET, as_of=rules.day_bounds(job.end or TWIN_DATE)[1], days=EVERY_DAY)
        panel = _real_time(warehouse)
    cut = int(LEARNED * len(history.shadow))
    job.say(f"{MARKET}: learning from {cut} hours")
    learned = learn_limits(history.part(slice(0, cut)))
    job.say(f"{MARKET}: lead and lag")
    model = lead_lag_of(panel)
    return [
        *_exact_rows(job, history.part(slice(0, cut)), learned),
        *_later_rows(job, history, cut, learned),
        *lead_lag_rows(job, panel, model, DataClass.TWIN),
    ]


def _exact_rows(job: SystemJob, history: History, learned: LearnedLimits) -> list[ScoreRow]:
    """Limits without contingency beside the exact sensitivities, which only yardsticks may read."""
    from pipeline_tasks.warehouse.truth import open_truth

    with open_truth("yardstick") as truth:
        if truth is None:
            raise DataAbsentError("the configured server has no account that reads the truth")
        exact = truth.query("select branch, bus, ptdf from truth.ptdf where market = 'twin'").pivot("bus", index="branch", values="ptdf")
    there = set(exact["branch"].to_list())
    plain = [k for k in learned.told.tolist() if not learned.limits[k][1] and learned.limits[k][0] in there]
    true = pl.DataFrame({"branch": [learned.limits[k][0] for k in plain]}).join(exact, on="branch", how="left", maintain_order="left")
    job.say(f"{MARKET}: other estimators")
    theirs = {name: values.T[plain] for name, values in others(*by_size(history.shadow, history.congestion), centre=False).items()}
    note = f"{len(plain)} limits without contingency that bound in at least {FEWEST_HOURS} hours; published prices and shadow prices alone"
    ours = learned.values.T[plain]
    return recovery_rows(job, Compared("prices", DataClass.TWIN, true.select(learned.nodes).to_numpy(), ours, theirs, note))


def _later_rows(job: SystemJob, history: History, cut: int, learned: LearnedLimits) -> list[ScoreRow]:
    """Congestion of later hours from their shadow prices and announced outages, with and without these, and the band around it."""
    later = history.part(slice(cut, None))
    truth, mean = later.congestion, history.congestion[:cut].mean(axis=0)
    felt = np.abs(truth).max(axis=1) > FELT
    blind = learn_limits(history.part(slice(0, cut)), topology=False)
    told = {name: one.congestion(later.shadow, later.out)[felt] for name, one in (("ours", learned), ("without_topology", blind))}
    told |= {"mean_response": np.broadcast_to(mean, truth[felt].shape), "no_congestion": np.zeros_like(truth[felt])}
    each = {name: np.array([correlation(a, b) for a, b in zip(v, truth[felt], strict=True)]) for name, v in told.items()}
    error = {name: float(np.abs(v - truth[felt]).mean()) for name, v in told.items()}
    own, n = float(np.median(each["ours"])), int(felt.sum())
    good: Verdict = "pass" if own >= TARGET else "miss"
    said = "median over later hours of the correlation over nodes of congestion with that from their published shadow prices"
    made = [
        system_row(job, DataClass.TWIN, "congestion_correlation_later", own, reason=said, n=n, verdict=good, target=TARGET, baseline=name,
                   baseline_value=float(np.median(each[name])))
        for name in ("mean_response", "without_topology")
    ]  # fmt: skip
    signals = f"{len(learned.signals)} shifts of limits by announced outages were learned"
    for name in ("no_congestion", "mean_response", "without_topology"):
        better: Verdict = "pass" if error["ours"] < error[name] else "miss"
        made.append(
            system_row(job, DataClass.TWIN, "congestion_mae_later", error["ours"], n=n,
                       reason=f"currency/MWh, later hours and nodes; {signals}", verdict=better, baseline=name, baseline_value=error[name])
        )  # fmt: skip
    width = learned.band * (0.5 + np.abs(told["ours"]).max(axis=1, keepdims=True))
    share = float((np.abs(told["ours"] - truth[felt]) <= width).mean())
    verdict: Verdict = "pass" if BAND[0] <= share <= BAND[1] else "miss"
    of = "share of later hours and nodes inside the 90 % band set by the last fifth of the hours learned from"
    reason = f"{of}; target {BAND[0]} to {BAND[1]}"
    return [*made, system_row(job, DataClass.TWIN, "coverage_90_later", share, reason=reason, n=n, verdict=verdict, target=0.9)]


def _real_time(warehouse: Warehouse) -> Panel:
    """Hourly real-time congestion by hub, and the shadow prices of the limits that bound often in the hours learned from."""
    led = warehouse.query(
        "select toDateTime64(toStartOfHour(delivery_ts), 3, 'UTC') as at, hub, avg(congestion_ccy_per_mwh) as value from raw.prices"
        " where market = 'twin' and product = 'rt' and congestion_ccy_per_mwh is not null group by at, hub"
    )
    bound = warehouse.query(
        "select toDateTime64(toStartOfHour(delivery_ts), 3, 'UTC') as at, branch, contingency,"
        " sum(-sign(flow_mw) * shadow_price_ccy_per_mwh) as value"
        " from raw.constraints where market = 'twin' and product = 'rt' group by at, branch, contingency"
    ).with_columns(name=pl.concat_str("branch", "contingency", separator="|"))
    table = led.pivot("hub", index="at", values="value").drop_nulls().sort("at")
    last = table["at"][int(LEARNED * table.height)]
    often = bound.filter(pl.col("at") < last).group_by("name").len().filter(pl.col("len") >= FEWEST_HOURS)["name"].sort().to_list()
    wide = bound.filter(pl.col("name").is_in(often)).pivot("name", index="at", values="value")
    joined = table.join(wide, on="at", how="left", maintain_order="left").fill_null(0.0)
    return Panel(joined["at"].to_numpy(), joined.select(table.columns[1:]).to_numpy(), joined.select(often).to_numpy())
