"""DAGs executed by `dag.test()` on the twin: a fresh install's first night, the same night again, replay, training, upkeep."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from config.settings import REPO_ROOT, get_settings
from models._kernel.registry import model_names, specs
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.pipeline import ended, execute_dag, failure_of, run_intraday, run_nightly, run_replay
from pipeline_tasks.steps.schedules import load_schedules
from pipeline_tasks.warehouse import connect
from pipeline_tasks.warehouse.audit import published_hashes
from tests.integration import forms_of_a_night

MARKET, DAY = "twin_hub_north", date(2026, 6, 15)
DAILY = [s.name for s in specs() if not s.intraday]
INTERVALS = [s.name for s in specs() if s.intraday and not s.per_unit]
UNITS = [s.name for s in specs() if s.per_unit]
pytestmark = pytest.mark.timeout(1500)  # the first test waits for the simulated market and a whole night


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh install with the smallest training settings, and a code version that does not move while tests run."""
    from pipeline_tasks.warehouse.server import stop_server

    folder = tmp_path_factory.mktemp("night")
    with pytest.MonkeyPatch.context() as patch:
        ours = {"DESK_HOME": str(folder), "DESK_PROFILE": "test", "DESK_CODE_SHA": "test", "DESK_DATA_DIR": str(folder / "absent")}
        for name, value in ours.items():
            patch.setenv(name, value)
        get_settings.cache_clear()
        yield folder
        stop_server(get_settings())
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def first(home: Path) -> dict[str, Any]:
    return run_nightly(source="twin", market=MARKET, delivery_date=DAY)


@pytest.fixture(scope="module")
def hashes(first: dict[str, Any]) -> list[dict[str, Any]]:
    return _hashes()


def _hashes() -> list[dict[str, Any]]:
    with connect() as warehouse:
        return published_hashes(warehouse)


def _query(sql: str) -> pl.DataFrame:
    with connect() as warehouse:
        return warehouse.query(sql)


def test_first_night_ends_well_and_counts_add_up(first: dict[str, Any]) -> None:
    assert first["status"] == "OK", first["status_reason"]
    counts = first["ingest"]
    assert counts["rows_read"] == counts["rows_loaded"] + counts["rows_quarantined"] + counts["rows_duplicate"]
    assert counts["rows_loaded"] > 0
    assert Path(first["report"]).is_file()
    assert {s["step"] for s in first["steps"]} >= {
        "ingest",
        "validate_raw",
        "transform",
        "validate_features",
        "drift",
        "evaluate",
        "shadow",
        "watch",
        "marts",
        "cross_asset",
        "report",
    }


def test_spreads_and_effects_of_arrivals_are_published_from_the_marts(first: dict[str, Any]) -> None:
    with connect() as warehouse:
        spreads = warehouse.query(
            "select * from curated.v_cross_commodity where market = 'twin' and delivery_date = {day:Date32} order by hub", {"day": DAY}
        )
        effects = warehouse.query("select * from curated.v_lng_effects where delivery_date = {day:Date32} and at = 0", {"day": DAY})
    hubs = RunContext("twin", MARKET, DAY).selection.hubs
    assert spreads["hub"].to_list() == sorted(hubs)
    left = spreads["clean_spark_ccy_per_mwh"] + 0.411 * spreads["co2_ccy_per_t"] + spreads["gas_ccy_per_mwh"] / 0.4913
    assert (left - spreads["power_ccy_per_mwh"]).abs().max() < 1e-9
    assert {"projection", "placebo"} <= set(effects["estimator"])
    assert Path(first["report"]).with_name("spreads.html").is_file()
    assert "effect per TWh" in Path(first["report"]).with_name("lng.html").read_text(encoding="utf-8")


