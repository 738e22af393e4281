from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models._kernel import laws, registry
from models._kernel.conformal import QuantileTracker
from models._kernel.protocol import Features
from models._kernel.synthetic import SyntheticMarket, nodal_features
from models.lmp_nowcast.factors import Basis
from models.lmp_nowcast.model import LmpNowcastModel
from models.lmp_nowcast.panel import LAST, NODE, complete, panel
from models.lmp_nowcast.params import Params

PARAMS = registry.params_of("lmp_nowcast", "test")


@pytest.fixture(scope="module")
def subject() -> laws.Subject:
    return laws.Subject(LmpNowcastModel, PARAMS)


def _congested(rng: np.random.Generator, intervals: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Prices lambda + PTDF' mu of twelve nodes with two limits, and the centred shift factors."""
    shift = rng.uniform(-1, 1, (2, 12))
    mu = rng.exponential(30, (intervals, 2)) * (rng.random((intervals, 2)) < 0.3)
    return rng.normal(50, 10, intervals)[:, None] + mu @ shift, shift - shift.mean(axis=1, keepdims=True)


def test_directions_of_congestion_are_found_without_the_network() -> None:
    prices, shift = _congested(np.random.default_rng(1))
    basis = Basis.of(prices, 6)
    assert len(basis.loadings) == 2  # the others have no variance
    inside = shift @ basis.loadings.T @ basis.loadings
    assert np.allclose(inside, shift, atol=1e-6)
    assert np.allclose(basis.prices(basis.components(prices), 12), prices, atol=1e-6)


@given(st.integers(1, 11), st.integers(0, 2**32 - 1))
def test_components_of_a_row_are_its_own(rank: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    prices = rng.normal(40, 20, (9, 12))
    prices[rng.random(prices.shape) < 0.2] = np.nan
    prices[0] = np.nan
    basis = Basis.of(rng.normal(40, 20, (50, 12)), rank)
    whole = basis.components(prices)
    assert np.isnan(whole[0, 0])
    for k in range(len(prices)):
        assert np.array_equal(basis.components(prices[k : k + 1]), whole[k : k + 1], equal_nan=True)


def test_a_panel_holds_other_nodes_of_the_same_decision() -> None:
    rows = complete(nodal_features(SyntheticMarket(date(2020, 3, 1), date(2020, 3, 4), hubs=("A", "B", "C")))).filter(
        pl.col("horizon_min") == 15
    )
    mine = rows.filter(pl.col("hub") == "B")
    given_panel = panel(mine, rows, ["A|rt", "C|rt"])
    assert given_panel.nodes == ["A|rt", "C|rt", "B|rt"]
    assert np.array_equal(given_panel.own(LAST), mine[LAST].to_numpy(), equal_nan=True)
    beside = rows.filter(pl.col(NODE) == "C|rt")[LAST].to_numpy()
    assert np.array_equal(given_panel.values[LAST][:, 1], beside, equal_nan=True)


def test_a_node_that_was_not_there_is_answered_and_says_so(subject: laws.Subject) -> None:
    target = subject.sample.target.filter(pl.col("hub") == "HUB_A")
    new = target.with_columns(hub=pl.lit("HUB_NEW"))
    answer = subject.answer(subject.fitted, target=new, history=subject.sample.rows)
    assert answer.height == new.height
    assert answer["status"].unique().to_list() == ["DEGRADED"]
    assert answer["status_reason"].str.contains("not there when the version was trained").all()
    gap = (answer["point_ccy_per_mwh"] - new.sort("delivery_ts", "as_of")["price_ccy_per_mwh"]).abs().mean()
    assert isinstance(gap, float)
    assert gap < 15


def test_the_interval_holds_what_it_says(subject: laws.Subject) -> None:
    price = subject.sample.target.sort("hub", "delivery_ts", "as_of")["price_ccy_per_mwh"].to_numpy()
    answer = subject.answered.sort("hub", "delivery_ts", "as_of")
    for low, high, nominal in (("q10", "q90", 0.8), ("q05", "q95", 0.9)):
        inside = (answer[f"{low}_ccy_per_mwh"].to_numpy() <= price) & (price <= answer[f"{high}_ccy_per_mwh"].to_numpy())
        assert abs(float(inside.mean()) - nominal) < 0.05


@pytest.mark.parametrize("structure", ["factors", "direct"])
def test_each_part_answers_alone_and_explains_itself(subject: laws.Subject, structure: str) -> None:
    model = LmpNowcastModel(PARAMS | {"structure": structure}).fit(
        Features(subject.sample.rows, subject.sample.rows.clear()), cutoff=subject.sample.cutoff, seed=1
    )
    target = subject.sample.target.filter(pl.col("delivery_date") < subject.sample.first_target + timedelta(days=2))
    answer = subject.answer(model, target=target)
    told = model.explain(Features(subject.sample.rows, target)).frame
    total = told.group_by("hub", "delivery_ts", "as_of").agg(pl.col("contribution").sum()).sort("hub", "delivery_ts", "as_of")
    assert np.allclose(total["contribution"], answer.sort("hub", "delivery_ts", "as_of")["point_ccy_per_mwh"], atol=1e-6)
    moved = float(told.filter(pl.col("feature") == "factors")["contribution"].abs().sum())
    assert (moved > 0) == (structure == "factors")


def test_carried_forward_it_answers_alike_without_history(subject: laws.Subject) -> None:
    days = subject.sample.target["delivery_date"].unique().sort()
    late = subject.sample.target.filter(pl.col("delivery_date") == days[10])
    first = late["as_of"].min()
    before = subject.sample.rows.filter(pl.col("as_of") <= first)
    carried = subject.fitted.carried(before, as_of=first)  # type: ignore[attr-defined]
    decided = late.filter(pl.col("as_of") == first)
    around = Features(decided.clear(), decided)
    whole = subject.answer(subject.fitted, target=decided)
    assert carried.predict(around, as_of=first).frame.equals(whole)
    assert not subject.fitted.predict(around, as_of=first).frame.equals(whole)  # the calibration had moved
    halfway = subject.sample.cutoff + (first - subject.sample.cutoff) / 2
    twice = subject.fitted.carried(before.filter(pl.col("as_of") <= halfway), as_of=halfway).carried(before, as_of=first)  # type: ignore[attr-defined]
    assert twice.predict(around, as_of=first).frame.equals(whole)


def test_outcomes_known_together_move_the_offsets_once_by_their_mean() -> None:
    levels, scores = np.array([0.1, 0.5, 0.9]), np.array([[0.5, -0.5, np.nan], [np.nan, np.nan, np.nan], [2.0, 2.0, 2.0]])
    tracker = QuantileTracker(levels, np.array([-1.0, 0.0, 1.0]), 0.1)
    issued = tracker.run(scores, np.array([1, 2, 3]), np.array([0, 1, 2, 3]))
    assert issued[0].tolist() == [-1.0, 0.0, 1.0]
    assert np.allclose(issued[1], [-1.0 + 0.01, 0.0, 1.0 - 0.01])
    assert np.array_equal(issued[2], issued[1])
    assert np.allclose(issued[3], issued[2] + 0.1 * levels)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("structure", "graph", "structure is 'graph'"),
        ("rank", 0, "rank is 0"),
        ("track_step", 1.5, "track_step is 1.5"),
        ("trees", 3, "trees"),
    ],
)
def test_parameters_out_of_range_are_refused(name: str, value: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Params.of({name: value})
