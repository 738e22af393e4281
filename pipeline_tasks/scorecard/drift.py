"""O7: share of injected faults that the drift monitors report within 24 hours, and their false alarms on clean days.

Walk-forward: the last four quarters of a data set are watched, each by monitors fitted on the history before it. Every seventh
day each fault is put into each feature, from local midnight on, and the monitors see that one day of it. Clean days count
alarms; those within a week are one. Nothing is fitted or chosen on a watched day.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.bootstrap import stationary_bootstrap_ci
from models._kernel.drift.calendar import calendar_errors
from models._kernel.drift.day_tests import TESTS, DayTests, fit_day_tests
from models._kernel.drift.faults import FAULTS, Surroundings
from models._kernel.drift.monitor import Monitor, MonitorOptions, fit_monitor
from models._kernel.drift.thresholds import QUARTER_DAYS, episodes
from models._kernel.psi import psi
from models._kernel.yardstick import DataClass
from pipeline_tasks.contracts.features import DAY_AHEAD
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.sources import DataAbsentError, DataSet
from pipeline_tasks.scorecard.systems import SystemJob, system_row
from pipeline_tasks.steps.schedules import load_schedules
from pipeline_tasks.watch.drift import EPOCH, Watched, watched_series

Array = npt.NDArray[np.float64]
DATA_SETS = ("epf_np", "epf_pjm", "epf_de", "de_fund", "nyiso_capitl", "ercot_hb_north")
QUARTERS = 4
EVERY_DAYS = 7
REFIT_DAYS = 28  # the pipeline refits every night; the season then follows the calendar more closely than here
KINDS = {  # fault of the yardstick -> what is injected for it
    "mean_half_sigma": ("mean_half_sigma",),
    "variance_1_5": ("variance_1_5",),
    "category_swap": (),
    "unit_1000": ("unit_1000",),
    "stuck_sensor": ("stuck",),
    "clock_1h": ("clock_late", "clock_early"),
}
BOUNDED = ("mean_half_sigma", "variance_1_5", "clock_1h")  # effects of a known size on every hour
TARGET_DETECTION, TARGET_ALARMS = 0.95, 1.0
FOLKLORE = 0.25
SWAPS = {"day_of_week": pl.col("day_of_week") % 7 + 1, "month": pl.col("month") % 12 + 1, "is_holiday": ~pl.col("is_holiday")}


@dataclass
class Tally:
    """What was seen on one data set.

    Attributes:
        hits: fault -> (day, feature, reported by any detector).
        tests: fault -> which of the customary tests of one day report it, per trial.
        possible: fault -> (feature, what the most powerful Gaussian test would find).
        alarms: feature -> whether any detector fired, per clean watched day.
        folklore: feature -> whether PSI over the day exceeded 0.25, per clean watched day.
        days: delivery dates watched, as days since 1970.
        recent: series whose history held no earlier season.
    """

    hits: dict[str, list[tuple[int, str, bool]]] = field(default_factory=lambda: {k: [] for k in KINDS})
    tests: dict[str, list[dict[str, bool]]] = field(default_factory=lambda: {k: [] for k in KINDS})
    possible: dict[str, list[tuple[str, float]]] = field(default_factory=lambda: {k: [] for k in KINDS})
    alarms: dict[str, list[bool]] = field(default_factory=dict)
    folklore: dict[str, list[bool]] = field(default_factory=dict)
    days: set[int] = field(default_factory=set)
    recent: set[str] = field(default_factory=set)


def rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of O7 on one data set."""
    try:
        data = job.source.load(job.data_set, DAY_AHEAD, job.say)
    except DataAbsentError as error:
        return [system_row(job, DataClass.REAL, metric, None, reason=str(error)) for metric in _metrics()]
    frame = data.frame.filter(pl.col("product") == data.selection.market.product, pl.col("hub") == data.selection.hubs[0])
    frame = frame.filter(pl.col("delivery_date") <= job.end) if job.end else frame
    tally = Tally()
    for series in watched_series(frame, DAY_AHEAD):
        if series.panel.width > 1:  # a feature that moves once a day cannot be stuck, late or odd within one
            job.say(f"{job.data_set}: drift of {series.feature}")
            _watch(series, tally, job)
    if not tally.days:
        return [system_row(job, data.data_class, m, None, reason="fewer days than a fit and four quarters need") for m in _metrics()]
    _watch_categories(frame, data, tally)
    return [*_detection_rows(job, data, tally), *_alarm_rows(job, data, tally)]


