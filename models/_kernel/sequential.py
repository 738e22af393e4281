"""Anytime-valid comparison of two forecasters: the answer stays valid however often and whenever somebody looks.

Daily losses a and b give d = (a - b) / (|a| + |b|), free of units, and cut at `BOUND` on both sides: no single day counts for more
than a rival with three fifths of the loss, so that one wild day decides nothing and bets can be high enough to find small effects.
Under the null that b is no better, E[d | past] <= 0, the wealth prod(1 + w_t d_t) of a gambler who bets a share w_t fixed before
day t is a non-negative supermartingale (an e-process: Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by
betting", J. R. Stat. Soc. B 86, sec. 4; for forecasters Choe & Ramdas 2024, "Comparing sequential forecasters", Oper. Res. 72). By
Ville's inequality it ever reaches 1 / alpha with probability alpha at most. No assumption on dependence.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from models._kernel.bootstrap import stationary_indices

Array = npt.NDArray[np.float64]
BOUND = 0.25
LARGEST_BET = 0.9 / BOUND
MEAN_BLOCK_DAYS = 7.0
DRAWS = 400


def relative_difference(champion: npt.ArrayLike, rival: npt.ArrayLike) -> Array:
    """(champion - rival) / (|champion| + |rival|) of daily losses within +-`BOUND`: positive where the rival loses less.

    A loss may be negative: the cost of a decision is where it earns.

    Raises:
        ValueError: losses of different length, or ones that are not finite.
    """
    a, b = (np.asarray(v, dtype=np.float64).reshape(-1) for v in (champion, rival))
    if a.shape != b.shape or not np.all(np.isfinite(a)) or not np.all(np.isfinite(b)):
        raise ValueError(f"daily losses must be finite and paired; got {a.size} and {b.size} days")
    total = np.abs(a) + np.abs(b)
    relative = np.where(total > 0, (a - b) / np.where(total > 0, total, 1.0), 0.0)
    return np.asarray(np.clip(relative, -BOUND, BOUND))


def e_process(differences: npt.ArrayLike) -> Array:
    """Wealth after each day, shape of `differences` (..., days); the null is rejected at alpha once it has reached 1 / alpha.

    The bet is the approximate growth-rate optimum mean / (variance + mean^2) of the days before (aGRAPA, eq. 22 of Waudby-Smith
    & Ramdas), never negative and at most `LARGEST_BET`, so that wealth stays positive. Means start from one
    pseudo-day of difference 0 and variance `BOUND`^2 / 4.

    Raises:
        ValueError: a difference beyond `BOUND`.
    """
    d = np.asarray(differences, dtype=np.float64)
    if not np.all(np.abs(d) <= BOUND):
        raise ValueError(f"differences must lie in [-{BOUND:g}, {BOUND:g}]; use relative_difference")
    count = np.arange(1, d.shape[-1] + 1)
    mean = np.cumsum(d, axis=-1) / (count + 1)
    variance = (BOUND**2 / 4 + np.cumsum((d - mean) ** 2, axis=-1)) / (count + 1)
    bet = np.clip(mean / (variance + mean**2), 0.0, LARGEST_BET)
    before = np.concatenate((np.zeros((*d.shape[:-1], 1)), bet[..., :-1]), axis=-1)
    return np.asarray(np.exp(np.cumsum(np.log1p(before * d), axis=-1)))


def decided(differences: npt.ArrayLike, alpha: float) -> bool:
    """Whether the null was ever rejected at `alpha`."""
    wealth = e_process(differences)
    return bool(wealth.size and wealth.max() >= 1 / alpha)


def power(differences: npt.ArrayLike, *, effect: float, alpha: float, horizon: int, seed: int) -> float:
    """Chance that the test decides within `horizon` days when the mean difference is `effect`.

    The days seen so far, moved to that mean, are resampled in blocks with a mean of one week.

    Args:
        differences: relative differences seen so far, at least 7.
        effect: mean of the relative difference to be found.
        alpha: level.
        horizon: days.
        seed: seed of the draws.

    Raises:
        ValueError: fewer than 7 days.
    """
    d = np.asarray(differences, dtype=np.float64).reshape(-1)
    if d.size < 7:
        raise ValueError(f"{d.size} days; power needs at least 7 to know how the difference varies")
    moved = np.clip(d - d.mean() + effect, -BOUND, BOUND)
    parts = math.ceil(horizon / d.size)
    drawn = [stationary_indices(d.size, mean_block=MEAN_BLOCK_DAYS, draws=DRAWS, seed=seed + k) for k in range(parts)]
    paths = moved[np.concatenate(drawn, axis=1)[:, :horizon]]
    return float(np.mean(e_process(paths).max(axis=1) >= 1 / alpha))
