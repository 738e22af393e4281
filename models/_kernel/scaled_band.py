"""A median with an asymmetric band: outcomes told in halves of it, and quantiles read from such scores.

Scores as of conformalised quantile regression scaled by the band (after Romano, Patterson & Candes 2019), each side by its own half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Base:
    """Uncalibrated answer for n rows.

    Attributes:
        median: point forecast, shape (n,).
        below: distance to the lower end of the 80 % interval, positive, shape (n,).
        above: distance to its upper end, positive, shape (n,).
    """

    median: Array
    below: Array
    above: Array

    def scores(self, price: Array) -> Array:
        """Distance of an outcome from the median, in units of the half of the interval it lies in; shape (n,)."""
        gap = price - self.median
        return np.asarray(gap / np.where(gap >= 0, self.above, self.below))

    def ladder(self, offsets: Array) -> Array:
        """Prices at the offsets (scores), sorted; shape (n, k)."""
        width = np.where(offsets >= 0, self.above[:, None], self.below[:, None])
        return np.sort(self.median[:, None] + offsets * width, axis=1)
