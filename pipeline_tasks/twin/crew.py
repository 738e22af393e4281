"""Processes that make days together: one keeps the chain of commitments going, the others clear the days behind it."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from joblib.externals.loky import ProcessPoolExecutor

from pipeline_tasks.processes import end_with_the_parent
from pipeline_tasks.twin.cache import DayStore
from pipeline_tasks.twin.identity import profile_digest
from pipeline_tasks.twin.profiles import TwinProfile

if TYPE_CHECKING:
    from pipeline_tasks.twin.simulation import Simulation

CHAIN_DAYS = 5  # days committed before they are handed over
ONE_THREAD = {"POLARS_MAX_THREADS": "1"}  # frames of a day are small, and every core has a process already


@dataclass(frozen=True)
class Work:
    """Days to make; sent to processes, so it holds names only.

    Attributes:
        profile: what to simulate.
        last: horizon of the simulation.
        store: where the days go.
    """

    profile: TwinProfile
    last: date
    store: DayStore

    def uncommitted(self, until: date) -> list[date]:
        """Dates up to `until` that the chain has not reached."""
        dates = [self.profile.date_of(k) for k in range(self.profile.day(until) + 1)]
        return [d for d in dates if not self.store.committed(d)]

    def commit(self, until: date) -> None:
        """Go on with the chain until a date is committed."""
        for delivery in self.uncommitted(until):
            simulation, day = _simulation(self), self.profile.day(delivery)
            before = self.store.state(self.profile.date_of(day - 1)) if day else simulation.start()
            self.store.write_commitment(delivery, *simulation.commit(day, before))

    def clear(self, delivery: date) -> None:
        """Make the rows of a committed day."""
        day = self.profile.day(delivery)
        self.store.write(delivery, _simulation(self).rows(day, self.store.commitment(delivery)))


@lru_cache(maxsize=1)
def _simulation(work: Work) -> Simulation:
    """The simulation of this process.

    Raises:
        ValueError: numbers or code are not those that the store was made for.
    """
    from pipeline_tasks.twin.simulation import Simulation

    if DayStore.of(work.store.folder.parent, work.profile.name, profile_digest(work.profile)) != work.store:
        raise ValueError(f"the configuration or code of twin profile {work.profile.name} changed while it was generated; start again")
    return Simulation(work.profile, work.last)


class Crew:
    """Makes missing days with several processes.

    Args:
        work: profile, horizon and store.
        missing: dates without rows, in order.
        count: number of processes, at least 2.
    """

    def __init__(self, work: Work, missing: list[date], count: int) -> None:
        """Plan; nothing starts before `run`."""
        self._work, self._missing = work, missing
        late = work.uncommitted(missing[-1])
        self._chain = deque(late[min(k + CHAIN_DAYS, len(late)) - 1] for k in range(0, len(late), CHAIN_DAYS))
        open_days = set(late)
        self._ready = deque(d for d in missing if d not in open_days)
        self._waiting = deque(d for d in missing if d in open_days)
        self._done: set[date] = set()
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._count = count

    def run(self) -> Iterator[date]:
        """Each missing date, in order, as soon as it and those before it are there.

        Raises:
            Exception: what a process raised; days that were finished stay.
        """
        # loky starts processes without running the parent's main script again: that of an orchestrator must not run in them
        parent = (os.getpid(),)
        self._slots = [ProcessPoolExecutor(1, initializer=end_with_the_parent, initargs=parent, env=ONE_THREAD) for _ in range(self._count)]
        self._idle = set(range(self._count))
        try:
            self._assign()
            for delivery in self._missing:
                with self._changed:
                    self._changed.wait_for(lambda day=delivery: day in self._done or self._error is not None)  # type: ignore[misc]
                    if self._error is not None and delivery not in self._done:
                        raise self._error
                yield delivery
        finally:
            self._chain.clear()
            self._ready.clear()
            for slot in self._slots:
                slot.shutdown(wait=True)

    def _assign(self) -> None:
        """Give idle processes work: the first one the chain while there is any."""
        with self._changed:
            for slot in sorted(self._idle):
                if self._error is not None:
                    return
                if slot == 0 and self._chain:
                    self._idle.discard(slot)
                    until = self._chain.popleft()
                    future = self._slots[slot].submit(self._work.commit, until)
                    future.add_done_callback(lambda f, until=until: self._committed(f, until))
                elif self._ready:
                    self._idle.discard(slot)
                    delivery = self._ready.popleft()
                    future = self._slots[slot].submit(self._work.clear, delivery)
                    future.add_done_callback(lambda f, slot=slot, day=delivery: self._cleared(f, slot, day))

    def _committed(self, future: Future[None], until: date) -> None:
        with self._changed:
            self._idle.add(0)
            self._fail(future)
            while self._waiting and self._waiting[0] <= until:
                self._ready.append(self._waiting.popleft())
        self._assign()

    def _cleared(self, future: Future[None], slot: int, delivery: date) -> None:
        with self._changed:
            self._idle.add(slot)
            if not self._fail(future):
                self._done.add(delivery)
            self._changed.notify_all()
        self._assign()

    def _fail(self, future: Future[None]) -> bool:
        """Whether the future failed; the first error is kept and stops the crew."""
        error = None if future.cancelled() else future.exception()
        if error is not None and self._error is None:
            self._error = error
            self._changed.notify_all()
        return error is not None or future.cancelled()
