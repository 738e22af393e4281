"""The watch on a live warehouse: what a challenger cannot do, what parity refuses, how schemas are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from config.markets import resolve_market
from models._kernel.frames import outcomes_known
from models._kernel.registry import spec_of
from models._kernel.synthetic import SyntheticMarket, day_ahead_features, gate
from pipeline_tasks.contracts.features import DAY_AHEAD
from pipeline_tasks.contracts.watch import SHADOW_DAYS
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.infer import Made
from pipeline_tasks.steps.reading import history_start
from pipeline_tasks.steps.scoring import row_losses, with_outcomes
from pipeline_tasks.tracking import promotion
from pipeline_tasks.tracking.promotion import PromotionRefusedError
from pipeline_tasks.tracking.registry import VersionRef
from pipeline_tasks.warehouse import Warehouse, connect
from pipeline_tasks.warehouse.ddl import create_table_sql
from pipeline_tasks.warehouse.shadow import replace_shadow
from pipeline_tasks.watch import drift, parity, schemas, served, verdicts
from pipeline_tasks.watch import shadow as shadow_runs

DENIED = r"ACCESS_DENIED|Not enough privileges"
SPEC = spec_of("curve_dist")
LAST = date(2020, 4, 5)  # a 23-hour day before it
CTX = RunContext("files", "epf_fr", LAST)
REF = VersionRef(
    model="curve_dist", market="epf_fr", version="1", source="", artifact_sha="a", cutoff=datetime(2020, 1, 1, tzinfo=UTC), data_version="d",
    code_sha="c", profile="test", seed=7, run_id="r", mlflow_run_id="x", gate="pass",
)  # fmt: skip


@pytest.fixture(scope="module")
def shadow(warehouse: Warehouse) -> Iterator[Warehouse]:
    with connect("shadow") as wh:
        yield wh


@pytest.fixture
def features(warehouse: Warehouse) -> Iterator[pl.DataFrame]:
    """The feature table with a synthetic market under a configured name; taken away afterwards, for dbt makes it otherwise."""
    rows = day_ahead_features(SyntheticMarket(date(2019, 1, 1), LAST, hubs=("FR",), market="epf_fr")).select(DAY_AHEAD.column_names)
    warehouse.command(f"drop table if exists {DAY_AHEAD.full_name} sync")
    warehouse.command(create_table_sql(DAY_AHEAD))
    warehouse.insert(DAY_AHEAD, rows)
    yield rows
    warehouse.command(f"drop table {DAY_AHEAD.full_name} sync")
    warehouse.command("alter table ops.served_features delete where market = 'epf_fr' settings mutations_sync = 1")


def _answer(level: float = 50.0) -> pl.DataFrame:
    """One delivery date of curve_dist, all columns."""
    stamps = [datetime(2020, 4, 4, 22, tzinfo=UTC) + timedelta(hours=h) for h in range(24)]
    lineage = {
        "run_id": CTX.run_id, "model": "curve_dist", "model_version": "2", "artifact_sha": "a", "code_sha": "c", "data_version": "d",
        "regime": "unknown", "status": "OK", "status_reason": "", "as_of": gate(LAST), "market": "epf_fr", "hub": "FR", "product": "da",
        "delivery_date": LAST,
    }  # fmt: skip
    rows = [{**lineage, "delivery_ts": t, **{c.name: level for c in SPEC.output}} for t in stamps]
    return pl.DataFrame(rows, schema_overrides=dict(SPEC.curated.polars_schema())).select(
        pl.col(c.name).cast(c.type.polars) for c in SPEC.curated.columns
    )


@pytest.mark.parametrize(
    "sql",
    [
        "insert into curated.curve_dist (market) values ('x')",
        "alter table curated.curve_dist drop partition tuple('epf_fr', 'FR', '2020-04-05')",
        "alter table curated.curve_dist replace partition tuple('epf_fr', 'FR', '2020-04-05') from curated_shadow.curve_dist",
        "insert into ops.publications (run_id) values ('x')",
        "insert into ops.audit_log (seq) values (99)",
        "insert into ops.kill_switch (scope) values ('all')",
        "insert into ops.shadow_verdicts (run_id) values ('x')",
        "insert into ops.model_metrics (run_id) values ('x')",
        "drop table curated.curve_dist",
        "truncate table curated.curve_dist",
        "create table curated.mine (a Int64) engine = MergeTree order by a",
        "create or replace view curated.v_curve_dist as select 1",
        "create table staging.mine as curated_shadow.curve_dist",
        "drop table curated_shadow.curve_dist",
        "grant insert on curated.* to shadow",
        "select * from truth.regimes",
        "insert into raw.prices (market) values ('x')",
    ],
)
def test_a_challenger_can_do_nothing_that_a_reader_would_see(shadow: Warehouse, sql: str) -> None:
    with pytest.raises(DatabaseError, match=rf"{DENIED}|ACCESS|READONLY"):
        shadow.command(sql)


def test_a_challenger_writes_its_shadow_and_writing_again_changes_nothing(warehouse: Warehouse, shadow: Warehouse) -> None:
    frame = _answer()
    assert replace_shadow(shadow, SPEC.shadow, frame, run_id=CTX.run_id) == 24
    replace_shadow(shadow, SPEC.shadow, _answer(60.0), run_id=CTX.run_id)
    stored = warehouse.query(f"select * from {SPEC.shadow.full_name} where market = 'epf_fr' order by delivery_ts")
    assert stored.height == 24
    assert set(stored[SPEC.point_column]) == {60.0}
    assert warehouse.scalar("select count() from curated.v_curve_dist where market = 'epf_fr'") == 0
    assert warehouse.scalar("select count() from curated.curve_dist where market = 'epf_fr'") == 0
    with pytest.raises(ValueError, match="curated_shadow"):
        replace_shadow(shadow, SPEC.curated, frame, run_id=CTX.run_id)
    shadow.insert(SHADOW_DAYS, SHADOW_DAYS.empty())


def _serve(warehouse: Warehouse, rows: pl.DataFrame) -> None:
    day = outcomes_known(rows, pl.col("as_of")).filter(pl.col("delivery_date") > LAST - timedelta(days=9))
    served.keep(warehouse, SPEC, "1", [(CTX, served.snapshot(day))])


def test_served_values_are_compared_with_the_table_as_it_is_later(warehouse: Warehouse, features: pl.DataFrame) -> None:
    selection, window = resolve_market("epf_fr"), {"first": LAST - timedelta(days=8), "last": LAST}
    _serve(warehouse, features)
    _serve(warehouse, features)  # the same rows once more are kept once
    assert warehouse.scalar("select count() from ops.served_features where market = 'epf_fr'") == 9 * 24 - 1  # the spring day has 23
    found = parity.check(warehouse, SPEC, selection, **window)
    assert found.holds
    assert found.samples >= 10_000
    assert parity.check_recent(warehouse, "curve_dist", "epf_fr").samples == found.samples
    promotion._check_parity(warehouse, REF)
    warehouse.command(
        f"alter table {DAY_AHEAD.full_name} update load_forecast_mw = 0 where delivery_date = '2020-04-03' and local_hour = 7"
        " settings mutations_sync = 1"
    )
    changed = parity.check(warehouse, SPEC, selection, **window)
    assert changed.mismatches == 1
    assert "load_forecast_mw" in changed.example
    with pytest.raises(PromotionRefusedError, match="load_forecast_mw"):
        promotion._check_parity(warehouse, REF)


def _serve_as(version: str, level: float, inputs: str = "d") -> pl.DataFrame:
    return _answer(level).with_columns(pl.lit(version).alias("model_version"), pl.lit(inputs).alias("data_version"))


@pytest.mark.parametrize(("inputs", "equal"), [("d", 1), ("other", 0)])
def test_a_shadow_run_answers_published_dates_once_and_proves_its_inputs(
    warehouse: Warehouse, features: pl.DataFrame, monkeypatch: pytest.MonkeyPatch, inputs: str, equal: int
) -> None:
    """The champion published LAST; the challenger answers it as the role `shadow`; the verdict pairs their losses."""
    pair = (REF, replace(REF, version="2"))
    warehouse.insert(SPEC.curated, _serve_as("1", 50.0))
    made = Made(_serve_as("2", 40.0, inputs), {}, pl.DataFrame(), 0.5)
    monkeypatch.setattr("pipeline_tasks.steps.infer.forecast", lambda _w, runs, _s, _r, **_: {run.run_id: made for run in runs})
    monkeypatch.setattr("pipeline_tasks.watch.shadow.rivals", lambda *_: pair)
    monkeypatch.setattr("pipeline_tasks.watch.verdicts.rivals", lambda *_: pair)
    monkeypatch.setattr("pipeline_tasks.tracking.champion", lambda *_: REF)
    later = CTX.on(LAST + timedelta(days=1))
    try:
        found = shadow_runs.run_shadow(later, "curve_dist")
        assert (found["days"], found["inputs_equal"], found["challenger"]) == (1, equal, "2")
        assert shadow_runs.run_shadow(later, "curve_dist")["days"] == 1 - equal  # a date with other inputs is tried again
        after = CTX.on(LAST + timedelta(days=3))
        promotion_row, demotion_row = verdicts.judge_model(warehouse, after, "curve_dist")
        assert (promotion_row["days"], promotion_row["verdict"]) == ((1, "wait") if equal else (0, "blocked"))
        assert promotion_row["inputs_equal_share"] == equal
        assert (demotion_row["question"], demotion_row["verdict"], demotion_row["days"]) == ("demotion", "wait", 1)
        if equal:
            crps = row_losses(SPEC, with_outcomes(SPEC, _serve_as("2", 40.0), features), "crps").mean()
            assert promotion_row["rival_loss"] == pytest.approx(crps)
        assert warehouse.scalar("select count() from curated.v_curve_dist where market = 'epf_fr'") == 0
    finally:
        for table in (SPEC.curated.full_name, SPEC.shadow.full_name, "ops.shadow_days", "ops.shadow_verdicts"):
            warehouse.command(f"alter table {table} delete where market = 'epf_fr' settings mutations_sync = 1")


def test_a_shadow_run_answers_whole_days_of_decisions_made_interval_by_interval(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four published days one lies before the challenger's cutoff and one is under way: two are answered, from the champion's rows."""
    spec, now = spec_of("price_prediction"), RunContext.at("files", "be", datetime(2025, 3, 5, 10, 7, tzinfo=UTC))
    champion = replace(REF, model=spec.name, market="be", cutoff=datetime(2025, 2, 1, tzinfo=UTC))
    challenger = replace(champion, version="2", cutoff=datetime(2025, 3, 2, 12, tzinfo=UTC))
    days = [date(2025, 3, d) for d in (2, 3, 4, 5)]

    def answer(run: RunContext, version: str) -> pl.DataFrame:
        text = {"run_id": run.run_id, "model": spec.name, "model_version": version, "data_version": f"d{run.delivery_date}", "market": "be",
                "hub": "BE", "product": "imbalance", "artifact_sha": "a", "code_sha": "c", "regime": "unknown", "status": "OK"}  # fmt: skip
        at = now.selection.market.day_bounds(run.delivery_date)[0]
        row = {**text, "status_reason": "", "delivery_date": run.delivery_date, "delivery_ts": at, "as_of": at - timedelta(minutes=15)}
        columns = [pl.lit(row.get(c.name, 50.0)).cast(c.type.polars).alias(c.name) for c in spec.curated.columns]
        return pl.select(columns)

    told: list[date] = []

    def forecast(_w: Warehouse, runs: list[RunContext], *_: object, since: date) -> dict[str, Made]:
        told.append(since)
        return {run.run_id: Made(answer(run, "2"), spec.drivers.empty(), pl.DataFrame(), 0.1) for run in runs}

    warehouse.insert(spec.curated, pl.concat(answer(now.decisions_of(day), "1") for day in days))
    monkeypatch.setattr("pipeline_tasks.steps.infer.forecast", forecast)
    monkeypatch.setattr("pipeline_tasks.watch.shadow.rivals", lambda *_: (champion, challenger))
    nightly = RunContext("files", "be", date(2025, 3, 6))  # decides on the 5th, before that day is over
    try:
        found = shadow_runs.run_shadow(nightly, spec.name)
        assert (found["days"], found["inputs_equal"]) == (2, 2)
        assert told == [history_start(spec, champion.cutoff)]
        seen = warehouse.query("select delivery_date from ops.shadow_days where market = 'be' order by delivery_date")
        assert seen["delivery_date"].to_list() == [date(2025, 3, 3), date(2025, 3, 4)]  # the 2nd lies before the challenger's cutoff
        assert shadow_runs.run_shadow(nightly, spec.name)["days"] == 0
    finally:
        for table in (spec.curated.full_name, spec.shadow.full_name, "ops.shadow_days"):
            warehouse.command(f"alter table {table} delete where market = 'be' settings mutations_sync = 1")


