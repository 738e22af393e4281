"""One series (market, hub, product): trained at a cutoff, answering for any later decision time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from models._kernel.scenarios import Past
from models.curve_dist import boosting, kernel_ridge
from models.curve_dist.design import Inputs, training_prices
from models.curve_dist.distribution import Calibrator, mean_of
from models.curve_dist.members import SHORTEST, Base, Ensemble
from models.curve_dist.panel import NEVER, Panel
from models.curve_dist.params import Params
from models.curve_dist.spec import LEVELS

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
FEWEST_TRAINING_DAYS = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """Distributions of A entries.

    Attributes:
        quantiles: shape (A, slots, levels); NaN where nothing could be said.
        point: combined point forecast, shape (A, slots).
        mean: shape (A, slots).
        borrowed: whether the artifact's own training days had to help, shape (A,).
        pasts: scaled errors known at each entry's decision.
        pool: days with known prices that the entries learned from, each from those known at its decision.
    """

    quantiles: Array
    point: Array
    mean: Array
    borrowed: npt.NDArray[np.bool_]
    pasts: tuple[Past, ...]
    pool: Panel


@dataclass(slots=True)
class Series:
    """A trained series.

    Attributes:
        ensemble: members.
        calibrator: state at the cutoff.
        calibrated_until: decision time of the last calibration day, ms.
        stored: last training days, for requests that come without enough history.
    """

    ensemble: Ensemble
    calibrator: Calibrator
    calibrated_until: int
    stored: Panel

    @classmethod
    def train(cls, panel: Panel, params: Params, *, cutoff: datetime, seed: int) -> Series | None:
        """Train on the days of `panel` decided and known by the cutoff; None where there are too few."""
        days = usable(panel, epoch_ms(cutoff))
        if days.days < FEWEST_TRAINING_DAYS:
            return None
        count = min(params.calibration_days, days.days // 3)
        before, calibration = days.take(np.arange(days.days - count)), days.take(np.arange(days.days - count, days.days))
        early = _ensemble(before, params, seed)
        first = np.arange(count) // params.calibration_step_days * params.calibration_step_days
        base = early.forecast(days, calibration, calibration.as_of[first])
        calibrator = Calibrator.learn(base, calibration.price, params, calibration.date)
        kept = days.take(np.arange(max(0, days.days - params.stored_days), days.days))
        return cls(_ensemble(days, params, seed), calibrator, int(calibration.as_of[-1]), kept)

    def answer(self, history: Panel, target: Panel) -> Answer:
        """Distributions of the target entries, each from what was known at its own decision time.

        Args:
            history: days with outcomes, prices and knowledge times as they came.
            target: entries to answer; their prices are not read.
        """
        params = self.ensemble.params
        pool = usable(history, NEVER - 1)
        short = np.array([usable_at(pool, a).size < params.min_train_days for a in target.as_of], dtype=bool)
        if short.any():
            pool = _joined(self.stored, pool)
        latest = int(target.as_of.max())
        replay = pool.take(np.flatnonzero((pool.as_of > self.calibrated_until) & (pool.known <= latest) & (pool.as_of <= latest)))
        past = self.ensemble.forecast(pool, replay, replay.as_of) if replay.days else None
        base = self.ensemble.forecast(pool, target, target.as_of)
        quantiles, pasts = self._walk(replay, past, target, base)
        return Answer(quantiles, base.point, mean_of(quantiles), short, pasts, pool)

    def _walk(self, replay: Panel, past: Base | None, target: Panel, base: Base) -> tuple[Array, tuple[Past, ...]]:
        """Issue every target entry with the state of its decision time: outcomes count from when they are known."""
        state, trust = self.calibrator.copy(), self.ensemble.params.median_trust
        events = sorted([(int(a), 0, i) for i, a in enumerate(replay.as_of)] + [(int(a), 1, i) for i, a in enumerate(target.as_of)])
        result = np.full((target.days, target.slots, len(LEVELS)), np.nan)
        pending: list[tuple[int, Array, Array]] = []
        pasts = [state.past] * target.days
        for now, kind, i in events:
            while pending and replay.known[pending[0][0]] <= now and past is not None:
                j, scale, issued = pending.pop(0)
                state.update(replay.price[j], past.point[j], scale, issued, int(replay.date[j]))
            if kind == 1:
                result[i], pasts[i] = state.quantiles(base, i, trust), state.past
            elif past is not None and np.isfinite(past.point[i]).all():
                pending.append((i, state.scale(past, i), state.offsets()))
        return result, tuple(pasts)


def epoch_ms(instant: datetime) -> int:
    """Milliseconds since 1970."""
    return round(instant.timestamp() * 1000)


def usable(panel: Panel, instant: int) -> Panel:
    """Days decided and known by `instant` whose prices are complete, one entry per day (the last decision)."""
    good = (panel.known <= instant) & (panel.as_of <= instant) & np.isfinite(training_prices(panel)).all(axis=1)
    index = np.flatnonzero(good)
    last = np.append(panel.date[index][1:] != panel.date[index][:-1], True) if index.size else np.zeros(0, dtype=bool)
    return panel.take(index[last])


def usable_at(pool: Panel, instant: int) -> npt.NDArray[np.intp]:
    """Entries of the pool decided and known by `instant`."""
    return np.flatnonzero((pool.known <= instant) & (pool.as_of <= instant))


def _ensemble(days: Panel, params: Params, seed: int) -> Ensemble:
    inputs = Inputs.learn(days)
    recent = days.take(np.arange(max(0, days.days - params.window), days.days))
    level, relative = (kernel_ridge.standardise(inputs, recent, params.kernel, relative=r) for r in (False, True))
    return Ensemble(params, inputs, (level, relative), boosting.train(inputs, days, params.boosting, seed=seed))


def _joined(stored: Panel, given: Panel) -> Panel:
    """Stored days that were not given, then the given ones, in date order."""
    own = stored.take(np.flatnonzero(~np.isin(stored.date, given.date)))
    if given.days == 0:
        return own
    width = own.days
    merged = Panel(
        np.concatenate([own.date, given.date]),
        np.concatenate([own.as_of, given.as_of]),
        np.concatenate([own.known, given.known]),
        np.concatenate([own.price, given.price]),
        {c: np.concatenate([own.hourly[c], _or_nan(given.hourly.get(c), given.days, 24)]) for c in own.hourly},
        {c: np.concatenate([own.daily[c], _or_nan(given.daily.get(c), given.days, 0)]) for c in own.daily},
        {},
        np.concatenate([own.weekday, given.weekday]),
        np.concatenate([own.holiday, given.holiday]),
        np.concatenate([own.day_of_year, given.day_of_year]),
    )
    order = np.lexsort((merged.as_of, merged.date))
    return merged.take(order) if width else given


def _or_nan(values: Array | None, days: int, hours: int) -> Array:
    if values is not None:
        return values
    return np.full((days, hours) if hours else days, np.nan)


__all__ = ["SHORTEST", "Answer", "Series", "epoch_ms", "usable"]
