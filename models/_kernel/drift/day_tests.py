"""Two-sample tests of one day against its season: what is customary, as comparators of the monitor.

PSI, Kolmogorov-Smirnov and Wasserstein compare the day's values with those of the season; the classifier test asks how well a linear
discriminant tells the day's hours from the season's by their level and spread around the hour's mean. The accuracy of that classifier
rises with Hotelling's statistic (Kim, Ramdas, Singh & Wasserman 2021), which is what is computed. Each has the whole budget of false
alarms for itself, its threshold from a block bootstrap of the season's own days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.drift.distance import NAMES, Binned, binned, count_in, distances
from models._kernel.drift.thresholds import calibrate

Array = npt.NDArray[np.float64]
TESTS = (*NAMES, "classifier")


@dataclass(frozen=True, slots=True)
class DayTests:
    """Calibrated tests of a season.

    Attributes:
        bins: bins of the season's values.
        pool: counts of the season in them, shape (b,).
        centre, width: mean and standard deviation of each hour, shape (m,).
        mean, precision: of (deviation, its square) over the season's hours, shape (2,) and (2, 2).
        thresholds: test -> alarm above it.
    """

    bins: Binned
    pool: Array
    centre: Array
    width: Array
    mean: Array
    precision: Array
    thresholds: dict[str, float]

    def statistics(self, days: Array) -> dict[str, Array]:
        """Statistic of each test on days of shape (k, m), shape (k,)."""
        counts = count_in(days, self.bins.edges)
        found = distances(counts, np.broadcast_to(self.pool, counts.shape), self.bins.width)
        u = (days - self.centre) / self.width
        gap = np.stack([u.mean(axis=1), np.square(u).mean(axis=1)], axis=1) - self.mean
        return found | {"classifier": days.shape[1] * np.einsum("ij,jk,ik->i", gap, self.precision, gap)}

    def alarms(self, day: Array) -> dict[str, bool]:
        """Which tests alarm on a day of shape (m,)."""
        return {name: bool(values[0] > self.thresholds[name]) for name, values in self.statistics(day[None, :]).items()}


def fit_day_tests(season: Array, *, budget: float, seed: int) -> DayTests:
    """Tests calibrated on the days of a season, shape (n, m), in time order.

    Raises:
        ValueError: fewer than 30 days.
    """
    bins = binned(season, np.ones(len(season), dtype=bool))
    centre, width = season.mean(axis=0), season.std(axis=0) + 1e-9
    u = (season - centre) / width
    pairs = np.stack([u.ravel(), np.square(u).ravel()], axis=1)
    precision = np.asarray(np.linalg.inv(np.cov(pairs.T) + 1e-9 * np.eye(2)), dtype=np.float64)
    made = DayTests(bins, bins.counts.sum(axis=0), centre, width, pairs.mean(axis=0), precision, {})
    found = made.statistics(season)
    limits = {n: calibrate({n: found[n]}, {}, least=0.0, budget=budget, seed=seed)[n] for n in TESTS}
    return DayTests(made.bins, made.pool, made.centre, made.width, made.mean, made.precision, limits)
