"""Nodes as vectors: gaps are filled by factors, shift factors are price covariance, transfers need no price of the node, and are seeded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models._kernel.grid.cases import load_pypower_case
from models._kernel.grid.network import Network
from models._kernel.grid.sensitivities import Sensitivities
from models._kernel.nodes.comovement import completed, price_factors
from models._kernel.nodes.embedding import BLOCKS, DIMENSIONS, compose, corridors, nearest, recall
from models._kernel.nodes.learn import NodeMarket, covariances, embed, limit_rows
from models._kernel.nodes.shift_space import shift_vectors
from models._kernel.nodes.transfer import Transfer, choose, left_out, similarity
from models._kernel.nodes.walks import deepwalk


@pytest.fixture(scope="module")
def network() -> Network:
    return load_pypower_case("case24_ieee_rts")


def congestion(network: Network, hours: int, seed: int) -> tuple[np.ndarray, tuple[tuple[int, int, float], ...]]:
    """Prices that follow from shadow prices on four limits, one of them after an outage; and the limits' mean squares."""
    rng = np.random.default_rng(seed)
    limits, rows = [(3, -1), (13, -1), (20, -1), (5, 7)], []
    factors = Sensitivities(network)
    for branch, lost in limits:
        rows.append(factors.ptdf(np.array([branch])) if lost < 0 else factors.otdf(np.array([branch]), np.array([lost])))
    worth = np.maximum(rng.standard_normal((hours, 4)), 0.0) * [40.0, 25.0, 10.0, 30.0]
    return -worth @ np.concatenate(rows), tuple((b, c, float(m)) for (b, c), m in zip(limits, (worth**2).mean(axis=0), strict=True))


def test_gaps_of_a_low_rank_matrix_are_filled() -> None:
    rng = np.random.default_rng(1)
    whole = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 20))
    holes = np.where(rng.random(whole.shape) < 0.15, np.nan, whole)
    assert np.abs(completed(holes, rank=3) - whole).max() < 0.25
    assert np.array_equal(completed(whole), whole)
    factors = price_factors(whole, rank=2)
    assert factors.matrix == pytest.approx(whole, abs=1e-9)
    assert np.square(factors.scores).mean(axis=0) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="rank 0"):
        price_factors(whole, rank=0)


def test_shift_vectors_multiply_to_the_covariance_of_congestion(network: Network) -> None:
    prices, limits = congestion(network, 4, 2)
    sensitivity, weight = limit_rows(network, limits, floor=0.0)
    vectors = shift_vectors(sensitivity, weight, dimensions=96)
    centred = sensitivity - sensitivity.mean(axis=1, keepdims=True)
    assert vectors @ vectors.T == pytest.approx(centred.T @ (centred * weight[:, None] ** 2), abs=1e-9)
    assert prices.shape[1] == vectors.shape[0]


def test_a_new_node_is_told_by_its_shift_factors_alone(network: Network) -> None:
    prices, limits = congestion(network, 300, 3)
    market = NodeMarket(network.buses.names, ("A",) * network.n_buses, prices[:200], network, limits)
    known = np.array([k for k in range(network.n_buses) if k not in {3, 13}])
    hidden = prices.copy()
    hidden[:, [3, 13]] = np.nan
    transfer = Transfer.fit(hidden[:200], known, covariances(market, seed=7))
    nothing = np.zeros((0, known.size)), np.zeros(0)
    for node in (3, 13):
        told = transfer.nowcast(prices[200:, known], node, *nothing)
        assert np.abs(told - prices[200:, node]).mean() < 0.05 * np.abs(prices[200:, node] - prices[200:, known].mean(axis=1)).mean()


