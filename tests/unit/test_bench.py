"""Benches: rows with machine and peer, failures as rows, and inputs that are what they say."""

from __future__ import annotations

import subprocess

import polars as pl
import pytest

from pipeline_tasks.bench import run_bench, runner
from pipeline_tasks.bench.core import Figure, machine, peak_memory_mb, seconds
from pipeline_tasks.bench.warehouse import price_rows
from pipeline_tasks.contracts.raw import PRICES, PROVENANCE

FIELDS = ["bench", "case", "metric", "value", "unit", "peer", "peer_value", "ratio", "runs", "machine"]


def test_rows_have_exactly_the_published_fields(monkeypatch):
    monkeypatch.setitem(runner.BENCHES, "load", lambda: [Figure("two rows", "rate", 4.0, "rows/s", "plain", 8.0, 3)])
    rows = runner.measure("load")
    assert [list(r) for r in rows] == [FIELDS, FIELDS]
    assert (rows[0]["ratio"], rows[0]["peer"], rows[0]["runs"]) == (0.5, "plain", 3)
    assert (rows[1]["metric"], rows[1]["ratio"]) == ("peak_memory", None)
    assert rows[0]["machine"]["versions"]["polars"] == pl.__version__
    assert rows[0]["machine"]["cores"] >= 1


def test_a_failing_bench_is_a_row_and_the_others_go_on(monkeypatch):
    def fake(command, **_):
        failed = command[-1] == "load"
        return subprocess.CompletedProcess(
            command, int(failed), "" if failed else 'log line\n[{"bench": "x"}]\n', "Traceback\nRuntimeError: full disk"
        )

    monkeypatch.setattr(runner.subprocess, "run", fake)
    rows = run_bench()
    assert len(rows) == len(runner.BENCHES)
    assert rows[0]["metric"] == "failed"
    assert rows[0]["machine"]["error"] == "RuntimeError: full disk"
    assert rows[1] == {"bench": "x"}


def test_a_hanging_bench_is_a_row(monkeypatch):
    def hang(command, **kw):
        raise subprocess.TimeoutExpired(command, kw["timeout"])

    monkeypatch.setattr(runner.subprocess, "run", hang)
    assert "not finished after" in run_bench("report")[0]["machine"]["error"]


def test_unknown_benches_are_named():
    with pytest.raises(KeyError, match="known: load"):
        run_bench("speed_of_light")


def test_seconds_is_the_median_and_prepares_untimed():
    calls = []
    assert seconds(lambda: calls.append("run"), runs=3, before=lambda: calls.append("before")) >= 0
    assert calls == ["before", "run"] * 3
    assert peak_memory_mb() > 10
    assert machine()["python"]


def test_bench_rows_fit_the_raw_contract_and_never_repeat_between_seeds():
    rows, other = price_rows(500, seed=0), price_rows(500, seed=1)
    names = [c.name for c in PRICES.columns if c.name not in {p.name for p in PROVENANCE}]
    assert rows.columns == names
    assert rows.select(PRICES.key).is_unique().all()
    assert rows.join(other, on=list(PRICES.key), how="semi").is_empty()
