"""Training: labels, level score, search, out-of-fold calibration, final booster; everything from rows known at the cutoff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.chained_level import Ages, ChainedLevel, hours_of, level_target, matrix, time_folds
from models._kernel.hour_ridge import LevelModel
from models._kernel.spike_features import design, level_design, with_levels
from models._kernel.spike_levels import LEVEL_KEY, last_levels
from models.spike_risk.booster import LEVEL_PRIOR, Rows, start_link, train_booster, tune
from models.spike_risk.calibration import Link, fit_link, sigmoid
from models.spike_risk.params import Params

Array = npt.NDArray[np.float64]
LEVEL = "level_score"
MIN_EVENTS = 20
IDENTITY = Link(1.0, 0.0)
POOL = pl.Schema(
    {"market": pl.String(), "hub": pl.String(), "product": pl.String(), "as_of": pl.Datetime("ms", "UTC"), "probability": pl.Float64()}
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training leaves behind.

    Attributes:
        names: inputs of the booster, in order; the level score is the last.
        expected: inputs that were known in more than half of the training rows.
        level: level regressions.
        link: from the level score to where boosting starts.
        booster: LightGBM model text; empty where there were too few events (then the link alone answers).
        calibrator: link from raw scores to log-odds.
        base_rate: share of events in the last 365 days of training rows.
        alert_probability: probability exceeded by the alert budget's share of all out-of-fold rows.
        pool: out-of-fold probabilities of schema POOL, the reference of the alert threshold.
        levels: last threshold, median, scale and shares per series, for a history too short to compute them.
        search: parameters, log losses and counts, for model card and tracking.
    """

    names: list[str]
    expected: list[str]
    level: LevelModel
    link: Link
    booster: str
    calibrator: Link
    base_rate: float
    alert_probability: float
    pool: pl.DataFrame
    levels: pl.DataFrame
    search: dict[str, Any]

    def scores(self, rows: pl.DataFrame, booster: Any) -> tuple[Array, Array, Array]:
        """Booster inputs (n, p), level score (n,) and calibrated log-odds (n,) of rows that carry their levels."""
        inputs = level_design(rows)
        level = self.level.predict(matrix(inputs, list(self.level.names)), hours_of(rows))
        x = np.column_stack((matrix(inputs, self.names[:-1]), level))
        raw = self.link.log_odds(level)
        if self.booster:
            raw = raw + np.asarray(booster.predict(x, raw_score=True), dtype=np.float64).reshape(-1)
        return x, level, self.calibrator.log_odds(raw)


def labelled_rows(known: pl.DataFrame, params: Params, cutoff: datetime) -> pl.DataFrame:
    """Rows with a threshold at their own as_of and the event `price > threshold`, of the last `train_days`, in key order."""
    rows = known.filter(pl.col("as_of") > cutoff - timedelta(days=params.train_days))
    rows = with_levels(
        rows, known, window_days=params.threshold_days, quantile=params.threshold_quantile, min_days=params.threshold_min_days
    )
    events = (pl.col("price_ccy_per_mwh") > pl.col("threshold")).cast(pl.Float64).alias("event")
    return rows.filter(pl.col("threshold").is_not_null()).with_columns(events)


def train(known: pl.DataFrame, params: Params, *, cutoff: datetime, seed: int) -> Fitted:
    """Fit everything on rows whose price was known at `cutoff`.

    Args:
        known: history with price_known_ts <= cutoff, finite prices, in key order.
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
    inputs = level_design(rows)
    names = [c for c in design(rows.head(1)).columns if inputs[c].null_count() < len(inputs)]
    expected = [n for n in names if inputs[n].null_count() < 0.5 * len(inputs)]
    level_names = [c for c in inputs.columns if c not in {"local_hour", "day_of_week"} and inputs[c].null_count() < len(inputs)]
    events = rows["event"].to_numpy()
    ages = Ages.of(rows, cutoff)
    fits = ChainedLevel(
        level_names,
        matrix(inputs, level_names),
        hours_of(rows),
        level_target(rows),
        ages.days,
        penalties=params.level_penalties,
        windows=params.level_windows,
    )
    level = fits.chained(ages.as_of, ages.known, blocks=params.level_blocks, warmup=params.level_warmup)
    usable = np.isfinite(level)
    table = Rows(np.column_stack((matrix(inputs, names), level))[usable], level[usable], events[usable], [*names, LEVEL])
    head = {"base_rate": _base_rate(rows, cutoff), "levels": last_levels(rows)}
    final_level = fits.final()
    link = fit_link(table.level, table.events, prior=LEVEL_PRIOR)
    keys = rows.filter(pl.Series(usable)).select(LEVEL_KEY)
    if table.events.sum() < MIN_EVENTS:
        probability = sigmoid(link.log_odds(table.level))
        return _fitted(table, expected, final_level, link, "", IDENTITY, probability, keys, params, {"events": float(events.sum())}, head)
    folds = time_folds(ages.as_of[usable], ages.known[usable], folds=params.cv_folds, share=params.cv_share)
    tuned = tune(table, folds, trials=params.trials, rounds=params.rounds, seed=seed, threads=params.threads)
    held = np.isfinite(tuned.out_of_fold)
    calibrator = fit_link(tuned.out_of_fold[held], table.events[held], prior=IDENTITY, penalty=params.calibration_penalty)
    probability = sigmoid(calibrator.log_odds(tuned.out_of_fold[held]))
    search = {
        "params": tuned.params,
        "trials": params.trials,
        "from_level": tuned.from_level,
        "validation_log_loss": tuned.log_loss,
        "calibrated_log_loss": _log_loss(table.events[held], probability),
        "validation_rows": int(held.sum()),
        "rows": len(table.events),
        "events": float(table.events.sum()),
        "level_penalty": fits.penalty,
    }
    link = start_link(table, np.ones(len(table.events), dtype=bool), from_level=tuned.from_level)
    booster = train_booster(table, tuned.params, link).model_to_string()
    return _fitted(table, expected, final_level, link, booster, calibrator, probability, keys.filter(pl.Series(held)), params, search, head)


def _fitted(  # noqa: PLR0917 - one place that puts the parts together
    table: Rows,
    expected: list[str],
    level: LevelModel,
    link: Link,
    booster: str,
    calibrator: Link,
    probability: Array,
    keys: pl.DataFrame,
    params: Params,
    search: dict[str, Any],
    head: dict[str, Any],
) -> Fitted:
    return Fitted(
        names=table.names,
        expected=expected,
        level=level,
        link=link,
        booster=booster,
        calibrator=calibrator,
        alert_probability=float(np.quantile(probability, 1 - params.alert_budget)) if len(probability) else 1.0,
        pool=keys.with_columns(pl.Series("probability", probability)).cast(POOL),
        search=search,
        **head,
    )


def _base_rate(rows: pl.DataFrame, cutoff: datetime) -> float:
    recent = rows.filter(pl.col("as_of") > cutoff - timedelta(days=365))["event"].to_numpy()
    return float((recent.sum() + 0.02) / (len(recent) + 1.0))


def _log_loss(events: Array, probability: Array) -> float:
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return float(-np.mean(events * np.log(p) + (1 - events) * np.log1p(-p)))
