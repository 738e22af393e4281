"""The monitor of one feature: fitted on clean history, it says of a later day which detectors alarm and how badly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from models._kernel.drift.distance import Binned, against_other_years, binned, count_in, distances, trailing
from models._kernel.drift.expected import Expectation, design, fit_expectation
from models._kernel.drift.likelihood import Days, Hypothesis, hypotheses, ratios, squared, volatility
from models._kernel.drift.panel import DayPanel, season_days
from models._kernel.drift.thresholds import calibrate

Array = npt.NDArray[np.float64]
Severity = Literal["ok", "watch", "severe"]
Reference = Literal["season", "recent"]
LIKELIHOOD = ("mean", "scale", "clock")
SLOW = ("psi", "ks", "wasserstein")
PLAIN = ("unit", "stuck", "repeat")
DETECTORS = (*LIKELIHOOD, *SLOW, *PLAIN)
SEVERE = ("unit", "stuck")
SHARES = {**dict.fromkeys(LIKELIHOOD, 1.0), **dict.fromkeys(SLOW, 0.1)}  # of the budget; the slow ones cannot answer in a day
MIN_SEASON_DAYS = 120
EARLIER_DAYS = 180  # a season counts as an earlier one when it lies so far back
UNIT_FACTOR = 30.0  # a day so many times larger or smaller than expected came in another unit
LEAST_EVIDENCE = 2.0  # nats: no likelihood ratio below it is an alarm, however calm clean history was
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
        budget: false alarms per quarter that nineteen of twenty clean quarters must not exceed.
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
    clean = _ahead(history, expected, expectation, faults, rows)
    bins = binned(history.values, season)
    other_years = against_other_years(bins.counts, history.year, season)[rows]
    clean |= distances(trailing(bins.counts, chosen.window_days)[rows], other_years, bins.width)
    plain = {"unit": float(np.log(UNIT_FACTOR)), "stuck": 0.5, "repeat": 0.5}
    always = _ahead(history, expected, expectation, (), np.flatnonzero(history.known))  # rare things need all the days there are
    fixed = {n: v if float(np.mean(np.nan_to_num(always[n]) > v)) <= NEVER else float("inf") for n, v in plain.items()}
    rated = {name: values for name, values in clean.items() if name not in fixed}
    thresholds = fixed | calibrate(rated, shares=SHARES, budget=chosen.budget, seed=chosen.seed)
    thresholds |= {name: max(thresholds[name], LEAST_EVIDENCE) for name in LIKELIHOOD}
    return Monitor(expectation, faults, bins, season, history.year, thresholds, reference, mean, sigma, chosen)


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
    residual = expectation.scale.forward(panel.values) - expected
    relative = volatility(squared(residual, expectation.precision) / panel.width)
    days, before, clean = panel.values[rows], np.append(np.nan, panel.values[:-1, -1])[rows], expectation.scale.back(expected[rows])
    # tomorrow's first hour is not known: expected to stay at today's last
    found = ratios(expectation, Days(expected[rows], days, before, days[:, -1], relative[rows]), faults)
    floor = 0.01 * float(np.nanstd(panel.values)) + 1e-12
    size, wanted = (np.log(np.abs(side).mean(axis=1) + floor) for side in (days, clean))
    moves = np.ptp(days, axis=1) > 0
    both = np.isfinite(before + size)
    return found | {
        "unit": np.abs(size - wanted),
        "stuck": np.where(both, ((panel.width > 1) & ~moves).astype(np.float64), np.nan),
        "repeat": np.where(both, ((days[:, 0] == before) & moves).astype(np.float64), np.nan),
    }


__all__ = ["DETECTORS", "SEVERE", "Finding", "Monitor", "MonitorOptions", "fit_monitor"]
