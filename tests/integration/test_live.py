"""Live feeds against a server that stands in for the providers: every fault, revisions, resumption, and what a run makes of a source that is down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from config.markets import load_markets, resolve_market
from config.settings import get_settings
from pipeline_tasks.contracts.raw import PRICES
from pipeline_tasks.sources.live.source import LiveFeeds
from pipeline_tasks.steps.live import load_feeds
from pipeline_tasks.warehouse import Warehouse
from pipeline_tasks.warehouse.cursors import feed_states
from tests.integration.live_server import Fault, Provider, instants, serving, value

FIRST, LAST = date(2025, 9, 28), date(2025, 10, 26)  # the change to quarter hours, and the day of 25 hours
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
ZONE = "10Y1001A1001A82H"
MARKET = """
market:
  label: Test
  time_zone: Europe/Berlin
  currency: EUR
  gate_time: "12:00"
  price_floor: -500
  price_cap: 4000
  hubs: [{hub}]
days: 10
feeds:
{feeds}
"""
ENTSOE = f"""
  - {{product: entsoe/prices_da, regions: {{{ZONE}: H}}}}
  - {{product: entsoe/load_actual, regions: {{{ZONE}: system}}}}
  - {{product: entsoe/generation_actual, regions: {{{ZONE}: system}}}}
