"""The conditional distribution of tailrisk: an hourly level, boosted widths around it, a common middle, and conditional Pareto tails.

Everything happens in compressed prices z = arsinh((price - median) / scale), whose errors are far more alike than those of prices; the
map is monotone, so that quantiles carry over exactly. An error is told in widths: of the row's upper half width above the centre, of
its lower one below.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.tail_regression import ParetoRegression
from models._kernel.tails import gpd_quantile, gpd_survival

Array = npt.NDArray[np.float64]
MIDDLE = np.round(np.linspace(0.02, 0.98, 49), 4)
SMALLEST_WIDTH = 0.02
POWER = 6
NODES, WEIGHTS = np.polynomial.legendre.leggauss(32)


@dataclass(frozen=True, slots=True)
class Rows:
    """What the distribution of a row depends on; every array has shape (n,) unless said otherwise.

    Attributes:
        centre: compressed price in the middle.
        upper: half width above it.
        lower: half width below it.
        covariates: of the tails, shape (n, p).
        median: price that compression starts from.
        scale: price of one unit before compression.
        floor: lowest admissible price.
        cap: highest admissible price.
    """

    centre: Array
    upper: Array
    lower: Array
    covariates: Array
    median: Array
    scale: Array
    floor: Array
    cap: Array

    def moved(self, drift: Array) -> Rows:
        """The rows with their centre moved by `drift` widths, shape (n,)."""
        return replace(self, centre=self.centre + drift * np.where(drift > 0, self.upper, self.lower))

    def part(self, chosen: npt.NDArray[np.bool_]) -> Rows:
        """Chosen rows."""
        return Rows(*(getattr(self, f.name)[chosen] for f in fields(self)))

    def errors(self, z: Array) -> Array:
        """Errors of compressed prices in widths of the row."""
        gap = z - self.centre
        return np.asarray(gap / np.where(gap > 0, self.upper, self.lower), dtype=np.float64)

    def prices(self, errors: Array) -> Array:
        """Prices at errors in widths, shape (n, k), within the limits of the market."""
        z = self.centre[:, None] + errors * np.where(errors > 0, self.upper[:, None], self.lower[:, None])
        price = self.median[:, None] + self.scale[:, None] * np.sinh(np.clip(z, -30.0, 30.0))
        return np.asarray(np.clip(price, self.floor[:, None], self.cap[:, None]), dtype=np.float64)

    def compressed(self, price: Array) -> Array:
        """Compressed prices of the rows."""
        return np.asarray(np.arcsinh((price - self.median) / self.scale), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class ErrorLaw:
    """Law of the errors in widths: common in the middle, Pareto beyond with scales that depend on the row.

    Attributes:
        level: probability at which the upper tail begins; the lower one begins at 1 - level.
        body: quantiles of the errors at `MIDDLE`, rising.
        above: upper tail beyond the body's quantile at `level`.
        below: lower tail, of minus the error.
    """

    level: float
    body: Array
    above: ParetoRegression
    below: ParetoRegression

    @property
    def begins(self) -> tuple[float, float]:
        """Errors at which the lower and the upper tail begin."""
        low, high = np.interp([1 - self.level, self.level], MIDDLE, self.body)
        return float(low), float(high)

    def quantiles(self, covariates: Array, levels: Array) -> Array:
        """Errors at levels, one row of them each: shape (n, k) of levels, shape (n, k) of errors."""
        low, high = self.begins
        made = np.interp(levels, MIDDLE, self.body)
        above, below = levels > self.level, levels < 1 - self.level
        tail = 1 - self.level
        top = gpd_quantile(np.where(above, 1 - levels, tail) / tail, self.above.scales(covariates)[:, None], self.above.shape)
        bottom = gpd_quantile(np.where(below, levels, tail) / tail, self.below.scales(covariates)[:, None], self.below.shape)
        return np.asarray(np.where(above, high + top, np.where(below, low - bottom, made)), dtype=np.float64)

    def exceedance(self, covariates: Array, errors: Array) -> Array:
        """Probability of a larger error, shape (n,)."""
        low, high = self.begins
        inside = 1 - np.interp(errors, self.body, MIDDLE)
        above = gpd_survival(errors - high, self.above.scales(covariates), self.above.shape)
        below = gpd_survival(low - errors, self.below.scales(covariates), self.below.shape)
        tail = 1 - self.level
        return np.asarray(np.where(errors > high, tail * above, np.where(errors < low, 1 - tail * below, inside)), dtype=np.float64)


def shortfalls(law: ErrorLaw, rows: Rows, share: Array, *, upper: bool) -> Array:
    """Mean price beyond the quantile with `share` of the mass beyond it, within the market's limits; shape (n, k) like `share`.

    By Gauss-Legendre quadrature over the mass beyond, denser towards its end: with the sixth power of the node the integrand stays smooth
    however steep the tail.
    """
    v, w = (NODES + 1) / 2, WEIGHTS / 2
    made = np.empty_like(share)
    for k in range(share.shape[1]):
        beyond = np.maximum(share[:, [k]] * v[None, :] ** POWER, 1e-13)
        prices = rows.prices(law.quantiles(rows.covariates, 1 - beyond if upper else beyond))
        made[:, k] = (prices * (POWER * v ** (POWER - 1) * w)[None, :]).sum(axis=1)
    return np.clip(made, rows.floor[:, None], rows.cap[:, None])


def limits_of(rows: pl.DataFrame, limits: dict[str, tuple[float, float]]) -> tuple[Array, Array]:
    """Price floor and cap of every row's market; a million either way where none is known."""
    pairs = [limits.get(market, (-1e6, 1e6)) for market in rows["market"].to_list()]
    table = np.asarray(pairs, dtype=np.float64).reshape(len(rows), 2)
    return table[:, 0], table[:, 1]
