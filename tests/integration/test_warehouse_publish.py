"""Publication, views, kill switch, audit chain, approvals, as-of reads and migrations on a real server."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from config.settings import REPO_ROOT
from pipeline_tasks.contracts import FEATURE_TABLES, Table, curated_table
from pipeline_tasks.contracts.columns import number
from pipeline_tasks.contracts.ops import AUDIT_LOG
from pipeline_tasks.warehouse import Warehouse, audit
from pipeline_tasks.warehouse.approvals import FourEyesError, record_approval
from pipeline_tasks.warehouse.ddl import create_table_sql, published_view_sql
from pipeline_tasks.warehouse.migrate import SQL_ROOT, MigrationError, apply_migrations, ensure, migrate
from pipeline_tasks.warehouse.publish import StageError, partition_hash, publish_staged, stage
from pipeline_tasks.warehouse.read import read_features
from pipeline_tasks.warehouse.staging import staging_name
from pipeline_tasks.warehouse.switch import set_kill_switch

PROBE = curated_table(
    "publish_probe",
    tuple(number(f"price_q{q}_ccy_per_mwh", "Quantile.", unit="currency/MWh") for q in (10, 50, 90)),
    "Rows of the publication tests.",
)
DAY = date(2024, 3, 31)


@pytest.fixture(scope="module")
def wh(warehouse: Warehouse) -> Warehouse:
    warehouse.command(create_table_sql(PROBE))
    warehouse.command(published_view_sql(PROBE))
    return warehouse


def forecast(run_id: str, market: str, *, day: date = DAY, level: float = 40.0, hours: int = 23, **other: Any) -> pl.DataFrame:
    start = datetime.combine(day, datetime.min.time(), tzinfo=UTC)
    rows = [
        {
            "run_id": run_id, "model": "publish_probe", "model_version": "3", "artifact_sha": "a", "code_sha": "c", "data_version": "d",
            "regime": "unknown", "status": "OK", "status_reason": "", "as_of": start - timedelta(hours=12), "market": market, "hub": hub,
            "product": "da", "delivery_ts": start + timedelta(hours=hour), "delivery_date": day,
            "price_q10_ccy_per_mwh": level - 5, "price_q50_ccy_per_mwh": level, "price_q90_ccy_per_mwh": level + 5,
        } | other
        for hub in ("A", "B")
        for hour in range(hours)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=PROBE.polars_schema())


def put(wh: Warehouse, frame: pl.DataFrame) -> list[Any]:
    run_id = frame["run_id"][0]
    stage(wh, PROBE, frame, run_id=run_id)
    return publish_staged(wh, PROBE, run_id=run_id, model="publish_probe")


def shown(wh: Warehouse, market: str) -> list[tuple[str, int]]:
    return wh.query(
        "select run_id, count() from curated.v_publish_probe where market = {m:String} group by run_id order by 1", {"m": market}
    ).rows()


def test_publication_is_recorded_chained_and_idempotent(wh: Warehouse, analyst: Warehouse) -> None:
    frame = forecast("p1", "pub1")
    done = put(wh, frame)
    assert [(p.market, p.hub, p.delivery_date, p.row_count, p.status, p.model_version) for p in done] == [
        ("pub1", "A", DAY, 23, "OK", "3"),
        ("pub1", "B", DAY, 23, "OK", "3"),
    ]
    parts = wh.query(
        "select name, modification_time from system.parts where table = 'publish_probe' and active and partition like '%pub1%' order by name"
    )
    assert put(wh, frame.sample(fraction=1.0, shuffle=True, seed=1)) == done
    assert publish_staged(wh, PROBE, run_id="p1", model="publish_probe") == done
    again = wh.query(
        "select name, modification_time from system.parts where table = 'publish_probe' and active and partition like '%pub1%' order by name"
    )
    assert again.equals(parts), "identical content does not touch the partition"
    assert wh.scalar("select count() from ops.publications where run_id = 'p1'") == 2
    assert wh.scalar("select count() from ops.audit_log where action = 'publication' and position(payload_json, '\"p1\"') > 0") == 2
    assert [p.content_sha for p in done] == [partition_hash(wh, PROBE, "pub1", hub, DAY) for hub in ("A", "B")]
    assert shown(analyst, "pub1") == [("p1", 46)]
    assert wh.query("select name from system.tables where database = 'staging' and name like 'publish_probe%'").is_empty()
    assert audit.verify(wh).ok


def test_the_last_publication_wins_and_an_earlier_content_can_return(wh: Warehouse) -> None:
    put(wh, forecast("w1", "pub2"))
    put(wh, forecast("w2", "pub2", level=50.0))
    assert shown(wh, "pub2") == [("w2", 46)]
    put(wh, forecast("w1", "pub2"))
    assert shown(wh, "pub2") == [("w1", 46)]
    assert wh.scalar("select count() from ops.publications where market = 'pub2'") == 6


def test_unpublished_rows_are_not_shown(wh: Warehouse) -> None:
    put(wh, forecast("u1", "pub3"))
    wh.insert(PROBE, forecast("u2", "pub3", level=60.0))
    wh.insert(PROBE, forecast("u2", "pub3", day=DAY + timedelta(days=1)))
    assert shown(wh, "pub3") == [("u1", 46)]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (forecast("b1", "pub4").clear(), "no rows"),
        (pl.concat([forecast("b1", "pub4"), forecast("b1", "pub4").head(1)]), "duplicate_key"),
        (forecast("b1", "pub4", level=float("nan")), "not_finite"),
        (forecast("b1", "pub4", status="FINE"), "status: not_allowed"),
        (forecast("b2", "pub4"), "expected 'b1' alone"),
        (forecast("b1", "pub4").drop("regime"), "regime: missing_column"),
    ],
)
def test_what_breaks_the_contract_is_not_staged(wh: Warehouse, frame: pl.DataFrame, message: str) -> None:
    with pytest.raises(StageError, match=message):
        stage(wh, PROBE, frame, run_id="b1")
    assert publish_staged(wh, PROBE, run_id="b1", model="publish_probe") == []


def test_falling_quantiles_are_refused(wh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"price_q{q}_ccy_per_mwh" for q in (10, 50, 90)]
    monkeypatch.setattr("pipeline_tasks.warehouse.staging.quantile_columns", lambda _table: names)
    frame = forecast("q1", "pub5")
    assert len(stage(wh, PROBE, frame, run_id="q1")) == 2
    crossing = frame.with_columns(price_q50_ccy_per_mwh=pl.col("price_q90_ccy_per_mwh") + 1)
    with pytest.raises(StageError, match=r"46 row\(s\) do not rise"):
        stage(wh, PROBE, crossing, run_id="q1")


def test_quantiles_of_registered_models_are_known() -> None:
    from models._kernel.registry import specs
    from pipeline_tasks.warehouse.staging import quantile_columns

    for spec in specs():
        assert quantile_columns(spec.curated) == list(spec.quantile_columns.values())
    assert quantile_columns(PROBE) == []


def test_rows_changed_after_staging_are_not_published(wh: Warehouse) -> None:
    stage(wh, PROBE, forecast("t1", "pub6"), run_id="t1")
    wh.insert_into(staging_name(PROBE, "t1"), PROBE, forecast("t1", "pub6", hours=25).tail(2))
    with pytest.raises(StageError, match="rows are not those that were staged"):
        publish_staged(wh, PROBE, run_id="t1", model="publish_probe")
    assert shown(wh, "pub6") == []
    assert len(put(wh, forecast("t1", "pub6"))) == 2
    assert shown(wh, "pub6") == [("t1", 46)]


@pytest.mark.parametrize(("scope", "target"), [("model", "publish_probe"), ("market", "pub7"), ("run", "k1"), ("all", "*")])
def test_the_kill_switch_hides_from_the_next_query_on(wh: Warehouse, analyst: Warehouse, scope: str, target: str) -> None:
    put(wh, forecast("k1", "pub7"))
    for active, rows in ((True, []), (False, [("k1", 46)]), (True, []), (False, [("k1", 46)])):
        set_kill_switch(wh, scope=scope, target=target, active=active, reason="drill", actor="tester")
        assert shown(analyst, "pub7") == rows
    assert audit.verify(wh).ok


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scope": "desk"}, "scope 'desk'"),
        ({"scope": "all"}, "does not fit"),
        ({"target": "*"}, "does not fit"),
        ({"reason": " "}, "reason is empty"),
        ({"actor": ""}, "actor is empty"),
    ],
)
def test_a_switch_without_sense_is_refused(wh: Warehouse, change: dict[str, str], message: str) -> None:
    good = {"scope": "model", "target": "m", "reason": "r", "actor": "a"}
    with pytest.raises(ValueError, match=message):
        set_kill_switch(wh, active=True, **(good | change))


def test_published_hashes_show_a_partition_that_was_changed(wh: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline_tasks.catalog.table_named", lambda _name: PROBE)
    put(wh, forecast("h1", "pub8"))
    assert [r["matches"] for r in audit.published_hashes(wh, market="pub8")] == [True, True]
    wh.command(
        "alter table curated.publish_probe delete where market = 'pub8' and hub = 'B' and price_q50_ccy_per_mwh > 0 settings mutations_sync = 2"
    )
    rows = audit.published_hashes(wh, market="pub8", delivery_date=DAY)
    assert [(r["hub"], r["matches"]) for r in rows] == [("A", True), ("B", False)]
    assert audit.published_hashes(wh, market="pub8", delivery_date=date(2000, 1, 1)) == []


APPENDER = """
import sys
from pipeline_tasks.warehouse import audit, client, connect
from pathlib import Path
with connect() as w:
    if sys.argv[2] == "apart":
        w.lock_folder = Path(w.lock_folder) / sys.argv[1]
    for k in range(8):
        audit.append(w, actor=sys.argv[1], action="test", subject=f"{sys.argv[2]}-{k}", payload={"k": k})