def _watch(series: Watched, tally: Tally, job: SystemJob) -> None:
    """Clean days and injected ones of the last four quarters of a series."""
    panel, limits = series.panel, load_schedules().watch
    first = _first_day(panel.days, job)
    for start in range(first, panel.days.size, REFIT_DAYS):
        low = max(0, start - limits.drift_history_days)
        history = slice(low, start)
        options = MonitorOptions(budget=limits.false_alarms_per_quarter, seed=job.seed)
        try:
            monitor = fit_monitor(type(panel)(panel.days[history], panel.values[history]), [o[history] for o in series.others], options)
        except ValueError:
            continue
        if monitor.reference == "recent":
            tally.recent.add(series.feature)
        reference = panel.values[history][monitor.season]
        customary = fit_day_tests(reference, budget=limits.false_alarms_per_quarter, seed=job.seed)
        for day in range(start, min(start + REFIT_DAYS, panel.days.size)):
            _one_day(series, monitor, customary, reference, day, tally)


def _one_day(series: Watched, monitor: Monitor, customary: DayTests, reference: Array, day: int, tally: Tally) -> None:
    panel, name = series.panel, series.feature
    if not panel.known[day]:
        return
    tally.days.add(int(panel.days[day]))
    upto, others = panel.upto(day + 1), [o[: day + 1] for o in series.others]
    tally.alarms.setdefault(name, []).append(any(f.alarm for f in monitor.check(upto, others)))
    tally.folklore.setdefault(name, []).append(psi(reference, panel.values[day]) > FOLKLORE)
    if day % EVERY_DAYS or day + 1 >= panel.days.size or not panel.known[day - 1] or not panel.known[day + 1]:
        return
    around = Surroundings(float(panel.values[day - 1, -1]), float(panel.values[day + 1, 0]), monitor.mean, monitor.sigma)
    for kind, injected in KINDS.items():
        for fault in injected:
            faulty = FAULTS[fault](panel.values[day], around)
            found = monitor.check(panel.with_day(day, faulty).upto(day + 1), others)
            if kind in BOUNDED:
                tally.possible[kind].append((name, monitor.detectability(upto, faulty, others, rate=TARGET_ALARMS / QUARTER_DAYS)))
            tally.hits[kind].append((int(panel.days[day]), name, any(f.alarm for f in found)))
            tally.tests[kind].append(customary.alarms(faulty))


def _watch_categories(frame: pl.DataFrame, data: DataSet, tally: Tally) -> None:
    """Swapped categories on every seventh day, and clean ones on every day."""
    from pipeline_tasks.steps.market_days import holiday_names

    market = data.selection.market
    dates = [EPOCH + timedelta(days=d) for d in sorted(tally.days)]
    names = holiday_names(market, dates[0], dates[-1])
    holidays = {day: day in names for day in dates}
    inside = frame.filter(pl.col("delivery_date").is_in(dates))
    for number, day in enumerate(dates):
        own = inside.filter(pl.col("delivery_date") == day)
        for name, swapped in SWAPS.items():
            clean = calendar_errors(own, time_zone=market.time_zone, holidays=holidays)
            tally.alarms.setdefault(name, []).append(clean[name] > 0)
            if number % EVERY_DAYS == 0:
                wrong = calendar_errors(own.with_columns(swapped.alias(name)), time_zone=market.time_zone, holidays=holidays)
                tally.hits["category_swap"].append(((day - EPOCH).days, name, wrong[name] > 0))


def _first_day(days: npt.NDArray[np.int64], job: SystemJob) -> int:
    if job.start is None:
        return max(int(days.size) - QUARTERS * QUARTER_DAYS, 90)
    return max(int(np.searchsorted(days, (job.start - EPOCH).days)), 90)


def _metrics() -> list[str]:
    return [*(f"detection_{kind}" for kind in KINDS), "false_alarms_per_quarter"]


