"""The executor of in-process runs: pools and priorities hold, and a lane that dies fails its task and no other."""

from __future__ import annotations

import multiprocessing
import os
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.utils.state import TaskInstanceState

from pipeline_tasks.steps import lanes
from pipeline_tasks.steps.lanes import Lane, LaneExecutor
from pipeline_tasks.steps.schedules import load_schedules

WRITE = "warehouse_write"


def _task(name: str, pool: str, *, priority: int = 1, index: int = -1) -> Any:
    return SimpleNamespace(key=name, pool=pool, ti=SimpleNamespace(priority_weight=priority, map_index=index, model_dump_json=lambda: name))


def _answering(pipe: Any) -> None:
    while (message := pipe.recv_bytes()) != lanes.END:
        if message == b"dies":
            os._exit(9)
        pipe.send_bytes(b"up_for_retry" if message == b"fails" else b"success")


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An executor with two lanes whose processes answer by the name of the task."""
    failed: list[str] = []
    monkeypatch.setattr(lanes, "_pool_of", lambda task: task.pool)
    monkeypatch.setattr(lanes, "_fail", lambda task: failed.append(task.key))
    monkeypatch.setattr(lanes, "_OPEN", [])
    context = multiprocessing.get_context("spawn")
    for _ in range(2):
        here, there = context.Pipe()
        process = context.Process(target=_answering, args=(there,))
        process.start()
        there.close()
        lanes._OPEN.append(Lane(process, here))
    made = LaneExecutor()
    made.start()
    yield SimpleNamespace(it=made, failed=failed)
    made.end()


def _run(executor: LaneExecutor, *tasks: Any) -> dict[str, str]:
    for task in tasks:
        executor.queued_tasks[task.key] = task
    executor._process_workloads(tasks)
    while executor.running:
        executor.sync()
    return {str(key): str(state) for key, (state, _) in executor.get_event_buffer().items()}


def test_every_task_is_reported(executor: Any) -> None:
    states = _run(executor.it, *(_task(f"t{k}", WRITE if k % 2 else "default_pool") for k in range(7)), _task("fails", WRITE))
    assert states == {**{f"t{k}": TaskInstanceState.SUCCESS.value for k in range(7)}, "fails": TaskInstanceState.FAILED.value}


def test_a_pool_is_never_overdrawn_and_priority_decides(executor: Any) -> None:
    assert load_schedules().pools[WRITE] == 1
    waiting = [
        _task("low", WRITE),
        _task("high", WRITE, priority=5),
        _task("second", "default_pool", index=1),
        _task("first", "default_pool", index=0),
    ]
    executor.it._pending.extend(waiting)
    executor.it.running.update(t.key for t in waiting)
    executor.it._assign()
    assert {lane.task.key for lane in executor.it._lanes} == {"high", "first"}
    while executor.it.running:
        executor.it.sync()


def test_a_lane_that_dies_fails_its_task_alone(executor: Any) -> None:
    states = _run(executor.it, _task("dies", WRITE), _task("lives", "default_pool"), _task("later", WRITE))
    assert executor.failed == ["dies"]
    assert states == {"dies": "failed", "lives": "success", "later": "success"}


def test_a_lane_that_died_idle_gets_no_task(executor: Any) -> None:
    idle = executor.it._lanes[0]
    idle.process.kill()
    idle.process.join()
    states = _run(executor.it, _task("first", WRITE), _task("second", "default_pool"))
    assert states == {"first": "success", "second": "success"}
    assert idle not in executor.it._lanes
    assert executor.failed == []


def test_with_no_lane_left_the_rest_fails_instead_of_waiting(executor: Any) -> None:
    states = _run(executor.it, _task("dies", "default_pool"), _task("x", WRITE))
    assert states["dies"] == "failed"
    executor.it._lanes[0].process.kill()
    executor.it._lanes[0].process.join()
    assert _run(executor.it, _task("y", WRITE)) == {"y": "failed"}


def test_lanes_are_opened_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_OPEN", [])
    with pytest.raises(RuntimeError, match="open_lanes"):
        LaneExecutor().start()
