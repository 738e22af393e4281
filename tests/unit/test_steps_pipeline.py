from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.steps import journal, pipeline
from pipeline_tasks.steps.context import RunContext


def _end(step: str, status: str = "OK", **detail: Any) -> dict[str, Any]:
    return {"event": "end", "step": step, "status": status, "seconds": 1.0, "detail": detail}


def _run(tmp_path: Path, state: str, *events: dict[str, Any], log: str = "") -> dict[str, Any]:
    path = tmp_path / "run.log"
    path.write_text(log)
    return {"state": state, "events": list(events), "seconds": 3.0, "log": str(path)}


def test_summary_of_a_good_run(tmp_path: Path) -> None:
    publication = {"hub": "H", "sha": "ab"}
    run = _run(
        tmp_path,
        "success",
        _end("ingest", rows_read=3, rows_loaded=2, rows_quarantined=1, objects=[]),
        _end("publish:m", publications=[publication]),
        _end("report", path="/r/index.html"),
    )
    summary = pipeline.summarise(run)
    assert summary["status"] == "OK"
    assert summary["ingest"] == {"rows_read": 3, "rows_loaded": 2, "rows_quarantined": 1}
    assert summary["publications"] == [publication]
    assert summary["report"] == "/r/index.html"
    assert [s["step"] for s in summary["steps"]] == ["ingest", "publish:m", "report"]


def test_degraded_says_why(tmp_path: Path) -> None:
    summary = pipeline.summarise(_run(tmp_path, "success", _end("infer:m", "DEGRADED", reason="prices are old")))
    assert summary["status"] == "DEGRADED"
    assert summary["status_reason"] == "infer:m: prices are old"


def test_failed_names_the_first_failing_step(tmp_path: Path) -> None:
    run = _run(
        tmp_path, "failed", _end("ingest"), _end("validate_raw", "FAILED", error="GateBlocked: x"), _end("report", "FAILED", error="y")
    )
    assert pipeline.summarise(run)["status"] == "FAILED"
    assert pipeline.summarise(run)["status_reason"] == "validate_raw: GateBlocked: x"


def test_a_run_that_died_early_shows_the_log(tmp_path: Path) -> None:
    assert "ImportError: no dags" in pipeline.failure_of(_run(tmp_path, "failed", log="a\nImportError: no dags\nb\n"))


def test_a_retried_step_counts_once(tmp_path: Path) -> None:
    run = _run(tmp_path, "success", _end("ingest", "FAILED", error="connection"), _end("ingest", rows_read=1))
    assert [e["status"] for e in pipeline.ended(run)] == ["OK"]


def test_journal_tells_start_end_and_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = tmp_path / "events.jsonl"
    monkeypatch.setenv(journal.EVENTS_ENV, str(events))
    rows: list[tuple[Any, ...]] = []
    monkeypatch.setattr(journal, "record", lambda *args: rows.append(args))
    ctx = RunContext("twin", "twin", date(2026, 6, 15))
    assert journal.execute("good", ctx, lambda: {"rows": 1}) == {"status": "OK", "rows": 1}

    def bad() -> dict[str, Any]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        journal.execute("bad", ctx, bad)
    seen = [json.loads(line) for line in events.read_text().splitlines()]
    assert [(e["event"], e["step"]) for e in seen] == [("start", "good"), ("end", "good"), ("start", "bad"), ("end", "bad")]
    assert [r[2] for r in rows] == ["OK", "FAILED"]


def test_an_unwritable_failure_does_not_hide_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: Any) -> None:
        raise ConnectionError("warehouse is down")

    def bad() -> dict[str, Any]:
        raise ValueError("the real reason")

    monkeypatch.setattr(journal, "record", broken)
    with pytest.raises(ValueError, match="the real reason"):
        journal.execute("bad", RunContext("twin", "twin", date(2026, 6, 15)), bad)
