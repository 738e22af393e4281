"""LightGBM inside the fold: Optuna search, out-of-fold scores, the final booster.

Boosting starts from the logistic link of the level score, so that trees only learn what the level leaves open, or from the share of
events where the level is no help; the search decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models._kernel.chained_level import Fold, Mask
from models.spike_risk.calibration import Link, fit_link

Array = npt.NDArray[np.float64]
LEVEL_PRIOR = Link(4.0, -5.0)  # the level is 0.88 at the threshold; a spike is likely above, unlikely well below


@dataclass(frozen=True, slots=True)
class Tuned:
    """Result of the search.

    Attributes:
        params: best LightGBM parameters, number of rounds under `num_iterations`.
        from_level: whether boosting starts from the link of the level score, or from the share of events.
        log_loss: best mean log loss on the validation blocks; what the nested optimism is measured against.
        out_of_fold: raw score (log-odds) of every row of a validation block, NaN elsewhere; made by links and boosters that
            saw only what was known before the block's first decision.
    """

    params: dict[str, Any]
    from_level: bool
    log_loss: float
    out_of_fold: Array


@dataclass(frozen=True, slots=True)
class Rows:
    """Training rows: booster inputs (n, p), level score (n,), events 0 or 1 (n,), names of the inputs."""

    inputs: Array
    level: Array
    events: Array
    names: list[str]


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
        trials: Optuna trials; the first two are a fixed, sober default from either start.
        rounds: most boosting rounds.
        seed: seed of search and boosting.
        threads: LightGBM threads.
    """
    import lightgbm as lgb
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    fixed = fixed_params(seed, threads)
    links = {from_level: [start_link(rows, train, from_level=from_level) for train, _ in folds] for from_level in (True, False)}
    sets = {from_level: _fold_sets(rows, folds, links[from_level], fixed) for from_level in (True, False)}
    weight = np.asarray([valid.sum() for _, valid in folds], dtype=np.float64)

    def curve(params: Mapping[str, Any], from_level: bool) -> Array:
        curves = []
        for data, valid in sets[from_level]:
            seen: dict[str, Any] = {}
            lgb.train({**fixed, **params}, data, rounds, valid_sets=[valid], callbacks=[lgb.record_evaluation(seen)])
            curves.append(seen["valid_0"]["binary_logloss"])
        return np.asarray(weight @ np.asarray(curves) / weight.sum(), dtype=np.float64)

    best: dict[str, Any] = {}

    def objective(trial: optuna.Trial) -> float:
        from_level = bool(trial.suggest_categorical("from_level", [True, False]))
        params = _suggest(trial)
        losses = curve(params, from_level)
        loss = float(losses.min())
        if not best or loss < best["loss"]:
            best.update(loss=loss, from_level=from_level, params={**params, "num_iterations": int(losses.argmin()) + 1})
        return loss

    study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(trials // 2, 1)))
    sober = {"num_leaves": 5, "min_data_in_leaf": 100, "learning_rate": 0.05, "feature_fraction": 0.6, "lambda_l2": 10.0}
    for from_level in (True, False):
        study.enqueue_trial({"from_level": from_level, **sober})
    study.optimize(objective, n_trials=trials)
    chosen = {**fixed, **best["params"]}
    scores = np.full(len(rows.events), np.nan)
    chosen_sets = zip(folds, sets[best["from_level"]], links[best["from_level"]], strict=True)
    for (_, valid), (data, _held), link in chosen_sets:
        scores[valid] = lgb.train(chosen, data).predict(rows.inputs[valid], raw_score=True) + link.log_odds(rows.level[valid])
    return Tuned(chosen, best["from_level"], best["loss"], scores)


def start_link(rows: Rows, train: Mask, *, from_level: bool) -> Link:
    """Where boosting starts: the link of the level score fitted on the training rows, or their log-odds of an event."""
    if from_level:
        return fit_link(rows.level[train], rows.events[train], prior=LEVEL_PRIOR)
    share = (rows.events[train].sum() + 0.5) / (train.sum() + 1.0)
    return Link(0.0, float(np.log(share / (1 - share))))


def _fold_sets(rows: Rows, folds: list[Fold], links: list[Link], fixed: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """LightGBM training and validation sets of every fold."""
    sets = []
    for (train, valid), link in zip(folds, links, strict=True):
        data = _dataset(rows, train, link, fixed)
        sets.append((data, _dataset(rows, valid, link, fixed, data)))
    return sets


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
