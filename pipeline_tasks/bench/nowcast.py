"""Bench of nodal nowcasts: one decision for 5,000 nodes, features read from the warehouse, in this process and over MLflow's model server.

The prices are synthetic: system price plus six limits' shadow prices on drawn shift factors, at five-minute intervals.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from pipeline_tasks.bench.core import Figure, peak_memory_mb, scratch_home

if TYPE_CHECKING:
    from models._kernel.protocol import Model
    from pipeline_tasks.warehouse import Warehouse

NODES, LEARNED, ASKED, LIMITS, HORIZON_MIN, STEP_MIN = 5_000, 96, 120, 6, 15, 15
START = datetime(2026, 6, 1, tzinfo=UTC)
MARKET, MODEL = "twin", "lmp_nowcast"
PER_DECISION = 30  # requests over HTTP before the next decision is asked for
ASKED_OUTPUTS = ("q10_ccy_per_mwh", "q50_ccy_per_mwh", "q90_ccy_per_mwh")
WAIT_S = 90


def nowcast() -> list[Figure]:
    """Training, and the latency of one decision of 5,000 nodes: cold, warm, and over HTTP; beside boosters over single nodes alone."""
    from models._kernel.registry import model_class, params_of

    rows, cls, params = _rows(), model_class(MODEL), params_of(MODEL, "demo")
    learned = rows.filter(pl.col("as_of") < START + timedelta(minutes=STEP_MIN * LEARNED))
    began = time.perf_counter()
    fitted = _fit(cls(params), learned)
    case = f"{NODES} nodes, {HORIZON_MIN} minutes ahead, 7 quantiles each (synthetic)"
    figures = [Figure(f"{case}, {LEARNED} decisions, demo settings", "training", time.perf_counter() - began, "s")]
    figures.append(Figure(f"{case}, training", "peak_memory", peak_memory_mb(), "MB"))
    alone = _fit(cls({**params, "structure": "direct"}), learned)
    with scratch_home(), tempfile.TemporaryDirectory() as folder:
        fitted.save(Path(folder) / "model")
        with _warehouse(rows) as warehouse:
            figures += _in_process(case, fitted, alone, warehouse)
            figures += _cold(case, Path(folder) / "model", warehouse)
            figures += _over_http(case, Path(folder))
    return figures


def _fit(model: Model, learned: pl.DataFrame) -> Model:
    from models._kernel.protocol import Features

    return model.fit(Features(learned, learned.clear()), cutoff=START + timedelta(minutes=STEP_MIN * LEARNED), seed=7)


def _rows() -> pl.DataFrame:
    """Rows of features.ftr_nodal: the last price of each node was published ten minutes before the decision."""
    from config.markets import resolve_market
    from pipeline_tasks.contracts.features import NODAL

    rng, decisions = np.random.default_rng(5), LEARNED + ASKED
    shift = rng.normal(0, 0.3, (LIMITS, NODES))
    system, mu = 60 + np.cumsum(rng.normal(0, 2, decisions + 3)), np.zeros((decisions + 3, LIMITS))
    for t in range(1, len(mu)):
        mu[t] = np.maximum(0.9 * mu[t - 1] + rng.normal(0, 6, LIMITS) * (rng.random(LIMITS) < 0.3), 0)
    price = np.round(system[:, None] + mu @ shift + rng.normal(0, 0.5, (decisions + 3, NODES)), 2)
    as_of = [START + timedelta(minutes=STEP_MIN * t) for t in range(decisions)]
    delivery = [a + timedelta(minutes=HORIZON_MIN) for a in as_of]
    names, hubs = [f"N{n:05d}" for n in range(NODES)], resolve_market(MARKET).hubs
    times = pl.DataFrame(
        {
            "delivery_ts": delivery,
            "as_of": as_of,
            "delivery_date": [d.date() for d in delivery],
            "price_known_ts": [d + timedelta(minutes=10) for d in delivery],
            "local_minute": [d.hour * 60 + d.minute for d in delivery],
            "local_hour": [d.hour for d in delivery],
            "day_of_week": [d.isoweekday() for d in delivery],
        }
    )
    nodes = pl.DataFrame({"product": names, "hub": [hubs[n % len(hubs)] for n in range(NODES)]})
    values = {"price_ccy_per_mwh": price[3:], "price_last_ccy_per_mwh": price[2:-1], "price_before_1_ccy_per_mwh": price[1:-2]}
    values |= {"price_before_2_ccy_per_mwh": price[:-3], "price_mean_60m_ccy_per_mwh": (price[2:-1] + price[1:-2] + price[:-3]) / 3}
    frame = times.join(nodes, how="cross").with_columns(
        *(pl.Series(name, matrix.ravel()) for name, matrix in values.items()),
        *(pl.lit(value).alias(name) for name, value in {"resolution_min": 5, "horizon_min": HORIZON_MIN, "price_last_age_min": 20}.items()),
        *(pl.lit(value).alias(name) for name, value in {"dst_fold": 0, "month": 6, "day_of_year": 152}.items()),
        market=pl.lit(MARKET),
        currency=pl.lit("EUR"),
        is_holiday=pl.lit(value=False),
    )
    schema = NODAL.polars_schema()
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
    return frame.with_columns(absent).select(pl.col(n).cast(t) for n, t in schema.items())


@contextmanager
def _warehouse(rows: pl.DataFrame) -> Iterator[Warehouse]:
    """A warehouse that holds the rows."""
    from pipeline_tasks.contracts.features import NODAL
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.ddl import create_table_sql
    from pipeline_tasks.warehouse.migrate import migrate

    with connect() as warehouse:
        migrate(warehouse)
        warehouse.command(create_table_sql(NODAL))
        warehouse.insert(NODAL, rows)
        yield warehouse


def _decisions() -> list[datetime]:
    """Decisions after the training cutoff, in time order; the first is not counted."""
    return [START + timedelta(minutes=STEP_MIN * t) for t in range(LEARNED, LEARNED + ASKED)]


def _in_process(case: str, fitted: Model, alone: Model, warehouse: Warehouse) -> list[Figure]:
    wall = {name: _latencies(model, warehouse) for name, model in (("own", fitted), ("alone", alone))}
    named = f"{case}, in process, features read"
    return [
        Figure(named, f"latency_{part}", pick(wall["own"]), "ms", "boosters over single nodes", pick(wall["alone"]), len(wall["own"]))
        for part, pick in (("p50", statistics.median), ("p95", _p95))
    ]


def _latencies(model: Model, warehouse: Warehouse) -> list[float]:
    from models._kernel.registry import spec_of
    from pipeline_tasks.serving.answers import Answers

    answers = Answers(model, spec_of(MODEL), MARKET, _decisions()[0], warehouse)
    wall = []
    for as_of in _decisions():
        began = time.perf_counter()
        told = answers.answer(as_of, HORIZON_MIN)
        wall.append(1000 * (time.perf_counter() - began))
        if told.height != NODES:
            raise RuntimeError(f"{told.height} nodes were answered instead of {NODES}")
    return wall[1:]


def _cold(case: str, artifact: Path, warehouse: Warehouse) -> list[Figure]:
    """Artifact verified and loaded, then the first answer; imports are warm, as in a server that was just told of a new version."""
    from models._kernel.registry import model_class, spec_of
    from pipeline_tasks.serving.answers import Answers

    wall = []
    for as_of in _decisions()[:10]:
        began = time.perf_counter()
        answers = Answers(model_class(MODEL).load(artifact), spec_of(MODEL), MARKET, _decisions()[0], warehouse)
        answers.answer(as_of, HORIZON_MIN)
        wall.append(1000 * (time.perf_counter() - began))
    return [Figure(f"{case}, artifact loaded first", "latency_cold_p95", _p95(wall), "ms", runs=len(wall))]


def _over_http(case: str, folder: Path) -> list[Figure]:
    """Requests to MLflow's model server, one at a time; each new decision has it learn the outcomes since, beside the requests."""
    import httpx

    from models._kernel.artifacts import verify_artifact
    from pipeline_tasks.serving import server

    artifact = folder / "model"
    sha = verify_artifact(artifact, model=MODEL)
    head = {"model": MODEL, "market": MARKET, "version": "bench", "artifact_sha": sha, "cutoff": _decisions()[0].isoformat()}
    packaged = server.package(head, artifact, folder / "packaged")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.perf_counter()
    line = server.command(packaged, host="127.0.0.1", port=port)
    with (folder / "server.log").open("w") as log, subprocess.Popen(line, env=server.environment(), stdout=log, stderr=log) as process:  # noqa: S603
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
                _wait(http, process, folder / "server.log")
                started = time.perf_counter() - began
                wall = [_ask(http, _decisions()[k // PER_DECISION]) for k in range(ASKED)]
        finally:
            process.terminate()
    figures = [Figure(f"{case}, MLflow model server", "start", started, "s")]
    parts = (("p50", statistics.median), ("p95", _p95))
    return figures + [Figure(f"{case}, MLflow model server", f"latency_{n}", pick(wall[1:]), "ms", runs=len(wall) - 1) for n, pick in parts]


def _wait(http: Any, process: subprocess.Popen[bytes], log: Path) -> None:
    import httpx

    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if http.get("/ping").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError(f"MLflow's model server did not answer: {log.read_text(encoding='utf-8', errors='replace')[-800:]}")


def _ask(http: Any, as_of: datetime) -> float:
    body = {"dataframe_records": [{"as_of": as_of.isoformat(), "horizon_min": HORIZON_MIN, "outputs": ", ".join(ASKED_OUTPUTS)}]}
    began = time.perf_counter()
    reply = http.post("/invocations", content=json.dumps(body), headers={"Content-Type": "application/json"})
    taken = 1000 * (time.perf_counter() - began)
    if len(reply.raise_for_status().json()["predictions"]["columns"]["product"]) != NODES:
        raise RuntimeError(f"the server answered {reply.text[:300]}")
    return taken


def _p95(values: list[float]) -> float:
    return float(np.quantile(values, 0.95))
