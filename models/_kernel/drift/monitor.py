"""The monitor of one feature: fitted on clean history, it says of a later day which detectors alarm and how badly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from models._kernel.drift.distance import Binned, against_other_years, binned, count_in, distances, trailing
from models._kernel.drift.expected import Expectation, design, fit_expectation
from models._kernel.drift.likelihood import Days, Hypothesis, hypotheses, ratios, squared, volatility
from models._kernel.drift.panel import DayPanel, season_days
from models._kernel.drift.thresholds import QUARTER_DAYS, calibrate, prediction_bound

Array = npt.NDArray[np.float64]
Severity = Literal["ok", "watch", "severe"]
Reference = Literal["season", "recent"]
LIKELIHOOD = ("mean", "scale", "clock")
SLOW = ("psi", "ks", "wasserstein")
PLAIN = ("unit", "stuck", "repeat")
DETECTORS = (*LIKELIHOOD, *SLOW, *PLAIN)
SEVERE = ("unit", "stuck")
SLOW_SHARE = 0.05  # probability that a clean season takes a distance beyond its threshold; the rest of the budget is of the others
MIN_SEASON_DAYS = 120
EARLIER_DAYS = 180  # a season counts as an earlier one when it lies so far back
UNIT_FACTOR = 30.0  # a day so many times larger or smaller than expected came in another unit
LEAST_EVIDENCE = 0.0  # nats: no alarm unless the fault explains the day better than a clean one does
NEVER = 0.001  # share of clean days on which the detector of a plain fault may fire and still be used
TAIL_DAYS = 120  # days before the judged one that its statistics can depend on (volatility forgets the rest)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one detector says of one day.

    Attributes:
        detector: name.
        statistic: its value; larger is worse.
        threshold: alarm above it.
        severity: ok, watch (the distribution moved), severe (the data are wrong).
    """

    detector: str
    statistic: float
    threshold: float
    severity: Severity

    @property
    def alarm(self) -> bool:
        """Whether the statistic lies above the threshold."""
        return self.statistic > self.threshold


@dataclass(frozen=True, slots=True)
class MonitorOptions:
    """Settings of a monitor.

    Attributes:
        budget: false alarms per quarter, all detectors of the feature together, that the rate's upper confidence bound keeps.
        season_days: half width of the season around a day of the year.
        window_days: days of the windows whose distribution is compared with the season.
        seed: seed of the bootstrap.
    """

    budget: float = 1.0
    season_days: int = 60
    window_days: int = 28
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Monitor:
    """A calibrated monitor of one feature.

    Attributes:
        expectation: foretells a day from those before it.
        faults: hypotheses of the likelihood ratios.
        bins: bins of the distances, with the counts of the days of the fit.
        season: days of the fit that are the reference, shape (n,).
        years: calendar year of each day of the fit.
        thresholds: detector -> alarm above it; infinite where clean history itself sets it off.
        reference: `season`, or `recent` where history holds no earlier season.
        mean, sigma: moments of the feature in the reference.
        options: settings.
    """

    expectation: Expectation
    faults: tuple[Hypothesis, ...]
    bins: Binned
    season: npt.NDArray[np.bool_]
    years: npt.NDArray[np.int64]
    thresholds: dict[str, float]
    reference: Reference
    mean: float
    sigma: float
    options: MonitorOptions

    @property
    def reference_days(self) -> int:
        """Clean days behind the thresholds."""
        return int(self.season.sum())

    def check(self, panel: DayPanel, others: Sequence[Array] = ()) -> tuple[Finding, ...]:
        """Judge the last day of a panel; the days before it are taken as they are.

        Args:
            panel: the feature up to and including the day.
            others: the other features of the fit on the same days, in the same order.

        Returns:
            One finding per detector that has something to say: none where the day, or one it is foretold from, is unknown.
        """
        tail = slice(-TAIL_DAYS, None)
        recent, beside = DayPanel(panel.days[tail], panel.values[tail]), [o[tail] for o in others]
        expected = self.expectation.predict(design(recent, self.expectation.scale, beside, self.expectation.beside))
        last = np.array([recent.days.size - 1])
        found = _ahead(recent, expected, self.expectation, self.faults, last)
        counts = trailing(count_in(recent.values, self.bins.edges), self.options.window_days)[last]
        whole = self.season & (self.years != recent.year[-1])
        pool = self.bins.counts[whole if whole.any() else self.season].sum(axis=0)[None, :]
        found |= distances(counts, pool, self.bins.width)
        made = {name: float(values[0]) for name, values in found.items() if np.isfinite(values[0])}
        return tuple(Finding(name, value, self.thresholds[name], self._severity(name, value)) for name, value in made.items())

    def detectability(self, clean: DayPanel, faulty: Array, others: Sequence[Array], *, rate: float) -> float:
        """Share of such faults that the most powerful test finds in one day if errors are Gaussian with the covariance of the fit.

        The test of Neyman & Pearson for one known effect, with the whole budget of alarms for itself: its power is
        Phi(d - z), d the Mahalanobis length of what the fault changes and z the normal quantile of the rate of alarms.

        Args:
            clean: the feature up to and including the day, without the fault.
            faulty: the day with it, shape (m,).
            others: the other features of the fit on the same days.
            rate: false alarms per day.
        """
        from scipy import stats

        scale, recent = self.expectation.scale, DayPanel(clean.days[-TAIL_DAYS:], clean.values[-TAIL_DAYS:])
        foretold = design(recent, scale, [o[-TAIL_DAYS:] for o in others], self.expectation.beside)
        judged = _days(recent, self.expectation.predict(foretold), self.expectation, np.array([recent.days.size - 1]))
        moved = (scale.forward(faulty) - scale.forward(clean.values[-1]))[None, :]
        length = np.sqrt(squared(moved, self.expectation.precision) / judged.relative)
        return float(stats.norm.cdf(length - stats.norm.isf(rate))[0])

    def _severity(self, name: str, value: float) -> Severity:
        if value <= self.thresholds[name]:
            return "ok"
        return "severe" if name in SEVERE else "watch"


