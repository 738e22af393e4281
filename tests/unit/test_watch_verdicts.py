"""Verdicts: a challenger needs days, identical inputs, power and evidence; a champion goes only when its baseline is better."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import pytest

from pipeline_tasks.steps.schedules import load_schedules
from pipeline_tasks.tracking.registry import VersionRef
from pipeline_tasks.warehouse import Warehouse
from pipeline_tasks.watch import shadow
from pipeline_tasks.watch.verdicts import Verdict, judge_challenger, judge_champion

LIMITS = load_schedules().watch
RNG = np.random.default_rng(21)


def _losses(days: int, factor: float, noise: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    common = RNG.gamma(4, 1, days)
    own = common * np.exp(RNG.normal(0, noise, days))
    return own, factor * common * np.exp(RNG.normal(0, noise, days))


def _judge(days: int, factor: float, share: float = 1.0, noise: float = 0.15) -> Verdict:
    own, other = _losses(days, factor, noise)
    return judge_challenger(own, other, LIMITS, equal_share=share, seed=1)


def test_a_better_challenger_wins_after_thirty_days_and_not_before() -> None:
    early = _judge(29, 0.7)
    assert (early.verdict, early.reason) == ("wait", "29 of 30 days")
    assert early.e_value > early.threshold  # the evidence is there, the days are not
    late = _judge(60, 0.7)
    assert late.verdict == "promote"
    assert late.power is not None
    assert late.power >= LIMITS.shadow_min_power
    assert late.rival_loss is not None
    assert late.champion_loss is not None
    assert late.rival_loss < late.champion_loss


def test_different_inputs_block() -> None:
    assert _judge(60, 0.7, share=0.99).verdict == "blocked"


def test_an_equal_challenger_waits_and_is_sent_away_at_the_horizon() -> None:
    assert _judge(60, 1.0).verdict == "wait"
    assert _judge(LIMITS.shadow_horizon_days, 1.0).verdict == "keep"


def test_without_power_nothing_is_promoted() -> None:
    noisy = _judge(60, 0.6, noise=1.5)
    assert noisy.verdict == "wait"
    assert "power" in noisy.reason


def test_nothing_seen_says_nothing() -> None:
    nothing = judge_challenger(np.empty(0), np.empty(0), LIMITS, equal_share=1.0, seed=1)
    assert (nothing.verdict, nothing.champion_loss, nothing.e_value, nothing.power) == ("wait", None, 1.0, None)


@pytest.mark.parametrize(("factor", "days", "verdict"), [(0.5, 30, "demote"), (1.0, 90, "keep"), (1.5, 90, "keep"), (0.5, 10, "wait")])
def test_a_champion_worse_than_its_baseline_is_demoted(factor: float, days: int, verdict: str) -> None:
    own, base = _losses(days, factor)
    found = judge_champion(own, base, LIMITS, name="naive_week")
    assert found.verdict == verdict
    assert found.threshold == pytest.approx(1 / LIMITS.demotion_alpha)


def _ref(number: str) -> VersionRef:
    return VersionRef(
        model="m", market="twin", version=number, source="", artifact_sha="a", cutoff=datetime(2026, 6, 1, tzinfo=UTC), data_version="d",
        code_sha="c", profile="test", seed=7, run_id="r", mlflow_run_id="x",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("last", "rival"),
    [
        (None, "3"),
        ({"champion_version": "1", "verdict": "wait", "rival": "2"}, "2"),
        ({"champion_version": "1", "verdict": "keep", "rival": "2"}, "3"),
        ({"champion_version": "9", "verdict": "wait", "rival": "2"}, "3"),
    ],
)
def test_a_challenger_stays_until_its_question_is_answered(
    monkeypatch: pytest.MonkeyPatch, last: dict[str, Any] | None, rival: str
) -> None:
    monkeypatch.setattr("pipeline_tasks.tracking.champion", lambda *_: _ref("1"))
    monkeypatch.setattr("pipeline_tasks.tracking.challenger", lambda *_: _ref("3"))
    monkeypatch.setattr("pipeline_tasks.tracking.version", lambda _m, _k, number: _ref(number))
    monkeypatch.setattr(shadow, "latest_verdict", lambda *_a, **_k: last)
    pair = shadow.rivals(cast("Warehouse", object()), "m", "twin")
    assert pair is not None
    assert [r.version for r in pair] == ["1", rival]


def test_a_champion_alone_has_no_rival(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline_tasks.tracking.champion", lambda *_: _ref("1"))
    monkeypatch.setattr("pipeline_tasks.tracking.challenger", lambda *_: _ref("1"))
    monkeypatch.setattr(shadow, "latest_verdict", lambda *_a, **_k: None)
    assert shadow.rivals(cast("Warehouse", object()), "m", "twin") is None