"""


@pytest.mark.parametrize("locks", ["shared", "apart"])
def test_concurrent_writers_never_fork_the_chain(wh: Warehouse, locks: str) -> None:
    """Four processes at once; `apart` gives each a lock folder of its own, as writers on different machines have."""
    writers = [subprocess.Popen([sys.executable, "-c", APPENDER, f"w{k}", locks], cwd=REPO_ROOT) for k in range(4)]
    assert [w.wait(120) for w in writers] == [0, 0, 0, 0]
    assert audit.verify(wh).ok
    assert wh.scalar("select count() from ops.audit_log where subject like {p:String}", {"p": f"{locks}-%"}) == 32


@pytest.fixture
def copied_chain(wh: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A warehouse whose verification reads a copy of the chain, to be tampered with."""
    audit.append(wh, actor="a", action="test", subject="last", payload={"ü": [1, None]})
    assert audit.verify(wh).ok
    wh.command("create or replace table staging.audit_copy as ops.audit_log")
    wh.command("insert into staging.audit_copy select * from ops.audit_log")
    copy = Warehouse(wh.endpoint, tmp_path / "locks")
    shutil.copytree(wh.lock_folder.parent / "audit", tmp_path / "audit")
    query = Warehouse.query
    monkeypatch.setattr(
        Warehouse, "query", lambda self, sql, params=None: query(self, sql.replace("ops.audit_log", "staging.audit_copy"), params)
    )
    return copy


