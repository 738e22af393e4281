"""Training: labels, level score, search, out-of-fold calibration, final booster; everything from rows known at the cutoff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from models.spike_risk.booster import time_folds, train_booster, tune
from models.spike_risk.calibration import Calibrator, fit_calibrator, sigmoid
from models.spike_risk.features import design, with_levels
from models.spike_risk.level import LevelModel, fit_level
from models.spike_risk.params import Params
from models.spike_risk.thresholds import LEVEL_KEY, SERIES

Array = npt.NDArray[np.float64]
LEVEL = "level_score"
MIN_EVENTS = 20
POOL = pl.Schema(
    {"market": pl.String(), "hub": pl.String(), "product": pl.String(), "as_of": pl.Datetime("ms", "UTC"), "probability": pl.Float64()}
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training leaves behind.

    Attributes:
        names: inputs of the booster, in order; the level score is the last.
        expected: inputs that were known in more than half of the training rows.
        level: level regressions on `names` without the level score.
        booster: LightGBM model text; empty where there were too few events (then every answer is the base rate).
        calibrator: link from scores to log-odds.
        base_rate: share of events in the last 365 days of training rows.
        alert_probability: probability exceeded by the alert budget's share of all out-of-fold rows.
        pool: out-of-fold probabilities of schema POOL, the reference of the alert threshold.
        levels: last threshold, median and scale per series, for a history too short to compute them.
        search: parameters, log losses and counts, for model card and tracking.
    """

    names: list[str]
    expected: list[str]
    level: LevelModel
    booster: str
    calibrator: Calibrator
    base_rate: float
    alert_probability: float
    pool: pl.DataFrame
    levels: pl.DataFrame
    search: dict[str, Any]

    def scores(self, inputs: pl.DataFrame, booster: Any) -> tuple[Array, Array, Array]:
        """Booster inputs (n, p), level score (n,) and calibrated log-odds (n,) for rows of `features.design`."""
        hours = inputs["local_hour"].cast(pl.Int64).to_numpy()
        level = self.level.predict(matrix(inputs, self.names[:-1]), hours)
        x = np.column_stack((matrix(inputs, self.names[:-1]), level))
        if not self.booster:
            constant = np.full(len(level), np.log(self.base_rate / (1 - self.base_rate)))
            return x, level, constant
        raw = np.asarray(booster.predict(x, raw_score=True), dtype=np.float64).reshape(-1)
        return x, level, self.calibrator.log_odds(raw, level)


def matrix(inputs: pl.DataFrame, names: list[str]) -> Array:
    """The named inputs, shape (n, p), NaN where unknown or absent."""
    absent = [n for n in names if n not in inputs.columns]
    full = inputs.with_columns(pl.lit(None, dtype=pl.Float64).alias(n) for n in absent)
    return full.select(pl.col(names).fill_null(float("nan"))).to_numpy().reshape(len(full), len(names)).astype(np.float64)


def labelled_rows(known: pl.DataFrame, params: Params, cutoff: Any) -> pl.DataFrame:
    """Rows with a threshold at their own as_of and the event `price > threshold`, of the last `train_days`, in key order."""
    rows = known.filter(pl.col("as_of") > cutoff - timedelta(days=params.train_days))
    rows = with_levels(
        rows, known, window_days=params.threshold_days, quantile=params.threshold_quantile, min_days=params.threshold_min_days
    )
    events = (pl.col("price_ccy_per_mwh") > pl.col("threshold")).cast(pl.Float64).alias("event")
    return rows.filter(pl.col("threshold").is_not_null()).with_columns(events)


