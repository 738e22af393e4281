"""Executor of the stack: Airflow's LocalExecutor, whose workers hold the libraries that nearly every task imports."""

from __future__ import annotations

import importlib
import multiprocessing

from airflow.executors.local_executor import LocalExecutor

LIBRARIES = (
    "clickhouse_connect.driver.httpclient",
    "highspy",
    "lightgbm",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "numba",
    "scipy.stats",
    "sklearn.linear_model",
)


class WarmLocalExecutor(LocalExecutor):  # type: ignore[misc]  # Airflow has no types here
    """Imports `LIBRARIES` before the workers are forked.

    A task is a fork of a worker, so it begins with them instead of importing them for seconds of its own. They are libraries only: our own
    code is read by each task, so a change of it needs no restart. Importing them starts no pool of threads that a fork would lose.
    Where processes are spawned instead of forked it is the LocalExecutor as it is.
    """

    def start(self) -> None:
        """Import, then start the workers."""
        if multiprocessing.get_start_method() == "fork":
            for name in LIBRARIES:
                importlib.import_module(name)
        super().start()
