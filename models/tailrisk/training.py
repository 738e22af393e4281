"""Training of tailrisk: everything the tails are fitted on was forecast by parts that had not seen it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.chained_level import Ages, ChainedLevel, hours_of, level_target, matrix, time_folds
from models._kernel.spike_features import design, level_design, with_levels
from models._kernel.spike_levels import SERIES, last_levels
from models._kernel.tail_regression import ParetoRegression, ShapePrior, fit_pareto
from models.tailrisk.alarm import alarm_levels
from models.tailrisk.boosting import train_widths
from models.tailrisk.distribution import MIDDLE, ErrorLaw, Rows, limits_of
from models.tailrisk.online import Past, drifts_at
from models.tailrisk.oversampling import oversampled
from models.tailrisk.params import Params
from models.tailrisk.storage import Fitted, Series

Array = npt.NDArray[np.float64]
LEVEL = "level_score"
DAY_KEY = (*SERIES, "as_of", "delivery_date")
# Scales of the tails move with these; all are known at the decision, and few on purpose.
COVARIATES = ("residual_load_tightness", "price_std_7d", "share_7d", "price_prev_day_max", "price_hour_mean_28d", "wind_forecast")
MADE = ("level", "log_width", "level_day_max", "hour_sin", "hour_cos")
FEWEST_EXCESSES = 30


@dataclass(frozen=True, slots=True)
class Parts:
    """Inputs of one block of rows: boosters' inputs (n, p) and their names, tail covariates (n, q), levels (n,)."""

    inputs: Array
    names: tuple[str, ...]
    plain: Array
    level: Array
    hours: npt.NDArray[np.int64]
    day_max: Array

    def rows(self, frame: pl.DataFrame, widths: Array, params: Params) -> Rows:
        """Distribution inputs of the rows, given `Widths.predict` of them."""
        turn = 2 * np.pi / 24 * self.hours
        made = (self.level, np.log(widths[:, 1]), self.day_max, np.sin(turn), np.cos(turn))
        floor, cap = limits_of(frame, dict(params.limits))
        median, scale = (frame[c].to_numpy().astype(np.float64) for c in ("median", "scale"))
        covariates = np.column_stack((self.plain, *made))
        return Rows(self.level + widths[:, 0], widths[:, 1], widths[:, 2], covariates, median, scale, floor, cap)


def parts_of(frame: pl.DataFrame, level: Array, names: Sequence[str]) -> Parts:
    """Inputs of rows that carry their spike levels, in key order, with the level score of each."""
    inputs = design(frame)
    day_max = frame.select(DAY_KEY).with_columns(pl.Series("l", level)).select(pl.col("l").max().over(DAY_KEY)).to_series().to_numpy()
    table = np.column_stack((matrix(inputs, names), level, day_max - level))
    return Parts(table, (*names, LEVEL, "below_day_max"), matrix(inputs, COVARIATES), level, hours_of(frame), day_max)


def train(known: pl.DataFrame, params: Params, *, cutoff: datetime, seed: int) -> Fitted:
    """Fit everything on rows whose price was known at `cutoff`, in key order.

    Raises:
        ValueError: too little history for a threshold or for a tail; the message says how much there is.
    """
    recent = known.filter(pl.col("as_of") > cutoff - timedelta(days=params.train_days))
    frame = with_levels(
        recent, known, window_days=params.threshold_days, quantile=params.threshold_quantile, min_days=params.threshold_min_days
    ).filter(pl.col("threshold").is_not_null())
    if frame.is_empty():
        raise ValueError(
            f"tailrisk: none of the {len(known)} history rows has {params.threshold_min_days} days of known prices before its as_of;"
            " give a longer history (min_history_days of the spec)"
        )
    inputs = level_design(frame)
    names = [c for c in design(frame.head(1)).columns if inputs[c].null_count() < len(inputs)]
    expected = [n for n in names if inputs[n].null_count() < 0.5 * len(inputs)]
    level_names = [c for c in inputs.columns if c not in {"local_hour", "day_of_week"} and inputs[c].null_count() < len(inputs)]
    ages, target = Ages.of(frame, cutoff), level_target(frame)
    chain = ChainedLevel(
        level_names,
        matrix(inputs, level_names),
        hours_of(frame),
        target,
        ages.days,
        penalties=params.level_penalties,
        windows=params.level_windows,
    )
    level = chain.chained(ages.as_of, ages.known, blocks=params.level_blocks, warmup=params.level_warmup)
    usable = np.isfinite(level)
    frame, level, target = frame.filter(pl.Series(usable)), level[usable], target[usable]
    parts = parts_of(frame, level, names)
    final = train_widths(parts.inputs, parts.names, target - level, params, seed=seed)
    widths = _chained_widths(parts, target - level, Ages.of(frame, cutoff), params, seed=seed)
    event = (frame["price_ccy_per_mwh"] > frame["threshold"]).to_numpy().astype(np.float64)
    honest = np.isfinite(widths[:, 0])
    frame, level, target, event = frame.filter(pl.Series(honest)), level[honest], target[honest], event[honest]
    raw = parts_of(frame, level, names).rows(frame, widths[honest], params)
    error, ages = raw.errors(target), Ages.of(frame, cutoff)
    rows = raw.moved(_drifts(frame, error, ages, params))
    law = _law(rows, target, ages.days, params, seed=seed)
    beyond, spike = _beyond(law, rows, target), _beyond(law, rows, rows.compressed(frame["threshold"].to_numpy()))
    late = ages.days <= params.alarm_days
    on, off = alarm_levels(spike[late], event[late], on_fpr=params.alarm_on_fpr, off_fpr=params.alarm_off_fpr)
    return Fitted(
        names=tuple(names),
        expected=tuple(expected),
        level=chain.final(),
        widths=final,
        law=law,
        past=_past(frame, error, beyond, ages.days <= params.aci_days),
        levels=last_levels(frame),
        alarm=(on, off),
        cutoff=cutoff,
        search=_found(law, event, chain.penalty),
    )


