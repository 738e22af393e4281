"""Validate: the quality gate of a layer, for DAGs and the CLI alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

from config.markets import resolve_market
from pipeline_tasks.quality.docs import build_data_docs
from pipeline_tasks.quality.outcome import GateBlocked
from pipeline_tasks.warehouse import connect

__all__ = ["GateBlocked", "build_data_docs", "validate"]


def validate(
    layer: Literal["raw", "features"],
    *,
    market: str,
    run_id: str,
    start_date: date | None = None,
    end_date: date | None = None,
    decided_at: datetime | None = None,
    tables: Sequence[str] = (),
) -> dict[str, Any]:
    """Check a layer with Great Expectations; every result goes to ops.check_results.

    Args:
        layer: `raw` or `features`.
        market: market selection key (`epf_de`, `ercot_hb_north`).
        run_id: run that asks.
        start_date: first delivery date looked at; all history within the row budget by default.
        end_date: delivery date the run decides for; the last one with a price by default. Nothing later is looked at.
        decided_at: decision time of a run within the day; the market's gate for `end_date` by default.
        tables: full names of tables to look at; all of the layer when empty.

    Returns:
        status (OK, or DEGRADED when a warning says that the run must be), reason, layer, market, checks, failed,
        rows_checked (per table), warnings (sentences).

    Raises:
        GateBlocked: a blocking check broke; the message names table, rule, count and remedy.
        KeyError: the market is not configured.
    """
    from pipeline_tasks.quality.gate import run_gate

    with connect("pipeline") as wh:
        result = run_gate(
            wh,
            layer,
            selection=resolve_market(market),
            run_id=run_id,
            start_date=start_date,
            end_date=end_date,
            decided_at=decided_at,
            tables=tables,
        )
    return {
        "status": "DEGRADED" if result.degrading else "OK",
        "reason": " ".join(o.sentence for o in result.degrading),
        "layer": layer,
        "market": market,
        "checks": len(result.outcomes),
        "failed": sum(not o.success for o in result.outcomes),
        "rows_checked": result.rows_checked,
        "warnings": [o.sentence for o in result.warnings],
    }
