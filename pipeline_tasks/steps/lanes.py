"""Executor of in-process runs: forked processes take the tasks of `dag.test()`, several at once, within the slots of the pools.

Airflow's LocalExecutor needs a running API server; here every lane serves its own, in memory, over the run's metadata database.
"""

from __future__ import annotations

import asyncio
import importlib
import multiprocessing
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from airflow.executors.base_executor import BaseExecutor
from airflow.executors.workloads import ExecuteTask
from airflow.utils.state import TaskInstanceState

from pipeline_tasks.processes import end_with_the_parent
from pipeline_tasks.steps.schedules import load_schedules

MOST_LANES = 4
WAITING = 1_000  # tasks the executor accepts; those without a lane wait here, not with the scheduler
END = b"end"
DONE = (TaskInstanceState.SUCCESS, TaskInstanceState.SKIPPED)


@dataclass(slots=True)
class Lane:
    """A process and the task it is at."""

    process: BaseProcess
    pipe: Connection
    task: ExecuteTask | None = None


class LaneExecutor(BaseExecutor):  # type: ignore[misc]  # Airflow has no types here
    """Runs tasks in as many processes as there are cores, at most `MOST_LANES`.

    A lane lives as long as the run, so what a task imports is there for the next. A lane that dies fails its task, and takes no other.
    """

    is_local = True

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        """Nothing starts before `start`."""
        super().__init__(parallelism=WAITING)
        self._lanes: list[Lane] = []
        self._pending: list[ExecuteTask] = []

    def start(self) -> None:
        """Take the lanes that `open_lanes` started.

        Raises:
            RuntimeError: there are none.
        """
        if not _OPEN:
            raise RuntimeError("no lane is open; call open_lanes before the metadata database is used")
        self._lanes = list(_OPEN)

    def _process_workloads(self, workload_items: Sequence[Any]) -> None:
        for workload in workload_items:
            self.queued_tasks.pop(workload.key)
            self.running.add(workload.key)
            self._pending.append(workload)

    def sync(self) -> None:
        """Hand out tasks, then wait until a lane is done with one."""
        self._assign()
        busy: dict[Any, Lane] = {end: lane for lane in self._lanes if lane.task for end in (lane.pipe, lane.process.sentinel)}
        for end in wait(list(busy)) if busy else ():
            self._finished(busy[end])
        self._assign()
        if not self._lanes:
            while self._pending:
                self._failed(self._pending.pop())

    def end(self) -> None:
        """Let the lanes end."""
        for lane in self._lanes:
            with suppress(OSError):  # it is dead already
                lane.pipe.send_bytes(END)
            lane.process.join()

    def _assign(self) -> None:
        for lane in list(self._lanes):
            task = None if lane.task else self._next()
            if task is None:
                continue
            try:
                lane.pipe.send_bytes(task.ti.model_dump_json().encode())
            except OSError:  # it died while it had nothing to do; the task waits for another
                self._lanes.remove(lane)
            else:
                lane.task = task
                self._pending.remove(task)

    def _next(self) -> ExecuteTask | None:
        """Of the tasks whose pool has a free slot the one of highest priority; of mapped ones the first, of others the longest waiting."""
        taken = Counter(_pool_of(lane.task) for lane in self._lanes if lane.task)
        slots = load_schedules().pools
        free = [t for t in self._pending if taken[_pool_of(t)] < slots.get(_pool_of(t), WAITING)]
        return max(free, key=lambda t: (t.ti.priority_weight, -t.ti.map_index), default=None)

    def _finished(self, lane: Lane) -> None:
        task, lane.task = lane.task, None
        if task is None:
            return
        state = _answer(lane.pipe)
        if state is None:
            self._lanes.remove(lane)
            self._failed(task)
            return
        self.change_state(task.key, TaskInstanceState.SUCCESS if state in DONE else TaskInstanceState.FAILED)

    def _failed(self, task: ExecuteTask) -> None:
        _fail(task)
        self.change_state(task.key, TaskInstanceState.FAILED)


_OPEN: list[Lane] = []


def open_lanes() -> None:
    """Fork the lanes; a process forked after the metadata database was opened would find SQLite's locks as its parent held them."""
    context = multiprocessing.get_context("fork")
    for _ in range(min(len(os.sched_getaffinity(0)), MOST_LANES)):
        here, there = multiprocessing.Pipe()
        process = context.Process(target=_work, args=(there, os.getpid()), daemon=False)  # a daemon could not start processes itself
        process.start()
        there.close()
        _OPEN.append(Lane(process, here))


def build_api() -> None:
    """Build the API that lanes serve themselves, once for all of them: it takes seconds."""
    from airflow.sdk.execution_time.supervisor import in_process_api_server
    from httpx import AsyncClient
    from sqlalchemy.orm import configure_mappers

    async def first_request() -> None:  # routes are made then
        async with AsyncClient(transport=in_process_api_server().atransport, base_url="http://lane") as client:
            (await client.get("/health")).raise_for_status()

    asyncio.run(first_request())
    configure_mappers()


def _answer(pipe: Connection) -> TaskInstanceState | None:
    """State a lane reports for its task; None when it died before."""
    try:
        return TaskInstanceState(pipe.recv_bytes().decode()) if pipe.poll() else None
    except (EOFError, ConnectionResetError):
        return None


def _pool_of(task: ExecuteTask) -> str:
    return str(_dag_of(task.ti.dag_id).task_dict[task.ti.task_id].pool)


def _dag_of(name: str) -> Any:
    return importlib.import_module(f"dags.{name}").dag


def _work(pipe: Connection, parent: int) -> None:
    """A lane: run one task after the other, until it is told to end."""
    from airflow.sdk.api.datamodels._generated import TaskInstance
    from airflow.sdk.execution_time.supervisor import run_task_in_process

    end_with_the_parent(parent)
    while (message := pipe.recv_bytes()) != END:
        ti = TaskInstance.model_validate_json(message)
        result = run_task_in_process(ti=ti, task=_dag_of(ti.dag_id).task_dict[ti.task_id])
        pipe.send_bytes(TaskInstanceState(result.ti.state).value.encode())


def _fail(task: ExecuteTask) -> None:
    """Write down the failure of a task whose process died: it could not do so itself."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.get(TaskInstance, task.ti.id)
        if found is not None:
            found.set_state(TaskInstanceState.FAILED, session=session)
