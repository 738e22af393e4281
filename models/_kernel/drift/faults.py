"""The faults that the yardstick injects into clean data: pure functions of a day, its neighbours and the season's moments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a fault may depend on.

    Attributes:
        before: last value before the day.
        after: first value after it.
        mean, sigma: moments of the feature in the season.
    """

    before: float
    after: float
    mean: float
    sigma: float


FAULTS: dict[str, Callable[[Array, Surroundings], Array]] = {
    "mean_half_sigma": lambda day, s: day + 0.5 * s.sigma,
    "variance_1_5": lambda day, s: s.mean + np.sqrt(1.5) * (day - s.mean),
    "unit_1000": lambda day, _s: day * 1000.0,
    "stuck": lambda day, s: np.full_like(day, s.before),
    "clock_late": lambda day, s: np.concatenate(([s.before], day[:-1])),
    "clock_early": lambda day, s: np.concatenate((day[1:], [s.after])),
}
