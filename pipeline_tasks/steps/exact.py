"""Exact arithmetic: the same bytes on any number of cores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Linear algebra on one thread for the time of the block.

    A BLAS splits its sums among its threads, so the last bits of a product depend on their number; with one thread a replay on
    another machine, or on a busy one, gives the published bytes. LightGBM's own threads do not change its results and stay.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1, user_api="blas"):
        yield
