"""Baselines of probability forecasts: climatology, persistence, and the level of a point forecast."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.splitter import Fold
from pipeline_tasks.scorecard.panel import Comparator
from pipeline_tasks.scorecard.point_baselines import persistence
from pipeline_tasks.scorecard.published import published
from pipeline_tasks.scorecard.ridge import ridge_walk
from pipeline_tasks.scorecard.sources import DataSet

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
PRIOR_ROWS = 10.0


def event_comparators(
    names: list[str], data: DataSet, events: pl.DataFrame, folds: tuple[Fold, ...], warm: tuple[Fold, ...], window: npt.NDArray[np.bool_]
) -> tuple[dict[str, Comparator], dict[str, str]]:
    """Named baselines on the window's rows of `data.frame`.

    Args:
        names: baselines asked for.
        data: data set; its frame is in key order.
        events: columns event (0/1, NaN unknown) and threshold on the rows of the frame, each by what was known at its as_of.
        folds: the walk's folds (refit cutoffs).
        warm: folds before the window on which the link of the level baseline is fitted.
        window: rows that are scored.
    """
    frame, made, absent = data.frame, {}, {}
    event, threshold = events["event"].to_numpy(), events["threshold"].to_numpy()
    for name in names:
        if name == "hour_of_week_climatology":
            made[name] = Comparator(name, _climatology(frame, event, folds)[window])
        elif name == "persistence_24h":
            made[name] = Comparator(name, _markov(frame, event, (persistence(frame) > threshold).astype(float), folds)[window])
        elif name == "level_forecast":
            public, _ = published(data, frame)
            level = ridge_walk(frame, (*warm, *folds))
            note = "level: ridge regression per hour"
            if "published_mean" in public and np.isfinite(public["published_mean"][window]).all():
                level, note = public["published_mean"], "level: mean of the published LEAR and DNN ensembles"
            gap = level - threshold
            made[name] = Comparator(name, _linked(frame, event, gap, folds)[window], score=gap[window], note=note)
        else:
            absent[name] = f"the scorecard does not know how to compute baseline {name!r} for a probability"
    return made, absent


def _past(rows: pl.DataFrame, event: Array, fold: Fold, days: int) -> Rows:
    """Rows with an event known at the fold's cutoff, delivered in the `days` before."""
    past = rows.filter(
        pl.col("price_known_ts").is_not_null() & (pl.col("price_known_ts") <= fold.cutoff),
        pl.col("delivery_date") > fold.test_dates[0] - timedelta(days=days + 1),
    )["row"].to_numpy()
    return np.asarray(past[np.isfinite(event[past])], dtype=np.int64)


def _shrunk(values: Array, prior: float) -> float:
    """Share of events, shrunk to `prior` by ten rows."""
    return float((values.sum() + PRIOR_ROWS * prior) / (len(values) + PRIOR_ROWS))


def _climatology(frame: pl.DataFrame, event: Array, folds: tuple[Fold, ...]) -> Array:
    group = frame.select(pl.struct("hub", "day_of_week", "local_hour").rank("dense").cast(pl.Int64)).to_series().to_numpy()
    return _by_group(frame, event, group, folds)


def _markov(frame: pl.DataFrame, event: Array, state: Array, folds: tuple[Fold, ...]) -> Array:
    return _by_group(frame, event, state.astype(np.int64), folds)


def _by_group(frame: pl.DataFrame, event: Array, group: Rows, folds: tuple[Fold, ...]) -> Array:
    """Share of events of the row's group in the 365 days known before its refit, shrunk to the share of all rows."""
    rows, made = frame.with_row_index("row"), np.full(len(frame), np.nan)
    for fold in folds:
        past, test = _past(rows, event, fold, 365), fold.test(rows)["row"].to_numpy()
        prior = _shrunk(event[past], 0.02)
        for g in np.unique(group[test]):
            made[test[group[test] == g]] = _shrunk(event[past[group[past] == g]], prior)
    return made


def _linked(frame: pl.DataFrame, event: Array, gap: Array, folds: tuple[Fold, ...]) -> Array:
    """Probability from forecast less threshold by a logistic link, refitted at each cutoff on all gaps known by then."""
    rows, made = frame.with_row_index("row"), np.full(len(frame), np.nan)
    for fold in folds:
        past = _past(rows, event, fold, 36_500)
        past = past[np.isfinite(gap[past])]
        test = fold.test(rows)["row"].to_numpy()
        if event[past].sum() < 5:
            made[test] = _shrunk(event[past], 0.02)
            continue
        scale = max(float(np.std(gap[past])), 1e-6)
        slope, intercept = _logistic(gap[past] / scale, event[past])
        made[test] = 1.0 / (1.0 + np.exp(-np.clip(slope * gap[test] / scale + intercept, -30, 30)))
        made[test[~np.isfinite(gap[test])]] = _shrunk(event[past], 0.02)
    return made


def _logistic(x: Array, y: Array, penalty: float = 1e-3) -> tuple[float, float]:
    """Maximum likelihood of a two-parameter logistic regression, by damped Newton steps."""
    design, beta = np.column_stack((x, np.ones(len(x)))), np.array([1.0, -4.0])
    for _ in range(200):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (p - y) + penalty * beta
        hessian = (design * (p * (1 - p))[:, None]).T @ design + penalty * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        largest = float(np.abs(step).max())
        beta = beta - step * min(1.0, 1.0 / (largest + 1e-12))
        if largest < 1e-9:
            break
    return float(beta[0]), float(beta[1])
