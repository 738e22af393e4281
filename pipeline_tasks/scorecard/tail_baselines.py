"""Baselines of tails: unconditional and rolling Pareto tails, historical simulation, GARCH-EVT, a point forecast with Pareto errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.tail_regression import ShapePrior, fit_pareto, static_threshold
from models._kernel.tails import Tail, spliced_ladder
from pipeline_tasks.scorecard.garch import garch_filter
from pipeline_tasks.scorecard.measures import NotMeasurableError
from pipeline_tasks.scorecard.panel import Comparator
from pipeline_tasks.scorecard.point_baselines import persistence
from pipeline_tasks.scorecard.published import published
from pipeline_tasks.scorecard.ridge import ridge_walk
from pipeline_tasks.scorecard.sources import DataSet
from pipeline_tasks.scorecard.window import Window

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
WEEK, YEAR, FEWEST = 7, 365, 300
MLE = ShapePrior(mean=0.1, spread=10.0, low=-0.45, high=0.95)
WIDE = (-1e6, 1e6)


@dataclass(frozen=True, slots=True)
class Law:
    """An unconditional law: quantiles at the panel's levels, shape (k,), and shortfalls at the tails', shape (t,)."""

    quantiles: Array
    shortfalls: Array


@dataclass(frozen=True)
class Asked:
    """What baselines of tails answer.

    Attributes:
        data: data set; its frame is in key order.
        window: scored window; tails of a week are refitted on what was known at its first decision.
        chosen: rows that are scored, shape (n,).
        levels: levels of the quantiles, shape (k,).
        tails: levels of the shortfalls, shape (t,).
        threshold: spike threshold of every row of the frame, shape (n,).
    """

    data: DataSet
    window: Window
    chosen: npt.NDArray[np.bool_]
    levels: Array
    tails: Array
    threshold: Array

    @cached_property
    def price(self) -> Array:
        """Outcome of every row, NaN where unknown."""
        return self.data.frame["price_ccy_per_mwh"].cast(pl.Float64).fill_null(float("nan")).to_numpy()

    @cached_property
    def level(self) -> tuple[Array, str]:
        """Point forecast of every row, and which one it is."""
        return _level(self.data, self.window)

    def weekly(self, name: str, make: Callable[[Array], Law], told: str, *, centre: Array, scale: Array, once: bool = False) -> Comparator:
        """A law of the errors (price - centre) / scale of the 365 days before each week, moved to each row's centre and scale."""
        n, market = len(self.price), self.data.selection.market
        error = (self.price - centre) / scale
        made = np.full((n, len(self.levels) + len(self.tails)), np.nan)
        for past, asked in _steps(self.data.frame, self.window, self.chosen, once=once):
            sample = error[past][np.isfinite(error[past])]
            if len(sample) >= FEWEST:
                law = make(sample)
                made[asked] = centre[asked, None] + scale[asked, None] * np.concatenate((law.quantiles, law.shortfalls))
        table = np.clip(made[self.chosen], market.price_floor, market.price_cap)
        quantiles, shortfalls = np.split(table, [len(self.levels)], axis=1)
        middle = quantiles[:, int(np.argmin(np.abs(self.levels - 0.5)))]
        return Comparator(name, middle, quantiles, note=told, shortfalls=shortfalls)

    def pareto(self, sample: Array) -> Law:
        """`pareto_law` at the levels asked for."""
        return pareto_law(sample, self.levels, self.tails)

    def empirical(self, sample: Array) -> Law:
        """`empirical_law` at the levels asked for."""
        return empirical_law(sample, self.levels, self.tails)


def _static(asked: Asked, name: str) -> Comparator:
    none = np.zeros(len(asked.price))
    return asked.weekly(name, asked.pareto, "fitted once, before the window", centre=none, scale=none + 1, once=True)


def _rolling(asked: Asked, name: str) -> Comparator:
    none = np.zeros(len(asked.price))
    return asked.weekly(name, asked.pareto, "refitted every week on 365 days", centre=none, scale=none + 1)


def _historical(asked: Asked, name: str) -> Comparator:
    none = np.zeros(len(asked.price))
    return asked.weekly(name, asked.empirical, "prices of 365 days, renewed every week", centre=none, scale=none + 1)


def _level_gpd(asked: Asked, name: str) -> Comparator:
    level, which = asked.level
    told = f"{which}; Pareto tails of its errors of 365 days, refitted every week"
    return asked.weekly(name, asked.pareto, told, centre=level, scale=np.ones(len(level)))


def _garch_evt(asked: Asked, name: str) -> Comparator:
    frame = asked.data.frame
    if frame["resolution_min"].max() != 60:
        raise NotMeasurableError("GARCH-EVT is fitted by hour of the day on hourly data only; finer steps would take hundreds of series")
    centre = persistence(frame)
    sigma = garch_filter(frame, asked.price - centre, asked.window.folds)
    return asked.weekly(name, asked.pareto, "GJR-GARCH by hour around the last known price, weekly tails", centre=centre, scale=sigma)


