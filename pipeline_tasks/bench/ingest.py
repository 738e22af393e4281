"""Bench of backfills of live feeds: a day-ahead nodal LMP file per day, from the CSV as it came to rows read back from raw."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from itertools import pairwise

import numpy as np
import polars as pl

from config.markets import Market
from config.settings import get_settings
from pipeline_tasks.bench.core import Figure, peak_memory_mb, scratch_home
from pipeline_tasks.sources.live.catalog import PRODUCTS
from pipeline_tasks.sources.live.product import Ask
from pipeline_tasks.sources.live.source import parsed
from pipeline_tasks.warehouse import Warehouse
from pipeline_tasks.warehouse.load import judge, load_raw
from pipeline_tasks.warehouse.server import server_status

NODES, DAYS = 10_000, 8
FIRST = date(2025, 6, 2)
PRODUCT = PRODUCTS["spp/nodal_da"]
MARKET = Market(
    key="bench",
    label="bench",
    time_zone="America/Chicago",
    currency="USD",
    gate_time=clock_time(9, 30),
    price_floor=-500,
    price_cap=5000,
    hubs=("X",),
)


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
    """Contract rows per second, parse to warehouse, over several daily files; where a row's processor time goes; how peak memory grows."""
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import migrate

    with scratch_home(), connect() as warehouse:
        migrate(warehouse)
        bodies = [daily_file(FIRST + timedelta(days=n)) for n in range(DAYS)]
        began, before = time.perf_counter(), _busy_seconds()
        memory = list(_load(warehouse, bodies))
        taken, after = time.perf_counter() - began, _busy_seconds()
        rows = int(warehouse.scalar("select count() from raw.nodal_prices"))
        split = _split(warehouse, bodies[0])
    if rows != NODES * 24 * DAYS:
        raise RuntimeError(f"{rows} rows are in raw, {NODES * 24 * DAYS} were delivered")
    case = f"{DAYS} days of {NODES:,} nodes, {rows:,} rows"
    client, server = (1e6 * (b - a) / rows for a, b in zip(before, after, strict=True))
    return [
        Figure(case, "parse_to_warehouse", rows / taken, "rows/s"),
        Figure(case, "cpu_client", client, "us/row"),
        Figure(case, "cpu_server", server, "us/row"),
        Figure(case, "cpu_total", client + server, "us/row"),
        *(Figure(f"one of the days alone, {NODES * 24:,} rows", f"cpu_{stage}", value, "us/row") for stage, value in split.items()),
        Figure(case, "peak_memory_growth_after_second_chunk", memory[-1] - memory[1], "MB"),
    ]


def _busy_seconds() -> tuple[float, float]:
    """Processor seconds so far of this process and of the embedded server."""
    import psutil

    pid = server_status(get_settings()).pid
    if pid is None:
        raise RuntimeError("the bench measures the embedded server; unset CLICKHOUSE_HOST")
    times = psutil.Process(pid).cpu_times()
    return time.process_time(), times.user + times.system


def _split(warehouse: Warehouse, body: bytes) -> dict[str, float]:
    """Processor time of a row (us) by stage: a day loaded stage after stage, the server's merges behind the load left out."""
    marks = [_busy_seconds()]
    frame = _contract_rows(body, 0)
    marks.append(_busy_seconds())
    judged = judge(PRODUCT.table, frame)
    marks.append(_busy_seconds())
    later = (judged.with_columns(pl.lit("split").alias("market")), frame.with_columns(pl.lit("split").alias("market")))
    load_raw(warehouse, PRODUCT.table, later[1], source="bench", source_object="split", market="split", judged=later[0])
    marks.append(_busy_seconds())
    client = [b[0] - a[0] for a, b in pairwise(marks)]
    stages = dict(zip(("parse", "judge_and_hash", "load_client"), client, strict=True)) | {"load_server": marks[3][1] - marks[2][1]}
    return {name: 1e6 * seconds / frame.height for name, seconds in stages.items()}


def _load(warehouse: Warehouse, bodies: list[bytes]) -> Iterator[float]:
    """Load each file as a backfill does (parsed and judged while the one before it is loaded); peak memory (MB) after each."""
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(_frame, bodies, 0)
        for n in range(len(bodies)):
            frame, judged = pending.result()
            if n + 1 < len(bodies):
                pending = pool.submit(_frame, bodies, n + 1)
            load_raw(warehouse, PRODUCT.table, frame, source="bench", source_object=f"day-{n}", market="bench", judged=judged)
            yield peak_memory_mb()


def _frame(bodies: list[bytes], n: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A file's contract rows, and those judged."""
    frame = _contract_rows(bodies[n], n)
    return frame, judge(PRODUCT.table, frame)


def _contract_rows(body: bytes, n: int) -> pl.DataFrame:
    """The n-th file read, checked for drift and turned into contract rows."""
    day = FIRST + timedelta(days=n)
    start, end = MARKET.day_bounds(day)
    return parsed(PRODUCT, body, Ask(MARKET, {}, day, day, start, end, fetched_ts=datetime(2025, 12, 1, tzinfo=UTC)))
