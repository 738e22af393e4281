"""PGLib-UC instances (zstd JSON below the market data folder), and the bench of unit commitment.

The data are those of the IEEE PES task force's benchmark library; its model document is the reference of the formulation.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from models._kernel.grid.commitment import roll, solve_commitment
from models._kernel.grid.commitment_types import CommitmentProblem, EnergyLimited, Penalties, Renewable, Storage, ThermalUnit, UnitState
from pipeline_tasks.bench.core import Figure

FOLDER = "pglib_uc"
CASES = ("ca__2014-09-01_reserves_0", "ca__2014-12-01_reserves_0", "rts_gmlc__2020-07-06")
GAP, STAGE_SECONDS = 1e-3, 90.0
PROVEN, PROOF_SECONDS = ("rts_gmlc__*", "ca__*"), 900.0
DAYS, DAY_GAP = 14, 0.01


def pglib_folder() -> Path | None:
    """Folder of the instances, None where the market data folder has none."""
    from config.settings import get_settings

    folder = get_settings().data_dir / FOLDER
    return folder if folder.is_dir() else None


def read_pglib(path: Path) -> CommitmentProblem:
    """One instance as a problem; units and renewables in order of the file.

    Raises:
        FileNotFoundError: no such file.
    """
    import pyarrow as pa

    with pa.input_stream(str(path), compression="zstd" if path.suffix == ".zst" else None) as stream:
        data = json.loads(stream.read())
    thermal = data["thermal_generators"]
    reserve = np.array(data["reserves"], dtype=float)
    return CommitmentProblem(
        demand_mw=np.array(data["demand"], dtype=float),
        units=tuple(_unit(name, row) for name, row in thermal.items()),
        state=tuple(_state(row) for row in thermal.values()),
        reserve_mw=reserve if reserve.any() else None,
        renewables=tuple(
            Renewable(name, np.array(row["power_output_minimum"], dtype=float), np.array(row["power_output_maximum"], dtype=float))
            for name, row in data["renewable_generators"].items()
        ),
    )


def _unit(name: str, row: dict[str, Any]) -> ThermalUnit:
    same = (
        "power_output_minimum",
        "power_output_maximum",
        "time_up_minimum",
        "time_down_minimum",
        "ramp_up_limit",
        "ramp_down_limit",
        "ramp_startup_limit",
        "ramp_shutdown_limit",
    )
    return ThermalUnit(
        name=name,
        piecewise_production=tuple((p["mw"], p["cost"]) for p in row["piecewise_production"]),
        startup=tuple((s["lag"], s["cost"]) for s in row["startup"]),
        must_run=bool(row["must_run"]),
        **{field: row[field] for field in same},
    )


def _state(row: dict[str, Any]) -> UnitState:
    on = bool(row["unit_on_t0"])
    return UnitState(on, int(row["time_up_t0"] if on else row["time_down_t0"]), float(row["power_output_t0"]))


def unit_commitment() -> list[Figure]:
    """Gap and seconds on PGLib-UC instances, and a chain of market days, each beside HiGHS's own solve of the same programme."""
    figures = []
    folder = pglib_folder()
    for case in CASES if folder is not None else ():
        path = (folder or Path()) / f"{case}.json.zst"
        if path.is_file():
            figures += _instance(case, read_pglib(path))
    return figures + _chain()


def unit_commitment_proofs() -> list[Figure]:
    """Proven gap, cost, bound and seconds on every instance of rts_gmlc and ca, one after the other.

    Seconds of the processor beside those of the clock, which limits the search: where they differ much, a busy machine cut it short.
    """
    folder = pglib_folder()
    figures = []
    for path in sorted(p for pattern in PROVEN for p in folder.glob(f"{pattern}.json.zst")) if folder is not None else ():
        began, before = time.perf_counter(), time.process_time()
        answer = solve_commitment(read_pglib(path), relative_gap=GAP, time_limit=PROOF_SECONDS)
        case = path.name.removesuffix(".json.zst")
        taken, used = time.perf_counter() - began, time.process_time() - before
        figures += [
            Figure(case, "gap", answer.gap * 100, "%"),
            Figure(case, "cost", answer.objective, "EUR"),
            Figure(case, "bound", answer.bound, "EUR"),
            Figure(case, "solve", taken, "s"),
            Figure(case, "processor", used, "s"),
        ]
    return figures