@pytest.mark.parametrize(
    ("tampering", "first_bad"),
    [
        ("alter table staging.audit_copy update actor = 'x' where seq = 2", 2),
        ("alter table staging.audit_copy update payload_json = '{}' where seq = 3", 3),
        ("alter table staging.audit_copy update at_ts = at_ts + interval 1 millisecond where seq = 2", 2),
        ("alter table staging.audit_copy delete where seq = 2", 2),
        ("alter table staging.audit_copy delete where seq = 1", 1),
        ("insert into staging.audit_copy select * from staging.audit_copy where seq = 2", 3),
        ("alter table staging.audit_copy delete where seq = (select max(seq) from ops.audit_log)", -1),
        ("alter table staging.audit_copy delete where 1", 1),
    ],
)
def test_any_tampering_is_found(copied_chain: Warehouse, tampering: str, first_bad: int) -> None:
    assert audit.verify(copied_chain).ok
    rows = copied_chain.scalar("select count() from staging.audit_copy")
    copied_chain.command(tampering + (" settings mutations_sync = 2" if tampering.startswith("alter") else ""))
    report = audit.verify(copied_chain)
    assert not report.ok
    assert report.first_bad_seq == (first_bad if first_bad > 0 else rows)
    assert "broken" in report.message


def test_a_rewritten_chain_is_found_by_the_remembered_head(copied_chain: Warehouse) -> None:
    rows = copied_chain.query("select * from staging.audit_copy order by seq").to_dicts()
    previous = audit.GENESIS
    for row in rows:
        row |= {"prev_sha": previous, "actor": "forger"}
        row["row_sha"] = previous = audit.row_sha(row)
    copied_chain.command("truncate table staging.audit_copy")
    copied_chain.insert_into("staging.audit_copy", AUDIT_LOG, pl.DataFrame(rows, schema=AUDIT_LOG.polars_schema()))
    report = audit.verify(copied_chain)
    assert (report.ok, report.first_bad_seq) == (False, len(rows))