def test_first_days_mend_a_poor_prior(network: Network) -> None:
    prices, _ = congestion(network, 400, 4)
    prices = prices + 0.05 * np.random.default_rng(5).standard_normal(prices.shape)
    known = np.arange(1, network.n_buses)
    transfer = Transfer.fit(prices[:300], known, {"alone": np.eye(network.n_buses)})

    def error(days: int) -> float:
        rows = slice(300 - 24 * days, 300)
        told = transfer.nowcast(prices[300:, known], 0, prices[rows][:, known], prices[rows, 0])
        return float(np.abs(told - prices[300:, 0]).mean())

    assert error(7) < 0.3 * error(0)
    assert error(7) <= error(3) <= error(0)
    assert transfer.deviation(0) > 0


def test_leaving_out_is_what_kriging_without_the_node_gives() -> None:
    rng = np.random.default_rng(6)
    points, prices = rng.standard_normal((9, 3)), rng.standard_normal((5, 9))
    gram = similarity(points, 0.5) + 10.0
    errors, variance = left_out(prices, gram, 0.01)
    rest = np.arange(1, 9)
    inner = gram[np.ix_(rest, rest)] + 0.01 * np.eye(8)
    weights = np.linalg.solve(inner, gram[rest, 0])
    assert errors[:, 0] == pytest.approx(prices[:, 0] - prices[:, rest] @ weights)
    assert variance[0] == pytest.approx(gram[0, 0] + 0.01 - gram[rest, 0] @ weights)
    with pytest.raises(ValueError, match="at least one and three"):
        choose(prices[:, :2], np.arange(2), {"all": gram})


def test_walks_put_neighbours_near_and_refuse_what_they_cannot_hold(network: Network) -> None:
    b = network.branches
    vectors = deepwalk(network.n_buses, b.from_bus, b.to_bus, 1 / np.abs(b.reactance_pu), dimensions=16)
    alike = similarity(vectors, 0.5)
    assert alike[b.from_bus, b.to_bus].mean() > alike.mean() + 0.1
    with pytest.raises(ValueError, match="not positive"):
        deepwalk(2, np.array([0]), np.array([1]), np.array([0.0]), dimensions=2)
    with pytest.raises(ValueError, match="12000"):
        deepwalk(20_000, np.array([0]), np.array([1]), np.array([1.0]), dimensions=2)


def test_graphsage_is_seeded_and_puts_neighbours_near() -> None:
    from models._kernel.nodes.sage import graphsage

    begin, end = np.arange(11), np.arange(1, 12)
    features = np.column_stack([np.arange(12.0), np.ones(12)])
    first, again = (graphsage(begin, end, np.ones(11), features, dimensions=8, seed=3, steps=60) for _ in range(2))
    assert np.array_equal(first, again)
    assert (first[begin] * first[end]).sum(axis=1).mean() > (first @ first.T).mean()
    with pytest.raises(ValueError, match="not finite"):
        graphsage(begin, end, np.ones(11), features * np.nan, dimensions=8, seed=3)


@given(st.integers(3, 30), st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_exact_search_is_a_full_sort(n: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, 6))
    found = nearest(vectors, vectors, k, leave_out=np.arange(n))
    assert (np.diff(found.similarity, axis=1) <= 1e-12).all()
    assert (found.position != np.arange(n)[:, None]).all()
    assert recall(found.position, found.position) == 1.0
    labels = corridors(vectors, 3)
    assert set(labels.tolist()) == set(range(labels.max() + 1))
    assert (np.diff(np.bincount(labels)) <= 0).all()


def test_vectors_are_whole_and_of_length_one() -> None:
    rng = np.random.default_rng(8)
    parts = {name: rng.standard_normal((5, size)) for name, size in BLOCKS.items()}
    made = compose(parts, {"shift": 0.5, "price": 0.3, "topology": 0.2})
    assert made.shape == (5, DIMENSIONS)
    assert made.dtype == np.float32
    assert np.linalg.norm(made, axis=1) == pytest.approx(1.0, abs=1e-6)
    unit = {name: p / np.linalg.norm(p, axis=1, keepdims=True) for name, p in parts.items()}
    cosine = sum(w * unit[n][0] @ unit[n][1] for n, w in (("shift", 0.5), ("price", 0.3), ("topology", 0.2)))
    assert float(made[0] @ made[1]) == pytest.approx(cosine, abs=1e-6)
    with pytest.raises(ValueError, match="price"):
        compose({"price": np.zeros((5, 3))}, {})