def test_nothing_served_is_no_parity(warehouse: Warehouse, features: pl.DataFrame) -> None:
    with pytest.raises(PromotionRefusedError, match="run the nightly DAG"):
        promotion._check_parity(warehouse, replace(REF, market="epf_be"))


def test_drift_is_written_and_severe_findings_degrade(warehouse: Warehouse, features: pl.DataFrame) -> None:
    day = "delivery_date = '2020-04-05'"
    warehouse.command(
        f"alter table {DAY_AHEAD.full_name} update wind_forecast_mw = wind_forecast_mw * 1000 where {day} settings mutations_sync = 1"
    )
    warehouse.command(f"alter table {DAY_AHEAD.full_name} update day_of_week = 3 where {day} settings mutations_sync = 1")
    frame = drift.watch_features(warehouse, CTX, DAY_AHEAD)
    alarms = {(r["feature"], r["detector"]) for r in frame.filter(pl.col("severity") == "severe").iter_rows(named=True)}
    assert {("wind_forecast_mw", "unit"), ("day_of_week", "calendar")} <= alarms
    assert drift.summary(frame)["status"] == "DEGRADED"
    warned = warehouse.query(
        "select check_name, column_name from ops.check_results where run_id = {r:String} and severity = 'warn' and not success",
        {"r": CTX.run_id},
    )
    assert ("drift_unit", "wind_forecast_mw") in warned.rows()
    assert warehouse.scalar("select count() from ops.drift where run_id = {r:String}", {"r": CTX.run_id}) == frame.height


def test_a_changed_table_gets_a_new_schema_version(warehouse: Warehouse) -> None:
    warehouse.command("create table marts.probe (a Int64, b String) engine = MergeTree order by a")
    try:
        first = {r["table_name"]: r for r in schemas.record_schemas(warehouse, "run1")}
        assert (first["marts.probe"]["version"], first["marts.probe"]["changes"]) == (1, "")
        assert schemas.record_schemas(warehouse, "run2") == []
        warehouse.command("alter table marts.probe add column c Float64")
        (second,) = schemas.record_schemas(warehouse, "run3")
        assert (second["version"], second["changes"]) == (2, "added c (Float64)")
    finally:
        warehouse.command("drop table marts.probe sync")
