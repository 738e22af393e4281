"""Alerts on a budget: a rolling quantile of the model's own probabilities, steered so that the budget holds in the long run."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from models.spike_risk.params import Params

Array = npt.NDArray[np.float64]
MIN_POOL = 24 * 14


def alert_levels(pool: pl.DataFrame, asks: list[datetime], params: Params, *, fallback: float) -> Array:
    """Alert threshold at every asked decision time of one hub.

    The threshold is the (1 - share) quantile of the probabilities of the `alert_window_days` before. The share starts at the budget
    and moves by alert_rate * (budget - realised share) after every decision, the recursion of adaptive conformal inference
    (Gibbs & Candès 2021) with alerts for errors: whatever regime comes, the long-run share of alerts returns to the budget. A
    negative share means that the budget is overdrawn: no alert until it has recovered. Whether a spike came plays no part: a decision
    counts from when it was made, with all its intervals, however late their prices become known.

    Args:
        pool: one hub's probabilities: as_of, probability; none made by a model that had seen the outcome.
        asks: decision times asked for, any order.
        params: alert_budget, alert_window_days, alert_rate.
        fallback: threshold where fewer than 14 days of probabilities are there.

    Returns:
        Thresholds in the order of `asks`, within [0, 1].
    """
    ordered = pool.sort("as_of", maintain_order=True)
    probabilities, decided = ordered["probability"].to_numpy(), ordered["as_of"].dt.epoch("ms").to_numpy()
    window = int(timedelta(days=params.alert_window_days).total_seconds() * 1000)
    begins = np.unique(decided)
    shares = _shares(probabilities, decided, begins, window, params)
    levels = []
    for ask in asks:
        at = int(ask.timestamp() * 1000)
        usable = (decided < at) & (decided >= at - window)
        if usable.sum() < MIN_POOL:
            levels.append(fallback)
            continue
        levels.append(_threshold(probabilities[usable], float(shares[np.searchsorted(begins, at)])))
    return np.asarray(levels, dtype=np.float64)


def _shares(probabilities: Array, decided: npt.NDArray[np.int64], begins: npt.NDArray[np.int64], window: int, params: Params) -> Array:
    """Share in force before each decision of the pool and after its last, shape (len(begins) + 1,)."""
    shares = np.full(len(begins) + 1, params.alert_budget)
    first = np.searchsorted(decided, begins)
    last = np.append(first[1:], len(decided))
    oldest = np.searchsorted(decided, begins - window)
    for i in range(len(begins)):
        shares[i + 1] = shares[i]
        if first[i] - oldest[i] >= MIN_POOL:
            level = _threshold(probabilities[oldest[i] : first[i]], float(shares[i]))
            realised = float(np.mean(probabilities[first[i] : last[i]] > level))
            shares[i + 1] += params.alert_rate * (params.alert_budget - realised)
    return shares


def _threshold(probabilities: Array, share: float) -> float:
    """The (1 - share) quantile; 1 (no alert) for a share that is used up."""
    return 1.0 if share <= 0 else float(np.quantile(probabilities, max(1 - share, 0.0)))