def test_prices_of_unknown_nodes_change_nothing(network: Network) -> None:
    prices, limits = congestion(network, 120, 9)
    market = NodeMarket(network.buses.names, ("A",) * network.n_buses, prices, network, limits)
    known = np.arange(3, network.n_buses)
    poisoned = prices.copy()
    poisoned[:, :3] = 1e9
    first, second = (embed(m, known=known, corridor_count=4, seed=7) for m in (market, replace(market, prices=poisoned)))
    assert np.array_equal(first.vectors, second.vectors)
    assert np.array_equal(first.corridor, second.corridor)


def test_hidden_nodes_teach_nothing_in_cold_starts(network: Network) -> None:
    from pipeline_tasks.scorecard.node_trials import BASELINES, OURS, Trial, errors, hidden_groups

    prices, limits = congestion(network, 150, 10)
    place = np.random.default_rng(1).uniform(0, 100, (network.n_buses, 2))
    market = NodeMarket(network.buses.names, ("A", "B") * (network.n_buses // 2), prices[:120], network, limits, place)
    revealed = {"d0": np.zeros(120, dtype=bool), "d1": np.arange(120) >= 96}
    groups = hidden_groups(np.arange(network.n_buses), 4, 7)
    assert sorted(np.concatenate(groups).tolist()) == list(range(network.n_buses))
    priors = {OURS: covariances(market, seed=7)}
    found = errors(Trial(market, prices[120:], revealed, priors), groups)
    assert {m for m, _ in found} == {OURS, *BASELINES}
    assert found[OURS, "d0"].mean() < 0.5 * found["ptdf_cosine", "d0"].mean()
    hidden = groups[0]
    other = prices[:120].copy()
    other[:96, hidden] = 1e9
    again = errors(Trial(replace(market, prices=other), prices[120:], revealed, priors), [hidden])
    for key, values in again.items():
        assert values[hidden] == pytest.approx(found[key][hidden]), key


def test_rows_of_an_embedding_follow_their_contracts(network: Network) -> None:
    from pipeline_tasks.contracts import NODE_TABLES
    from pipeline_tasks.contracts.frames import check_frame
    from pipeline_tasks.embedding.market import KnownNodes
    from pipeline_tasks.embedding.run import EmbedError, Request, make, tables

    prices, limits = congestion(network, 24 * 6, 11)
    start = datetime(2026, 6, 7, 22, tzinfo=UTC)
    market = NodeMarket(network.buses.names, ("A", "B") * (network.n_buses // 2), prices, network, limits)
    starts = tuple(start + timedelta(hours=k) for k in range(len(prices)))
    full = np.full(network.n_buses, 6)
    known = KnownNodes(market, starts, np.full(len(prices), 60.0), full, np.ones(network.n_buses))
    asked = Request("twin", date(2026, 6, 15), days=10, least_days=3, as_new=(network.buses.names[4],))
    made = make(known, asked)
    found = tables(made, {"model_version": "1", "artifact_sha": "a", "code_sha": "c", "regime": "normal"})
    for table in NODE_TABLES:
        assert check_frame(table, found[table.name]) == [], table.name
    assert found["node_embeddings"].filter(pl.col("is_sparse"))["node"].to_list() == [network.buses.names[4]]
    cast = found["node_nowcasts"]
    assert cast.height == 24
    assert np.abs(cast["price_ccy_per_mwh"].to_numpy() - 60.0 - prices[-24:, 4]).mean() < 1.0
    with pytest.raises(EmbedError, match="'nowhere'"):
        make(known, replace(asked, as_new=("nowhere",)))
    with pytest.raises(EmbedError, match="least_days 30"):
        Request("twin", date(2026, 6, 15), days=10, least_days=30)
