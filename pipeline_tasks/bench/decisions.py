"""Bench of battery decisions: the two-stage program beside PuLP with CBC, one day's battery beside energy-py-linear, latency of policies.

Prices are drawn, positive, with a daily shape; both sides get the same ones. Peers run in environments of their own (`peers`), as those of
`desk compare` do; where one cannot be had, the row says so and our own figures stand alone.
"""

from __future__ import annotations

import json
import resource
import statistics
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from pipeline_tasks.bench.core import Figure, seconds
from pipeline_tasks.compare.peers_run import PeerError, run_script

Array = npt.NDArray[np.float64]
PEERS = Path(__file__).parent / "peers"
BLOCKS, SIZES, WITH_PEER = 96, (20, 100, 1000), (20, 100)
DAYS, LIMIT_S, AVERSION, ALPHA = 20, 900.0, 0.25, 0.95
DAY_AHEAD_FEE, REAL_TIME_FEE = 0.1, 0.5


def decisions() -> list[Figure]:
    """All figures."""
    return [*_two_stage(), *_one_day(), *_policies()]


def _asset() -> Any:
    from config.settings import REPO_ROOT
    from models._kernel.storage.asset import StorageAsset

    return StorageAsset.of(yaml.safe_load((REPO_ROOT / "config/assets/bess.yaml").read_text(encoding="utf-8")), "bess")


def prices(scenarios: int, intervals: int, seed: int = 5) -> tuple[Array, Array]:
    """Positive day-ahead and real-time prices, each of shape (scenarios, intervals)."""
    rng = np.random.default_rng(seed)
    shape = 60 - 30 * np.cos(np.arange(intervals) * 4 * np.pi / intervals)
    first = shape + rng.normal(0, 10, (scenarios, 1)) + rng.normal(0, 5, (scenarios, intervals))
    return np.maximum(first, 1.0), np.maximum(first + rng.normal(0, 20, (scenarios, intervals)), 1.0)


def _two_stage() -> list[Figure]:
    from models._kernel.storage.rules import MarketRules
    from models._kernel.storage.two_stage import solve_two_stage

    asset, rules = _asset(), MarketRules(15, -500, 4000, DAY_AHEAD_FEE, REAL_TIME_FEE)
    warm = prices(2, BLOCKS)
    solve_two_stage(asset, rules, *warm, risk_aversion=AVERSION)  # imports are not what is measured
    figures = []
    for size in SIZES:
        first, second = prices(size, BLOCKS)
        began = time.perf_counter()
        plan = solve_two_stage(asset, rules, first, second, risk_aversion=AVERSION, alpha=ALPHA, time_limit_s=LIMIT_S)
        whole = time.perf_counter() - began
        label = f"{BLOCKS} blocks x {size} scenarios, mean and CVaR, {plan.status}"
        peer = _cbc(asset, first, second) if size in WITH_PEER else {}
        name = peer.get("version", "")
        figures += [
            Figure(label, "solve", plan.solver_s, "s", name, peer.get("solver_s")),
            Figure(label, "whole", whole, "s", name, peer.get("build_s", 0.0) + peer.get("solver_s", 0.0) if name else None),
            Figure(label, "objective", plan.objective_ccy, "currency", name, peer.get("objective")),
            Figure(label, "memory_peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MB", name, peer.get("memory_mb")),
        ]
        if peer.get("absent"):
            figures.append(Figure(f"{label}: {peer['absent']}", "peer_absent", 1.0, ""))
    return figures


def _cbc(asset: Any, first: Array, second: Array) -> dict[str, Any]:
    task = {
        "day_ahead": first.tolist(), "real_time": second.tolist(), "asset": asdict(asset), "hours": 0.25, "risk_aversion": AVERSION,
        "alpha": ALPHA, "day_ahead_fee": DAY_AHEAD_FEE, "real_time_fee": REAL_TIME_FEE, "time_limit_s": LIMIT_S,
    }  # fmt: skip
    return _peer("pulp_cbc", task)


def _peer(name: str, task: dict[str, Any]) -> dict[str, Any]:
    """What a peer answers to a task; `absent` with the reason where it cannot be run."""
    with tempfile.TemporaryDirectory(prefix="desk-bench-") as made:
        folder = Path(made)
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
        try:
            run_script(PEERS / f"{name}.py", folder)
        except PeerError as error:
            return {"absent": str(error)[:200]}
        found: dict[str, Any] = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        return found


def _one_day() -> list[Figure]:
    """One battery, one market, a day of hours known in advance: no wear, no cycles, all losses in charging, the same charge at the end."""
    from models._kernel.cooptimise import Day, optimal_battery
    from models._kernel.storage.asset import EXACTLY_START

    days = prices(DAYS, 24)[1]
    asset = replace(
        _asset(),
        charge_efficiency=_asset().round_trip_efficiency,
        discharge_efficiency=1.0,
        degradation_ccy_per_mwh=0.0,
        cycles_per_day=100.0,
        least_charge_share=0.0,
        most_charge_share=1.0,
        terminal=EXACTLY_START,
    )
    none = np.empty((0, 24))

    def solve(day: Array) -> Array:
        return optimal_battery(Day(1.0, day, none, (), np.zeros(24)), asset).energy_mw

    solve(days[0])
    taken, profit = [], []
    for day in days:
        began = time.perf_counter()
        profit.append(float((solve(day) * day).sum()))
        taken.append(time.perf_counter() - began)
    own = {**asdict(asset), "round_trip_efficiency": asset.round_trip_efficiency, "start_mwh": asset.start_mwh}
    peer = _peer("energy_py_linear", {"asset": own, "prices": days.tolist()})
    name, label = peer.get("version", ""), f"one battery, {DAYS} days of 24 hours, prices known"
    if peer.get("absent"):
        label += f"; peer absent: {peer['absent']}"
    return [
        Figure(
            label,
            "day_median",
            1000 * statistics.median(taken),
            "ms",
            name,
            1000 * statistics.median(peer["seconds"]) if name else None,
            DAYS,
        ),
        Figure(label, "profit_per_day", statistics.mean(profit), "currency", name, statistics.mean(peer["profit"]) if name else None, DAYS),
    ]


def _policies() -> list[Figure]:
    """Milliseconds per decision of the policies, and per day of the values they act on."""
    from models._kernel.storage.environment import BatteryEnvironment
    from models._kernel.storage.q_learning import QLearningAgent, QSettings
    from models._kernel.storage.rules import MarketRules
    from models._kernel.storage.value import Problem, dispatch, value_of_charge

    asset, rules = _asset(), MarketRules(15, -500, 4000, 0.0, REAL_TIME_FEE)
    _, paths = prices(40, BLOCKS)
    problem = Problem(asset, rules, np.zeros(BLOCKS), paths.mean(axis=0), paths)
    values = value_of_charge(problem)
    agent = QLearningAgent(asset, QSettings(epochs=2)).train(paths, 0.25, seed=1)
    state = BatteryEnvironment(asset, paths[:1], 0.25).state
    return [
        Figure(f"{BLOCKS} blocks, 40 scenarios", "values_of_a_day", 1000 * seconds(lambda: value_of_charge(problem), runs=5), "ms", runs=5),
        Figure("value policy", "decision", 1000 * seconds(lambda: dispatch(values, paths[:1]), runs=9) / BLOCKS, "ms", runs=9),
        Figure("Q-learning", "decision", 1000 * seconds(lambda: agent.get_action(state), runs=99), "ms", runs=99),
    ]