def test_first_champions_are_audited_bootstraps(first: dict[str, Any]) -> None:
    from pipeline_tasks import tracking

    ctx = RunContext("twin", MARKET, DAY).days_before(load_schedules().bootstrap_days)
    with connect() as warehouse:
        for model in model_names():
            found = tracking.champion_at(warehouse, model=model, market=MARKET, instant=datetime.now(UTC))
            assert found is not None
            assert found["action"] == "bootstrap_promotion"
            assert datetime.fromisoformat(found["cutoff"]) == ctx.as_of
            assert tracking.champion_at(warehouse, model=model, market=MARKET, instant=ctx.as_of) is None


def test_first_night_publishes_the_days_before_out_of_sample(first: dict[str, Any]) -> None:
    for model in DAILY:
        rows = _query(f"select distinct delivery_date, as_of, run_id from curated.v_{model} order by delivery_date").to_dicts()
        assert len(rows) == load_schedules().bootstrap_days + 1
        for row in rows:
            ctx = RunContext("twin", MARKET, row["delivery_date"])
            assert row["as_of"] == ctx.as_of
            assert row["run_id"] == ctx.run_id
        assert rows[0]["as_of"] >= RunContext("twin", MARKET, DAY).days_before(load_schedules().bootstrap_days).as_of


def test_every_forecast_carries_the_regime_published_before_it(first: dict[str, Any]) -> None:
    steps = [s["step"] for s in first["steps"]]
    regimes = dict(_query("select delivery_date, regime from curated.v_regimes_daily").iter_rows())
    assert len(regimes) == load_schedules().bootstrap_days + 1
    for model in DAILY:
        assert model == "regime" or steps.index("publish:regime") < steps.index(f"infer:{model}")
        told = _query(f"select distinct delivery_date, regime from curated.v_{model}")
        assert dict(told.iter_rows()) == regimes, model
    for model in (*INTERVALS, *UNITS):  # of the day under way when an interval was decided
        late = _query(
            f"select distinct toDate32(toTimeZone(as_of, 'Europe/Berlin')) as day, regime from curated.v_{model} where day > '{min(regimes)}'"
        )
        assert dict(late.iter_rows()).items() <= regimes.items(), model
    past = _query("select max(described_date) = delivery_date from curated.v_regime_history group by delivery_date")
    assert past.to_series().cast(pl.Boolean).all()


def test_first_night_publishes_the_decisions_made_by_then(first: dict[str, Any]) -> None:
    gate, days = RunContext("twin", MARKET, DAY).as_of, load_schedules().bootstrap_days
    for model in INTERVALS:
        rows = _query(
            "select delivery_date, horizon_min, uniqExact(delivery_ts) as n, max(as_of) as last"
            f" from curated.v_{model} group by 1, 2 order by 1, 2"
        )
        by_day = {d: n for d, h, n, _ in rows.iter_rows() if h == 60}
        whole = {date(2026, 6, 14) - timedelta(days=k): 24 for k in range(1, days)}  # hours; from the 14th on five minutes
        per_hour = 2 if model == "lmp_nowcast" else 12  # nodes are decided on every half an hour
        assert by_day == whole | {date(2026, 6, 14): 13 * per_hour + 1}  # to 12:00 local, a decision each for deliveries to 13:00
        assert rows["last"].max() == gate
        drivers = _query(f"select min(delivery_ts) as first, countIf(as_of > delivery_ts) as bad from curated.v_{model}_drivers").row(0)
        assert drivers == (gate, 0)


def test_first_night_foretells_every_unit_up_to_a_day_after_the_gate(first: dict[str, Any]) -> None:
    gate = RunContext("twin", MARKET, DAY).as_of
    for model in UNITS:
        rows = _query(
            "select delivery_date, horizon_min, uniqExact(product) as units, count() as n, max(as_of) as last, countIf(status != 'OK') as bad"
            f" from curated.v_{model} group by 1, 2 order by 1, 2"
        )
        whole = rows.filter(pl.col("delivery_date") < date(2026, 6, 14))
        assert whole.height == (load_schedules().bootstrap_days - 2) * 4  # days begun a day after the cutoff, four horizons
        assert (whole["n"] == 4 * whole["units"]).all()  # decisions at 0, 6, 12 and 18 o'clock
        assert rows["last"].max() == gate
        assert rows.filter(pl.col("delivery_date") == DAY)["horizon_min"].to_list() == [720, 1440]
        assert rows["bad"].sum() == 0


