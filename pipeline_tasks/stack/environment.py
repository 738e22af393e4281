"""Airflow's environment: everything it needs to know, from our settings; nothing is read from a user's own airflow.cfg."""

from __future__ import annotations

import os
from pathlib import Path

from config.settings import REPO_ROOT, Settings

POOLS_ENV = "DESK_AIRFLOW_POOLS"


def in_process_home(settings: Settings) -> Path:
    """AIRFLOW_HOME of `desk run`: apart from the stack's, whose scheduler would otherwise take over the run."""
    return settings.home / "airflow-run"


def stack_home(settings: Settings) -> Path:
    """AIRFLOW_HOME of `desk up`."""
    return settings.home / "airflow"


def base_environment(settings: Settings, home: Path) -> dict[str, str]:
    """Environment of any Airflow process: paths, our settings passed on, no examples, no phoning home, quiet logs."""
    path = os.pathsep.join(p for p in (str(REPO_ROOT), os.environ.get("PYTHONPATH", "")) if p)
    foreign = ("AIRFLOW", "VIRTUAL_ENV", "PYTEST_", "PYTHONDONTWRITEBYTECODE")  # the name of a running test is no part of an environment
    kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    return {
        **kept,
        "PYTHONPATH": path,
        "DESK_HOME": str(settings.home),
        "DESK_DATA_DIR": str(settings.data_dir),
        "DESK_PROFILE": settings.profile,
        "DESK_ACTOR": settings.actor,
        "NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", str(settings.home / "compiled")),
        "GX_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONFIG": str(home / "airflow.cfg"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPO_ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "pipeline_tasks.stack.executor.WarmLocalExecutor",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(home / "logs" / "dag_processor"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
    }