def _instance(case: str, problem: CommitmentProblem) -> list[Figure]:
    from models._kernel.grid.commitment_highs import tree
    from models._kernel.grid.commitment_model import build_model

    began = time.perf_counter()
    answer = solve_commitment(problem, relative_gap=GAP, time_limit=STAGE_SECONDS)
    taken = time.perf_counter() - began
    programme = build_model(problem).programme
    began = time.perf_counter()
    plain = tree(programme, programme.lower, programme.upper, relative_gap=GAP, time_limit=max(taken, 1.0))
    peer = time.perf_counter() - began
    left = (plain.objective - plain.bound) / abs(plain.objective) if plain.column is not None else 1.0
    return [
        Figure(case, "gap", answer.gap * 100, "%", "HiGHS cold, same formulation and time", left * 100),
        Figure(case, "solve", taken, "s", "HiGHS cold, stopped at the same time", peer),
    ]


def _chain() -> list[Figure]:
    """Market days in a chain: 42 units, reserve, storage, hydro, sun and wind, 24 h horizon."""
    from models._kernel.grid.commitment_highs import tree
    from models._kernel.grid.commitment_model import build_model

    taken, gaps, peer = [], [], []
    problem, before = market_day(0), None
    for day in range(DAYS):
        problem = market_day(day) if before is None else market_day(day).with_state(roll(problem, before, 24))
        began = time.perf_counter()
        before = solve_commitment(problem, relative_gap=DAY_GAP)
        taken.append(time.perf_counter() - began)
        gaps.append(before.gap)
        if day < 3:
            programme = build_model(problem).programme
            began = time.perf_counter()
            tree(programme, programme.lower, programme.upper, relative_gap=DAY_GAP)
            peer.append(time.perf_counter() - began)
    case = f"{DAYS} market days, {len(problem.units)} units, 24 h"
    return [
        Figure(case, "solve_median", float(np.median(taken)), "s", "HiGHS cold, 3 days", float(np.median(peer)), DAYS),
        Figure(case, "solve_max", max(taken), "s", runs=DAYS),
        Figure(case, "gap_max", max(gaps) * 100, "%", runs=DAYS),
    ]


def market_day(day: int) -> CommitmentProblem:
    """A day of a made-up system of about 7 GW whose load rises and falls over weeks; deterministic."""
    hour = np.arange(24.0)
    swing = 1.0 + 0.12 * np.sin(day / 5.0) - 0.10 * (day % 7 >= 5)
    load = swing * (6200.0 + 1100.0 * np.sin((hour - 8) / 12 * np.pi) + 350.0 * np.sin((hour - 4) / 6 * np.pi))
    sun = 1500.0 * np.clip(np.sin((hour - 6) / 12 * np.pi), 0.0, None) * (0.6 + 0.4 * np.cos(1.7 * day))
    wind = 700.0 * (1.0 + np.sin((24.0 * day + hour) / 37.0)) * (0.8 + 0.2 * np.cos(2.3 * day))
    units = _made_up_fleet()
    base = tuple(u.must_run or u.name.startswith("coal") for u in units)
    return CommitmentProblem(
        demand_mw=load,
        units=units,
        state=tuple(UnitState(on, 50, u.power_output_minimum if on else 0.0) for u, on in zip(units, base, strict=True)),
        reserve_mw=0.04 * load + 250.0,
        renewables=(Renewable("sun", 0.0 * sun, sun), Renewable("wind", 0.0 * wind, wind)),
        storage=(Storage("pumped", 300.0, 300.0, 1800.0, 900.0, 0.88, 0.88, 900.0),),
        hydro=(EnergyLimited("river", np.full(24, 40.0), np.full(24, 500.0), 24 * 220.0),),
        penalties=Penalties(4000.0, 500.0, ((100.0, 300.0), (np.inf, 1500.0))),
    )


def _made_up_fleet() -> tuple[ThermalUnit, ...]:
    kinds = (
        ("nuclear", 4, 490.0, 700.0, 9.0, 90_000.0, 48, 80.0),
        ("coal", 7, 140.0, 350.0, 42.0, 25_000.0, 12, 120.0),
        ("gas", 14, 135.0, 300.0, 52.0, 12_000.0, 6, 160.0),
        ("turbine", 12, 27.0, 90.0, 85.0, 1_500.0, 1, 90.0),
        ("steam", 5, 45.0, 150.0, 70.0, 7_000.0, 8, 60.0),
    )
    units = []
    for kind, count, low, high, price, start, spell, ramp in kinds:
        for k in range(count):
            own = price * (1.0 + 0.03 * np.sin(7.0 * k + spell))
            mid = (low + high) / 2
            points = (
                (low, 1.1 * own * low),
                (mid, own * (1.1 * low + 0.98 * (mid - low))),
                (high, own * (1.1 * low + 1.01 * (high - low))),
            )
            tiers = ((spell, 0.5 * start), (spell + 6, 0.7 * start), (spell + 24, start))
            soft = max(low, 0.5 * high)
            units.append(
                ThermalUnit(f"{kind} {k}", low, high, points, tiers, spell, spell, ramp, ramp, soft, soft, kind == "nuclear", 0.3 * high)
            )
    return tuple(units)