def test_published_days_are_scored_and_the_report_day_is_not(first: dict[str, Any]) -> None:
    rows = _query(
        "select model, min(delivery_date) as a, max(delivery_date) as b, countIf(not isFinite(value)) as bad from ops.model_metrics group by model"
    )
    assert set(rows["model"]) == set(model_names())
    assert rows["b"].max() < DAY
    assert rows["bad"].sum() == 0


def test_the_same_night_again_gives_the_same_bytes(first: dict[str, Any], hashes: list[dict[str, Any]]) -> None:
    before = _query("select count() as n from curated.curve_dist")["n"].item()
    again = run_nightly(source="twin", market=MARKET, delivery_date=DAY)
    assert again["status"] == "OK", again["status_reason"]
    assert again["ingest"]["rows_loaded"] == 0
    assert {p["delivery_date"] for p in again["publications"]} == {DAY.isoformat(), "2026-06-14"}  # the next day, and the day under way
    assert _hashes() == hashes
    assert all(row["matches"] for row in hashes)
    assert _query("select count() as n from curated.curve_dist")["n"].item() == before


def test_replay_makes_the_same_bytes(first: dict[str, Any]) -> None:
    rows = run_replay(source="twin", market=MARKET, start=date(2026, 6, 13), end=DAY)
    assert len(rows) == 3 * len(DAILY) + 2 * len(INTERVALS) + 3 * len(UNITS)
    assert [row for row in rows if not row["identical"]] == []


def test_training_registers_a_judged_challenger_and_leaves_the_champion(first: dict[str, Any]) -> None:
    from pipeline_tasks import tracking

    before = tracking.champion("curve_dist", MARKET)
    conf = {"source": "twin", "market": MARKET, "delivery_date": "2026-06-12", "models": ["curve_dist"]}
    run = execute_dag("train", conf, logical="2026-06-11T10:00:00+00:00", label="train")
    assert run["state"] == "success", failure_of(run)
    challenger = tracking.challenger("curve_dist", MARKET)
    assert challenger is not None
    assert before is not None
    assert challenger.version != before.version
    assert challenger.gate in {"pass", "miss"}
    assert tracking.champion("curve_dist", MARKET) == before
    assert (
        _query(f"select count() as n from ops.training_runs where model_version = '{challenger.version}' and model = 'curve_dist'")[
            "n"
        ].item()
        == 1
    )


def test_what_was_served_is_what_a_rebuild_gives(first: dict[str, Any]) -> None:
    from pipeline_tasks.watch.parity import check_recent

    with connect() as warehouse:
        found = {name: check_recent(warehouse, name, MARKET) for name in model_names()}
    assert all(f.holds for f in found.values()), {n: f.example for n, f in found.items()}
    assert sum(f.samples for f in found.values()) >= 10_000
    recorded = _query("select model, samples, mismatches + schema_mismatches as wrong from ops.parity order by model")
    assert set(recorded["model"]) == set(model_names())
    assert recorded["wrong"].sum() == 0


def test_a_challenger_answers_in_the_shadow_on_identical_inputs(first: dict[str, Any]) -> None:
    """After training: the published days again, by the challenger, from rows with the same hash; readers see nothing of it."""
    from pipeline_tasks.steps.watch import shadows_of, verdicts_of

    ctx, published = RunContext("twin", MARKET, DAY), _hashes()
    found = shadows_of(ctx, ["curve_dist"])["models"]["curve_dist"]
    assert found["days"] == found["inputs_equal"] == load_schedules().bootstrap_days + 1
    assert shadows_of(ctx, ["curve_dist"])["models"]["curve_dist"]["days"] == 0
    rows = _query("select model_version, count() as n from curated_shadow.curve_dist group by model_version")
    assert rows.row(0) == (found["challenger"], 24 * found["days"])
    assert _hashes() == published
    verdicts = verdicts_of(ctx, ["curve_dist"])["verdicts"]
    assert verdicts["curve_dist promotion"] == "wait"
    said = _query(
        "select days, reason, inputs_equal_share as share from ops.shadow_verdicts where question = 'promotion' order by at_ts desc"
    )
    assert said["days"][0] >= load_schedules().bootstrap_days
    assert said["share"][0] == 1.0


