"""Report step: the site of a run, from what is in the warehouse."""

from __future__ import annotations

from typing import Any

from pipeline_tasks.steps.context import RunContext


def report(ctx: RunContext) -> dict[str, Any]:
    """Write the report site.

    Returns:
        `path`: its index page.
    """
    from pipeline_tasks.reports import build_site

    path = build_site(run_id=ctx.run_id, market=ctx.market, delivery_date=ctx.delivery_date)
    return {"path": str(path)}