def _detection_rows(job: SystemJob, data: DataSet, tally: Tally) -> list[ScoreRow]:
    made = []
    for kind, trials in tally.hits.items():
        if not trials:
            made.append(system_row(job, data.data_class, f"detection_{kind}", None, reason="no day of the window could be injected"))
            continue
        days = sorted({t[0] for t in trials})
        daily = np.array([np.mean([t[2] for t in trials if t[0] == d]) for d in days])
        interval = _interval(daily, job.seed)
        names = sorted({t[1] for t in trials})
        parts = ", ".join(f"{n} {np.mean([t[2] for t in trials if t[1] == n]):.2f}" for n in names)
        value = float(np.mean([t[2] for t in trials]))
        verdict: Verdict = "pass" if value >= TARGET_DETECTION else "miss"
        reason = f"{value:.3f}, target at least {TARGET_DETECTION:g}; by feature: {parts}{_possible(tally, kind)}{_season_note(tally)}"
        shares = {n: float(np.mean([t[n] for t in tally.tests[kind]])) for n in TESTS} if tally.tests[kind] else {}
        best = max(shares, key=lambda n: shares[n]) if shares else "psi_ks_wasserstein_classifier"
        beside = shares.get(best, 0.0)
        reason += "; tests of the day alone: " + ", ".join(f"{n} {v:.2f}" for n, v in shares.items()) if shares else ""
        found = system_row(job, data.data_class, f"detection_{kind}", value, target=TARGET_DETECTION, interval=interval, n=len(trials),
                     verdict=verdict, baseline=best, baseline_value=beside, days=tally.days, reason=reason)  # fmt: skip
        made.append(found)
    return made


def _alarm_rows(job: SystemJob, data: DataSet, tally: Tally) -> list[ScoreRow]:
    """Alarms of the numeric features; categories are computed again and have their own (exact) row of detections."""
    numeric = {name: alarms for name, alarms in tally.alarms.items() if name not in SWAPS}
    counts, customary = _per_quarter(numeric), np.concatenate([np.array(a, dtype=np.float64) for a in tally.folklore.values()])
    if not counts.size:
        return [system_row(job, data.data_class, "false_alarms_per_quarter", None, reason="the window is shorter than half a quarter")]
    value, swapped = float(counts.mean()), sum(sum(a) for n, a in tally.alarms.items() if n in SWAPS)
    parts = ", ".join(f"{n} {_per_quarter({n: a}).mean():.2f}" for n, a in sorted(numeric.items()))
    reason = f"{value:.3f}, target at most {TARGET_ALARMS:g}; by feature: {parts}; {swapped} clean days with a category alarm"
    reason += "; baseline: days a quarter on which PSI of the day exceeds 0.25"
    verdict: Verdict = "pass" if value <= TARGET_ALARMS else "miss"
    return [
        system_row(job, data.data_class, "false_alarms_per_quarter", value, target=TARGET_ALARMS, interval=_interval(counts, job.seed),
             n=counts.size, verdict=verdict, baseline="psi_0.25", baseline_value=float(customary.mean()) * QUARTER_DAYS, days=tally.days,
             reason=f"{reason}{_season_note(tally)}")
    ]  # fmt: skip


def _per_quarter(alarms: dict[str, list[bool]]) -> Array:
    """Alarms of every feature and quarter, those within a week counted once."""
    quarters = [
        int(episodes(np.array([days[i : i + QUARTER_DAYS]]))[0])
        for days in alarms.values()
        for i in range(0, len(days) - QUARTER_DAYS // 2, QUARTER_DAYS)
    ]
    return np.array(quarters, dtype=np.float64)


def _interval(values: Array, seed: int) -> tuple[float, float] | None:
    """95 % interval of a mean by the stationary bootstrap (mean block four entries)."""
    if values.size < 2:
        return None
    found = stationary_bootstrap_ci(values, lambda m: m[:, 0], mean_block=4.0, draws=2000, seed=seed)
    return found.low, found.high


def _possible(tally: Tally, kind: str) -> str:
    """What the most powerful test could find, by feature."""
    trials = tally.possible[kind]
    parts = ", ".join(f"{n} {np.nanmean([p for m, p in trials if m == n]):.2f}" for n in sorted({m for m, _ in trials}))
    return f"; a likelihood ratio test for this fault alone, errors Gaussian, would find: {parts}" if trials else ""


def _season_note(tally: Tally) -> str:
    return f"; no earlier season in the history of {', '.join(sorted(tally.recent))}" if tally.recent else ""
