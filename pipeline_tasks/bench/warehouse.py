"""Benches of the warehouse: exactly-once load, as-of read, feature build."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline_tasks.bench.core import Figure, scratch_home, seconds
from pipeline_tasks.contracts.features import DAY_AHEAD
from pipeline_tasks.contracts.raw import PRICES, PROVENANCE

LOAD_ROWS = 200_000
TWIN_DATE = date(2026, 6, 15)


def price_rows(rows: int, *, seed: int) -> pl.DataFrame:
    """Synthetic rows of raw.prices without provenance: ten hubs of the seed's own, hourly, one day known ahead."""
    rng, hubs = np.random.default_rng(seed), 10
    hour = np.arange(rows) // hubs
    start = datetime(2000, 1, 1, tzinfo=UTC)
    names = {c.name for c in PROVENANCE}
    schema = {c.name: c.type.polars for c in PRICES.columns if c.name not in names}
    stamps = pl.Series("delivery_ts", hour).cast(pl.Int64) * 3_600_000 + int(start.timestamp() * 1000)
    delivered = stamps.cast(pl.Datetime("ms", "UTC"))
    frame = pl.DataFrame(
        {"hub": [f"HUB_{seed}_{i}" for i in range(hubs)] * (rows // hubs), "price_ccy_per_mwh": np.round(rng.normal(50, 20, rows), 2)}
    )
    frame = frame.with_columns(
        delivered.alias("delivery_ts"),
        (delivered - timedelta(hours=24)).alias("known_ts"),
        pl.lit("twin").alias("market"),
        pl.lit("da").alias("product"),
        pl.lit("EUR").alias("currency"),
        pl.lit(60).alias("resolution_min"),
    )
    absent = [pl.lit(None).alias(c) for c in schema if c not in frame.columns]
    return frame.with_columns(absent).select(pl.col(c).cast(t) for c, t in schema.items())


def load() -> list[Figure]:
    """Rows per second of the exactly-once load (rules, quarantine, row hashes, tokens), beside a plain insert of the same rows."""
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.load import load_raw
    from pipeline_tasks.warehouse.migrate import migrate

    counter = iter(range(1000))
    with scratch_home() as home, connect() as warehouse:
        migrate(warehouse)
        frames = [price_rows(LOAD_ROWS, seed=i) for i in range(3)]
        made: list[pl.DataFrame] = []

        def ours() -> None:
            number = next(counter)
            result = load_raw(warehouse, PRICES, frames[number % 3], source="bench", source_object=f"object-{number}", market="twin")
            if result.rows_loaded != LOAD_ROWS:
                raise RuntimeError(f"load kept {result.rows_loaded} of {LOAD_ROWS} rows; the bench needs fresh ones")

        def again() -> None:
            load_raw(warehouse, PRICES, frames[0], source="bench", source_object="object-0", market="twin")

        def plain() -> None:
            warehouse.insert(PRICES, made[0])

        taken = seconds(ours, runs=3)
        repeated = seconds(again, runs=3)
        made.append(_with_provenance(frames[0]))
        peer = seconds(plain, runs=3)
        parquet = seconds(lambda: frames[0].write_parquet(home / "rows.parquet"), runs=3)
    case = f"{LOAD_ROWS:,} price rows"
    return [
        Figure(case, "exactly_once_load", LOAD_ROWS / taken, "rows/s", "plain insert of the same rows", LOAD_ROWS / peer, 3),
        Figure(case, "exactly_once_load", LOAD_ROWS / taken, "rows/s", "Polars write_parquet", LOAD_ROWS / parquet, 3),
        Figure(case, "repeated_load", repeated, "s", "first load", taken, 3),
    ]


def _with_provenance(frame: pl.DataFrame) -> pl.DataFrame:
    sha = hashlib.sha256(b"bench").hexdigest()
    return frame.with_columns(
        pl.lit("bench").alias("source"),
        pl.lit("plain").alias("source_object"),
        pl.lit(sha).alias("row_sha"),
        pl.lit(datetime(2026, 1, 1, tzinfo=UTC)).cast(pl.Datetime("ms", "UTC")).alias("ingested_ts"),
    ).select(PRICES.column_names)


def prepared(layers: tuple[Any, ...] = ("staging", "intermediate", "features")) -> None:
    """The simulated market in the warehouse of the present state folder, with the named layers built."""
    from pipeline_tasks.steps.context import RunContext
    from pipeline_tasks.steps.ingest import ingest
    from pipeline_tasks.steps.transform import transform
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import migrate

    with connect() as warehouse:
        migrate(warehouse)
    ingest(RunContext(source="twin", market="twin", delivery_date=TWIN_DATE, dag="bench"))
    transform(*layers, market="twin", run_id="bench")


def features() -> list[Figure]:
    """Feature build of the simulated market (five hubs, about two years): whole, and repeated with nothing new."""
    from pipeline_tasks.steps.transform import transform
    from pipeline_tasks.warehouse import connect

    with scratch_home():
        prepared(("staging", "intermediate"))
        whole = seconds(lambda: transform("features", market="twin", run_id="bench", force=True), runs=1)
        with connect() as warehouse:
            rows = float(warehouse.scalar(f"select count() from {DAY_AHEAD.full_name}"))
        nothing = seconds(lambda: transform("features", market="twin", run_id="bench"), runs=3)
    case = f"{int(rows):,} feature rows"
    return [
        Figure(case, "feature_build", rows / whole, "rows/s"),
        Figure(case, "feature_build_seconds", whole, "s"),
        Figure(case, "unchanged_build_seconds", nothing, "s", "whole build", whole, 3),
    ]


def asof_read() -> list[Figure]:
    """As-of read of a year of features of one hub, beside the same filter on a Parquet file with Polars."""
    from config.markets import resolve_market
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.read import read_features

    market = resolve_market("twin").market
    as_of, first = market.gate(TWIN_DATE), TWIN_DATE - timedelta(days=365)
    with scratch_home() as home:
        prepared()
        with connect() as warehouse:

            def read(hubs: tuple[str, ...], start: date) -> pl.DataFrame:
                return read_features(warehouse, DAY_AHEAD, market="twin", hubs=hubs, start_date=start, end_date=TWIN_DATE, as_of=as_of)

            path = home / "features.parquet"
            read(market.hubs, date(1990, 1, 1)).write_parquet(path)
            rows = len(read(market.hubs[:1], first))
            year = seconds(lambda: read(market.hubs[:1], first), runs=7)
            day = seconds(lambda: read(market.hubs[:1], TWIN_DATE), runs=15)
            peer = seconds(lambda: _scan(path, market.hubs[0], first, as_of), runs=7)
            peer_day = seconds(lambda: _scan(path, market.hubs[0], TWIN_DATE, as_of), runs=15)
    return [
        Figure(
            f"one hub, 365 days, {rows:,} rows", "asof_read", year * 1000, "ms", "Polars scan_parquet with the same filters", peer * 1000, 7
        ),
        Figure(
            "one hub, one delivery day", "asof_read", day * 1000, "ms", "Polars scan_parquet with the same filters", peer_day * 1000, 15
        ),
    ]


def _scan(path: Path, hub: str, first: date, as_of: datetime) -> pl.DataFrame:
    known = pl.col("price_known_ts") <= as_of
    rows = pl.scan_parquet(path).filter(
        pl.col("hub") == hub, pl.col("delivery_date").is_between(first, TWIN_DATE), pl.col("as_of") <= as_of
    )
    return rows.with_columns(pl.when(known).then(pl.col("price_ccy_per_mwh"))).sort(DAY_AHEAD.key).collect()
