"""Opportunity value of charge learned from the past, after the transferable storage bidder of Baker, Zheng & Xu (2023), with boosters.

1. The gate forecasts the day's prices; the value of charge on them follows from a backward recursion, its slope at a few levels is the
   opportunity value there.
2. On training days, whose prices are known, a booster learns how far the true opportunity value lies from that one.
3. The battery takes the delivery that is best for its price and the learned value of what is left. How far it trusts a price that differs
   from its forecast (a day's errors move together: a dear morning foretells a dear evening), whether the booster helps, and the price on
   discharging that saves cycles for later, are chosen on the last third of the training days with a booster of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.environment import BatteryEnvironment

Array = npt.NDArray[np.float64]
SEGMENTS, GRID, SHARES = 8, 33, 9
TRUSTS = (0.0, 0.25, 0.5, 0.75, 1.0)
BUDGET_PRICES = (0.0, 0.1, 0.25)  # shares of the mean absolute price


@dataclass(frozen=True, slots=True)
class ValueSettings:
    """Settings of the booster.

    Attributes:
        rounds, leaves, learning_rate, min_rows: as of LightGBM; few, large leaves: a day's rows are hardly more than one.
        every: every so many intervals of a day are learned from.
    """

    rounds: int = 100
    leaves: int = 15
    learning_rate: float = 0.05
    min_rows: int = 400
    every: int = 1


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days: prices, and the price the gate forecast for each interval, shape (days, T)."""

    prices: Array
    forecast: Array