def fit_monitor(history: DayPanel, others: Sequence[Array] = (), options: MonitorOptions | None = None) -> Monitor:
    """Fit and calibrate a monitor for the days right after `history`.

    Args:
        history: clean days.
        others: further features on the same days, shape (n, width), that help to foretell this one; NaN where unknown.
        options: settings.

    Raises:
        ValueError: fewer than 60 days that can be foretold.
    """
    chosen = options or MonitorOptions()
    expectation = fit_expectation(history, others)
    season, reference = _season(history, chosen.season_days)
    pool = history.values[season]
    mean, sigma = float(pool.mean()), float(pool.std())
    faults = hypotheses(sigma, mean)
    rows = np.flatnonzero(season & np.isfinite(expectation.residuals).all(axis=1))  # days that were foretold
    expected = expectation.scale.forward(history.values) - expectation.residuals  # each day as the days before foretell it
    bins = binned(history.values, season)
    always = _ahead(history, expected, expectation, faults, np.flatnonzero(history.known))  # rare things need all the days there are
    plain = {"unit": float(np.log(UNIT_FACTOR)), "stuck": 0.5, "repeat": 0.5}
    thresholds = {n: v if float(np.mean(np.nan_to_num(always[n]) > v)) <= NEVER else float("inf") for n, v in plain.items()}
    later, repeats = np.append(history.values[1:, 0], np.nan)[rows], np.isfinite(thresholds["repeat"])
    thresholds |= _fast_thresholds(_days(history, expected, expectation, rows), later, expectation, faults, bool(repeats), chosen)
    thresholds |= _slow_thresholds(history, bins, season, chosen)
    return Monitor(expectation, faults, bins, season, history.year, thresholds, reference, mean, sigma, chosen)