def test_upkeep_finds_the_chain_intact(first: dict[str, Any]) -> None:
    conf = {"source": "twin", "market": MARKET, "delivery_date": DAY.isoformat()}
    run = execute_dag("maintenance", conf, logical="2026-06-15T02:30:00+00:00", label="maintenance")
    assert run["state"] == "success", failure_of(run)
    assert [e["step"] for e in ended(run)] == ["verify_audit", "back_up_registry", "optimise", "data_docs", "prune_payloads"]


def test_a_night_without_data_fails_at_once_and_says_why(first: dict[str, Any]) -> None:
    run = run_nightly(source="files", market="epf_de", delivery_date=date(2017, 6, 15))
    assert run["status"] == "FAILED"
    assert run["status_reason"].startswith("ingest:"), run["status_reason"]
    assert {s["step"] for s in run["steps"]}.isdisjoint({"transform", "infer:curve_dist"})


ANALYSTS = (REPO_ROOT / "docs" / "analysts.md").read_text(encoding="utf-8")
ANALYST_QUERIES = re.findall(r"```sql\n(.*?)```", ANALYSTS, flags=re.DOTALL)
MAY_BE_EMPTY = ("where alert", "where not success", "from ops.scorecard")


def test_the_analyst_guide_has_fifteen_queries() -> None:
    assert len(re.findall(r"(?m)^## \d+\. ", ANALYSTS)) == 15
    assert len(ANALYST_QUERIES) >= 15


@pytest.mark.parametrize("sql", ANALYST_QUERIES, ids=[f"query{i}" for i in range(len(ANALYST_QUERIES))])
def test_every_query_of_the_guide_runs_as_the_analyst(first: dict[str, Any], sql: str) -> None:
    with connect("analyst") as warehouse:
        rows = warehouse.query(sql)
    assert rows.width > 1
    assert rows.height or any(mark in sql for mark in MAY_BE_EMPTY), sql


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_export_writes_rows_and_units(first: dict[str, Any], tmp_path: Path, suffix: str) -> None:
    from pipeline_tasks.reports.export import export_table

    made = export_table("curated.v_curve_dist", tmp_path / f"curve{suffix}", market="twin")
    read = pl.read_csv(made["path"]) if suffix == ".csv" else pl.read_parquet(made["path"])
    assert read.height == made["rows"] > 0
    schema = json.loads(Path(made["schema_path"]).read_text())
    assert schema["columns"]["q50_ccy_per_mwh"]["unit"] == "currency/MWh"
    assert set(read.columns) == set(schema["columns"])


def test_every_figure_of_the_report_index_is_in_the_warehouse(first: dict[str, Any]) -> None:
    text = Path(first["report"]).read_text(encoding="utf-8")
    forecasts = _query(
        "select avg(point_ccy_per_mwh) as m, avg(q05_ccy_per_mwh) as l, avg(q95_ccy_per_mwh) as h from curated.v_curve_dist"
        f" where market = 'twin' and delivery_date = '{DAY}' and hub = 'HUB_NORTH'"
    ).row(0)
    assert all(f"{value:,.2f}" in text for value in forecasts)
    quarantined = int(_query("select count() as n from quarantine.prices").item(0, 0)) + int(
        _query("select count() as n from quarantine.quantities").item(0, 0)
    )
    assert f"<b>{quarantined:,}</b><span>rows in quarantine" in text


