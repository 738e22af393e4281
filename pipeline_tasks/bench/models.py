"""Benches of models: training, inference, and what one adds to a night, of every registered model on synthetic rows of its own inputs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache, partial

import polars as pl

from config.settings import REPO_ROOT
from pipeline_tasks.bench.core import Figure, peak_memory_mb, seconds

FIRST, LAST = date(2019, 1, 1), date(2020, 3, 31)
HUBS = ("HUB_A",)
NIGHT_S = 20.0  # what a model may add to a night
MODEL_TIMEOUT_S = 600
PEER = "ridge regression per hour"


@cache
def _sample(model: str) -> pl.DataFrame:
    """Fifteen months of one hub of the feature table that the model reads.

    Raises:
        LookupError: there is no synthetic market for the table.
    """
    from models._kernel.registry import spec_of
    from models._kernel.samples import features_of
    from models._kernel.synthetic import SyntheticMarket

    return features_of(spec_of(model).inputs, SyntheticMarket(FIRST, LAST, hubs=HUBS))


def _ridge_seconds(rows: pl.DataFrame, *, runs: int) -> float:
    """Seconds of the peer: fit and answer of the last delivery day."""
    from models._kernel.splitter import walk_forward
    from models._kernel.synthetic import gate
    from pipeline_tasks.scorecard.ridge import ridge_walk

    folds = walk_forward(rows["delivery_date"].to_list(), gate=gate, first_test=LAST, last_test=LAST)
    return seconds(lambda: ridge_walk(rows, folds), runs=runs)


def models() -> list[Figure]:
    """What each registered model adds to a night: retrain with demo settings, answer a market-day, score it; a process per model.

    Peak memory is the process' own. The peer fits and answers the same day from the same rows; a model that fails is a row.
    """
    from models._kernel.registry import model_names

    return [figure for name in model_names() for figure in _in_process_of_its_own(name)]


def _in_process_of_its_own(name: str) -> list[Figure]:
    command = [sys.executable, "-m", "pipeline_tasks.bench", "models", name]
    try:
        done = subprocess.run(command, cwd=REPO_ROOT, capture_output=True, text=True, timeout=MODEL_TIMEOUT_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return [Figure(f"{name}: not finished after {MODEL_TIMEOUT_S} s", "failed", 1.0, "")]
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return [Figure(f"{name}: {reason}", "failed", 1.0, "")]
    return [Figure(**values) for values in json.loads(done.stdout.strip().splitlines()[-1])]


def night_of(name: str) -> list[Figure]:
    """Figures of one model, measured in this process: seconds by part, their sum beside the limit and the peer, peak memory.

    Raises:
        KeyError: no such model.
        LookupError: there is no synthetic market for its feature table.
    """
    from models._kernel.protocol import Features
    from models._kernel.registry import model_class, model_names, params_of, spec_of
    from models._kernel.synthetic import gate
    from pipeline_tasks.steps.exact import one_blas_thread
    from pipeline_tasks.steps.scoring import day_metrics, with_outcomes

    if name not in model_names():
        raise KeyError(f"model {name!r} is not known; known: {', '.join(model_names())}")
    rows, spec = _sample(name), spec_of(name)
    day = rows.filter(pl.col("delivery_date") == LAST)
    peer, before = _ridge_seconds(rows, runs=1), peak_memory_mb()
    model = model_class(name)(params_of(name, "demo"))

    began = time.process_time()
    with one_blas_thread():
        fit = seconds(lambda: model.fit(Features(rows, rows.clear()), cutoff=gate(LAST), seed=7), runs=1)
    as_of: datetime = day["as_of"].max()  # type: ignore[assignment]
    answer = seconds(partial(model.predict, Features(rows, day), as_of=as_of), runs=1)
    scored = with_outcomes(spec, model.predict(Features(rows, day), as_of=as_of).frame, day)
    score = seconds(partial(day_metrics, spec, scored), runs=1)
    processor = time.process_time() - began
    total = fit + answer + score
    case = f"{name}, demo settings, {len(rows):,} rows of {spec.inputs.name}"
    return [
        Figure(case, "retrain", fit, "s"),
        Figure(case, "answer_day", answer, "s"),
        Figure(case, "score_day", score, "s"),
        Figure(case, "night", total, "s", PEER, peer),
        Figure(case, "processor_time", processor, "s"),
        Figure(case, "night_of_limit", total / NIGHT_S, f"of {NIGHT_S:g} s"),
        Figure(case, "peak_memory", peak_memory_mb(), "MB", "process with rows and peer", before),
    ]


def training() -> list[Figure]:
    """Seconds to fit each model with its demo settings on fifteen months of one hub, beside one ridge fit per hour."""
    from models._kernel.protocol import Features, Model
    from models._kernel.registry import model_class, model_names, params_of
    from models._kernel.synthetic import gate

    cutoff = gate(LAST)
    figures = []
    for name in model_names():
        rows = _sample(name)
        peer = _ridge_seconds(rows, runs=3)
        cls, params = model_class(name), params_of(name, "demo")

        def fit(make: Callable[[], Model], rows: pl.DataFrame) -> None:
            make().fit(Features(rows, rows.clear()), cutoff=cutoff, seed=7)

        taken = seconds(partial(fit, partial(cls, params), rows), runs=1)
        figures.append(Figure(f"{name}, demo settings, {len(rows):,} rows", "fit", taken, "s", PEER, peer))
    return figures


def inference() -> list[Figure]:
    """Milliseconds to answer one delivery day, and rows per second over four weeks, of each model with its test settings."""
    from models._kernel.protocol import Features
    from models._kernel.registry import model_class, model_names, params_of
    from models._kernel.synthetic import gate

    cutoff = gate(LAST - timedelta(days=27))
    figures = []
    for name in model_names():
        rows = _sample(name)
        block = rows.filter(pl.col("delivery_date") > LAST - timedelta(days=28))
        day = rows.filter(pl.col("delivery_date") == LAST)
        model = model_class(name)(params_of(name, "test")).fit(Features(rows, rows.clear()), cutoff=cutoff, seed=7)
        one = seconds(partial(model.predict, Features(rows, day), as_of=gate(LAST)), runs=7)
        many = seconds(partial(model.predict, Features(rows, block), as_of=gate(LAST)), runs=3)
        figures += [
            Figure(f"{name}, one hub, one day", "predict", one * 1000, "ms", runs=7),
            Figure(f"{name}, one hub, {len(block):,} rows", "predict", len(block) / many, "rows/s", runs=3),
        ]
    return figures
