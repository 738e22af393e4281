"""How much of a spread's variance arrivals explain on rows that the coefficients never saw (Campbell & Thompson 2008)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.cross.effects import Panel, lagged, without_shocks

Array = npt.NDArray[np.float64]
BEFORE, AFTER = 1, 7
FEWEST_ROWS = 200


@dataclass(frozen=True)
class Explained:
    """Squared errors by row of arrival windows, out of sample.

    Attributes:
        day: (n,) day numbers.
        base, full: (n,) squared errors without and with shocks.
        truth: share of the base's squared error that the true effect makes up in the same rows; NaN where there is no truth.
    """

    day: npt.NDArray[np.int64]
    base: Array
    full: Array
    truth: float

    @property
    def gain(self) -> float:
        """Out-of-sample R2 over the base: 1 - sum of squares with shocks over without."""
        return float(1 - self.full.sum() / self.base.sum())

    def months(self) -> tuple[Array, Array]:
        """Sums of both by month."""
        month = self.day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        code = np.unique(month, return_inverse=True)[1]
        base, full = (np.asarray(np.bincount(code, v), dtype=np.float64) for v in (self.base, self.full))
        return base, full

    def interval(self, *, seed: int, draws: int = 2000) -> tuple[float, float]:
        """95 % interval of the gain, months drawn as a whole."""
        base, full = self.months()
        drawn = np.random.default_rng(seed).integers(0, base.size, (draws, base.size))
        low, high = np.quantile(1 - full[drawn].sum(axis=1) / base[drawn].sum(axis=1), [0.025, 0.975])
        return float(low), float(high)


def windows(shock: Array, threshold: float) -> npt.NDArray[np.bool_]:
    """Rows from `BEFORE` before to `AFTER` after a shock larger than the threshold."""
    big = np.abs(np.nan_to_num(shock)) > threshold
    near = np.zeros(shock.size, dtype=bool)
    for k in range(-BEFORE, AFTER + 1):
        near |= np.roll(big, k) & (np.arange(shock.size) >= max(k, 0)) & (np.arange(shock.size) < shock.size + min(k, 0))
    return near


def explained(panel: Panel, *, first_year: int | None = None) -> Explained:
    """Walk-forward by year: coefficients and the size of a large shock come from the years before.

    Raises:
        ValueError: no year has `FEWEST_ROWS` complete rows before it.
    """
    base = without_shocks(panel)
    tight = panel.shock * np.nan_to_num(panel.tightness)  # an arrival is worth more when gas is short
    full = np.column_stack((base, lagged(panel.shock, range(AFTER + 1)), tight))
    whole = np.asarray(np.isfinite(np.column_stack((panel.move, full))).all(axis=1), dtype=np.bool_)
    year = panel.day.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    kept, errors = [], []
    for y in np.unique(year):
        past, now = whole & (year < y), whole & (year == y)
        if past.sum() < FEWEST_ROWS or not now.any() or (first_year is not None and y < first_year):
            continue
        now &= windows(panel.shock, float(np.nanstd(panel.shock[past])))
        told = [x[now] @ np.linalg.lstsq(x[past], panel.move[past], rcond=None)[0] for x in (base, full)]
        kept.append(np.flatnonzero(now))
        errors.append(np.column_stack([(panel.move[now] - t) ** 2 for t in told]))
    if not kept:
        raise ValueError(f"no year has {FEWEST_ROWS} complete rows before it; give a longer history")
    rows, squares = np.concatenate(kept), np.concatenate(errors)
    return Explained(panel.day[rows], squares[:, 0], squares[:, 1], _true_share(panel, base, whole, rows))


def _true_share(panel: Panel, base: Array, whole: npt.NDArray[np.bool_], rows: npt.NDArray[np.int64]) -> float:
    """Share of the move's variance, freed of the base, that the true effect makes up."""
    if panel.truth_move is None:
        return float("nan")
    x = base[whole]
    left = [v[whole] - x @ np.linalg.lstsq(x, v[whole], rcond=None)[0] for v in (panel.move, panel.truth_move)]
    at = np.isin(np.flatnonzero(whole), rows)
    return float(1 - ((left[0] - left[1])[at] ** 2).sum() / (left[0][at] ** 2).sum())
