"""Embedding step: vectors of a market's nodes, logged as a training run, staged, checked and published like a forecast."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline_tasks.steps.learned import publish_rows, register_learned

if TYPE_CHECKING:
    from pipeline_tasks.embedding.run import Made, Request


def embed_nodes(request: Request, say: Callable[[str], None] = lambda _: None, *, publish: bool = True) -> dict[str, Any]:
    """Embed a market's nodes, and publish unless told otherwise.

    Asking again for the same market, delivery date and name replaces what was published before; the same data give the same bytes and
    the same version in the registry.

    Returns:
        `nodes`, `sparse_nodes`, `corridors` (counts), `hubs` and `nowcasts` (rows), `version`, `publications`, `status`.

    Raises:
        MarketStateError: network or nodal prices are not known.
        EmbedError: it cannot be made as asked.
    """
    from pipeline_tasks.contracts import NODE_TABLES
    from pipeline_tasks.embedding.market import known_nodes
    from pipeline_tasks.embedding.neighbours import MODEL
    from pipeline_tasks.embedding.run import make, tables
    from pipeline_tasks.steps.code_version import code_sha
    from pipeline_tasks.steps.gates import market_regime
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import ensure

    began = time.perf_counter()
    published: list[dict[str, Any]] = []
    with connect() as warehouse:
        ensure(warehouse)
        known = known_nodes(warehouse, request.market, as_of=request.context.as_of, days=request.days)
        say(f"{request.market}: {len(known.market.nodes)} nodes, {len(known.starts)} intervals")
        made = make(known, request)
        version, artifact = _log(made, time.perf_counter() - began) if publish else ("", "")
        regime = market_regime(warehouse, request.market, request.delivery_date, request.context.as_of)
        found = tables(made, {"model_version": version, "artifact_sha": artifact, "code_sha": code_sha(), "regime": regime})
        for table in NODE_TABLES if publish else ():
            published += publish_rows(warehouse, table, found[table.name], run_id=request.context.run_id, model=MODEL)
    return _told(made, found, version, published)


def _log(made: Made, seconds: float) -> tuple[str, str]:
    """The training as a run with parameters, metrics and artifact; its version and SHA-256."""
    from pipeline_tasks.embedding.neighbours import MODEL
    from pipeline_tasks.embedding.run import metrics, params, save

    request = made.request
    ref = register_learned(
        partial(save, made),
        request.context,
        model=MODEL,
        market=request.market,
        data_version=made.data_version,
        profile=request.name,
        params=params(request),
        metrics={**metrics(made), "seconds": seconds},
        seed=request.seed,
    )
    return ref.version, ref.artifact_sha


def _told(made: Made, found: dict[str, pl.DataFrame], version: str, published: list[dict[str, Any]]) -> dict[str, Any]:
    from pipeline_tasks.embedding.run import metrics, shown

    hubs = found["node_hubs"].select("node_hub", "nodes", "corridors", "cohesion", "nearest_hub", "nearest_similarity")
    casts = found["node_nowcasts"]
    told = casts.select("node", "delivery_ts", "days_known", "price_ccy_per_mwh", "deviation_ccy_per_mwh") if casts.height else casts
    transfer = made.embedded.transfer
    return {
        "run_id": made.request.context.run_id,
        "version": version,
        "status": "OK" if transfer is not None else "DEGRADED",
        "nodes": len(made.sparse),
        "corridors": int(made.embedded.corridor.max()) + 1,
        "metrics": {k: round(v, 4) for k, v in metrics(made).items()},
        "covariance": {k: round(v, 4) for k, v in transfer.covariance.shares.items()} if transfer is not None else {},
        "hubs": shown(hubs.to_dicts()),
        "nowcasts": shown(told.to_dicts()),
        "publications": published,
    }


def node_neighbours(node: str, k: int, *, market: str, name: str, day: date | None = None, exact: bool = False) -> list[dict[str, Any]]:
    """The nodes most like a node in the newest published embedding, or in that of a delivery date.

    Raises:
        NodeError: no embedding is published, or the market has no such node.
    """
    from pipeline_tasks.embedding.neighbours import neighbours
    from pipeline_tasks.embedding.run import shown
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import ensure

    with connect() as warehouse:
        ensure(warehouse)
        return shown(neighbours(warehouse, node, k, market=market, name=name, day=day, exact=exact).to_dicts())
