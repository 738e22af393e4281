from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from pipeline_tasks.tracking import promotion
from pipeline_tasks.tracking.promotion import PromotionRefusedError
from pipeline_tasks.tracking.registry import VersionRef
from pipeline_tasks.warehouse import Warehouse
from pipeline_tasks.warehouse.approvals import FourEyesError

WAREHOUSE = cast("Warehouse", object())


def _ref(number: str, gate: str = "pass") -> VersionRef:
    return VersionRef(
        model="m", market="twin", version=number, source="file:///x", artifact_sha="a", cutoff=datetime(2026, 6, 1, tzinfo=UTC),
        data_version="d", code_sha="c", profile="test", seed=7, run_id="r", mlflow_run_id="x", gate=gate,
    )  # fmt: skip


class Registry:
    """What promotion touches, in memory."""

    def __init__(self, patch: pytest.MonkeyPatch, *, champion: VersionRef | None = None, last: dict[str, Any] | None = None) -> None:
        self.champion, self.last, self.gate = champion, last, "pass"
        self.asked: list[str] = []  # gates that were asked
        self.audit: list[tuple[str, str]] = []
        self.decisions: list[tuple[str, str, bool]] = []
        patch.setattr(promotion, "version", lambda _m, _k, number: _ref(number, self.gate))
        patch.setattr(promotion, "champion", lambda *_: self.champion)
        patch.setattr(promotion, "champion_at", lambda *_a, **_k: self.last)
        patch.setattr(promotion, "set_champion", lambda ref: setattr(self, "champion", ref))
        patch.setattr(promotion, "_audit", lambda _w, *, actor, action, ref, extra: self.audit.append((action, ref.version)))
        patch.setattr(promotion, "_check_parity", lambda *_: self.asked.append("parity"))
        patch.setattr(promotion, "_check_shadow", lambda *_: self.asked.append("shadow"))
        patch.setattr(promotion, "record_decision", self._decide)

    def _decide(self, _w: object, *, ref: VersionRef, requester: str, approver: str, approved: bool, comment: str) -> None:
        if requester == approver:
            raise FourEyesError("same")
        self.decisions.append((requester, approver, approved))

    def promote(self, number: str = "2", requester: str = "trader", approver: str = "risk", *, bootstrap: bool = False) -> VersionRef:
        return promotion.promote(
            WAREHOUSE, model="m", market="twin", number=number, requester=requester, approver=approver, bootstrap=bootstrap
        )


def test_two_people_make_a_champion(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(monkeypatch, champion=_ref("1"), last={"version": "1"})
    assert registry.promote().version == "2"
    assert registry.champion == _ref("2")
    assert registry.audit == [("promotion", "2")]
    assert registry.decisions == [("trader", "risk", True)]
    assert registry.asked == ["parity", "shadow"]


def test_one_person_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(monkeypatch, champion=_ref("1"), last={"version": "1"})
    with pytest.raises(FourEyesError):
        registry.promote(approver="trader")
    assert registry.champion == _ref("1")
    assert registry.audit == []


@pytest.mark.parametrize("gate", ["miss", "not_run"])
def test_a_gate_that_was_not_passed_refuses(monkeypatch: pytest.MonkeyPatch, gate: str) -> None:
    registry = Registry(monkeypatch, champion=_ref("1"), last={"version": "1"})
    registry.gate = gate
    with pytest.raises(PromotionRefusedError, match=gate):
        registry.promote()
    assert registry.decisions == []


def test_a_crash_between_audit_and_alias_is_completed_without_a_second_row(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(monkeypatch, champion=_ref("1"), last={"version": "2"})
    registry.promote()
    assert registry.champion == _ref("2")
    assert registry.audit == []


def test_bootstrap_is_for_the_first_champion_only(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Registry(monkeypatch)
    fresh.gate = "not_run"
    fresh.promote("1", approver="", bootstrap=True)
    assert fresh.audit == [("bootstrap_promotion", "1")]
    assert fresh.decisions == []
    with pytest.raises(PromotionRefusedError, match="already has champion 1"):
        Registry(monkeypatch, champion=_ref("1"), last={"version": "1"}).promote("2", bootstrap=True)


@pytest.mark.parametrize(
    ("required", "last", "refused"),
    [
        (False, None, ""),
        (True, None, "has not answered"),
        (True, {"rival": "2", "verdict": "wait", "reason": "12 of 30 days"}, "12 of 30 days"),
        (True, {"rival": "1", "verdict": "promote", "reason": ""}, "has not answered"),
        (True, {"rival": "2", "verdict": "promote", "reason": ""}, ""),
    ],
)
def test_where_it_is_asked_for_a_promotion_needs_a_won_shadow_run(
    monkeypatch: pytest.MonkeyPatch, required: bool, last: dict[str, Any] | None, refused: str
) -> None:
    class Asked:
        shadow_required = required

    monkeypatch.setattr("config.settings.get_settings", Asked)
    monkeypatch.setattr("pipeline_tasks.watch.shadow.latest_verdict", lambda *_a, **_k: last)
    if refused:
        with pytest.raises(PromotionRefusedError, match=refused):
            promotion._check_shadow(WAREHOUSE, _ref("2"))
    else:
        promotion._check_shadow(WAREHOUSE, _ref("2"))
