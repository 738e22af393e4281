"""The MLflow store: created once under a lock (the first use takes seconds), quiet, and never phoning home."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from config.settings import Settings, get_settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "powerdesk"


def client() -> MlflowClient:
    """Client of the configured server, or of sqlite and files below the state folder."""
    settings = get_settings()
    return _client(settings.mlflow_uri)


def experiment_id() -> str:
    """The experiment of all training runs; made when absent."""
    settings = get_settings()
    return _experiment(settings.mlflow_uri)


@lru_cache(maxsize=4)
def _client(uri: str) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with store_lock(get_settings()):  # making a client already creates the tables of a new store
        made = MlflowClient(tracking_uri=uri, registry_uri=uri)
        made.search_experiments(max_results=1)
    return made


@lru_cache(maxsize=4)
def _experiment(uri: str) -> str:
    settings = get_settings()
    mlflow = _client(uri)
    with store_lock(settings):
        found = mlflow.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        options: dict[str, Any] = {}
        if not settings.mlflow_tracking_uri:
            options["artifact_location"] = (settings.home / "mlflow" / "artifacts").resolve().as_uri()
        return str(mlflow.create_experiment(EXPERIMENT, **options))


@contextmanager
def store_lock(settings: Settings) -> Iterator[None]:
    """Hold the store's file lock: creation of the database and of registry versions, one process at a time."""
    folder = settings.home / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)
