"""Price levels known at a decision time: the spike threshold, the scale of prices, and how often spikes came lately."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

SERIES = ("market", "hub", "product")
LEVEL_KEY = (*SERIES, "as_of")
LEVELS = pl.Schema(
    {
        "market": pl.String(),
        "hub": pl.String(),
        "product": pl.String(),
        "as_of": pl.Datetime("ms", "UTC"),
        "threshold": pl.Float64(),
        "median": pl.Float64(),
        "scale": pl.Float64(),
        "days": pl.Float64(),
        "share_1d": pl.Float64(),
        "share_7d": pl.Float64(),
        "share_28d": pl.Float64(),
    }
)
LAST = ("threshold", "median", "scale", "share_1d", "share_7d", "share_28d")
FALLBACK = "too little known price history: threshold of the training cutoff used"
Array = npt.NDArray[np.float64]
Instants = npt.NDArray[np.datetime64]


def levels_at(outcomes: pl.DataFrame, asks: pl.DataFrame, *, window_days: int, quantile: float, min_days: int) -> pl.DataFrame:
    """Threshold and scale for every asked (market, hub, product, as_of), from prices known at that as_of only.

    The window is the `window_days` before as_of, by delivery; where less is known the quantile is taken over what there
    is, but of at least `min_days`; below that the row's levels are null.

    Args:
        outcomes: rows with a known price: LEVEL_KEY without as_of, delivery_ts, price_ccy_per_mwh, price_known_ts.
        asks: frame with the columns of LEVEL_KEY, each row once.
        window_days: length of the window.
        quantile: level of the threshold, e.g. 0.98.
        min_days: shortest admissible history.

    Returns:
        Frame of schema LEVELS: threshold, median (currency/MWh), scale (threshold - median, at least 1 % of the larger
        of the two and 0.01), days of history, and the share of the last 1, 7 and 28 days' prices above the threshold.
    """
    frames = [pl.DataFrame(schema=LEVELS)]
    known = outcomes.group_by(*SERIES, "delivery_ts").agg(pl.col("price_ccy_per_mwh", "price_known_ts").sort_by("price_known_ts").first())
    known = known.sort(*SERIES, "price_known_ts", "delivery_ts")
    for part in asks.select(LEVEL_KEY).sort(LEVEL_KEY).partition_by(*SERIES):
        mine = known.filter(*(pl.col(c) == part[c][0] for c in SERIES))
        rows = _series_levels(mine, part["as_of"].to_numpy(), window_days, quantile, min_days)
        frames.append(part.hstack(pl.DataFrame(rows, schema=list(LEVELS.items())[len(LEVEL_KEY) :])))
    return pl.concat(frames).with_columns(pl.col(pl.Float64).fill_nan(None))


def last_levels(rows: pl.DataFrame) -> pl.DataFrame:
    """The newest levels of every series, what an answer without history of its own falls back to; `rows` carry their levels."""
    return rows.sort("as_of").group_by(SERIES, maintain_order=True).agg(pl.col(LAST).last()).sort(SERIES)


def or_last(rows: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    """`rows` with absent levels taken from `last_levels`, for a series unknown there from their medians; `fallback` marks such rows."""
    typical = {c: last[c].median() for c in LAST}
    there = rows.join(last.rename({c: f"last_{c}" for c in LAST}), on=list(SERIES), how="left", maintain_order="left")
    values = [pl.coalesce(c, f"last_{c}", pl.lit(typical[c], dtype=pl.Float64)).alias(c) for c in LAST]
    return there.with_columns(pl.col("threshold").is_null().alias("fallback")).with_columns(values).drop(f"last_{c}" for c in LAST)


def _series_levels(known: pl.DataFrame, asks: Instants, window_days: int, quantile: float, min_days: int) -> dict[str, Array]:
    """Levels of one hub, one value per ask; `known` is sorted by price_known_ts."""
    delivered = known["delivery_ts"].to_numpy()
    ends = np.searchsorted(known["price_known_ts"].to_numpy(), asks, side="right")
    prices = known["price_ccy_per_mwh"].to_numpy()
    rows = [_one(prices[:end], delivered[:end], ask, window_days, quantile, min_days) for ask, end in zip(asks, ends, strict=True)]
    names = list(LEVELS)[len(LEVEL_KEY) :]
    table = np.asarray(rows, dtype=np.float64).reshape(len(rows), len(names))
    return {name: table[:, i] for i, name in enumerate(names)}


def _one(prices: Array, delivered: Any, ask: Any, window_days: int, quantile: float, min_days: int) -> tuple[float, ...]:
    """Levels at one instant: threshold, median, scale, days, shares of the last 1, 7 and 28 days."""
    nothing = (np.nan,) * (len(LEVELS) - len(LEVEL_KEY))
    inside = delivered >= ask - np.timedelta64(timedelta(days=window_days))
    window, at = prices[inside], delivered[inside]
    if window.size == 0:
        return nothing
    span = float((ask - at.min()) / np.timedelta64(1, "D"))
    if span < min_days:
        return nothing
    median, threshold = (float(v) for v in np.quantile(window, [0.5, quantile]))
    scale = max(threshold - median, 0.01 * abs(threshold), 0.01 * abs(median), 0.01)
    last = at.max()
    shares = [float(np.mean(window[at > last - np.timedelta64(k, "D")] > threshold)) for k in (1, 7, 28)]
    return threshold, median, scale, span, *shares
