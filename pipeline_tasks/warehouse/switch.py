"""The kill switch: one row hides a model, a market, a run or everything from all readers, from their next query on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from pipeline_tasks.contracts.ops import KILL_SWITCH
from pipeline_tasks.warehouse import audit
from pipeline_tasks.warehouse.client import Warehouse
from pipeline_tasks.warehouse.server import exclusive

SCOPES = ("model", "market", "run", "all")


def set_kill_switch(wh: Warehouse, *, scope: str, target: str, active: bool, reason: str, actor: str) -> None:
    """Hide a target from all readers, or show it again; the chain records who and why.

    Args:
        wh: a connection that may write.
        scope: model, market, run or all.
        target: its name; `*` with scope `all`.
        active: True hides, False shows again.
        reason: why; required.
        actor: who; required.

    Raises:
        ValueError: unknown scope, empty target, reason or actor, or a target other than `*` with `all`.
    """
    if scope not in SCOPES:
        raise ValueError(f"kill switch scope {scope!r} is not known; use one of {', '.join(SCOPES)}")
    if (scope == "all") != (target == "*"):
        raise ValueError(f"kill switch target {target!r} does not fit scope {scope!r}; '*' goes with scope 'all' and only with it")
    for name, value in (("target", target), ("reason", reason), ("actor", actor)):
        if not value.strip():
            raise ValueError(f"kill switch {name} is empty; say it")
    with exclusive(wh.lock_folder / "kill_switch.lock"):
        last = wh.scalar(
            "select max(at_ts) from ops.kill_switch where scope = {s:String} and target = {t:String}", {"s": scope, "t": target}
        )
        at_ts = max(datetime.now(UTC), last + timedelta(milliseconds=1))
        row = {"scope": scope, "target": target, "active": active, "reason": reason, "actor": actor, "at_ts": at_ts}
        wh.insert(KILL_SWITCH, pl.DataFrame([row], schema=KILL_SWITCH.polars_schema()))
    audit.append(wh, actor=actor, action="kill_switch", subject=f"{scope}/{target}", payload={"active": active, "reason": reason})
