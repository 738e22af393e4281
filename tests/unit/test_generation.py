"""The generator: what it writes, what it notices, what it leaves alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import yaml

from pipeline_tasks.contracts import Column, ColumnType, Database, Rule, Severity, Table, curated_table
from pipeline_tasks.generation import HEADER, build_artefacts, generate
from pipeline_tasks.generation.suites import suite_of

PRICE = Column("price", ColumnType.FLOAT, "A price | with a bar.", unit="EUR/MWh", nullable=True, ge=-5, le=7)
KIND = Column("kind", ColumnType.SYMBOL, "Kind.", allowed=("a", "b"))
RAW = Table(Database.RAW, "things", (KIND, PRICE), ("kind",), "A thing.", dedup_window=5)
BUILT = Table(Database.MARTS, "fct_things", (KIND, PRICE), ("kind", "price"), "Things.", managed_by="dbt")
CURATED = curated_table("guess", (PRICE,), "A guess.")
TABLES = (RAW, BUILT, CURATED)


def test_each_table_gets_its_files() -> None:
    assert [a.path for a in build_artefacts(TABLES)] == [
        "docs/data_dictionary.md",
        "expectations/suites/curated.guess.json",
        "expectations/suites/marts.fct_things.json",
        "expectations/suites/raw.things.json",
        "sql/ddl/curated.guess.sql",
        "sql/ddl/raw.things.sql",
        "sql/roles/roles.sql",
        "sql/views/curated.v_guess.sql",
        "transforms/models/marts/_marts__contracts.yml",
        "transforms/models/sources.yml",
    ]


def test_the_same_contracts_give_the_same_bytes() -> None:
    assert build_artefacts(TABLES) == build_artefacts(tuple(replace(t) for t in TABLES))


def test_write_then_check_then_drift(tmp_path: Path) -> None:
    assert {d.kind for d in generate(check=True, root=tmp_path, tables=TABLES)} == {"missing"}
    assert not list(tmp_path.iterdir()), "check must not write"
    assert len(generate(root=tmp_path, tables=TABLES)) == 10
    assert generate(check=True, root=tmp_path, tables=TABLES) == []
    wider = replace(RAW, columns=(*RAW.columns, Column("extra", ColumnType.INT, "More.")))
    drifts = generate(check=True, root=tmp_path, tables=(wider, BUILT, CURATED))
    assert {d.path: d.kind for d in drifts} == {
        "docs/data_dictionary.md": "changed",
        "expectations/suites/raw.things.json": "changed",
        "sql/ddl/raw.things.sql": "changed",
        "transforms/models/sources.yml": "changed",
    }
    assert "+    extra Int64 comment 'More.'" in next(d.diff for d in drifts if d.path.startswith("sql/ddl"))


def test_stale_files_go_and_hand_written_ones_stay(tmp_path: Path) -> None:
    generate(root=tmp_path, tables=TABLES)
    mine = tmp_path / "sql" / "views" / "marts.v_mine.sql"
    mine.write_text("-- written by a person\nselect 1;\n")
    drifts = generate(root=tmp_path, tables=(RAW, CURATED))
    assert {d.path for d in drifts if d.kind == "stale"} == {
        "expectations/suites/marts.fct_things.json",
        "transforms/models/marts/_marts__contracts.yml",
    }
    assert not (tmp_path / "expectations/suites/marts.fct_things.json").exists()
    assert mine.is_file()


def test_dbt_contract_is_enforced_with_types_units_and_allowed_values() -> None:
    text = next(a.text for a in build_artefacts(TABLES) if a.path.endswith("_marts__contracts.yml"))
    (model,) = yaml.safe_load(text)["models"]
    assert model["config"] == {"contract": {"enforced": True}}
    kind, price = model["columns"]
    assert kind["data_type"] == "LowCardinality(String)"
    assert kind["constraints"][0]["type"] == "not_null"
    assert kind["data_tests"][0]["accepted_values"]["arguments"] == {"values": ["a", "b"]}
    assert price["description"] == "A price | with a bar. [EUR/MWh]"
    assert "constraints" not in price
    assert model["data_tests"][0]["unique_key"]["arguments"] == {"columns": ["kind", "price"]}


def test_suite_has_every_check_of_the_contract() -> None:
    rule = Rule("sane", lambda: None, "price > 0", "Prices are sane.", Severity.WARN)  # type: ignore[arg-type,return-value]
    suite = suite_of(replace(RAW, rules=(rule,)))
    checks = {(e["meta"]["check"], e["meta"]["column"]): e for e in suite["expectations"]}
    assert set(checks) == {("not_null", "kind"), ("allowed", "kind"), ("bounds", "price"), ("unique_key", ""), ("sane", "")}
    assert checks["bounds", "price"]["kwargs"] == {"column": "price", "min_value": -5, "max_value": 7}
    assert checks["sane", ""]["kwargs"] == {"column": "rule__sane", "value_set": [True]}
    assert checks["sane", ""]["severity"] == "warning"
    assert checks["unique_key", ""]["meta"]["severity"] == "warn"
    assert json.loads(json.dumps(suite)) == suite


def test_dictionary_escapes_and_links() -> None:
    text = next(a.text for a in build_artefacts(TABLES) if a.path == "docs/data_dictionary.md")
    assert HEADER in text
    assert "A price \\| with a bar." in text
    assert "[raw.things](#rawthings)" in text
    assert "≥ -5, ≤ 7, may be absent" in text
    assert "Readers use `curated.v_guess`." in text
