"""bess_vpp: recalibration by block, joint scenarios, schedules that can be delivered, and the walk of its backtest."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

import numpy as np
import polars as pl
import pytest

from models._kernel.protocol import Features
from models._kernel.registry import params_of
from models._kernel.samples import features_of
from models._kernel.scenarios import INDEPENDENT
from models._kernel.synthetic import SyntheticMarket, gate
from models.bess_vpp.known import NEVER, Known
from models.bess_vpp.model import BessVpp
from models.bess_vpp.params import Params
from models.bess_vpp.spec import DAY_AHEAD, LEVELS, SPEC
from pipeline_tasks.scorecard.bess_walk import LAMBDAS, walk, whole_dates

PARAMS = {**params_of("bess_vpp", "test"), "paths": 8, "scenarios": 4, "lambdas": [0.0, 0.5, 1.0]}
FIRST = date(2020, 3, 28)


@lru_cache(maxsize=1)
def _rows() -> pl.DataFrame:
    rows = features_of(SPEC.inputs, SyntheticMarket(date(2019, 11, 15), date(2020, 3, 30)))
    return rows.filter(pl.col("hub") == rows["hub"][0])


@lru_cache(maxsize=1)
def _fitted() -> BessVpp:
    return BessVpp(dict(PARAMS)).fit(Features(_rows(), _rows().clear()), cutoff=gate(FIRST), seed=7)


def _target() -> Features:
    return Features(_rows(), _rows().filter(pl.col("delivery_date") >= FIRST))


def test_schedules_can_be_delivered_on_days_of_23_and_24_hours():
    data = _target()
    answer = _fitted().predict(data, as_of=data.target["as_of"].max()).frame
    asset = _fitted().params.bess
    lengths = set()
    for day in answer.partition_by("delivery_date", maintain_order=True):
        assert asset.faults(day["day_ahead_mw"].to_numpy(), 1.0) == []
        lengths.add(day.height)
    assert lengths == {23, 24}
    ladder = answer.select(DAY_AHEAD.values()).to_numpy()
    assert (np.diff(ladder, axis=1) >= 0).all()


def test_frontier_trades_mean_for_tail_and_marks_the_published_aversion():
    data = _target()
    told = _fitted().companions(data, as_of=data.target["as_of"].max())["bess_frontier"]
    for day in told.partition_by("delivery_ts", maintain_order=True):
        assert day["risk_aversion"].to_list() == [0.0, 0.25, 0.5, 1.0]
        assert day["is_chosen"].to_list() == [False, True, False, False]
        assert np.all(np.diff(day["expected_profit_ccy"]) <= 1e-3)
        assert np.all(np.diff(day["cvar_profit_ccy"]) >= -1e-3)
    assert told["evpi_ccy"].min() >= -1e-3
    assert told["vss_ccy"].min() >= -1e-3


def _known(n_days: int, bias: float) -> Known:
    """Days of four intervals whose second half is `bias` dearer than any quantile says."""
    rng = np.random.default_rng(4)
    date_, slot = np.repeat(np.arange(n_days), 4), np.tile(np.arange(4), n_days)
    base = np.tile(np.array([-13.0, -7.0, 0.0, 7.0, 13.0]), (date_.size, 2, 1))
    outcome = rng.normal(0, 10, (date_.size, 2)) + bias * (slot >= 2)[:, None]
    return Known(date_, slot, np.zeros((date_.size, 2), np.int64), outcome, base)


def test_recalibration_widens_the_blocks_that_need_it_and_no_other():
    known = _known(90, 60.0)
    ladder, slot, blocks = known.base[:4], np.arange(4), np.array([0, 0, 1, 1])
    made = known.recalibrated(ladder, slot, blocks)
    assert np.abs(made[:2] - ladder[:2]).max() < 6
    assert made[2:, :, -1].min() > 60
    assert (np.diff(made, axis=2) >= 0).all()
    inside = (known.outcome[2::4, 0] >= made[2, 0, 0]) & (known.outcome[2::4, 0] <= made[2, 0, -1])
    assert abs(inside.mean() - 0.8) < 0.08


def test_prices_not_known_at_the_gate_are_not_read():
    known = _known(40, 0.0)
    late = known.known.copy()
    late[known.date >= 35, 1] = NEVER
    late[known.date >= 38, 0] = NEVER
    seen = Known(known.date, known.slot, late, known.outcome, known.base).at(0, 40, 90)
    assert seen.date.max() == 37
    assert np.isnan(seen.outcome[seen.date >= 35, 1]).all()
    assert np.isfinite(seen.outcome[seen.date < 35]).all()
    assert known.at(0, 40, 10).date.min() == 30


def test_scenarios_keep_the_marginals_and_couple_what_was_coupled():
    rng = np.random.default_rng(1)
    known = _known(80, 0.0)
    mood = np.repeat(rng.normal(0, 10, 80), 4)
    joint = Known(known.date, known.slot, known.known, np.column_stack((mood, mood)) + rng.normal(0, 1, (320, 2)), known.base)
    drawn = joint.scenarios(("x", "y"), 80, known.base[:4], np.arange(4), slots=4, count=60)
    alone = joint.scenarios(("x", "y"), 80, known.base[:4], np.arange(4), slots=4, count=60, method=INDEPENDENT)
    assert drawn.shape == (2, 60, 4)
    assert np.quantile(drawn[0, :, 0], LEVELS) == pytest.approx(known.base[0, 0], abs=1.5)
    assert np.corrcoef(drawn[0, :, 0], drawn[1, :, 3])[0, 1] > 0.8
    assert abs(np.corrcoef(alone[0, :, 0], alone[1, :, 3])[0, 1]) < 0.4


def test_rules_follow_the_market_and_its_currency():
    params = Params.of(PARAMS)
    assert params.rules("iex", 15).price_cap == 10_000
    assert params.asset("iex").degradation_ccy_per_mwh == 540
    assert params.rules("be", 15).price_delay_intervals == 2
    assert params.rules("elsewhere", 60).real_time_fee_ccy_per_mwh == 0
    assert params.asset("elsewhere") == params.bess


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"risk_aversion": 1.5}, "risk_aversion is 1.5"),
        ({"lambdas": [0.5, 0.2]}, "lambdas are"),
        ({"rouds": 3}, "unknown parameter"),
        ({"assets": {"bess": {}}}, "no assets"),
    ],
)
def test_wrong_parameters_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        Params.of({**PARAMS, **change})


def test_the_walk_is_feasible_beats_nobody_by_foresight_and_tells_all_policies():
    dates = [d for d in whole_dates(_rows()) if d >= FIRST][:2]
    found = list(walk(_rows(), PARAMS, dates, refit_days=30, seed=7, say=lambda _: None))
    assert [w.day.date for w in found] == [(d - date(1970, 1, 1)).days for d in dates]
    for walked in found:
        assert walked.faults == ()
        assert {f"lambda_{v:g}" for v in LAMBDAS} < set(walked.profit)
        assert max(walked.profit.values()) == walked.profit["perfect_foresight"]
        assert set(walked.told) == {"lambda_0.25", "without_cqr"}


def test_days_with_a_gap_or_an_unknown_price_are_not_whole():
    rows = _rows().filter(pl.col("delivery_date") >= FIRST)
    gap = rows.filter(~((pl.col("delivery_date") == FIRST) & (pl.col("local_hour") == 5)))
    blank = rows.with_columns(
        pl.when((pl.col("delivery_date") == FIRST) & (pl.col("local_hour") == 5))
        .then(None)
        .otherwise(pl.col("price_ccy_per_mwh"))
        .alias("price_ccy_per_mwh")
    )
    assert whole_dates(rows)[0] == FIRST
    assert FIRST not in whole_dates(gap)
    assert FIRST not in whole_dates(blank)
