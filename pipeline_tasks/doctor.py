"""`desk doctor`: look at every component and say how to mend what is wrong."""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import os
import shutil
import socket
import sys
from collections.abc import Callable

from config.markets import load_markets
from config.settings import Settings, get_settings
from models._kernel.registry import model_names, params_of, spec_of
from pipeline_tasks.warehouse.doctor import Check, check_warehouse

FREE_GIB = 3
PACKAGES = ("apache-airflow", "dbt-clickhouse", "clickhouse-connect", "polars", "lightgbm", "great-expectations", "mlflow", "chdb")


def check_all() -> list[Check]:
    """Every check, in the order a person would mend things; a failing check never stops the ones after it."""
    settings = get_settings()
    checks = [_python(), _libgomp(), *_packages(), _state(settings), _disk(settings), _loopback(), _markets(), _models(), _data(settings)]
    return [*checks, *check_warehouse(), _guarded("generated files", _generated, "run `make gen` and commit the result"), _mlflow(settings)]


def _guarded(name: str, probe: Callable[[], str], remedy: str) -> Check:
    """Run a probe that answers with a detail or raises; whatever it raises becomes the detail of a failed check."""
    try:
        return Check(name, True, probe(), remedy)
    except Exception as error:  # noqa: BLE001 - a doctor reports any failure, it does not fail itself
        return Check(name, False, f"{type(error).__name__}: {error}", remedy)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", (3, 11) <= sys.version_info < (3, 13), version, "use Python 3.11 or 3.12: remove .venv and run `make setup`")


def _libgomp() -> Check:
    found = ctypes.util.find_library("gomp")
    return Check(
        "libgomp", found is not None, found or "not found", "install libgomp (Debian: apt-get install libgomp1); LightGBM needs it"
    )


def _packages() -> list[Check]:
    def probe(name: str) -> Check:
        return _guarded(f"package {name}", lambda: importlib.metadata.version(name), "run `make setup`")

    return [probe(name) for name in PACKAGES]


def _state(settings: Settings) -> Check:
    remedy = "set DESK_HOME to a folder you may write to"
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return Check("state folder", False, str(error), remedy)
    return Check("state folder", os.access(settings.home, os.W_OK), str(settings.home), remedy)


def _disk(settings: Settings) -> Check:
    free = shutil.disk_usage(settings.home if settings.home.exists() else settings.home.parent).free / 2**30
    return Check("free disk", free >= FREE_GIB, f"{free:.1f} GiB", f"free at least {FREE_GIB} GiB, or set DESK_HOME to another disk")


def _loopback() -> Check:
    def probe() -> str:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            return f"127.0.0.1:{listener.getsockname()[1]} free"

    return _guarded("loopback port", probe, "allow listening on 127.0.0.1; the embedded warehouse and Airflow need it")


def _markets() -> Check:
    return _guarded("config/markets.yaml", lambda: f"{len(load_markets())} markets", "mend the entry that the detail names")


def _models() -> Check:
    def probe() -> str:
        for name in model_names():
            spec_of(name)
            params_of(name, "demo")
        return ", ".join(model_names())

    return _guarded("models", probe, "mend the model folder or its config/models file that the detail names")


def _data(settings: Settings) -> Check:
    present = settings.data_dir.is_dir()
    detail = str(settings.data_dir) if present else f"{settings.data_dir} absent (fine: only the `files` source reads it)"
    return Check("market data folder", True, detail, "set DESK_DATA_DIR to the folder of market data files")


def _generated() -> str:
    from pipeline_tasks.generation import generate

    drift = generate(check=True)
    if drift:
        raise RuntimeError(f"{len(drift)} out of date, first {drift[0].path}")
    return "up to date"


def _mlflow(settings: Settings) -> Check:
    def probe() -> str:
        import mlflow

        client = mlflow.MlflowClient(tracking_uri=settings.mlflow_uri)
        return f"{settings.mlflow_uri.split('?')[0]}, {len(client.search_registered_models(max_results=100))} registered models"

    return _guarded("mlflow", probe, "unset MLFLOW_TRACKING_URI for the local store, or start the server it names")
