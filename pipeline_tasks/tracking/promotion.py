"""Promotion: who becomes champion, by whose word; every answer is a row of ops.approvals and of the audit chain."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline_tasks.tracking.registry import VersionRef, champion, set_champion, version

if TYPE_CHECKING:
    from pipeline_tasks.warehouse import Warehouse

PROMOTIONS = ("bootstrap_promotion", "promotion")
SYSTEM = "bootstrap"


class PromotionRefusedError(ValueError):
    """A promotion that the rules do not allow; the message names the rule and the remedy."""


def promote(
    warehouse: Warehouse,
    *,
    model: str,
    market: str,
    number: str,
    requester: str,
    approver: str,
    comment: str = "",
    bootstrap: bool = False,
) -> VersionRef:
    """Make a version champion: approval, audit row, then alias. Repeating it after a crash completes it and adds nothing twice.

    Args:
        warehouse: open connection.
        model: model name.
        market: market selection key.
        number: version in the registry.
        requester: who asked.
        approver: who agreed; another person than the requester.
        comment: reason, kept.
        bootstrap: the first champion of a fresh install: allowed once, without approval and gate, under its own audit action.

    Raises:
        PromotionRefusedError: the gate was not passed, or a bootstrap where a champion exists.
        FourEyesError: approver and requester are the same person, or one is not named.
    """
    ref = version(model, market, number)
    before = champion(model, market)
    last = champion_at(warehouse, model=model, market=market, instant=datetime.now(UTC))
    if last is not None and last["version"] == ref.version:
        set_champion(ref)
        return ref
    if bootstrap:
        _check_bootstrap(ref, before, last)
    else:
        _check_gate(ref)
        record_decision(warehouse, ref=ref, requester=requester, approver=approver, approved=True, comment=comment)
    _audit(
        warehouse,
        actor=SYSTEM if bootstrap else approver,
        action="bootstrap_promotion" if bootstrap else "promotion",
        ref=ref,
        extra={"requester": requester, "approver": approver, "comment": comment, "previous": before.version if before else ""},
    )
    set_champion(ref)
    return ref


def record_decision(warehouse: Warehouse, *, ref: VersionRef, requester: str, approver: str, approved: bool, comment: str) -> None:
    """Write an answer to a promotion request: a row of ops.approvals and an audit row, once.

    Raises:
        FourEyesError: approver and requester are the same person, or one is not named.
    """
    from pipeline_tasks.warehouse.approvals import record_approval

    record_approval(
        warehouse,
        model=ref.name,
        model_version=ref.version,
        requester=requester,
        approver=approver,
        decision="approved" if approved else "rejected",
        comment=comment,
    )


def champion_at(warehouse: Warehouse, *, model: str, market: str, instant: datetime) -> dict[str, Any] | None:
    """Who was champion at an instant, from the audit chain: version, artifact_sha, cutoff, who asked and agreed, since when."""
    found = warehouse.query(
        "select at_ts, action, actor, payload_json from ops.audit_log"
        " where subject = {subject:String} and action in {actions:Array(String)} and at_ts <= {instant:DateTime64(3, 'UTC')}"
        " order by seq desc limit 1",
        {"subject": f"{model}__{market}", "actions": list(PROMOTIONS), "instant": instant},
    )
    if found.is_empty():
        return None
    row = found.row(0, named=True)
    return {**json.loads(row["payload_json"]), "action": row["action"], "actor": row["actor"], "since_ts": row["at_ts"]}


def _check_gate(ref: VersionRef) -> None:
    if ref.gate != "pass":
        raise PromotionRefusedError(
            f"{ref.name} version {ref.version}: gate is {ref.gate!r}, must be 'pass'; ops.training_runs.gate_json says why; train again"
        )


def _check_bootstrap(ref: VersionRef, before: VersionRef | None, last: dict[str, Any] | None) -> None:
    if before is not None or last is not None:
        number = before.version if before else (last or {}).get("version")
        raise PromotionRefusedError(f"{ref.name} already has champion {number}; a bootstrap is for the first one only: use the promote DAG")


def _audit(warehouse: Warehouse, *, actor: str, action: str, ref: VersionRef, extra: dict[str, Any]) -> None:
    from pipeline_tasks.warehouse.audit import append

    payload = {
        "model": ref.model,
        "market": ref.market,
        "version": ref.version,
        "artifact_sha": ref.artifact_sha,
        "cutoff": ref.cutoff.isoformat(),
        "data_version": ref.data_version,
        "code_sha": ref.code_sha,
        "gate": ref.gate,
        **extra,
    }
    append(warehouse, actor=actor, action=action, subject=ref.name, payload=payload)
