"""Over random grids: sensitivities equal what a dense solution, a changed network and the laws of flow say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models._kernel.grid.network import Branches, Buses, CostCurves, Generators, GridError, Links, Network
from models._kernel.grid.sensitivities import Sensitivities
from models._kernel.grid.topology import bridges, islands, outage_effect
from models._kernel.grid.validate import validate_network

EXAMPLES = settings(max_examples=80, deadline=None)


@st.composite
def _networks(draw, *, connected: bool = True):
    """2 to 14 buses on a random tree plus up to 10 further branches, parallel ones too; taps and phase shifts on some."""
    n = draw(st.integers(2, 14))
    tree = [(draw(st.integers(0, k - 1)), k) for k in range(1, n)]
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda pair: pair[0] != pair[1])
    ends = np.array(tree + draw(st.lists(pairs, max_size=10)))
    if not connected:
        kept = draw(st.lists(st.booleans(), min_size=len(ends), max_size=len(ends)).filter(any))
        ends = ends[np.array(kept)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    m = len(ends)
    branches = Branches(
        names=tuple(f"B{k}" for k in range(m)),
        from_bus=ends[:, 0].astype(np.int64),
        to_bus=ends[:, 1].astype(np.int64),
        reactance_pu=rng.uniform(0.01, 0.5, m),
        tap=np.where(rng.random(m) < 0.3, rng.uniform(0.9, 1.1, m), 1.0),
        shift_rad=np.where(rng.random(m) < 0.3, rng.uniform(-0.2, 0.2, m), 0.0),
        rating_mw=rng.uniform(10, 500, m),
        emergency_mw=np.full(m, 600.0),
    )
    names = tuple(f"N{k}" for k in range(n))
    zero = np.zeros(n)
    buses = Buses(np.arange(n) + 1, names, np.ones(n, dtype=np.int64), zero, rng.uniform(0, 90, n), zero)
    cost = CostCurves(
        np.zeros(2),
        np.array([10.0, 0.0]),
        np.zeros(2),
        np.array([1, 1]),
        np.array([0.0, 50.0]),
        np.array([50.0, 50.0]),
        np.array([5.0, 9.0]),
    )
    generators = Generators(("G1", "G2"), rng.integers(0, n, 2), np.zeros(2), np.full(2, 100.0), np.full(2, np.inf), cost)
    link = Links(("L1",), np.array([0]), np.array([n - 1]), np.zeros(1), np.full(1, 50.0), np.zeros(1), np.zeros(1))
    return Network("random", 100.0, buses, branches, generators, link, reference_bus=int(rng.integers(0, n)))


def _injection(network: Network, seed: int) -> np.ndarray:
    """Random injections that leave nothing over in any island."""
    net = np.random.default_rng(seed).normal(size=network.n_buses) * 80
    labels = islands(network)
    return net - (np.bincount(labels, net) / np.bincount(labels))[labels]


def _dense_ptdf(network: Network) -> np.ndarray:
    """From the pseudo-inverse of the full susceptance matrix, referred to the reference bus."""
    b, n, m = network.branches, network.n_buses, network.n_branches
    across = np.zeros((m, n))
    across[np.arange(m), b.from_bus], across[np.arange(m), b.to_bus] = 1.0, -1.0
    weight = across / (b.reactance_pu * b.tap)[:, None]
    free = weight @ np.linalg.pinv(across.T @ weight)
    return free - free[:, [network.reference_bus]]


def _withdrawn(network: Network, flows: np.ndarray) -> np.ndarray:
    b, n = network.branches, network.n_buses
    return np.bincount(b.from_bus, flows, n) - np.bincount(b.to_bus, flows, n)


@EXAMPLES
@given(network=_networks())
def test_ptdf_equals_the_dense_solution(network):
    np.testing.assert_allclose(Sensitivities(network).ptdf(), _dense_ptdf(network), rtol=1e-9, atol=1e-9)


@EXAMPLES
@given(network=_networks(), seed=st.integers(0, 2**32 - 1))
def test_another_slack_moves_every_row_by_one_number(network, seed):
    sensitivities = Sensitivities(network)
    weights = np.random.default_rng(seed).uniform(0.1, 1, network.n_buses)
    plain, shared = sensitivities.ptdf(), sensitivities.ptdf(slack_weights=weights)
    assert np.ptp(plain - shared, axis=1).max() < 1e-9
    np.testing.assert_allclose(shared @ weights, 0, atol=1e-9)
    assert np.abs(plain[:, network.reference_bus]).max() == 0
    balanced = _injection(network, seed)
    np.testing.assert_allclose(plain @ balanced, shared @ balanced, atol=1e-7)


@EXAMPLES
@given(network=_networks(connected=False), seed=st.integers(0, 2**32 - 1))
def test_what_flows_into_a_bus_flows_out(network, seed):
    sensitivities = Sensitivities(network)
    balanced = _injection(network, seed)
    flows = sensitivities.flows(balanced)
    np.testing.assert_allclose(_withdrawn(network, flows), balanced, atol=1e-7)
    np.testing.assert_allclose(sensitivities.ptdf() @ balanced + sensitivities.shift_flow_mw, flows, atol=1e-7)
    # Around a loop the angle differences add up to nothing: flows follow from angles, with taps and shifts.
    b, angles = network.branches, sensitivities.angles(balanced)
    across = angles[b.from_bus] - angles[b.to_bus] - b.shift_rad
    np.testing.assert_allclose(flows, 100.0 * across / (b.reactance_pu * b.tap), atol=1e-7)


@EXAMPLES
@given(network=_networks(connected=False), seed=st.integers(0, 2**32 - 1))
def test_what_an_island_leaves_over_its_slack_takes_up(network, seed):
    sensitivities = Sensitivities(network)
    rng = np.random.default_rng(seed)
    net, weights = rng.normal(size=network.n_buses) * 80, rng.uniform(0.1, 1, network.n_buses)
    over = sensitivities.imbalance_mw(net)
    at_reference = net.copy()
    at_reference[sensitivities.references] -= over
    np.testing.assert_allclose(_withdrawn(network, sensitivities.flows(net)), at_reference, atol=1e-7)
    share = weights / np.bincount(sensitivities.islands, weights)[sensitivities.islands]
    np.testing.assert_allclose(_withdrawn(network, sensitivities.flows(net, weights)), net - share * over[sensitivities.islands], atol=1e-7)


@EXAMPLES
@given(network=_networks(), seed=st.integers(0, 2**32 - 1))
def test_lodf_equals_the_network_without_the_branch(network, seed):
    sensitivities, every = Sensitivities(network), np.arange(network.n_branches)
    balanced = _injection(network, seed)
    before, factors = sensitivities.flows(balanced), sensitivities.lodf(every, every)
    for lost in every:
        if sensitivities.splits([lost])[0]:
            assert np.isnan(factors[:, lost]).all()
            continue
        after = Sensitivities(network.without_branches(np.array([lost]))).flows(balanced)
        np.testing.assert_allclose(np.delete(before + factors[:, lost] * before[lost], lost), after, rtol=1e-7, atol=1e-6)
        assert factors[lost, lost] == -1


@EXAMPLES
@given(network=_networks(connected=False))
def test_bridges_are_the_branches_whose_loss_splits(network):
    whole = islands(network).max()
    splitting = [k for k in range(network.n_branches) if islands(network, [k]).max() > whole]
    assert bridges(network).tolist() == splitting
    assert [outage_effect(network, [k]).splits for k in range(network.n_branches)] == [k in splitting for k in range(network.n_branches)]


@EXAMPLES
@given(network=_networks(), data=st.data())
def test_outage_sets_equal_the_network_without_them(network, data):
    lost = data.draw(st.lists(st.integers(0, network.n_branches - 1), unique=True, min_size=1, max_size=4))
    sensitivities, rest = Sensitivities(network), np.setdiff1d(np.arange(network.n_branches), lost)
    fewer = Sensitivities(network.without_branches(np.array(lost)))
    after = sensitivities.without(lost)
    np.testing.assert_allclose(after.ptdf(rest), fewer.ptdf(), rtol=1e-7, atol=1e-7)
    assert np.abs(after.ptdf(lost)).max() == 0
    assert after.islands.tolist() == fewer.islands.tolist()
    if outage_effect(network, lost).splits:
        with pytest.raises(GridError, match="splits the network"):
            sensitivities.otdf(rest, lost)
        return
    np.testing.assert_allclose(sensitivities.otdf(rest, lost), fewer.ptdf(), rtol=1e-7, atol=1e-7)
    balanced = _injection(network, 5)
    before = sensitivities.flows(balanced)
    moved = before + sensitivities.outage_factors(np.arange(network.n_branches), lost) @ before[lost]
    np.testing.assert_allclose(moved, after.flows(balanced), rtol=1e-7, atol=1e-6)


@EXAMPLES
@given(network=_networks(connected=False), seed=st.integers(0, 2**32 - 1), step=st.floats(-0.5, 0.5))
def test_phase_shifts_move_flows_in_a_straight_line(network, seed, step):
    sensitivities, every = Sensitivities(network), np.arange(network.n_branches)
    balanced = _injection(network, seed)
    factors, before = sensitivities.psdf(every, every), sensitivities.flows(balanced)
    for shifter in every:
        shift = network.branches.shift_rad.copy()
        shift[shifter] += step
        moved = Sensitivities(replace(network, branches=replace(network.branches, shift_rad=shift))).flows(balanced)
        np.testing.assert_allclose(before + factors[:, shifter] * step, moved, rtol=1e-7, atol=1e-6)


def _put(array: np.ndarray, k: int, value: float) -> np.ndarray:
    changed = array.copy()
    changed[k] = value
    return changed


FAULTS = {
    "bus id .* used 2 times": lambda n: replace(n, buses=replace(n.buses, ids=_put(n.buses.ids, 0, n.buses.ids[1]))),
    "bus name 'N1': used 2 times": lambda n: replace(n, buses=replace(n.buses, names=("N1", *n.buses.names[1:]))),
    "bus N0: base_kv is -1": lambda n: replace(n, buses=replace(n.buses, base_kv=_put(n.buses.base_kv, 0, -1))),
    "bus N0: shunt_mw is inf": lambda n: replace(n, buses=replace(n.buses, shunt_mw=_put(n.buses.shunt_mw, 0, np.inf))),
    "branch B0: from_bus is position 99": lambda n: replace(n, branches=replace(n.branches, from_bus=_put(n.branches.from_bus, 0, 99))),
    "branch B0: from_bus and to_bus are the same": lambda n: replace(
        n, branches=replace(n.branches, from_bus=_put(n.branches.from_bus, 0, n.branches.to_bus[0]))
    ),
    "branch B0: reactance_pu is 0": lambda n: replace(n, branches=replace(n.branches, reactance_pu=_put(n.branches.reactance_pu, 0, 0))),
    "branch B0: tap is 0": lambda n: replace(n, branches=replace(n.branches, tap=_put(n.branches.tap, 0, 0))),
    "branch B0: shift_rad is nan": lambda n: replace(n, branches=replace(n.branches, shift_rad=_put(n.branches.shift_rad, 0, np.nan))),
    "branch B0: rating_mw is -5": lambda n: replace(n, branches=replace(n.branches, rating_mw=_put(n.branches.rating_mw, 0, -5))),
    "branch B0: emergency_mw is 1": lambda n: replace(n, branches=replace(n.branches, emergency_mw=_put(n.branches.emergency_mw, 0, 1))),
    "generator G1: bus is position -1": lambda n: replace(n, generators=replace(n.generators, bus=_put(n.generators.bus, 0, -1))),
    "generator G1: p_min_mw 101 and p_max_mw 100": lambda n: replace(
        n, generators=replace(n.generators, p_min_mw=_put(n.generators.p_min_mw, 0, 101))
    ),
    "generator G1: ramp_mw_per_min is 0": lambda n: replace(
        n, generators=replace(n.generators, ramp_mw_per_min=_put(n.generators.ramp_mw_per_min, 0, 0))
    ),
    "generator G1: cost.quadratic is -0.1; costs must be convex": lambda n: n.with_costs(
        replace(n.generators.cost, quadratic=np.array([-0.1, 0]))
    ),
    "generator G1: cost.linear is nan": lambda n: n.with_costs(replace(n.generators.cost, linear=np.array([np.nan, 0]))),
    "generator G2: cost.block_price is 4; costs must be convex": lambda n: n.with_costs(
        replace(n.generators.cost, block_price=np.array([5.0, 4.0]))
    ),
    "generator G2: cost.block_start_mw is 60; begin": lambda n: n.with_costs(
        replace(n.generators.cost, block_start_mw=np.array([0.0, 60.0]))
    ),
    "generator G2: cost.block_mw is 0": lambda n: n.with_costs(replace(n.generators.cost, block_mw=np.array([50.0, 0.0]))),
    "block_generator: a position beyond": lambda n: n.with_costs(replace(n.generators.cost, block_generator=np.array([1, 2]))),
    "cost.block_price: 1 values where 2 are due": lambda n: n.with_costs(replace(n.generators.cost, block_price=np.ones(1))),
    "link L1: to_bus is position 50": lambda n: replace(n, links=replace(n.links, to_bus=np.array([50]))),
    "link L1: loss_share is 1": lambda n: replace(n, links=replace(n.links, loss_share=np.ones(1))),
    "link L1: loss_mw is -1": lambda n: replace(n, links=replace(n.links, loss_mw=-np.ones(1))),
    "link L1: p_min_mw 60 and p_max_mw 50": lambda n: replace(n, links=replace(n.links, p_min_mw=np.array([60.0]))),
    "reference_bus: position -2": lambda n: replace(n, reference_bus=-2),
    "base_mva: nan": lambda n: replace(n, base_mva=float("nan")),
}


@EXAMPLES
@given(network=_networks(connected=False))
def test_a_sound_network_passes(network):
    validate_network(network)


@pytest.mark.parametrize("message", sorted(FAULTS))
@settings(max_examples=3, deadline=None)
@given(network=_networks())
def test_each_fault_is_named(message, network):
    with pytest.raises(GridError, match=message):
        validate_network(FAULTS[message](network))
