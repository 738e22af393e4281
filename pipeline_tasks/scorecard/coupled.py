"""Two models whose scenarios share their numbers, scored together: the day-ahead price and the spread of the balancing price over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from models._kernel.scenarios import SCHAAKE, energy_score, seed_of, variogram_score
from models._kernel.spec import ModelSpec
from pipeline_tasks.scorecard.joint import OWN, SHUFFLED, Array, Coupled, Hub, draw, hubs_of

UNCOUPLED = "uncoupled_spread"


@dataclass(frozen=True, slots=True)
class Told:
    """What a model said.

    Attributes:
        spec: the model.
        frame: feature rows with outcomes, in key order, all history.
        answers: answers of its window and of days before.
    """

    spec: ModelSpec
    frame: pl.DataFrame
    answers: pl.DataFrame

    @property
    def levels(self) -> Array:
        """Levels of its quantiles."""
        return np.asarray(self.spec.levels, dtype=np.float64)

    def hubs(self) -> list[Hub]:
        """Its hubs."""
        return list(hubs_of(self.spec, self.frame, self.answers, self.levels))


def coupled_of(price: Told, spread: Told, first: int, last: int) -> Coupled:
    """Energy and variogram score of (price, price + spread) over the intervals of whole days.

    Both models' scenarios are drawn as they publish them; once they are paired by number, once the spread's numbers are shuffled, which
    leaves either model's own days as they are and takes away what couples them.

    Args:
        price: the model of the price.
        spread: the model of what is added to it.
        first: first delivery date, days since 1970.
        last: last one.
    """
    found, added = Coupled(), spread.hubs()
    for hub in price.hubs():
        for other in added:
            if (other.market, other.hub) != (hub.market, hub.hub) or not np.array_equal(other.minute, hub.minute):
                continue
            days = np.intersect1d(hub.date, other.date)
            for day in days[(days >= first) & (days <= last)].tolist():
                _score_day(price, hub, spread, other, day, found)
    return found


def _score_day(price: Told, hub: Hub, spread: Told, other: Hub, day: int, found: Coupled) -> None:
    i, j = int(np.searchsorted(hub.date, day)), int(np.searchsorted(other.date, day))
    both = hub.usable(i) & other.usable(j)
    if not both.any():
        return
    drawn, outcome = draw(price.spec.name, hub, price.levels, i, (SCHAAKE,), both)
    beside, added = draw(spread.spec.name, other, spread.levels, j, (SCHAAKE,), both)
    first, second = drawn[SCHAAKE], beside[SCHAAKE]
    order = np.random.default_rng(seed_of("shuffled", hub.market, hub.hub, day)).permutation(len(second))
    truth = np.concatenate([outcome, outcome + added])
    found.day.append(day)
    for name, numbers in ((OWN, np.arange(len(second))), (SHUFFLED, order)):
        samples = np.hstack([first, first + second[numbers]])
        found.energy[name].append(energy_score(samples, truth))
        found.variogram[name].append(variogram_score(samples, truth))
