"""Pareto tails beyond the ends of the ladder, fitted to what training prices did there, with a dial."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.scenarios import quantile_at, tail_scales
from models._kernel.tails import gpd_quantile

Array = npt.NDArray[np.float64]
LEAST_EXCESSES = 40
LARGEST = 0.5  # fitted shape
BOUNDS = (-0.5, 0.95)  # shape with the dial
FLOOR = 1e-3  # smallest scale of an exponential tail, currency/MWh


@dataclass(frozen=True, slots=True)
class Tails:
    """Scale, in those of the ladder's exponential tails, and shape of the excess below and above.

    Attributes:
        scale: (below, above).
        shape: (below, above).
    """

    scale: tuple[float, float] = (1.0, 1.0)
    shape: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(cls, ladder: Array, levels: Array, price: Array) -> Tails:
        """Tails of prices in their distributions, by maximum likelihood; exponential where too few prices lie beyond an end.

        Args:
            ladder: quantiles, shape (n, k), of forecasts that had not seen the prices.
            levels: shape (k,).
            price: shape (n,).
        """
        low, high = tail_scales(ladder, levels)
        sides = ((ladder[:, 0] - price, low), (price - ladder[:, -1], high))
        fitted = [_fitted(excess[excess > 0] / np.maximum(scale[excess > 0], FLOOR)) for excess, scale in sides]
        return cls((fitted[0][0], fitted[1][0]), (fitted[0][1], fitted[1][1]))

    def prices(self, ladder: Array, levels: Array, u: Array, dial: float) -> Array:
        """Prices at levels u: the ladder inside its ends, Pareto excesses beyond them.

        Args:
            ladder: shape (d, k).
            levels: shape (k,).
            u: shape (m, d).
            dial: added to the shapes.
        """
        made = quantile_at(ladder, levels, np.clip(u, levels[0], levels[-1]))
        low, high = (np.maximum(s, FLOOR) for s in tail_scales(ladder, levels))
        for side, sign, share, scale in (
            (0, -1.0, u / levels[0], low),
            (1, 1.0, (1 - u) / (1 - levels[-1]), high),
        ):
            shape = float(np.clip(self.shape[side] + dial, *BOUNDS))
            made = made + sign * gpd_quantile(np.clip(share, 1e-12, 1.0), self.scale[side] * scale, shape)
        return made


def _fitted(excess: Array) -> tuple[float, float]:
    """Scale and shape of a generalised Pareto distribution of excesses that would be standard exponential."""
    if excess.size < LEAST_EXCESSES:
        return 1.0, 0.0
    from scipy.stats import genpareto

    shape, _, scale = genpareto.fit(excess, floc=0.0)
    return float(np.clip(scale, 0.2, 5.0)), float(np.clip(shape, 0.0, LARGEST))
