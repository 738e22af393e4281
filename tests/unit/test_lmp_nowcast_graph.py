from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models._kernel import laws, registry
from models._kernel.protocol import Features
from models._kernel.synthetic import SyntheticMarket, nodal_features
from models.lmp_nowcast import graph, graph_fit, horizon, store
from models.lmp_nowcast.factors import Basis
from models.lmp_nowcast.graph import Neighbourhood
from models.lmp_nowcast.model import LmpNowcastModel
from models.lmp_nowcast.panel import LAST, Panel, complete, panel
from models.lmp_nowcast.params import Params

NODES = ("A", "B", "C", "D", "E", "F")
PARAMS = Params(graph_steps=60, graph_batch=16, graph_width=8, graph_layers=1, graph_neighbours=2, graph_rate=0.02, train_days=60, rounds=5)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    made = complete(nodal_features(SyntheticMarket(date(2020, 3, 1), date(2020, 3, 12), hubs=NODES)))
    known = pl.col("price_ccy_per_mwh").is_not_null() & pl.col("price_known_ts").is_not_null()
    return made.filter((pl.col("horizon_min") == 15) & known)


@pytest.fixture(scope="module")
def given(rows: pl.DataFrame) -> Panel:
    return panel(rows, rows.clear(), [f"{n}|rt" for n in NODES])


@pytest.fixture(scope="module")
def outcome(rows: pl.DataFrame, given: Panel) -> np.ndarray:
    """Prices that follow the last ones by a rule the network can find: half of the way back to the one before."""
    mean = given.values["price_before_1_ccy_per_mwh"]
    return given.values[LAST] + 0.5 * (mean - given.values[LAST])


@pytest.fixture(scope="module")
def basis(given: Panel) -> Basis:
    return Basis.of(given.values[LAST], 3)


def test_what_follows_from_the_past_is_learned_and_learned_alike_again(given: Panel, outcome: np.ndarray, basis: Basis) -> None:
    params = replace(PARAMS, graph_steps=200)
    learned = graph_fit.fit(basis, given, outcome, params, seed=3)
    gap = outcome - given.values[LAST]
    known = np.isfinite(gap)
    assert np.abs(gap - learned.changes(given))[known].mean() < 0.5 * np.abs(gap)[known].mean()
    again = graph_fit.fit(basis, given, outcome, params, seed=3)
    assert all(np.array_equal(again.weights[name], value) for name, value in learned.weights.items())


def test_leaving_the_range_of_congestion_has_a_price(given: Panel, basis: Basis) -> None:
    rng = np.random.default_rng(2)
    lone = given.values[LAST] + 10 * np.sign(rng.normal(size=len(NODES)))  # every node moves by its own
    narrow = Basis(basis.loadings[:1], basis.scale[:1])

    def outside(consistency: float) -> float:
        told = graph_fit.fit(narrow, given, lone, replace(PARAMS, graph_steps=200, graph_consistency=consistency), seed=1).changes(given)
        apart = told - told.mean(axis=1, keepdims=True)
        return float(np.abs(apart - (apart @ narrow.loadings.T) @ narrow.loadings).mean())

    assert outside(30.0) < 0.5 * outside(0.0)


def test_a_decision_is_answered_alike_whatever_else_is_asked(rows: pl.DataFrame, given: Panel, outcome: np.ndarray, basis: Basis) -> None:
    learned = graph_fit.fit(basis, given, outcome, PARAMS, seed=3)
    whole = learned.changes(given)
    first = rows.filter(pl.col("as_of") == rows["as_of"].min())
    alone = panel(first, rows, given.nodes)
    assert np.array_equal(learned.changes(alone)[0], whole[0])


def test_a_node_sees_itself_and_the_electrically_nearest() -> None:
    shift = np.array([[1.0, 0.99, -1.0, -0.98, 0.0]])
    prices = 50 + np.random.default_rng(0).exponential(20, (200, 1)) @ shift
    near = Neighbourhood.of(Basis.of(prices, 2), 1)
    assert near.beside.tolist() == [[0, 1], [1, 0], [2, 3], [3, 2], [4, 1]] or near.beside[4, 1] in (1, 3)
    assert near.beside[:4].tolist() == [[0, 1], [1, 0], [2, 3], [3, 2]]
    assert (near.distance[:, 0] == 0).all()


def test_the_mixture_takes_the_graph_only_where_it_takes_error_away(rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    perfect, useless = _oracle(rows, 1.0), _oracle(rows, -3.0)
    for made, wanted in ((perfect, 1.0), (useless, 0.0)):
        monkeypatch.setattr(graph_fit, "fit", lambda *_, made=made, **__: made)
        fitted = horizon.fit_horizon(rows, 15, PARAMS, seed=1)
        assert fitted.graph_share == wanted
        assert (fitted.graph is None) == (wanted == 0.0)


def test_the_graph_is_saved_loaded_and_explained(tmp_path: Path) -> None:
    params = registry.params_of("lmp_nowcast", "test") | {"structure": "graph", "graph_steps": 20, "graph_width": 8, "graph_layers": 1}
    subject = laws.Subject(LmpNowcastModel, params)
    target = subject.sample.target.head(60)
    answer = subject.answer(subject.fitted, target=target)
    subject.fitted.save(tmp_path)
    loaded = LmpNowcastModel.load(tmp_path)
    assert subject.answer(loaded, target=target).equals(answer)
    told = loaded.explain(Features(subject.sample.rows, target)).frame
    total = told.group_by("hub", "delivery_ts", "as_of").agg(pl.col("contribution").sum()).sort("hub", "delivery_ts", "as_of")
    assert np.allclose(total["contribution"], answer.sort("hub", "delivery_ts", "as_of")["point_ccy_per_mwh"], atol=1e-6)
    assert float(told.filter(pl.col("feature") == "graph")["contribution"].abs().sum()) > 0


def test_an_artifact_made_before_there_was_a_graph_is_loaded(rows: pl.DataFrame, tmp_path: Path) -> None:
    fitted = horizon.fit_horizon(rows, 15, replace(PARAMS, graph_steps=0), seed=1)
    head = store.save_horizon(tmp_path, fitted)
    loaded = store.load_horizon(tmp_path, {name: value for name, value in head.items() if name != "graph_share"})
    assert (loaded.graph, loaded.graph_share) == (None, 0.0)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"graph_steps": -1}, "graph_steps is -1"),
        ({"graph_width": 6}, "graph_width is 6; it must be a multiple of 4"),
        ({"graph_layers": 0}, "graph_layers is 0; it must be at least 1"),
        ({"structure": "graph"}, "structure is 'graph' and graph_steps 0; give training steps"),
    ],
)
def test_faulty_sizes_of_the_graph_are_refused(values: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Params.of(values)


class _Oracle(graph.Graph):
    """Answers with a multiple of what came."""

    def changes(self, given: Panel) -> np.ndarray:
        return self.weights["told"][: len(given.values[LAST])]


def _oracle(rows: pl.DataFrame, times: float) -> graph.Graph:
    late = rows.filter(pl.col("as_of") > rows["as_of"].max() - pl.duration(days=PARAMS.calibration_days))
    within = panel(late, late.clear(), [f"{n}|rt" for n in NODES])
    change = within.spread(late["price_ccy_per_mwh"]) - within.values[LAST]
    near = Neighbourhood(np.zeros((len(NODES), 1), dtype=np.int64), np.zeros((len(NODES), 1)))
    return _Oracle(near, {"told": times * np.nan_to_num(change)}, np.zeros(1), np.ones(1), 1.0)
