from __future__ import annotations

from typing import Any

from pipeline_tasks.steps.approval import approval_text


def _request(**changes: Any) -> dict[str, Any]:
    numbers = {
        "rows": 336.0, "days": 14.0, "loss": 8.111709810539594, "baseline_loss": 26.73354166666667, "dm_p_value": 0.000176,
        "champion_loss": 8.245459225223213, "worse_than_champion_p_value": 0.7998142444227241, "coverage": 0.8869047619047619,
        "coverage_low": 0.6642857142857143, "coverage_high": 1.05, "parity_gap": 0.0, "parity_gap_limit": 1e-6, "latency_s": 0.11,
    }  # fmt: skip
    return {
        "version": "2", "gate": "pass", "gate_numbers": {"reasons": [], "numbers": numbers}, "training_rows": 16752,
        "cutoff": "2026-05-28T10:00:00+00:00", "artifact_sha": "0123456789abcdef", "champion": "1",
        "parity": {"samples": 48_000, "mismatches": 0, "example": ""}, "shadow": {},
    } | changes  # fmt: skip


def _cells(text: str) -> dict[str, list[str]]:
    rows = [[c.strip() for c in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows}


def test_the_verdict_comes_first_and_the_evidence_is_tables() -> None:
    text = approval_text(_request())
    assert text.splitlines()[0] == "### Gate passed"
    cells = _cells(text)
    assert cells["candidate"] == ["8.112", "on 336 rows of 14 unseen days"]
    assert cells["champion"] == ["8.245", "candidate is worse: p = 0.7998"]
    assert cells["baseline"] == ["26.73", "candidate is better: p = 0.000176"]
    assert cells["coverage of the interval"] == ["0.8869", "0.6643 to 1"]
    assert cells["largest difference of training and serving"] == ["0", "at most 1e-06"]
    assert cells["served values built again"] == ["0 of 48,000 differ", "0"]
    assert cells["shadow beside the champion"][0] == "not run yet"
    assert "16,752 rows" in text


def test_a_missed_gate_says_every_reason_before_any_number() -> None:
    reasons = ["coverage 0.500 lies outside 0.664..1.000", "parity_gap was not measured"]
    gate = {"reasons": reasons, "numbers": {"rows": 48.0, "days": 2.0}}
    text = approval_text(_request(gate="miss", gate_numbers=gate, champion="(none)", training_rows=None))
    head = text[: text.index("|")]
    assert "cannot be promoted" in text.splitlines()[0]
    assert all(reason in head for reason in reasons)
    assert "first champion" in head
    assert "not on record" in text


def test_bars_and_line_breaks_of_a_reason_keep_the_table_whole() -> None:
    shadow = {"verdict": "better", "days": 30, "e_value": 41.2, "power": 0.9, "reason": "a|b\nc"}
    line = next(li for li in approval_text(_request(shadow=shadow)).splitlines() if "e-value" in li)
    assert line.endswith("a\\|b c |")
    assert "41.2" in line
