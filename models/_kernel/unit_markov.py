"""Two-state Markov probabilities of units by hour of the week, shrunk from the market to the unit to the hour.

P(state at the foretold hour | last known state, unit, hour of the week, horizon) as shares of past rows, each level held to the one above
by `prior_rows` rows (a beta-binomial posterior mean with the level above as its prior; Efron & Morris 1975): a unit with few rows, or none,
says what its class says.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
STATE, HORIZON = "online_last", "horizon_min"
LEVELS: tuple[tuple[str, ...], ...] = (
    (HORIZON, STATE),
    (HORIZON, STATE, "unit_class"),
    (HORIZON, STATE, "unit_class", "local_hour"),
    (HORIZON, STATE, "product"),
    (HORIZON, STATE, "product", "local_hour"),
    (HORIZON, STATE, "product", "local_hour", "day_of_week"),
)
PRIOR_ROWS = 10.0
RATE, ROWS = "_rate", "_rows"


@dataclass(frozen=True, slots=True)
class Markov:
    """Shares of past rows by level.

    Attributes:
        base: share of all rows, shrunk to one half by two rows.
        tables: per level its columns with `_rate` (posterior mean) and `_rows`.
    """

    base: float
    tables: tuple[pl.DataFrame, ...]

    @classmethod
    def of(cls, rows: pl.DataFrame, event: str, *, prior_rows: float = PRIOR_ROWS, levels: Sequence[tuple[str, ...]] = LEVELS) -> Self:
        """Count past rows.

        Args:
            rows: past rows with the columns of the levels and the event (0 or 1, no nulls).
            event: its name.
            prior_rows: rows that the level above counts as.
            levels: columns of every level, from coarse to fine.
        """
        base = (float(rows[event].sum()) + 1.0) / (rows.height + 2.0)
        made: list[pl.DataFrame] = []
        for keys in levels:
            counted = rows.group_by(keys).agg(pl.col(event).sum().alias("_hits"), pl.len().alias(ROWS)).sort(keys)
            above = _told(counted, made, base)
            rate = (counted["_hits"].to_numpy() + prior_rows * above) / (counted[ROWS].to_numpy() + prior_rows)
            made.append(counted.select(*keys, pl.Series(RATE, rate, dtype=pl.Float64), pl.col(ROWS).cast(pl.Int64)))
        return cls(base, tuple(made))

    def probability(self, rows: pl.DataFrame) -> Array:
        """Posterior mean of the finest level that has seen the row's own values, shape (n,)."""
        return _told(rows, self.tables, self.base)


def best_prior(past: pl.DataFrame, test: pl.DataFrame, event: str, priors: Sequence[float]) -> tuple[float, float]:
    """Of the weights of the level above the one with the best log score on rows after those that are counted.

    Args:
        past: rows that are counted.
        test: later rows.
        event: outcome, 0 or 1, no nulls.
        priors: rows that the level above may count as.

    Returns:
        The weight, and its mean log loss.
    """
    y = test[event].to_numpy()
    losses = {}
    for prior in priors:
        p = np.clip(Markov.of(past, event, prior_rows=prior).probability(test), 1e-9, 1 - 1e-9)
        losses[prior] = float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p))) if y.size else 0.0
    best = min(losses, key=lambda k: (losses[k], k))
    return best, losses[best]


def is_unseen(rows: pl.DataFrame, share: float) -> pl.Series:
    """Rows of units that a test on new units keeps from a fit: those whose name has one of the lowest hashes (CRC-32)."""
    names = rows["product"].unique().to_list()
    low = {n: zlib.crc32(str(n).encode()) / 2**32 < share for n in names}
    return rows["product"].cast(pl.String).replace_strict(low, return_dtype=pl.Boolean)


def _told(rows: pl.DataFrame, tables: Sequence[pl.DataFrame], base: float) -> Array:
    """Rate of the finest of the tables whose columns the rows have and that has seen their values; else the base."""
    usable = [t for t in tables if set(t.columns) - {RATE, ROWS} <= set(rows.columns)]
    if not usable:
        return np.full(rows.height, base)
    found, names = rows, list[str]()
    for number, table in enumerate(usable):
        keys, name = [c for c in table.columns if c not in {RATE, ROWS}], f"_told_{number}"
        found = found.join(table.select(*keys, pl.col(RATE).alias(name)), on=keys, how="left", maintain_order="left")
        names.insert(0, name)
    return np.asarray(found.select(pl.coalesce(*names, pl.lit(base)).alias("told"))["told"].to_numpy(), dtype=np.float64)
