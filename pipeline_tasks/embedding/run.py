"""One embedding of a market: read what is known, learn, and the rows of the curated tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.artifacts import save_arrays, save_json, seal
from models._kernel.nodes.embedding import Neighbours, nearest, unit_rows
from models._kernel.nodes.learn import SHARES, TOPOLOGY, Embedded, embed
from pipeline_tasks.contracts import NODE_TABLES, Table, with_lineage
from pipeline_tasks.contracts.nodes import NODE_EMBEDDINGS, NODE_HUBS, NODE_NEIGHBOURS, NODE_NOWCASTS
from pipeline_tasks.embedding.market import KnownNodes
from pipeline_tasks.embedding.neighbours import MODEL, NAME
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.warehouse.hashing import data_version

NAMES = "[a-z][a-z0-9_]{0,39}"
KEPT = 10
NODES_PER_CORRIDOR = 8
Array = npt.NDArray[np.float64]


class EmbedError(ValueError):
    """An embedding that cannot be made as asked; names the field, the value and the remedy."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Attributes:
        market: market key.
        delivery_date: market-local delivery date; known is what was known at its gate.
        days: days of prices that are learned from.
        least_days: a node with fewer days of own prices is sparse.
        as_new: nodes to be treated as if they had no prices: what would be said of them.
        name: name of the embedding.
        seed: of what is random.
    """

    market: str
    delivery_date: date
    days: int = 60
    least_days: int = 14
    as_new: tuple[str, ...] = ()
    name: str = NAME
    seed: int = 7

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not re.fullmatch(NAMES, self.name):
            raise EmbedError(f"name {self.name!r}; give a letter, then up to 39 lower-case letters, digits and underscores")
        if not 1 <= self.least_days <= self.days <= 1000:
            raise EmbedError(f"days {self.days}, least_days {self.least_days}; give 1 <= least_days <= days <= 1000")

    @property
    def context(self) -> RunContext:
        """The run it is."""
        return RunContext("twin", self.market, self.delivery_date, dag=f"embed_{self.name}")


@dataclass(frozen=True)
class Made:
    """An embedding with what it was made from.

    Attributes:
        request: what was asked.
        known: nodes and prices.
        embedded: vectors, corridors, transfer.
        sparse: whether each node has too few days of own prices.
        days_used: days of own prices of each node that were used; 0 for a node treated as new.
        near: the nearest nodes of each.
        data_version: SHA-256 of the prices and limits that were read.
    """

    request: Request
    known: KnownNodes
    embedded: Embedded
    sparse: npt.NDArray[np.bool_]
    days_used: npt.NDArray[np.int64]
    near: Neighbours
    data_version: str


def make(known: KnownNodes, request: Request) -> Made:
    """Learn the vectors of a market's nodes.

    Raises:
        EmbedError: a node of `as_new` is not there.
    """
    nodes = known.market.nodes
    unknown = sorted(set(request.as_new) - set(nodes))
    if unknown:
        raise EmbedError(f"as_new holds {unknown[0]!r}, which market {request.market!r} has not; it has e.g. {', '.join(nodes[:5])}")
    new = np.isin(nodes, request.as_new)
    used = np.where(new, 0, known.days_known)
    sparse = used < request.least_days
    count = max(2, len(nodes) // NODES_PER_CORRIDOR)
    embedded = embed(known.market, known=np.flatnonzero(~sparse), corridor_count=count, seed=request.seed)
    near = nearest(embedded.vectors, embedded.vectors, KEPT, leave_out=np.arange(len(nodes)))
    prices = pl.DataFrame(known.market.prices, schema=list(nodes)).with_columns(at=pl.Series(known.starts))
    version = data_version(prices) + "|" + repr(known.market.limits)
    return Made(request, known, embedded, sparse, used, near, data_version(pl.DataFrame({"read": [version]})))


def save(made: Made, directory: Path) -> str:
    """Write the artifact (npz and JSON) and return its SHA-256."""
    embedded, transfer = made.embedded, made.embedded.transfer
    arrays: dict[str, npt.ArrayLike] = {
        "vectors": embedded.vectors, "corridor": embedded.corridor, "known": embedded.known, "loadings": embedded.loadings
    }  # fmt: skip
    about: dict[str, Any] = {"nodes": list(made.known.market.nodes), "hub": list(made.known.market.hub), **params(made.request)}
    if transfer is not None:
        arrays |= {"weights": transfer.weights, "variance": transfer.variance, "directions": transfer.directions, "spread": transfer.spread}
        about |= {"covariance": dict(transfer.covariance.shares), "nugget": transfer.covariance.nugget, "noise": transfer.noise}
    save_arrays(directory, "node2grid", arrays)
    save_json(directory, "node2grid", about)
    return seal(directory, model=MODEL)


def params(request: Request) -> dict[str, Any]:
    """What decides an embedding beside the data."""
    shares = {f"share_{k}": v for k, v in SHARES.items()}
    return {"days": request.days, "least_days": request.least_days, "seed": request.seed, "topology": TOPOLOGY, **shares}


def metrics(made: Made) -> dict[str, float]:
    """Numbers of the training run: sizes, and the error when every known node is left out."""
    found = {"nodes": float(len(made.sparse)), "sparse_nodes": float(made.sparse.sum()), "intervals": float(len(made.known.starts))}
    if made.embedded.transfer is not None:
        found["left_out_mae_ccy_per_mwh"] = made.embedded.transfer.covariance.error
    return found


def tables(made: Made, lineage: Mapping[str, Any]) -> dict[str, pl.DataFrame]:
    """Rows of the four tables by table name, in key order; `lineage`: model_version, artifact_sha, code_sha, regime."""
    own = {
        NODE_EMBEDDINGS: _embeddings(made),
        NODE_NEIGHBOURS: _neighbours(made),
        NODE_HUBS: _hubs(made),
        NODE_NOWCASTS: _nowcasts(made),
    }
    return {t.name: _with_lineage(t, own[t], made, lineage) for t in NODE_TABLES}


def _embeddings(made: Made) -> pl.DataFrame:
    market = made.known.market
    return pl.DataFrame(
        {
            "node": list(market.nodes),
            "node_hub": list(market.hub),
            "corridor": made.embedded.corridor,
            "days_known": made.days_used,
            "is_sparse": made.sparse,
            "embedding": pl.Series(made.embedded.vectors.tolist(), dtype=pl.List(pl.Float32)),
        }
    )


def _neighbours(made: Made) -> pl.DataFrame:
    nodes = pl.Series(made.known.market.nodes, dtype=pl.String)
    count, kept = made.near.position.shape
    return pl.DataFrame(
        {
            "node": nodes.gather(np.repeat(np.arange(count), kept)),
            "rank": np.tile(np.arange(1, kept + 1), count),
            "neighbour": nodes.gather(made.near.position.ravel()),
            "similarity": made.near.similarity.ravel(),
        }
    )


def _hubs(made: Made) -> pl.DataFrame:
    """Hubs as load-weighted means; a hub without load weighs its nodes alike."""
    label = np.array(made.known.market.hub)
    hubs = sorted(set(label.tolist()))
    vectors = made.embedded.vectors.astype(np.float64)
    centres = []
    for hub in hubs:
        weight = np.where(label == hub, made.known.load_share, 0.0)
        weight = weight if weight.sum() > 0 else (label == hub).astype(np.float64)
        centres.append(weight @ vectors / weight.sum())
    centre = unit_rows(np.array(centres))
    other = nearest(centre, centre, 1, leave_out=np.arange(len(hubs))) if len(hubs) > 1 else None
    return pl.DataFrame(
        {
            "node_hub": hubs,
            "nodes": [int((label == h).sum()) for h in hubs],
            "corridors": [len(set(made.embedded.corridor[label == h].tolist())) for h in hubs],
            "cohesion": [float((vectors[label == h] @ c).mean()) for h, c in zip(hubs, centre, strict=True)],
            "nearest_hub": [hubs[k] for k in other.position[:, 0].tolist()] if other else [""],
            "nearest_similarity": other.similarity[:, 0].tolist() if other else [0.0],
            "embedding": pl.Series(centre.astype(np.float32).tolist(), dtype=pl.List(pl.Float32)),
        }
    )


def _nowcasts(made: Made) -> pl.DataFrame:
    """Prices of sparse nodes in the newest day whose prices are known elsewhere, by the others' and by the days before."""
    transfer, market, starts = made.embedded.transfer, made.known.market, made.known.starts
    if transfer is None or not made.sparse.any():
        return pl.DataFrame()
    newest = np.array([s > starts[-1] - timedelta(hours=24) for s in starts])
    others = market.prices[:, transfer.known]
    whole = newest & np.isfinite(others).all(axis=1)
    frames = []
    for node in np.flatnonzero(made.sparse).tolist():
        own = market.prices[:, node]
        rows = ~newest & np.isfinite(own) & np.isfinite(others).all(axis=1) & (made.days_used[node] > 0)
        told = transfer.nowcast(others[whole], node, others[rows], own[rows]) + made.known.energy[whole]
        frames.append(
            pl.DataFrame(
                {
                    "node": market.nodes[node],
                    "days_known": int(made.days_used[node]),
                    "price_ccy_per_mwh": told,
                    "deviation_ccy_per_mwh": transfer.deviation(node),
                    "delivery_ts": [s for s, there in zip(starts, whole.tolist(), strict=True) if there],
                }
            )
        )
    return pl.concat(frames)


def _with_lineage(table: Table, frame: pl.DataFrame, made: Made, lineage: Mapping[str, Any]) -> pl.DataFrame:
    """The rows with the lineage every curated row carries."""
    request = made.request
    context = request.context
    degraded = made.embedded.transfer is None
    values: dict[str, Any] = {
        "run_id": context.run_id,
        "model": MODEL,
        "data_version": made.data_version,
        "status": "DEGRADED" if degraded else "OK",
        "status_reason": "fewer than three nodes have enough prices: vectors hold no prices" if degraded else "",
        "as_of": context.as_of,
        "market": request.market,
        "hub": request.name,
        "product": "da",
        "delivery_ts": context.selection.market.day_bounds(request.delivery_date)[0],
        "delivery_date": request.delivery_date,
        **lineage,
    }
    return with_lineage(table, frame, values)


def shown(rows: Sequence[Mapping[str, Any]], figures: int = 4) -> list[dict[str, Any]]:
    """Rows with rounded figures."""
    return [{k: round(v, figures) if isinstance(v, float) else v for k, v in row.items()} for row in rows]
