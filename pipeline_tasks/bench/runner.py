"""Runs benches: each in a process of its own, so that peak memory is its own and one that fails does not stop the others."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from config.settings import REPO_ROOT
from pipeline_tasks.bench.ann import ann
from pipeline_tasks.bench.core import Figure, machine, peak_memory_mb
from pipeline_tasks.bench.decisions import decisions
from pipeline_tasks.bench.grid import grid
from pipeline_tasks.bench.ingest import ingest
from pipeline_tasks.bench.models import inference, models, training
from pipeline_tasks.bench.nowcast import nowcast
from pipeline_tasks.bench.pglib_uc import unit_commitment, unit_commitment_proofs
from pipeline_tasks.bench.pipeline import gates, report
from pipeline_tasks.bench.surrogate import surrogate
from pipeline_tasks.bench.warehouse import asof_read, features, load

BENCHES: dict[str, Callable[[], list[Figure]]] = {
    "load": load,
    "ingest": ingest,
    "asof_read": asof_read,
    "features": features,
    "gates": gates,
    "training": training,
    "inference": inference,
    "models": models,
    "report": report,
    "grid": grid,
    "surrogate": surrogate,
    "nowcast": nowcast,
    "ann": ann,
    "unit_commitment": unit_commitment,
    "decisions": decisions,
}
LONG: dict[str, Callable[[], list[Figure]]] = {"unit_commitment_proofs": unit_commitment_proofs}
"""Run only when named: up to hours."""
TIMEOUT_S, LONG_TIMEOUT_S = 1800, 6 * 3600


def bench_names() -> tuple[str, ...]:
    """Names of all benches."""
    return (*BENCHES, *LONG)


def run_bench(name: str | None = None, *, progress: Callable[[str], None] | None = None) -> list[dict[str, Any]]:
    """Measure one bench, or all.

    Args:
        name: bench; None for all but the long ones.
        progress: told which bench runs.

    Returns:
        Rows bench, case, metric, value, unit, peer, peer_value, ratio, runs, machine. A bench that failed gives one row with metric
        `failed` and the reason under `machine["error"]`.

    Raises:
        KeyError: no bench has that name; the message lists them.
    """
    if name is not None and name not in bench_names():
        raise KeyError(f"bench {name!r} is not known; known: {', '.join(bench_names())}")
    say = progress or (lambda _text: None)
    rows: list[dict[str, Any]] = []
    for bench in [name] if name else list(BENCHES):
        say(f"bench {bench}")
        rows += _in_process_of_its_own(bench)
    return rows


def measure(name: str) -> list[dict[str, Any]]:
    """Rows of one bench, measured in this process."""
    figures = {**BENCHES, **LONG}[name]()
    figures.append(Figure("whole bench", "peak_memory", peak_memory_mb(), "MB"))
    return [_row(name, figure, machine()) for figure in figures]


def _row(bench: str, figure: Figure, where: dict[str, Any]) -> dict[str, Any]:
    return {
        "bench": bench,
        "case": figure.case,
        "metric": figure.metric,
        "value": round(figure.value, 6),
        "unit": figure.unit,
        "peer": figure.peer,
        "peer_value": None if figure.peer_value is None else round(figure.peer_value, 6),
        "ratio": None if figure.ratio is None else round(figure.ratio, 4),
        "runs": figure.runs,
        "machine": where,
    }


def _in_process_of_its_own(name: str) -> list[dict[str, Any]]:
    limit = LONG_TIMEOUT_S if name in LONG else TIMEOUT_S
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and a name from BENCHES
            [sys.executable, "-m", "pipeline_tasks.bench", name],
            cwd=REPO_ROOT,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [_failed(name, f"not finished after {limit} s")]
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return [_failed(name, (done.stderr.strip().splitlines() or ["no output"])[-1])]
    rows: list[dict[str, Any]] = json.loads(lines[-1])
    return rows


def _failed(name: str, reason: str) -> dict[str, Any]:
    return _row(name, Figure("whole bench", "failed", 1.0, ""), {**machine(), "error": reason})
