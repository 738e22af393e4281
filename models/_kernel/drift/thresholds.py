"""Thresholds at a declared rate of false alarms, from clean history, for all detectors of a feature together.

Detectors that answer within the day share one budget. How it is shared is decided by what faults put into clean history show: the
shares that find most of them get it. Clean daily statistics are resampled in blocks (Politis & Romano 1994) into quarters, and the level is
raised until the upper confidence bound of the rate of alarms keeps the budget. Alarms a week apart or less are one. What history
has no quantile for is extrapolated by the exponential tail of the largest values.

Distances of windows move too slowly for that: a season of one year holds hardly more than one independent value. They alarm beyond the
upper prediction bound of the highest value of a further season, from the highest ones of the seasons there are (Hahn & Meeker 1991).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import numpy.typing as npt

from models._kernel.bootstrap import stationary_indices

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
QUARTER_DAYS = 91
MEAN_BLOCK_DAYS = 7.0
MERGE_DAYS = 7
DRAWS = 200
CONFIDENCE_Z = 1.645  # one-sided 95 %
TAIL = 0.05  # share of the largest values behind the tail's slope
PARTS = 2  # a detector's share of the budget is a multiple of 1 / PARTS


def upper_quantile(values: Array, share: float) -> float:
    """The value exceeded with probability `share`: empirical while history has it, else along an exponential tail."""
    known = np.sort(values[np.isfinite(values)])
    if not known.size or share <= 0:
        return float("inf")
    tail = min(max(TAIL, 10 / known.size), 0.5)
    start = float(np.quantile(known, 1 - tail))
    if share >= tail:
        return float(np.quantile(known, 1 - share))
    beyond = known[known > start] - start
    slope = float(beyond.mean()) if beyond.size else 0.0
    return start + slope * float(np.log(tail / share))


def episodes(alarms: Flags) -> npt.NDArray[np.int64]:
    """Alarms per row, those within `MERGE_DAYS` of one before counted once; shape (k, n) -> (k,)."""
    earlier = np.zeros_like(alarms)
    for back in range(1, MERGE_DAYS + 1):
        earlier[:, back:] |= alarms[:, :-back]
    return np.asarray((alarms & ~earlier).sum(axis=1), dtype=np.int64)


def rate_bound(alarms: Flags, index: npt.NDArray[np.int64]) -> float:
    """Upper 95 % confidence bound of alarms per quarter, from resampled quarters of the clean days.

    Args:
        alarms: whether anything alarms, per clean day in time order, shape (n,).
        index: rows of resampled quarters, shape (draws, 91).
    """
    counts = episodes(alarms[index])
    quarters = alarms.size / QUARTER_DAYS
    return float(counts.mean() + CONFIDENCE_Z * counts.std() / np.sqrt(quarters))


def calibrate(
    clean: Mapping[str, Array], faulty: Mapping[str, Mapping[str, Array]], *, least: float, budget: float, seed: int
) -> dict[str, float]:
    """Thresholds that find most of the simulated faults while all detectors together keep the budget of false alarms.

    Args:
        clean: detector -> its value on each clean day, in time order, shape (n,); infinite or NaN where it says nothing.
        faulty: fault -> detector -> its value on those days with the fault in them, shape (k,).
        least: no threshold is lower.
        budget: alarms per quarter that the rate's upper confidence bound keeps.
        seed: seed of the bootstrap.

    Returns:
        Detector -> threshold; infinite where the budget serves better elsewhere.

    Raises:
        ValueError: no detector, or fewer than 30 days.
    """
    names = sorted(clean)
    table = np.column_stack([clean[n] for n in names]) if names else np.empty((0, 0))
    if table.shape[0] < 30:
        raise ValueError(f"{table.shape[0]} clean days; thresholds need at least 30")
    index = _quarters(table.shape[0], seed)
    hits = [np.column_stack([found[n] for n in names]) for found in faulty.values()]
    best, chosen = -1.0, np.full(len(names), np.inf)
    for split in _splits(len(names)):
        limits = _at_budget(table, split, index, least, budget)
        found = float(np.mean([np.mean(np.any(values > limits, axis=1)) for values in hits])) if hits else 0.0
        if found > best + 1e-12:
            best, chosen = found, limits
    return dict(zip(names, (float(v) for v in chosen), strict=True))


def _splits(detectors: int) -> list[Array]:
    """Shares of the budget, equal ones first: of equally good ones the first is kept."""
    grid = [np.array(p) / PARTS for p in product(range(PARTS + 1), repeat=detectors) if sum(p) == PARTS]
    return [np.full(detectors, 1 / max(detectors, 1)), *grid]


def _at_budget(table: Array, split: Array, index: npt.NDArray[np.int64], least: float, budget: float) -> Array:
    """The lowest thresholds in these proportions of tail share that keep the budget."""
    lowest, highest = 1e-5, 0.3

    def limits(share: float) -> Array:
        return np.array([max(upper_quantile(table[:, i], share * part), least) for i, part in enumerate(split)])

    for _ in range(12):
        share = float(np.sqrt(lowest * highest))
        if rate_bound(np.any(table > limits(share), axis=1), index) <= budget:
            lowest = share
        else:
            highest = share
    return limits(lowest)


def prediction_bound(values: Array, groups: npt.NDArray[np.int64], share: float) -> float:
    """The value that the highest one of a further group exceeds with probability `share`.

    The highest values of the groups are taken as draws of one log-normal law; the bound allows for their small number.

    Args:
        values: positive, in time order; NaN where unknown.
        groups: group of each value, such as the year of a season.
        share: probability of exceeding the bound.

    Returns:
        Infinity for fewer than two groups.
    """
    from scipy import stats

    tops = [float(np.nanmax(values[groups == g])) for g in np.unique(groups) if np.isfinite(values[groups == g]).any()]
    n = len(tops)
    if n < 2:
        return float("inf")
    logs = np.log(np.maximum(tops, 1e-12))
    return float(np.exp(logs.mean() + stats.t.isf(share, n - 1) * logs.std(ddof=1) * np.sqrt(1 + 1 / n)))


def _quarters(days: int, seed: int) -> npt.NDArray[np.int64]:
    """Rows of `DRAWS` resampled quarters."""
    parts = -(-QUARTER_DAYS // days)
    drawn = [stationary_indices(days, mean_block=MEAN_BLOCK_DAYS, draws=DRAWS, seed=seed + k) for k in range(parts)]
    return np.concatenate(drawn, axis=1)[:, :QUARTER_DAYS]
