"""One day of an asset between energy and reserves, solved exactly: a linear program of the battery, a mixed-integer one of the plant.

A price-taker that is paid pi per MW and hour for an award and p per MWh for energy. An award of a product that is called for the share d of
the time also trades d of it as energy. Awards are limited so that a full call could be answered at any moment: headroom of power, and for
the battery the energy of the product's whole duration, at the start and at the end of every interval. Charge follows the energy schedule
and the expected calls. The plant's least times are the turn-on inequalities of Rajan & Takriti (2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.delivery import COMMON, Plant, ProductRule
from models._kernel.storage.asset import StorageAsset

Array = npt.NDArray[np.float64]
TIME_LIMIT_S = 20.0
GAP = 1e-6
SAME = 1e-7


class ScheduleError(RuntimeError):
    """A day was not solved; the message says what the solver said."""


@dataclass(frozen=True, slots=True)
class Day:
    """Prices of one day of an asset.

    Attributes:
        hours: length of an interval.
        energy: expected energy price, currency/MWh, shape (T,).
        reserves: expected reserve prices, currency per MW and hour, shape (K, T); NaN where a product is not to be offered.
        rules: rule of each product, K of them.
        cost: marginal cost of the plant, currency/MWh, shape (T,).
    """

    hours: float
    energy: Array
    reserves: Array
    rules: tuple[ProductRule, ...]
    cost: Array

    @property
    def lanes(self) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """(sign, products that share headroom): per direction one set for every lane, each with the common products."""
        found = []
        for sign in (1, -1):
            mine = [k for k, r in enumerate(self.rules) if r.sign == sign]
            lanes = sorted({self.rules[k].lane for k in mine} - {COMMON}) or ([COMMON] if mine else [])
            found += [(sign, tuple(k for k in mine if self.rules[k].lane in {COMMON, lane})) for lane in lanes]
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Output less charge, MW, shape (T,), and awards, MW, shape (K, T)."""

    energy_mw: Array
    awards_mw: Array