"""


class Setup:
    """Markets of its own on one server."""

    def __init__(self, folder: Path, state: Provider, providers: Path) -> None:
        self.folder, self.state, self.providers = folder, state, providers

    def market(self, key: str, feeds: str, hub: str = "H") -> Any:
        (self.folder / f"{key}.yaml").write_text(MARKET.format(hub=hub, feeds=feeds.strip("\n")))
        load_markets.cache_clear()
        return resolve_market(key)

    def load(
        self, wh: Warehouse, selection: Any, *, now: datetime = NOW, until: date = LAST, since: date | None = FIRST, **options: Any
    ) -> dict[str, Any]:
        source = LiveFeeds(clock=lambda: now, offline=options.pop("offline", False))
        end = selection.market.day_bounds(until)[1]
        return load_feeds(wh, source, selection, until=end, since=since, **options)


@pytest.fixture
def live(tmp_path: Path, desk_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    captured = get_settings().data_dir / "api_responses"
    with serving(tmp_path, captured=captured) as (state, providers):
        folder = tmp_path / "markets"
        folder.mkdir()
        for name, text in {
            "DESK_PROVIDERS_FILE": str(providers),
            "DESK_LIVE_DIR": str(folder),
            "DESK_PAYLOADS": str(tmp_path / "payloads"),
            "ENTSOE_API_KEY": "secret-key",
        }.items():
            monkeypatch.setenv(name, text)
        get_settings.cache_clear()
        load_markets.cache_clear()
        yield Setup(folder, state, providers)
    monkeypatch.undo()
    get_settings.cache_clear()
    load_markets.cache_clear()


def wanted(selection: Any, kind: str) -> list[tuple[datetime, int, float]]:
    start, end = selection.market.day_bounds(FIRST)[0], selection.market.day_bounds(LAST)[1]
    return [(at, minutes, value(kind, at)) for at, minutes in instants(start, end)]


def held(wh: Warehouse, market: str, table: str, column: str, condition: str = "true") -> list[tuple[datetime, int, float]]:
    start = resolve_market(market).market.day_bounds(FIRST)[0]  # chunks begin at days of their own; the first one reaches further back
    sql = f"select delivery_ts, resolution_min, {column} from {table} where market = {{m:String}} and {condition} and delivery_ts >= {{start:DateTime64(3, 'UTC')}}"
    return wh.query(f"{sql} order by delivery_ts, known_ts", {"m": market, "start": start}).rows()


FAULTS = [
    Fault("http429", "documentType=A44"), Fault("html", "documentType=A44"), Fault("truncated", "documentType=A44"), Fault("http503", "documentType=A65"),
    Fault("utf16", "documentType=A65"), Fault("empty", "documentType=A75"), Fault("error_body", "caiso/SingleZip"), Fault("truncated", "caiso/SingleZip"),
    Fault("html", "caiso/SingleZip"),
]  # fmt: skip


def test_every_fault_on_the_way_and_nothing_is_lost_or_doubled(live: Setup, warehouse: Warehouse) -> None:
    selection = live.market("faulty", ENTSOE + "  - {product: caiso/lmp_da, regions: {TH_NP15_GEN-APND: NP15}}\n", hub="H, NP15")
    live.state.faults = [Fault(f.kind, f.match) for f in FAULTS]
    result = live.load(warehouse, selection)
    served = [fault for _, fault in live.state.served if fault]
    assert sorted(served) == sorted(f.kind for f in FAULTS)
    assert "reason" not in result, result.get("reason")
    assert result["rows_read"] == result["rows_loaded"] > 0
    assert held(warehouse, "faulty", "raw.prices", "price_ccy_per_mwh", "hub = 'H'") == wanted(selection, "price")
    assert held(warehouse, "faulty", "raw.quantities", "value", "quantity = 'load'") == wanted(selection, "load")
    for fuel in ("wind", "solar", "gas"):
        assert held(warehouse, "faulty", "raw.quantities", "value", f"quantity = '{fuel}'") == wanted(selection, fuel)
    prices = warehouse.query("select price_ccy_per_mwh, energy_ccy_per_mwh from raw.prices where market = 'faulty' and hub = 'NP15'")
    assert prices.height == 720 + 11 * 24 + 1  # a chunk of 30 days, eleven days, and the hour that comes twice
    assert ((prices["price_ccy_per_mwh"] - prices["energy_ccy_per_mwh"] - 2).abs() < 1e-6).all()
    assert warehouse.scalar("select uniqExact(source) from raw.prices where market = 'faulty'") == 2
    asked = len(live.state.log)
    again = live.load(warehouse, selection)
    assert (len(live.state.log), again["requests"], again["rows_read"]) == (asked, 0, 0)  # all is settled: nothing is asked


def test_an_open_chunk_is_asked_again_and_a_revision_is_a_new_row(live: Setup, warehouse: Warehouse) -> None:
    selection = live.market("revised", f"  - {{product: entsoe/prices_da, regions: {{{ZONE}: H}}}}")
    soon = selection.market.day_bounds(LAST)[1] - timedelta(hours=5)  # the chunk is not settled yet
    first = live.load(warehouse, selection, now=soon)
    same = live.load(warehouse, selection, now=soon + timedelta(hours=1))
    assert (first["requests"], same["requests"], same["rows_read"]) == (
        2,
        1,
        0,
    )  # the chunk of September is settled, the open one came unchanged
    live.state.faults = [Fault("revised", "A44", -1)]
    later = soon + timedelta(hours=2)
    changed = live.load(warehouse, selection, now=later)
    assert changed["rows_loaded"] == changed["rows_read"] > 0
    rows = warehouse.query(
        "select delivery_ts, known_ts, price_ccy_per_mwh from raw.prices where market = 'revised' order by delivery_ts, known_ts"
    )
    both = (
        rows.group_by("delivery_ts", maintain_order=True)
        .agg(pl.col("known_ts"), pl.col("price_ccy_per_mwh"))
        .filter(pl.col("known_ts").list.len() == 2)
    )
    assert both.height == changed["rows_loaded"]
    assert both.select(
        (pl.col("price_ccy_per_mwh").list.last() - pl.col("price_ccy_per_mwh").list.first()).round(6).unique()
    ).to_series().to_list() == [7.0]
    assert (both["known_ts"].list.last() == later.replace(tzinfo=UTC)).all()
    replayed = live.load(warehouse, selection, now=later, again=True, offline=True)  # every kept answer parsed again: nothing new
    assert replayed["rows_loaded"] == replayed["rows_quarantined"] == replayed["requests"] == 0


def test_a_row_that_comes_after_its_rule_is_known_when_it_came(live: Setup, warehouse: Warehouse) -> None:
    selection = live.market("late", f"  - {{product: entsoe/prices_da, regions: {{{ZONE}: H}}}}")
    soon = selection.market.day_bounds(LAST)[1] - timedelta(hours=5)
    live.state.faults = [
        Fault("short", "A44", -1)
    ]  # the answer of this moment ends before the last day, whose prices were due the day before
    live.load(warehouse, selection, now=soon, since=date(2025, 10, 20))
    live.state.faults = []
    live.load(warehouse, selection, now=soon + timedelta(hours=1), since=date(2025, 10, 20))
    rows = warehouse.query("select delivery_ts, known_ts from raw.prices where market = 'late' order by delivery_ts")
    late = rows.filter(pl.col("delivery_ts") >= datetime(2025, 10, 25, 23, tzinfo=UTC))  # twenty days before the end of the chunk
    assert late.height == 96
    assert late["known_ts"].unique().to_list() == [soon + timedelta(hours=1)]
    assert rows.filter(pl.col("delivery_ts") < datetime(2025, 10, 24, tzinfo=UTC))["known_ts"].max() < soon


@pytest.mark.parametrize(("kind", "said"), [("renamed", "'MW' is gone"), ("retyped", "was numbers and now holds")])
def test_changed_columns_go_to_quarantine_and_degrade(live: Setup, warehouse: Warehouse, kind: str, said: str) -> None:
    selection = live.market(f"drift_{kind}", "  - {product: caiso/lmp_da, regions: {TH_NP15_GEN-APND: NP15}}", hub="NP15")
    live.state.faults = [Fault(kind, "PRC_LMP", -1)]
    result = live.load(warehouse, selection, until=date(2025, 10, 2))
    assert result["status"] == "DEGRADED"
    assert said in result["reason"]
    assert result["rows_read"] == result["rows_quarantined"] > 0
    row = warehouse.query(
        "select row_json, broken_rules from quarantine.prices where source_object like 'caiso/lmp_da%' order by ingested_ts desc limit 1"
    )
    assert "TH_NP15_GEN-APND" in row["row_json"][0]
    alerts = [json.loads(line) for line in (get_settings().home / "notifications.jsonl").read_text().splitlines()]
    assert alerts[-1]["market"] == f"drift_{kind}"
    live.state.faults = []
    mended = live.load(warehouse, selection, until=date(2025, 10, 2), now=NOW + timedelta(hours=1))  # asked again by itself
    assert mended["rows_loaded"] == mended["rows_read"] > 0
    assert warehouse.scalar(f"select count() from raw.prices where market = 'drift_{kind}'") == mended["rows_loaded"]


def test_a_new_column_is_told_and_read_past_and_another_unit_is_refused(live: Setup, warehouse: Warehouse) -> None:
    added = live.market("drift_added", "  - {product: caiso/lmp_da, regions: {TH_NP15_GEN-APND: NP15}}", hub="NP15")
    live.state.faults = [Fault("added", "PRC_LMP", -1)]
    result = live.load(warehouse, added, until=date(2025, 10, 2))
    assert result["rows_loaded"] == result["rows_read"] > 0
    state = feed_states(warehouse, "drift_added").row(0, named=True)
    assert (state["last_status"], state["last_reason"]) == ("OK", "new columns NEW_COLUMN are kept and not read")
    unit = live.market("drift_unit", f"  - {{product: entsoe/load_actual, regions: {{{ZONE}: system}}}}")
    live.state.faults = [Fault("unit", "A65", -1)]
    refused = live.load(warehouse, unit, until=date(2025, 10, 2))
    assert "unit column 'unit' was MAW and now says KWT" in refused["reason"]
    assert refused["rows_loaded"] == 0


def test_a_source_that_is_down_degrades_with_the_age_of_its_last_data(live: Setup, warehouse: Warehouse) -> None:
    selection = live.market("down", ENTSOE)
    live.load(warehouse, selection, until=date(2025, 10, 10))
    live.state.faults = [Fault("http503", "entsoe", -1)]
    asked = len(live.state.log)
    result = live.load(warehouse, selection, since=date(2025, 10, 10))
    assert result["status"] == "DEGRADED"
    assert "last good row known 2025-10-" in result["reason"]
    assert "circuit open" in result["reason"] or "HTTP 503" in result["reason"]
    assert len(live.state.log) - asked <= 3 * 4  # the circuit opens after three requests of four tries: the rest is not asked
    live.state.faults = []
    assert "status" not in live.load(warehouse, selection)
    assert held(warehouse, "down", "raw.prices", "price_ccy_per_mwh") == wanted(selection, "price")


def test_a_missing_key_says_which_variable_and_where_to_get_one(
    live: Setup, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    selection = live.market("keyless", f"  - {{product: entsoe/prices_da, regions: {{{ZONE}: H}}}}")
    monkeypatch.delenv("ENTSOE_API_KEY")
    result = live.load(warehouse, selection, until=FIRST)
    assert "set ENTSOE_API_KEY (or ENTSOE_API_KEY_FILE)" in result["reason"]
    (tmp_path / "key").write_text("from-a-file\n")
    monkeypatch.setenv("ENTSOE_API_KEY_FILE", str(tmp_path / "key"))
    assert "status" not in live.load(warehouse, selection, until=FIRST)
    kept = "".join(p.read_text() for p in (get_settings().payload_folder / "index").rglob("*.json"))
    assert "from-a-file" not in kept + caplog.text
    assert "secret-key" not in kept


def test_kill_nine_in_a_backfill_resumes_without_fetching_what_landed(live: Setup, warehouse: Warehouse) -> None:
    selection = live.market("killed", ENTSOE)
    words = [
        sys.executable,
        "-m",
        "pipeline_tasks.cli",
        "backfill",
        "--market",
        "killed",
        "--from",
        str(FIRST),
        "--to",
        str(LAST),
        "--json",
    ]
    code = "from pipeline_tasks.cli import main; import sys; sys.argv[0] = 'desk'; main()"
    words = [sys.executable, "-c", code, *words[3:]]
    for landed in (1, 4):
        child = subprocess.Popen(words, env=os.environ.copy(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        give_up = time.monotonic() + 60
        while child.poll() is None and len(live.state.log) < landed and time.monotonic() < give_up:
            time.sleep(0.005)
        assert child.poll() is None, "the backfill ended before it could be killed"
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    result = live.load(warehouse, selection, now=datetime.now(UTC))
    log = live.state.log
    # an answer under way when its process was killed never landed; all others were asked once
    twice = {line: log.count(line) for line in log if log.count(line) > 1}
    assert sum(twice.values()) - len(twice) <= 3, twice
    assert "status" not in result
    assert held(warehouse, "killed", "raw.prices", "price_ccy_per_mwh") == wanted(selection, "price")
    for fuel in ("load", "wind", "solar", "gas"):
        assert held(warehouse, "killed", "raw.quantities", "value", f"quantity = '{fuel}'") == wanted(selection, fuel)
    there = sum(int(warehouse.scalar(f"select count() from raw.{t} where market = 'killed'")) for t in ("prices", "quantities"))
    assert warehouse.scalar("select sum(rows_loaded) from ops.loads where market = 'killed'") == there
    assert live.load(warehouse, selection, now=datetime.now(UTC))["requests"] == 0


def test_two_stage_feeds_fetch_each_document_once(live: Setup, warehouse: Warehouse, data_dir: Path) -> None:
    """ERCOT's list of documents and its documents, as captured, served under the names that the list gives them."""
    captured = data_dir / "api_responses" / "US_ERCOT"
    listing = json.loads((captured / "solar_power_production_hourly_averaged_actual_and_forecasted_values_rtid.json").read_text())
    documents = [d["Document"] for d in listing["ListDocsByRptTypeRes"]["DocumentList"] if d["Document"]["FriendlyName"].endswith("_csv")]
    live.state.documents = {d["DocID"]: (captured / "solar_specific_reportid.zip").read_bytes() for d in documents}
    live.state.listing = json.dumps(listing).encode()
    selection = live.market("listed", "  - {product: ercot/solar_forecast_da}")
    text = (live.folder / "listed.yaml").read_text().replace("Europe/Berlin", "America/Chicago")
    (live.folder / "listed.yaml").write_text(text)
    load_markets.cache_clear()
    selection = resolve_market("listed")
    day = date(2025, 3, 12)
    result = live.load(warehouse, selection, since=day, until=day)
    rows = warehouse.query("select value from raw.quantities where market = 'listed' order by delivery_ts")
    assert (result["requests"], rows.height) == (2, 24)  # the list, and the first document published the day before
    asked = [line for line in live.state.log if "mirDownload" in line]
    assert len(asked) == len(set(asked)) == 1


