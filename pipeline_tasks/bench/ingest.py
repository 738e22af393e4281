"""Bench of backfills of live feeds: a day-ahead nodal LMP file per day, from the CSV as it came to rows read back from raw."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from pipeline_tasks.bench.core import Figure, scratch_home

NODES, DAYS = 10_000, 6
FIRST = date(2025, 6, 2)


def daily_file(day: date, nodes: int = NODES) -> bytes:
    """A synthetic daily file of SPP's day-ahead LMP by location: 24 hours of every node, stamped with the interval's end."""
    rng = np.random.default_rng(day.toordinal())
    count = nodes * 24
    energy, congestion, loss = np.repeat(rng.normal(40, 9, 24), nodes), rng.normal(0, 3, count), rng.normal(0, 1, count)
    begin = datetime(day.year, day.month, day.day, 5, tzinfo=UTC)
    gmt = [f"{begin + timedelta(hours=h + 1):%m/%d/%Y %H:%M:%S}" for h in range(24)]
    local = [f"{begin + timedelta(hours=h - 4):%m/%d/%Y %H:%M:%S}" for h in range(24)]
    names = [f"NODE_{n:05d}" for n in range(nodes)]
    frame = pl.DataFrame(
        {
            "Interval": np.repeat(local, nodes),
            "GMTIntervalEnd": np.repeat(gmt, nodes),
            "Settlement Location": names * 24,
            "Pnode": names * 24,
            "LMP": np.round(energy + congestion + loss, 4),
            "MLC": np.round(loss, 4),
            "MCC": np.round(congestion, 4),
            "MEC": np.round(energy, 4),
        }
    )
    held = io.BytesIO()
    frame.write_csv(held)
    return held.getvalue()


def ingest() -> list[Figure]:
    """Contract rows per second, parse to warehouse, over several daily files, and how peak memory grows from the first to the last."""
    from pipeline_tasks.bench.core import peak_memory_mb
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import migrate

    with scratch_home(), connect() as warehouse:
        migrate(warehouse)
        bodies = [daily_file(FIRST + timedelta(days=n)) for n in range(DAYS)]
        taken: list[float] = []
        memory: list[float] = []
        for seconds in _loads(bodies):
            taken.append(seconds)
            memory.append(peak_memory_mb())
        rows = int(warehouse.scalar("select count() from raw.nodal_prices"))
    if rows != NODES * 24 * DAYS:
        raise RuntimeError(f"{rows} rows are in raw, {NODES * 24 * DAYS} were delivered")
    case = f"{DAYS} days of {NODES:,} nodes, {rows:,} rows"
    return [
        Figure(case, "parse_to_warehouse", rows / sum(taken), "rows/s"),
        Figure(f"one day, {NODES * 24:,} rows", "parse_to_warehouse_best", NODES * 24 / min(taken), "rows/s", runs=DAYS),
        Figure(case, "peak_memory_growth_after_first_chunk", memory[-1] - memory[0], "MB"),
    ]


def _loads(bodies: list[bytes]) -> Iterator[float]:
    """Seconds of each file: read, checked for drift, turned into rows, loaded exactly once and read back."""
    from config.markets import Market
    from pipeline_tasks.sources.live.catalog import PRODUCTS
    from pipeline_tasks.sources.live.product import Ask
    from pipeline_tasks.sources.live.source import parsed
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.load import load_raw

    market = Market.model_validate(
        {
            "key": "bench",
            "label": "bench",
            "time_zone": "America/Chicago",
            "currency": "USD",
            "gate_time": "09:30",
            "price_floor": -500,
            "price_cap": 5000,
            "hubs": ["X"],
        }
    )
    product = PRODUCTS["spp/nodal_da"]
    with connect() as warehouse:
        for n, body in enumerate(bodies):
            day = FIRST + timedelta(days=n)
            start, end = market.day_bounds(day)
            ask = Ask(market, {}, day, day, start, end, fetched_ts=datetime(2025, 12, 1, tzinfo=UTC))
            began = time.perf_counter()
            frame = parsed(product, body, ask)
            load_raw(warehouse, product.table, frame, source="bench", source_object=f"day-{n}", market="bench")
            yield time.perf_counter() - began