def test_approvals_need_two_people_and_are_stored_once(wh: Warehouse) -> None:
    answer = {"model": "m", "model_version": "7", "requester": "Ann", "decision": "approved"}
    assert record_approval(wh, approver="Bob", comment="fine", **answer) == record_approval(wh, approver="Bob", comment="fine", **answer)
    assert wh.scalar("select count() from ops.approvals where model = 'm'") == 1
    assert wh.scalar("select count() from ops.audit_log where action = 'approval' and subject = 'm/7'") == 1
    for name in ("Ann", " ann ", ""):
        with pytest.raises(FourEyesError):
            record_approval(wh, approver=name, **answer)
    with pytest.raises(ValueError, match="decision 'maybe'"):
        record_approval(wh, approver="Bob", **(answer | {"decision": "maybe"}))


def test_features_are_read_as_they_were_known(wh: Warehouse) -> None:
    table: Table = replace(FEATURE_TABLES[0], name="ftr_read_probe")
    wh.command(create_table_sql(table))
    start = datetime(2024, 1, 2, tzinfo=UTC)
    filler = {c.name: {"Int64": 1, "Float64": 1.0, "Bool": False}.get(c.clickhouse_type) for c in table.columns}
    rows = [
        filler
        | {
            "market": "m",
            "hub": hub,
            "product": "da",
            "currency": "EUR",
            "delivery_ts": start + timedelta(days=d),
            "delivery_date": date(2024, 1, 2) + timedelta(days=d),
        }
        | {
            "as_of": start + timedelta(days=d, hours=-12),
            "price_ccy_per_mwh": 10.0 + d,
            "price_known_ts": start + timedelta(days=d, hours=-11),
        }
        for hub in ("A", "B", "C")
        for d in range(4)
    ]
    wh.insert(table, pl.DataFrame(rows, schema=table.polars_schema()))
    as_of = start + timedelta(days=2, hours=-12)
    frame = read_features(wh, table, market="m", hubs=("A", "B"), start_date=date(2024, 1, 3), end_date=date(2024, 1, 9), as_of=as_of)
    assert frame.schema == table.polars_schema()
    assert frame.select("hub", "delivery_date", "price_ccy_per_mwh").rows() == [
        ("A", date(2024, 1, 3), 11.0), ("A", date(2024, 1, 4), None), ("B", date(2024, 1, 3), 11.0), ("B", date(2024, 1, 4), None),
    ]  # fmt: skip
    assert frame["price_known_ts"].null_count() == 2
    when = {"start_date": date(2024, 1, 2), "end_date": date(2024, 1, 9), "as_of": as_of}
    news = read_features(wh, table, market="m", hubs=("A", "B"), news=("price_known_ts", start - timedelta(hours=11)), **when)
    assert news["delivery_date"].to_list() == [date(2024, 1, 3), date(2024, 1, 4)] * 2  # published after the first price, or about to be
    late = read_features(wh, table, market="m", hubs=("C",), start_date=date(2024, 1, 2), end_date=date(2024, 1, 9), as_of=None)
    assert late["price_ccy_per_mwh"].to_list() == [10.0, 11.0, 12.0, 13.0]
    with pytest.raises(ValueError, match="no time zone"):
        read_features(wh, table, market="m", hubs=("C",), start_date=DAY, end_date=DAY, as_of=datetime(2024, 1, 1))  # noqa: DTZ001
    wh.command(f"drop table {table.full_name} sync")


