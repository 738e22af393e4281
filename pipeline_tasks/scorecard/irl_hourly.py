"""F3 on Great Britain's balancing mechanism: offers and bids of the next day against three baselines, walk-forward by month."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from models._kernel.behaviour.bid_policy import LAST_WEEK, NEWEST, BidPolicies, learn_policies
from models._kernel.behaviour.habits import LEVELS
from models._kernel.behaviour.hourly_bids import KINDS, cost_paths
from models._kernel.metrics import crps_losses
from models._kernel.yardstick import DataClass
from pipeline_tasks.participants.hourly import HourlyBook, daily_lowest, known_days, read_book, rows_of, unit_kinds
from pipeline_tasks.scorecard.irl_rows import beats
from pipeline_tasks.scorecard.rows import ScoreRow
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
LEARN_DAYS = 28
COST_DAYS = 60
FIRST_MONTHS = 2  # months that are only learned from
MEDIAN = int(np.argmin(np.abs(LEVELS - 0.5)))
BASELINES = ("same_as_last_week", "same_as_yesterday", "marginal_cost")
METRICS = ("mae", "crps", "negative_log_likelihood")
REAL = DataClass.REAL


@dataclass(frozen=True, slots=True)
class Scored:
    """Losses of one month, by row.

    Attributes:
        day: delivery date, days since 1970.
        kind: position in KINDS of the row's unit.
        own: MAE, CRPS and log likelihood.
        mae: absolute error of each baseline, NaN where it has none.
        likelihood: log likelihood of the first two baselines.
        left_out: rows with a price that a baseline has none for.
    """

    day: Ints
    kind: Ints
    own: Array
    mae: Array
    likelihood: Array
    left_out: int


def hourly_rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of F3 on a market of hourly bids."""
    from pipeline_tasks.scorecard.sources import WarehouseSource
    from pipeline_tasks.warehouse import connect

    selection = WarehouseSource().prepare(job.data_set, job.say)
    with connect() as warehouse:
        book = read_book(warehouse, selection.market)
    months = []
    for start, end in months_of(book, job):
        job.say(f"{job.data_set}: {start:%Y-%m}")
        months.append(score_month(book, start, end))
    if not months:
        reason = f"{FIRST_MONTHS} months are only learned from, and no month comes after them within the window"
        return [system_row(job, DataClass.REAL, m, None, reason=reason) for m in METRICS]
    return _rows(job, book, months)


def months_of(book: HourlyBook, job: SystemJob) -> Iterator[tuple[date, date]]:
    """First day of each scored month and of the one after it."""
    first, last = book.dates()
    start, skipped = date(first.year, first.month, 1), 0
    while start <= last:
        end = (start + timedelta(days=32)).replace(day=1)
        if skipped >= FIRST_MONTHS and (job.start is None or start >= job.start) and (job.end is None or start <= job.end):
            yield start, end
        start, skipped = end, skipped + 1


def score_month(book: HourlyBook, start: date, end: date) -> Scored:
    """Learn from what was known at the gate of the month's first day, score the month."""
    span = book.hours_of(start, end)
    until = int(book.bids.known[span.start])
    past = book.hours_of(start - timedelta(days=LEARN_DAYS + 2), start)
    series, hour = rows_of(book, past, until=until)
    kind = unit_kinds(book, past, until)
    ours, *others = (
        learn_policies(book.bids, series, hour, kind, columns) if columns else learn_policies(book.bids, series, hour, kind)
        for columns in (None, (LAST_WEEK,), (NEWEST,))
    )
    cost = cost_paths(daily_lowest(book), book.fuels, known_days(book, start, COST_DAYS))
    return _score(book, span, (ours, *others), cost, kind)


def _score(book: HourlyBook, span: slice, policies: tuple[BidPolicies, ...], cost: Array, kind: Ints) -> Scored:
    series, hour = rows_of(book, span)
    candidates = book.bids.candidates(series, hour)
    told = np.isfinite(candidates[:, [NEWEST, LAST_WEEK]]).all(axis=1)
    series, hour, candidates = series[told], hour[told], candidates[told]
    price = book.bids.price[series, hour]
    quantiles = policies[0].quantiles(book.bids, series, hour)
    density = [p.log_density(book.bids, series, hour) for p in policies]
    day = np.searchsorted(book.days, book.delivery[hour])
    baselines = np.column_stack([candidates[:, LAST_WEEK], candidates[:, NEWEST], cost[series, day]])
    own = np.column_stack([np.abs(price - quantiles[:, MEDIAN]), crps_losses(price, quantiles, LEVELS), density[0]])
    errors = np.abs(price[:, None] - baselines)
    return Scored(book.delivery[hour], kind[series // 2], own, errors, np.column_stack(density[1:]), int((~told).sum()))


def _rows(job: SystemJob, book: HourlyBook, months: list[Scored]) -> list[ScoreRow]:
    day, kind, own, mae, likelihood = (
        np.concatenate([getattr(m, name) for m in months]) for name in ("day", "kind", "own", "mae", "likelihood")
    )
    left = sum(m.left_out for m in months)
    note = (
        f"hours of {len(book.units)} units with a price, offers and bids alike; known {book.lag_min} minutes after the hour, decided at the"
        f" day-ahead gate, learned from {LEARN_DAYS} days before each month;"
        f" {left} hours without a price a week or a day before are left out"
    )
    made = []
    for k, baseline in enumerate(BASELINES):
        point = f"GBP/MWh; a point forecast's CRPS is its error; {note}"
        made.append(beats(job, REAL, "mae", (own[:, 0], mae[:, k]), day, (f"GBP/MWh; {note}", baseline)))
        made.append(beats(job, REAL, "crps", (own[:, 1], mae[:, k]), day, (point, baseline)))
        if k < likelihood.shape[1]:
            said = f"nats per price, minus the mean log density; the baseline has error kernels of its own, learned alike; {note}"
            made.append(beats(job, REAL, "negative_log_likelihood", (-own[:, 2], -likelihood[:, k]), day, (said, baseline)))
    for k, name in enumerate(KINDS):
        mine = kind == k
        if mine.any():
            said = f"units whose past says {name}; GBP/MWh"
            made.append(beats(job, REAL, f"mae_{name}", (own[mine, 0], mae[mine, 0]), day[mine], (said, BASELINES[0])))
    return made
