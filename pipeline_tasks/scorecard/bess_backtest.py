"""O4 and O5: a battery between two markets on realised prices, and the quantiles and scenarios that it rests on.

Every policy commits at the gate and delivers on prices as they come (`bess_walk`). The headline is the published risk aversion, fixed
before any window was scored; the whole frontier is told beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from models._kernel.bootstrap import stationary_bootstrap_ci, stationary_indices
from models._kernel.registry import params_of, spec_of
from models._kernel.stats import diebold_mariano
from models._kernel.storage.rules import cvar
from models._kernel.storage.two_stage import worth_of
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.bess_case import Case
from pipeline_tasks.scorecard.bess_quantiles import quantile_rows
from pipeline_tasks.scorecard.bess_walk import LAMBDAS, PUBLISHED, RANKED, SCENARIOS, Walked, walk, whole_dates
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.sources import DataAbsentError
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
DATA_SETS = ("be", "ercot_hb_hubavg", "twin")
SPANS = {"be": 100, "ercot_hb_hubavg": 91, "twin": 28}
SPAN_DAYS, REFIT_DAYS = 182, 61
PROFILES = {"twin": "demo"}  # the simulated history is short
HEADLINE = f"lambda_{PUBLISHED:g}"
OTHERS = ("median", "two_stage", "schedule_of_means", "without_cqr", "naive_week", "threshold", "day_ahead_only")
FEWEST = 14
GAIN, TAIL_GAP, ALPHA, BLOCK = 0.02, 0.10, 0.95, 7.0
WORTH_EVERY = 7


def rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of O4 and O5 on one data set."""
    kind = DataClass.TWIN if job.data_set.startswith("twin") else DataClass.REAL
    try:
        days = _walked(job)
    except DataAbsentError as error:
        return [system_row(job, kind, f"capture_{HEADLINE}", None, reason=str(error))]
    case = Case(job, kind, days)
    job.say(f"{job.data_set}: scoring")
    return [
        *_captures(case), *_frontier(case), *_tails(case), *_worths(case), *_feasible(case), *_scenarios(case), *quantile_rows(case),
    ]  # fmt: skip


