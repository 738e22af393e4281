"""Opportunity value of charge learned from the past, after the transferable storage bidder of Baker, Zheng & Xu (2023), with boosters.

1. On every training day the value of charge with prices known in advance follows from the recursion of `value`; its slope at a few levels
   is the opportunity value.
2. A booster learns it from what is known at the interval: the price now and before, the price the gate's forecast expects later, the
   opportunity value on that forecast, the local time. Days are rows of a panel, so nothing crosses midnight.
3. The battery acts as the recursion would with the learned slopes: the best of price times delivery plus the learned value of what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.environment import BatteryEnvironment
from models._kernel.storage.rules import MarketRules
from models._kernel.storage.value import Problem, value_of_charge

Array = npt.NDArray[np.float64]
SEGMENTS, GRID, SHARES = 8, 33, 9
WIDEST = 1e9


@dataclass(frozen=True, slots=True)
class ValueSettings:
    """Settings of the booster.

    Attributes:
        rounds, leaves, learning_rate, min_rows: as of LightGBM.
        every: every so many intervals of a day are learned from.
    """

    rounds: int = 200
    leaves: int = 31
    learning_rate: float = 0.05
    min_rows: int = 50
    every: int = 1


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days: prices, and the price the gate forecast for each interval, shape (days, T)."""

    prices: Array
    forecast: Array


def opportunity_values(asset: StorageAsset, prices: Array, hours: float, fee_ccy_per_mwh: float) -> Array:
    """Slope of the value of charge at the end of every interval with prices known in advance, currency/MWh, (days, T, `SEGMENTS`).

    Zero after the last interval: charge that is left is worth nothing beyond the day's rule.
    """
    rules = MarketRules(round(hours * 60), -WIDEST, WIDEST, real_time_fee_ccy_per_mwh=fee_ccy_per_mwh)
    found = np.zeros((*prices.shape, SEGMENTS))
    edges = np.linspace(*asset.bounds_mwh, SEGMENTS + 1)
    for number, path in enumerate(prices):
        values = value_of_charge(Problem(asset, rules, np.zeros(path.size), np.zeros(path.size), path[None, :]), levels=GRID, nodes=1)
        onward = np.stack([np.interp(edges, values.grid, row) for row in values.onward[:, 0]])
        found[number] = np.diff(onward, axis=1) / np.diff(edges)
    return found


class OpportunityPolicy:
    """A battery that acts on learned opportunity values; same days and seed, same trees."""

    def __init__(self, asset: StorageAsset, hours: float, *, fee_ccy_per_mwh: float = 0.0, settings: ValueSettings | None = None) -> None:
        """A policy that has learned nothing yet."""
        self.asset, self.hours, self.fee, self.settings = asset, hours, fee_ccy_per_mwh, settings or ValueSettings()
        self._booster: Any = None

    def lesson(self, days: Days) -> tuple[Array, Array]:
        """Inputs and opportunity values of whole days whose forecasts were made before them: what `learn` takes."""
        target = opportunity_values(self.asset, days.prices, self.hours, self.fee)
        expected = opportunity_values(self.asset, days.forecast, self.hours, self.fee)
        kept = range(0, days.prices.shape[1], self.settings.every)
        inputs = np.concatenate([self._inputs(days, expected, t) for t in kept])
        return inputs, np.concatenate([target[:, t].ravel() for t in kept])

    def learn(self, lesson: tuple[Array, Array], *, seed: int) -> OpportunityPolicy:
        """Learn from a lesson; what was learned before is forgotten."""
        import lightgbm

        own = self.settings
        params = {
            "objective": "l1", "num_leaves": own.leaves, "learning_rate": own.learning_rate, "min_data_in_leaf": own.min_rows,
            "feature_fraction": 0.8, "bagging_fraction": 0.8, "bagging_freq": 1, "verbose": -1, "num_threads": 1, "deterministic": True,
            "force_row_wise": True, "seed": seed,
        }  # fmt: skip
        self._booster = lightgbm.train(params, lightgbm.Dataset(*lesson), own.rounds)
        return self

    def run(self, days: Days, expected: Array | None = None) -> tuple[Array, Array]:
        """Deliveries, MW, shape (days, T), and what each day earns, currency; at an interval only its own and earlier prices are seen.

        Args:
            days: days to act on.
            expected: `opportunity_values` of their forecasts where they are at hand.
        """
        if self._booster is None:
            raise RuntimeError("the policy has learned nothing; call learn")
        game = BatteryEnvironment(self.asset, days.prices, self.hours, self.fee)
        if expected is None:
            expected = opportunity_values(self.asset, days.forecast, self.hours, self.fee)
        net, earned = np.zeros(days.prices.shape), np.zeros(days.prices.shape[0])
        edges = np.linspace(*self.asset.bounds_mwh, SEGMENTS + 1)
        for t in range(days.prices.shape[1]):
            slopes = self._booster.predict(self._inputs(days, expected, t), num_threads=1).reshape(-1, SEGMENTS)
            slopes = np.minimum.accumulate(slopes, axis=1)  # more charge is never worth more at the margin
            worth = np.concatenate((np.zeros((slopes.shape[0], 1)), np.cumsum(slopes * np.diff(edges), axis=1)), axis=1)
            delivered, _, reward, _ = game.deliver(self._best(game, worth, edges, t))
            net[:, t] = delivered
            earned += reward
        return net, earned

    def _best(self, game: BatteryEnvironment, worth: Array, edges: Array, t: int) -> Array:
        state, asset = game.state, self.asset
        least, most = asset.reach_mw(state.level_mwh, state.left_mwh, self.hours, game.intervals - t - 1)
        choices = np.clip(np.linspace(-1, 1, SHARES)[None, :] * asset.power_mw, least[:, None], most[:, None])
        paid = asset.degradation_ccy_per_mwh * np.maximum(choices, 0.0) + self.fee * np.abs(choices)
        after = asset.after_mwh(state.level_mwh[:, None], choices, self.hours)
        value = np.stack([np.interp(a, edges, w) for a, w in zip(after, worth, strict=True)])
        total = self.hours * (state.price[:, None] * choices - paid) + value
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
        whole = np.repeat(common, SEGMENTS, axis=0)
        return np.column_stack((whole, np.tile(np.arange(SEGMENTS), n), expected[:, t].ravel(), expected[:, t].ravel() + whole[:, 5]))
