"""LightGBM inside the fold: time-ordered folds, Optuna search, out-of-fold scores, the final booster.

Boosting starts from the logistic link of the level score, so that trees only learn what the level leaves open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.spike_risk.calibration import Link, fit_link

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Fold = tuple[Mask, Mask]
LEVEL_PRIOR = Link(4.0, -5.0)  # the level is 0.88 at the threshold; a spike is likely above, unlikely well below


@dataclass(frozen=True, slots=True)
class Tuned:
    """Result of the search.

    Attributes:
        params: best LightGBM parameters, number of rounds under `num_iterations`.
        log_loss: best mean log loss on the validation blocks; what the nested optimism is measured against.
        out_of_fold: raw score (log-odds) of every row of a validation block, NaN elsewhere; made by links and boosters that
            saw only what was known before the block's first decision.
    """

    params: dict[str, Any]
    log_loss: float
    out_of_fold: Array


@dataclass(frozen=True, slots=True)
class Rows:
    """Training rows: booster inputs (n, p), level score (n,), events 0 or 1 (n,), names of the inputs."""

    inputs: Array
    level: Array
    events: Array
    names: list[str]


def time_folds(as_of: npt.NDArray[np.int64], known: npt.NDArray[np.int64], *, folds: int, share: float) -> list[Fold]:
    """Forward-chained folds over the last `share` of the rows' decision times.

    A fold's training rows are those whose outcome was known before the first decision of its validation block, so labels
    of the block's own time never leak (purging on knowledge time).

    Args:
        as_of: decision time of every row (integer instants).
        known: when the row's outcome became known.
        folds: number of validation blocks.
        share: part of the decision times that is validated.

    Returns:
        (train mask, validation mask) per fold, in time order; folds without rows on either side are left out.
    """
    instants = np.unique(as_of)
    later = instants[int(len(instants) * (1 - share)) :]
    blocks = [b for b in np.array_split(later, folds) if len(b)]
    pairs = [(known <= b[0], (as_of >= b[0]) & (as_of <= b[-1])) for b in blocks]
    return [(train, valid) for train, valid in pairs if train.any() and valid.any()]


def fixed_params(seed: int, threads: int) -> dict[str, Any]:
    """Parameters that are never searched; deterministic for a given seed."""
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        "verbosity": -1,
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,
        "max_bin": 63,
        "boost_from_average": False,
        "seed": seed,
        "num_threads": threads,
    }


def tune(rows: Rows, folds: list[Fold], *, trials: int, rounds: int, seed: int, threads: int) -> Tuned:
    """Search LightGBM's parameters by mean log loss over the folds (seeded TPE), the number of rounds by the same curve.

    Args:
        rows: training rows in key order.
        folds: from `time_folds`.
        trials: Optuna trials; the first is a fixed, sober default.
        rounds: most boosting rounds.
        seed: seed of search and boosting.
        threads: LightGBM threads.
    """
    import lightgbm as lgb
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    fixed = fixed_params(seed, threads)
    links = [fit_link(rows.level[train], rows.events[train], prior=LEVEL_PRIOR) for train, _ in folds]
    sets = []
    for (train, valid), link in zip(folds, links, strict=True):
        data = _dataset(rows, train, link, fixed)
        sets.append((data, _dataset(rows, valid, link, fixed, data)))
    weight = np.asarray([valid.sum() for _, valid in folds], dtype=np.float64)

    def curve(params: Mapping[str, Any]) -> Array:
        curves = []
        for data, valid in sets:
            seen: dict[str, Any] = {}
            lgb.train({**fixed, **params}, data, rounds, valid_sets=[valid], callbacks=[lgb.record_evaluation(seen)])
            curves.append(seen["valid_0"]["binary_logloss"])
        return np.asarray(weight @ np.asarray(curves) / weight.sum(), dtype=np.float64)

    best: dict[str, Any] = {}

    def objective(trial: optuna.Trial) -> float:
        params = _suggest(trial)
        losses = curve(params)
        loss = float(losses.min())
        if not best or loss < best["loss"]:
            best.update(loss=loss, params={**params, "num_iterations": int(losses.argmin()) + 1})
        return loss

    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(trials // 2, 1)))
    study.enqueue_trial({"num_leaves": 5, "min_data_in_leaf": 100, "learning_rate": 0.05, "feature_fraction": 0.6, "lambda_l2": 10.0})
    study.optimize(objective, n_trials=trials)
    chosen = {**fixed, **best["params"]}
    scores = np.full(len(rows.events), np.nan)
    for (_, valid), (data, _held), link in zip(folds, sets, links, strict=True):
        scores[valid] = lgb.train(chosen, data).predict(rows.inputs[valid], raw_score=True) + link.log_odds(rows.level[valid])
    return Tuned(chosen, best["loss"], scores)


def _dataset(rows: Rows, chosen: Mask, link: Link, fixed: Mapping[str, Any], reference: Any = None) -> Any:
    import lightgbm as lgb

    start = link.log_odds(rows.level[chosen])
    return lgb.Dataset(
        rows.inputs[chosen],
        rows.events[chosen],
        init_score=start,
        reference=reference,
        feature_name=rows.names,
        params=dict(fixed),
        free_raw_data=False,
    )


def _suggest(trial: Any) -> dict[str, Any]:
    return {
        "num_leaves": trial.suggest_int("num_leaves", 3, 12),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 40, 400, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.1, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.3, 1.0),
        "lambda_l2": trial.suggest_float("lambda_l2", 1.0, 100.0, log=True),
    }


def train_booster(rows: Rows, params: Mapping[str, Any], link: Link) -> Any:
    """The final booster on all training rows."""
    import lightgbm as lgb

    every = np.ones(len(rows.events), dtype=bool)
    return lgb.train(dict(params), _dataset(rows, every, link, params))