def test_an_intraday_run_adds_the_decisions_since(first: dict[str, Any]) -> None:
    from pipeline_tasks.steps.replay import replay

    instant = RunContext("twin", MARKET, DAY).as_of + timedelta(hours=13)  # 01:00 of the next day
    run = run_intraday(source="twin", market=MARKET, instant=instant)
    assert run["status"] == "OK", run["status_reason"]
    assert {p["delivery_date"] for p in run["publications"]} == {"2026-06-14", DAY.isoformat()}
    for model in INTERVALS:
        last, n = _query(f"select max(as_of), count() from curated.v_{model} where delivery_date = '2026-06-14' and horizon_min = 60").row(
            0
        )
        # 288 intervals of five minutes; of five nodes those at every half hour
        whole = (timedelta(hours=2, minutes=30), 48 * 5) if model == "lmp_nowcast" else (timedelta(hours=2, minutes=5), 288)
        assert (last, n) == (instant - whole[0], whole[1])
        assert _query(f"select max(as_of) from curated.v_{model}").item() == instant
    again = replay(RunContext("twin", MARKET, date(2026, 6, 14), dag="replay"), INTERVALS)
    assert again["status"] == "OK", again["reason"]
    assert len(again["partitions"]) == len(INTERVALS)


def test_a_soak_with_faults_loses_and_doubles_nothing_and_the_last_cycle_again_changes_nothing(first: dict[str, Any]) -> None:
    """Two cycles around a silence of the feed: prices grow stale, then arrive late, all at once."""
    from pipeline_tasks.soak import soak_intraday
    from pipeline_tasks.steps.infer import infer

    start = datetime(2026, 6, 16, 8, 45, tzinfo=UTC)  # the feed is silent from 8 to 9
    made = soak_intraday(source="twin_faults", market=MARKET, cycles=2, every_min=30, start=start)
    assert made["holds"], made
    cycles, hashes, instant = made["cycles"], _hashes(), start + timedelta(minutes=30)
    assert made["proof"]["source_rows"] > cycles[1]["rows_loaded"] > 0
    assert cycles[1]["decisions"] == 2 * 6 + 4 * 5  # of the hub two horizons of six intervals, of its five nodes four of a half-hour
    assert cycles[1]["rewritten"] == 0
    assert made["proof"]["decisions"] > cycles[1]["decisions"] > 0
    again = run_intraday(source="twin_faults", market=MARKET, instant=instant)
    assert again["ingest"]["rows_loaded"] == 0
    assert _hashes() == hashes
    earlier = infer(RunContext.at("twin_faults", MARKET, instant - timedelta(minutes=15)), INTERVALS[0])
    assert (earlier["run_ids"], earlier["status"]) == ([], "OK")


def test_outages_of_a_form_are_solved_published_and_the_same_again(first: dict[str, Any]) -> None:
    forms_of_a_night.outages_of_a_form(DAY)


def test_a_plan_is_made_replayed_refused_to_its_requester_approved_and_settled(first: dict[str, Any]) -> None:
    forms_of_a_night.published_is_what_would_be_answered(MARKET, DAY.isoformat())
    forms_of_a_night.plan_from_form_to_outcome(MARKET, DAY.isoformat())


def test_limits_and_kill_switches_stop_plans(first: dict[str, Any]) -> None:
    forms_of_a_night.plans_stopped_by_limits_and_switches(MARKET, DAY.isoformat())


