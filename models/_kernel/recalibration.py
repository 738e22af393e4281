"""Recalibration of a ladder of quantiles: conformalised quantile regression, Mondrian by group, conformal PID control; all walk forward.

Split CQR of Romano, Patterson & Candes (2019) on the pairs of levels that mirror each other; Mondrian (Vovk et al. 2005, ch. 4) keeps
one correction per group (hour, regime); conformal PID control of Angelopoulos, Candes & Tibshirani (2023). `AdaptiveConformal` (ACI)
stands in `conformal`. Leading axis: steps (days); second: groups side by side (intervals of the day).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models._kernel.conformal import conformal_quantile

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
FEWEST_SCORES = 20


def mirrored(levels: npt.ArrayLike) -> list[tuple[int, int]]:
    """Positions of the levels p < 1/2 and 1 - p.

    Raises:
        ValueError: a level has no mirror image.
    """
    p = np.asarray(levels, dtype=np.float64)
    if not np.allclose(p + p[::-1], 1.0, atol=1e-9) or np.any(np.diff(p) <= 0):
        raise ValueError(f"levels {p.tolist()} must rise and mirror each other around 1/2; conformalised quantiles come in pairs")
    return [(i, p.size - 1 - i) for i in range(p.size // 2)]


def cqr_ladder(ladder: npt.ArrayLike, past: npt.ArrayLike, outcomes: npt.ArrayLike, levels: npt.ArrayLike) -> Array:
    """A ladder conformalised pair by pair on past rows: q_p - d and q_(1-p) + d with d the CQR offset of the pair; sorted.

    Args:
        ladder: quantiles to correct, shape (..., k).
        past: past ladders never trained on, shape (n, k).
        outcomes: their outcomes, shape (n,); rows with anything missing are left out.
        levels: mirrored levels, shape (k,).

    With fewer than `FEWEST_SCORES` past rows, or too few for a level, the pair stays as it is.
    """
    q, before, y = (np.asarray(v, dtype=np.float64) for v in (ladder, past, outcomes))
    p = np.asarray(levels, dtype=np.float64)
    good = np.isfinite(before).all(axis=1) & np.isfinite(y)
    corrected = q.copy()
    if good.sum() >= FEWEST_SCORES:
        for low, high in mirrored(p):
            scores = np.maximum(before[good, low] - y[good], y[good] - before[good, high])
            offset = conformal_quantile(scores, float(p[high] - p[low]))
            if np.isfinite(offset):
                corrected[..., low] -= offset
                corrected[..., high] += offset
    return np.sort(corrected, axis=-1)


def walk_cqr(
    ladder: npt.ArrayLike, outcomes: npt.ArrayLike, levels: npt.ArrayLike, known: Ints, *, window: int, groups: npt.ArrayLike | None = None
) -> Array:
    """Split CQR at every step on the last `window` steps whose outcomes are known then.

    Args:
        ladder: raw quantiles, shape (steps, m, k).
        outcomes: shape (steps, m); NaN where unknown.
        levels: mirrored levels, shape (k,).
        known: per step, how many of the first steps are known when it is issued (never its own), shape (steps,).
        window: steps remembered.
        groups: group of every interval, shape (m,): one correction each (Mondrian); None: one correction for all.

    Returns:
        Corrected, sorted quantiles, shape (steps, m, k).
    """
    q, y = np.asarray(ladder, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
    label = np.zeros(q.shape[1], dtype=np.int64) if groups is None else np.asarray(groups)
    _check(known, q.shape[0])
    result = np.empty_like(q)
    for t in range(q.shape[0]):
        past = slice(max(0, int(known[t]) - window), int(known[t]))
        for group in np.unique(label):
            own = label == group
            result[t, own] = cqr_ladder(q[t, own], q[past][:, own].reshape(-1, q.shape[2]), y[past][:, own].ravel(), levels)
    return result


@dataclass
class ConformalPid:
    """Conformal PID control for a ladder of quantiles, side by side over groups (Angelopoulos et al. 2023).

    The offset of level p is tracker + integrator + scorecaster. Tracker (P): moves by rate * B * (p - [score <= offset]) with B the
    largest absolute score of the window. Integrator (I): ki * B * tan(S log(t + 1) / (csat (t + 1))) of the summed errors S, which
    pulls back any miss that lasts. Scorecaster (D): the mean score of the last `trend` steps of the group less that of the window,
    times `damping`; zero damping leaves it out. Levels are sorted when issued, feedback goes to each level's own offset.

    Attributes:
        levels: probability levels, ascending, shape (k,).
        groups: number of groups.
        rate: step of the tracker.
        ki: strength of the integrator.
        csat: errors per step beyond which the integrator saturates.
        damping: weight of the scorecaster, in [0, 1].
        window: scores remembered per group.
        trend: steps of the scorecaster's short mean.
    """

    levels: Array
    groups: int = 1
    rate: float = 0.05
    ki: float = 0.2
    csat: float = 1.0
    damping: float = 0.0
    window: int = 182
    trend: int = 7
    tracker: Array = field(init=False)
    errors: Array = field(init=False)
    scores: Array = field(init=False)
    seen: Ints = field(init=False)

    def __post_init__(self) -> None:
        """Start without a correction."""
        self.levels = np.asarray(self.levels, dtype=np.float64)
        for name in ("groups", "rate", "csat", "window", "trend"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
        if self.ki < 0 or not 0 <= self.damping <= 1:
            raise ValueError(f"ki is {self.ki} and damping {self.damping}; give ki at least 0 and damping inside [0, 1]")
        shape = (self.groups, self.levels.size)
        self.tracker, self.errors = np.zeros(shape), np.zeros(shape)
        self.scores = np.full((*shape, self.window), np.nan)
        self.seen = np.zeros(self.groups, dtype=np.int64)

    def offsets(self) -> Array:
        """Offset of every group and level now, unsorted, shape (groups, k)."""
        span = self._span()
        t = np.maximum(self.seen, 1)[:, None]
        angle = np.clip(self.errors * np.log(t + 1) / (self.csat * (t + 1)), -1.4, 1.4)
        return np.asarray(self.tracker + self.ki * span * np.tan(angle) + self.damping * self._trend(), dtype=np.float64)

    def update(self, base: npt.ArrayLike, issued: npt.ArrayLike, outcome: npt.ArrayLike) -> None:
        """Learn from one step.

        Args:
            base: raw quantiles of the step, shape (groups, k).
            issued: `offsets()` when it was issued.
            outcome: shape (groups,); NaN teaches nothing.
        """
        q, own, y = (np.asarray(v, dtype=np.float64) for v in (base, issued, outcome))
        good = np.isfinite(y) & np.isfinite(q).all(axis=1)
        score = y[:, None] - q
        miss = self.levels - (score <= own)
        self.scores[np.flatnonzero(good), :, self.seen[good] % self.window] = score[good]
        self.tracker[good] += (self.rate * self._span() * miss)[good]
        self.errors[good] += miss[good]
        self.seen[good] += 1

    def run(self, base: npt.ArrayLike, outcomes: npt.ArrayLike, known: Ints) -> Array:
        """Walk through steps in time order; before each, learn from the outcomes known by then.

        Args:
            base: shape (steps, groups, k).
            outcomes: shape (steps, groups).
            known: per step, how many of the first steps are known when it is issued.

        Returns:
            Corrected, sorted quantiles, shape (steps, groups, k).
        """
        q, y = np.asarray(base, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
        _check(known, q.shape[0])
        issued, done = np.empty_like(q), 0
        for t in range(q.shape[0]):
            while done < known[t]:
                self.update(q[done], issued[done], y[done])
                done += 1
            issued[t] = self.offsets()
        return np.sort(q + issued, axis=-1)

    def _span(self) -> Array:
        """Largest absolute score of the window, shape (groups, k); one before the first score."""
        known = np.where(np.isfinite(self.scores), np.abs(self.scores), -np.inf).max(axis=-1)
        return np.where(np.isfinite(known), np.maximum(known, 1e-9), 1.0)

    def _trend(self) -> Array:
        """Mean of the last scores less that of all remembered ones; zero before `trend` scores."""
        if self.damping == 0:
            return np.zeros_like(self.tracker)
        back = (self.seen[:, None] - 1 - np.arange(self.trend)) % self.window
        near = np.take_along_axis(self.scores, np.broadcast_to(back[:, None], (*self.tracker.shape, self.trend)), axis=-1).mean(axis=-1)
        count = np.maximum(np.isfinite(self.scores).sum(axis=-1), 1)
        return np.where((self.seen >= self.trend)[:, None], near - np.nansum(self.scores, axis=-1) / count, 0.0)


def _check(known: Ints, steps: int) -> None:
    if known.shape != (steps,) or np.any(np.diff(known) < 0) or np.any(known > np.arange(steps)) or np.any(known < 0):
        raise ValueError("known must give, for every step, a count that never falls and never includes the step itself")
