"""Thresholds at a declared rate of false alarms, from clean history, for all detectors of a feature together.

Clean daily statistics are resampled in blocks (Politis & Romano 1994) into quarters; a common tail share for all detectors is
lowered until nineteen of twenty quarters hold no more alarms than the budget. Alarms a week apart or less are one. What history has no
quantile for (the share is smaller than one in its days) is extrapolated by the exponential tail of the largest values.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from models._kernel.bootstrap import stationary_indices

Array = npt.NDArray[np.float64]
QUARTER_DAYS = 91
MEAN_BLOCK_DAYS = 7.0
MERGE_DAYS = 7
DRAWS = 200
CONFIDENCE = 0.95
TAIL = 0.05  # share of the largest values behind the tail's slope


def upper_quantile(values: Array, share: float) -> float:
    """The value exceeded with probability `share`: empirical while history has it, else along an exponential tail."""
    known = np.sort(values[np.isfinite(values)])
    if not known.size:
        return float("inf")
    tail = min(max(TAIL, 10 / known.size), 0.5)
    start = float(np.quantile(known, 1 - tail))
    if share >= tail:
        return float(np.quantile(known, 1 - share))
    beyond = known[known > start] - start
    slope = float(beyond.mean()) if beyond.size else 0.0
    return start + slope * float(np.log(tail / share))


def episodes(alarms: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Alarms per row, those within `MERGE_DAYS` of one before counted once; shape (k, n) -> (k,)."""
    earlier = np.zeros_like(alarms)
    for back in range(1, MERGE_DAYS + 1):
        earlier[:, back:] |= alarms[:, :-back]
    return np.asarray((alarms & ~earlier).sum(axis=1), dtype=np.int64)


def calibrate(statistics: Mapping[str, Array], *, shares: Mapping[str, float], budget: float, seed: int) -> dict[str, float]:
    """A threshold for each detector such that together they keep the budget of alarms per quarter.

    Args:
        statistics: detector -> its value on each clean day, in time order; infinite or NaN where it says nothing.
        shares: detector -> its tail share in terms of the common one; 1 where absent.
        budget: alarms per quarter that nineteen of twenty clean quarters must not exceed, all detectors of the feature together.
        seed: seed of the bootstrap.

    Raises:
        ValueError: no detector, or fewer than 30 days.
    """
    names = sorted(statistics)
    table = np.column_stack([statistics[n] for n in names]) if names else np.empty((0, 0))
    if table.shape[0] < 30:
        raise ValueError(f"{table.shape[0]} clean days; thresholds need at least 30")
    index = _quarters(table.shape[0], seed)
    lowest, highest = 1e-6, 0.2
    for _ in range(24):
        share = float(np.sqrt(lowest * highest))
        limits = np.array([upper_quantile(table[:, i], share * shares.get(n, 1.0)) for i, n in enumerate(names)])
        alarms = np.asarray(np.any(table > limits, axis=1))[index]
        if float(np.quantile(episodes(alarms), CONFIDENCE)) <= budget:
            lowest = share
        else:
            highest = share
    return {n: upper_quantile(table[:, i], lowest * shares.get(n, 1.0)) for i, n in enumerate(names)}


def _quarters(days: int, seed: int) -> npt.NDArray[np.int64]:
    """Rows of `DRAWS` resampled quarters."""
    parts = -(-QUARTER_DAYS // days)
    drawn = [stationary_indices(days, mean_block=MEAN_BLOCK_DAYS, draws=DRAWS, seed=seed + k) for k in range(parts)]
    return np.concatenate(drawn, axis=1)[:, :QUARTER_DAYS]
