"""Tabular Q-learning of a battery (Watkins & Dayan 1992): price bin, interval and charge bin; charge, hold or discharge.

Two things differ from a textbook table, because they must: an episode is a whole day, so the discount has to reach over one (a factor of
0.95 per minute looks twenty minutes ahead and cannot learn to charge at night for the evening), and price bins, like everything else, are
of training days alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.environment import ACTIONS, HOLD, BatteryEnvironment, State

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class QSettings:
    """Settings of the table and its training.

    Attributes:
        price_bins: equally likely bins of the price.
        charge_bins: equal bins of the charge.
        slots: parts of the day that the state tells apart (24: hours).
        discount: per interval; it must reach over a day.
        rate: learning rate, falling with the visits of a state and action as rate / (1 + visits / 50).
        epochs: passes over all training days.
        explore: share of random actions at first, falling linearly to a tenth of it.
    """

    price_bins: int = 10
    charge_bins: int = 8
    slots: int = 24
    discount: float = 1.0
    rate: float = 0.5
    epochs: int = 60
    explore: float = 0.5

    def check(self, intervals: int) -> None:
        """Refuse a discount that does not reach over a day.

        Raises:
            ValueError: its horizon 1 / (1 - discount) is shorter than the day's intervals.
        """
        horizon = np.inf if self.discount >= 1 else 1 / (1 - self.discount)
        if not 0 < self.discount <= 1 or horizon < intervals:
            least = 1 - 1 / intervals
            raise ValueError(
                f"discount is {self.discount}: it looks {horizon:.0f} of {intervals} intervals ahead; give at least {least:.5f}"
            )


class QLearningAgent:
    """A table of action values, learned day by day; same days and seed, same table."""

    def __init__(self, asset: StorageAsset, settings: QSettings | None = None) -> None:
        """An agent that knows nothing: it holds."""
        self.asset, self.settings = asset, settings or QSettings()
        own = self.settings
        self.edges: Array = np.zeros(own.price_bins - 1)
        self.intervals = own.slots
        self.table: Array = np.zeros((own.slots, own.price_bins, own.charge_bins, len(ACTIONS)))

    def get_action(self, state: State) -> tuple[Ints, Array]:
        """The best action of every day side by side, shape (n,), and the values of all actions, shape (n, 3); an unvisited state holds."""
        values = self.table[self._index(state)]
        untaught = (values == values[:, :1]).all(axis=1)
        return np.where(untaught, HOLD, values.argmax(axis=1)), values

    def train(self, prices: npt.ArrayLike, hours: float, *, fee_ccy_per_mwh: float = 0.0, seed: int) -> QLearningAgent:
        """Learn from whole days, shape (days, T), and from nothing else.

        Raises:
            ValueError: the discount does not reach over a day.
        """
        own, days = self.settings, np.asarray(prices, dtype=np.float64)
        own.check(days.shape[1])
        rng, self.intervals = np.random.default_rng(seed), days.shape[1]
        self.edges = np.quantile(days, np.arange(1, own.price_bins) / own.price_bins)
        scale = float(np.abs(days).mean()) * self.asset.power_mw * hours or 1.0
        self.table = np.zeros_like(self.table)
        visits = np.zeros_like(self.table)
        for epoch in range(own.epochs):
            share = own.explore * (1 - 0.9 * epoch / max(own.epochs - 1, 1))
            shown = days[rng.permutation(days.shape[0])]
            for half in np.array_split(shown, max(1, days.shape[0] // 32)):
                self._episode(BatteryEnvironment(self.asset, half, hours, fee_ccy_per_mwh), rng, share, scale, visits)
        return self

    def _episode(self, game: BatteryEnvironment, rng: np.random.Generator, share: float, scale: float, visits: Array) -> None:
        """Days side by side, once through; values are learned in units of `scale`."""
        own, over, state = self.settings, False, game.reset()
        while not over:
            here = self._index(state)
            best, _ = self.get_action(state)
            action = np.where(rng.random(best.size) < share, rng.integers(0, len(ACTIONS), best.size), best)
            state, reward, over = game.step(action)
            onward = 0.0 if over else own.discount * self.table[self._index(state)].max(axis=1)
            at = (*here, action)
            counts, sums = np.zeros_like(self.table), np.zeros_like(self.table)
            np.add.at(counts, at, 1.0)
            np.add.at(sums, at, reward / scale + onward)
            seen = counts > 0
            visits += counts
            step = np.minimum(1.0, own.rate / (1 + visits[seen] / 50) * counts[seen])
            self.table[seen] += step * (sums[seen] / counts[seen] - self.table[seen])

    def _index(self, state: State) -> tuple[Ints, Ints, Ints]:
        low, high = self.asset.bounds_mwh
        share = (state.level_mwh - low) / max(high - low, 1e-9)
        charge = np.clip((share * self.settings.charge_bins).astype(np.int64), 0, self.settings.charge_bins - 1)
        slot = np.full(charge.size, min(state.interval * self.settings.slots // self.intervals, self.settings.slots - 1), dtype=np.int64)
        return slot, np.searchsorted(self.edges, state.price, side="right").astype(np.int64), charge
