"""Paths of a delivery day from a fit, conditions, a seed and a tail dial: the pure function behind the bank, what-ifs and the scorecard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.frames import KEY
from models.scenario_gen.conditions import CONDITIONS, overlaid
from models.scenario_gen.generator import Generator
from models.scenario_gen.params import TAIL_LIMIT
from models.scenario_gen.tables import FREE

Array = npt.NDArray[np.float64]
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """What paths are wanted.

    Attributes:
        conditions: condition -> value that takes the place of what was known; the others stay as known at the gate.
        tail_dial: added to the fitted shape of the Pareto tails, in [-1, 1].
        seed: seed of the day's random numbers.
        count: paths.
        method: generator; None for the one the fit chose.
        marginals: free or kept; None for what the fit chose, and for free where conditions or a dial are given: kept marginals would not
            move by them.
        sample_steps: of the diffusion.
    """

    conditions: Mapping[str, float]
    tail_dial: float
    seed: int
    count: int
    method: str | None = None
    marginals: str | None = None
    sample_steps: int = 16

    def __post_init__(self) -> None:
        """Refuse dials and counts that cannot be drawn."""
        if not -TAIL_LIMIT <= self.tail_dial <= TAIL_LIMIT:
            raise ValueError(f"scenario_gen: tail_dial is {self.tail_dial}; it must lie in [-1, 1]")
        if self.count < 2:
            raise ValueError(f"scenario_gen: count is {self.count}; ask for at least 2 paths")

    def marginals_of(self, generator: Generator) -> str:
        """Marginals that are drawn with."""
        return self.marginals or (FREE if self.conditions or self.tail_dial else generator.marginals)


@dataclass(frozen=True, slots=True)
class HubDay:
    """One hub and delivery date with its forecast.

    Attributes:
        key: market, hub, product.
        day: delivery date.
        hub: number of the hub in the fit.
        rows: key columns of the intervals, in time order.
        hour: local hour of each, shape (t,).
        ladder: forecast quantiles of each, shape (t, levels).
        condition: raw conditions as known at the gate, shape (k,).
    """

    key: Key
    day: date
    hub: int
    rows: pl.DataFrame
    hour: npt.NDArray[np.int64]
    ladder: Array
    condition: Array

    def given(self, ask: Ask) -> dict[str, float]:
        """Conditions that the paths were drawn under, NaN where unknown."""
        return dict(zip(CONDITIONS, overlaid(self.condition, ask.conditions).tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Paths:
    """Paths of one delivery date.

    Attributes:
        hubs: market, hub, product of every hub.
        delivery_ts: starts of the intervals, UTC.
        values: prices, currency/MWh, shape (paths, intervals, hubs).
    """

    hubs: tuple[Key, ...]
    delivery_ts: pl.Series
    values: Array


def draw(generator: Generator, levels: Sequence[float], day: HubDay, ask: Ask) -> Array:
    """Prices of every path and interval of one hub's day, shape (count, t).

    Raises:
        ValueError: the method is not one the fit can draw with, or a condition is not known.
    """
    method, marginals = ask.method or generator.method, ask.marginals_of(generator)
    if method not in generator.methods:
        raise ValueError(f"scenario_gen: method {method!r} is not fitted; use {', '.join(generator.methods)}")
    told = generator.levels(
        day.hub,
        overlaid(day.condition, ask.conditions),
        seed=ask.seed,
        count=ask.count,
        method=method,
        marginals=marginals,
        sample_steps=ask.sample_steps,
    )
    return generator.tails.prices(day.ladder, np.asarray(levels), told[:, day.hour], ask.tail_dial)


def draw_together(generator: Generator, levels: Sequence[float], days: Sequence[HubDay], ask: Ask) -> Paths:
    """Paths of all hubs of one delivery date.

    Raises:
        ValueError: the days are of several dates, or do not have the same intervals.
    """
    if not days or any(d.day != days[0].day or not d.rows["delivery_ts"].equals(days[0].rows["delivery_ts"]) for d in days):
        raise ValueError("scenario_gen: paths are of one delivery date, with the same intervals at every hub; ask for one at a time")
    values = np.stack([draw(generator, levels, day, ask) for day in days], axis=2)
    return Paths(tuple(d.key for d in days), days[0].rows["delivery_ts"], values)


def long(day: HubDay, values: Array) -> pl.DataFrame:
    """Rows of the bank: key, path_id, price_ccy_per_mwh."""
    count = len(values)
    keys = day.rows.select(KEY)[np.repeat(np.arange(day.rows.height), count)]
    return keys.with_columns(
        pl.Series("path_id", np.tile(np.arange(1, count + 1), day.rows.height)), pl.Series("price_ccy_per_mwh", values.T.ravel())
    )
