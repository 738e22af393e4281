"""Paths of a block of days by every generator, and by the copulas on the same marginals; the block is never learned from.

A fit is frozen at the gate of the block's first day. The copulas (`models._kernel.scenarios`) take the dependence of the same normal
scores: those of training days, told by forecasts that had not seen them, and those of days since, as known at each decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.frames import outcomes_known
from models._kernel.protocol import Features
from models._kernel.registry import model_class, params_of
from models._kernel.scenarios import GAUSSIAN, SCHAAKE, Past, joint_levels, seed_of
from models._kernel.tenors import EPOCH
from pipeline_tasks.scorecard.sources import DataAbsentError, DataSet, Say
from pipeline_tasks.scorecard.walk import blinded

Array = npt.NDArray[np.float64]
MODEL = "scenario_gen"
COUNT = 200
MEMORY_DAYS = 364
PUBLISHED = "published"
COPULAS = (SCHAAKE, GAUSSIAN)


@dataclass(frozen=True, slots=True)
class Block:
    """Delivery dates that are scored, fixed in advance.

    Attributes:
        name: shift or normal, with what sets it apart.
        first, last: first and last delivery date.
        shift: whether it is a regime the training days did not have.
    """

    name: str
    first: date
    last: date
    shift: bool


@dataclass(frozen=True, slots=True)
class Drawn:
    """Paths of one hub's day.

    Attributes:
        hub: name of the hub.
        day: delivery date, days since 1970.
        price: outcome, shape (t,).
        paths: by method (generator and marginals joined by `_`), shape (COUNT, t).
    """

    hub: str
    day: int
    price: Array
    paths: dict[str, Array]


@dataclass(frozen=True, slots=True)
class Frozen:
    """A fit, and what it was shown of a block.

    Attributes:
        model: fitted on what was known at the block's first gate.
        data: history up to the block's last decision, outcomes as known then, and the block's rows, blinded.
        outcome: rows of the block with outcomes.
    """

    model: Any
    data: Features
    outcome: pl.DataFrame


def freeze(data: DataSet, block: Block, *, profile: str, seed: int, say: Say) -> Frozen:
    """Fit on what was known at the gate of the block's first day.

    Raises:
        DataAbsentError: the block has no prices, or too little history before it.
    """
    frame = data.frame.filter(pl.col("product") == data.selection.market.product)
    rows = frame.filter(pl.col("delivery_date").is_between(block.first, block.last), pl.col("price_ccy_per_mwh").is_not_null())
    if rows.is_empty():
        raise DataAbsentError(f"{data.name}: no prices between {block.first} and {block.last}")
    cutoff = rows["as_of"].min()
    history = outcomes_known(frame.filter(pl.col("as_of") < cutoff), cutoff)  # type: ignore[arg-type]
    cls = model_class(MODEL)
    if history.filter(pl.col("price_ccy_per_mwh").is_not_null())["delivery_date"].n_unique() < cls.spec.min_history_days:
        raise DataAbsentError(f"{data.name}: fewer than {cls.spec.min_history_days} priced days before {block.first}")
    say(f"{data.name}: {block.name}: fit")
    model = cls(params_of(MODEL, profile)).fit(Features(history, history.clear()), cutoff=cutoff, seed=seed)  # type: ignore[arg-type]
    last = rows["as_of"].max()
    seen = outcomes_known(frame.filter(pl.col("as_of") <= last), last)  # type: ignore[arg-type]
    return Frozen(model, Features(seen, blinded(rows)), rows)


def drawn(frozen: Frozen, *, count: int = COUNT, seed: int = 0) -> Iterator[Drawn]:
    """Every hub and day of the block whose prices are all known, with paths by every method."""
    model, levels = frozen.model, np.asarray(frozen.model.spec.levels)
    made = model.generator
    known = model.known_days(frozen.data)
    prices = _prices(frozen.outcome)
    pairs = [(m, k) for m in made.methods for k in ("kept", "free")]
    for day in model.hub_days(frozen.data):
        number = (day.day - EPOCH).days
        price = np.array([prices.get((day.key[1], t), np.nan) for t in day.rows["delivery_ts"]])
        if not np.isfinite(price).all() or not np.isfinite(day.ladder).all():
            continue
        shared = seed_of("scenario_paths", day.key[0], number, seed)
        as_of = int(day.rows["as_of"].dt.epoch("ms").max())
        days = known[day.key]
        usable = np.flatnonzero((days.known <= as_of) & (days.date < number))[-MEMORY_DAYS:]
        past = Past(days.date[usable], days.score[usable])
        paths = {}
        for method in COPULAS:
            u = joint_levels(method, past, number, count, shared_seed=shared, own_seed=seed_of(shared, day.key[1]))
            paths[method] = made.tails.prices(day.ladder, levels, u[:, day.hour], 0.0)
        for method, marginals in pairs:
            paths[f"{method}_{marginals}"] = model.draw(day, seed=shared, count=count, method=method, marginals=marginals)
        paths[PUBLISHED] = paths[f"{made.method}_{made.marginals}"]
        yield Drawn(day.key[1], number, price, paths)


def _prices(rows: pl.DataFrame) -> dict[tuple[str, Any], float]:
    """Outcome by hub and start of the interval."""
    return {(str(h), t): float(p) for h, t, p in rows.select("hub", "delivery_ts", "price_ccy_per_mwh").iter_rows()}
