"""What the fault tests do to the warehouse, and the process that does it until it is killed.

`python workload.py load|publish ROUND` says "go" when it is connected and about to write, "done" when it is through.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

from pipeline_tasks.contracts import curated_table  # noqa: E402
from pipeline_tasks.contracts.columns import number  # noqa: E402
from pipeline_tasks.contracts.raw import PRICES  # noqa: E402
from pipeline_tasks.warehouse import Warehouse, connect, load  # noqa: E402
from pipeline_tasks.warehouse.ddl import create_table_sql, published_view_sql  # noqa: E402
from pipeline_tasks.warehouse.load import LoadResult, load_raw  # noqa: E402
from pipeline_tasks.warehouse.publish import Publication, publish_staged, stage  # noqa: E402

PROBE = curated_table("fault_probe", (number("value_mw", "Probe value.", unit="MW"),), "Rows of the fault tests.")
HOURS = 2_000
HUBS = 10
BLOCK_ROWS = 3_000
BAD_EVERY = 100
REPEATED = 50
DAYS = 4
MARKET = "fault"


def prepare(wh: Warehouse) -> None:
    """Make the probe table and its view."""
    wh.command(create_table_sql(PROBE))
    wh.command(published_view_sql(PROBE))


def delivered(number_of_round: int) -> pl.DataFrame:
    """20 000 rows over two years and 10 hubs of this round, every hundredth bad, and 50 of them twice."""
    ts = pl.datetime_range(
        datetime(2020, 11, 1, tzinfo=UTC),
        datetime(2020, 11, 1, tzinfo=UTC) + timedelta(hours=HOURS - 1),
        "1h",
        time_unit="ms",
        time_zone="UTC",
        eager=True,
    )
    rng = np.random.default_rng(number_of_round)
    frames = [
        pl.DataFrame({"delivery_ts": ts, "price_ccy_per_mwh": rng.normal(40, 9, HOURS)}).with_columns(hub=pl.lit(f"R{number_of_round}_{k}"))
        for k in range(HUBS)
    ]
    rows = pl.concat(frames).with_row_index("i")
    rows = rows.with_columns(
        market=pl.lit(MARKET),
        product=pl.lit("da"),
        resolution_min=pl.lit(60, dtype=pl.Int64),
        known_ts=pl.col("delivery_ts") - pl.duration(hours=12),
        currency=pl.lit("EUR"),
        price_ccy_per_mwh=pl.when(pl.col("i") % BAD_EVERY == 0).then(1e9).otherwise("price_ccy_per_mwh"),
        **{n: pl.lit(None, dtype=pl.Float64) for n in ("energy_ccy_per_mwh", "congestion_ccy_per_mwh", "loss_ccy_per_mwh")},
    ).drop("i")
    return pl.concat([rows, rows.slice(1, REPEATED)])


def load_round(wh: Warehouse, number_of_round: int) -> LoadResult:
    """Load the rows of a round in many small blocks."""
    load.BLOCK_ROWS = BLOCK_ROWS
    return load_raw(wh, PRICES, delivered(number_of_round), source="fault", source_object=f"round-{number_of_round}", market=MARKET)


def forecast(number_of_round: int, run_id: str, value: float) -> pl.DataFrame:
    """Rows of two hubs and four days of the round's own weeks."""
    first = date(2021, 1, 1) + timedelta(days=DAYS * number_of_round)
    rows = [
        {
            "run_id": run_id,
            "model": "fault_probe",
            "model_version": "1",
            "artifact_sha": "a",
            "code_sha": "c",
            "data_version": "d",
            "regime": "unknown",
            "status": "OK",
            "status_reason": "",
            "as_of": datetime(2020, 12, 31, 11, tzinfo=UTC),
            "market": MARKET,
            "hub": hub,
            "product": "da",
            "delivery_ts": datetime.combine(first + timedelta(days=day), datetime.min.time(), tzinfo=UTC) + timedelta(hours=hour),
            "delivery_date": first + timedelta(days=day),
            "value_mw": value + hour,
        }
        for hub in ("A", "B")
        for day in range(DAYS)
        for hour in range(24)
    ]
    return pl.DataFrame(rows, schema=PROBE.polars_schema())


def publish_round(wh: Warehouse, number_of_round: int) -> list[Publication]:
    """Stage and publish the second run of a round over the first."""
    run_id = f"second-{number_of_round}"
    stage(wh, PROBE, forecast(number_of_round, run_id, 500.0), run_id=run_id)
    return publish_staged(wh, PROBE, run_id=run_id, model="fault_probe")


def publish_first(wh: Warehouse, number_of_round: int) -> None:
    """Publish what the second run will replace."""
    run_id = f"first-{number_of_round}"
    stage(wh, PROBE, forecast(number_of_round, run_id, 100.0), run_id=run_id)
    publish_staged(wh, PROBE, run_id=run_id, model="fault_probe")


def start(kind: str, number_of_round: int) -> subprocess.Popen[str]:
    """A worker process that has connected and is about to write."""
    worker = subprocess.Popen(
        [sys.executable, str(Path(__file__)), kind, str(number_of_round)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert worker.stdout is not None
    line = worker.stdout.readline().strip()
    assert line == "go", f"the worker did not come up: {line!r}, exit code {worker.poll()}"
    return worker


def typical_seconds(kind: str, number_of_round: int) -> float:
    """How long the work of a round takes when nobody kills it."""
    worker, began = start(kind, number_of_round), time.monotonic()
    assert worker.wait(120) == 0
    return time.monotonic() - began


def moments(seed: int, count: int, seconds: float) -> list[float]:
    """Seconds after "go" at which to kill: random, spread over the whole of the work."""
    rng = random.Random(seed)  # noqa: S311 - a fixed seed, not a secret
    return [(k + rng.random()) / count * seconds for k in range(count)]


def main() -> None:
    """The worker."""
    kind, number_of_round = sys.argv[1], int(sys.argv[2])
    with connect() as wh:
        wh.scalar("select 1")
        print("go", flush=True)
        (load_round if kind == "load" else publish_round)(wh, number_of_round)
    print("done", flush=True)


if __name__ == "__main__":
    main()
