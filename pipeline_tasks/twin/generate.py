"""Make the days that a horizon lacks: a serial chain of commitments, and the clearing of days in parallel behind it.

The chain runs in a process of its own and hands over through files, so that days are cleared as soon as they are committed and a broken run
goes on where it stopped. What a day holds depends on the day alone: one process or many, today or with a longer horizon, the same bytes.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from config.settings import Settings, get_settings
from pipeline_tasks.processes import MATH_THREADS
from pipeline_tasks.twin.cache import DayStore
from pipeline_tasks.twin.crew import ONE_THREAD, Crew, Work
from pipeline_tasks.twin.identity import profile_digest
from pipeline_tasks.twin.profiles import TwinProfile
from pipeline_tasks.warehouse.server import exclusive

ALONE_DAYS = 3  # so few days are made without other processes: starting those takes longer


def store_of(profile: TwinProfile, settings: Settings | None = None) -> DayStore:
    """Where the profile's days lie, or will."""
    return DayStore.of((settings or get_settings()).twin_cache_folder, profile.name, profile_digest(profile))


def days_of(profile: TwinProfile, last: date) -> list[date]:
    """Dates from the profile's first to `last`.

    Raises:
        ValueError: `last` is outside the profile's horizon.
    """
    return [profile.start_date + timedelta(days=k) for k in range(profile.day(last) + 1)]


def generate(profile: TwinProfile, last: date, store: DayStore, *, processes: int | None = None) -> Iterator[date]:
    """Make the missing days up to `last`, and say of each day, in order, when it is there.

    Args:
        profile: what to simulate.
        last: last date.
        store: where the days go: `store_of(profile)`.
        processes: number of processes; as many as there are cores when None. The rows are the same.

    Yields:
        Every date from the first to `last`; its rows lie in the store.

    Raises:
        ValueError: the profile or the code changed since the store was chosen.
    """
    days = days_of(profile, last)
    missing = [d for d in days if not store.has(d)]
    if not missing:
        yield from days
        return
    with exclusive(store.lock):  # another process may be making the same days; then there is nothing left to do
        missing = [d for d in days if not store.has(d)]
        count = processes or os.cpu_count() or 1
        alone = count == 1 or len(missing) <= ALONE_DAYS or multiprocessing.current_process().daemon
        with _environment(store):
            work = Work(profile, days[-1], store)
            made = _alone(work, missing) if alone else Crew(work, missing, count).run()
            wanted = iter(days)
            for day in made:
                yield from _until(wanted, day)
        yield from wanted


def _until(days: Iterator[date], last: date) -> Iterator[date]:
    """The next days up to and with `last`."""
    for day in days:
        yield day
        if day == last:
            return


@contextmanager
def _environment(store: DayStore) -> Iterator[None]:
    """One thread per process, and compiled code kept beside the days; as it was before, afterwards."""
    wanted = {**MATH_THREADS, **ONE_THREAD, "NUMBA_CACHE_DIR": str(store.folder.parent / "compiled")}
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _alone(work: Work, missing: list[date]) -> Iterator[date]:
    for delivery in missing:
        work.commit(delivery)
        work.clear(delivery)
        yield delivery
