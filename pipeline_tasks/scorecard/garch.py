"""GJR-GARCH volatility of hourly series, one series per hub and hour of the day, fitted at each refit and filtered in between."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.splitter import Fold

Array = npt.NDArray[np.float64]
MIN_DAYS, MOST_DAYS, UNIT = 120, 1095, 10.0


def garch_filter(frame: pl.DataFrame, error: Array, folds: tuple[Fold, ...]) -> Array:
    """Conditional standard deviation of `error` at every row's decision, shape (n,), in its unit (Glosten, Jagannathan & Runkle 1993).

    Parameters are those fitted at the last refit before the row (for rows before the first refit, at the first). Where the error of
    the day before was not known at the decision, it counts as its expectation.

    Args:
        frame: rows in key order.
        error: price less the last known price of the hour, NaN where either is unknown.
        folds: the walk's folds.
    """
    made = np.full(len(frame), np.nan)
    known = frame["price_known_ts"].dt.epoch("ms").fill_null(np.iinfo(np.int64).max).to_numpy()
    decided = frame["as_of"].dt.epoch("ms").to_numpy()
    groups = frame.with_row_index("row").group_by("hub", "local_hour", maintain_order=True).agg("row")["row"].to_list()
    for group in groups:
        rows = np.asarray(group, dtype=np.int64)
        made[rows] = _series(error[rows], known[rows], decided[rows], [int(f.cutoff.timestamp() * 1000) for f in folds])
    return np.asarray(np.where(np.isfinite(made), np.maximum(made, 1e-3), np.nan), dtype=np.float64)


def _series(error: Array, known: npt.NDArray[np.int64], decided: npt.NDArray[np.int64], cutoffs: list[int]) -> Array:
    """Standard deviations of one series in day order."""
    made, filled = np.full(len(error), np.nan), np.nan_to_num(error)
    for k, cutoff in enumerate(cutoffs):
        past = error[(known <= cutoff) & np.isfinite(error)][-MOST_DAYS:]
        if len(past) < MIN_DAYS:
            continue
        unit = float(np.std(past)) / UNIT or 1.0
        law = _fit(past / unit)
        begins = cutoff if k else -1
        ends = cutoffs[k + 1] if k + 1 < len(cutoffs) else np.iinfo(np.int64).max
        sigma = unit * np.sqrt(_filter(filled / unit, known, decided, law))
        inside = (decided >= begins) & (decided < ends)
        made[inside] = sigma[inside]
    return made


def _fit(values: Array) -> tuple[float, float, float, float]:
    """omega, alpha, gamma, beta by quasi maximum likelihood (Gaussian), made stationary where the fit is not."""
    from arch import arch_model

    found = arch_model(values, mean="Zero", vol="GARCH", p=1, o=1, q=1, rescale=False).fit(disp="off", show_warning=False).params
    omega, alpha, gamma, beta = (float(v) for v in found.to_numpy())
    persistence = alpha + gamma / 2 + beta
    shrink = min(1.0, 0.995 / persistence) if persistence > 0 else 1.0
    return max(omega, 1e-6), alpha * shrink, gamma * shrink, beta * shrink


def _filter(e: Array, known: npt.NDArray[np.int64], decided: npt.NDArray[np.int64], law: tuple[float, float, float, float]) -> Array:
    """Variance of every day given what its decision knew."""
    omega, alpha, gamma, beta = law
    mean = omega / max(1 - alpha - gamma / 2 - beta, 1e-3)
    state = before = mean
    made = np.empty(len(e))
    for day in range(len(e)):
        seen = day == 0 or known[day - 1] <= decided[day]
        made[day] = state if seen else omega + (alpha + gamma / 2 + beta) * before
        before, state = state, omega + (alpha + gamma * (e[day] < 0)) * e[day] ** 2 + beta * state
    return made
