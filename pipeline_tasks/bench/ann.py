"""Bench of nearest neighbours: the warehouse's HNSW index over HTTP beside its exact search, NumPy and scikit-learn on the same vectors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline_tasks.bench.core import Figure, scratch_home

if TYPE_CHECKING:
    from pipeline_tasks.warehouse import Warehouse

SIZES = ((10_000, 200), (100_000, 60))
"""Vectors, and queries timed."""
NEAREST, WARM = 10, 10
Vectors = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def ann() -> list[Figure]:
    """Median and 95th percentile of one query of ten nearest, with the recall of the same queries; and what filling the index costs."""
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import migrate

    figures: list[Figure] = []
    with scratch_home(), connect() as warehouse:
        migrate(warehouse)
        for count, queries in SIZES:
            figures += list(_of_size(warehouse, count, queries))
    return figures


def drawn(count: int) -> Vectors:
    """Vectors as those of a network: corridors that lie on a plane of 24 dimensions, nodes around them, and noise; seeded, unit length."""
    from pipeline_tasks.contracts.nodes import DIMENSIONS

    rng = np.random.default_rng(7)
    plane = rng.standard_normal((24, DIMENSIONS))
    corridor = rng.standard_normal((max(8, count // 40), 24))
    inside = corridor[rng.integers(0, len(corridor), count)] + 0.35 * rng.standard_normal((count, 24))
    vectors = inside @ plane + 0.15 * rng.standard_normal((count, DIMENSIONS))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def _of_size(warehouse: Warehouse, count: int, queries: int) -> Iterator[Figure]:
    from sklearn.neighbors import NearestNeighbors

    from models._kernel.nodes.embedding import nearest, recall
    from pipeline_tasks.embedding.neighbours import nearest_sql
    from pipeline_tasks.embedding.probe import filled

    vectors = drawn(count)
    asked = vectors[np.random.default_rng(11).choice(count, queries + WARM, replace=False)]
    exact = nearest(vectors, asked, NEAREST).position
    brute = NearestNeighbors(n_neighbors=NEAREST, algorithm="brute", metric="cosine").fit(vectors)
    began = time.perf_counter()
    with filled(warehouse, vectors, "bench_nearest") as table:
        label = f"{count:,} x {vectors.shape[1]}"
        yield Figure(label, "fill_and_index", time.perf_counter() - began, "s")
        for name, full in (("index", False), ("exact_in_warehouse", True)):
            sql = nearest_sql(table, "", exact=full)
            yield from _timed(f"{label}, {name}", asked, exact, recall, partial(_ask, warehouse, sql))
    yield from _timed(f"{label}, numpy", asked, exact, recall, lambda q: np.argsort(-(vectors @ q), kind="stable")[:NEAREST])
    yield from _timed(f"{label}, scikit-learn", asked, exact, recall, lambda q: brute.kneighbors(q[None], return_distance=False)[0])


def _ask(warehouse: Warehouse, sql: str, query: Vectors) -> Ints:
    found = warehouse.query(sql, {"q": query.tolist(), "k": NEAREST})["node"]
    return np.asarray(found.cast(int).to_numpy(), dtype=np.int64)


def _timed(
    label: str, asked: Vectors, exact: Ints, recall: Callable[[Ints, Ints], float], answer: Callable[[Vectors], Ints]
) -> Iterator[Figure]:
    found, taken = [], []
    for query in asked:
        began = time.perf_counter()
        found.append(answer(query))
        taken.append(1000 * (time.perf_counter() - began))
    own = taken[WARM:]
    yield Figure(label, "query_p50", float(np.quantile(own, 0.5)), "ms", runs=len(own))
    yield Figure(label, "query_p95", float(np.quantile(own, 0.95)), "ms", runs=len(own))
    yield Figure(label, "recall_at_10", recall(np.array(found), exact), "share", runs=len(found))
