"""Training: shares of the past, boosted hazards of every event, their calibration, and ramps; everything from rows known at the cutoff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.unit_markov import Markov, best_prior, is_unseen
from models.unit_commit.hazard import Isotonic, boost, boost_median, log_hazard, probability_of
from models.unit_commit.inputs import NAMES, expected_of, matrix, scale_of
from models.unit_commit.params import Params

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
# what each booster foretells: the outcome, and the last known state of its rows (None for all)
EVENTS: Mapping[str, tuple[str, int | None]] = {
    "turns_on": ("online", 0),
    "turns_off": ("online", 1),
    "started": ("started", None),
    "stopped": ("stopped", None),
}
SEEN_BEFORE = timedelta(days=2)  # rows so near to a block are not counted in its shares of the past: their outcomes came too late


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit found.

    Attributes:
        markov: outcome -> shares of the past.
        boosters: event -> LightGBM booster, None where events were too rare; `ramp` too.
        calibration: event -> calibration.
        expected: horizon -> optional inputs that rows usually have.
        search: numbers of the search inside the fold.
    """

    markov: Mapping[str, Markov]
    boosters: Mapping[str, Any]
    calibration: Mapping[str, Isotonic]
    expected: dict[str, list[str]]
    search: Mapping[str, float]


def happened(rows: pl.DataFrame, event: str) -> Array:
    """Whether each row's event came; NaN where unknown."""
    outcome, state = EVENTS[event]
    y = rows[outcome].cast(pl.Float64).to_numpy()
    return np.asarray(1 - y if state == 1 else y, dtype=np.float64)


def of_state(rows: pl.DataFrame, event: str) -> Mask:
    """Rows that an event can come to: those whose last known state is the other one."""
    state = EVENTS[event][1]
    return np.ones(rows.height, dtype=bool) if state is None else rows["online_last"].to_numpy() == state


def past_probability(markov: Mapping[str, Markov], rows: pl.DataFrame, event: str) -> Array:
    """Probability of the event by the unit's past alone, shape (n,)."""
    outcome, state = EVENTS[event]
    p = markov[outcome].probability(rows)
    return 1 - p if state == 1 else p


def train(rows: pl.DataFrame, params: Params, *, seed: int) -> Fitted:
    """Fit on learnable rows in key order."""
    if params.unseen_share:
        rows = rows.filter(~is_unseen(rows, params.unseen_share))
    dates = rows["delivery_date"].unique().sort()
    rows = rows.filter(pl.col("delivery_date") >= dates[-min(dates.len(), params.train_days)])
    block = _blocks(rows, params.blocks)
    prior, search = _prior(rows, block, params)
    offsets = _chained(rows, block, prior, params.blocks)
    learned, held = (block > 0) & (block < params.blocks - 1), block == params.blocks - 1
    horizon = rows["horizon_min"].to_numpy()
    boosters: dict[str, Any] = {}
    calibration: dict[str, Isotonic] = {}
    for number, event in enumerate(EVENTS):
        offset, y = offsets[event], happened(rows, event)
        usable = of_state(rows, event) & np.isfinite(y) & np.isfinite(offset)
        first = _boosted(rows, usable & learned, y, offset, params, (seed, number))
        test = usable & held
        score = _score(first, rows, test, offset)
        calibration[event] = Isotonic.of(probability_of(score), y[test], horizon[test])
        boosters[event] = _boosted(rows, usable & (block > 0), y, offset, params, (seed, number))
    boosters["ramp"] = _ramps(rows, block > 0, offsets, params, seed)
    whole = {o: _counted(rows, o, prior) for o in ("online", "started", "stopped")}
    return Fitted(whole, boosters, calibration, expected_of(rows), search)


