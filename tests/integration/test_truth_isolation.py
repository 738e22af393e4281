"""Truth is out of reach: neither features nor training nor prediction, nor an analyst, can read what the twin knows of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import polars as pl
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from config.settings import REPO_ROOT
from pipeline_tasks.contracts import TRUTH_TABLES, Table
from pipeline_tasks.contracts.truth import PTDF, REGIMES
from pipeline_tasks.warehouse import Warehouse, connect
from pipeline_tasks.warehouse.load import load_raw

DENIED = r"ACCESS_DENIED|Not enough privileges"


@pytest.fixture
def steward(warehouse: Warehouse) -> Iterator[Warehouse]:
    with connect("steward") as wh:
        yield wh


@pytest.fixture
def yardstick(warehouse: Warehouse) -> Iterator[Warehouse]:
    with connect("yardstick") as wh:
        yield wh


@pytest.mark.parametrize("table", TRUTH_TABLES, ids=lambda t: t.name)
def test_pipeline_and_analyst_are_denied_every_truth_table(
    warehouse: Warehouse, analyst: Warehouse, yardstick: Warehouse, table: Table
) -> None:
    sql = f"select count() from {table.full_name}"
    for role in (warehouse, analyst):
        with pytest.raises(DatabaseError, match=DENIED):
            role.query(sql)
    assert yardstick.scalar(sql) >= 0


@pytest.mark.parametrize(
    "sql",
    [
        "create view staging.peek as select * from truth.regimes",
        "create table staging.peek as truth.regimes",
        "create table staging.peek engine = MergeTree order by market as select * from truth.regimes",
        "insert into truth.regimes (market) values ('x')",
        "alter table staging.peek attach partition all from truth.regimes",
        "create view staging.peek sql security none as select * from truth.regimes",
        "create view staging.peek definer = steward sql security definer as select * from truth.regimes",
        "grant select on truth.* to pipeline",
        "select * from merge('truth', '.*')",
        "drop table truth.regimes",
        "create table truth.mine (a Int64) engine = MergeTree order by a",
    ],
)
def test_the_pipeline_finds_no_way_around(warehouse: Warehouse, sql: str) -> None:
    with pytest.raises(DatabaseError, match=rf"{DENIED}|ACCESS|UNKNOWN_TABLE|CANNOT_EXTRACT_TABLE_STRUCTURE|READONLY"):
        warehouse.command(sql)
    assert warehouse.scalar("select count() from system.tables where database = 'staging' and name = 'peek'") == 0


def test_a_dictionary_over_truth_cannot_be_loaded(warehouse: Warehouse) -> None:
    """Dictionaries of the own server are read as its user `default`, who has no rights either."""
    source = "source(clickhouse(table 'regimes' db 'truth')) layout(complex_key_hashed()) lifetime(0)"
    warehouse.command(f"create dictionary staging.peek (market String, regime String) primary key market {source}")
    try:
        with pytest.raises(DatabaseError, match=DENIED):
            warehouse.query("select * from staging.peek")
        with pytest.raises(DatabaseError, match=DENIED):
            warehouse.query("select dictGet('staging.peek', 'regime', tuple('twin'))")
    finally:
        warehouse.command("drop dictionary staging.peek")


def test_the_pipeline_does_not_even_see_truth_in_the_catalogue(warehouse: Warehouse) -> None:
    assert warehouse.scalar("select count() from system.columns where database = 'truth'") == 0
    assert warehouse.scalar("select count() from system.parts where database = 'truth'") == 0


def test_yardstick_reads_and_writes_nothing_and_steward_reads_no_market(yardstick: Warehouse, steward: Warehouse) -> None:
    with pytest.raises(DatabaseError, match=rf"{DENIED}|READONLY|readonly"):
        yardstick.command("insert into truth.regimes (market) values ('x')")
    for sql in ("select count() from raw.prices", "select count() from features.ftr_day_ahead"):
        with pytest.raises(DatabaseError, match=rf"{DENIED}|UNKNOWN_TABLE"):
            steward.query(sql)


def _regimes(regime: str = "normal") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "market": ["probe"] * 2,
            "delivery_ts": [datetime(2025, 1, d, tzinfo=UTC) for d in (1, 2)],
            "resolution_min": [1440] * 2,
            "regime": [regime] * 2,
        }
    )


def test_truth_is_loaded_exactly_once_and_accounted_for(warehouse: Warehouse, steward: Warehouse, yardstick: Warehouse) -> None:
    first = load_raw(steward, REGIMES, _regimes(), source="probe", source_object="regimes", market="probe")
    again = load_raw(steward, REGIMES, _regimes(), source="probe", source_object="regimes", market="probe")
    assert (first.rows_loaded, again.rows_loaded, again.rows_duplicate) == (2, 0, 2)
    assert yardstick.scalar("select count() from truth.regimes where market = 'probe'") == 2
    assert warehouse.scalar("select sum(rows_loaded) from ops.loads where table_name = 'truth.regimes' and market = 'probe'") == 2


def test_a_broken_truth_row_is_a_fault_of_the_simulation(steward: Warehouse) -> None:
    with pytest.raises(ValueError, match=r"truth\.regimes: 2 rows break regime\.not_allowed"):
        load_raw(steward, REGIMES, _regimes("wild"), source="probe", source_object="regimes", market="probe")
    with pytest.raises(ValueError, match="frame lacks columns"):
        load_raw(steward, PTDF, _regimes(), source="probe", source_object="regimes", market="probe")


def test_no_dbt_model_suite_or_model_names_truth() -> None:
    """What the grants forbid is not even written: SQL, business rules and Python outside the twin, its loader and yardsticks."""
    word = re.compile(r"\btruth\s*\.\s*(?:" + "|".join(t.name for t in TRUTH_TABLES) + r")\b|schema:\s*truth|source\(\s*'truth'")
    places = [*(REPO_ROOT / "transforms").rglob("*.sql"), *(REPO_ROOT / "transforms").rglob("*.yml")]
    places += [*(REPO_ROOT / "expectations" / "business").rglob("*.yaml"), *(REPO_ROOT / "dags").rglob("*.py")]
    places += [p for p in (REPO_ROOT / "models").rglob("*.py") if p.name != "yardstick.py"]
    assert places
    assert [str(p) for p in places if word.search(p.read_text(encoding="utf-8"))] == []


def test_features_training_and_prediction_connect_as_the_pipeline() -> None:
    """Every connection outside the warehouse, the loader of truth, upkeep and the yardsticks is opened as `pipeline` or `analyst`."""
    opened = re.compile(r"connect\(\s*[\"'](\w+)[\"']|open_truth\(\s*[\"'](\w+)[\"']")
    allowed = {f"pipeline_tasks/{n}" for n in ("warehouse/migrate.py", "warehouse/doctor.py", "steps/ingest.py", "steps/maintain.py")}
    found: dict[str, set[str]] = {}
    for path in (REPO_ROOT / "pipeline_tasks").rglob("*.py"):
        roles = {a or b for a, b in opened.findall(path.read_text(encoding="utf-8"))}
        found[path.relative_to(REPO_ROOT).as_posix()] = roles & {"steward", "yardstick", "admin"}
    privileged = {name for name, roles in found.items() if roles}
    assert privileged <= allowed | {n for n in found if "/bench/" in n or "/realism/" in n or "/scorecard/" in n}, privileged
    for name in ("steps/train.py", "steps/infer.py", "steps/transform.py", "warehouse/read.py"):
        assert not found[f"pipeline_tasks/{name}"]
