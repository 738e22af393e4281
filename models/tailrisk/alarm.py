"""The spike alarm: probabilities that start and end it on budgets of false alarms, and hysteresis along the delivery day."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
DAY = ("market", "hub", "product", "delivery_date", "as_of")


def alarm_levels(probability: Array, event: Array, *, on_fpr: float, off_fpr: float) -> tuple[float, float]:
    """Probabilities that start and end an alarm: quantiles of those of intervals without a spike.

    An alarm holds only where the probability is at least the ending one, so false alarms stay within `off_fpr` of the intervals
    without a spike, whatever the hysteresis does, as long as these are like those before.

    Args:
        probability: honest probabilities of past rows, shape (n,).
        event: 1 where a spike came, shape (n,).
        on_fpr: tighter budget.
        off_fpr: wider budget.

    Returns:
        Starting and ending probability, the first not below the second; 0.5 and 0.25 where no calm row is known.
    """
    calm = probability[event == 0]
    if not calm.size:
        return 0.5, 0.25
    on, off = (float(np.quantile(calm, 1 - share)) for share in (on_fpr, off_fpr))
    return on, min(on, off)


def hysteresis(rows: pl.DataFrame, probability: Array, on: float, off: float) -> npt.NDArray[np.bool_]:
    """Alarms along each delivery day of a hub: on at `on`, off below `off`; a new day begins without one. Shape (n,)."""
    ordered = rows.select(*DAY, "delivery_ts").with_columns(pl.Series("p", probability)).with_row_index("row").sort(*DAY, "delivery_ts")
    state = pl.when(pl.col("p") >= on).then(1).when(pl.col("p") < off).then(0)
    held = ordered.with_columns(state.alias("state")).with_columns(pl.col("state").forward_fill().over(DAY).fill_null(0))
    return held.sort("row")["state"].cast(pl.Boolean).to_numpy()