@dataclass(frozen=True, slots=True)
class Choice:
    """How a policy acts.

    Attributes:
        trust: weight of what a price differs from its forecast by, 0 to 1.
        learned: correct opportunity values by the booster.
        budget_price: price on discharging, currency/MWh.
    """

    trust: float = 1.0
    learned: bool = True
    budget_price: float = 0.0


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a policy learns from: inputs, shape (n, inputs), true less expected opportunity values, shape (n,), and how it is to act."""

    inputs: Array
    target: Array
    choice: Choice


def opportunity_values(asset: StorageAsset, prices: Array, hours: float, fee_ccy_per_mwh: float) -> Array:
    """Slope of the value of charge at the end of every interval, prices known, currency/MWh, shape (days, T, `SEGMENTS`).

    Zero after the last interval: charge that is left is worth nothing beyond the day's rule. The cycle budget is not in it.
    """
    n, last = prices.shape
    grid, edges = np.linspace(*asset.bounds_mwh, GRID), np.linspace(*asset.bounds_mwh, SEGMENTS + 1)
    value, found = np.zeros((n, GRID)), [np.zeros((n, SEGMENTS))]
    step = grid[1] - grid[0]
    for t in range(last - 1, 0, -1):
        least, most = asset.reach_mw(grid, np.full(GRID, np.inf), hours, last - t - 1)
        net = np.clip(np.linspace(-1, 1, SHARES)[None, :] * asset.power_mw, least[:, None], most[:, None])
        place = np.clip((asset.after_mwh(grid[:, None], net, hours) - grid[0]) / step, 0, GRID - 1)
        cell = np.minimum(place.astype(np.int64), GRID - 2)
        weight = place - cell
        paid = asset.degradation_ccy_per_mwh * np.maximum(net, 0.0) + fee_ccy_per_mwh * np.abs(net)
        earned = hours * (prices[:, t, None, None] * net - paid)
        value = (earned + value[:, cell] * (1 - weight) + value[:, cell + 1] * weight).max(axis=2)
        at = np.stack([np.interp(edges, grid, row) for row in value])
        found.append(np.diff(at, axis=1) / np.diff(edges))
    return np.stack(found[::-1], axis=1)


class OpportunityPolicy:
    """A battery that acts on learned opportunity values; same lesson and seed, same trees."""

    def __init__(self, asset: StorageAsset, hours: float, *, fee_ccy_per_mwh: float = 0.0, settings: ValueSettings | None = None) -> None:
        """A policy that has learned nothing yet."""
        self.asset, self.hours, self.fee, self.settings = asset, hours, fee_ccy_per_mwh, settings or ValueSettings()
        self._booster: Any = None
        self._lesson: Lesson | None = None

    def lesson(self, days: Days, *, seed: int) -> Lesson:
        """What `learn` takes, from whole days whose forecasts were made before them, at least three of them."""
        expected, truth = self.expected(days), opportunity_values(self.asset, days.prices, self.hours, self.fee)
        cut = len(days.prices) * 2 // 3
        early, late = Days(days.prices[:cut], days.forecast[:cut]), Days(days.prices[cut:], days.forecast[cut:])
        booster = self._trained(*self._rows(early, expected[:cut], truth[:cut]), seed=seed)
        scale = float(np.abs(days.prices).mean())
        choices = [Choice(trust, learned, share * scale) for learned in (False, True) for trust in TRUSTS for share in BUDGET_PRICES]
        best = max(choices, key=lambda choice: float(self._played(late, expected[cut:], choice, booster)[1].sum()))
        return Lesson(*self._rows(days, expected, truth), best)

    def learn(self, lesson: Lesson, *, seed: int) -> OpportunityPolicy:
        """Learn from a lesson; what was learned before is forgotten."""
        self._booster, self._lesson = self._trained(lesson.inputs, lesson.target, seed=seed), lesson
        return self

    def expected(self, days: Days) -> Array:
        """Opportunity values on the forecasts, shape (days, T, `SEGMENTS`)."""
        return opportunity_values(self.asset, days.forecast, self.hours, self.fee)

    def run(self, days: Days, expected: Array | None = None) -> tuple[Array, Array]:
        """Deliveries, MW, shape (days, T), and what each day earns, currency; at an interval only its own and earlier prices are seen.

        Args:
            days: days to act on.
            expected: what `expected` gives for them, where it is at hand.
        """
        if self._booster is None or self._lesson is None:
            raise RuntimeError("the policy has learned nothing; call learn")
        return self._played(days, self.expected(days) if expected is None else expected, self._lesson.choice, self._booster)

    def _rows(self, days: Days, expected: Array, truth: Array) -> tuple[Array, Array]:
        kept = range(0, days.prices.shape[1], self.settings.every)
        inputs = np.concatenate([self._inputs(days, expected[:, t], t) for t in kept])
        return inputs, np.concatenate([(truth[:, t] - expected[:, t]).ravel() for t in kept])

    def _trained(self, inputs: Array, target: Array, *, seed: int) -> Any:
        import lightgbm

        own = self.settings
        params = {
            "objective": "l1", "num_leaves": own.leaves, "learning_rate": own.learning_rate, "min_data_in_leaf": own.min_rows,
            "feature_fraction": 0.8, "bagging_fraction": 0.8, "bagging_freq": 1, "verbose": -1, "num_threads": 1, "deterministic": True,
            "force_row_wise": True, "seed": seed,
        }  # fmt: skip
        return lightgbm.train(params, lightgbm.Dataset(inputs, target), own.rounds)

    def _played(self, days: Days, expected: Array, choice: Choice, booster: Any) -> tuple[Array, Array]:
        game = BatteryEnvironment(self.asset, days.prices, self.hours, self.fee)
        net, earned = np.zeros(days.prices.shape), np.zeros(days.prices.shape[0])
        for t in range(days.prices.shape[1]):
            slopes = expected[:, t]
            if choice.learned:
                slopes = slopes + booster.predict(self._inputs(days, slopes, t), num_threads=1).reshape(-1, SEGMENTS)
                slopes = np.minimum.accumulate(slopes, axis=1)  # more charge is never worth more at the margin
            price = days.forecast[:, t] + choice.trust * (days.prices[:, t] - days.forecast[:, t])
            delivered, _, reward, _ = game.deliver(self._best(game, slopes, price, choice.budget_price))
            net[:, t] = delivered
            earned += reward
        return net, earned

    def _best(self, game: BatteryEnvironment, slopes: Array, price: Array, budget_price: float) -> Array:
        state, asset = game.state, self.asset
        edges = np.linspace(*asset.bounds_mwh, SEGMENTS + 1)
        worth = np.concatenate((np.zeros((slopes.shape[0], 1)), np.cumsum(slopes * np.diff(edges), axis=1)), axis=1)
        least, most = asset.reach_mw(state.level_mwh, state.left_mwh, self.hours, game.intervals - state.interval - 1)
        choices = np.clip(np.linspace(-1, 1, SHARES)[None, :] * asset.power_mw, least[:, None], most[:, None])
        paid = (asset.degradation_ccy_per_mwh + budget_price) * np.maximum(choices, 0.0) + self.fee * np.abs(choices)
        after = asset.after_mwh(state.level_mwh[:, None], choices, self.hours)
        value = np.stack([np.interp(a, edges, w) for a, w in zip(after, worth, strict=True)])
        total = self.hours * (price[:, None] * choices - paid) + value
        return np.asarray(choices[np.arange(len(choices)), total.argmax(axis=1)], dtype=np.float64)

    def _inputs(self, days: Days, expected: Array, t: int) -> Array:
        """What is known at interval t: a row per day and segment, shape (days x SEGMENTS, inputs)."""
        prices, forecast = days.prices, days.forecast
        n, last = prices.shape
        gap = prices[:, : t + 1] - forecast[:, : t + 1]
        later = forecast[:, t + 1 :] if t + 1 < last else forecast[:, -1:]
        common = np.column_stack(
            (
                np.full(n, t / last), prices[:, t], prices[:, max(t - 1, 0)], gap[:, -1], gap[:, -12:].mean(axis=1), gap.mean(axis=1),
                later.max(axis=1), later.min(axis=1), later.mean(axis=1), forecast[:, t],
            )
        )  # fmt: skip
        return np.column_stack((np.repeat(common, SEGMENTS, axis=0), np.tile(np.arange(SEGMENTS), n), expected.ravel()))
