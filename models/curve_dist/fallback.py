"""The answer of last resort: the last similar price with a wide normal band, always DEGRADED."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from models.curve_dist.panel import LAG_COLUMNS
from models.curve_dist.spec import LEVELS

Array = npt.NDArray[np.float64]
REASON = "series or decision time without trained days: last similar price with a wide band"
WIDENING = 3.0


def ladder(rows: pl.DataFrame, typical: tuple[float, float]) -> tuple[Array, Array, npt.NDArray[np.object_]]:
    """Quantiles, points and means, and reasons without a trained model.

    Args:
        rows: target rows.
        typical: price to take where no lagged price is known, and the error a trained series typically makes.
    """
    from scipy.stats import norm

    week_first = [c for c in (LAG_COLUMNS[3], LAG_COLUMNS[0], *LAG_COLUMNS[1:3], LAG_COLUMNS[4]) if c in rows.columns]
    finite = [pl.when(pl.col(c).is_finite()).then(pl.col(c)) for c in week_first]
    centre = rows.select(pl.coalesce(*finite, pl.lit(typical[0])).alias("centre"))["centre"].to_numpy().astype(np.float64)
    steps = WIDENING * 1.2533 * typical[1] * np.asarray(norm.ppf(LEVELS))
    return centre[:, None] + steps[None], np.column_stack([centre, centre]), np.full(rows.height, REASON, dtype=object)
