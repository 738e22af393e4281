"""Out-of-sample level scores of training rows: hourly ridge regressions in forward-chained blocks, each on earlier outcomes only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.hour_ridge import LevelModel, fit_levels

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Fold = tuple[Mask, Mask]


def time_folds(as_of: npt.NDArray[np.int64], known: npt.NDArray[np.int64], *, folds: int, share: float) -> list[Fold]:
    """Forward-chained folds over the last `share` of the rows' decision times.

    A fold's training rows are those whose outcome was known before the first decision of its validation block, so labels
    of the block's own time never leak (purging on knowledge time).

    Args:
        as_of: decision time of every row (integer instants).
        known: when the row's outcome became known.
        folds: number of validation blocks.
        share: part of the decision times that is validated.

    Returns:
        (train mask, validation mask) per fold, in time order; folds without rows on either side are left out.
    """
    instants = np.unique(as_of)
    later = instants[int(len(instants) * (1 - share)) :]
    blocks = [b for b in np.array_split(later, folds) if len(b)]
    pairs = [(known <= b[0], (as_of >= b[0]) & (as_of <= b[-1])) for b in blocks]
    return [(train, valid) for train, valid in pairs if train.any() and valid.any()]


def matrix(inputs: pl.DataFrame, names: Sequence[str]) -> Array:
    """The named inputs, shape (n, p), NaN where unknown or absent."""
    absent = [n for n in names if n not in inputs.columns]
    full = inputs.with_columns(pl.lit(None, dtype=pl.Float64).alias(n) for n in absent)
    return full.select(pl.col(n).fill_null(float("nan")) for n in names).to_numpy().reshape(len(full), len(names)).astype(np.float64)


def hours_of(rows: pl.DataFrame) -> Ints:
    """Local hour of every row."""
    return rows["local_hour"].cast(pl.Int64).to_numpy()


def level_target(rows: pl.DataFrame) -> Array:
    """What the level regressions forecast: arsinh((price - median) / scale), shape (n,)."""
    return np.asarray(np.arcsinh(((rows["price_ccy_per_mwh"] - rows["median"]) / rows["scale"]).to_numpy()), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Ages:
    """Decision and knowledge times (ms since 1970) and age in days of training rows, each shape (n,)."""

    as_of: Ints
    known: Ints
    days: Array

    @classmethod
    def of(cls, rows: pl.DataFrame, cutoff: datetime) -> Self:
        """Those of `rows` at a cutoff."""
        as_of, known = (rows[c].dt.epoch("ms").to_numpy() for c in ("as_of", "price_known_ts"))
        return cls(as_of, known, (cutoff.timestamp() - as_of / 1000.0) / 86_400.0)


@dataclass
class ChainedLevel:
    """Level regressions on training rows: in forward-chained blocks, and the final one; the penalty is chosen on the blocks.

    Attributes:
        names: inputs, length p.
        inputs: shape (n, p), NaN where unknown.
        hours: local hour, shape (n,).
        target: `level_target`, shape (n,).
        ages: age of every row in days, shape (n,).
        penalties: ridge penalties to choose from.
        windows: training windows in days whose regressions are averaged.
        penalty: the chosen penalty, once `chained` was called.
    """

    names: Sequence[str]
    inputs: Array
    hours: Ints
    target: Array
    ages: Array
    penalties: tuple[float, ...]
    windows: tuple[int, ...]
    penalty: float = 0.0

    def chained(self, as_of: Ints, known: Ints, *, blocks: int, warmup: float) -> Array:
        """Level of every row from regressions on earlier outcomes only; NaN for the first `warmup` share, which has none."""
        folds = time_folds(as_of, known, folds=blocks, share=1 - warmup)
        levels = np.full((len(self.penalties), len(self.target)), np.nan)
        for train_rows, block in folds:
            for level, model in zip(levels, self._fit(train_rows, self.penalties), strict=True):
                level[block] = model.predict(self.inputs[block], self.hours[block])
        made = np.isfinite(levels[0])
        losses = ((levels[:, made] - self.target[made]) ** 2).sum(axis=1)
        best = int(np.argmin(losses))
        self.penalty = self.penalties[best]
        return np.asarray(levels[best])

    def final(self) -> LevelModel:
        """The regressions on all rows, with the penalty that `chained` chose."""
        return self._fit(np.ones(len(self.target), dtype=bool), (self.penalty,))[0]

    def _fit(self, rows: Mask, penalties: Sequence[float]) -> list[LevelModel]:
        age = self.ages[rows] - self.ages[rows].min()
        return fit_levels(
            self.names, self.inputs[rows], self.hours[rows], self.target[rows], age, penalties=penalties, windows=self.windows
        )
