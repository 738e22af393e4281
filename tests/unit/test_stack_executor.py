"""What the stack's workers import before they are forked must work in the fork."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

from config.settings import REPO_ROOT, get_settings
from pipeline_tasks.stack.environment import base_environment
from pipeline_tasks.stack.executor import WarmLocalExecutor

FORK = """
import importlib, os, threading
from pipeline_tasks.stack.executor import LIBRARIES
for name in LIBRARIES:
    importlib.import_module(name)
assert threading.active_count() == 1, threading.enumerate()
child = os.fork()
if child == 0:
    import lightgbm, numpy as np, polars as pl
    x = np.random.default_rng(1).normal(size=(400, 4))
    y = x @ np.ones(4)
    lightgbm.train({"verbose": -1, "num_threads": 2}, lightgbm.Dataset(x, y), 5)
    frame = pl.DataFrame({"k": np.arange(200_000) % 7, "v": np.ones(200_000)})
    whole = frame.lazy().group_by("k").agg(pl.col("v").sum()).collect()["v"].sum()
    os._exit(0 if whole == 200_000 and (x.T @ x).shape == (4, 4) else 1)
assert os.waitpid(child, 0)[1] == 0
"""


def test_libraries_imported_before_the_fork_work_in_it() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], cwd=REPO_ROOT, timeout=240, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_stack_names_the_executor() -> None:
    module, _, name = base_environment(get_settings(), REPO_ROOT)["AIRFLOW__CORE__EXECUTOR"].rpartition(".")
    assert getattr(import_module(module), name) is WarmLocalExecutor
