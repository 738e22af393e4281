"""F3 on the simulated market: costs, markups, offers and the stores' rewards recovered from what was disclosed, beside the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.behaviour.entropy_irl import log_likelihood
from models._kernel.behaviour.learned_offers import THERMAL, Learned
from models._kernel.yardstick import DataClass
from pipeline_tasks.participants.daily import DailyBook, matrix_of
from pipeline_tasks.participants.stores import ACTIONS, LEARN_DAYS, StoreDays, learn_stores
from pipeline_tasks.scorecard.irl_rows import beats
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.systems import SystemJob, system_row
from pipeline_tasks.warehouse import Warehouse

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
FIRST_DAY, REFIT_DAYS = 120, 30
TWIN = DataClass.TWIN
CLOSE = (0.02, 0.05, 0.10)
SHARE_TARGET = 0.8  # of the blocks whose cost is to be within 5 %: our own, no public number is known


@dataclass(frozen=True, slots=True)
class Fold:
    """Days that are scored with one learning.

    Attributes:
        days: positions.
        learned: at the gate of the first of them.
    """

    days: slice
    learned: Learned


def folds_of(book: DailyBook, first: int, last: int) -> Iterator[Fold]:
    """Monthly folds from position `first` to `last`, each learned at the gate of its first day."""
    for start in range(first, last + 1, REFIT_DAYS):
        yield Fold(slice(start, min(start + REFIT_DAYS, last + 1)), book.learned(start))


def read_truth(truth: Warehouse, book: DailyBook) -> tuple[Array, Array]:
    """True cost and markup (day, column)."""
    frame = truth.query(
        "select unit_id, window, block, delivery_ts, cost_ccy_per_mwh as cost, markup_ccy_per_mwh as markup from truth.unit_costs"
        " where market = {market:String} order by ingested_ts limit 1 by unit_id, window, block, delivery_ts",
        {"market": book.market.key},
    )
    return matrix_of(book, frame, "cost"), matrix_of(book, frame, "markup")


@dataclass(frozen=True, slots=True)
class _Blocks:
    """One row per day and thermal block that every method answers."""

    day: Ints
    column: Ints
    first: npt.NDArray[np.bool_]
    cost: Array
    truth_cost: Array
    markup: Array
    truth_markup: Array
    offer: Array
    truth_offer: Array
    newest: Array


def recovery_rows(job: SystemJob, book: DailyBook, folds: list[Fold], truth: tuple[Array, Array]) -> list[ScoreRow]:
    """Rows of costs, markups and offers."""
    parts = [_blocks(book, fold, truth) for fold in folds]
    rows = _Blocks(*(np.concatenate([getattr(p, name) for p in parts]) for name in _Blocks.__slots__))
    told = np.unique(rows.day).tolist()
    upper = ~rows.first & (rows.truth_cost > 1.0)
    lower = rows.first & (rows.truth_cost > 1.0)
    made = [r for share in CLOSE for r in _close_rows(job, rows, upper, share, "upper blocks of thermal units")]
    made += _close_rows(
        job, rows, lower, 0.05, "first blocks, offered below cost by inflexible units", metric="cost_within_5pct_first_block"
    )
    said = "EUR/MWh, markup of upper blocks; forecast offer less estimated cost against the true markup"
    zero, last = np.abs(rows.truth_markup), np.abs(rows.newest - rows.cost - rows.truth_markup)
    error = np.abs(rows.markup - rows.truth_markup)
    for other, name in ((zero, "no_markup"), (last, "last_disclosed")):
        made.append(beats(job, TWIN, "markup_mae", (error[upper], other[upper]), rows.day[upper], (said, name)))
    correlation = float(np.corrcoef(rows.markup[upper], rows.truth_markup[upper])[0, 1])
    said = "reported; over upper blocks and days"
    made.append(system_row(job, TWIN, "markup_correlation", correlation, reason=said, n=int(upper.sum()), verdict="pass", days=told))
    said = "EUR/MWh, offers of thermal units; offers are disclosed 60 days later and only those are learned from"
    own = np.abs(rows.offer - rows.truth_offer)
    for baseline, other in (("last_disclosed", rows.newest), ("marginal_cost", rows.cost)):
        made.append(beats(job, TWIN, "offer_mae", (own, np.abs(other - rows.truth_offer)), rows.day, (said, baseline)))
    return made


def _blocks(book: DailyBook, fold: Fold, truth: tuple[Array, Array]) -> _Blocks:
    columns = np.flatnonzero(np.isin(fold.learned.kind, THERMAL))
    cost = fold.learned.cost(book.fuels[fold.days], book.fuel_names)[:, columns]
    offer = book.forecast(fold.learned, fold.days)[:, columns]
    true_cost, true_markup = (t[fold.days][:, columns] for t in truth)
    true_offer = book.price[fold.days][:, columns]
    newest = book.price[book.known[fold.days]][:, columns]
    there = np.isfinite(cost) & np.isfinite(true_cost) & np.isfinite(offer) & np.isfinite(newest) & np.isfinite(true_offer)
    day, column = np.nonzero(there)
    first = book.columns["block"].to_numpy()[columns][column] == 0
    picked = [v[there] for v in (cost, true_cost, offer - cost, true_markup, offer, true_offer, newest)]
    return _Blocks(book.days[fold.days.start + day], columns[column], first, *picked)


def _close_rows(job: SystemJob, rows: _Blocks, chosen: npt.NDArray[np.bool_], share: float, of: str, metric: str = "") -> list[ScoreRow]:
    """Share of unit blocks whose cost is on average (over the scored days) within a share of the truth."""
    own, naive = (_mean_by(rows.column[chosen], np.abs(v[chosen] / rows.truth_cost[chosen] - 1)) for v in (rows.cost, rows.newest))
    value, other = float((own <= share).mean()), float((naive <= share).mean())
    passed: Verdict = "pass" if value >= SHARE_TARGET and value > other else "miss"
    said = f"share of {of} whose mean absolute error of cost over the scored days is at most {share:.0%}; median error {np.median(own):.3%}"
    target = SHARE_TARGET if share == 0.05 else None
    verdict: Verdict = passed if target is not None else "pass"
    name = metric or f"cost_within_{share:.0%}".replace("%", "pct")
    reason = said if target else f"reported; {said}"
    return [
        system_row(
            job,
            TWIN,
            name,
            value,
            reason=reason,
            n=len(own),
            verdict=verdict,
            target=target,
            baseline="last_disclosed_offer",
            baseline_value=other,
            days=np.unique(rows.day).tolist(),
        )
    ]


def _mean_by(label: Ints, values: Array) -> Array:
    count = np.bincount(label)
    return np.asarray((np.bincount(label, weights=values) / np.maximum(count, 1))[count > 0], dtype=np.float64)


def store_rows(job: SystemJob, book: DailyBook, stores: list[StoreDays], first: int, last: int) -> list[ScoreRow]:
    """Negative log likelihood of the stores' hourly moves under learned rewards, beside how often each move came at each hour before."""
    own, other, days = [], [], []
    for start in range(first, last + 1, REFIT_DAYS):
        low, high = int(book.days[start]), int(book.days[min(start + REFIT_DAYS - 1, last)])
        policies = learn_stores(stores, low - 1)
        for store in stores:
            rows = (store.day >= low) & (store.day <= high)
            if store.unit not in policies or not rows.any():
                continue
            told = store.part(rows)
            own.append(-log_likelihood(told.problem, policies[store.unit].theta, told.action))
            other.append(-_climatology(store, low - 1, told.action))
            days.append(told.day)
    if not own:
        return [system_row(job, TWIN, "store_negative_log_likelihood", None, reason="no store has 20 days to learn from")]
    steps = stores[0].action.shape[1]
    said = (
        f"nats per hour of {len(stores)} stores' moves on a grid of levels, maximum entropy; the day's price as published,"
        f" {LEARN_DAYS} days learned"
    )
    losses = np.concatenate(own) / steps, np.concatenate(other) / steps
    return [beats(job, TWIN, "store_negative_log_likelihood", losses, np.concatenate(days), (said, "hourly_frequencies"))]


def _climatology(store: StoreDays, before: int, action: Ints) -> Array:
    """(day,) log probability of moves by how often each came at its hour on the learned days; each counts once more than seen."""
    past = store.action[(store.day < before) & (store.day >= before - LEARN_DAYS)]
    count = np.stack([(past == k).sum(axis=0) for k in range(len(ACTIONS))]) + 1.0
    log = np.log(count / count.sum(axis=0))
    return np.asarray(log[action, np.arange(action.shape[1])].sum(axis=1), dtype=np.float64)


__all__ = ["FIRST_DAY", "Fold", "folds_of", "read_truth", "recovery_rows", "store_rows"]
