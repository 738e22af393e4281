"""Step that learns what markets made of outages: the simulator's answers beside what happened, registered for the simulations to come."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.learned import register_learned

if TYPE_CHECKING:
    from models._kernel.grid.outage_response import OutageResponse, Realised

MOST = 400
"""Outages and hours looked at, drawn evenly over time: each is solved."""
HISTORY_DAYS = 400


def learn_outage_response(
    market: str, delivery_date: date, say: Callable[[str], None] = lambda _: None, *, days: int = HISTORY_DAYS, most: int = MOST
) -> dict[str, Any]:
    """Learn from planned outages that began before a delivery date, and register it; simulations of later decisions then use it.

    Args:
        market: market key with a network model.
        delivery_date: nothing of this date or later is used.
        say: told what is being done.
        days: days looked back.
        most: most outages and hours.

    Returns:
        `events`, `weights`, `metrics`, `version`; `status` DEGRADED with a reason where there are too few to learn from.

    Raises:
        KeyError: the market is not configured.
    """
    from models._kernel.grid.network import GridError
    from models._kernel.grid.outage_response import PARTS, learn_response
    from pipeline_tasks.simulate.realised import begun_outages, realised_events
    from pipeline_tasks.steps.exact import one_blas_thread
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import ensure

    began, context = time.perf_counter(), RunContext("twin", market, delivery_date, dag="outage_response")
    key = context.selection.market.key
    with connect() as warehouse:
        ensure(warehouse)
        begun = begun_outages(warehouse, key, first=delivery_date - timedelta(days=days), last=delivery_date - timedelta(days=1))
        chosen = [begun[k] for k in np.unique(np.linspace(0, len(begun) - 1, min(most, len(begun))).astype(int))] if begun else []
        with one_blas_thread():  # the same bytes from a shell and from a DAG
            events = list(realised_events(warehouse, key, chosen, say))
            try:
                response = learn_response(events)
            except GridError as error:
                return {"status": "DEGRADED", "reason": f"market {key!r}: {error}", "events": len(events), "version": ""}
    metrics = _metrics(response, events) | {"seconds": time.perf_counter() - began}
    version = _register(response, events, context, metrics, {"days": days, "most": most})
    return {
        "status": "OK",
        "reason": "",
        "events": len(events),
        "weights": {name: round(float(w), 4) for name, w in zip(PARTS, response.weights, strict=True)},
        "metrics": {k: round(v, 4) for k, v in metrics.items()},
        "version": version,
    }


def _metrics(response: OutageResponse, events: Sequence[Realised]) -> dict[str, float]:
    """Sizes and errors on what was learned from; honest ones are the scorecard's."""
    felt = [e for e in events if e.felt]
    truth = [np.abs(e.truth).mean() for e in felt]
    fitted = [np.abs(response.realised(e) - e.truth).mean() for e in felt]
    raw = [np.abs(e.simulated - e.truth).mean() for e in felt]
    return {
        "outages": float(len(events)), "felt": float(len(felt)), "elements": float(len({e.element for e in felt})),
        "band_scale": response.scale,
        "fitted_mae": float(np.mean(fitted)), "simulator_mae": float(np.mean(raw)), "no_change_mae": float(np.mean(truth)),
    }  # fmt: skip


def _register(
    response: OutageResponse, events: Sequence[Realised], context: RunContext, metrics: dict[str, float], asked: dict[str, int]
) -> str:
    """The learning as a run with parameters, metrics and artifact; its version."""
    from pipeline_tasks.simulate.response import MODEL, params, save

    digest = hashlib.sha256()
    for event in events:
        digest.update(f"{event.element}|{event.day}".encode() + event.truth.tobytes() + event.simulated.tobytes())
    ref = register_learned(
        partial(save, response),
        context,
        model=MODEL,
        market=context.selection.market.key,
        data_version=digest.hexdigest(),
        profile="realised",
        params=params() | asked,
        metrics=metrics,
    )
    return ref.version
