"""Limits of position and volume, the actions that keep them by construction, and the kill switch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.hedging import expected_absolute_deviation
from models._kernel.portfolio import Portfolio

Array = npt.NDArray[np.float64]
LATTICE: Array = np.array([(o, s) for o in (-1, 0, 1) for s in (-1, 0, 1)], dtype=np.float64)  # (outright, day against night)
IDLE = int(np.flatnonzero((LATTICE == 0).all(axis=1))[0])
ACTIONS = len(LATTICE)
BISECTIONS = 30


@dataclass(frozen=True, slots=True)
class HedgeRules:
    """Limits of a day's hedge (h_day, h_night), shares of the scheduled energy of the two blocks.

    Attributes:
        band: largest hedge of a block, either way.
        net: largest net hedge of the day over its energy, either way.
        gross_growth: growth of the expected absolute deviation over the unhedged one that is admitted.
        step: largest change of a block's hedge from the day before.
        halt_drawdown: drawdown, currency per MWh of load, from which on nothing is hedged.
    """

    band: float
    net: float
    gross_growth: float
    step: float
    halt_drawdown: float

    @classmethod
    def of(cls, portfolio: Portfolio, *, step: float, halt_drawdown: float) -> HedgeRules:
        """Limits of a portfolio."""
        return cls(portfolio.band_share, portfolio.net_share, portfolio.gross_growth_share, step, halt_drawdown)

    def widest(self, mad: Array) -> Array:
        """Largest hedge of a block that band and gross deviation admit, for the mean absolute load deviation of each day, shape (n,)."""
        room = (1 + self.gross_growth) * expected_absolute_deviation(np.zeros_like(mad), mad)
        low, high = np.zeros_like(mad), np.full_like(mad, self.band)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            inside = expected_absolute_deviation(middle, mad) <= room
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
        return low

    def positions(self, share: Array, largest: Array) -> Array:
        """Hedges of every day and action, within every limit but `step`, shape (n, actions, 2).

        Args:
            share: share of the day's energy in (day, night), shape (n, 2).
            largest: hedge of a block that is admitted at most (`widest`), shape (n,).
        """
        widest = largest[:, None]
        ratio = np.divide(share[:, :1], share[:, 1:], out=np.ones((len(share), 1)), where=share[:, 1:] > 0)
        # the night's side is the day's times the ratio, so that their net is nil
        day = np.minimum(widest, widest / np.maximum(ratio, 1e-9))
        both = np.asarray((share > 0).all(axis=1))
        shape = np.where(both[:, None], day, 0.0)
        outright = np.minimum(self.net, widest)
        raw = np.stack([LATTICE[:, 0] * outright + LATTICE[:, 1] * shape, LATTICE[:, 0] * outright - LATTICE[:, 1] * shape * ratio], axis=2)
        return np.clip(raw, -widest[:, :, None], widest[:, :, None])

    def admitted(self, wanted: Array, before: Array, share: Array, widest: float) -> Array:
        """What is left of a wish, shape (2,): moved by at most the step, then scaled down until it keeps the other limits, which go first.

        Args:
            wanted: hedge of (day, night).
            before: that of the day before.
            share: share of the energy in (day, night).
            widest: hedge of a block that is admitted at most.
        """
        hedge = np.clip(wanted, before - self.step, before + self.step)
        largest = float(np.abs(hedge).max(initial=0.0))
        scale = min(1.0, widest / largest) if largest > 0 else 1.0
        net = abs(float(share @ hedge))
        scale = min(scale, self.net / net) if net > 0 else scale
        return np.asarray(scale * hedge)

    def halted(self, saving: Array) -> bool:
        """Whether the drawdown of known daily savings, currency per MWh of load in time order, reached the limit."""
        return drawdown(saving) > self.halt_drawdown


def drawdown(saving: Array) -> float:
    """Distance of the sum so far from its highest value, the start included; 0 without days."""
    total = np.concatenate(([0.0], np.cumsum(saving)))
    return float(total.max() - total[-1])