def _blocks(rows: pl.DataFrame, count: int) -> npt.NDArray[np.int64]:
    """Chronological block of every row, as many delivery dates in each."""
    rank = rows["delivery_date"].rank("dense").to_numpy().astype(np.int64) - 1
    return np.asarray(rank * count // (int(rank.max(initial=0)) + 1), dtype=np.int64)


def _counted(rows: pl.DataFrame, outcome: str, prior: float) -> Markov:
    return Markov.of(rows.filter(pl.col(outcome).is_not_null()), outcome, prior_rows=prior)


def _before(rows: pl.DataFrame, block: npt.NDArray[np.int64], number: int) -> pl.DataFrame:
    """Rows of earlier blocks whose outcomes were known when the block began."""
    begin = rows.filter(pl.Series(block == number))["delivery_date"].min()
    return rows.filter(pl.Series(block < number), pl.col("delivery_date") < begin - SEEN_BEFORE)  # type: ignore[operator]


def _prior(rows: pl.DataFrame, block: npt.NDArray[np.int64], params: Params) -> tuple[float, dict[str, float]]:
    """Rows that a level of the shares counts as: the best log score on the last block, from the blocks before it."""
    last = params.blocks - 1
    best, loss = best_prior(_before(rows, block, last), rows.filter(pl.Series(block == last)), "online", params.prior_rows)
    return best, {"prior_rows": best, "validation_log_loss_markov": loss}


def _chained(rows: pl.DataFrame, block: npt.NDArray[np.int64], prior: float, count: int) -> dict[str, Array]:
    """Log hazard of every event by the past of the blocks before the row's own; NaN in the first block.

    Shares that had counted a row's own outcome would seem to foretell it.
    """
    made = {event: np.full(rows.height, np.nan) for event in EVENTS}
    for number in range(1, count):
        here = np.flatnonzero(block == number)
        past, mine = _before(rows, block, number), rows[here]
        markov = {o: _counted(past, o, prior) for o in ("online", "started", "stopped")}
        for event in EVENTS:
            made[event][here] = log_hazard(past_probability(markov, mine, event))
    return made


def _settings(params: Params, seed: int) -> dict[str, Any]:
    return {
        "num_leaves": params.leaves,
        "learning_rate": params.learning_rate,
        "min_data_in_leaf": params.min_rows_in_leaf,
        "min_sum_hessian_in_leaf": 1.0,
        "max_delta_step": 2.0,
        "max_bin": params.max_bin,
        "lambda_l2": params.lambda_l2,
        "feature_fraction": params.feature_fraction,
        "num_threads": params.threads,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }


def _drawn(chosen: Mask, most: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Row numbers of at most `most` of the chosen rows, in order."""
    numbers = np.flatnonzero(chosen)
    return numbers if len(numbers) <= most else np.sort(rng.choice(numbers, most, replace=False))


def _boosted(rows: pl.DataFrame, chosen: Mask, y: Array, offset: Array, params: Params, seeds: tuple[int, int]) -> Any:
    at = _drawn(chosen, params.most_rows, np.random.default_rng(seeds))
    return boost(matrix(rows[at], offset[at]), y[at], offset[at], NAMES, _settings(params, seeds[0]), params.rounds)


def _score(booster: Any, rows: pl.DataFrame, chosen: Mask, offset: Array) -> Array:
    at = np.flatnonzero(chosen)
    if booster is None or not len(at):
        return offset[at]
    return np.asarray(offset[at] + booster.predict(matrix(rows[at], offset[at]), raw_score=True), dtype=np.float64)


def change_offset(offsets: Mapping[str, Array], rows: pl.DataFrame) -> Array:
    """Log hazard of leaving the last known state, whichever it is."""
    return np.where(rows["online_last"].to_numpy() == 1, offsets["turns_off"], offsets["turns_on"])


def _ramps(rows: pl.DataFrame, chosen: Mask, offsets: Mapping[str, Array], params: Params, seed: int) -> Any:
    """Median ramp over capacity."""
    y = rows["ramp_mw"].cast(pl.Float64).to_numpy() / scale_of(rows)
    offset = change_offset(offsets, rows)
    at = _drawn(chosen & np.isfinite(y) & np.isfinite(offset), params.most_rows, np.random.default_rng([seed, len(EVENTS)]))
    if len(at) < params.min_rows_in_leaf * 2:
        return None
    settings = {k: v for k, v in _settings(params, seed).items() if k not in {"min_sum_hessian_in_leaf", "max_delta_step", "lambda_l2"}}
    return boost_median(matrix(rows[at], offset[at]), y[at], NAMES, settings, params.rounds)
