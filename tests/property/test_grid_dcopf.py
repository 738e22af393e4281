"""DC optimal power flow on random grids: equal to a program in angles, certified, cost rises with load, secure against contingencies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from models._kernel.grid.dcopf import DcOpf
from models._kernel.grid.network import Branches, Buses, CostCurves, Generators, Network
from models._kernel.grid.opf_types import OpfCase, OpfOptions
from models._kernel.grid.sensitivities import Sensitivities

OPTIONS = OpfOptions(unserved_price=3000.0, oversupply_price=500.0, relaxation_price=8000.0)


def random_network(seed: int, *, smooth: bool, tightness: float) -> Network:
    """A ring with chords, generators of distinct prices, ratings from loose to tight."""
    rng = np.random.default_rng(seed)
    n, chords, g = int(rng.integers(3, 16)), int(rng.integers(0, 12)), int(rng.integers(2, 9))
    ends = [(i, (i + 1) % n) for i in range(n)] + [tuple(rng.choice(n, 2, replace=False)) for _ in range(chords)]
    a, b = (np.array(side, dtype=np.int64) for side in zip(*ends, strict=True))
    m = len(a)
    load = rng.uniform(0, 60, n)
    size = rng.uniform(0.3, 1.0, g)
    size *= rng.uniform(1.05, 2.0) * load.sum() / size.sum()
    cost = CostCurves(rng.uniform(0, 50, g), rng.uniform(5, 80, g), rng.uniform(0.005, 0.3, g) * smooth)
    rating = rng.uniform(0.2, 1.5, m) * load.sum() * tightness
    zeros = np.zeros(n)
    return Network(
        "random", 100.0,
        Buses(np.arange(n), tuple(f"b{i}" for i in range(n)), np.zeros(n, dtype=np.int64), zeros, load, zeros),
        Branches(tuple(f"l{i}" for i in range(m)), a, b, rng.uniform(0.01, 0.4, m), rng.uniform(0.95, 1.05, m),
                 rng.uniform(-0.05, 0.05, m) * (rng.random(m) < 0.2), rating, rating * 1.2),
        Generators(tuple(f"g{i}" for i in range(g)), rng.integers(0, n, g), zeros[:0].sum() + np.zeros(g), size, np.full(g, np.inf), cost),
        reference_bus=int(rng.integers(0, n)),
    )  # fmt: skip


def angles_program(network: Network, slope: np.ndarray) -> tuple[float, np.ndarray]:
    """Optimum with linear costs over outputs, angles, and the same priced slacks; dense and written out."""
    n, g, m = network.n_buses, network.n_generators, network.n_branches
    lines = network.branches
    b = network.base_mva / (lines.reactance_pu * lines.tap)
    a = np.zeros((m, n))
    a[np.arange(m), lines.from_bus] += 1
    a[np.arange(m), lines.to_bus] -= 1
    flow, offset = b[:, None] * a, b * lines.shift_rad
    share = network.buses.load_mw / network.buses.load_mw.sum()
    place = np.zeros((n, g))
    place[network.generators.bus, np.arange(g)] = 1
    balance = np.hstack((place, share[:, None], -share[:, None], -(a.T @ flow), np.zeros((n, m))))
    zeros = np.zeros((m, g + 2))
    cost = np.concatenate((slope, [OPTIONS.unserved_price, OPTIONS.oversupply_price], np.zeros(n), np.full(m, OPTIONS.relaxation_price)))
    bounds = [*zip(network.generators.p_min_mw, network.generators.p_max_mw, strict=True), (0, None), (0, None)]
    bounds += [(0, 0) if i == network.reference_bus else (None, None) for i in range(n)] + [(0, None)] * m
    limits = np.vstack((np.hstack((zeros, flow, -np.eye(m))), np.hstack((zeros, -flow, -np.eye(m)))))
    right = np.concatenate((lines.rating_mw + offset, lines.rating_mw - offset))
    found = linprog(cost, limits, right, balance, network.buses.load_mw - a.T @ offset, bounds, method="highs-ds")
    assert found.status == 0
    return found.fun, found.eqlin.marginals


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6), smooth=st.booleans(), tightness=st.floats(0.05, 1.0))
def test_equals_the_program_in_angles(seed, smooth, tightness):
    network = random_network(seed, smooth=smooth, tightness=tightness)
    result = DcOpf(network, OPTIONS).solve(OpfCase())
    assert result.residual.worst < 1e-6
    identity = result.energy + result.binding.shadow_price @ result.binding.sensitivity
    np.testing.assert_allclose(result.lmp, identity, rtol=0, atol=1e-8)
    cost = network.generators.cost
    slope = cost.linear + 2 * cost.quadratic * result.p_mw
    value, _ = angles_program(network, slope)
    penalties = OPTIONS.unserved_price * result.unserved_mw.sum() + OPTIONS.oversupply_price * result.oversupply_mw.sum()
    penalties += OPTIONS.relaxation_price * result.binding.excess_mw.sum()
    assert slope @ result.p_mw + penalties == pytest.approx(value, rel=1e-6)
    assert result.objective == pytest.approx(cost.total(result.p_mw) + penalties, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), smooth=st.booleans(), growth=st.floats(0.001, 0.2))
def test_cost_rises_with_load_and_prices_are_its_slope(seed, smooth, growth):
    network = random_network(seed, smooth=smooth, tightness=0.6)
    network = replace(network, branches=replace(network.branches, shift_rad=np.zeros(network.n_branches)))
    solver, load = DcOpf(network, OPTIONS), network.buses.load_mw
    first = solver.solve(OpfCase())
    second = solver.solve(OpfCase(load_mw=load * (1 + growth)))
    # The optimal cost is convex in load, so prices are subgradients on both sides; scaling load alone never saves money from zero minima.
    assert second.objective >= first.objective - 1e-6
    assert second.objective >= first.objective + growth * first.lmp @ load - 1e-5 * (1 + abs(first.objective))
    assert first.objective >= second.objective - growth * second.lmp @ load - 1e-5 * (1 + abs(first.objective))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), smooth=st.booleans())
def test_secured_dispatch_survives_each_contingency_by_new_factorisation(seed, smooth):
    network = random_network(seed, smooth=smooth, tightness=0.5)
    asked = tuple(range(network.n_branches))
    result = DcOpf(network, OPTIONS).solve(OpfCase(contingencies=asked))
    assert result.residual.worst < 1e-6
    relaxed = {
        (b, k) for b, k, e in zip(result.binding.branch, result.binding.contingency, result.binding.excess_mw, strict=True) if e > 1e-7
    }
    share = network.buses.load_mw / network.buses.load_mw.sum()
    shed = result.unserved_mw.sum() - result.oversupply_mw.sum()
    injection = np.bincount(network.generators.bus, result.p_mw, network.n_buses) - network.buses.load_mw + share * shed
    for lost in sorted(set(asked) - set(result.unsecured)):
        over = np.abs(Sensitivities(network, [lost]).flows(injection)) - network.branches.emergency_mw
        assert all((int(b), lost) in relaxed for b in np.flatnonzero(over > 1e-5))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), smooth=st.booleans(), tightness=st.floats(0.2, 1.0))
def test_the_path_does_not_matter(seed, smooth, tightness):
    network = random_network(seed, smooth=smooth, tightness=tightness)
    rng, solver = np.random.default_rng(seed + 1), DcOpf(network, OPTIONS)
    for _ in range(5):
        case = OpfCase(load_mw=network.buses.load_mw * rng.uniform(0.6, 1.2, network.n_buses))
        along, alone = solver.solve(case), DcOpf(network, OPTIONS).solve(case)
        assert along.objective == pytest.approx(alone.objective, rel=1e-9, abs=1e-6)
        np.testing.assert_allclose(along.p_mw, alone.p_mw, rtol=0, atol=1e-5)