def _level_alarm(asked: Asked, name: str) -> Comparator:
    level, which = asked.level
    score = (level - asked.threshold)[asked.chosen]
    return Comparator(name, np.full(len(score), np.nan), score=score, note=which)


def _yesterday_spike(asked: Asked, name: str) -> Comparator:
    score = (persistence(asked.data.frame) > asked.threshold).astype(np.float64)[asked.chosen]
    return Comparator(name, np.full(len(score), np.nan), score=score)


BASELINES: dict[str, Callable[[Asked, str], Comparator]] = {
    "static_gpd": _static,
    "rolling_gpd": _rolling,
    "historical_simulation": _historical,
    "level_gpd": _level_gpd,
    "garch_evt": _garch_evt,
    "level_alarm": _level_alarm,
    "yesterday_spike": _yesterday_spike,
}


def tail_comparators(names: list[str], asked: Asked) -> tuple[dict[str, Comparator], dict[str, str]]:
    """Named baselines on the chosen rows, and why one that is asked for cannot be had; other names are left to the caller."""
    made, absent = {}, {}
    for name in names:
        if name in BASELINES:
            try:
                made[name] = BASELINES[name](asked, name)
            except NotMeasurableError as error:
                absent[name] = str(error)
    return made, absent


def _level(data: DataSet, window: Window) -> tuple[Array, str]:
    """Point forecast of every row: published LEAR where there is one, else the hourly ridge regression; and which."""
    frame = data.frame
    level = ridge_walk(frame, (*window.warm, *window.folds))
    public, _ = published(data, frame)
    if "published_lear" in public and np.isfinite(public["published_lear"]).sum() > np.isfinite(level).sum() // 2:
        return np.where(np.isfinite(public["published_lear"]), public["published_lear"], np.nan), "published LEAR"
    return level, "ridge regression per hour"


def _steps(frame: pl.DataFrame, window: Window, chosen: npt.NDArray[np.bool_], *, once: bool) -> list[tuple[Rows, Rows]]:
    """Rows to learn from and rows to answer, per hub and week of the window; learning rows were known at the week's first decision."""
    rows = frame.select("hub", "delivery_date", "as_of", "price_known_ts").with_row_index("row").with_columns(pl.Series("asked", chosen))
    days = (window.last - window.first).days + 1
    weeks = [window.first] if once else [window.first + timedelta(days=k) for k in range(0, days, WEEK)]
    steps = []
    for part in rows.partition_by("hub"):
        for first in weeks:
            last = window.last if once else first + timedelta(days=WEEK - 1)
            asked = part.filter(pl.col("asked") & pl.col("delivery_date").is_between(first, last))
            if asked.is_empty():
                continue
            known = (pl.col("price_known_ts") <= asked["as_of"].min()) & (pl.col("delivery_date") < first)
            past = part.filter(known & (pl.col("delivery_date") >= first - timedelta(days=YEAR)))
            steps.append((past["row"].cast(pl.Int64).to_numpy(), asked["row"].cast(pl.Int64).to_numpy()))
    return steps


def pareto_law(sample: Array, levels: Array, tails: Array) -> Law:
    """Empirical quantiles in the middle, Pareto tails by maximum likelihood beyond thresholds chosen for a stable shape."""
    upper, lower = _tail(sample), _tail(-sample)
    ends = (1 - lower.level, upper.level)
    grid = np.unique(np.concatenate((ends, levels[(levels > ends[0]) & (levels < ends[1])])))
    body = np.quantile(sample, grid)[None, :]
    quantiles = spliced_ladder(grid.tolist(), body, levels.tolist(), upper=upper, lower=lower)[0]
    high = upper.shortfall(tails[tails > 0.5].tolist(), WIDE[1])[0]
    low = -lower.shortfall((1 - tails[tails < 0.5]).tolist(), WIDE[1])[0]
    return Law(quantiles, np.concatenate((low, high)))


def _tail(sample: Array) -> Tail:
    level = min(static_threshold(sample), 0.945)
    u = float(np.quantile(sample, level))
    excess = sample[sample > u] - u
    if len(excess) < 10:  # prices that stand at their limit
        return Tail(level, np.array([u]), np.array([1e-6]), np.array(0.0))
    fitted = fit_pareto(excess, np.empty((len(excess), 0)), prior=MLE)
    return Tail(level, np.array([u]), np.exp(fitted.weights[:1]), np.array(fitted.shape))


def empirical_law(sample: Array, levels: Array, tails: Array) -> Law:
    """Quantiles of the sample, and means beyond them."""
    marks = np.quantile(sample, tails)
    means = [sample[sample >= m].mean() if p > 0.5 else sample[sample <= m].mean() for p, m in zip(tails, marks, strict=True)]
    return Law(np.quantile(sample, levels), np.asarray(means))
