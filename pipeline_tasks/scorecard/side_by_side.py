"""Parts of a scorecard scored by several processes, each part by one."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipeline_tasks.processes import end_with_the_parent
from pipeline_tasks.scorecard.rows import ScoreRow
from pipeline_tasks.scorecard.sources import DataAbsentError, Say, WarehouseSource, quiet
from pipeline_tasks.scorecard.systems import needs_market


@dataclass(frozen=True, slots=True)
class Part:
    """A model or system on a data set, and how it is scored; sent to processes, so it holds names only."""

    name: str
    data_set: str
    cache: Path
    start: date | None
    end: date | None
    profile: str
    seed: int


Score = Callable[[Part, Say], list[ScoreRow]]


def side_by_side(parts: Sequence[Part], score: Score, count: int, say: Say) -> Iterator[list[ScoreRow]]:
    """Rows of each part, in the order of the parts; the same as one process gives, one part after the other.

    Markets are loaded here, one after the other, while processes score what is loaded: two of them must not load the same market.

    Args:
        parts: what to score.
        score: rows of a part; a function of a module, called in another process.
        count: processes, at least 2.
        say: told what begins and ends.

    Raises:
        Exception: what scoring a part raised; the other processes are stopped.
    """
    from joblib.externals.loky import ProcessPoolExecutor

    executor = ProcessPoolExecutor(count, initializer=end_with_the_parent, initargs=(os.getpid(),))
    source, waiting = WarehouseSource(), deque[tuple[Part, Future[list[ScoreRow]]]]()
    try:
        for part in parts:
            waiting.append((part, _begun(executor, part, score, source, say)))
            while waiting and waiting[0][1].done():
                yield _ended(*waiting.popleft(), say)
        while waiting:
            yield _ended(*waiting.popleft(), say)
    finally:
        executor.shutdown(wait=True, kill_workers=True)


def _begun(executor: Executor, part: Part, score: Score, source: WarehouseSource, say: Say) -> Future[list[ScoreRow]]:
    """The part's rows to come, once its market is loaded; a part whose data are absent is answered here."""
    try:
        if needs_market(part.name, part.data_set):
            source.prepare(part.data_set, say)
    except DataAbsentError:
        absent: Future[list[ScoreRow]] = Future()
        absent.set_result(score(part, say))
        return absent
    say(f"{part.data_set}: {part.name}: handed to a process")
    return executor.submit(score, part, quiet)


def _ended(part: Part, future: Future[list[ScoreRow]], say: Say) -> list[ScoreRow]:
    rows = future.result()
    say(f"{part.data_set}: {part.name}: {len(rows)} rows")
    return rows