def _chained_widths(parts: Parts, error: Array, ages: Ages, params: Params, *, seed: int) -> Array:
    """Widths of every row from boosters on earlier outcomes only; NaN for the first rows, which have none."""
    made = np.full((len(error), 3), np.nan)
    for earlier, block in time_folds(ages.as_of, ages.known, folds=params.oof_blocks, share=params.oof_share):
        made[block] = train_widths(parts.inputs[earlier], parts.names, error[earlier], params, seed=seed).predict(parts.inputs[block])
    return made


def _law(rows: Rows, target: Array, age: Array, params: Params, *, seed: int) -> ErrorLaw:
    """Middle and tails of the errors of rows whose level and widths were made out of sample."""
    errors = rows.errors(target)
    body = np.maximum.accumulate(np.quantile(errors[age <= max(params.body_days, age.min() + 30)], MIDDLE))
    low, high = np.interp([1 - params.tail_level, params.tail_level], MIDDLE, body)
    above = _tail(errors - high, rows.covariates, params, seed=seed)
    below = _tail(low - errors, rows.covariates, params, seed=seed + 1)
    return ErrorLaw(params.tail_level, body, above, below)


def _tail(excess: Array, covariates: Array, params: Params, *, seed: int) -> ParetoRegression:
    beyond = excess > 0
    if beyond.sum() < FEWEST_EXCESSES:
        raise ValueError(
            f"tailrisk: {int(beyond.sum())} out-of-sample errors lie beyond the tail's threshold; {FEWEST_EXCESSES} are needed, give a"
            " longer history"
        )
    prior = ShapePrior(params.shape_mean, params.shape_spread, high=params.shape_high)
    y, x, w = oversampled(excess[beyond], covariates[beyond], params, prior, seed=seed)
    return fit_pareto(y, x, prior=prior, penalty=params.tail_penalty, weights=w)


def _beyond(law: ErrorLaw, rows: Rows, z: Array) -> Array:
    """Probability of a higher compressed price than `z`, by the law as it is."""
    return law.exceedance(rows.covariates, rows.errors(z))


def _drifts(frame: pl.DataFrame, error: Array, ages: Ages, params: Params) -> Array:
    """Drift of every row's series at its own decision."""
    keys, made = np.array(series_of(frame)).reshape(-1, 3), np.zeros(len(frame))
    for series in sorted(set(series_of(frame))):
        mine = (keys == series).all(axis=1)
        made[mine] = drifts_at(ages.known[mine], error[mine], ages.as_of[mine], days=params.drift_days)
    return made


def past_of(frame: pl.DataFrame, error: Array, beyond: Array) -> Past:
    """What the online calibration learns from rows of one series."""
    decided, known = (frame[c].dt.epoch("ms").to_numpy() for c in ("as_of", "price_known_ts"))
    return Past(decided, known, error, beyond)


def series_of(frame: pl.DataFrame) -> list[Series]:
    """(market, hub, product) of every row."""
    return [(str(m), str(h), str(p)) for m, h, p in frame.select(SERIES).iter_rows()]


def _past(frame: pl.DataFrame, error: Array, beyond: Array, chosen: npt.NDArray[np.bool_]) -> dict[Series, Past]:
    keys = np.array(series_of(frame)).reshape(-1, 3)
    found = {}
    for series in sorted(set(series_of(frame))):
        mine = chosen & (keys == series).all(axis=1)
        found[series] = past_of(frame.filter(pl.Series(mine)), error[mine], beyond[mine])
    return found


def _found(law: ErrorLaw, event: Array, penalty: float) -> dict[str, Any]:
    return {
        "rows": len(event),
        "events": float(event.sum()),
        "shape_above": law.above.shape,
        "shape_below": law.below.shape,
        "level_penalty": penalty,
    }
