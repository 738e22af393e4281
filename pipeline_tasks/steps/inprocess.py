"""The child process of an in-process run; its arguments are DAG, conf and logical date."""

from __future__ import annotations

import importlib
import json
import time
from datetime import datetime
from pathlib import Path

from config.settings import REPO_ROOT
from pipeline_tasks.steps.dbt_process import DBT
from pipeline_tasks.steps.journal import emit
from pipeline_tasks.steps.lanes import build_api, open_lanes

HEAVY = (
    "great_expectations",
    "lightgbm",
    "mlflow.store.tracking.sqlalchemy_store",
    "pipeline_tasks.simulate.outages",
    "pipeline_tasks.sources.twin",
    "sklearn.linear_model",
)


def prepare() -> None:
    """Import what the tasks of a run import, and build the API of its lanes: once, instead of once for each lane of each run."""
    DBT.begin()  # its import takes as long as the rest, beside it
    for name in sorted(path.stem for path in (REPO_ROOT / "dags").glob("[a-z]*.py")):
        importlib.import_module(f"dags.{name}")
    for name in HEAVY:
        importlib.import_module(name)
    build_api()


def main(arguments: list[str]) -> int:
    """Run one DAG with `dag.test()` on the configured executor (`lanes.LaneExecutor`); exit code 0 when it succeeded."""
    name, conf, logical = arguments
    began = time.perf_counter()
    from airflow.utils.state import DagRunState

    dag = importlib.import_module(f"dags.{name}").dag
    open_lanes()
    opened = time.perf_counter()
    ensure_database()
    ready = time.perf_counter()
    run = dag.test(logical_date=datetime.fromisoformat(logical), run_conf=json.loads(conf), use_executor=True)
    emit({"event": "dag", "state": DagRunState(run.state).value, "database_s": ready - opened, "seconds": time.perf_counter() - began})
    return 0 if run.state == "success" else 1


def ensure_database() -> None:
    """Create or upgrade Airflow's metadata database; once per installed version."""
    import airflow
    from airflow.configuration import conf

    stamp = Path(conf.get("database", "sql_alchemy_conn").removeprefix("sqlite:///")).with_suffix(".version")
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == airflow.__version__:
        return
    from airflow.utils.db import initdb

    initdb()
    stamp.write_text(airflow.__version__, encoding="utf-8")