def test_nodes_are_embedded_published_found_again_and_the_same_again(first: dict[str, Any]) -> None:
    from pipeline_tasks.embedding.neighbours import NodeError
    from pipeline_tasks.embedding.run import Request
    from pipeline_tasks.steps.embed import embed_nodes, node_neighbours
    from pipeline_tasks.tracking.registry import challenger, fetch

    conf = {"source": "twin", "market": "twin", "delivery_date": DAY.isoformat(), "days": 21, "name": "form"}
    run = execute_dag("embeddings", conf, logical="2026-06-14T11:30:00+00:00", label="embeddings")
    assert run["state"] == "success", failure_of(run)
    nodes = _query("select uniqExact(bus) from raw.grid_buses where market = 'twin'").item()
    columns = "count() as n, min(length(embedding)) as short, max(length(embedding)) as long, max(as_of) as as_of, sum(is_sparse) as sparse"
    made = _query(f"select {columns} from curated.v_node_embeddings where hub = 'form'").row(0, named=True)
    assert made == {"n": nodes, "short": 256, "long": 256, "as_of": RunContext("twin", MARKET, DAY).as_of, "sparse": 0}
    assert _query("select count() from curated.v_node_neighbours where hub = 'form'").item() == 10 * nodes
    assert _query("select sum(nodes) from curated.v_node_hubs where hub = 'form'").item() == nodes
    node = _query("select node from curated.v_node_embeddings where hub = 'form' order by node limit 1").item()
    listed = _query(f"select neighbour from curated.v_node_neighbours where hub = 'form' and node = '{node}' order by rank")
    for exact in (True, False):
        found = node_neighbours(node, 10, market="twin", name="form", exact=exact)
        assert len(set(listed["neighbour"].to_list()) & {row["node"] for row in found}) >= 9
    with pytest.raises(NodeError, match="has no node 'nowhere'"):
        node_neighbours("nowhere", 3, market="twin", name="form")
    with pytest.raises(NodeError, match="no embedding 'other'"):
        node_neighbours(node, 3, market="twin", name="other")
    published = "select content_sha from ops.publications where hub = 'form' and model = 'node2grid' order by table_name, at_ts desc"
    before = _query(f"{published} limit 1 by table_name")["content_sha"].to_list()
    again = embed_nodes(Request("twin", DAY, days=21, name="form"))
    assert sorted(p["content_sha"] for p in again["publications"]) == sorted(before)
    ref = challenger("node2grid", "twin")
    assert ref is not None
    assert ref.version == again["version"] == "1"
    assert {p.name for p in fetch(ref).iterdir()} == {"manifest.json", "node2grid.json", "node2grid.npz"}


def test_a_node_treated_as_new_is_nowcast_from_the_others(first: dict[str, Any]) -> None:
    from pipeline_tasks.embedding.run import Request
    from pipeline_tasks.steps.embed import embed_nodes

    node = _query("select max(node) from raw.nodal_prices where market = 'twin'").item()
    made = embed_nodes(Request("twin", DAY, days=21, as_new=(node,), name="cold"))
    assert {row["node"] for row in made["nowcasts"]} == {node}
    sql = """
        select avg(abs(n.price_ccy_per_mwh - p.price_ccy_per_mwh)) as gap, count() as n, min(n.deviation_ccy_per_mwh) as deviation
        from curated.v_node_nowcasts as n
        inner join raw.nodal_prices as p on p.node = n.node and p.delivery_ts = n.delivery_ts
        where n.hub = 'cold' and p.market = 'twin' and p.product = 'da'"""
    told = _query(sql).row(0, named=True)
    assert told["n"] == len(made["nowcasts"]) > 0
    assert told["gap"] < 5.0
    assert told["deviation"] > 0


def test_participants_of_a_form_are_learned_published_and_the_same_again(first: dict[str, Any]) -> None:
    from pipeline_tasks.steps.participants import learn_participants, show_participants

    conf = {"market": "twin", "delivery_date": DAY.isoformat()}
    run = execute_dag("participants", conf, logical="2026-06-14T11:30:00+00:00", label="participants")
    assert run["state"] == "success", failure_of(run)
    units = "select uniqExact(unit_id) as n from raw.grid_units where market = 'twin'"
    curves = _query("select * from curated.v_offer_curves where market = 'twin' order by unit_id, window, block")
    assert curves["unit_id"].n_unique() == _query(units).item()
    rising = curves.select((pl.col("price_ccy_per_mwh").diff().over("unit_id", "window") >= 0).all())
    assert rising.item()
    costs = curves.filter(pl.col("cost_ccy_per_mwh").is_not_null())
    assert costs.select((pl.col("price_ccy_per_mwh") - pl.col("cost_ccy_per_mwh") - pl.col("markup_ccy_per_mwh")).abs().max()).item() < 1e-9
    published = "select content_sha from ops.publications where hub = 'ALL' order by table_name, at_ts desc limit 1 by table_name"
    before = _query(published)["content_sha"].to_list()
    again = learn_participants(RunContext("twin", "twin", DAY, dag="participants"))
    assert sorted(p["content_sha"] for p in again["publications"]) == sorted(before)
    assert again["version"] == "1"
    store = curves.filter(pl.col("kind") == "storage")["unit_id"][0]
    told = show_participants("twin", DAY, unit=store)
    assert {p["policy"] for p in told["policies"]} >= {"store_price", "store_reward"}
    with pytest.raises(ValueError, match="desk participants learn"):
        show_participants("twin", DAY, unit="NOBODY")


