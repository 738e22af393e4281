"""LightGBM inside the fold: time-ordered folds, Optuna search, out-of-fold scores, the final booster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Fold = tuple[Mask, Mask]


@dataclass(frozen=True, slots=True)
class Tuned:
    """Result of the search.

    Attributes:
        params: best LightGBM parameters, number of rounds under `num_iterations`.
        log_loss: best mean log loss on the validation blocks; what the nested optimism is measured against.
        out_of_fold: raw score (log-odds) of every row of a validation block, NaN elsewhere; made by boosters that saw
            only what was known before the block's first decision.
        trials: trials run.
    """

    params: dict[str, Any]
    log_loss: float
    out_of_fold: Array
    trials: int


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
        "max_bin": 127,
        "boost_from_average": True,
        "seed": seed,
        "num_threads": threads,
    }


def tune(
    inputs: Array,
    events: Array,
    folds: list[Fold],
    *,
    names: list[str],
    rising: list[str],
    trials: int,
    rounds: int,
    seed: int,
    threads: int,
) -> Tuned:
    """Search LightGBM's parameters by mean log loss over the folds (seeded TPE), the number of rounds by the same curve.

    Args:
        inputs: shape (n, p).
        events: 0 or 1, shape (n,).
        folds: from `time_folds`.
        names: input names.
        rising: inputs in which the probability may only rise.
        trials: Optuna trials; the first is a fixed, sober default.
        rounds: most boosting rounds.
        seed: seed of search and boosting.
        threads: LightGBM threads.
    """
    import lightgbm as lgb
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    fixed = {**fixed_params(seed, threads), "monotone_constraints": [int(n in rising) for n in names]}
    sets = []
    for train, valid in folds:
        data = lgb.Dataset(inputs[train], events[train], params=fixed, free_raw_data=False)
        sets.append((data, lgb.Dataset(inputs[valid], events[valid], reference=data, params=fixed, free_raw_data=False)))
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
    study.enqueue_trial({"num_leaves": 7, "min_data_in_leaf": 60, "learning_rate": 0.08, "feature_fraction": 0.7, "lambda_l2": 5.0})
    study.optimize(objective, n_trials=trials)
    chosen = {**fixed, **best["params"]}
    scores = np.full(len(events), np.nan)
    for (_, valid), (data, _held) in zip(folds, sets, strict=True):
        scores[valid] = lgb.train(chosen, data).predict(inputs[valid], raw_score=True)
    return Tuned(chosen, best["loss"], scores, trials)


def _suggest(trial: Any) -> dict[str, Any]:
    return {
        "num_leaves": trial.suggest_int("num_leaves", 3, 15),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 20, 200, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.15, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.4, 1.0),
        "lambda_l2": trial.suggest_float("lambda_l2", 0.1, 50.0, log=True),
    }


def train_booster(inputs: Array, events: Array, params: Mapping[str, Any], names: list[str]) -> Any:
    """The final booster on all labelled rows."""
    import lightgbm as lgb

    return lgb.train(dict(params), lgb.Dataset(inputs, events, feature_name=names, params=dict(params)))
