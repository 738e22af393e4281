"""Conformal calibration: split, conformalised quantile regression, and adaptive (online) for a ladder of quantiles.

Vovk et al. (2005) and Lei et al. (2018) for split conformal, Romano, Patterson & Candes (2019) for CQR, Gibbs & Candes (2021)
for the adaptive level (ACI). Leading axes are rows or days; all other axes (hours, hubs) are calibrated side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def conformal_quantile(scores: npt.ArrayLike, level: float) -> Array:
    """The ceil((n + 1) * level)-th smallest score along the first axis; infinity where n is too small for the level."""
    values = np.sort(np.asarray(scores, dtype=np.float64), axis=0)
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must lie strictly between 0 and 1")
    n = values.shape[0]
    rank = int(np.ceil(np.round((n + 1) * level, 9)))
    return values[rank - 1] if rank <= n else np.full(values.shape[1:], np.inf)


def split_conformal_offsets(y: npt.ArrayLike, forecast: npt.ArrayLike, *, alpha: float) -> Array:
    """Half-width w of the split conformal interval forecast ± w at level 1 - alpha, from calibration rows never trained on.

    Args:
        y: outcomes, shape (n, ...).
        forecast: point forecasts, same shape.
        alpha: 0.10 for a 90 % interval.

    Returns:
        Half-widths, shape (...).
    """
    return conformal_quantile(np.abs(np.asarray(y, dtype=np.float64) - np.asarray(forecast, dtype=np.float64)), 1 - alpha)


def cqr_offsets(y: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike, *, alpha: float) -> Array:
    """Offset q of conformalised quantile regression: [low - q, high + q] covers with probability at least 1 - alpha.

    Args:
        y: outcomes of calibration rows, shape (n, ...).
        low: lower quantile forecasts, same shape.
        high: upper quantile forecasts, same shape.
        alpha: 0.10 for a 90 % interval.
    """
    a, lo, hi = (np.asarray(v, dtype=np.float64) for v in (y, low, high))
    return conformal_quantile(np.maximum(lo - a, a - hi), 1 - alpha)


@dataclass
class AdaptiveConformal:
    """ACI for a whole ladder of quantiles, side by side over groups (hours, hubs).

    Every level p of every group keeps an effective level a, used to read the offset from the last `window` scores
    y - base_p. After an outcome, a moves by gamma * (p - [y <= issued]), so that over time the issued quantile is exceeded
    as often as it should, whatever the outcomes do: with scores within [-B, B] and feedback at most d steps late,

        |share(y <= raw) - p| <= (1 + 2 c + 2 gamma (d + 1)) / (gamma T) + d / T,   c = 2 B / (stretch * min_spread).

    Where a leaves (0, 1), Gibbs & Candes issue an infinite set; here the offset goes on linearly beyond the window's extremes
    (`stretch` spreads per unit of a), so that quantiles stay finite and the bound keeps holding with the constant c.

    The ladder is sorted when issued (rearrangement never raises the pinball loss, Chernozhukov et al. 2010); feedback goes to
    each level's own, unsorted quantile, which is what the bound is about.

    Attributes:
        levels: probability levels, ascending, shape (k,).
        groups: number of groups calibrated side by side.
        gamma: step of the effective level; larger adapts faster and wobbles more.
        window: scores remembered per group.
        stretch: spreads of the window per unit of effective level beyond its ends.
        min_spread: smallest spread used for that, in the unit of the outcome.
    """

    levels: Array
    groups: int = 1
    gamma: float = 0.03
    window: int = 182
    stretch: float = 5.0
    min_spread: float = 1e-3
    effective: Array = field(init=False)
    scores: Array = field(init=False)
    seen: npt.NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        """Start at the nominal levels with no scores."""
        self.levels = np.asarray(self.levels, dtype=np.float64)
        if (
            self.levels.ndim != 1
            or self.levels.size == 0
            or np.any(np.diff(self.levels) <= 0)
            or not np.all((self.levels > 0) & (self.levels < 1))
        ):
            raise ValueError(f"levels {self.levels.tolist()} must rise strictly inside (0, 1)")
        for name in ("groups", "window", "gamma", "stretch", "min_spread"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
        k = self.levels.size
        self.effective = np.tile(self.levels, (self.groups, 1))
        self.scores = np.full((self.groups, k, self.window), np.nan)
        self.seen = np.zeros(self.groups, dtype=np.int64)

    def raw(self, base: npt.ArrayLike) -> Array:
        """Each level's own calibrated quantile, unsorted: base plus the offset at the effective level.

        Args:
            base: base quantiles, shape (groups, k); NaN rows stay NaN.
        """
        return np.asarray(self._base(base) + self.offsets(), dtype=np.float64)

    def issue(self, base: npt.ArrayLike) -> Array:
        """Calibrated quantiles, sorted, shape (groups, k)."""
        return np.sort(self.raw(base), axis=-1)

    def update(self, base: npt.ArrayLike, raw: npt.ArrayLike, outcome: npt.ArrayLike) -> None:
        """Learn from one step's outcome, whenever it becomes known.

        Args:
            base: base quantiles of that step, shape (groups, k).
            raw: what `raw` returned when that step was issued.
            outcome: outcomes, shape (groups,); NaN where none is known (a 23-hour day): that group learns nothing.
        """
        q, issued = self._base(base), self._base(raw)
        y = np.asarray(outcome, dtype=np.float64).reshape(self.groups)
        known = np.isfinite(y) & np.all(np.isfinite(q), axis=1) & np.all(np.isfinite(issued), axis=1)
        hit = (y[known, None] <= issued[known]).astype(np.float64)
        self.effective[known] += self.gamma * (self.levels - hit)
        slot = self.seen[known] % self.window
        self.scores[np.flatnonzero(known), :, slot] = y[known, None] - q[known]
        self.seen[known] += 1

    def warm(self, base: npt.ArrayLike, outcomes: npt.ArrayLike) -> Self:
        """Fill the score windows from calibration steps without moving the effective levels.

        Args:
            base: shape (steps, groups, k).
            outcomes: shape (steps, groups).
        """
        start = self.effective.copy()
        for q, y in zip(np.asarray(base, dtype=np.float64), np.asarray(outcomes, dtype=np.float64), strict=True):
            self.update(q, q, y)
        self.effective = start
        return self

    def run(
        self, base: npt.ArrayLike, outcomes: npt.ArrayLike, *, known_before: npt.ArrayLike | None = None, ordered: bool = True
    ) -> Array:
        """Walk through steps in time order; before each, learn from the outcomes known by then.

        Args:
            base: base quantiles, shape (steps, groups, k).
            outcomes: shape (steps, groups); NaN where unknown for good.
            known_before: for each step, how many of the first steps' outcomes are known when it is issued (not decreasing,
                at most its own index); default: all earlier ones.
            ordered: return sorted ladders; False returns each level's own quantile.

        Returns:
            Calibrated quantiles, shape (steps, groups, k).
        """
        q, y = np.asarray(base, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
        steps = q.shape[0]
        known = np.arange(steps) if known_before is None else np.asarray(known_before, dtype=np.int64)
        if known.shape != (steps,) or np.any(np.diff(known) < 0) or np.any(known > np.arange(steps)) or np.any(known < 0):
            raise ValueError("known_before must give, for every step, a count that never falls and never includes the step itself")
        issued = np.empty_like(q)
        done = 0
        for t in range(steps):
            while done < known[t]:
                self.update(q[done], issued[done], y[done])
                done += 1
            issued[t] = self.raw(q[t])
        return np.sort(issued, axis=-1) if ordered else issued

    def offsets(self) -> Array:
        """Offset of every group and level at its effective level, shape (groups, k)."""
        ordered = np.sort(self.scores, axis=-1)  # NaN last
        n = np.minimum(self.seen, self.window)[:, None]
        safe = np.maximum(n, 1)
        low = np.where(n > 0, ordered[..., 0], 0.0)
        high = np.where(n > 0, np.take_along_axis(ordered, np.broadcast_to(safe - 1, low.shape)[..., None], axis=-1)[..., 0], 0.0)
        slope = self.stretch * np.maximum(high - low, self.min_spread)
        position = np.clip(self.effective * (n + 1) - 1, 0, safe - 1)
        below = np.floor(position).astype(np.int64)
        above = np.minimum(below + 1, safe - 1)
        left = np.take_along_axis(ordered, below[..., None], axis=-1)[..., 0]
        right = np.take_along_axis(ordered, above[..., None], axis=-1)[..., 0]
        inside = np.where(n > 0, left + (position - below) * (right - left), 0.0)
        first, last = 1 / (n + 1), n / (n + 1)
        tail = slope * (np.minimum(self.effective - first, 0) + np.maximum(self.effective - last, 0))
        empty = slope * (self.effective - self.levels)
        return np.asarray(np.where(n > 0, inside + tail, empty), dtype=np.float64)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Everything needed to go on later, as arrays for `artifacts.save_arrays`."""
        settings = np.array([self.groups, self.gamma, self.window, self.stretch, self.min_spread], dtype=np.float64)
        return {"levels": self.levels, "settings": settings, "effective": self.effective, "scores": self.scores, "seen": self.seen}

    @classmethod
    def from_state(cls, state: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The object that `state` described; further steps give the same numbers. The arrays are copied."""
        groups, gamma, window, stretch, min_spread = state["settings"].tolist()
        restored = cls(state["levels"].copy(), int(groups), gamma, int(window), stretch, min_spread)
        restored.effective, restored.scores = state["effective"].copy(), state["scores"].copy()
        restored.seen = state["seen"].copy()
        return restored

    def _base(self, values: npt.ArrayLike) -> Array:
        array = np.asarray(values, dtype=np.float64)
        if array.shape != (self.groups, self.levels.size):
            raise ValueError(f"quantiles have shape {array.shape}; this calibrator has {self.groups} groups and {self.levels.size} levels")
        return array


@dataclass
class QuantileTracker:
    """Online calibration of one ladder by the quantile tracker (P control) of Angelopoulos, Candes & Tibshirani (2023, sec. 2).

    Where `AdaptiveConformal` moves a level and reads a window of scores, this moves the quantile itself: after an outcome, the offset of
    level p changes by step * (p - [score <= offset]). One addition per outcome makes it the choice for many short intervals. With
    scores within [-B, B] and feedback at most d outcomes late, whatever the outcomes do,

        |share(score <= offset) - p| <= (2 B + step (d + 1)) / (step T) + d / T.

    Attributes:
        levels: probability levels, ascending, shape (k,).
        offsets: present quantiles of the scores, shape (k,); sort before issuing them.
        step: change per outcome, in units of the score.
    """

    levels: Array
    offsets: Array
    step: float

    def __post_init__(self) -> None:
        """Refuse shapes and steps that cannot work."""
        self.levels = np.asarray(self.levels, dtype=np.float64)
        self.offsets = np.array(self.offsets, dtype=np.float64)
        if self.levels.shape != self.offsets.shape or self.levels.ndim != 1:
            raise ValueError(f"levels have shape {self.levels.shape}, offsets {self.offsets.shape}; give one offset per level")
        if not self.step > 0:
            raise ValueError(f"step is {self.step}; it must be positive")

    def run(self, scores: npt.ArrayLike, known: npt.ArrayLike, asked: npt.ArrayLike) -> Array:
        """Offsets at every instant asked, each from the outcomes known by then; the tracker ends where the last of them left it.

        Args:
            scores: scores of outcomes, shape (n,); NaN where there is none, which teaches nothing. Of shape (n, m) each row holds outcomes
                that became known together and moves the offsets once, by the mean of what each would have moved them.
            known: instant at which each became known, shape (n,); outcomes are learned in this order, ties as given.
            asked: instants asked for, not falling, shape (m,).

        Returns:
            Offsets, unsorted, shape (m, k).

        Raises:
            ValueError: instants asked for fall.
        """
        s, when, ask = np.asarray(scores, dtype=np.float64), np.asarray(known), np.asarray(asked)
        if np.any(np.diff(ask) < 0):
            raise ValueError("the instants asked for must not fall; sort the rows by decision time")
        order = np.argsort(when, kind="stable")
        order = order[np.isfinite(s[order]) if s.ndim == 1 else np.isfinite(s[order]).any(axis=1)]
        s, when = s[order], when[order]
        upto = np.searchsorted(when, ask, side="right")
        issued = np.empty((ask.size, self.levels.size))
        offsets, up, down, done = self.offsets, self.step * self.levels, self.step * (1.0 - self.levels), 0
        for row, last in enumerate(upto):
            while done < last:
                offsets = np.where(s[done] <= offsets, offsets - down, offsets + up) if s.ndim == 1 else self._moved(offsets, s[done])
                done += 1
            issued[row] = offsets
        self.offsets = offsets
        return issued

    def _moved(self, offsets: Array, together: Array) -> Array:
        """Offsets after outcomes that became known together, shape (k,)."""
        known = together[np.isfinite(together)]
        return np.asarray(offsets + self.step * (self.levels - (known[:, None] <= offsets).mean(axis=0)))