def test_limits_are_learned_each_night_published_and_the_same_again(first: dict[str, Any]) -> None:
    from models._kernel.grid.network import GridError
    from pipeline_tasks.sensitivity.run import Request, SensitivityError
    from pipeline_tasks.steps.sensitivities import learn_sensitivities, show_sensitivities, tell_congestion
    from pipeline_tasks.tracking.registry import challenger, fetch

    assert {"step": "learn_sensitivities", "status": "OK"}.items() <= next(
        s for s in first["steps"] if s["step"] == "learn_sensitivities"
    ).items()
    published = (
        "select content_sha from ops.publications where hub = 'nightly' and model = 'grid_sensitivities' order by table_name, at_ts desc"
    )
    before = _query(f"{published} limit 1 by table_name")["content_sha"].to_list()
    again = learn_sensitivities(Request("twin", DAY, name="nightly"))
    assert sorted(p["content_sha"] for p in again["publications"]) == sorted(before)
    ref = challenger("grid_sensitivities", "twin")
    assert ref is not None
    assert (ref.version, ref.gate) == (again["version"], "pass")
    assert {p.name for p in fetch(ref).iterdir()} == {"manifest.json", "limits.json", "limits.npz"}
    nodes = _query("select uniqExact(bus) from raw.grid_buses where market = 'twin'").item()
    assert _query("select count() from curated.v_grid_nodes where hub = 'nightly'").item() == nodes
    limit = show_sensitivities("twin")["limits"][0]
    name = f"{limit['branch']}|{limit['contingency']}"
    told = tell_congestion("twin", {name: -10.0})
    assert len(told["nodes"]) == nodes
    assert all(r["low_90_ccy_per_mwh"] <= r["congestion_ccy_per_mwh"] <= r["high_90_ccy_per_mwh"] for r in told["nodes"])
    assert show_sensitivities("twin", node=told["nodes"][0]["node"])["sensitivities"]
    with pytest.raises(GridError, match="never seen to bind"):
        tell_congestion("twin", {"nowhere": 1.0})
    with pytest.raises(SensitivityError, match="no node 'nowhere'"):
        show_sensitivities("twin", node="nowhere")


def test_realised_outages_are_asked_of_the_simulator_and_too_few_teach_nothing(first: dict[str, Any]) -> None:
    conf = {"source": "twin", "market": "twin", "delivery_date": DAY.isoformat(), "days": 30}
    run = execute_dag("outage_response", conf, logical="2026-06-14T12:30:00+00:00", label="outage_response")
    assert run["state"] == "success", failure_of(run)
    (learned,) = [e for e in ended(run) if e["step"] == "learn_outage_response"]
    assert learned["status"] == "DEGRADED"
    assert "give at least 10 such" in learned["detail"]["reason"]


def test_the_market_cleared_with_an_outage_is_what_the_study_is_judged_by(first: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline_tasks.scorecard import outage_market
    from pipeline_tasks.scorecard.outage_events import OURS

    monkeypatch.setattr(outage_market, "EVENTS", 2)
    events, still = outage_market.market_events(DAY, 7, lambda _text: None)
    assert len(events) + still == 2 * len(outage_market.HOURS)
    assert all(e.certified and abs(e.truth.mean()) < 1e-6 for e in events)
    assert all(e.truth.shape == e.told[OURS].shape for e in events)
