"""Metrics of probabilities: ranking, Brier skill, calibration, alerts on a budget."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from pipeline_tasks.scorecard.measures import DRAWS, MEAN_BLOCK_DAYS, Measure, Measurer, NotMeasurableError, against, mean_loss, need, ratio
from pipeline_tasks.scorecard.panel import Array, Comparator, Panel

BINS = 10
MIN_EVENTS = 10


def average_precision(event: Array, score: Array) -> Callable[[Array], float]:
    """Average precision as a function of row weights; sorted once, so that thousands of bootstrap draws are cheap."""
    order = np.argsort(-score, kind="stable")
    e, ranked = event[order], score[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)

    def weighted(weights: Array) -> float:
        w = weights[order]
        hits, rows = np.cumsum(w * e)[last], np.cumsum(w)[last]
        if hits[-1] <= 0:
            return float("nan")
        precision = np.divide(hits, rows, out=np.zeros_like(hits), where=rows > 0)
        return float(np.sum(precision * np.diff(hits, prepend=0.0)) / hits[-1])

    return weighted


def _draws(panel: Panel, seed: int) -> tuple[Array, npt.NDArray[np.int64]]:
    """Weights per delivery day of every bootstrap draw, shape (draws, days), and the day number of every row."""
    from models._kernel.bootstrap import stationary_indices

    _, index = np.unique(panel.days, return_inverse=True)
    count = int(index.max()) + 1
    picks = stationary_indices(count, mean_block=MEAN_BLOCK_DAYS, draws=DRAWS // 2, seed=seed)
    return np.apply_along_axis(np.bincount, 1, picks, minlength=count).astype(np.float64), np.asarray(index, dtype=np.int64)


def _enough_events(panel: Panel) -> None:
    """Refuse windows so calm that a forecast of nothing would look skilful."""
    if panel.outcome.sum() < MIN_EVENTS:
        raise NotMeasurableError(f"only {int(panel.outcome.sum())} event(s) in {panel.n:,} rows; skill needs at least {MIN_EVENTS}")


def _ranking(baseline: Comparator) -> Array:
    score = baseline.point if baseline.score is None else baseline.score
    return np.where(np.isfinite(score), score, -np.inf)


def _pr_auc(panel: Panel, baseline: Comparator | None, *, seed: int, gain: bool) -> Measure:
    _enough_events(panel)
    own = average_precision(panel.outcome, panel.point)
    ones = np.ones(panel.n)
    weights, day = _draws(panel, seed)
    other = None if baseline is None else average_precision(panel.outcome, _ranking(baseline))
    mine = np.asarray([own(w[day]) for w in weights])
    value, reference = own(ones), None if other is None else other(ones)
    drawn = mine
    p_value = None
    if other is not None and reference is not None:
        gains = mine - np.asarray([other(w[day]) for w in weights])
        p_value = float((np.sum(gains[np.isfinite(gains)] <= 0) + 1) / (np.isfinite(gains).sum() + 1))
        drawn = gains if gain else mine
        value = value - reference if gain else value
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    note = "average precision; interval and one-sided p: block bootstrap of whole days"
    return Measure(value, panel.n, 0.0 if gain else reference, float(low), float(high), p_value, note)


def _gain(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    return _pr_auc(panel, need(baseline), seed=seed, gain=True)


def _auc(panel: Panel, baseline: Comparator | None) -> Measure:
    from models._kernel.metrics import auc

    other = None if baseline is None else auc(panel.outcome, np.nan_to_num(_ranking(baseline), neginf=-1e12))
    return Measure(auc(panel.outcome, panel.point), panel.n, other, note="area under the ROC curve")


def _squared(panel: Panel, other: Comparator | None = None) -> Array:
    return np.asarray((panel.outcome - (panel.point if other is None else other.point)) ** 2)


def _brier(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    if baseline is None:
        return mean_loss(_squared(panel), panel.days, seed=seed, name="Brier score")
    return against(_squared(panel), _squared(panel, baseline), panel.days, seed=seed, name="Brier score")


def _brier_skill(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    other = need(baseline)
    _enough_events(panel)
    return ratio(_squared(panel), _squared(panel, other), panel.days, seed=seed, name=f"1 - Brier over {other.name}'s", skill=True)


def _log_score(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    def loss(probability: Array) -> Array:
        p = np.clip(probability, 1e-12, 1 - 1e-12)
        return np.asarray(-(panel.outcome * np.log(p) + (1 - panel.outcome) * np.log1p(-p)))

    if baseline is None:
        return mean_loss(loss(panel.point), panel.days, seed=seed, name="log score")
    return against(loss(panel.point), loss(baseline.point), panel.days, seed=seed, name="log score")


def _ece(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    from models._kernel.metrics import ece

    other = None if baseline is None else ece(panel.outcome, baseline.point, bins=BINS)
    weights, day = _draws(panel, seed)
    bins = np.minimum((panel.point * BINS).astype(np.int64), BINS - 1)
    gaps = np.zeros((weights.shape[1], BINS))
    np.add.at(gaps, (day, bins), panel.outcome - panel.point)
    rows = np.bincount(day, minlength=weights.shape[1]).astype(np.float64)
    drawn = np.abs(weights @ gaps).sum(axis=1) / (weights @ rows)
    low, high = np.quantile(drawn, [0.025, 0.975])
    note = f"{BINS} bins of equal width; interval: block bootstrap (biased upwards, ECE is never below 0)"
    return Measure(ece(panel.outcome, panel.point, bins=BINS), panel.n, other, float(low), float(high), None, note)


def _spiegelhalter(panel: Panel, baseline: Comparator | None) -> Measure:
    from models._kernel.stats import spiegelhalter

    del baseline
    result = spiegelhalter(panel.outcome, panel.point)
    note = f"Spiegelhalter z = {result.statistic:.2f}, which takes hours as independent; spikes cluster, so it rejects too often"
    return Measure(result.p_value, panel.n, p_value=result.p_value, note=note)


def _spiegelhalter_clustered(panel: Panel, baseline: Comparator | None) -> Measure:
    from models._kernel.stats import spiegelhalter_clustered

    del baseline
    result = spiegelhalter_clustered(panel.outcome, panel.point, panel.days)
    note = f"z = {result.statistic:.2f} with the variance of daily sums, lag of one day: hours of a day move together"
    return Measure(result.p_value, panel.n, p_value=result.p_value, note=note)


def _alerts(panel: Panel) -> Array:
    if panel.alert is None:
        raise NotMeasurableError("the model gives no alert column")
    return np.asarray(panel.alert, dtype=np.float64)


def _alert_rate(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    del baseline
    return mean_loss(_alerts(panel), panel.days, seed=seed, name="share of intervals with an alert")


def _alert_share(panel: Panel, baseline: Comparator | None, *, of: str) -> Measure:
    del baseline
    alert = _alerts(panel)
    chosen = alert == 1 if of == "alerts" else panel.outcome == 1
    if not chosen.any():
        raise NotMeasurableError(f"there were no {of} in the window")
    hit = (alert * panel.outcome)[chosen]
    return Measure(float(hit.mean()), int(chosen.sum()), note=f"of {int(chosen.sum())} {of}, {int(hit.sum())} were both alert and event")


def _event_rate(panel: Panel, baseline: Comparator | None, *, seed: int) -> Measure:
    del baseline
    return mean_loss(panel.outcome, panel.days, seed=seed, name=f"{int(panel.outcome.sum())} events")


def _optimism(panel: Panel, baseline: Comparator | None) -> Measure:
    from models._kernel.metrics import log_score

    del baseline
    if "validation_log_loss" not in panel.validation:
        raise NotMeasurableError("the model reports no validation_log_loss of its search")
    found = panel.validation["validation_log_loss"]
    here = log_score(panel.outcome, panel.point)
    return Measure(
        here - found, panel.n, note=f"test log loss {here:.5f} less best-trial validation log loss {found:.5f} (mean over folds)"
    )


def probability_measurers(seed: int) -> dict[str, Measurer]:
    """Every metric of a probability by name."""
    return {
        "pr_auc": partial(_pr_auc, seed=seed, gain=False),
        "pr_auc_gain": partial(_gain, seed=seed),
        "auc": _auc,
        "brier": partial(_brier, seed=seed),
        "brier_skill": partial(_brier_skill, seed=seed),
        "log_score": partial(_log_score, seed=seed),
        "ece": partial(_ece, seed=seed),
        "spiegelhalter_p": _spiegelhalter,
        "spiegelhalter_clustered_p": _spiegelhalter_clustered,
        "alert_rate": partial(_alert_rate, seed=seed),
        "alert_precision": partial(_alert_share, of="alerts"),
        "alert_recall": partial(_alert_share, of="events"),
        "event_rate": partial(_event_rate, seed=seed),
        "nested_optimism": _optimism,
    }


STANDARD = ("brier", "ece", "spiegelhalter_p", "auc", "log_score", "event_rate")
COMPARED = ("pr_auc", "brier_skill")
