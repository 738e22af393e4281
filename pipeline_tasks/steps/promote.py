"""Promote step: from a request to a champion, for the promote DAG and for `desk promote`."""

from __future__ import annotations

import json
from typing import Any

from pipeline_tasks.steps.approval import approval_text


def promote(*, model: str, market: str, version: str, requester: str, approver: str, comment: str = "") -> dict[str, Any]:
    """Make a version champion.

    Raises:
        PromotionRefusedError: the gate was not passed.
        FourEyesError: approver and requester are the same person, or one is not named.
    """
    from pipeline_tasks.tracking import promote as make_champion
    from pipeline_tasks.warehouse import connect

    with connect() as warehouse:
        ref = make_champion(warehouse, model=model, market=market, number=version, requester=requester, approver=approver, comment=comment)
    return ref.to_dict()


def describe_request(*, model: str, market: str, version: str = "") -> dict[str, Any]:
    """What an approver must see: the version asked for (by default the challenger), the champion, gate, parity and shadow verdict.

    Returns:
        The evidence, and under `text` the same as Markdown.

    Raises:
        ValueError: there is no challenger, or it is champion already.
    """
    from pipeline_tasks import tracking
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.watch.parity import check_recent
    from pipeline_tasks.watch.shadow import latest_verdict

    ref = tracking.version(model, market, version) if version else tracking.challenger(model, market)
    if ref is None:
        raise ValueError(f"{model} has no challenger for {market}; `desk train {model} --market {market}` or the train DAG makes one")
    champion = tracking.champion(model, market)
    if champion is not None and champion.version == ref.version:
        raise ValueError(f"{model} version {ref.version} is the champion of {market} already; train a challenger first")
    with connect() as warehouse:
        rows = warehouse.query(
            "select gate, gate_json, row_count, seconds from ops.training_runs"
            " where model = {model:String} and market = {market:String} and artifact_sha = {sha:String} order by at_ts desc limit 1",
            {"model": model, "market": market, "sha": ref.artifact_sha},
        ).to_dicts()
        served = check_recent(warehouse, model, market)
        shadow = latest_verdict(warehouse, model=model, market=market, question="promotion")
    evidence = rows[0] if rows else {}
    request = {
        "version": ref.version,
        "gate": ref.gate,
        "gate_numbers": json.loads(evidence.get("gate_json") or "{}"),
        "training_rows": evidence.get("row_count"),
        "cutoff": ref.cutoff.isoformat(),
        "artifact_sha": ref.artifact_sha,
        "champion": champion.version if champion else "(none)",
        "parity": {"samples": served.samples, "mismatches": served.mismatches + served.schema_mismatches, "example": served.example},
        "shadow": {k: shadow[k] for k in ("verdict", "days", "e_value", "power", "reason")}
        if shadow and shadow["rival"] == ref.version
        else {},
    }
    return {**request, "text": approval_text(request)}


def answer_request(*, model: str, market: str, version: str, requester: str, approver: str, approved: bool, comment: str) -> dict[str, Any]:
    """Act on an answer: promote, or write the rejection down.

    Raises:
        PromotionRefusedError: the gate was not passed.
        FourEyesError: the approver is the requester.
    """
    if approved:
        return {
            "decision": "approved",
            **promote(model=model, market=market, version=version, requester=requester, approver=approver, comment=comment),
        }
    from pipeline_tasks import tracking
    from pipeline_tasks.warehouse import connect

    ref = tracking.version(model, market, version)
    with connect() as warehouse:
        tracking.record_decision(warehouse, ref=ref, requester=requester, approver=approver, approved=False, comment=comment)
    return {"decision": "rejected", **ref.to_dict()}
