"""Generated files follow the contracts, byte for byte, and dbt declares exactly the contracts' columns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from config.settings import REPO_ROOT
from pipeline_tasks.catalog import all_tables, table_named
from pipeline_tasks.contracts import Database, Table
from pipeline_tasks.generation import HEADER, build_artefacts, generate
from pipeline_tasks.quality.business import BUSINESS_DIR, load_business_rules

DBT_MODELS = REPO_ROOT / "transforms" / "models"
BUILT = [t for t in all_tables() if t.managed_by == "dbt"]


def test_regenerating_changes_nothing() -> None:
    drifts = generate(check=True)
    assert not drifts, "run `desk gen` and commit:\n" + "\n".join(str(d) for d in drifts)


def test_every_generated_file_says_so_and_names_no_machine() -> None:
    for artefact in build_artefacts(all_tables()):
        assert HEADER in artefact.text[:400], artefact.path
        assert str(REPO_ROOT) not in artefact.text, artefact.path
        assert artefact.text.endswith("\n"), artefact.path
        assert not artefact.text.endswith("\n\n"), artefact.path


@pytest.mark.parametrize("table", BUILT, ids=lambda t: t.full_name)
def test_every_dbt_managed_table_has_a_model_in_its_layer(table: Table) -> None:
    assert (DBT_MODELS / table.database.value / f"{table.name}.sql").is_file(), (
        f"{table.full_name} is declared with managed_by='dbt': write transforms/models/{table.database.value}/{table.name}.sql"
    )


@pytest.mark.parametrize("sql", sorted(DBT_MODELS.glob("*/*.sql")), ids=lambda p: p.stem)
def test_every_dbt_model_is_declared(sql: Path) -> None:
    if "materialized='ephemeral'" in sql.read_text(encoding="utf-8").replace('"', "'").replace(" = ", "="):
        return  # a common table expression with a name: nobody can read it, and dbt cannot enforce a contract on it
    declared = {t.full_name for t in BUILT}
    name = f"{sql.parent.name}.{sql.stem}"
    assert name in declared, f"declare {name} in pipeline_tasks/contracts (managed_by='dbt') and run `desk gen`"


def test_dbt_yaml_lists_exactly_the_declared_columns() -> None:
    listed: dict[str, list[tuple[str, str]]] = {}
    for path in DBT_MODELS.glob("*/_*__contracts.yml"):
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]:
            assert model["config"]["contract"]["enforced"] is True
            listed[f"{path.parent.name}.{model['name']}"] = [(c["name"], c["data_type"]) for c in model["columns"]]
    assert listed == {t.full_name: [(c.name, c.clickhouse_type) for c in t.columns] for t in BUILT}


def test_sources_are_raw_and_published_views_only() -> None:
    sources = yaml.safe_load((DBT_MODELS / "sources.yml").read_text(encoding="utf-8"))["sources"]
    by_name = {s["name"]: s for s in sources}
    assert {t["name"] for t in by_name["raw"]["tables"]} == {t.name for t in all_tables() if t.database is Database.RAW}
    assert by_name["raw"]["config"]["loaded_at_field"] == "ingested_ts"
    assert all(t["name"].startswith("v_") for t in by_name.get("curated", {"tables": []})["tables"])


def test_no_suite_checks_types_and_every_expectation_has_a_remedy() -> None:
    for path in (REPO_ROOT / "expectations" / "suites").glob("*.json"):
        for expectation in json.loads(path.read_text(encoding="utf-8"))["expectations"]:
            assert "type" not in expectation["type"].split("_"), f"{path.name}: column types belong to the contract test"
            assert expectation["meta"]["remedy"]
            assert expectation["meta"]["severity"] in {"block", "warn"}


def test_business_rules_name_declared_tables_and_columns() -> None:
    groups = load_business_rules(BUSINESS_DIR)
    assert {g.table for g in groups} >= {"raw.prices", "raw.quantities", "features.ftr_day_ahead"}
    for group in groups:
        table = table_named(group.table)
        for rule in group.rules:
            assert not rule.column or rule.column in table.column_names, (group.table, rule.name)
            assert f"from {group.table}" in rule.sql, (group.table, rule.name)