class _Program:
    """Rows and columns of a program over intervals, collected as triplets."""

    def __init__(self) -> None:
        self.cost: list[Array] = []
        self.low: list[Array] = []
        self.high: list[Array] = []
        self.whole: list[Array] = []
        self.rows: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Array]] = []
        self.bounds: list[tuple[Array, Array]] = []
        self.columns = 0
        self.height = 0

    def add(self, cost: Array, low: npt.ArrayLike, high: npt.ArrayLike, *, whole: bool = False) -> npt.NDArray[np.int64]:
        """Columns with their objective and bounds; their numbers."""
        n = cost.size
        self.cost.append(cost)
        self.low.append(np.broadcast_to(np.asarray(low, dtype=np.float64), (n,)))
        self.high.append(np.broadcast_to(np.asarray(high, dtype=np.float64), (n,)))
        self.whole.append(np.full(n, float(whole)))
        self.columns += n
        return np.arange(self.columns - n, self.columns)

    def limit(self, terms: Sequence[tuple[npt.NDArray[np.int64], npt.ArrayLike]], low: npt.ArrayLike, high: npt.ArrayLike) -> None:
        """One row per element: low <= sum of coefficient x column <= high; the terms' columns have the same length."""
        n = terms[0][0].size
        if not n:
            return
        at = np.arange(self.height, self.height + n)
        for columns, coefficient in terms:
            self.rows.append((at, columns, np.broadcast_to(np.asarray(coefficient, dtype=np.float64), (n,))))
        self.bounds.append(tuple(np.broadcast_to(np.asarray(b, dtype=np.float64), (n,)) for b in (low, high)))  # type: ignore[arg-type]
        self.height += n

    def total(self, terms: Sequence[tuple[npt.NDArray[np.int64], npt.ArrayLike]], low: float, high: float) -> None:
        """One row over all columns of the terms."""
        for columns, coefficient in terms:
            values = np.broadcast_to(np.asarray(coefficient, dtype=np.float64), (columns.size,))
            self.rows.append((np.full(columns.size, self.height), columns, values))
        self.bounds.append((np.array([low]), np.array([high])))
        self.height += 1

    def solve(self, what: str) -> Array:
        """Values of all columns.

        Raises:
            ScheduleError: the solver found no optimum.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import coo_array

        at, columns, values = (np.concatenate([r[k] for r in self.rows]) for k in range(3))
        matrix = coo_array((values, (at, columns)), shape=(self.height, self.columns)).tocsr()
        low, high = (np.concatenate([b[k] for b in self.bounds]) for k in (0, 1))
        cost = np.concatenate(self.cost)
        found = milp(
            cost / max(float(np.abs(cost).max(initial=0.0)), 1e-12),
            integrality=np.concatenate(self.whole),
            bounds=Bounds(np.concatenate(self.low), np.concatenate(self.high)),
            constraints=LinearConstraint(matrix, low, high),
            options={"mip_rel_gap": GAP, "time_limit": TIME_LIMIT_S},
        )
        if found.x is None:
            raise ScheduleError(f"{what}: {found.message}; check prices and the limits of config/assets")
        return np.asarray(found.x, dtype=np.float64)


def _awards(program: _Program, day: Day, cost: Array, fixed: Array | None) -> list[npt.NDArray[np.int64]]:
    """Columns of the awards, one array per product; products without a price are not offered, given awards stay as they are."""
    found = []
    for k, rule in enumerate(day.rules):
        high = np.where(np.isfinite(day.reserves[k]), rule.depth_mw, 0.0) if fixed is None else fixed[k]
        found.append(program.add(cost[k], 0.0 if fixed is None else fixed[k], high))
    return found


def _award_cost(day: Day, per_deployed: Array) -> Array:
    """Objective of the awards, shape (K, T): what their calls cost (`per_deployed`, per MWh, shape (K, T)) less what they are paid."""
    paid = np.nan_to_num(day.reserves, nan=0.0)
    share = np.array([r.deployed_share for r in day.rules])[:, None]
    return np.asarray(day.hours * (share * per_deployed - paid), dtype=np.float64)


def optimal_battery(day: Day, battery: StorageAsset, awards: Array | None = None) -> Schedule:
    """The battery's day that earns most at the prices given; with `awards`, the energy schedule that serves them.

    Charge and discharge in one interval are excluded: where the linear program burns energy (negative prices), those intervals get a
    binary and the day is solved again, until there are none.

    Raises:
        ScheduleError: given awards cannot be served, or the solver failed.
    """
    exclusive = np.zeros(day.energy.size, dtype=bool)
    while True:
        values, charge, discharge, columns = _battery(day, battery, awards, exclusive)
        both = (np.minimum(values[charge], values[discharge]) > SAME) & ~exclusive
        if not both.any():
            break
        exclusive |= both
    return Schedule(_clean(values[discharge] - values[charge]), _awarded(values, columns, day))


def _battery(
    day: Day, battery: StorageAsset, awards: Array | None, exclusive: npt.NDArray[np.bool_]
) -> tuple[Array, npt.NDArray[np.int64], npt.NDArray[np.int64], list[npt.NDArray[np.int64]]]:
    program, n, h = _Program(), day.energy.size, day.hours
    price, wear = np.nan_to_num(day.energy), battery.degradation_ccy_per_mwh
    charge = program.add(h * price, 0.0, battery.power_mw)
    discharge = program.add(h * (wear - price), 0.0, battery.power_mw)
    (least, most), start = battery.bounds_mwh, battery.start_mwh
    low, high = np.full(n, least), np.full(n, most)
    low[-1:], high[-1:] = battery.end_bounds_mwh
    level = program.add(np.zeros(n), low, high)
    sign = np.array([r.sign for r in day.rules])
    deployed = np.where(sign[:, None] > 0, wear - price, price[None, :]) if len(sign) else np.empty((0, n))
    columns = _awards(program, day, _award_cost(day, deployed), awards)
    _follow(program, day, battery, charge=charge, discharge=discharge, level=level, awards=columns, start=start)
    for direction, products in day.lanes:
        shared = [(columns[k], 1.0) for k in products]
        program.limit([(discharge, direction), (charge, -direction), *shared], -np.inf, battery.power_mw)
    for direction, edge in ((1, least), (-1, most)):
        factor = 1 / battery.discharge_efficiency if direction > 0 else battery.charge_efficiency
        held = [(columns[k], factor * r.sustain_h) for k, r in enumerate(day.rules) if r.sign == direction]
        if not held:
            continue
        # upward: held <= level - least; downward: held <= most - level; at the end and at the start of the interval
        program.limit([*held, (level, -direction)], -np.inf, -direction * edge)
        program.limit([*((c[1:], f) for c, f in held), (level[:-1], -direction)], -np.inf, -direction * edge)
        program.total([(c[:1], f) for c, f in held], -np.inf, direction * (start - edge))
    called = [(columns[k], h * r.deployed_share) for k, r in enumerate(day.rules) if r.sign > 0]
    program.total([(discharge, h), *called], -np.inf, battery.throughput_mwh)
    if exclusive.any():
        giving = program.add(np.zeros(int(exclusive.sum())), 0.0, 1.0, whole=True)
        program.limit([(discharge[exclusive], 1.0), (giving, -battery.power_mw)], -np.inf, 0.0)
        program.limit([(charge[exclusive], 1.0), (giving, battery.power_mw)], -np.inf, battery.power_mw)
    return program.solve("battery"), charge, discharge, columns


def _follow(
    program: _Program,
    day: Day,
    battery: StorageAsset,
    *,
    charge: npt.NDArray[np.int64],
    discharge: npt.NDArray[np.int64],
    level: npt.NDArray[np.int64],
    awards: list[npt.NDArray[np.int64]],
    start: float,
) -> None:
    """Charge at the end of every interval follows that at its start."""
    h, gained, lost = day.hours, battery.charge_efficiency, 1 / battery.discharge_efficiency
    moved = [(charge, -h * gained), (discharge, h * lost)]
    for k, rule in enumerate(day.rules):
        moved.append((awards[k], h * rule.deployed_share * (lost if rule.sign > 0 else -gained)))
    first = [(level[:1], 1.0), *((c[:1], f) for c, f in moved)]
    program.total(first, start, start)
    program.limit([(level[1:], 1.0), (level[:-1], -1.0), *((c[1:], f) for c, f in moved)], 0.0, 0.0)


def optimal_plant(day: Day, plant: Plant, awards: Array | None = None) -> Schedule:
    """The plant's day that earns most at the prices given; with `awards`, the commitment and output that serve them.

    Raises:
        ScheduleError: given awards cannot be served, or the solver failed.
    """
    program, n, h = _Program(), day.energy.size, day.hours
    margin = np.nan_to_num(day.energy) - day.cost
    on = program.add(np.zeros(n), 0.0, 1.0, whole=True)
    starts = program.add(np.full(n, plant.start_cost_ccy), 0.0, 1.0)
    output = program.add(-h * margin, 0.0, plant.max_mw)
    sign = np.array([r.sign for r in day.rules], dtype=np.float64)
    columns = _awards(program, day, _award_cost(day, -sign[:, None] * margin[None, :]), awards)
    program.limit([(output, 1.0), (on, -plant.max_mw)], -np.inf, 0.0)
    program.limit([(output, 1.0), (on, -plant.min_mw)], 0.0, np.inf)
    for direction, products in day.lanes:
        shared = [(columns[k], 1.0) for k in products]
        edge = plant.max_mw if direction > 0 else -plant.min_mw
        program.limit([(output, direction), *shared, (on, -edge)], -np.inf, 0.0)
        fast = [(columns[k], 1 / (plant.ramp_mw_per_min * day.rules[k].response_min)) for k in products]
        program.limit([*fast, (on, -1.0)], -np.inf, 0.0)
    _commitment(program, plant, h, on=on, starts=starts, output=output)
    values = program.solve("plant")
    running = np.round(values[on])
    return Schedule(np.where(running > 0, _clean(values[output]), 0.0), _awarded(values, columns, day))


def _commitment(
    program: _Program,
    plant: Plant,
    hours: float,
    *,
    on: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    output: npt.NDArray[np.int64],
) -> None:
    """Starts, least times, and ramps of a plant that is off before the first interval."""
    n = on.size
    program.limit([(on[:1], 1.0), (starts[:1], -1.0)], -np.inf, 0.0)
    program.limit([(on[1:], 1.0), (on[:-1], -1.0), (starts[1:], -1.0)], -np.inf, 0.0)
    up, down = (max(round(v / hours), 1) for v in (plant.min_up_h, plant.min_down_h))
    for t in range(n):
        program.total([(starts[max(0, t - up + 1) : t + 1], 1.0), (on[t : t + 1], -1.0)], -np.inf, 0.0)
        if t >= down:
            program.total([(starts[t - down + 1 : t + 1], 1.0), (on[t - down : t - down + 1], 1.0)], -np.inf, 1.0)
    ramp = plant.ramp_mw_per_min * 60 * hours
    if ramp < plant.max_mw:
        edge = max(plant.min_mw, ramp)
        program.limit([(output[:1], 1.0), (starts[:1], -edge)], -np.inf, 0.0)
        program.limit([(output[1:], 1.0), (output[:-1], -1.0), (on[:-1], -ramp), (starts[1:], -edge)], -np.inf, 0.0)
        program.limit([(output[:-1], 1.0), (output[1:], -1.0), (on[1:], -ramp + edge)], -np.inf, edge)


def _awarded(values: Array, columns: list[npt.NDArray[np.int64]], day: Day) -> Array:
    return _clean(values[np.array(columns, dtype=np.int64).reshape(len(day.rules), day.energy.size)])


def _clean(values: Array) -> Array:
    """Solver noise around zero removed."""
    return np.asarray(np.where(np.abs(values) < 1e-9, 0.0, values), dtype=np.float64)
