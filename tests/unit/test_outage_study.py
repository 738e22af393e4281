"""Outage studies: each scenario is the optimum of the changed network, whatever was asked before; requests say what is wrong."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models._kernel.grid.cases import load_case
from models._kernel.grid.dcopf import DcOpf
from models._kernel.grid.network import GridError
from models._kernel.grid.opf_types import OpfCase
from models._kernel.grid.outage_study import Outage, OutageStudy
from models._kernel.grid.recovery import correlation
from models._kernel.grid.sensitivities import Sensitivities
from models._kernel.grid.topology import islands
from pipeline_tasks.scorecard.outage_events import rated
from pipeline_tasks.simulate.market_case import MarketCase
from pipeline_tasks.simulate.outages import Request, interval_rows
from pipeline_tasks.simulate.requests import RequestError, requested
from pipeline_tasks.simulate.sensitivities import sensitivities


@lru_cache(maxsize=2)
def network(name="case118"):
    return rated(load_case(name))


@lru_cache(maxsize=1)
def study():
    return OutageStudy(network())


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 185), min_size=1, max_size=3, unique=True))
def test_an_outage_is_the_optimum_of_the_network_without_the_branches(lost):
    impact = study().impact(Outage("", tuple(lost)))
    fresh = DcOpf(network().without_branches(np.array(lost))).solve(OpfCase())
    assert impact.result.certified
    assert impact.result.objective == pytest.approx(fresh.objective, rel=1e-8)
    assert impact.split or np.allclose(impact.result.lmp, fresh.lmp, atol=1e-6), "a part without load has no price of its own"
    assert impact.split == (int(islands(network(), lost).max()) > 0)
    assert np.all(impact.result.flow_mw[lost] == 0)


def test_scenarios_do_not_depend_on_their_order():
    outages = [Outage(str(k), (k,)) for k in (3, 50, 90, 7, 120)]
    there = [i.result.lmp for i in study().impacts(outages)]
    back = [i.result.lmp for i in study().impacts(reversed(outages))][::-1]
    assert np.allclose(there, back, atol=1e-9)
    assert np.allclose(study().impact(Outage("none")).change, 0.0, atol=1e-9)


def test_derates_and_units_change_limits_and_ranges():
    tight = int(study().base.binding.branch[0])
    derated = study().impact(Outage("", derates={tight: 0.5}))
    assert abs(derated.result.flow_mw[tight]) <= 0.5 * network().branches.rating_mw[tight] + 1e-6
    assert derated.cost > 0
    largest = int(np.argmax(study().base.p_mw))
    gone = study().impact(Outage("", units={largest: 0.0}))
    assert gone.result.p_mw[largest] == 0.0
    assert gone.cost > 0


def test_what_cannot_be_simulated_is_said():
    with pytest.raises(GridError, match="give positions from 0 to 185"):
        study().impact(Outage("", (500,)))
    with pytest.raises(GridError, match=r"1\.5 of its capacity left"):
        study().impact(Outage("", derates={3: 1.5}))
    with pytest.raises(GridError, match="has no rating that could be derated"):
        OutageStudy(network().with_ratings(np.full(network().n_branches, np.inf))).impact(Outage("x", derates={0: 0.5}))
    with pytest.raises(GridError, match="call solve first"):
        DcOpf(network()).mark()


def test_requests_name_elements_and_batches_put_rows_of_a_scenario_together(tmp_path):
    names, units = network().branches.names, network().generators.names
    asked = requested(network(), lines=(names[0], f"{names[1]}+{names[2]}"), units=(units[4],))
    assert [(o.name, o.branches, dict(o.units)) for o in asked] == [
        (names[0], (0,), {}), (f"{names[1]}+{names[2]}", (1, 2), {}), (units[4], (), {4: 0.0}),
    ]  # fmt: skip
    assert len(requested(network(), lines=("all",))) == network().n_branches
    path = tmp_path / "many.csv"
    path.write_text(
        f"scenario,kind,element,available_share\nstorm,branch,{names[0]},\nstorm,branch,{names[5]},0.5\nstorm,unit,{units[1]},0.25\n"
    )
    (storm,) = requested(network(), batch=path)
    assert (storm.branches, dict(storm.derates), dict(storm.units)) == ((0,), {5: 0.5}, {1: 0.25})


def test_wrong_requests_say_where_and_what_there_is(tmp_path):
    near = network().branches.names[0]
    with pytest.raises(RequestError, match=f"has no branch '{near}x'; it has"):
        requested(network(), lines=(f"{near}x",))
    with pytest.raises(RequestError, match="asked twice"):
        requested(network(), lines=(near, near))
    with pytest.raises(RequestError, match="no scenario was asked for"):
        requested(network())
    path = tmp_path / "bad.csv"
    path.write_text(f"scenario,kind,element,available_share\na,branch,{near},2\n,branch,{near},0\nb,line,{near},0\nc,unit,nowhere,0\n")
    with pytest.raises(RequestError, match=r"line 2.*'2'.*line 3.*scenario ''.*line 4.*'line'.*line 5.*no unit 'nowhere'"):
        requested(network(), batch=path)
    path.write_text("name,element\na,b\n")
    with pytest.raises(RequestError, match="lacks column"):
        requested(network(), batch=path)


def test_rows_hold_every_node_and_the_limits_by_name():
    asked = requested(network(), lines=network().branches.names[:3])
    found = interval_rows(MarketCase(network(), OpfCase()), asked)
    assert found["outage_impacts"].height == 3 * network().n_buses
    assert found["outage_scenarios"]["is_certified"].all()
    assert set(found["outage_constraints"]["branch"]) <= set(network().branches.names)
    assert (found["outage_constraints"]["shadow_price_ccy_per_mwh"] > 0).all()


def test_an_answer_that_is_the_same_everywhere_has_no_correlation():
    assert correlation(np.zeros(4), np.arange(4.0)) == 0.0
    assert correlation(2 * np.arange(4.0) + 1, np.arange(4.0)) == pytest.approx(1.0)


def test_a_flow_outside_the_dispatch_takes_room_from_its_branch():
    """25 MW more on a binding branch: as if its rating were 25 MW lower, solved from nothing."""
    tight = int(study().base.binding.branch[0])
    name, rating = network().branches.names[tight], network().branches.rating_mw.copy()
    answer = sensitivities(MarketCase(network(), OpfCase()), {name: 25.0})
    rating[tight] -= 25.0
    fresh = DcOpf(network().with_ratings(rating, rating)).solve(OpfCase())
    assert answer.certified
    assert np.allclose(answer.prices["price_after_ccy_per_mwh"].to_numpy(), fresh.lmp, atol=1e-6)
    assert answer.prices["price_change_ccy_per_mwh"].abs().max() > 0
    assert np.allclose(answer.factors["ptdf"].to_numpy(), Sensitivities(network()).ptdf([tight])[0])


def test_the_topology_signal_counts_before_and_after():
    names = network().branches.names
    answer = sensitivities(MarketCase(network(), OpfCase()), {names[10]: 1.0}, out=(names[3],))
    assert np.allclose(answer.factors["ptdf"].to_numpy(), Sensitivities(network()).without([3]).ptdf([10])[0])
    assert np.allclose(answer.prices["price_before_ccy_per_mwh"].to_numpy(), study().impact(Outage("", (3,))).result.lmp, atol=1e-6)
    with pytest.raises(RequestError, match="no flow change is given"):
        sensitivities(MarketCase(network(), OpfCase()), {})


@pytest.mark.parametrize("text", ["25", "{12: 3}", '{"a": "much"}', "[1]"])
def test_flow_changes_that_are_no_json_object_are_said(text):
    from pipeline_tasks.cli.simulate import _changes

    with pytest.raises(ValueError, match="give a JSON object of branches and MW"):
        _changes(text)
    assert _changes('{"1-2": 25}') == {"1-2": 25.0}


def test_a_name_that_cannot_be_part_of_a_run_is_refused():
    with pytest.raises(RequestError, match="simulation name 'a:b'"):
        Request("twin", date(2026, 6, 15), name="a:b")
