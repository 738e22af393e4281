"""Joint scenarios of the spread of a series: calibrated quantiles put together by the ranks of past days, as the day-ahead curve's are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.frames import KEY
from models._kernel.replay import Past, slots_of
from models._kernel.scenarios import SCHAAKE, joint_levels, level_of, quantile_at, seed_of
from models._kernel.scenarios import Past as Days
from models.imbalance.spec import LEVELS
from models.imbalance.storage import Series

Array = npt.NDArray[np.float64]
NAME = "imbalance"


def draw(
    series: Series, rows: pl.DataFrame, quantiles: Array, past: Past, knots: tuple[float, ...], *, slots: int, count: int
) -> pl.DataFrame:
    """Scenarios of every row of a series: key, scenario, spread_ccy_per_mwh.

    Args:
        series: market, hub, product.
        rows: its rows, in key order; how many of a day are asked changes nothing.
        quantiles: their calibrated quantiles at `LEVELS`, shape (n, levels).
        past: rows whose spread may be known; each decision reads those it knew.
        knots: levels of the past's quantiles.
        slots: intervals of a local day.
        count: scenarios.
    """
    level = level_of(np.sort(past.base, axis=1), knots, past.outcome)
    slot = np.minimum(slots_of(rows), slots - 1)
    frames = []
    for part in rows.with_row_index("row").partition_by("delivery_date", "as_of", maintain_order=True):
        mine, day = part["row"].to_numpy(), int(part["delivery_date"].cast(pl.Int32)[0])
        known = (past.known <= int(part["as_of"].dt.epoch("ms")[0])) & (past.date < day)
        days = _days(past.date[known], past.slot[known], level[known], slots)
        seeds = {"shared_seed": seed_of(series[0], day), "own_seed": seed_of(NAME, *series, day)}
        levels = joint_levels(SCHAAKE, days, day, count, **seeds)[:, slot[mine]]
        values = quantile_at(quantiles[mine], LEVELS, levels)
        frames.append(
            part.select(KEY)[np.repeat(np.arange(mine.size), count)].with_columns(
                pl.Series("scenario", np.tile(np.arange(1, count + 1), mine.size)), pl.Series("spread_ccy_per_mwh", values.T.ravel())
            )
        )
    return pl.concat(frames)


def _days(date: npt.NDArray[np.int64], slot: npt.NDArray[np.int64], level: Array, slots: int) -> Days:
    """Past levels as one row per day, NaN where a spread is not known."""
    days, where = np.unique(date, return_inverse=True)
    table = np.full((days.size, slots), np.nan)
    table[where, slot] = level
    return Days(days, table)
