"""The promotion gate: passes only without a single reason against, and says every reason."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from models._kernel.gate import GateEvidence, GateLimits, decide

RNG = np.random.default_rng(4)
DAYS = np.repeat(np.arange(60), 24)
BASE = RNG.gamma(2, 2, DAYS.size)
GOOD = GateEvidence(
    metric="crps",
    days=DAYS,
    candidate=BASE * 0.8,
    baseline_name="naive_week",
    baseline=BASE,
    covered=np.arange(DAYS.size) % 10 != 0,
    parity_gap=0.0,
    latency_s=1.0,
)
LIMITS = GateLimits(nominal_coverage=0.9)


def test_a_good_candidate_passes():
    result = decide(GOOD, LIMITS)
    assert result.verdict == "pass"
    assert result.reasons == ()
    assert result.numbers["ratio"] == pytest.approx(0.8)
    assert json.loads(json.dumps(dict(result.numbers)))["days"] == 60


@pytest.mark.parametrize(
    ("change", "limits", "reason"),
    [
        ({"candidate": BASE * 1.01}, LIMITS, "is not below naive_week's"),
        ({"candidate": BASE}, LIMITS, "is not below"),
        ({"candidate": BASE - 0.001 + RNG.normal(0, 3, BASE.size)}, LIMITS, "not significantly|is not below"),
        ({}, replace(LIMITS, target=1.0), "misses the target"),
        ({"champion": BASE * 0.5}, LIMITS, "worse than the champion"),
        ({"covered": np.ones(BASE.size)}, LIMITS, "coverage 1.000 lies outside"),
        ({"covered": None}, LIMITS, "coverage was not measured"),
        ({"parity_gap": 0.01}, LIMITS, "training and serving differ"),
        ({"parity_gap": None}, LIMITS, "parity_gap was not measured"),
        ({"latency_s": 61.0}, LIMITS, "inference takes"),
        ({"latency_s": None}, LIMITS, "latency_s was not measured"),
    ],
)
def test_each_reason_alone_misses(change, limits, reason):
    result = decide(replace(GOOD, **change), limits)
    assert result.verdict == "miss"
    assert len(result.reasons) == 1
    assert any(word in result.reasons[0] for word in reason.split("|"))


def test_all_reasons_are_said():
    bad = replace(GOOD, candidate=BASE * 1.2, covered=np.zeros(BASE.size), parity_gap=None, latency_s=99.0)
    assert len(decide(bad, LIMITS).reasons) == 4


def test_champion_that_is_as_good_does_not_block():
    assert decide(replace(GOOD, champion=BASE * 0.8), LIMITS).verdict == "pass"


def test_too_few_days_decide_nothing():
    few = DAYS < 10
    result = decide(GateEvidence("crps", DAYS[few], BASE[few] * 0.5, "naive_week", BASE[few]))
    assert result.verdict == "not_run"
    assert "10 scored days" in result.reasons[0]


def test_rows_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="same rows"):
        decide(replace(GOOD, baseline=BASE[:-1]), LIMITS)


def test_gate_passes_useless_models_rarely():
    """A candidate that is no better than the baseline passes about alpha of the time."""
    rng = np.random.default_rng(0)
    days = np.arange(60)
    passed = 0
    for _ in range(300):
        evidence = GateEvidence("mae", days, rng.gamma(2, 2, 60), "b", rng.gamma(2, 2, 60), parity_gap=0.0, latency_s=0.0)
        passed += decide(evidence).verdict == "pass"
    assert passed / 300 <= 0.09
