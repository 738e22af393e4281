"""Answers to requests for promotions and for decision plans: four eyes, stored once and chained."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from pipeline_tasks.contracts.ops import APPROVALS
from pipeline_tasks.warehouse import audit
from pipeline_tasks.warehouse.client import Warehouse
from pipeline_tasks.warehouse.once import insert_once, token_of


class FourEyesError(ValueError):
    """Requester and approver are one person, or one of them is not named."""


def refuse_same_person(requester: str, approver: str) -> list[str]:
    """Both names without blanks around them.

    Raises:
        FourEyesError: they are one person, or one of them is not named.
    """
    names = [requester.strip(), approver.strip()]
    if not all(names):
        raise FourEyesError(f"requester {requester!r} and approver {approver!r} must both be named")
    if names[0].casefold() == names[1].casefold():
        raise FourEyesError(f"approver {approver!r} is the requester; another person must approve")
    return names


def record_approval(
    wh: Warehouse, *, model: str, model_version: str, requester: str, approver: str, decision: str, comment: str = ""
) -> str:
    """Store an answer and append it to the audit chain; repeating it after a crash adds nothing.

    Args:
        wh: a connection that may write.
        model: model name, or the kind of thing that is asked for.
        model_version: version to promote, or the plan.
        requester: who asked.
        approver: who answered; another person.
        decision: approved or rejected.
        comment: reason given.

    Returns:
        The approval_id: same request and answer, same id.

    Raises:
        FourEyesError: the approver is the requester, or a name is empty.
        ValueError: the decision is neither approved nor rejected.
    """
    names = refuse_same_person(requester, approver)
    if decision not in {"approved", "rejected"}:
        raise ValueError(f"decision {decision!r} is not known; use approved or rejected")
    identity = token_of(model, model_version, *names, decision)
    row = {"approval_id": identity, "model": model, "model_version": model_version, "requester": names[0], "approver": names[1]}
    frame = pl.DataFrame([{**row, "decision": decision, "comment": comment, "at_ts": datetime.now(UTC)}], schema=APPROVALS.polars_schema())

    def absent() -> pl.DataFrame:
        return frame.clear() if wh.scalar("select count() from ops.approvals where approval_id = {id:String}", {"id": identity}) else frame

    if absent().height:
        insert_once(wh, APPROVALS, frame, token=identity, absent=absent)
    payload = {**row, "decision": decision, "comment": comment}
    audit.append_once(wh, actor=names[1], action="approval", subject=f"{model}/{model_version}", payload=payload)
    return identity
