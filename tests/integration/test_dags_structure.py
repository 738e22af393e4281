"""What every DAG must be, whatever it does; looked at in a process of its own, because Airflow reads its settings at import."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.markets import load_markets
from config.settings import REPO_ROOT, get_settings
from models._kernel.registry import specs
from models._kernel.spec import Cadence
from pipeline_tasks.stack.environment import base_environment

NAMES = sorted(p.stem for p in (REPO_ROOT / "dags").glob("*.py") if not p.stem.startswith("_"))
DESCRIBE = """
import importlib, json, sys
import airflow.sdk, airflow.providers.standard.operators.hitl
found = {}
for name in sys.argv[1:]:
    dag = importlib.import_module(f"dags.{name}").dag
    found[name] = {
        "dag_id": dag.dag_id, "catchup": dag.catchup, "max_active_runs": dag.max_active_runs,
        "doc": dag.doc_md, "tags": sorted(dag.tags), "timeout": dag.dagrun_timeout.total_seconds(),
        "params": {k: dag.params.get_param(k).schema for k in dag.params},
        "heavy": sorted(m for m in ("mlflow", "great_expectations", "lightgbm", "dbt", "statsmodels", "optuna") if m in sys.modules),
        "tasks": {t.task_id: {"owner": t.owner, "retries": t.retries, "backoff": bool(t.retry_exponential_backoff),
            "cap": t.max_retry_delay.total_seconds() if t.max_retry_delay else None,
            "notified": bool(t.on_failure_callback), "pool": t.pool, "downstream": sorted(t.downstream_task_ids),
            "label": getattr(t, "map_index_template", None)} for t in dag.tasks},
    }
print(json.dumps(found, default=str))
"""


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    environment = base_environment(get_settings(), tmp_path_factory.mktemp("airflow"))
    done = subprocess.run([sys.executable, "-c", DESCRIBE, *NAMES], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_all_dags_are_there() -> None:
    assert NAMES == [
        "backfill",
        "embeddings",
        "intraday",
        "kill_switch",
        "maintenance",
        "nightly",
        "outage_response",
        "outages",
        "participants",
        "promote",
        "replay",
        "scenario",
        "train",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_dag_file_is_thin(name: str) -> None:
    assert len((REPO_ROOT / "dags" / f"{name}.py").read_text().splitlines()) <= 60


@pytest.mark.parametrize("name", NAMES)
def test_dag_obeys_the_rules(dags: dict[str, Any], name: str) -> None:
    dag = dags[name]
    assert dag["dag_id"] == name
    assert dag["catchup"] is False
    assert dag["max_active_runs"] == (1000 if name == "scenario" else 1)  # waiting for an answer keeps nobody from asking
    assert dag["timeout"] > 0
    assert dag["doc"].strip().startswith("###")
    assert len(dag["tags"]) >= 2
    assert dag["heavy"] == []


@pytest.mark.parametrize("name", NAMES)
def test_tasks_are_owned_limited_and_noticed(dags: dict[str, Any], name: str) -> None:
    for task_id, task in dags[name]["tasks"].items():
        assert task["owner"] == "quant-desk", task_id
        assert task["notified"], task_id
        assert task["backoff"], task_id
        assert task["cap"] == 600, task_id


@pytest.mark.parametrize("name", NAMES)
def test_pools_fall_back_where_they_were_not_created(dags: dict[str, Any], name: str) -> None:
    assert {t["pool"] for t in dags[name]["tasks"].values()} == {"default_pool"}


def test_forms_offer_every_market_and_only_known_sources(dags: dict[str, Any]) -> None:
    params = dags["nightly"]["params"]
    assert set(load_markets()) <= set(params["market"]["enum"])
    assert "twin_hub_north" in params["market"]["enum"]
    assert params["source"]["enum"] == ["twin", "files", "live"]
    assert params["delivery_date"]["format"] == "date"


def test_every_nightly_model_has_its_tasks(dags: dict[str, Any]) -> None:
    tasks = dags["nightly"]["tasks"]
    for spec in specs():
        if Cadence.NIGHTLY in spec.cadences:
            assert f"{spec.name}.publish" in tasks[f"{spec.name}.infer"]["downstream"]
            assert "evaluate" in tasks[f"{spec.name}.publish"]["downstream"]


def test_every_intraday_model_has_its_tasks_there(dags: dict[str, Any]) -> None:
    tasks, params = dags["intraday"]["tasks"], dags["intraday"]["params"]
    found = {name.split(".")[0] for name in tasks if name.endswith(".infer")}
    assert found == {spec.name for spec in specs() if Cadence.INTRADAY in spec.cadences}
    assert all(f"{name}.infer" in tasks["validate_features"]["downstream"] for name in found)
    assert set(params) == {"source", "market", "decided_at"}
    assert params["source"]["enum"] == ["twin", "files", "live", "twin_faults"]
    assert "sensitivities" in tasks["validate_raw"]["downstream"]
    assert "sensitivities" not in tasks["transform"]["downstream"]  # beside the forecasts, not before them


def test_order_of_the_night(dags: dict[str, Any]) -> None:
    tasks = dags["nightly"]["tasks"]
    chain = ["ingest", "validate_raw", "transform", "validate_features", "without_champion", "bootstrap"]
    assert all(b in tasks[a]["downstream"] for a, b in itertools.pairwise(chain))
    assert "drift" in tasks["validate_features"]["downstream"]
    assert "learn_sensitivities" in tasks["validate_raw"]["downstream"]  # beside the forecasts, not before them
    assert tasks["learn_sensitivities"]["downstream"] == ["failed", "report"]
    assert all(name in tasks["drift"]["downstream"] for name in tasks if name.endswith(".infer"))
    assert {"marts", "shadow"} <= set(tasks["evaluate"]["downstream"])
    assert "watch" in tasks["shadow"]["downstream"]
    assert "report" in tasks["watch"]["downstream"]
    assert "cross_asset" in tasks["marts"]["downstream"]
    assert "report" in tasks["cross_asset"]["downstream"]
    assert all("failed" in tasks[t]["downstream"] for t in tasks if t != "failed")


def test_mapped_tasks_carry_names(dags: dict[str, Any]) -> None:
    assert dags["nightly"]["tasks"]["bootstrap"]["label"] == "{{ model }}"
    assert dags["train"]["tasks"]["train"]["label"] == "{{ model }}"
    assert dags["replay"]["tasks"]["replay"]["label"] == "{{ day }}"


def test_plugins_are_not_taken_for_dags() -> None:
    ignored = Path(REPO_ROOT / "dags" / ".airflowignore").read_text().split()
    assert {"_*.py", "plugins/"} <= set(ignored)
