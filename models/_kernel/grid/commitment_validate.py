"""Checks of a unit-commitment problem; every fault is named at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from models._kernel.grid.commitment_types import CommitmentProblem, EnergyLimited, Renewable, Storage, ThermalUnit, UnitState
from models._kernel.grid.network import Floats, GridError

TOLERANCE = 1e-6


def validate_commitment(problem: CommitmentProblem) -> None:
    """Raise a GridError that lists every fault of a problem: field, value, remedy."""
    faults = list(_faults(problem))
    if faults:
        raise GridError("unit commitment problem is not valid:\n" + "\n".join(f"- {fault}" for fault in faults))


def _faults(problem: CommitmentProblem) -> Iterator[str]:
    hours = problem.n_hours
    if hours < 1:
        yield "demand_mw is empty; give at least one hour"
        return
    yield from _profile("demand_mw", problem.demand_mw, hours)
    if problem.reserve_mw is not None:
        yield from _profile("reserve_mw", problem.reserve_mw, hours)
    if len(problem.state) != len(problem.units):
        yield f"state has {len(problem.state)} entries for {len(problem.units)} units; give one UnitState per unit, in their order"
    elements: list[Renewable | EnergyLimited] = [*problem.renewables, *problem.hydro]
    names = [u.name for u in problem.units] + [e.name for e in elements] + [s.name for s in problem.storage]
    for name in sorted({n for n in names if names.count(n) > 1}):
        yield f"name {name!r} is used {names.count(name)} times; names must be unique"
    for unit, state in zip(problem.units, problem.state, strict=False):
        yield from (f"unit {unit.name!r}: {fault}" for fault in (*_unit(unit), *_state(unit, state)))
    for element in elements:
        yield from (f"{element.name!r}: {fault}" for fault in _profiles(element, hours))
    for store in problem.storage:
        yield from (f"storage {store.name!r}: {fault}" for fault in _storage(store))
    for plant in problem.hydro:
        yield from (f"hydro {plant.name!r}: {fault}" for fault in _budget(plant))
    shape = None if problem.availability_mw is None else problem.availability_mw.shape
    if shape is not None and shape != (len(problem.units), hours):
        yield f"availability_mw has shape {shape}; give (units, hours) = {(len(problem.units), hours)}"
    yield from _penalties(problem)


def _profile(name: str, values: Floats, hours: int) -> Iterator[str]:
    if values.shape != (hours,):
        yield f"{name} has shape {values.shape}; give ({hours},)"
    elif not np.all(np.isfinite(values)):
        yield f"{name} is not finite in hour {int(np.flatnonzero(~np.isfinite(values))[0])}; give a number, MW"


def _unit(unit: ThermalUnit) -> Iterator[str]:
    low, high = unit.power_output_minimum, unit.power_output_maximum
    if not 0.0 <= low <= high < np.inf:
        yield f"output range {low} to {high} MW; give 0 <= minimum <= maximum"
    for field in ("ramp_up_limit", "ramp_down_limit", "reserve_maximum"):
        if not getattr(unit, field) >= 0.0:
            yield f"{field} is {getattr(unit, field)}; give 0 or more"
    for field in ("ramp_startup_limit", "ramp_shutdown_limit"):
        if not getattr(unit, field) >= low - TOLERANCE:
            yield f"{field} is {getattr(unit, field)} MW; give at least the minimum output {low}"
    for field in ("time_up_minimum", "time_down_minimum"):
        if getattr(unit, field) < 1:
            yield f"{field} is {getattr(unit, field)}; give 1 hour or more"
    yield from _curve(unit)
    yield from _tiers(unit)


def _curve(unit: ThermalUnit) -> Iterator[str]:
    points = unit.piecewise_production
    if not points:
        yield "piecewise_production is empty; give (mw, cost) points from minimum to maximum output"
        return
    mw, cost = np.array(points, dtype=float).T
    ends = (unit.power_output_minimum, unit.power_output_maximum)
    if not np.allclose((mw[0], mw[-1]), ends, atol=1e-4):
        yield f"piecewise_production runs from {mw[0]} to {mw[-1]} MW; it must run from {ends[0]} to {ends[1]}"
    if not np.all(np.isfinite(cost)):
        yield "piecewise_production holds a cost that is not finite"
    elif np.any(np.diff(mw) <= 0.0):
        yield "piecewise_production does not rise in mw; sort the points and leave repeated ones out"
    else:
        slope = np.diff(cost) / np.diff(mw)
        if np.any(np.diff(slope) < -1e-6 * (1.0 + np.abs(slope[:-1]))):
            yield "piecewise_production is not convex; take its lower convex hull"


def _tiers(unit: ThermalUnit) -> Iterator[str]:
    if not unit.startup:
        yield "startup is empty; give at least one (lag, cost)"
        return
    lags, costs = np.array(unit.startup, dtype=float).T
    if np.any(np.diff(lags) <= 0):
        yield f"startup lags {lags.tolist()} do not rise"
    if np.any(np.diff(costs) < 0) or np.any(costs < 0):
        yield f"startup costs {costs.tolist()} must be 0 or more and not fall with the hours off"
    if lags[0] > unit.time_down_minimum:
        yield f"first startup lag {lags[0]:g} exceeds time_down_minimum {unit.time_down_minimum}; the first tier must hold from there"


def _state(unit: ThermalUnit, state: UnitState) -> Iterator[str]:
    if state.hours < 1:
        yield f"state.hours is {state.hours}; give the hours on or off so far, at least 1"
    low, high = unit.power_output_minimum, unit.power_output_maximum
    if state.on and not low - 1e-3 <= state.output_mw <= high + 1e-3:
        yield f"is on with state.output_mw {state.output_mw}; give {low} to {high}"
    if not state.on and abs(state.output_mw) > 1e-3:
        yield f"is off with state.output_mw {state.output_mw}; give 0"


def _profiles(element: Renewable | EnergyLimited, hours: int) -> Iterator[str]:
    low, high = element.minimum_mw, element.maximum_mw
    if low.shape != (hours,) or high.shape != (hours,):
        yield f"profiles have shapes {low.shape} and {high.shape}; give ({hours},)"
    elif not np.all((low >= 0.0) & (low <= high) & np.isfinite(high)):
        hour = int(np.flatnonzero(~((low >= 0.0) & (low <= high) & np.isfinite(high)))[0])
        yield f"range {low[hour]} to {high[hour]} MW in hour {hour}; give 0 <= minimum <= maximum"


def _storage(store: Storage) -> Iterator[str]:
    if not (store.charge_mw >= 0.0 and store.discharge_mw >= 0.0 and store.energy_mwh >= 0.0):
        yield f"charge {store.charge_mw}, discharge {store.discharge_mw} MW, energy {store.energy_mwh} MWh; give 0 or more"
    if not (0.0 < store.charge_efficiency <= 1.0 and 0.0 < store.discharge_efficiency <= 1.0):
        yield f"efficiencies {store.charge_efficiency}, {store.discharge_efficiency}; give more than 0 and at most 1"
    for field in ("initial_mwh", "terminal_minimum_mwh"):
        if not -TOLERANCE <= getattr(store, field) <= store.energy_mwh + TOLERANCE:
            yield f"{field} is {getattr(store, field)}; give 0 to {store.energy_mwh}"


def _budget(plant: EnergyLimited) -> Iterator[str]:
    if not plant.energy_minimum_mwh <= plant.energy_mwh:
        yield f"energy budget {plant.energy_minimum_mwh} to {plant.energy_mwh} MWh is empty"
    floor = float(np.sum(plant.minimum_mw))
    if floor > plant.energy_mwh + TOLERANCE:
        yield f"minimum output takes {floor:g} MWh of a budget of {plant.energy_mwh:g}; raise the budget or lower minimum_mw"


def _penalties(problem: CommitmentProblem) -> Iterator[str]:
    prices = problem.penalties
    for field in ("unserved_energy", "oversupply"):
        value = getattr(prices, field)
        if value is not None and not 0.0 < value < np.inf:
            yield f"penalties.{field} is {value}; give a positive price or None"
    for mw, price in prices.reserve_shortfall:
        if not (mw > 0.0 and 0.0 < price < np.inf):
            yield f"penalties.reserve_shortfall step ({mw}, {price}) must have positive MW and a positive finite price"
