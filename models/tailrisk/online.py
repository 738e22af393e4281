"""Online calibration: past probabilities say what a probability of the law is worth, and exceedances steer the tails.

Two steps, both from outcomes known at the decision alone. The law's own probabilities of what came after all (one number per past row) are
ranked over a window: where a share a of them lies below b, a quantile for the share a must be asked of the law for b (calibration of
probability forecasts by their own ranks; Kuleshov, Fenner & Ermon 2018). On top, adaptive conformal inference (Gibbs & Candes 2021): a
tail's share is issued as b exp(s), and after an outcome s moves by step x (a - [exceeded]) / (1 - a). Over T outcomes the realised share
then differs from a by at most the range of s over (step x T), whatever the outcomes do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
RANGE = (-2.5, 1.5)
WIDEST = 0.4  # no tail is issued for a larger share
FEWEST = 24 * 14
DAY_MS = 86_400_000
HELD_DAYS = 7
EDGE = np.array([0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.035])
GRID = np.concatenate((EDGE, np.arange(5, 96) / 100, 1 - EDGE[::-1]))


@dataclass(frozen=True, slots=True)
class Past:
    """Rows of one series with a known outcome.

    Attributes:
        decided: decision time, ms since 1970, shape (n,).
        known: when the outcome became known, ms.
        error: error in widths of the row before drift was taken off, shape (n,).
        beyond: probability of a larger price than came, by the law, shape (n,).
    """

    decided: Whole
    known: Whole
    error: Array
    beyond: Array

    def plus(self, other: Self) -> Past:
        """Both, one after the other."""
        return Past(*(np.concatenate((getattr(self, f.name), getattr(other, f.name))) for f in fields(self)))


def drifts_at(known: Whole, error: Array, asked: Whole, *, days: int) -> Array:
    """Mean error of the outcomes that became known in the `days` before each asked instant, shape of `asked`; 0 where there are none.

    A level that is fitted once drifts away from the market until the next fit. Errors count at most three widths, so that spikes do not
    move the centre, and the mean is held back as if `HELD_DAYS` of zeros were among them.

    Args:
        known: when each outcome became known, ms, shape (n,).
        error: errors in widths, shape (n,).
        asked: instants, ms.
        days: length of the window.
    """
    if not known.size:
        return np.zeros(asked.size)
    order = np.argsort(known, kind="stable")
    when, sums = known[order], np.concatenate(([0.0], np.cumsum(np.clip(error[order], -3.0, 3.0))))
    last, first = np.searchsorted(when, asked, side="right"), np.searchsorted(when, asked - days * DAY_MS, side="right")
    count = np.maximum(last - first, 1)
    span = np.where(last > first, (asked - when[np.minimum(first, when.size - 1)]) / DAY_MS, 0.0)
    return np.asarray((sums[last] - sums[first]) / count * span / (span + HELD_DAYS), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What holds at one decision time.

    Attributes:
        knots: the law's share that is worth each share of `GRID`, rising.
        moved: steering of the tails' shares, shape (2, k): upper, lower.
    """

    knots: Array
    moved: Array

    def tails(self, nominal: Array) -> Array:
        """Shares to ask of the law for the nominal shares of the upper and of the lower tail, shape (2, k)."""
        upper, lower = np.interp(nominal, GRID, self.knots), 1 - np.interp(1 - nominal, GRID, self.knots)
        return np.asarray(np.clip(np.stack((upper, lower)) * np.exp(self.moved), 1e-7, WIDEST), dtype=np.float64)

    def levels(self, nominal: Array) -> Array:
        """Levels to ask of the law for nominal levels in the middle."""
        return np.asarray(1 - np.interp(1 - nominal, GRID, self.knots), dtype=np.float64)

    def worth(self, share: Array) -> Array:
        """What the law's probabilities are worth; 0 and 1 stay what they are."""
        at = np.concatenate(([0.0], self.knots, [1.0]))
        rising = np.maximum.accumulate(at + np.arange(at.size) * 1e-12)
        return np.asarray(np.interp(share, rising, np.concatenate(([0.0], GRID, [1.0]))), dtype=np.float64)


def calibrations_at(past: Past, asked: Sequence[int], nominal: Array, *, step: float, window_days: int) -> Mapping[int, Calibration]:
    """Calibration at every asked decision time, from outcomes with known <= that time.

    Args:
        past: rows of one series.
        asked: decision times, ms.
        nominal: shares beyond, e.g. (0.05, 0.01), shape (k,).
        step: size of the steering's steps; 0 for no calibration at all.
        window_days: days of decisions that are ranked; fewer than two weeks of hours leave the law as it is.
    """
    moved = np.zeros((2, len(nominal)))
    if not step:
        return {now: Calibration(GRID, moved) for now in asked}
    order = np.lexsort((past.decided, past.known))
    known, decided, beyond = past.known[order], past.decided[order], past.beyond[order]
    instants = np.unique(np.concatenate((decided, np.asarray(asked, dtype=np.int64))))
    step_of, upto = np.searchsorted(instants, decided), np.searchsorted(known, instants, side="right")
    seen, issued = np.stack((beyond, 1 - beyond)), np.empty((len(instants), *moved.shape))
    wanted, found, done = set(asked), dict[int, Calibration](), 0
    for at, now in enumerate(instants.tolist()):
        last = int(upto[at])
        if last > done:
            hit = seen[:, done:last, None] < issued[step_of[done:last]].transpose(1, 0, 2)
            moved = np.clip(moved + step * ((nominal - hit) / (1 - nominal)).sum(axis=1), *RANGE)
            done = last
        window = beyond[:last][decided[:last] > now - window_days * DAY_MS]
        calibration = Calibration(np.quantile(window, GRID) if window.size >= FEWEST else GRID, moved)
        issued[at] = calibration.tails(nominal)
        if now in wanted:
            found[now] = calibration
    return found
