"""kill -9 of ingest, of publish and of ClickHouse at random moments, then a retry: lost 0, duplicated 0, torn 0."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import polars as pl
import pytest
import workload

from config.settings import get_settings
from pipeline_tasks.contracts.raw import PRICES
from pipeline_tasks.warehouse import Warehouse, audit, connect
from pipeline_tasks.warehouse.hashing import row_shas
from pipeline_tasks.warehouse.server import server_status
from pipeline_tasks.warehouse.validation import delivered_columns

COUNTS = [pytest.param(2, id="2"), pytest.param(20, id="20", marks=pytest.mark.slow)]
FIRST_ROUND = {("load", 2): 0, ("load", 20): 10, ("publish", 2): 40, ("publish", 20): 50, ("server", 2): 80, ("server", 20): 90}


def assert_loaded_exactly_once(wh: Warehouse, number: int) -> None:
    """The rows of a round are in raw and quarantine, each once, and ops.loads says so."""
    frame = workload.delivered(number)
    bad = frame.filter(pl.col("price_ccy_per_mwh") > 50_000).height
    good = frame.filter(pl.col("price_ccy_per_mwh") <= 50_000).unique()
    params = {"o": f"round-{number}"}
    stored = wh.query("select row_sha from raw.prices where source_object = {o:String}", params)["row_sha"].to_list()
    columns = delivered_columns(PRICES, ("source", "source_object", "row_sha", "ingested_ts"))
    wanted = row_shas(good.select(columns)).to_list()
    lost, extra = set(wanted) - set(stored), len(stored) - len(set(stored))
    assert (len(lost), extra, len(stored)) == (0, 0, len(wanted)), f"round {number}: lost {len(lost)}, duplicated {extra}"
    assert wh.scalar("select count() from quarantine.prices where source_object = {o:String}", params) == bad
    loads = wh.query(
        "select rows_read, rows_loaded, rows_quarantined, rows_duplicate from ops.loads where source_object = {o:String}", params
    )
    assert loads.rows() == [(frame.height, good.height, bad, frame.height - good.height - bad)], f"round {number}"
    assert wh.scalar("select uniqExact(ingested_ts) from raw.prices where source_object = {o:String}", params) == 1


def assert_not_torn(wh: Warehouse, number: int) -> None:
    """Readers see each partition of a round whole, of one run, or not at all."""
    dates = workload.forecast(number, "x", 0.0)["delivery_date"].unique().to_list()
    seen = wh.query(
        "select hub, delivery_date, count() as n, uniqExact(run_id) as runs, max(value_mw) - min(value_mw) as spread"
        " from curated.v_fault_probe where delivery_date in {d:Array(Date32)} group by hub, delivery_date",
        {"d": [d.isoformat() for d in dates]},
    )
    torn = seen.filter((pl.col("n") != 24) | (pl.col("runs") != 1) | (pl.col("spread") != 23))
    assert torn.is_empty(), f"round {number}: torn partitions {torn}"


def assert_published_exactly_once(wh: Warehouse, number: int) -> None:
    """Every partition shows the second run; one publication row and one audit row each; the chain is valid."""
    run_id = f"second-{number}"
    rows = wh.query(
        f"select {', '.join(workload.PROBE.column_names)} from curated.v_fault_probe where run_id = {{r:String}}", {"r": run_id}
    )
    wanted = workload.forecast(number, run_id, 500.0)
    assert rows.sort(workload.PROBE.key).equals(wanted.sort(workload.PROBE.key)), f"round {number}: {rows.height} of {wanted.height} rows"
    published = wh.query("select publication_id from ops.publications where run_id = {r:String}", {"r": run_id})["publication_id"]
    assert (published.len(), published.n_unique()) == (8, 8)
    chained = wh.scalar(
        "select count() from ops.audit_log where action = 'publication' and position(payload_json, {r:String}) > 0", {"r": f'"{run_id}"'}
    )
    assert chained == 8
    assert audit.verify(wh).ok


@pytest.mark.parametrize("count", COUNTS)
def test_kill_nine_of_ingest_loses_and_duplicates_nothing(fault_home: Path, count: int) -> None:
    first = FIRST_ROUND["load", count]
    killed = 0
    seconds = workload.typical_seconds("load", first)
    with connect() as wh:
        assert_loaded_exactly_once(wh, first)
        for number, moment in enumerate(workload.moments(1, count, seconds), start=first + 1):
            worker = workload.start("load", number)
            time.sleep(moment)
            worker.send_signal(signal.SIGKILL)
            killed += worker.wait() == -signal.SIGKILL
            workload.load_round(wh, number)
            assert_loaded_exactly_once(wh, number)
            again = workload.load_round(wh, number)
            assert (again.rows_loaded, again.rows_read) == (0, again.rows_quarantined + again.rows_duplicate)
            assert_loaded_exactly_once(wh, number)
    assert killed >= count // 2, f"only {killed} of {count} workers were killed while they worked"


@pytest.mark.parametrize("count", COUNTS)
def test_kill_nine_of_publish_leaves_one_final_state(fault_home: Path, count: int) -> None:
    first = FIRST_ROUND["publish", count]
    killed = 0
    with connect() as wh:
        workload.publish_first(wh, first)
        seconds = workload.typical_seconds("publish", first)
        for number, moment in enumerate(workload.moments(2, count, seconds), start=first + 1):
            workload.publish_first(wh, number)
            worker = workload.start("publish", number)
            time.sleep(moment)
            worker.send_signal(signal.SIGKILL)
            killed += worker.wait() == -signal.SIGKILL
            assert_not_torn(wh, number)
            published = workload.publish_round(wh, number)
            assert_published_exactly_once(wh, number)
            assert workload.publish_round(wh, number) == published
            assert_published_exactly_once(wh, number)
    assert killed >= count // 2, f"only {killed} of {count} workers were killed while they worked"


@pytest.mark.parametrize("count", COUNTS)
def test_kill_nine_of_clickhouse_loses_nothing_acknowledged(fault_home: Path, count: int) -> None:
    first = FIRST_ROUND["server", count]
    with connect() as wh:
        workload.publish_first(wh, first)
    seconds = {kind: workload.typical_seconds(kind, first) for kind in ("load", "publish")}
    plans = {kind: workload.moments(3, count, s) for kind, s in seconds.items()}
    for k in range(count):
        kind, number = ("load", "publish")[k % 2], first + 1 + k
        with connect() as wh:
            workload.publish_first(wh, number)
        worker = workload.start(kind, number)
        time.sleep(plans[kind][k])
        pid = server_status(get_settings()).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        worker.wait(60)
        with connect() as wh:
            assert server_status(get_settings()).pid != pid
            assert_not_torn(wh, number)
            workload.load_round(wh, number)
            workload.publish_round(wh, number)
            assert_loaded_exactly_once(wh, number)
            assert_published_exactly_once(wh, number)
            if k:
                assert_published_exactly_once(wh, number - 1)