def test_migrate_twice_changes_nothing_and_adds_what_a_contract_gains(wh: Warehouse) -> None:
    assert migrate(wh) == []
    wh.command("alter table ops.runs drop column seconds")
    assert migrate(wh) == ["altered ops.runs: seconds added"]
    live = wh.query("select name from system.columns where database = 'ops' and table = 'runs' order by position")["name"].to_list()
    assert live.index("seconds") == live.index("detail_json") + 1
    wh.command("alter table ops.runs modify column seconds Float32")
    with pytest.raises(MigrationError, match=r"ops.runs: live and contract types differ .*Float32.*Float64"):
        migrate(wh)
    wh.command("alter table ops.runs modify column seconds Float64")


def test_what_people_wait_for_looks_once_until_a_file_changes(wh: Warehouse, tmp_path: Path) -> None:
    root = tmp_path / "sql"
    shutil.copytree(SQL_ROOT, root)
    migrate(wh)
    wh.command("alter table ops.runs drop column seconds")
    assert ensure(wh) == []
    with (root / "views" / "curated.v_decision_plans.sql").open("a", encoding="utf-8") as view:
        view.write("-- another view\n")
    assert ensure(wh, root) == ["altered ops.runs: seconds added"]
    assert ensure(wh, root) == []
    assert migrate(wh) == []
    assert ensure(wh) == []


def test_a_migration_may_change_a_type_before_types_are_compared(wh: Warehouse, tmp_path: Path) -> None:
    root = tmp_path / "sql"
    shutil.copytree(SQL_ROOT, root)
    wh.command("alter table ops.runs modify column seconds Float32")
    with pytest.raises(MigrationError, match=r"ops.runs: live and contract types differ"):
        migrate(wh, root)
    text = "alter table ops.runs modify column seconds Float64;"
    (root / "migrations" / "9001_type.sql").write_text(text, encoding="utf-8")
    assert migrate(wh, root) == ["applied 9001_type.sql"]
    wh.command("alter table ops.migrations delete where version > 9000 settings mutations_sync = 2")
    assert migrate(wh) == []


def test_an_applied_migration_must_stay_as_it_is(wh: Warehouse, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(SQL_ROOT / "migrations", folder)
    new = folder / "9001_probe.sql"
    new.write_text(
        "create table if not exists marts.migrated (a Int64) engine = MergeTree order by a;\ninsert into marts.migrated values (1);",
        encoding="utf-8",
    )
    assert apply_migrations(wh, folder) == ["applied 9001_probe.sql"]
    assert apply_migrations(wh, folder) == []
    assert wh.scalar("select count() from marts.migrated") == 1
    assert wh.scalar("select count() from ops.audit_log where action = 'migration' and subject = '9001_probe.sql'") == 1
    (folder / "9000_late.sql").write_text("select 1", encoding="utf-8")
    with pytest.raises(MigrationError, match=r"9000_late.sql is older than an applied migration"):
        apply_migrations(wh, folder)
    (folder / "9000_late.sql").unlink()
    text = new.read_text(encoding="utf-8")
    new.write_text(text + "\n-- changed", encoding="utf-8")
    with pytest.raises(MigrationError, match=r"9001_probe.sql was changed after it was applied"):
        apply_migrations(wh, folder)
    new.unlink()
    with pytest.raises(MigrationError, match="are gone from"):
        apply_migrations(wh, folder)
    new.write_text(text, encoding="utf-8")
    (folder / "9002_broken.sql").write_text("select 1; select broken from nowhere", encoding="utf-8")
    with pytest.raises(MigrationError, match=r"9002_broken.sql, statement 2 failed"):
        apply_migrations(wh, folder)
    wh.command("alter table ops.migrations delete where version > 9000 settings mutations_sync = 2")
    wh.command("drop table marts.migrated sync")
