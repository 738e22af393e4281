"""Promotion: who becomes champion, by whose word; every answer is a row of ops.approvals and of the audit chain."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline_tasks.tracking.registry import VersionRef, champion, fetch, set_champion, version

if TYPE_CHECKING:
    from pipeline_tasks.warehouse import Warehouse

PROMOTIONS = ("bootstrap_promotion", "promotion", "rollback", "demotion")
SYSTEM = "bootstrap"
WATCH = "watch"


class PromotionRefusedError(ValueError):
    """A promotion that the rules do not allow; the message names the rule and the remedy."""


class NoFormerChampionError(PromotionRefusedError):
    """Nobody to return to."""


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
        PromotionRefusedError: the gate was not passed, served values are not those of a rebuild, the shadow has not shown it to be
            better where that is asked for (settings), or a bootstrap where a champion exists.
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
        _check_parity(warehouse, ref)
        _check_shadow(warehouse, ref)
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


def history(warehouse: Warehouse, *, model: str, market: str) -> list[dict[str, Any]]:
    """Every change of champion, oldest first, from the audit chain: what `champion_at` says, with the end of each reign."""
    rows = warehouse.query(
        "select at_ts, action, actor, payload_json from ops.audit_log"
        " where subject = {subject:String} and action in {actions:Array(String)} order by seq",
        {"subject": f"{model}__{market}", "actions": list(PROMOTIONS)},
    ).to_dicts()
    ends = [*(row["at_ts"] for row in rows[1:]), None]
    return [
        {**json.loads(row["payload_json"]), "action": row["action"], "actor": row["actor"], "since_ts": row["at_ts"], "until_ts": end}
        for row, end in zip(rows, ends, strict=True)
    ]


def rollback(warehouse: Warehouse, *, model: str, market: str, actor: str, reason: str, to: str = "") -> VersionRef:
    """Make a former champion champion again, at once: two people agreed to it when it was promoted.

    Args:
        warehouse: open connection.
        model: model name.
        market: market selection key.
        actor: who does it.
        reason: why; kept.
        to: version; the champion before the present one by default.

    Raises:
        PromotionRefusedError: no reason or actor, no former champion, or a version that never was champion.
        ArtifactError: the artifact's bytes are not the registered ones; the champion stays.
    """
    return _return_to(warehouse, model=model, market=market, action="rollback", actor=actor, reason=reason, to=to)


def demote(warehouse: Warehouse, *, model: str, market: str, reason: str) -> VersionRef | None:
    """The automatic rule: the champion before the present one takes over again; None where there was none.

    A version that was demoted before does not come back.
    """
    try:
        return _return_to(warehouse, model=model, market=market, action="demotion", actor=WATCH, reason=reason, to="")
    except NoFormerChampionError:
        return None


def _return_to(warehouse: Warehouse, *, model: str, market: str, action: str, actor: str, reason: str, to: str) -> VersionRef:
    if not reason.strip() or not actor.strip():
        raise PromotionRefusedError(f"{action} of {model} for {market}: actor {actor!r} and reason {reason!r} must both be said")
    past = history(warehouse, model=model, market=market)
    present = past[-1]["version"] if past else ""
    demoted = {row["previous"] for row in past if row["action"] == "demotion"}
    former = [row["version"] for row in past if row["version"] != present and (to or row["version"] not in demoted)]
    if to and to not in former:
        raise PromotionRefusedError(f"{model} version {to} was not champion of {market} before {present or '(none)'}; promote it instead")
    if not former:
        raise NoFormerChampionError(f"{model} has no former champion for {market} to return to; promote another version")
    ref = version(model, market, to or former[-1])
    fetch(ref)
    _audit(
        warehouse, actor=actor, action=action, ref=ref, extra={"requester": actor, "approver": "", "comment": reason, "previous": present}
    )
    set_champion(ref)
    return ref


def _check_parity(warehouse: Warehouse, ref: VersionRef) -> None:
    from pipeline_tasks.watch.parity import check_recent

    found = check_recent(warehouse, ref.model, ref.market)
    if not found.samples:
        raise PromotionRefusedError(f"{ref.name}: nothing was served yet, so parity is unknown; run the nightly DAG once, then promote")
    if not found.holds:
        wrong = f"{found.mismatches} of {found.samples} served values and {found.schema_mismatches} schemas"
        raise PromotionRefusedError(f"{ref.name}: {wrong} differ from their rebuild, e.g. {found.example}; `desk watch parity` shows all")


def _check_shadow(warehouse: Warehouse, ref: VersionRef) -> None:
    """Where settings ask for it, a challenger must have won in the shadow of the present champion."""
    from config.settings import get_settings
    from pipeline_tasks.watch.shadow import latest_verdict

    if not get_settings().shadow_required:
        return
    last = latest_verdict(warehouse, model=ref.model, market=ref.market, question="promotion")
    if last is None or last["rival"] != ref.version or last["verdict"] != "promote":
        said = last["reason"] if last and last["rival"] == ref.version else "it has not answered in the shadow"
        raise PromotionRefusedError(f"{ref.name} version {ref.version} is not shown to be better than the champion: {said}")


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
