"""The battery as a game of one day after another: states, actions, rewards, limits.

An episode is one delivery date: it begins with the asset's start charge, lasts to the end of the day, and no action may leave the limits of
charge, cycles and terminal charge: a power beyond reach is cut to it. Prices are those of the day alone, so an episode of training never
holds a price of validation or test.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models._kernel.storage.asset import StorageAsset

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
CHARGE, HOLD, DISCHARGE = 0, 1, 2
ACTIONS = ("charge", "hold", "discharge")


@dataclass(frozen=True, slots=True)
class State:
    """What a policy sees before an interval; arrays over days side by side.

    Attributes:
        interval: number of the interval in the day.
        price: its price, currency/MWh, shape (n,).
        level_mwh: charge, shape (n,).
        left_mwh: what may still be discharged today, shape (n,).
    """

    interval: int
    price: Array
    level_mwh: Array
    left_mwh: Array


@dataclass
class BatteryEnvironment:
    """Days side by side, each its own episode.

    Attributes:
        asset: the battery.
        prices: prices of whole days, shape (days, T).
        hours: length of an interval.
        fee_ccy_per_mwh: fee per MWh bought or sold.
    """

    asset: StorageAsset
    prices: Array
    hours: float
    fee_ccy_per_mwh: float = 0.0
    state: State = field(init=False)

    def __post_init__(self) -> None:
        """Check the prices and begin."""
        self.prices = np.asarray(self.prices, dtype=np.float64)
        if self.prices.ndim != 2 or not np.isfinite(self.prices).all():
            raise ValueError(f"prices have shape {self.prices.shape}; give finite prices of whole days, shape (days, intervals)")
        self.reset()

    @property
    def intervals(self) -> int:
        """Intervals of a day."""
        return int(self.prices.shape[1])

    def reset(self) -> State:
        """Every day at its first interval, with the start charge and the whole cycle budget."""
        n = self.prices.shape[0]
        self.state = State(0, self.prices[:, 0], np.full(n, self.asset.start_mwh), np.full(n, self.asset.throughput_mwh))
        return self.state

    def step(self, action: npt.ArrayLike) -> tuple[State, Array, bool]:
        """Charge, hold or discharge at full power, as far as it can be reached.

        Returns:
            The next state, the reward (currency, wear and fees paid), and whether the days are over.
        """
        wanted = (np.asarray(action, dtype=np.int64) - HOLD) * self.asset.power_mw
        return self.deliver(wanted)[1:]

    def deliver(self, net_mw: npt.ArrayLike) -> tuple[Array, State, Array, bool]:
        """Any output less charge, MW, shape (n,), cut to what can be reached; what was delivered, then as of `step`."""
        now, t = self.state, self.state.interval
        least, most = self.asset.reach_mw(now.level_mwh, now.left_mwh, self.hours, self.intervals - t - 1)
        net = np.clip(np.asarray(net_mw, dtype=np.float64), least, most)
        given = np.maximum(net, 0.0)
        paid = self.asset.degradation_ccy_per_mwh * given + self.fee_ccy_per_mwh * np.abs(net)
        reward = np.asarray(self.hours * (now.price * net - paid), dtype=np.float64)
        level, left = self.asset.after_mwh(now.level_mwh, net, self.hours), now.left_mwh - self.hours * given
        last = t + 1 == self.intervals
        self.state = State(t + 1, np.zeros_like(net) if last else self.prices[:, t + 1], level, left)
        return net, self.state, reward, last
