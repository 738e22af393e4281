"""From a point to a distribution: residuals scaled by how uncertain the day looks, calibrated by adaptive conformal inference.

The scale is a non-negative combination of recent absolute errors, the disagreement of the members and the widths that LightGBM
gives; scaled errors then go through ACI (Gibbs & Candes 2021), interval of the day by interval, for all 21 levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from models._kernel.conformal import AdaptiveConformal
from models._kernel.scenarios import Past
from models.curve_dist.members import Base
from models.curve_dist.params import Params
from models.curve_dist.spec import LEVELS

Array = npt.NDArray[np.float64]
MEDIAN = LEVELS.index(0.5)
FAST_DAYS, SLOW_DAYS, DAY_DAYS = 14.0, 60.0, 4.0
TERMS = ("constant", "fast", "day", "slow", "disagreement", "width_90", "width_50")


@dataclass(slots=True)
class Calibrator:
    """State of one series: recent errors, scale and adaptive levels; moves on with every outcome.

    Attributes:
        aci: adaptive conformal inference on scaled errors, one group per interval of the day.
        weights: weight of each of TERMS in the scale.
        typical: mean absolute error of the calibration days.
        fast, slow: exponentially weighted absolute error by interval, shape (slots,).
        day: the same of the day's mean.
        past: scaled errors of the days learned from, newest last, as many as `aci` remembers; their ranks tell how hours move together.
    """

    aci: AdaptiveConformal
    weights: Array
    typical: float
    fast: Array
    slow: Array
    day: float
    past: Past

    @classmethod
    def learn(cls, base: Base, outcomes: Array, params: Params, dates: npt.NDArray[np.int64] | None = None) -> Self:
        """Calibrate on out-of-sample days.

        Args:
            base: base forecasts, oldest day first.
            outcomes: prices, shape (days, slots); NaN where unknown.
            params: step and window of ACI.
            dates: delivery dates of the days, since 1970; 0, 1, 2, ... by default.
        """
        from scipy.optimize import nnls

        days, slots = outcomes.shape
        error = np.abs(outcomes - base.point)
        warm = min(28, days // 4)
        start = np.nan_to_num(np.nanmean(error[: max(warm, 1)], axis=0), nan=float(np.nanmean(error)))
        typical = max(float(np.nanmean(error)), 1e-3)
        aci = AdaptiveConformal(np.array(LEVELS), slots, params.aci_gamma, params.aci_window)
        state = cls(
            aci, np.zeros(len(TERMS)), typical, start, start.copy(), float(start.mean()), Past(np.empty(0, np.int64), np.empty((0, slots)))
        )
        terms = []
        for i in range(days):
            terms.append(state.terms(base, i))
            state.remember(error[i])
        table, goal = np.stack(terms)[warm:].reshape(-1, len(TERMS)), error[warm:].ravel()
        good = np.isfinite(goal) & np.isfinite(table).all(axis=1)
        state.weights = nnls(table[good], goal[good])[0]
        scale = np.stack(terms) @ state.weights + state.floor
        scores = (outcomes - base.point) / scale
        state.aci.warm(np.zeros((days - warm, slots, len(LEVELS))), scores[warm:])
        when = np.arange(days, dtype=np.int64) if dates is None else dates
        state.past = Past(when[warm:][-params.aci_window :], scores[warm:][-params.aci_window :])
        return state

    @property
    def floor(self) -> float:
        """Smallest scale: one per cent of the typical error."""
        return 0.01 * self.typical

    def terms(self, base: Base, i: int) -> Array:
        """Terms of the scale of day i, shape (slots, terms)."""
        near = (self.fast + np.roll(self.fast, 1) + np.roll(self.fast, -1)) / 3
        full = np.ones_like(near)
        return np.column_stack(
            [full * self.typical, near, full * self.day, self.slow, base.disagreement[i], base.widths[0, i], base.widths[1, i]]
        )

    def scale(self, base: Base, i: int) -> Array:
        """Scale of day i, shape (slots,)."""
        return np.asarray(self.terms(base, i) @ self.weights + self.floor, dtype=np.float64)

    def offsets(self) -> Array:
        """Each level's own offset in scaled units, unsorted, shape (slots, levels)."""
        return self.aci.raw(np.zeros((self.fast.size, len(LEVELS))))

    def quantiles(self, base: Base, i: int, median_trust: float) -> Array:
        """Sorted quantiles of day i, shape (slots, levels); the median takes `median_trust` of its correction."""
        offsets = self.offsets()
        offsets[:, MEDIAN] *= median_trust
        return np.asarray(base.point[i][:, None] + self.scale(base, i)[:, None] * np.sort(offsets, axis=1), dtype=np.float64)

    def update(self, outcome: Array, point: Array, scale: Array, issued: Array, date: int | None = None) -> None:
        """Learn from a day's outcome.

        Args:
            outcome: prices, shape (slots,); NaN teaches nothing.
            point: base forecast of that day.
            scale: scale it was issued with.
            issued: `offsets()` at its issue.
            date: delivery date, days since 1970; the day after the last one by default.
        """
        score = (outcome - point) / scale
        self.aci.update(np.zeros_like(issued), issued, score)
        if date is None:
            date = int(self.past.date[-1]) + 1 if self.past.days else 0
        kept = slice(max(0, self.past.days + 1 - self.aci.window), None)
        self.past = Past(np.append(self.past.date, date)[kept], np.vstack([self.past.score, score])[kept])
        self.remember(np.abs(outcome - point))

    def remember(self, error: Array) -> None:
        """Move the recent errors on."""
        known = np.isfinite(error)
        for name, half_life in (("fast", FAST_DAYS), ("slow", SLOW_DAYS)):
            old = getattr(self, name)
            keep = 0.5 ** (1 / half_life)
            setattr(self, name, np.where(known, keep * old + (1 - keep) * np.where(known, error, 0.0), old))
        if known.any():
            keep = 0.5 ** (1 / DAY_DAYS)
            self.day = keep * self.day + (1 - keep) * float(error[known].mean())

    def copy(self) -> Calibrator:
        """An independent copy."""
        return Calibrator.restore(self.state())

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays that `restore` reads."""
        own = {"weights": self.weights, "typical": np.array(self.typical), "fast": self.fast, "slow": self.slow, "day": np.array(self.day)}
        own |= {"past_date": self.past.date, "past_score": self.past.score}
        return {**own, **{f"aci_{k}": v for k, v in self.aci.state().items()}}

    @classmethod
    def restore(cls, state: Mapping[str, npt.NDArray[Any]]) -> Self:
        """What `state` described."""
        aci = AdaptiveConformal.from_state({k.removeprefix("aci_"): v for k, v in state.items() if k.startswith("aci_")})
        past = Past(state["past_date"].copy(), state["past_score"].copy())
        recent = state["fast"].copy(), state["slow"].copy(), float(state["day"])
        return cls(aci, state["weights"].copy(), float(state["typical"]), *recent, past)


def mean_of(quantiles: Array) -> Array:
    """Mean of the distribution: every quantile weighs as much as the levels it is nearest to."""
    edges = np.concatenate([[0.0], (np.array(LEVELS)[1:] + np.array(LEVELS)[:-1]) / 2, [1.0]])
    return np.asarray(quantiles @ np.diff(edges), dtype=np.float64)
