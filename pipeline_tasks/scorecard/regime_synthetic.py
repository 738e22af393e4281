"""F4 on a known hidden Markov chain: the fitted filter beside the Bayes filter, delays and false alarms of change points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models._kernel.change_points import online_changes
from models._kernel.markov_switching import Switching, fit_switching
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.rows import ScoreRow
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
TRUE = Switching(
    start=np.array([0.7, 0.2, 0.1]),
    transition=np.array([[0.97, 0.03, 0.0], [0.06, 0.90, 0.04], [0.0, 0.08, 0.92]]),
    mean=np.array([[-0.4, -0.4, -0.3, -0.2, -0.3], [0.5, 0.4, 0.3, 0.3, 0.4], [1.8, 1.6, 1.2, 1.0, 1.2]]),
    variance=np.array([[0.6, 0.6, 0.8, 0.9, 0.8], [0.8, 0.8, 1.0, 1.0, 0.9], [1.4, 1.4, 1.6, 1.6, 1.2]]),
)
SHARES = (0.7, 0.2, 0.1)
CHAINS, TRAIN_DAYS, TEST_DAYS = 40, 730, 365
ALARM, ALARM_CHANGE, RUNS, CHANGE_AT, RUN_DAYS = 0.5, 0.7, 400, 200, 400
GAP_TARGET = 0.05  # of the Bayes filter's log loss: our own, no public number is known


def simulate(days: int, rng: np.random.Generator) -> tuple[Ints, Array]:
    """A path of states and what is observed of it."""
    steps, draws = np.cumsum(TRUE.transition, axis=1), rng.random(days)
    path = np.zeros(days, dtype=np.int64)
    for t in range(1, days):
        path[t] = min(int(np.searchsorted(steps[path[t - 1]], draws[t], side="right")), 2)
    return path, TRUE.mean[path] + rng.standard_normal((days, TRUE.mean.shape[1])) * np.sqrt(TRUE.variance[path])


def synthetic_rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of the filter and of the change points; all of them synthetic."""
    rng = np.random.default_rng(job.seed)
    return [*_filter_rows(job, rng), *_change_rows(job, rng)]


def _filter_rows(job: SystemJob, rng: np.random.Generator) -> list[ScoreRow]:
    losses, errors, delays, false = [], [], [], []
    for chain in range(CHAINS):
        if chain % 10 == 0:
            job.say(f"synthetic: chain {chain + 1} of {CHAINS}")
        path, observed = simulate(TRAIN_DAYS + TEST_DAYS, rng)
        fitted = fit_switching(observed[None, :TRAIN_DAYS], SHARES)
        truth = path[TRAIN_DAYS:]
        told = [m.filtered(observed[None])[0][0, TRAIN_DAYS:] for m in (fitted, TRUE)]
        losses.append([float(-np.mean(np.log(np.maximum(p[np.arange(TEST_DAYS), truth], 1e-12)))) for p in told])
        errors.append([float(np.mean(p.argmax(axis=1) != truth)) for p in told])
        late, wrong = _entries(truth, told[0][:, 2])
        delays += late
        false.append(wrong)
    loss, error = np.array(losses), np.array(errors)
    twin, n = DataClass.TWIN, CHAINS * TEST_DAYS
    gap = float(loss[:, 0].mean() / loss[:, 1].mean() - 1)
    spread = np.quantile(loss[:, 0] / loss[:, 1] - 1, [0.025, 0.975])
    why = f"{CHAINS} chains, {TRAIN_DAYS} days to fit, {TEST_DAYS} scored; the Bayes filter knows the parameters"
    return [
        system_row(job, twin, "filter_log_loss", float(loss[:, 0].mean()), reason=why, n=n, verdict="pass", baseline="bayes_filter",
                   baseline_value=float(loss[:, 1].mean())),
        system_row(job, twin, "filter_log_loss_gap", gap, reason=f"{why}; our own target", n=n, target=GAP_TARGET,
                   verdict="pass" if gap <= GAP_TARGET else "miss", interval=(float(spread[0]), float(spread[1]))),
        system_row(job, twin, "filter_error_rate", float(error[:, 0].mean()), reason=f"{why}; likeliest state wrong", n=n, verdict="pass",
                   baseline="bayes_filter", baseline_value=float(error[:, 1].mean())),
        system_row(job, twin, "stressed_entry_delay_days", float(np.mean(delays)), n=len(delays), verdict="pass",
                   reason=f"{why}; days from entry until the stressed probability reaches {ALARM}, entries never seen count their stay"),
        system_row(job, twin, "stressed_false_alarms_per_year", float(np.mean(false)), n=n, verdict="pass",
                   reason=f"{why}; upward crossings of {ALARM} while the state is not stressed"),
    ]  # fmt: skip


def _entries(truth: Ints, stressed: Array) -> tuple[list[float], int]:
    """Days from each entry into the stressed state to the alarm, and the alarms raised outside of it."""
    alarm = stressed >= ALARM
    begins = np.flatnonzero((truth == 2) & np.concatenate(([False], truth[:-1] != 2)))
    delays = []
    for begin in begins:
        rest = truth[begin:] != 2
        stay = int(rest.argmax()) if rest.any() else len(rest)
        seen = np.flatnonzero(alarm[begin : begin + stay])
        delays.append(float(seen[0]) if len(seen) else float(stay))
    raised = alarm & ~np.concatenate(([False], alarm[:-1]))
    return delays, int((raised & (truth != 2)).sum())


def _change_rows(job: SystemJob, rng: np.random.Generator) -> list[ScoreRow]:
    """Mean days to a false alarm without a change, and from a change to its alarm."""
    job.say("synthetic: change points")
    quiet: list[float] = []
    delays: dict[float, list[float]] = {1.0: [], 2.0: []}
    missed = dict.fromkeys(delays, 0)
    for _ in range(RUNS):
        values = rng.standard_normal(RUN_DAYS)
        found = np.flatnonzero(online_changes(values, mean_run_days=90).recent[30:] >= ALARM_CHANGE)
        quiet.append(float(found[0] + 30) if len(found) else float(RUN_DAYS))
        for size, late in delays.items():
            moved = values.copy()
            moved[CHANGE_AT:] += size
            after = np.flatnonzero(online_changes(moved, mean_run_days=90).recent[CHANGE_AT : CHANGE_AT + 60] >= ALARM_CHANGE)
            missed[size] += not len(after)
            late.extend(after[:1].astype(np.float64))
    twin = DataClass.TWIN
    why = f"{RUNS} series of {RUN_DAYS} independent standard normal days; alarm at a change probability of {ALARM_CHANGE}"
    made = [
        system_row(job, twin, "change_arl_days", float(np.mean(quiet)), n=RUNS, verdict="pass",
                   reason=f"{why}; mean days to the first false alarm, cut at {RUN_DAYS}: {sum(q < RUN_DAYS for q in quiet)} had one")
    ]  # fmt: skip
    for size, late in delays.items():
        reason = f"{why}; mean shift of {size:g} deviations at day {CHANGE_AT}, {missed[size]} of {RUNS} not seen within 60 days"
        delay = float(np.mean(late)) if late else None
        made.append(system_row(job, twin, f"change_delay_days_shift_{size:g}", delay, n=len(late), verdict="pass", reason=reason))
    return made
