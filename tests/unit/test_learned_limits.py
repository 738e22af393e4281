"""Limits learned from prices, and what realised outages taught: topology, bands, gates, artifacts, and rows that fit their contracts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models._kernel.grid.learned_limits import History, learn_limits
from models._kernel.grid.network import GridError
from models._kernel.grid.outage_response import OutageResponse, Realised, learn_response
from models._kernel.yardstick import DataClass
from pipeline_tasks.contracts import SENSITIVITY_TABLES
from pipeline_tasks.scorecard.outage_realised import rows_of
from pipeline_tasks.scorecard.systems import SystemJob
from pipeline_tasks.sensitivity.run import Request, SensitivityError, load, make, save, tables
from pipeline_tasks.simulate import response as outage_response

NODES, HOURS = 20, 1200


def _history(noise: float = 0.02):
    """Two limits; while a branch is out, the first answers otherwise."""
    rng = np.random.default_rng(0)
    h = rng.uniform(-0.5, 0.5, (3, NODES))
    out = np.zeros((HOURS, 1), dtype=bool)
    out[::3] = True
    shadow = np.where(rng.random((HOURS, 2)) < 0.4, -np.abs(rng.normal(40, 15, (HOURS, 2))), 0.0)
    congestion = shadow @ h[:2] + (shadow[:, :1] * out) @ (0.3 * h[2:])
    congestion += noise * np.abs(congestion).max(axis=1, keepdims=True) * rng.standard_normal(congestion.shape)
    names = tuple(f"n{k}" for k in range(NODES))
    return History(names, (("a", ""), ("b", "c")), ("line",), congestion, shadow, out), h


def test_limits_their_shift_by_an_outage_and_the_band_are_learned():
    history, h = _history()
    learned = learn_limits(history)
    assert learned.told.tolist() == [0, 1]
    assert learned.signals.tolist() == [[0, 0], [1, 0]]
    assert np.abs(learned.values[:, 0] - h[0]).max() < 0.03
    assert np.abs(learned.under(0)[0] - h[0] - 0.3 * h[2]).max() < 0.03
    assert np.abs(learned.under(0)[1] - h[1]).max() < 0.03
    fresh, _ = _history()
    told = learned.congestion(fresh.shadow, fresh.out)
    inside = np.abs(told - fresh.congestion) <= learned.band * (0.5 + np.abs(told).max(axis=1, keepdims=True))
    assert 0.85 < inside[np.abs(fresh.congestion).max(axis=1) > 0].mean() < 0.95
    assert learned.held_out["correlation"] > 0.99
    blind = learn_limits(history, topology=False)
    assert blind.held_out["mae"] > 1.5 * learned.held_out["mae"]


def test_an_answer_names_limits_and_knows_what_is_out():
    learned = learn_limits(_history()[0])
    told, low, high = learned.answer({("a", ""): -30.0, ("b", "c"): -10.0})
    assert np.all((low < told) & (told < high))
    assert np.allclose(told, -30 * learned.values[:, 0] - 10 * learned.values[:, 1])
    assert not np.allclose(learned.answer({("a", ""): -30.0}, ("line",))[0], learned.answer({("a", ""): -30.0})[0])
    assert np.allclose(learned.answer({("a", ""): -30.0}, ("other",))[0], learned.answer({("a", ""): -30.0})[0])
    with pytest.raises(GridError, match=r"'z' was never seen to bind; seen were e\.g\. a, b\|c"):
        learned.answer({("z", ""): 1.0})
    with pytest.raises(GridError, match="give at least 50"):
        learn_limits(_history()[0].part(slice(0, 5)))


def test_rows_fit_their_contracts_and_an_artifact_says_the_same(tmp_path):
    history, _ = _history()
    starts = pl.Series([datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=k) for k in range(HOURS)])
    request = Request("twin", date(2026, 6, 15), name="test")
    made = make(history, starts, None, request)
    assert made.fault == ""
    lineage = {"model_version": "1", "artifact_sha": "a" * 64, "code_sha": "b" * 40}
    found = tables(made, lineage)
    for table in SENSITIVITY_TABLES:
        assert found[table.name].schema == pl.Schema(table.polars_schema())
        assert found[table.name].select(table.key).is_duplicated().sum() == 0
    assert found["grid_sensitivities"]["topology"].unique().sort().to_list() == ["", "line"]
    assert found["grid_limits"]["model_correlation"].null_count() == 2
    sha = save(made, tmp_path)
    assert sha == save(make(history, starts, None, request), tmp_path)
    again = load(tmp_path)
    assert np.array_equal(again.answer({("a", ""): -5.0})[0], made.learned.answer({("a", ""): -5.0})[0])
    assert again.limits == made.learned.limits


def test_prices_that_do_not_follow_from_shadow_prices_fail_the_gate():
    history, _ = _history()
    rng = np.random.default_rng(1)
    wild = History(history.nodes, history.limits, history.branches, rng.standard_normal((HOURS, NODES)), history.shadow, history.out)
    made = make(wild, pl.Series(range(HOURS)), None, Request("twin", date(2026, 6, 15)))
    assert "mean response" in made.fault
    found = tables(made, {"model_version": "", "artifact_sha": "", "code_sha": ""})
    assert set(found["grid_nodes"]["status"].to_list()) == {"DEGRADED"}
    for wrong, what in (({"name": "X"}, "name 'X'"), ({"days": 2}, "days is 2")):
        with pytest.raises(SensitivityError, match=what):
            Request("twin", date(2026, 6, 15), **wrong)


def _events(count: int, *, felt: float = 10.0):
    rng = np.random.default_rng(2)
    for k in range(count):
        simulated, state, before = (s * rng.standard_normal(30) for s in (felt, 5.0, 8.0))
        truth = 0.4 * simulated + 0.8 * state - 0.9 * before + 0.5 * rng.standard_normal(30)
        yield Realised(f"line{k}", 100 + k, truth, simulated, state, before)


def test_what_comes_true_of_the_simulated_change_is_learned_with_its_band(tmp_path):
    learned = learn_response(list(_events(60)))
    assert learned.weights == pytest.approx([0.4, 0.8, -0.9], abs=0.02)
    fresh = list(_events(80))[60:]
    told = [learned.realised(e) for e in fresh]
    inside = [np.abs(t - e.truth) <= learned.half_width(t, e.state) for t, e in zip(told, fresh, strict=True)]
    assert 0.85 < np.mean(inside) < 0.95
    outage_response.save(learned, tmp_path)
    again = outage_response.load(tmp_path)
    assert (again.scale, again.events, again.weights.tolist()) == (learned.scale, learned.events, learned.weights.tolist())
    with pytest.raises(GridError, match="0 of 60 outages move congestion by more than 1"):
        learn_response(list(_events(60, felt=0.01)))


def test_impacts_get_an_expected_change_with_a_band_but_not_where_the_network_falls_apart():
    at = datetime(2026, 6, 15, 16, tzinfo=UTC)
    impacts = pl.DataFrame(
        {"scenario": ["x"] * 3 + ["y"] * 3, "delivery_ts": [at] * 6, "price_before_ccy_per_mwh": [50.0, 60.0, 70.0] * 2,
         "congestion_change_ccy_per_mwh": [0.0, 3.0, 9.0, 1.0, 1.0, 1.0]}
    )  # fmt: skip
    scenarios = pl.DataFrame({"scenario": ["x", "y"], "delivery_ts": [at] * 2, "is_split": [False, True]})
    known = outage_response.Known("7", OutageResponse(np.array([0.5, 1.0, 1.0]), 2.0, 30))
    made = outage_response.with_response(impacts, scenarios, known)
    assert made["expected_change_ccy_per_mwh"].to_list() == [-2.0, -0.5, 2.5, None, None, None]
    assert (made["high_90_ccy_per_mwh"] - made["low_90_ccy_per_mwh"]).to_list()[:3] == [50.0, 4.0, 52.0]
    assert set(made["response_version"]) == {"7"}
    none = outage_response.with_response(impacts, scenarios, None)
    assert none["low_90_ccy_per_mwh"].null_count() == 6
    assert set(none["response_version"]) == {""}


def test_realised_outages_are_scored_on_elements_not_learned_from_and_too_few_are_said():
    job = SystemJob("opf_surrogate", "twin_realised", None, None, None, 7, lambda _: None)  # type: ignore[arg-type]
    rows = {(r.metric, r.baseline): r for r in rows_of(job, list(_events(60)))}
    assert rows["realised_mae", "no_change"].verdict == rows["realised_mae", "without_outage"].verdict == "pass"
    assert rows["realised_coverage_90", ""].n == 24
    assert all(r.data_class == DataClass.TWIN.value for r in rows.values())
    few = rows_of(job, list(_events(8)))
    assert {r.verdict for r in few} == {"not_measurable"}
    assert "give at least 10 such" in few[0].reason
