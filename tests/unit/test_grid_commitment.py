"""Unit commitment: hand-made cases, faults, rolling, outages, determinism."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models._kernel.grid.commitment import roll, solve_commitment, startup_costs, validate_commitment
from models._kernel.grid.commitment_types import (
    CommitmentProblem,
    EnergyLimited,
    Penalties,
    Renewable,
    Storage,
    ThermalUnit,
    UnitState,
)
from models._kernel.grid.network import GridError
from pipeline_tasks.bench.pglib_uc import market_day

BASE = ThermalUnit("base", 20.0, 100.0, ((20.0, 200.0), (100.0, 1000.0)), ((2, 50.0), (4, 300.0)), 3, 2)
PEAK = ThermalUnit("peak", 10.0, 60.0, ((10.0, 400.0), (60.0, 3400.0)), ((1, 20.0),))
STATES = (UnitState(True, 10, 50.0), UnitState(False, 10))


def problem(demand, units=(BASE, PEAK), states=STATES, **more) -> CommitmentProblem:
    return CommitmentProblem(np.array(demand, dtype=float), units, states, **more)


def test_cheapest_commitment_by_hand():
    """The peaker runs in the one hour the base unit cannot cover; costs add up."""
    answer = solve_commitment(problem([60, 120, 60]), relative_gap=1e-6)
    assert answer.on.tolist() == [[True, True, True], [False, True, False]]
    assert answer.output_mw.tolist() == pytest.approx(np.array([[60, 100, 60], [0, 20, 0]]))
    assert answer.objective == pytest.approx(600 + 1000 + 600 + 1000 + 20)
    assert answer.energy_price == pytest.approx([10.0, 60.0, 10.0])
    assert answer.gap <= 1e-6
    assert answer.start[1].tolist() == [False, True, False]


def test_start_up_costs_follow_the_hours_off():
    """Two hours off is hot, four hours off is cold, also when the unit was off before the horizon."""
    on = np.array([[False, False, True, True, True, False, False, True], [False] * 8])
    asked = problem([0] * 8, states=(UnitState(True, 10, 50.0), UnitState(False, 10)))
    assert startup_costs(asked, on)[0].tolist() == [0, 0, 50, 0, 0, 0, 0, 50]
    cold = replace(asked, state=(UnitState(False, 2), UnitState(False, 10)))
    assert startup_costs(cold, on)[0].tolist() == [0, 0, 300, 0, 0, 0, 0, 50]


def test_reserve_is_held_and_priced():
    """With 70 MW of reserve on top of 60 MW of demand the peaker must be on; a shortfall is bought where it is cheaper."""
    held = solve_commitment(problem([60], reserve_mw=np.array([70.0])), relative_gap=1e-6)
    assert held.on.all()
    assert held.reserve_mw.sum() >= 70.0 - 1e-6
    cheap = Penalties(reserve_shortfall=((np.inf, 5.0),))
    bought = solve_commitment(problem([60], reserve_mw=np.array([70.0]), penalties=cheap), relative_gap=1e-6)
    assert not bought.on[1, 0]
    assert bought.reserve_short_mw == pytest.approx([30.0])
    assert bought.reserve_price == pytest.approx([5.0])


def test_too_little_capacity_is_unserved_at_its_price_or_refused():
    answer = solve_commitment(problem([200], penalties=Penalties(unserved_energy=3000.0)), relative_gap=1e-6)
    assert answer.unserved_mw == pytest.approx([40.0])
    assert answer.energy_price == pytest.approx([3000.0])
    with pytest.raises(GridError, match="give Penalties"):
        solve_commitment(problem([200]))


def test_an_outage_beats_minimum_time_and_must_run():
    """Out in hour 1: off there whatever was promised, and back only after the minimum down time."""
    unit = replace(BASE, must_run=True, ramp_shutdown_limit=20.0)
    available = np.array([[100.0, 0.0, 100.0, 100.0], [60.0] * 4])
    asked = problem([50] * 4, units=(unit, PEAK), states=(UnitState(True, 1, 50.0), UnitState(False, 5)), availability_mw=available)
    answer = solve_commitment(asked, relative_gap=1e-6)
    assert answer.on[0].tolist() == [True, False, False, True]
    assert answer.on[1].tolist() == [False, True, True, False]
    derated = solve_commitment(replace(asked, availability_mw=np.array([[100.0, 30.0, 30.0, 100.0], [60.0] * 4])), relative_gap=1e-6)
    assert derated.output_mw[0].tolist() == pytest.approx([50.0, 30.0, 30.0, 50.0])


def test_storage_moves_energy_and_hydro_keeps_its_budget():
    store = Storage("store", 20.0, 20.0, 40.0, 0.0, 0.9, 1.0)
    river = EnergyLimited("river", np.zeros(3), np.full(3, 30.0), 30.0)
    wind = Renewable("wind", np.zeros(3), np.array([0.0, 30.0, 0.0]))
    answer = solve_commitment(problem([60, 60, 140], storage=(store,), hydro=(river,), renewables=(wind,)), relative_gap=1e-6)
    assert answer.hydro_mw.sum() <= 30.0 + 1e-6
    assert answer.discharge_mw[0, 2] > 0.0
    assert answer.energy_mwh[0] == pytest.approx(np.cumsum(0.9 * answer.charge_mw[0] - answer.discharge_mw[0]), abs=1e-6)
    assert not answer.on[1].any()


def test_rolling_carries_time_output_and_content():
    store = Storage("store", 20.0, 20.0, 40.0, 10.0)
    asked = problem([60, 120, 60, 60], storage=(store,), reserve_mw=np.full(4, 55.0))
    answer = solve_commitment(asked, relative_gap=1e-6)
    state = roll(asked, answer, 4)
    assert state.units[0] == UnitState(True, 14, pytest.approx(answer.output_mw[0, 3]))
    last = answer.on[1]
    assert state.units[1].on == bool(last[-1])
    assert state.units[1].hours == (10 + 4 if not last.any() else int(np.argmax(last[::-1] != last[-1])) or 4)
    assert state.storage_mwh == pytest.approx((answer.energy_mwh[0, 3],))
    assert asked.with_state(state).storage[0].initial_mwh == state.storage_mwh[0]
    with pytest.raises(GridError, match="hours is 5; give 1 to 4"):
        roll(asked, answer, 5)


def test_same_problem_same_answer_and_a_start_does_not_break_the_gap():
    day = market_day(3)
    one, two = solve_commitment(day, relative_gap=0.01), solve_commitment(day, relative_gap=0.01)
    assert np.array_equal(one.output_mw, two.output_mw)
    given = solve_commitment(day, relative_gap=0.01, start=one)
    assert np.array_equal(given.on, one.on)
    assert given.gap <= 0.01
    with pytest.raises(GridError, match="start has shape"):
        solve_commitment(day, start=one.on[:, :5])


def test_faults_are_listed_together():
    broken = replace(BASE, time_up_minimum=0, ramp_startup_limit=5.0, piecewise_production=((20.0, 0.0), (60.0, 900.0), (100.0, 950.0)))
    asked = problem([60, np.nan], units=(broken, replace(PEAK, name="base")), states=(UnitState(True, 0, 150.0), UnitState(False, 3, 7.0)))
    with pytest.raises(GridError) as caught:
        validate_commitment(asked)
    text = str(caught.value)
    for part in (
        "demand_mw is not finite in hour 1",
        "name 'base' is used 2 times",
        "time_up_minimum is 0; give 1 hour or more",
        "ramp_startup_limit is 5.0 MW; give at least the minimum output 20.0",
        "piecewise_production is not convex",
        "state.hours is 0",
        "is on with state.output_mw 150.0; give 20.0 to 100.0",
        "is off with state.output_mw 7.0; give 0",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reserve_mw": np.zeros(3)}, "reserve_mw has shape"),
        ({"availability_mw": np.zeros((1, 1))}, "availability_mw has shape"),
        ({"storage": (Storage("s", 1.0, 1.0, 5.0, 9.0),)}, "initial_mwh is 9.0; give 0 to 5.0"),
        ({"storage": (Storage("s", 1.0, 1.0, 5.0, 1.0, 1.2),)}, "efficiencies 1.2"),
        ({"hydro": (EnergyLimited("h", np.full(1, 9.0), np.full(1, 9.0), 5.0),)}, "minimum output takes 9 MWh"),
        ({"renewables": (Renewable("w", np.full(1, 3.0), np.full(1, 2.0)),)}, "range 3.0 to 2.0 MW in hour 0"),
        ({"penalties": Penalties(unserved_energy=-1.0)}, "penalties.unserved_energy is -1.0"),
        ({"state": (UnitState(True, 3, 50.0),)}, "state has 1 entries for 2 units"),
    ],
)
def test_each_fault_names_field_value_and_remedy(change, message):
    with pytest.raises(GridError, match=message):
        validate_commitment(replace(problem([60]), **change))
