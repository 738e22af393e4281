# /// script
# requires-python = ">=3.11"
# dependencies = ["pulp==3.3.0", "numpy==2.3.5"]
# ///
"""PuLP with the CBC it ships: the battery's two-stage program without negative prices (so without binaries), one thread."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pulp


def main(folder: Path) -> None:
    """Solve `task.json`, write `answer.json`."""
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    first, second = np.array(task["day_ahead"]), np.array(task["real_time"])
    began = time.perf_counter()
    problem = _program(task, first, second)
    built = time.perf_counter()
    status = problem.solve(pulp.PULP_CBC_CMD(msg=False, threads=1, timeLimit=task["time_limit_s"]))
    solved = time.perf_counter()
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    answer = {
        "objective": pulp.value(problem.objective),
        "status": pulp.LpStatus[status],
        "build_s": built - began,
        "solver_s": solved - built,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 + children,
        "version": f"pulp {pulp.__version__} with CBC",
    }
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


def _program(task: dict, first: np.ndarray, second: np.ndarray) -> pulp.LpProblem:
    asset, h, (s_count, t_count) = task["asset"], task["hours"], first.shape
    m = pulp.LpProblem("battery", pulp.LpMaximize)
    power = asset["power_mw"]
    names = [(s, t) for s in range(s_count + 1) for t in range(t_count)]  # row 0 is the day-ahead schedule
    charge = pulp.LpVariable.dicts("c", names, 0, power)
    discharge = pulp.LpVariable.dicts("d", names, 0, power)
    low, high = (asset[k] * asset["energy_mwh"] for k in ("least_charge_share", "most_charge_share"))
    level = pulp.LpVariable.dicts("l", names, low, high)
    own = [(s, t) for s in range(1, s_count + 1) for t in range(t_count)]
    above, below = pulp.LpVariable.dicts("a", own, 0), pulp.LpVariable.dicts("b", own, 0)
    start = asset["start_charge_share"] * asset["energy_mwh"]
    gained, lost = h * asset["charge_efficiency"], h / asset["discharge_efficiency"]
    for s in range(s_count + 1):
        for t in range(t_count):
            before = level[s, t - 1] if t else start
            m += level[s, t] == before + gained * charge[s, t] - lost * discharge[s, t]
        m += level[s, t_count - 1] >= start
        m += pulp.lpSum(h * discharge[s, t] for t in range(t_count)) <= asset["cycles_per_day"] * asset["energy_mwh"]
    eta, short = pulp.LpVariable("eta"), pulp.LpVariable.dicts("u", range(s_count), 0)
    profits, wear = [], asset["degradation_ccy_per_mwh"]
    for s in range(1, s_count + 1):
        terms = []
        for t in range(t_count):
            g, net = discharge[0, t] - charge[0, t], discharge[s, t] - charge[s, t]
            m += net - g == above[s, t] - below[s, t]
            p, q = float(first[s - 1, t]), float(second[s - 1, t])
            terms += [p * g + q * (net - g), -wear * discharge[s, t], -task["day_ahead_fee"] * (discharge[0, t] + charge[0, t])]
            terms.append(-task["real_time_fee"] * (above[s, t] + below[s, t]))
        profit = h * pulp.lpSum(terms)
        m += short[s - 1] >= eta - profit
        profits.append(profit)
    mean = pulp.lpSum(profits) / s_count
    tail = eta - pulp.lpSum(short.values()) / (s_count * (1 - task["alpha"]))
    m += (1 - task["risk_aversion"]) * mean + task["risk_aversion"] * tail
    return m


if __name__ == "__main__":
    main(Path(sys.argv[1]))
