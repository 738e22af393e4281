"""The panel of units: status, starts, stops and ramps beside what the unit's past, survival models and a ridge say on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.spec import ModelSpec
from models._kernel.splitter import Fold
from models._kernel.unit_markov import LEVELS, STATE, Markov, best_prior, is_unseen
from pipeline_tasks.scorecard.panel import Comparator, Panel, UnitView, aligned
from pipeline_tasks.scorecard.sources import DataAbsentError, DataSet
from pipeline_tasks.scorecard.unit_ramps import ridge_ramps
from pipeline_tasks.scorecard.unit_survival import SURVIVAL, start_probabilities
from pipeline_tasks.scorecard.walk import Walked
from pipeline_tasks.scorecard.window import Window

Array = npt.NDArray[np.float64]
MARKOV, CLIMATOLOGY, PERSISTENCE, NEW_UNITS = "hour_of_week_markov", "hour_of_week_climatology", "persistence_status", "new_units"
EVENTS = {"start": "started", "stop": "stopped"}
CLASS = "_class"
PRIORS = (3.0, 10.0, 30.0)
TUNED_ON = 0.2  # last share of the past on which the weight of the level above is chosen
WITHOUT_STATE = tuple(tuple(c for c in level if c != STATE) for level in LEVELS)
CLASS_LEVELS = tuple(level for level in LEVELS if "product" not in level)
NEW_SHARE = 0.2


def unit_panel(
    model: ModelSpec, wanted: Sequence[str], data: DataSet, window: Window, walked: Walked, *, ablated: Mapping[str, pl.DataFrame]
) -> Panel:
    """The panel of units; rows that the model did not answer get the Markov baseline.

    Raises:
        DataAbsentError: no row of the window has a known status.
    """
    frame, outcome = data.frame, model.outcome.column
    inside = frame.select(pl.col("delivery_date").is_between(window.first, window.last)).to_series()
    chosen = inside & frame[outcome].is_not_null()
    if not chosen.any():
        raise DataAbsentError(f"{data.name}: no row of the window has a known status")
    rows = frame.filter(chosen)
    said = aligned(rows, walked.answers, [model.point_column, "start_probability", "stop_probability", "ramp_mw"])
    comparators, starts, stops, ramps = _baselines(rows, frame, model, window.folds)
    unanswered = ~np.isfinite(said[:, 0])
    said[unanswered, 0] = comparators[MARKOV].point[unanswered]
    unseen = np.full(rows.height, np.nan)
    if NEW_UNITS in ablated:
        unseen = np.where(is_unseen(rows, NEW_SHARE).to_numpy(), aligned(rows, ablated[NEW_UNITS], [model.point_column])[:, 0], np.nan)
        comparators[NEW_UNITS] = Comparator(
            NEW_UNITS, comparators.pop(CLASS).point, note="beside it the share of the unit's class after its last known state"
        )
    units = UnitView(
        events={k: _float(rows, c) for k, c in EVENTS.items()},
        probabilities={"start": said[:, 1], "stop": said[:, 2]},
        baselines={"start": starts, "stop": stops},
        ramp_mw=_float(rows, "ramp_mw"),
        ramps_mw={"": said[:, 3], **ramps},
        unseen=unseen,
    )
    empty = np.full(rows.height, np.nan)
    beside = {name: Comparator(name, empty) for name in (*SURVIVAL, *ramps)}
    return Panel(
        rows=rows,
        outcome=_float(rows, outcome),
        point=said[:, 0],
        levels=np.empty(0),
        quantiles=np.empty((rows.height, 0)),
        comparators={n: c for n, c in (beside | comparators).items() if n in {*wanted, MARKOV}},
        absent={},
        units=units,
        fallback_rows=int(unanswered.sum()),
        unpriced_rows=int((inside & frame[outcome].is_null()).sum()),
        validation=walked.validation,
    )


Told = dict[str, Array]


def _baselines(
    rows: pl.DataFrame, frame: pl.DataFrame, model: ModelSpec, folds: Sequence[Fold]
) -> tuple[dict[str, Comparator], Told, Told, Told]:
    """Comparators of the status; probabilities of starts and stops and ramps by baseline. All are fitted anew at every refit."""

    def nothing(*names: str) -> Told:
        return {name: np.full(rows.height, np.nan) for name in names}

    status, stops = nothing(MARKOV, CLIMATOLOGY, CLASS), nothing(MARKOV)
    starts, ramps = nothing(MARKOV, *SURVIVAL), nothing("ramp_persistence", "ramp_ridge")
    for fold in folds:
        at = np.flatnonzero(rows["delivery_date"].is_in(list(fold.test_dates)).to_numpy())
        mine, past = rows[at], fold.train(frame, model.outcome.known)
        known = past.filter(pl.col(model.outcome.column).is_not_null())
        prior, seen = _tuned(past, model.outcome.column), known.filter(~is_unseen(known, NEW_SHARE))
        for name, levels, counted in ((MARKOV, LEVELS, known), (CLIMATOLOGY, WITHOUT_STATE, known), (CLASS, CLASS_LEVELS, seen)):
            status[name][at] = Markov.of(counted, model.outcome.column, prior_rows=prior, levels=levels).probability(mine)
        for told, outcome in ((starts, "started"), (stops, "stopped")):
            told[MARKOV][at] = Markov.of(past.filter(pl.col(outcome).is_not_null()), outcome, prior_rows=prior).probability(mine)
        for name, probability in start_probabilities(past, mine).items():
            starts[name][at] = probability
        ramps["ramp_ridge"][at] = ridge_ramps(past, mine)
        ramps["ramp_persistence"][at] = 0.0
    made = {name: Comparator(name, p) for name, p in status.items()}
    made[PERSISTENCE] = Comparator(PERSISTENCE, _float(rows, STATE))
    return made, starts, stops, ramps


def _tuned(past: pl.DataFrame, event: str) -> float:
    """Weight of the level above, chosen on the last part of the past, as the model does."""
    known = past.filter(pl.col(event).is_not_null())
    dates = known["delivery_date"].unique().sort()
    split = dates[int(dates.len() * (1 - TUNED_ON))]
    early, late = known.filter(pl.col("delivery_date") < split), known.filter(pl.col("delivery_date") >= split)
    return best_prior(early, late, event, PRIORS)[0]


def _float(rows: pl.DataFrame, column: str) -> Array:
    return rows[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
