"""Unit commitment against enumeration of every switching pattern, and against a checker that knows the rules but not the formulation."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from models._kernel.grid.commitment import fixed_bounds, roll, solve_commitment
from models._kernel.grid.commitment_cuts import capacity_rows, strengthened
from models._kernel.grid.commitment_extra import extra_costs, owners
from models._kernel.grid.commitment_highs import linear
from models._kernel.grid.commitment_model import build_model
from models._kernel.grid.commitment_types import (
    Commitment,
    CommitmentProblem,
    EnergyLimited,
    Penalties,
    Renewable,
    Storage,
    ThermalUnit,
    UnitState,
)
from pipeline_tasks.bench.pglib_uc import market_day, pglib_folder, read_pglib

CLOSE = 1e-4


# --- the rules, said once more -------------------------------------------------------------------------------------------


def allowed(unit: ThermalUnit, state: UnitState, out: np.ndarray, pattern: tuple[bool, ...]) -> bool:
    """Minimum times, outages and must-run of one unit; outages cut runs short."""
    hours = len(pattern)
    if any(on and gone for on, gone in zip(pattern, out, strict=True)) or (unit.must_run and not all(pattern)):
        return False
    running, spell = state.on, state.hours
    for t in range(hours):
        if pattern[t] != running:
            if running and spell < unit.time_up_minimum and not out[t]:
                return False
            if not running and spell < unit.time_down_minimum:
                return False
            running, spell = pattern[t], 0
        spell += 1
    return True


def start_costs(unit: ThermalUnit, state: UnitState, pattern: tuple[bool, ...]) -> list[float]:
    off, costs = (0 if state.on else state.hours), []
    for on in pattern:
        costs.append(max((c for lag, c in unit.startup if lag <= off), default=0.0) if on and off else 0.0)
        off = 0 if on else off + 1
    return costs


def ramp_limits(problem: CommitmentProblem, g: int, on: np.ndarray) -> list[tuple[int, float, float, float]]:
    """(hour, most output + reserve, most output, largest fall into the hour) of one unit, all above minimum; inf where free."""
    unit, hours = problem.units[g], problem.n_hours
    low = unit.power_output_minimum
    cap, out = problem.capacity_mw()[g] - low, problem.out()[g]
    before = problem.state[g].output_mw - low if problem.state[g].on else 0.0
    rows = []
    for t in range(hours):
        most, alone = cap[t], np.inf
        if not (on[t - 1] if t else problem.state[g].on):
            most = min(most, unit.ramp_startup_limit - low, unit.ramp_up_limit)
        if t + 1 < hours and not on[t + 1] and not out[t + 1]:
            most = min(most, unit.ramp_shutdown_limit - low)
            alone = unit.ramp_down_limit
        fall = max(unit.ramp_down_limit, (cap[t - 1] if t else before) - cap[t])
        rows.append((t, most, alone, np.inf if out[t] else fall))
    return rows


def dispatch_cost(problem: CommitmentProblem, on: np.ndarray) -> float | None:  # noqa: C901, PLR0912 - one plain programme, read top to bottom
    """Least cost of a pattern by a plain linear programme in total output; None when infeasible. Start-up costs not included."""
    hours, n = problem.n_hours, len(problem.units)
    names: dict[tuple, int] = {}
    cost, bounds, upper, equal = [], [], [], []

    def var(key, price=0.0, low=0.0, high=np.inf):
        names[key] = len(cost)
        cost.append(price)
        bounds.append((low, high))
        return names[key]

    for g, t in itertools.product(range(n), range(hours)):
        unit, room = problem.units[g], problem.capacity_mw()[g, t]
        running = bool(on[g, t])
        var(("p", g, t), 0.0, unit.power_output_minimum * running, room * running)
        var(("r", g, t), 0.0, 0.0, unit.reserve_maximum * running if running else 0.0)
        var(("c", g, t), 1.0 if running else 0.0, -np.inf)
    for i, r in enumerate(problem.renewables):
        for t in range(hours):
            var(("w", i, t), r.cost, r.minimum_mw[t], r.maximum_mw[t])
    for i, s in enumerate(problem.storage):
        for t in range(hours):
            var(("in", i, t), 0.0, 0.0, s.charge_mw)
            var(("out", i, t), s.discharge_cost, 0.0, s.discharge_mw)
            var(("e", i, t), 0.0, s.terminal_minimum_mwh if t == hours - 1 else 0.0, s.energy_mwh)
            var(("sr", i, t), 0.0, 0.0, np.inf if s.reserve else 0.0)
    for i, h in enumerate(problem.hydro):
        for t in range(hours):
            var(("h", i, t), h.cost, h.minimum_mw[t], h.maximum_mw[t])
            var(("hr", i, t), 0.0, 0.0, np.inf if h.reserve else 0.0)
    for t in range(hours):
        var(("un", t), problem.penalties.unserved_energy or 0.0, 0.0, np.inf if problem.penalties.unserved_energy else 0.0)
        var(("ov", t), problem.penalties.oversupply or 0.0, 0.0, np.inf if problem.penalties.oversupply else 0.0)
        for k, (mw, price) in enumerate(problem.penalties.reserve_shortfall):
            var(("sh", k, t), price, 0.0, mw)

    def row(store, terms, value):
        line = np.zeros(len(cost))
        for key, coefficient in terms:
            line[names[key]] += coefficient
        store.append((line, value))

    for g in range(n):
        unit, state = problem.units[g], problem.state[g]
        low = unit.power_output_minimum
        before = state.output_mw - low if state.on else 0.0
        for t, most, alone, fall in ramp_limits(problem, g, on[g]):
            above, base = [(("p", g, t), 1.0)], low * on[g, t]
            if on[g, t]:
                row(upper, [*above, (("r", g, t), 1.0)], most + low)
                if np.isfinite(alone):
                    row(upper, above, alone + low)
            last = [(("p", g, t - 1), -1.0)] if t else []
            was = low * on[g, t - 1] if t else -before
            if np.isfinite(unit.ramp_up_limit) and on[g, t]:
                row(upper, [*above, (("r", g, t), 1.0), *last], unit.ramp_up_limit + base - was)
            if np.isfinite(fall):
                row(upper, [(k, -v) for k, v in [*above, *last]], fall - base + was)
            if not t and state.on and not on[g, 0] and not problem.out()[g, 0] and before > unit.ramp_shutdown_limit - low + 1e-9:
                return None
            points = unit.piecewise_production
            if on[g, t] and len(points) == 1:
                row(upper, [(("c", g, t), -1.0)], -points[0][1])
            for (a, ca), (b, cb) in itertools.pairwise(points if on[g, t] else ()):
                slope = (cb - ca) / (b - a)
                row(upper, [(("p", g, t), slope), (("c", g, t), -1.0)], slope * a - ca)
            if not on[g, t]:
                row(equal, [(("c", g, t), 1.0)], 0.0)
    for i, s in enumerate(problem.storage):
        for t in range(hours):
            terms = [(("e", i, t), 1.0), (("in", i, t), -s.charge_efficiency), (("out", i, t), 1 / s.discharge_efficiency)]
            row(equal, [*terms, *([(("e", i, t - 1), -1.0)] if t else [])], 0.0 if t else s.initial_mwh)
            row(upper, [(("in", i, t), 1 / s.charge_mw), (("out", i, t), 1 / s.discharge_mw)], 1.0)
            row(upper, [(("sr", i, t), 1.0), (("out", i, t), 1.0), (("in", i, t), -1.0)], s.discharge_mw)
            row(upper, [(("sr", i, t), 1 / s.discharge_efficiency), (("e", i, t), -1.0)], 0.0)
    for i, h in enumerate(problem.hydro):
        row(upper, [(("h", i, t), 1.0) for t in range(hours)], h.energy_mwh)
        for t in range(hours):
            row(upper, [(("h", i, t), 1.0), (("hr", i, t), 1.0)], h.maximum_mw[t])
    for t in range(hours):
        signs = {"p": 1.0, "w": 1.0, "out": 1.0, "h": 1.0, "un": 1.0, "in": -1.0, "ov": -1.0}
        row(equal, [(k, signs[k[0]]) for k in names if k[-1] == t and k[0] in signs], problem.demand_mw[t])
        if problem.reserve_mw is not None:
            held = [(k, -1.0) for k in names if k[-1] == t and k[0] in {"r", "sr", "hr", "sh"}]
            row(upper, held, -problem.reserve_mw[t])
    answer = linprog(
        cost,
        A_ub=np.array([r for r, _ in upper]) if upper else None,
        b_ub=[v for _, v in upper] if upper else None,
        A_eq=np.array([r for r, _ in equal]),
        b_eq=[v for _, v in equal],
        bounds=bounds,
    )
    return float(answer.fun) if answer.status == 0 else None


def least_cost(problem: CommitmentProblem) -> float | None:
    """Optimum by enumeration."""
    out = problem.out()
    choices = [
        [p for p in itertools.product((False, True), repeat=problem.n_hours) if allowed(u, s, out[g], p)]
        for g, (u, s) in enumerate(zip(problem.units, problem.state, strict=True))
    ]
    floor = -sum(3.0 * r.maximum_mw.sum() for r in problem.renewables)
    ranked = []
    for patterns in itertools.product(*choices):
        fixed = sum(sum(start_costs(u, s, p)) for u, s, p in zip(problem.units, problem.state, patterns, strict=True))
        idle = sum(u.piecewise_production[0][1] * sum(p) for u, p in zip(problem.units, patterns, strict=True))
        ranked.append((fixed + idle + floor, fixed, patterns))
    best = None
    for least, fixed, patterns in sorted(ranked):
        if best is not None and least >= best:
            break
        cost = dispatch_cost(problem, np.array(patterns))
        if cost is not None and (best is None or cost + fixed < best):
            best = cost + fixed
    return best


def check(problem: CommitmentProblem, answer: Commitment) -> None:
    """Every rule on the answer itself, and its cost."""
    out, capacity = problem.out(), problem.capacity_mw()
    total = 0.0
    for g, (unit, state) in enumerate(zip(problem.units, problem.state, strict=True)):
        on, low = answer.on[g], unit.power_output_minimum
        must = CommitmentProblem(problem.demand_mw, (unit,), (state,)).units[0].must_run and not out[g].any()
        assert not must or on.all(), unit.name
        free = ThermalUnit(**{**unit.__dict__, "must_run": False})
        assert allowed(free, state, out[g], tuple(on.tolist())), unit.name
        power, reserve = answer.output_mw[g], answer.reserve_mw[g]
        assert np.all(power[~on] == 0.0)
        assert np.all(reserve[~on] <= CLOSE)
        assert np.all(power[on] >= low - CLOSE)
        assert np.all((power + reserve)[on] <= capacity[g][on] + CLOSE)
        assert np.all(reserve <= unit.reserve_maximum + CLOSE)
        above = np.where(on, power - low, 0.0)
        was = np.concatenate([[state.output_mw - low if state.on else 0.0], above[:-1]])
        for t, most, alone, fall in ramp_limits(problem, g, on):
            if on[t]:
                assert above[t] + reserve[t] <= most + CLOSE, (unit.name, t)
                assert above[t] <= alone + CLOSE, (unit.name, t)
                assert above[t] + reserve[t] - was[t] <= unit.ramp_up_limit + CLOSE, (unit.name, t)
            assert was[t] - above[t] <= fall + CLOSE, (unit.name, t)
        mw, cost = np.array(unit.piecewise_production).T
        starts = start_costs(unit, state, tuple(on.tolist()))
        assert answer.startup_cost[g] == pytest.approx(starts)
        total += np.interp(power[on], mw, cost).sum() + sum(starts)
    supply = (
        answer.output_mw.sum(0) + answer.renewable_mw.sum(0) + answer.hydro_mw.sum(0) + answer.discharge_mw.sum(0) - answer.charge_mw.sum(0)
    )
    assert supply + answer.unserved_mw - answer.oversupply_mw == pytest.approx(problem.demand_mw, rel=1e-6, abs=CLOSE)
    if problem.reserve_mw is not None:
        held = answer.reserve_mw.sum(0) + answer.hydro_reserve_mw.sum(0) + answer.storage_reserve_mw.sum(0)
        assert np.all(held + answer.reserve_short_mw >= problem.reserve_mw - CLOSE)
    for i, r in enumerate(problem.renewables):
        assert np.all((answer.renewable_mw[i] >= r.minimum_mw - CLOSE) & (answer.renewable_mw[i] <= r.maximum_mw + CLOSE))
        total += r.cost * answer.renewable_mw[i].sum()
    for i, h in enumerate(problem.hydro):
        assert answer.hydro_mw[i].sum() <= h.energy_mwh + CLOSE
        assert np.all(answer.hydro_mw[i] + answer.hydro_reserve_mw[i] <= h.maximum_mw + CLOSE)
        total += h.cost * answer.hydro_mw[i].sum()
    for i, s in enumerate(problem.storage):
        flow = s.charge_efficiency * answer.charge_mw[i] - answer.discharge_mw[i] / s.discharge_efficiency
        assert answer.energy_mwh[i] == pytest.approx(s.initial_mwh + np.cumsum(flow), abs=CLOSE)
        assert np.all((answer.energy_mwh[i] >= -CLOSE) & (answer.energy_mwh[i] <= s.energy_mwh + CLOSE))
        assert answer.energy_mwh[i, -1] >= s.terminal_minimum_mwh - CLOSE
        total += s.discharge_cost * answer.discharge_mw[i].sum()
    total += (problem.penalties.unserved_energy or 0.0) * answer.unserved_mw.sum()
    total += (problem.penalties.oversupply or 0.0) * answer.oversupply_mw.sum()
    short = answer.reserve_short_mw.copy()
    for mw, price in problem.penalties.reserve_shortfall:
        total += price * np.minimum(short, mw).sum()
        short -= np.minimum(short, mw)
    assert answer.objective == pytest.approx(total, rel=1e-6, abs=1e-3)
    assert answer.bound <= answer.objective + 1e-6 * abs(answer.objective)


# --- random tiny markets -------------------------------------------------------------------------------------------------


def unit_of(draw, name: str) -> tuple[ThermalUnit, UnitState]:
    low = draw(st.sampled_from([0.0, 10.0, 30.0]))
    room = draw(st.sampled_from([20.0, 50.0]))
    points = [(low, draw(st.integers(0, 300)) * 1.0)]
    slopes = sorted(draw(st.lists(st.integers(1, 60), min_size=1, max_size=2)))
    for k, slope in enumerate(slopes):
        step = room / len(slopes)
        points.append((low + room if k == len(slopes) - 1 else points[-1][0] + step, points[-1][1] + slope * step))
    down = draw(st.integers(1, 3))
    hot = draw(st.integers(0, 300))
    tiers = [(down, hot * 1.0)]
    if draw(st.booleans()):
        tiers.append((down + draw(st.integers(1, 2)), hot + draw(st.integers(0, 400)) * 1.0))
    ramps = [draw(st.sampled_from([8.0, 15.0, 30.0, np.inf])) for _ in range(2)]
    soft = [low + draw(st.sampled_from([0.0, 5.0, 25.0, np.inf])) for _ in range(2)]
    on = draw(st.booleans())
    state = UnitState(on, draw(st.integers(1, 4)), low + room * draw(st.sampled_from([0.0, 0.5])) if on else 0.0)
    held = draw(st.sampled_from([5.0, np.inf]))
    return ThermalUnit(name, low, low + room, tuple(points), tuple(tiers), draw(st.integers(1, 3)), down, *ramps, *soft, False, held), state


@st.composite
def markets(draw) -> CommitmentProblem:
    count, hours = draw(st.sampled_from([(1, 5), (2, 3), (2, 4)]))
    pairs = [unit_of(draw, f"u{k}") for k in range(count)]
    demand = np.array(draw(st.lists(st.integers(0, 120), min_size=hours, max_size=hours)), dtype=float)
    reserve = np.array(draw(st.lists(st.integers(0, 25), min_size=hours, max_size=hours)), dtype=float) if draw(st.booleans()) else None
    wind = Renewable("wind", np.zeros(hours), np.full(hours, 15.0), draw(st.sampled_from([0.0, -3.0])))
    stores = (Storage("s", 10.0, 12.0, 20.0, 6.0, 0.9, 0.8, 4.0, 1.0, draw(st.booleans())),) if draw(st.booleans()) else ()
    hydro = (EnergyLimited("h", np.zeros(hours), np.full(hours, 9.0), 11.0, 0.0, 2.0, draw(st.booleans())),) if draw(st.booleans()) else ()
    availability = None
    if draw(st.booleans()):
        availability = np.array([[u.power_output_maximum] * hours for u, _ in pairs])
        availability[0, draw(st.integers(0, hours - 1))] *= draw(st.sampled_from([0.0, 0.7]))
    penalties = Penalties(900.0, 100.0, ((5.0, 50.0), (np.inf, 400.0)))
    units, states = tuple(u for u, _ in pairs), tuple(s for _, s in pairs)
    return CommitmentProblem(demand, units, states, reserve, (wind,), stores, hydro, availability, penalties)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(problem=markets())
def test_optimum_is_that_of_enumeration(problem):
    """Objective and bound at gap 0 equal the least cost over all patterns; where none is allowed, the solver says so."""
    from models._kernel.grid.network import GridError

    best = least_cost(problem)
    if best is None:
        with pytest.raises(GridError, match="feasible"):
            solve_commitment(problem, relative_gap=1e-7)
        return
    answer = solve_commitment(problem, relative_gap=1e-7)
    check(problem, answer)
    assert answer.objective == pytest.approx(best, rel=1e-5, abs=0.01)
    assert answer.bound == pytest.approx(best, rel=1e-5, abs=0.01)


def test_a_relaxation_far_below_the_optimum_is_still_proven():
    """The gap is many orders of magnitude below the distance from relaxation to optimum: 1.30 against 3, two hours of no-load cost and 1 MWh."""
    unit = ThermalUnit("u", 0.0, 20.0, ((0.0, 1.0), (20.0, 21.0)), ((1, 0.0),), 1, 1, 8.0, 8.0, 0.0, 0.0)
    wind = Renewable("wind", np.zeros(5), np.full(5, 15.0), 0.0)
    demand = np.array([0.0, 0.0, 0.0, 0.0, 16.0])
    problem = CommitmentProblem(demand, (unit,), (UnitState(False, 1, 0.0),), renewables=(wind,), penalties=Penalties(900.0, 100.0))
    answer = solve_commitment(problem, relative_gap=1e-7)
    assert answer.objective == pytest.approx(3.0)
    assert answer.bound == pytest.approx(3.0)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(problem=markets(), gap=st.sampled_from([1e-4, 0.02, 0.3]))
def test_answers_keep_every_rule(problem, gap):
    """At any gap the answer is feasible, costs what it says and lies within the gap it reports."""
    from models._kernel.grid.network import GridError

    try:
        answer = solve_commitment(problem, relative_gap=gap)
    except GridError:
        assert least_cost(problem) is None
        return
    check(problem, answer)
    assert answer.gap <= gap + 1e-7


def test_a_chain_of_days_keeps_every_rule():
    """Minimum times and ramps hold across the seam of two horizons, and a day is the same whatever was solved before."""
    first = market_day(0)
    answer = solve_commitment(first, relative_gap=0.01)
    check(first, answer)
    for day in (1, 2):
        problem = market_day(day).with_state(roll(first, answer, 24))
        again, answer = (solve_commitment(problem, relative_gap=0.01) for _ in range(2))
        check(problem, answer)
        assert np.array_equal(again.on, answer.on)
        assert np.array_equal(again.output_mw, answer.output_mw)
        first = problem


# --- cutting planes --------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, derandomize=True)
@given(problem=markets(), seed=st.integers(0, 2**16))
def test_cuts_exclude_no_commitment(problem, seed):
    """With every cut that is found, also at points that are not the relaxed one, each switching pattern costs what it cost without."""
    model = build_model(problem)
    relaxed = linear(model.programme, model.programme.lower, model.programme.upper)
    if relaxed is None:
        return
    programme = model.programme
    for price in (programme.cost, programme.cost * np.random.default_rng(seed).uniform(0.2, 3.0, len(programme.cost))):
        tight, _ = strengthened(replace(programme, cost=price), capacity_rows(problem, model))
        programme = replace(tight, cost=programme.cost)
    choices = [list(itertools.product((False, True), repeat=problem.n_hours)) for _ in problem.units]
    rng = np.random.default_rng(seed)
    for _ in range(25):
        on = np.array([options[rng.integers(len(options))] for options in choices])
        bounds = fixed_bounds(model, on)
        free, cut = linear(model.programme, *bounds), linear(programme, *bounds)
        assert (free is None) == (cut is None), on
        if free is not None and cut is not None:
            assert cut.objective == pytest.approx(free.objective, rel=1e-7, abs=1e-4), on


def test_cuts_close_the_gap_of_a_need_that_is_no_multiple_of_a_unit():
    """60 MW from units of 50 MW: the relaxation starts 1.2 of them, two are needed. Rounding alone gives the optimum as the bound."""
    units = tuple(ThermalUnit(f"u{k}", 0.0, 50.0, ((0.0, 0.0), (50.0, 50.0)), ((1, 100.0),), 1, 1) for k in range(3))
    problem = CommitmentProblem(np.array([60.0]), units, tuple(UnitState(False, 5, 0.0) for _ in units))
    model = build_model(problem)
    plain = linear(model.programme, model.programme.lower, model.programme.upper)
    assert plain is not None
    assert plain.objective == pytest.approx(60.0 + 120.0)
    assert strengthened(model.programme, capacity_rows(problem, model))[1].objective == pytest.approx(60.0 + 200.0)
    answer = solve_commitment(problem, relative_gap=1e-6)
    assert answer.objective == pytest.approx(260.0)


# --- prices of switches ----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, derandomize=True)
@given(problem=markets(), seed=st.integers(0, 2**16), cut=st.booleans())
def test_no_commitment_is_cheaper_than_its_dearest_switch(problem, seed, cut):
    """Relaxation plus the extra cost of a switch is at most what a commitment with that switch costs, and at least what reduced costs say."""
    model = build_model(problem)
    programme, relaxed = model.programme, linear(model.programme, model.programme.lower, model.programme.upper)
    if relaxed is None:
        return
    if cut:
        programme, relaxed = strengthened(programme, capacity_rows(problem, model))
    assert len(relaxed.dual) == len(programme.row_lower)
    whole = programme.whole
    extra = extra_costs(programme, relaxed, owners(model), whole, np.inf)[:, whole]
    value, reduced, free = relaxed.column[whole], relaxed.reduced[whole], (programme.lower < programme.upper)[whole]
    for side in (0, 1):
        least = np.abs(reduced) * np.abs(value - side)
        assert (extra[side] >= least - 1e-6 * (1.0 + least))[free].all()
        assert (extra[side][~free] == 0.0).all()
    rng = np.random.default_rng(seed)
    for _ in range(25):
        on = rng.random(model.layout.on.shape) < rng.choice([0.2, 0.5, 0.9])
        least, most = fixed_bounds(model, on)
        answer = linear(model.programme, least, most)
        if answer is None or (least < programme.lower)[whole].any() or (most > programme.upper)[whole].any():
            continue
        chosen = least[whole].astype(int)
        dearest = extra[chosen, np.arange(len(whole))].max()
        assert relaxed.objective + dearest <= answer.objective + 1e-6 * (1.0 + abs(answer.objective)), on


def test_a_switch_costs_the_run_that_it_begins():
    """The peaker is 30 dearer a MWh at 10 MW and starts for 20: on in hour t of three with three hours to run, it pays to the end."""
    base = ThermalUnit("base", 20.0, 100.0, ((20.0, 200.0), (100.0, 1000.0)), ((2, 50.0),), 1, 1)
    peak = ThermalUnit("peak", 10.0, 60.0, ((10.0, 400.0), (60.0, 3400.0)), ((1, 20.0),), 3, 1)
    problem = CommitmentProblem(np.full(3, 60.0), (base, peak), (UnitState(True, 10, 60.0), UnitState(False, 10)))
    model = build_model(problem)
    relaxed = linear(model.programme, model.programme.lower, model.programme.upper)
    assert relaxed is not None
    asked = model.layout.on.ravel()
    extra = extra_costs(model.programme, relaxed, owners(model), asked, np.inf)
    assert extra[1][model.layout.on[1]] == pytest.approx([920.0, 620.0, 320.0])
    assert extra[0][model.layout.on[1]] == pytest.approx(0.0)
    capped = extra_costs(model.programme, relaxed, owners(model), asked, 100.0)
    assert (capped[1][model.layout.on[1]] > 100.0).all()


# --- PGLib-UC ------------------------------------------------------------------------------------------------------------


def instance(name: str) -> CommitmentProblem:
    folder = pglib_folder()
    if folder is None or not (folder / f"{name}.json.zst").is_file():
        pytest.skip(f"pglib_uc/{name}.json.zst is absent; set DESK_DATA_DIR")
    return read_pglib(folder / f"{name}.json.zst")


@pytest.mark.data
def test_rts_gmlc_within_two_percent_of_the_bound():
    problem = instance("rts_gmlc__2020-07-06")
    answer = solve_commitment(problem, relative_gap=0.02)
    check(problem, answer)
    assert answer.gap <= 0.02


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", ["ca__2014-09-01_reserves_0", "ca__2014-12-01_reserves_0"])
def test_ca_within_a_thousandth_of_the_bound(name):
    problem = instance(name)
    answer = solve_commitment(problem, relative_gap=1e-3)
    check(problem, answer)
    assert answer.gap <= 1e-3