def _fast_thresholds(
    days: Days, later: Array, expectation: Expectation, faults: tuple[Hypothesis, ...], repeats: bool, options: MonitorOptions
) -> dict[str, float]:
    """Thresholds of the likelihood ratios: each fault is put into each clean day that the days before foretell.

    Args:
        days: clean days.
        later: first hour after each, shape (k,).
        expectation: what foretold them.
        faults: hypotheses, and what is injected.
        repeats: whether a day that begins with the hour before it is reported by its own detector.
        options: settings.
    """
    clean = ratios(expectation, days, faults)
    faulty: dict[str, dict[str, Array]] = {}
    for number, fault in enumerate(faults):
        seen = np.array([fault.effect(*parts) for parts in zip(days.seen, days.before[:, None], later[:, None], strict=True)])
        changed = replace(days, seen=seen.reshape(days.seen.shape), after=seen.reshape(days.seen.shape)[:, -1])
        found, known = ratios(expectation, changed, faults), np.isfinite(changed.seen).all(axis=1) & np.isfinite(days.before)
        repeated = known & (changed.seen[:, 0] == days.before) & repeats  # reported without them
        if (known & ~repeated).any() and np.any(changed.seen != days.seen):
            faulty[f"{fault.name}_{number}"] = {n: v[known & ~repeated] for n, v in found.items()}
    budget = max(options.budget - len(SLOW) * SLOW_SHARE, 0.5 * options.budget)
    return calibrate(clean, faulty, least=LEAST_EVIDENCE, budget=budget, seed=options.seed)


def _slow_thresholds(history: DayPanel, bins: Binned, season: npt.NDArray[np.bool_], options: MonitorOptions) -> dict[str, float]:
    """Thresholds of the distances, from the highest one of each year's season, or of each quarter where history has one year."""
    rows = np.flatnonzero(season)
    rows = rows[rows >= options.window_days]
    found = distances(
        trailing(bins.counts, options.window_days)[rows], against_other_years(bins.counts, history.year, season)[rows], bins.width
    )
    groups = history.year[rows]
    if np.unique(groups).size < 2:
        groups = rows // QUARTER_DAYS
    return {name: prediction_bound(values, groups, SLOW_SHARE) for name, values in found.items()}


def _season(history: DayPanel, half_width: int) -> tuple[npt.NDArray[np.bool_], Reference]:
    """Days of the season that comes, if history holds an earlier one; else all its known days."""
    ahead = int(history.day_of_year[-1]) % 366 + 1
    season = season_days(history, ahead, half_width)
    earlier = season & (history.days < history.days[-1] - EARLIER_DAYS)
    if season.sum() >= MIN_SEASON_DAYS and 2 * earlier.sum() >= MIN_SEASON_DAYS:
        return season, "season"
    return history.known, "recent"


def _ahead(
    panel: DayPanel, expected: Array, expectation: Expectation, faults: tuple[Hypothesis, ...], rows: npt.NDArray[np.int64]
) -> dict[str, Array]:
    """The detectors that answer within the day: likelihood ratios, and those of plain faults."""
    judged = _days(panel, expected, expectation, rows)
    found = ratios(expectation, judged, faults)
    days, before, clean = judged.seen, judged.before, expectation.scale.back(judged.expected)
    floor = 0.01 * float(np.nanstd(panel.values)) + 1e-12
    size, wanted = (np.log(np.abs(side).mean(axis=1) + floor) for side in (days, clean))
    moves = np.ptp(days, axis=1) > 0
    both = np.isfinite(before + size)
    return found | {
        "unit": np.abs(size - wanted),
        "stuck": np.where(both, ((panel.width > 1) & ~moves).astype(np.float64), np.nan),
        "repeat": np.where(both, ((days[:, 0] == before) & moves).astype(np.float64), np.nan),
    }


def _days(panel: DayPanel, expected: Array, expectation: Expectation, rows: npt.NDArray[np.int64]) -> Days:
    """Days of a panel beside what was expected; tomorrow's first hour is not known and expected to stay at today's last."""
    residual = expectation.scale.forward(panel.values) - expected
    relative = volatility(squared(residual, expectation.precision) / panel.width)
    days, before = panel.values[rows], np.append(np.nan, panel.values[:-1, -1])[rows]
    return Days(expected[rows], days, before, days[:, -1], relative[rows])


__all__ = ["DETECTORS", "SEVERE", "Finding", "Monitor", "MonitorOptions", "fit_monitor"]
