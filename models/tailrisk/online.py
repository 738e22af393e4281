"""Online calibration of the tails: the rate at which each tail quantile is exceeded steers the rate it is issued for.

Adaptive conformal inference (Gibbs & Candes 2021) whose quantile function is the model's own: a tail level with share a is issued for the
share a exp(s), and after an outcome s moves by step x (a - [exceeded]) / (1 - a). So a quantile beyond all past errors can be issued,
which a window of scores could not. Over T outcomes the realised share differs from a by at most the range of s over (step x T).
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


@dataclass(frozen=True, slots=True)
class Past:
    """Rows of one series with a known outcome.

    Attributes:
        decided: decision time, ms since 1970, shape (n,).
        known: when the outcome became known, ms.
        beyond: probability of a larger price than came, by the law as it is, shape (n,).
    """

    decided: Whole
    known: Whole
    beyond: Array

    def plus(self, other: Self) -> Past:
        """Both, one after the other."""
        return Past(*(np.concatenate((getattr(self, f.name), getattr(other, f.name))) for f in fields(self)))


def shares_at(past: Past, asked: Sequence[int], nominal: Array, *, step: float) -> Mapping[int, Array]:
    """Shares to issue at every asked decision time, for the upper and the lower tail.

    Args:
        past: rows of one series.
        asked: decision times, ms.
        nominal: shares beyond, e.g. (0.05, 0.01), shape (k,).
        step: size of the steps; 0 leaves the shares as they are.

    Returns:
        Decision time -> shape (2, k): upper tail, lower tail; made from outcomes with known <= that time.
    """
    moved = np.zeros((2, len(nominal)))
    if not step:
        return {now: np.tile(nominal, (2, 1)) for now in asked}
    order = np.lexsort((past.decided, past.known))
    known, seen = past.known[order], np.stack((past.beyond, 1 - past.beyond))[:, order]
    instants = np.unique(np.concatenate((past.decided, np.asarray(asked, dtype=np.int64))))
    step_of = np.searchsorted(instants, past.decided[order])
    upto = np.searchsorted(known, instants, side="right")
    issued = np.empty((len(instants), *moved.shape))
    done = 0
    for at in range(len(instants)):
        last = int(upto[at])
        if last > done:
            hit = seen[:, done:last, None] < issued[step_of[done:last]].transpose(1, 0, 2)
            moved = np.clip(moved + step * ((nominal - hit) / (1 - nominal)).sum(axis=1), *RANGE)
            done = last
        issued[at] = np.minimum(nominal * np.exp(moved), WIDEST)
    place = {int(now): k for k, now in enumerate(instants)}
    return {now: issued[place[now]] for now in asked}
