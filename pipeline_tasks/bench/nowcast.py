"""Bench of nodal nowcasts: one decision for 5,000 nodes, features read from the warehouse, in this process and over MLflow's model server.

The prices are synthetic: system price plus six limits' shadow prices on drawn shift factors, at five-minute intervals.
"""

from __future__ import annotations

import base64
import io
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
FIRST, PAUSE_S = 40, 0.5  # decisions asked for over HTTP for the first time, and the time between them: outcomes are learned beside
ASKED_OUTPUTS = ("q10_ccy_per_mwh", "q50_ccy_per_mwh", "q90_ccy_per_mwh")
WAIT_S = 90


def _p95(values: list[float]) -> float:
    return float(np.quantile(values, 0.95))


PARTS = (("p50", statistics.median), ("p95", _p95))


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
    (own, again), (alone_first, alone_again) = (_latencies(model, warehouse) for model in (fitted, alone))
    figures = []
    for how, wall, peer in (("features read", own, alone_first), ("asked again: features in memory", again, alone_again)):
        figures += [
            Figure(f"{case}, in process, {how}", f"latency_{part}", pick(wall), "ms", "boosters over single nodes", pick(peer), len(wall))
            for part, pick in PARTS
        ]
    return figures


def _latencies(model: Model, warehouse: Warehouse) -> tuple[list[float], list[float]]:
    """Milliseconds of each decision when it is asked for the first and the second time."""
    from models._kernel.registry import spec_of
    from pipeline_tasks.serving.answers import Answers

    answers = Answers(model, spec_of(MODEL), MARKET, _decisions()[0], warehouse)
    wall: tuple[list[float], list[float]] = ([], [])
    for as_of in _decisions():
        for taken in wall:
            began = time.perf_counter()
            told = answers.answer(as_of, HORIZON_MIN)
            taken.append(1000 * (time.perf_counter() - began))
            if told.height != NODES:
                raise RuntimeError(f"{told.height} nodes were answered instead of {NODES}")
    return wall[0][1:], wall[1][1:]


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
    """Requests to MLflow's model server; each new decision has it learn the outcomes since, beside the requests."""
    import httpx

    from models._kernel.artifacts import verify_artifact
    from pipeline_tasks.serving import server
    from pipeline_tasks.serving.answers import FORMS

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
                figures = [Figure(f"{case}, MLflow model server", "start", time.perf_counter() - began, "s")]
                walls = {f"{how}, {form}": wall for form in FORMS for how, wall in _requests(http, form).items()}
        finally:
            process.terminate()
    for how, wall in walls.items():
        figures += [Figure(f"{case}, MLflow model server, {how}", f"latency_{n}", pick(wall), "ms", runs=len(wall)) for n, pick in PARTS]
    return figures


def _requests(http: Any, form: str) -> dict[str, list[float]]:
    """Milliseconds of requests in one form of answer, one at a time: each decision once, then one of them again and again."""
    from pipeline_tasks.serving.answers import FORMS

    first = []
    for as_of in _decisions()[FORMS.index(form) * FIRST :][: FIRST + 1]:
        first.append(_ask(http, as_of, form))
        time.sleep(PAUSE_S)
    return {"features read": first[1:], "features in memory": [_ask(http, as_of, form) for _ in range(ASKED)]}


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


def _ask(http: Any, as_of: datetime, form: str) -> float:
    """Milliseconds until the client holds three quantiles of every node, read from the answer."""
    row = {"as_of": as_of.isoformat(), "horizon_min": HORIZON_MIN, "outputs": ", ".join(ASKED_OUTPUTS), "form": form}
    body = json.dumps({"dataframe_records": [row]})
    began = time.perf_counter()
    reply = http.post("/invocations", content=body, headers={"Content-Type": "application/json"})
    answer = reply.raise_for_status().json()["predictions"][form]
    held = pl.read_ipc_stream(io.BytesIO(base64.b64decode(answer))) if form == "arrow" else pl.DataFrame(answer)
    taken = 1000 * (time.perf_counter() - began)
    if held.height != NODES or not set(ASKED_OUTPUTS) <= set(held.columns):
        raise RuntimeError(f"the server answered {reply.text[:300]}")
    return taken
