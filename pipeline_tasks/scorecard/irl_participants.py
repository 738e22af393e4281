"""F3: participants: their offers of the next day in a real balancing mechanism; costs, markups and the price in the simulated market."""

from __future__ import annotations

from collections.abc import Callable

from models._kernel.yardstick import DataClass
from pipeline_tasks.participants.hourly import NoOffersError
from pipeline_tasks.scorecard.irl_hourly import METRICS, hourly_rows
from pipeline_tasks.scorecard.rows import ScoreRow
from pipeline_tasks.scorecard.sources import TWIN_DATE, DataAbsentError
from pipeline_tasks.scorecard.systems import SystemJob, system_row

DATA_SETS = ("gb_bm", "twin")


def rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of F3 on one data set."""
    made: dict[str, Callable[[SystemJob], list[ScoreRow]]] = {"gb_bm": hourly_rows, "twin": _twin_rows}
    if job.data_set not in made:
        return [system_row(job, DataClass.REAL, m, None, reason=f"not a data set of this system: {', '.join(DATA_SETS)}") for m in METRICS]
    try:
        return made[job.data_set](job)
    except (DataAbsentError, NoOffersError) as error:
        return [system_row(job, DataClass.REAL, m, None, reason=str(error)) for m in METRICS]


def _twin_rows(job: SystemJob) -> list[ScoreRow]:
    from pipeline_tasks.contracts.features import DAY_AHEAD
    from pipeline_tasks.participants.daily import read_daily
    from pipeline_tasks.participants.stores import read_stores
    from pipeline_tasks.scorecard.irl_market import market_rows
    from pipeline_tasks.scorecard.irl_recovery import FIRST_DAY, folds_of, read_truth, recovery_rows, store_rows
    from pipeline_tasks.scorecard.sources import WarehouseSource
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.truth import open_truth

    data = WarehouseSource().load(job.data_set, DAY_AHEAD, job.say)
    with connect() as warehouse:
        book = read_daily(warehouse, data.selection.market, job.end or TWIN_DATE)
        first = FIRST_DAY if job.start is None else max(book.day_of(job.start), FIRST_DAY)
        last = len(book.days) - 1
        job.say(f"{job.data_set}: costs and markups")
        folds = list(folds_of(book, first, last))
        stores = read_stores(warehouse, book)
        with open_truth("yardstick") as truth:
            if truth is None:
                found = [system_row(job, DataClass.TWIN, "cost_within_5pct", None, reason="this server has no account that may read truth")]
            else:
                found = recovery_rows(job, book, folds, read_truth(truth, book))
        found += store_rows(job, book, stores, first, last)
        return found + market_rows(job, warehouse, book, folds, stores, data.frame)
