"""Benches: rows with machine and peer, failures as rows, and inputs that are what they say."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict
from datetime import date

import polars as pl
import pytest

from config.settings import get_settings
from models._kernel import registry
from pipeline_tasks.bench import models, run_bench, runner
from pipeline_tasks.bench.core import Figure, machine, peak_memory_mb, scratch_home, seconds
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


def test_the_night_of_a_model_is_measured_on_its_own_inputs(monkeypatch):
    monkeypatch.setattr(models, "FIRST", date(2019, 12, 1))
    monkeypatch.setattr(registry, "params_of", lambda name, *_, known=registry.params_of: known(name, "test"))
    models._sample.cache_clear()
    name = "spike_risk"
    figures = {f.metric: f for f in models.night_of(name)}
    models._sample.cache_clear()
    assert registry.spec_of(name).inputs.name in figures["night"].case
    assert figures["night"].value == pytest.approx(sum(figures[m].value for m in ("retrain", "answer_day", "score_day")))
    assert figures["night"].peer_value > 0
    assert figures["night_of_limit"].value == pytest.approx(figures["night"].value / models.NIGHT_S)


def test_every_registered_model_has_rows_and_one_that_fails_does_not_stop_the_others(monkeypatch):
    asked = []

    def fake(command, **_):
        asked.append(command[-1])
        failed = command[-1] == registry.model_names()[0]
        line = json.dumps([asdict(Figure(command[-1], "night", 1.0, "s"))])
        return subprocess.CompletedProcess(command, int(failed), "" if failed else f"log\n{line}\n", "Traceback\nLookupError: no rows")

    monkeypatch.setattr(models.subprocess, "run", fake)
    figures = models.models()
    assert tuple(asked) == registry.model_names()
    assert (figures[0].metric, figures[0].case) == ("failed", f"{asked[0]}: LookupError: no rows")
    assert [f.metric for f in figures[1:]] == ["night"] * (len(asked) - 1)


def test_an_unknown_model_is_refused_by_name():
    with pytest.raises(KeyError, match="known: "):
        models.night_of("crystal_ball")


def test_a_scratch_home_is_empty_but_for_the_days_of_the_simulated_market(monkeypatch, tmp_path):
    monkeypatch.setenv("DESK_HOME", str(tmp_path))
    monkeypatch.delenv("DESK_TWIN_CACHE", raising=False)
    get_settings.cache_clear()
    days = get_settings().twin_cache_folder
    with scratch_home() as home:
        assert list(home.iterdir()) == []
        assert get_settings().home == home != tmp_path
        assert get_settings().twin_cache_folder == days
    assert not home.exists()
    assert (get_settings().home, get_settings().twin_cache_folder) == (tmp_path, days)
    assert "DESK_TWIN_CACHE" not in os.environ
    monkeypatch.undo()
    get_settings.cache_clear()
