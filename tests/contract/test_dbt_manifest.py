"""The manifest that dbt itself makes of the project agrees with the contracts, both ways."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.settings import REPO_ROOT
from pipeline_tasks.catalog import all_tables

BUILT = {t.full_name: t for t in all_tables() if t.managed_by == "dbt"}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """`dbt parse`: reads the project, connects to nothing."""
    target = tmp_path_factory.mktemp("dbt")
    project = REPO_ROOT / "transforms"
    places = ["--project-dir", str(project), "--profiles-dir", str(project), "--target-path", str(target), "--log-path", str(target)]
    env = {**os.environ, "DESK_DBT_HOST": "127.0.0.1", "DESK_DBT_PORT": "1", "DESK_DBT_USER": "nobody"}
    call = [str(Path(sys.executable).parent / "dbt"), "parse", *places]
    done = subprocess.run(call, capture_output=True, text=True, env=env, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:]
    found: dict[str, Any] = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    return found


def models(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    nodes = (n for n in manifest["nodes"].values() if n["resource_type"] == "model" and n["config"]["materialized"] != "ephemeral")
    return {f"{n['schema']}.{n['name']}": n for n in nodes}


def test_models_and_contracts_are_the_same_tables(manifest: dict[str, Any]) -> None:
    found = set(models(manifest))
    assert found - set(BUILT) == set(), "declare them in pipeline_tasks/contracts with managed_by='dbt'"
    assert set(BUILT) - found == set(), "write their models below transforms/models"


def test_nothing_references_truth(manifest: dict[str, Any]) -> None:
    nodes = [*manifest["nodes"].values(), *manifest["sources"].values()]
    assert nodes
    assert [n["unique_id"] for n in nodes if n.get("schema") == "truth"] == []


def test_contracts_are_enforced_with_the_declared_columns(manifest: dict[str, Any]) -> None:
    for name, node in models(manifest).items():
        assert node["contract"]["enforced"], name
        declared = {c.name: c.clickhouse_type for c in BUILT[name].columns}
        assert {k: c["data_type"] for k, c in node["columns"].items()} == declared, name


def test_every_model_reads_declared_sources(manifest: dict[str, Any]) -> None:
    declared = {t.full_name for t in all_tables()}
    for source in manifest["sources"].values():
        read = f"{source['schema']}.{source['name']}"
        published = f"{source['schema']}.{source['name'].removeprefix('v_')}"
        assert read in declared or published in declared, f"dbt source {read} is no declared table"
