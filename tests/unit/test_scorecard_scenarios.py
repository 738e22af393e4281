"""Scores of paths and of hedges: tail CRPS, nearness, regret, the known law, frozen blocks, equal turnover, the median seed."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import scoringrules

from models._kernel import registry
from models._kernel.samples import features_of
from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.rules import MarketRules
from models._kernel.synthetic import SyntheticMarket, gate
from models._kernel.yardstick import DataClass
from models.rl_hedger.days import Steps
from models.rl_hedger.params import Params
from models.rl_hedger.policies import Followed, settled
from pipeline_tasks.contracts.features import DAY_AHEAD, SPREAD
from pipeline_tasks.scorecard import hedge_policies, scenario_draws, scenario_paths
from pipeline_tasks.scorecard.scenario_draws import PUBLISHED, Block, Drawn, drawn, freeze
from pipeline_tasks.scorecard.scenario_law import Law
from pipeline_tasks.scorecard.scenario_scores import crps_of, nearness, regrets, tail_crps
from pipeline_tasks.scorecard.sources import DataAbsentError
from pipeline_tasks.scorecard.systems import SystemJob


def _market(table, first, last, hubs=("HUB_A",)):
    rows = features_of(table, SyntheticMarket(first, last, hubs))
    market = SimpleNamespace(gate=gate, product="da", price_floor=-500.0, price_cap=4000.0)
    return SimpleNamespace(name="x", data_class=DataClass.REAL, selection=SimpleNamespace(hubs=hubs, market=market), frame=rows)


def test_crps_and_tail_crps_are_those_of_the_library():
    rng = np.random.default_rng(0)
    samples, outcome = rng.normal(50, 20, (60, 24)), rng.normal(50, 20, 24)
    assert crps_of(samples, outcome) == pytest.approx(float(scoringrules.crps_ensemble(outcome, samples.T, estimator="nrg").mean()))
    above = scoringrules.twcrps_ensemble(outcome, samples.T, a=80.0, estimator="nrg").mean()
    below = scoringrules.twcrps_ensemble(outcome, samples.T, b=20.0, estimator="nrg").mean()
    assert tail_crps(samples, outcome, 20.0, 80.0) == pytest.approx(float(above + below))


def test_copies_of_training_days_are_told_from_fresh_ones():
    rng = np.random.default_rng(1)
    training, fresh, drawn_anew = (rng.standard_normal((300, 24)) for _ in range(3))
    ratio, share = nearness(drawn_anew, training, fresh)
    assert 0.95 < ratio < 1.05
    assert share < 0.03
    ratio, share = nearness(training + 0.01, training, fresh)
    assert ratio < 0.05
    assert share == 1.0


def test_regret_is_nil_for_paths_that_know_the_day_and_not_for_wrong_ones():
    price = 50 + 30 * np.sin(np.arange(24) / 24 * 2 * np.pi)
    right, wrong = np.tile(price, (4, 1)), np.tile(price[::-1], (4, 1))
    asset = StorageAsset.of(registry.params_of("ancillary")["assets"]["battery"])
    rules = MarketRules(60, -500.0, 4000.0, real_time_limit_share=0.0)
    found = regrets([Drawn("h", 0, price, {"right": right, "wrong": wrong})], ("right", "wrong"), asset, rules)
    assert found["right"][0] == pytest.approx(0.0, abs=1e-6)
    assert found["wrong"][0] > 10


def test_the_known_law_is_stormier_the_higher_the_condition():
    law = Law()
    calm, stormy = (law.drawn(np.random.default_rng(0), np.full(4000, c)) for c in (-3.0, 3.0))
    assert calm.std() == pytest.approx(10.0, rel=0.05)
    assert stormy.std() > 1.8 * calm.std()
    assert stormy[:, 19].mean() > stormy[:, 4].mean() + 20


def test_a_frozen_block_learns_and_sees_nothing_later(monkeypatch):
    monkeypatch.setattr(scenario_draws, "params_of", lambda name, _: registry.params_of(name, "test"))
    data = _market(DAY_AHEAD, date(2019, 6, 1), date(2020, 1, 10))
    block = Block("normal", date(2020, 1, 1), date(2020, 1, 6), shift=False)
    say = lambda _: None  # noqa: E731
    one = list(drawn(freeze(data, block, profile="test", seed=1, say=say), count=20))
    assert len(one) == 6
    assert set(one[0].paths) >= {PUBLISHED, "schaake_shuffle", "gaussian_copula", "diffusion_free", "flow_kept", "analogues_free"}
    # what happens in the block changes neither the fit nor the first day's paths
    moved = data.frame.with_columns(
        pl.when(pl.col("delivery_date") >= block.first).then(pl.col("price_ccy_per_mwh") + 500).otherwise(pl.col("price_ccy_per_mwh"))
    )
    data.frame = moved
    other = next(iter(drawn(freeze(data, block, profile="test", seed=1, say=say), count=20)))
    for method, paths in one[0].paths.items():
        np.testing.assert_array_equal(other.paths[method], paths, err_msg=method)
    with pytest.raises(DataAbsentError, match="priced days before"):
        freeze(data, Block("early", date(2019, 6, 20), date(2019, 6, 22), shift=False), profile="test", seed=1, say=say)


def test_blocks_fixed_in_advance_lie_in_order_and_a_shift_comes_last():
    for blocks in scenario_paths.BLOCKS.values():
        assert all(a.last < b.first for a, b in pairwise(blocks))
        assert [b.shift for b in blocks] == [False, True]


def _followed(saving, traded):
    return Followed(np.zeros((len(saving), 2)), np.asarray(saving, dtype=float), np.asarray(traded, dtype=float), np.zeros(len(saving)))


def test_the_median_seed_is_neither_the_best_nor_the_worst():
    rng = np.random.default_rng(0)
    seeds = [_followed(k + rng.standard_normal(50), np.ones(50)) for k in (0.5, 3.0, 1.0)]
    assert hedge_policies.median_seed(seeds) is seeds[2]


def test_turnover_is_matched_by_scaling_the_larger_down():
    n = 8
    share = np.full((n, 2), 0.5)
    positions = np.zeros((n, 2, 2))
    positions[:, 1] = [0.01, -0.01]
    days = Steps(np.arange(n), np.arange(n), np.arange(n), np.zeros((n, 1)), share, np.full(n, 0.02), np.ones((n, 2)) * [3.0, 1.0],
                 positions, np.zeros((n, 2)))  # fmt: skip
    params = Params.of(registry.params_of("rl_hedger", "test"))
    small, large = (settled(days, np.tile(k * np.array([0.01, -0.01]), (n, 1)), params) for k in (0.25, 1.0))
    a, b, ratio = hedge_policies.matched(days, small, large, params)
    assert ratio == pytest.approx(1.0)
    assert a is small
    np.testing.assert_allclose(b.saving, a.saving)
    assert np.isnan(hedge_policies.matched(days, settled(days, np.zeros((n, 2)), params), large, params)[2])


def test_largest_drawdown():
    assert hedge_policies.largest_drawdown(np.array([1.0, -3.0, 1.0, -1.0, 5.0])) == pytest.approx(3.0)
    assert hedge_policies.largest_drawdown(np.ones(3)) == 0.0


def test_hedges_are_scored_beside_every_baseline(monkeypatch):
    monkeypatch.setattr(hedge_policies, "params_of", lambda name, _: registry.params_of(name, "test"))
    data = _market(SPREAD, date(2019, 6, 1), date(2020, 4, 30))
    job = SystemJob("hedge_policies", "x", SimpleNamespace(load=lambda *_: data), date(2020, 3, 1), None, 7, lambda _: None)
    rows = hedge_policies.rows(job)
    asked = {(r.metric, r.baseline) for r in rows}
    assert {("sharpe_cql", b) for b in hedge_policies.BASELINES} <= asked
    assert {("sharpe_iql", b) for b in hedge_policies.BASELINES} <= asked
    by_name = {r.metric: r for r in rows}
    assert by_name["limit_breaches"].value == 0
    assert by_name["off_policy_held"].target == hedge_policies.HELD_TARGET
    assert all("turnover ratio 1.000" in r.reason or "not matched" in r.reason for r in rows if r.metric.startswith("sharpe_"))
    short = SystemJob("hedge_policies", "x", SimpleNamespace(load=lambda *_: data), date(2019, 7, 1), None, 7, lambda _: None)
    told = hedge_policies.rows(short)
    assert [r.verdict for r in told] == ["not_measurable"]
    assert "whole days before" in told[0].reason
