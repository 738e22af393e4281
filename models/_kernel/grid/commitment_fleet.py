"""A commitment problem as arrays: limits above minimum output, forced hours, production segments, start-up arcs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models._kernel.grid.commitment_types import CommitmentProblem, Flags, ThermalUnit, UnitState
from models._kernel.grid.network import Floats, Ints


@dataclass(frozen=True)
class Segments:
    """Production segments of all units: position of the unit, where it begins above minimum and how long it is (MW), and its price."""

    unit: Ints
    start: Floats
    length: Floats
    price: Floats


@dataclass(frozen=True)
class Arcs:
    """Off spells short enough to start warmer than cold: unit, hour of the stop (-1: before the horizon), hour of the start, saving."""

    unit: Ints
    stop: Ints
    start: Ints
    saving: Floats


@dataclass(frozen=True)
class Fleet:
    """Thermal units as arrays; G units, T hours. MW figures of ramps and caps are above minimum output.

    Attributes:
        low: minimum output.
        no_load: cost per hour of being on at minimum.
        cold: cost of the coldest start.
        up, down: ramp limits, at most the room above minimum.
        first, last: most output in the hour of a start, and in the last hour before a stop.
        last_held: the same for output and reserve together: reserve is not part of the ramp down.
        min_up, min_down: hours.
        cap: room above minimum in each hour, (G, T); 0 when out.
        out: unit is out, (G, T).
        must_on, must_off: hours in which state, outage or must-run settle the matter, (G, T).
        on_before, before: state and output above minimum before the first hour.
        segments, arcs: production and start-up structure.
        reserve_max: most reserve.
    """

    low: Floats
    no_load: Floats
    cold: Floats
    up: Floats
    down: Floats
    first: Floats
    last: Floats
    last_held: Floats
    min_up: Ints
    min_down: Ints
    cap: Floats
    out: Flags
    must_on: Flags
    must_off: Flags
    on_before: Flags
    before: Floats
    segments: Segments
    arcs: Arcs
    reserve_max: Floats

    @property
    def last_out(self) -> Ints:
        """Latest hour up to t in which a unit was out, -1 for none; (G, T)."""
        hours = np.arange(self.cap.shape[1])
        found: Ints = np.maximum.accumulate(np.where(self.out, hours, -1), axis=1)
        return found


def build_fleet(problem: CommitmentProblem) -> Fleet:
    """Arrays of a valid problem."""
    units, states = problem.units, problem.state
    low = _column(units, "power_output_minimum")
    room = _column(units, "power_output_maximum") - low
    up, down = (np.minimum(_column(units, f"ramp_{way}_limit"), room) for way in ("up", "down"))
    out = problem.out()
    must_on, must_off = _forced(problem, out)
    on_before = np.array([s.on for s in states], dtype=bool)
    output = np.array([s.output_mw for s in states], dtype=float)
    return Fleet(
        low=low,
        no_load=np.array([u.piecewise_production[0][1] for u in units], dtype=float),
        cold=np.array([u.startup[-1][1] for u in units], dtype=float),
        up=up,
        down=down,
        first=np.minimum(np.minimum(_column(units, "ramp_startup_limit") - low, up), room),
        last=np.minimum(np.minimum(_column(units, "ramp_shutdown_limit") - low, down), room),
        last_held=np.minimum(_column(units, "ramp_shutdown_limit") - low, room),
        min_up=np.array([u.time_up_minimum for u in units], dtype=np.int64),
        min_down=np.array([u.time_down_minimum for u in units], dtype=np.int64),
        cap=np.where(out, 0.0, problem.capacity_mw() - low[:, None]),
        out=out,
        must_on=must_on,
        must_off=must_off,
        on_before=on_before,
        before=np.where(on_before, output - low, 0.0),
        segments=_segments(units),
        arcs=_arcs(units, states, problem.n_hours),
        reserve_max=_column(units, "reserve_maximum"),
    )


def _column(units: tuple[ThermalUnit, ...], name: str) -> Floats:
    return np.array([getattr(u, name) for u in units], dtype=float)


def _forced(problem: CommitmentProblem, out: Flags) -> tuple[Flags, Flags]:
    """Hours that state, outage and must-run settle.

    A must-run unit that comes back from an outage is exempt until its minimum down time is over.
    """
    must_on, must_off = np.zeros_like(out), out.copy()
    for g, (unit, state) in enumerate(zip(problem.units, problem.state, strict=True)):
        if state.on:
            keep = max(unit.time_up_minimum - state.hours, 0)
            stopped = np.flatnonzero(out[g])
            must_on[g, : min(keep, stopped[0] if len(stopped) else keep)] = True
        else:
            must_off[g, : max(unit.time_down_minimum - state.hours, 0)] = True
        if unit.must_run:
            must_on[g] |= _may_run(must_off[g], out[g], unit.time_down_minimum)
    return must_on, must_off


def _may_run(off: Flags, out: Flags, min_down: int) -> Flags:
    may = ~off
    for t in np.flatnonzero(out):
        if t == 0 or not out[t - 1]:
            may[t : t + min_down] = False
    return may & ~out


def _segments(units: tuple[ThermalUnit, ...]) -> Segments:
    unit, start, length, price = [], [], [], []
    for g, u in enumerate(units):
        points = u.piecewise_production
        for (mw, cost), (next_mw, next_cost) in pairwise(points):
            if next_mw > mw:
                unit.append(g)
                start.append(mw - points[0][0])
                length.append(next_mw - mw)
                price.append((next_cost - cost) / (next_mw - mw))
    return Segments(np.array(unit, dtype=np.int64), np.array(start), np.array(length), np.array(price))


def _arcs(units: tuple[ThermalUnit, ...], states: tuple[UnitState, ...], hours: int) -> Arcs:
    """Arcs of the matching formulation (Knueven, Ostrowski, Watson 2020, start-up costs): a stop matched with the next start."""
    parts: list[tuple[Ints, Ints, Ints, Floats]] = []
    for g, (unit, state) in enumerate(zip(units, states, strict=True)):
        lags = np.array([lag for lag, _ in unit.startup])
        costs = np.array([cost for _, cost in unit.startup])
        reach = lags[costs < costs[-1]]
        if not len(reach):
            continue
        cold_from = lags[len(reach)]
        pairs = _pairs(unit.time_down_minimum, int(cold_from), hours)
        if not state.on:
            first = max(unit.time_down_minimum - state.hours, 0)
            starts = np.arange(first, min(cold_from - state.hours, hours))
            pairs = np.concatenate([pairs, np.stack([np.full(len(starts), -1), starts, starts + state.hours], axis=1)])
        if len(pairs):
            tier = np.searchsorted(lags, pairs[:, 2], side="right") - 1
            parts.append((np.full(len(pairs), g), pairs[:, 0], pairs[:, 1], costs[-1] - costs[np.maximum(tier, 0)]))
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return Arcs(none, none, none, np.zeros(0))
    return Arcs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _pairs(min_down: int, cold_from: int, hours: int) -> Ints:
    """(stop, start, hours off) of every spell within the horizon that is shorter than `cold_from`."""
    stop, off = np.meshgrid(np.arange(hours), np.arange(min_down, max(cold_from, min_down)), indexing="ij")
    pairs = np.stack([stop.ravel(), (stop + off).ravel(), off.ravel()], axis=1)
    inside: Ints = pairs[pairs[:, 1] < hours]
    return inside
