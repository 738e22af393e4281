"""Walk-forward folds on knowledge time: what was known at a fold's first decision trains it, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from models._kernel.spec import PRICE


@dataclass(frozen=True, slots=True)
class Fold:
    """One refit and the delivery days it answers for.

    Attributes:
        index: position in the walk, from 0.
        test_dates: delivery dates answered by this fit, ascending, without gaps in the data's own dates.
        first_decision: decision time of the first test date.
        cutoff: first decision less the embargo; the `cutoff` of `Model.fit`.
        train_from: first delivery date of the training window.
        train_to: last delivery date that purging leaves in it.
    """

    index: int
    test_dates: tuple[date, ...]
    first_decision: datetime
    cutoff: datetime
    train_from: date
    train_to: date

    def train(self, frame: pl.DataFrame, known: str = PRICE.known) -> pl.DataFrame:
        """Rows to learn from: delivered in the window, target known at the cutoff (column `known`)."""
        return frame.filter(
            pl.col("delivery_date").is_between(self.train_from, self.train_to)
            & pl.col(known).is_not_null()
            & (pl.col(known) <= self.cutoff)
        )

    def test(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows to answer on."""
        return frame.filter(pl.col("delivery_date").is_in(self.test_dates))


def walk_forward(
    delivery_dates: Iterable[date],
    *,
    gate: Callable[[date], datetime],
    first_test: date,
    last_test: date,
    refit_days: int = 7,
    purge: int = 0,
    embargo: int = 0,
    train_days: int | None = None,
    min_train_days: int = 1,
) -> tuple[Fold, ...]:
    """Folds that cover every delivery date of [first_test, last_test] in the data exactly once.

    Args:
        delivery_dates: dates in the data, any order, repeats allowed.
        gate: decision time of a delivery date (`market.gate`).
        first_test: first scored delivery date.
        last_test: last scored delivery date.
        refit_days: calendar days answered per fit.
        purge: whole delivery days dropped before the first test date: the label horizon of targets that span several days.
            Targets not known at the cutoff are dropped in any case.
        embargo: days between the last knowledge a fold may use and its first decision.
        train_days: length of a rolling training window; None expands from the first date.
        min_train_days: dates the first fold must have to train on.

    Returns:
        Folds in time order.

    Raises:
        ValueError: an empty window, a refit below one day, or a first fold without enough training dates.
    """
    dates = sorted(set(delivery_dates))
    for name, value, smallest in (("refit_days", refit_days, 1), ("purge", purge, 0), ("embargo", embargo, 0)):
        if value < smallest:
            raise ValueError(f"{name} is {value}; it must be at least {smallest}")
    tested = [d for d in dates if first_test <= d <= last_test]
    if not tested:
        raise ValueError(f"no delivery date of the data lies in {first_test}..{last_test}; the data has {_range(dates)}")
    blocks: dict[int, list[date]] = {}
    for day in tested:
        blocks.setdefault((day - first_test).days // refit_days, []).append(day)
    folds = []
    for index, days in enumerate(blocks.values()):
        train_to = days[0] - timedelta(days=1 + purge)
        train_from = dates[0] if train_days is None else max(dates[0], train_to - timedelta(days=train_days - 1))
        decision = gate(days[0])
        folds.append(Fold(index, tuple(days), decision, decision - timedelta(days=embargo), train_from, train_to))
    available = sum(folds[0].train_from <= d <= folds[0].train_to for d in dates)
    if available < min_train_days:
        raise ValueError(
            f"the first fold ({tested[0]}) has {available} training dates, {min_train_days} are needed; begin the test window later"
        )
    return tuple(folds)


def _range(dates: list[date]) -> str:
    return f"{dates[0]}..{dates[-1]}" if dates else "no dates"