def train(known: pl.DataFrame, params: Params, *, cutoff: Any, seed: int) -> Fitted:
    """Fit everything on rows whose price was known at `cutoff`.

    Args:
        known: history with price_known_ts <= cutoff, finite prices.
        params: model parameters.
        cutoff: decision time of the fit.
        seed: seed of search and boosting.

    Raises:
        ValueError: no row has the history a threshold needs; the message says how much there is.
    """
    rows = labelled_rows(known, params, cutoff)
    if rows.is_empty():
        raise ValueError(
            f"spike_risk: none of the {len(known)} history rows has {params.threshold_min_days} days of known prices before its as_of;"
            " give a longer history (min_history_days of the spec)"
        )
    inputs = design(rows)
    names = [c for c in inputs.columns if inputs[c].null_count() < len(inputs)]
    share_known = inputs.select(names).null_count().row(0)
    expected = [n for n, nulls in zip(names, share_known, strict=True) if nulls < 0.5 * len(inputs)]
    x, events = matrix(inputs, names), rows["event"].to_numpy()
    hours = rows["local_hour"].cast(pl.Int64).to_numpy()
    target = np.arcsinh(((rows["price_ccy_per_mwh"] - rows["median"]) / rows["scale"]).to_numpy())
    as_of, known_ts = (rows[c].dt.epoch("ms").to_numpy() for c in ("as_of", "price_known_ts"))
    recent = rows.filter(pl.col("as_of") > cutoff - timedelta(days=365))["event"].to_numpy()
    base = float((recent.sum() + 0.02) / (len(recent) + 1.0))
    final_level = fit_level(x, hours, target, penalty=params.level_penalty)
    levels = (
        rows.sort("as_of")
        .group_by(SERIES, maintain_order=True)
        .agg(pl.col("threshold", "median", "scale", "share_1d", "share_7d", "share_28d").last())
    )
    common: dict[str, Any] = {
        "names": [*names, LEVEL],
        "expected": expected,
        "level": final_level,
        "base_rate": base,
        "levels": levels.sort(SERIES),
    }
    if events.sum() < MIN_EVENTS:
        pool = rows.select(LEVEL_KEY).with_columns(pl.lit(base).alias("probability")).cast(POOL)
        return Fitted(
            **common,
            booster="",
            calibrator=Calibrator(1.0, 0.0, 0.0),
            alert_probability=base,
            pool=pool,
            search={"events": float(events.sum())},
        )
    level = _chained_level(x, hours, target, as_of, known_ts, params)
    usable = np.isfinite(level)
    x, level, events, as_of, known_ts = np.column_stack((x, level))[usable], level[usable], events[usable], as_of[usable], known_ts[usable]
    folds = time_folds(as_of, known_ts, folds=params.cv_folds, share=params.cv_share)
    tuned = tune(
        x,
        events,
        folds,
        names=[*names, LEVEL],
        rising=[LEVEL],
        trials=params.trials,
        rounds=params.rounds,
        seed=seed,
        threads=params.threads,
    )
    held = np.isfinite(tuned.out_of_fold)
    calibrator = fit_calibrator(tuned.out_of_fold[held], level[held], events[held])
    probability = sigmoid(calibrator.log_odds(tuned.out_of_fold[held], level[held]))
    pool = (
        rows.filter(pl.Series(usable))
        .filter(pl.Series(held))
        .select(LEVEL_KEY)
        .with_columns(pl.Series("probability", probability))
        .cast(POOL)
    )
    booster = train_booster(x, events, tuned.params, [*names, LEVEL])
    search = {
        "params": tuned.params,
        "trials": tuned.trials,
        "validation_log_loss": tuned.log_loss,
        "calibrated_log_loss": _log_loss(events[held], probability),
        "validation_rows": int(held.sum()),
        "rows": len(events),
        "events": float(events.sum()),
    }
    return Fitted(
        **common,
        booster=booster.model_to_string(),
        calibrator=calibrator,
        alert_probability=float(np.quantile(probability, 1 - params.alert_budget)),
        pool=pool,
        search=search,
    )


def _chained_level(x: Array, hours: npt.NDArray[np.int64], target: Array, as_of: Any, known: Any, params: Params) -> Array:
    """Level score of every training row from regressions on earlier outcomes only; NaN for the first part, which has none."""
    level = np.full(len(target), np.nan)
    for train_rows, block in time_folds(as_of, known, folds=params.level_blocks, share=1 - params.level_warmup):
        level[block] = fit_level(x[train_rows], hours[train_rows], target[train_rows], penalty=params.level_penalty).predict(
            x[block], hours[block]
        )
    return level


def _log_loss(events: Array, probability: Array) -> float:
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return float(-np.mean(events * np.log(p) + (1 - events) * np.log1p(-p)))