def _walked(job: SystemJob) -> list[Walked]:
    data = job.source.load(job.data_set, spec_of("bess_vpp").inputs, job.say)
    hub = data.selection.hubs[0]
    frame = data.frame.filter(data.frame["hub"] == hub)
    dates = [d for d in whole_dates(frame) if (job.start is None or d >= job.start) and (job.end is None or d <= job.end)]
    span = SPANS.get(job.data_set, SPAN_DAYS)
    chosen = dates if job.start else dates[-span:]
    least = spec_of("bess_vpp").min_history_days
    if len(chosen) < FEWEST or len([d for d in whole_dates(frame) if d < chosen[0]]) < least:
        raise DataAbsentError(f"{job.data_set}: {len(dates)} whole days; {least} before the window and {FEWEST} in it are needed")
    params = params_of("bess_vpp", PROFILES.get(job.data_set, "full"))
    found, step = [], max(1, len(chosen) // 10)
    for walked in walk(frame, params, chosen, refit_days=REFIT_DAYS, seed=job.seed, say=lambda text: job.say(f"{job.data_set}: {text}")):
        found.append(walked)
        if len(found) % step == 0:
            job.say(f"{job.data_set}: {len(found)} of {len(chosen)} days")
    return found


def _captures(case: Case) -> list[ScoreRow]:
    """Profit over that of joint perfect foresight, and the headline's advantage over every other policy in points of it."""
    best, own = case.profit("perfect_foresight"), case.profit(HEADLINE)
    made = [case.row("foresight_profit_per_day", float(best.mean()), "reported; both markets known in advance, currency per day")]
    for policy in (*(f"lambda_{v:g}" for v in LAMBDAS), *OTHERS):
        share = _interval(case, np.column_stack((case.profit(policy), best)), lambda m: m[:, 0] / m[:, 1])
        made.append(case.row(f"capture_{policy}", share[0], "reported; realised profit over joint perfect foresight", interval=share[1:]))
    for policy in OTHERS:
        other = case.profit(policy)
        gain = _interval(case, np.column_stack((own, other, best)), lambda m: (m[:, 0] - m[:, 1]) / m[:, 2])
        target = GAIN if policy == "median" else 0.0
        good: Verdict = "pass" if gain[0] >= target and gain[1] > 0 else "miss"
        said = f"capture of {HEADLINE} less that of {policy}, paired by day; target {target:+.2f} with an interval above 0"
        test = diebold_mariano(-own, -other)
        made.append(
            case.row(
                "capture_gain", gain[0], said, verdict=good, target=target, interval=gain[1:], p_value=test.p_value, baseline=policy,
                baseline_value=float(other.sum() / best.sum()),
            )
        )  # fmt: skip
    return made


def _frontier(case: Case) -> list[ScoreRow]:
    """Realised mean and CVaR by risk aversion: monotone within error, none dominated."""
    profits = {v: case.profit(f"lambda_{v:g}") for v in LAMBDAS}
    index = stationary_indices(len(case.days), mean_block=BLOCK, draws=2000, seed=case.job.seed)
    mean = {v: p[index].mean(axis=1) for v, p in profits.items()}
    tail = {v: _tail_of_draws(p[index]) for v, p in profits.items()}
    made = []
    for v in LAMBDAS:
        low_high = np.quantile(tail[v], [0.025, 0.975])
        made.append(
            case.row(
                f"realised_cvar_95_lambda_{v:g}", _tail(profits[v]), "reported; mean of the worst 5 % of days, currency",
                interval=(float(low_high[0]), float(low_high[1])),
            )
        )  # fmt: skip
    wrong = dominated = 0
    for lower, upper in pairwise(LAMBDAS):
        rises = np.quantile(mean[upper] - mean[lower], 0.025) > 0
        falls = np.quantile(tail[upper] - tail[lower], 0.975) < 0
        wrong += int(rises) + int(falls)
    for v in LAMBDAS:
        beaten = [o for o in LAMBDAS if o != v and np.quantile(mean[o] - mean[v], 0.025) > 0 and np.quantile(tail[o] - tail[v], 0.025) > 0]
        dominated += bool(beaten)
    said = "steps of risk aversion at which the realised mean rises or the realised CVaR falls beyond the bootstrap's error"
    made.append(case.row("frontier_reversals", float(wrong), said, verdict="pass" if wrong == 0 else "miss", target=0.0))
    said = "risk aversions that another beats in mean and CVaR, each beyond the bootstrap's error"
    made.append(case.row("frontier_dominated", float(dominated), said, verdict="pass" if dominated == 0 else "miss", target=0.0))
    return made


def _tails(case: Case) -> list[ScoreRow]:
    """CVaR foretold by the scenarios of all days pooled, against the realised one: recalibrated, raw, and by the program itself."""
    index = stationary_indices(len(case.days), mean_block=BLOCK, draws=1000, seed=case.job.seed)
    told = {
        "recalibrated": (np.stack([w.told[HEADLINE] for w in case.days]), case.profit(HEADLINE)),
        "raw": (np.stack([w.told["without_cqr"] for w in case.days]), case.profit("without_cqr")),
        "program": (np.stack([w.program for w in case.days]), case.profit("two_stage")),
    }
    made = []
    for name, (pool, realised) in told.items():
        draws = np.array([_gap(pool[i], realised[i]) for i in index])
        gap, low_high = _gap(pool, realised), np.quantile(draws, [0.025, 0.975])
        judged = name != "program"
        verdict: Verdict = "pass" if not judged or abs(gap) < TAIL_GAP else "miss"
        why = "target within 0.10 either way" if judged else "reported: the program lets delivery see the whole day"
        text = f"realised less foretold CVaR 95 % over the foretold ({_tail(pool.ravel()):.0f}, realised {_tail(realised):.0f}); {why}"
        made.append(
            case.row(
                f"cvar_gap_{name}", gap, text, verdict=verdict, target=TAIL_GAP if judged else None,
                interval=(float(low_high[0]), float(low_high[1])),
            )
        )  # fmt: skip
    return made


def _gap(pool: Array, realised: Array) -> float:
    foretold = _tail(pool.ravel())
    return (_tail(realised) - foretold) / max(abs(foretold), 1e-9)


def _worths(case: Case) -> list[ScoreRow]:
    """EVPI and VSS of the program on every seventh day; VSS without recourse must be nought (finding 13)."""
    chosen = case.days[::WORTH_EVERY]
    found, still = [], []
    for walked in chosen:
        day = walked.day
        first, second = day.scenarios(SCENARIOS)
        found.append(worth_of(day.asset, day.rules, first, second))
        bound = replace(day.rules, real_time_limit_share=0.0, bands=())
        positive = (np.maximum(first, 0.0), np.maximum(second, 0.0))
        still.append(worth_of(day.asset, bound, *positive).vss_ccy)
    vss, evpi = np.array([w.vss_ccy for w in found]), np.array([w.evpi_ccy for w in found])
    scale = float(np.array([w.stochastic_ccy for w in found]).mean())
    text = f"mean of {len(found)} days (every {WORTH_EVERY}th), risk-neutral, currency per day; the program's mean profit is {scale:.0f}"
    worst = float(np.abs(still).max())
    return [
        case.row("vss_per_day", float(vss.mean()), f"with recourse: {text}", verdict="pass" if vss.mean() > 0 else "miss", target=0.0),
        case.row("evpi_per_day", float(evpi.mean()), f"reported; {text}"),
        case.row(
            "vss_without_recourse", worst, "largest over those days, prices at least 0; nought by theory, so a bug detector",
            verdict="pass" if worst < 1e-2 else "miss", target=0.01,
        ),
    ]  # fmt: skip


def _feasible(case: Case) -> list[ScoreRow]:
    """Limits left by any policy on any day."""
    faults = [fault for w in case.days for fault in w.faults]
    said = "limits of power, charge, cycles and terminal charge left by any policy on any day" + (f": {faults[0]}" if faults else "")
    return [case.row("faults", float(len(faults)), said, verdict="miss" if faults else "pass", target=0.0)]


def _scenarios(case: Case) -> list[ScoreRow]:
    """Rank histogram of the outcome among scenarios, and the variogram score of coupled against independent intervals."""
    from scipy.stats import chisquare

    counts = np.bincount([w.rank for w in case.days], minlength=RANKED + 1)
    pooled = counts.reshape(-1, 4).sum(axis=1)  # five bins, so that each expects enough days
    p = float(chisquare(pooled).pvalue)
    text = f"chi2 p-value of the outcome's mean rank in fifths of {RANKED} scenarios, counts {pooled.tolist()}; flat is not rejected"
    own, other = (np.array([w.variogram[k] for w in case.days]) for k in (0, 1))
    test = diebold_mariano(own, other)
    good: Verdict = "pass" if own.mean() < other.mean() and test.p_value < 0.05 else "miss"
    said = "variogram score (p = 0.5) of both prices and all intervals together; Diebold-Mariano on days"
    return [
        case.row("rank_histogram_p", p, text, verdict="pass" if p > 0.05 else "miss", target=0.05),
        case.row(
            "variogram_score", float(own.mean()), said, verdict=good, p_value=test.p_value, baseline="independent",
            baseline_value=float(other.mean()),
        ),
    ]  # fmt: skip


def _interval(case: Case, columns: Array, statistic: Callable[[Array], Array]) -> tuple[float, float, float]:
    found = stationary_bootstrap_ci(columns, statistic, mean_block=BLOCK, seed=case.job.seed)
    return found.estimate, found.low, found.high


def _tail(profit: Array) -> float:
    return cvar(profit, np.full(profit.size, 1 / profit.size), ALPHA)


def _tail_of_draws(profits: Array) -> Array:
    return np.array([_tail(row) for row in profits])