def test_exports_follow_the_licence_of_what_was_loaded(
    live: Setup, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline_tasks.contracts import Database
    from pipeline_tasks.reports import export
    from pipeline_tasks.sources.licences import RedistributionError, insist_on_export, tag_of

    assert {tag_of(s).redistribute for s in ("twin", "entsoe", "eia")} == {"yes"}
    insist_on_export("curated.v_x", Database.CURATED, [tag_of("caiso")])
    with pytest.raises(RedistributionError, match="caiso"):
        insist_on_export("marts.x", Database.MARTS, [tag_of("caiso")])
    with pytest.raises(RedistributionError, match=r"pjm \(PJM non-member"):
        insist_on_export("curated.v_x", Database.CURATED, [tag_of("entsoe"), tag_of("pjm")])
    with pytest.raises(RedistributionError, match="unknown"):
        insist_on_export("curated.v_x", Database.CURATED, [tag_of("somebody")])
    selection = live.market("licensed", "  - {product: caiso/lmp_da, regions: {TH_NP15_GEN-APND: NP15}}", hub="NP15")
    live.load(warehouse, selection, until=date(2025, 10, 2))
    frame = pl.DataFrame({"market": ["licensed"]})
    tags = export._licences(warehouse, frame)
    assert [(t.source, t.redistribute) for t in tags] == [("caiso", "derived")]
    assert export._describe(PRICES.column("currency"), tags)["licence"] == "CAISO public (Source: California ISO)"


def test_setting_up_a_market_checks_keys_and_reachability(live: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline_tasks.steps.markets import check_market, missing, write_market

    path, written = write_market("de_lu", days=90)
    assert (written, "days: 90" in path.read_text(), write_market("de_lu", days=5)[1]) == (True, True, False)
    monkeypatch.delenv("ENTSOE_API_KEY")
    (lacking,) = missing(check_market("de_lu"))
    assert "set ENTSOE_API_KEY or ENTSOE_API_KEY_FILE (https://transparency.entsoe.eu" in lacking.said
    monkeypatch.setenv("ENTSOE_API_KEY", "k")
    assert not list(missing(check_market("de_lu")))
    live.state.faults = [Fault("html", "entsoe", -1)]
    (down,) = missing(check_market("de_lu"))
    assert "a web page came instead of data: 'Scheduled maintenance'" in down.said
    with pytest.raises(KeyError, match="presets: aemo, caiso"):
        write_market("atlantis", days=30)


@pytest.mark.slow
def test_from_setting_up_a_market_to_its_published_curve_with_faults_on_the_way(live: Setup, warehouse: Warehouse) -> None:
    """Ingest of 140 days through every fault, and the nightly DAG on it: lost 0, doubled 0, the delivery day's curve is published."""
    from pipeline_tasks.steps.backfill import backfill
    from pipeline_tasks.steps.faults import delivery_date_of
    from pipeline_tasks.steps.markets import write_market
    from pipeline_tasks.steps.pipeline import run_nightly

    write_market("de_lu", days=140)
    live.state.faults = [
        Fault(kind, "entsoe", 1, skip)
        for kind, skip in zip(("http429", "html", "truncated", "http503", "utf16", "empty", "error_body"), range(7), strict=True)
    ]
    day = delivery_date_of("de_lu", datetime.now(UTC)) - timedelta(days=1)
    loaded = backfill("de_lu", last=day)
    assert loaded["rows_read"] == loaded["rows_loaded"] > 100_000
    market = resolve_market("de_lu").market
    start, end = market.day_bounds(day - timedelta(days=139))[0], market.day_bounds(day)[1]
    sql = "select count() as n, uniqExact(delivery_ts) as d from raw.prices where market = 'de_lu' and product = 'da' and delivery_ts between {a:DateTime64(3)} and {b:DateTime64(3)}"
    count = len(list(instants(start, end)))
    assert warehouse.query(sql, {"a": start, "b": end - timedelta(minutes=1)}).row(0) == (count, count)
    summary = run_nightly(source="live", market="de_lu", delivery_date=day)
    assert summary["status"] in {"OK", "DEGRADED"}, summary["status_reason"]  # models that want more than 140 days wait
    own = [p for p in summary["publications"] if p["table"] == "curated.curve_dist" and str(p["delivery_date"]) == str(day)]
    assert [p["rows"] for p in own] == [sum(1 for _ in instants(*market.day_bounds(day)))]
