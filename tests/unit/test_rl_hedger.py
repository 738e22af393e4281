"""Offline-learned hedges: limits, kill switch, fees, the log's propensities, off-policy values against a known process, and learning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from models._kernel import laws, registry
from models._kernel.hedging import expected_absolute_deviation
from models._kernel.protocol import Features
from models._kernel.settlement import ImbalanceSettlement
from models.rl_hedger import report
from models.rl_hedger.days import STATE, StateScale, block_of, steps_of
from models.rl_hedger.learning import Log, learn
from models.rl_hedger.limits import ACTIONS, IDLE, LATTICE, HedgeRules, drawdown
from models.rl_hedger.log import logged
from models.rl_hedger.off_policy import evaluated
from models.rl_hedger.params import Params
from models.rl_hedger.policies import (
    Heuristic,
    by_action,
    cvar_program,
    decided,
    follow,
    follow_actions,
    hindsight,
    settled,
    sharpe,
)

RULES = HedgeRules(band=0.05, net=0.005, gross_growth=0.10, step=0.05, halt_drawdown=1.0)


@pytest.fixture(scope="module")
def fitted():
    subject = laws.Subject(registry.model_class("rl_hedger"), registry.params_of("rl_hedger", "test"))
    return subject.fitted, subject.sample


@pytest.fixture(scope="module")
def days(fitted):
    model, sample = fitted
    return model.whole_days(sample.rows, sample.as_of)[0]


def _shares(n=50, seed=0):
    day = np.random.default_rng(seed).uniform(0.3, 0.7, n)
    return np.column_stack((day, 1 - day))


def test_actions_keep_band_net_and_gross_limits():
    share, mad = _shares(), np.random.default_rng(1).uniform(0.005, 0.2, 50)
    widest = RULES.widest(mad)
    assert (widest <= RULES.band).all()
    assert (expected_absolute_deviation(widest, mad) <= 1.1 * expected_absolute_deviation(np.zeros(50), mad) + 1e-12).all()
    positions = RULES.positions(share, widest)
    assert positions.shape == (50, ACTIONS, 2)
    assert (np.abs(positions) <= widest[:, None, None] + 1e-12).all()
    assert (np.abs((positions * share[:, None]).sum(axis=2)) <= RULES.net + 1e-12).all()
    assert (positions[:, IDLE] == 0).all()
    assert (positions[:, (LATTICE == (0, 1)).all(axis=1), 0] > 0).all()


@pytest.mark.parametrize("wish", [(1.0, 1.0), (-1.0, 1.0), (0.04, -0.05), (0.0, 0.0)])
def test_a_wish_beyond_the_limits_is_cut_to_them(wish):
    share = np.array([0.55, 0.45])
    made = RULES.admitted(np.array(wish), np.zeros(2), share, 0.03)
    assert np.abs(made).max() <= 0.03 + 1e-12
    assert abs(share @ made) <= RULES.net + 1e-12
    slow = replace(RULES, step=0.001)
    assert np.abs(slow.admitted(np.array(wish), np.zeros(2), share, 0.03)).max() <= 0.001 + 1e-12


def test_kill_switch_falls_with_the_drawdown():
    assert drawdown(np.array([1.0, 2.0, -1.5, -1.0])) == pytest.approx(2.5)
    assert drawdown(np.empty(0)) == 0.0
    assert RULES.halted(np.array([0.5, -1.2]))
    assert not RULES.halted(np.array([-0.5, 0.2, -0.4]))


def test_a_halted_day_is_published_without_a_hedge(fitted):
    model, sample = fitted
    day = sample.target["delivery_date"].max()
    target = sample.target.filter(pl.col("delivery_date") == day)
    plain = model.predict(Features(sample.rows, target), as_of=sample.as_of).frame
    assert not plain["is_halted"].any()
    strict = type(model)(model.params.as_json() | {"halt_drawdown_ccy_per_mwh": 0.0})
    strict._fitted, strict._cutoff = model._fitted, model._cutoff
    # savings turned to losses: every known spread of the days before has the other sign
    flipped = sample.rows.with_columns(pl.when(pl.col("delivery_date") < day).then(-5 * pl.col("price_ccy_per_mwh")).otherwise(
        pl.col("price_ccy_per_mwh")).alias("price_ccy_per_mwh"))  # fmt: skip
    halted = strict.predict(Features(flipped, target), as_of=sample.as_of).frame
    assert halted.filter(pl.col("drawdown_ccy_per_mwh") > 0)["is_halted"].all()
    assert halted["is_halted"].any()
    assert halted.filter(pl.col("is_halted"))["hedge_share"].to_list() == [0.0] * halted["is_halted"].sum()


def test_savings_are_those_of_the_settlement(fitted, days):
    """Energy x hedge x spread and the fee on absolute deviation, as `ImbalanceSettlement` has them, for every action."""
    model, sample = fitted
    hub = sample.rows["hub"].min()
    rows = sample.rows.filter(pl.col("hub") == hub).sort("delivery_date", "delivery_ts")
    rule, energy = ImbalanceSettlement(model.params.portfolio), model.params.portfolio.scheduled_mwh(rows)
    date = rows["delivery_date"].cast(pl.Int32).to_numpy()
    at = np.searchsorted(days.date, date)
    known = (at < days.count) & (days.date[np.minimum(at, days.count - 1)] == date)
    rows, at, energy = rows.filter(pl.Series(known)), at[known], energy[known]
    for action in (0, 3, 8):
        hedge = days.positions[at, action, block_of(rows)][:, None]
        gain = rule.cost(rows, np.zeros_like(hedge)) - rule.cost(rows, hedge)
        daily = np.bincount(at, gain) / np.bincount(at, energy)
        np.testing.assert_allclose(days.saving()[:, action][: daily.size], daily, rtol=1e-9, atol=1e-9)


def test_fees_are_charged_on_trade_and_on_moves(fitted, days):
    model, _ = fitted
    idle = settled(days, np.zeros((days.count, 2)), model.params)
    np.testing.assert_array_equal(idle.saving, np.zeros(days.count))
    action = np.full(days.count, 8)
    free = replace(model.params, trade_fee_ccy_per_mwh=0.0, move_fee_ccy_per_mwh=0.0)
    dear = replace(model.params, trade_fee_ccy_per_mwh=1.0, move_fee_ccy_per_mwh=2.0)
    made, plain = (follow(days, by_action(days, action), p, model.rules) for p in (dear, free))
    traded = (np.abs(made.hedge) * days.share).sum(axis=1)
    np.testing.assert_allclose(plain.saving - made.saving, traded + 2.0 * made.moved, atol=1e-12)
    np.testing.assert_allclose(follow_actions(days, action, dear, model.rules).saving, made.saving, atol=1e-12)


def test_hindsight_is_the_limit(fitted, days):
    model, _ = fitted
    params = replace(model.params, move_fee_ccy_per_mwh=0.0)
    best = follow(days, hindsight(days, params), params, model.rules).saving.sum()
    for action in range(ACTIONS):
        assert follow(days, by_action(days, np.full(days.count, action)), params, model.rules).saving.sum() <= best + 1e-9
    program = follow(days, cvar_program(days.spread[:0], params, model.rules), params, model.rules)
    assert program.saving.sum() <= best + 1e-6
    net = np.abs((program.hedge * days.share).sum(axis=1))
    assert net.max() <= model.rules.net + 1e-9
    assert (np.abs(program.hedge) <= days.widest[:, None] + 1e-9).all()


def test_log_tells_the_probability_of_what_was_done(fitted, days):
    model, _ = fitted
    scale = StateScale.of(days.state)
    rule = Heuristic("price_hour_mean_28d_ccy_per_mwh", 0.25, 0.25, 5.0)
    log, unit = logged([days], rule, scale, model.params, model.rules, seed=1)
    usual = rule.actions(days)
    assert set(np.round(log.propensity, 12)) == {
        round(model.params.explore / ACTIONS, 12), round(model.params.explore / ACTIONS + 1 - model.params.explore, 12)
    }  # fmt: skip
    assert ((log.action == usual) == (log.propensity > 0.5 * (1 - model.params.explore))).all()
    assert log.reward.std() == pytest.approx(1.0)
    assert unit > 0
    assert log.ends.sum() == 1
    np.testing.assert_allclose(log.inputs[1:], log.after[:-1])


def _process(n=3000, seed=0):
    """A process of two actions whose values are known: action 1 pays x, action 0 nothing; x comes anew each day."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    action = rng.integers(0, 2, n)
    reward = action * x + 0.1 * rng.standard_normal(n)
    after = np.append(x[1:], 0.0)
    return Log(x[:, None], action, reward, after[:, None], np.append(np.zeros(n - 1), 1.0), np.full(n, 0.5))


def test_off_policy_values_of_a_known_process():
    log = _process()
    good, bad = (log.inputs[:, 0] > 0).astype(int), (log.inputs[:, 0] < 0).astype(int)
    good_after, bad_after = (log.after[:, 0] > 0).astype(int), (log.after[:, 0] < 0).astype(int)
    expected = 1 / np.sqrt(2 * np.pi)  # E[max(x, 0)]
    for here, after, value in ((good, good_after, expected), (bad, bad_after, -expected)):
        found = evaluated(log, here, after, 2, discount=0.8, seed=1)
        assert found.low < value < found.high
        assert found.fitted == pytest.approx(value, abs=0.1)
        assert found.high - found.low < 0.2


def test_learners_find_the_paying_action_and_cloning_does_not(fitted):
    model, _ = fitted
    params = replace(model.params, seeds=2, steps=300, batch=64, rate=5e-3, width=8, quantiles=5, conservatism=0.1, discount=0.5)
    log = _process()
    learned = learn(log, params, ACTIONS, seed=4)
    at = np.array([[-1.5], [1.5]])
    for s in range(2):
        one = {k: v[s] for k, v in learned.items()}
        for head in ("cql", "iql"):
            assert decided(one, head, at, params)[:, :2].argmax(axis=1).tolist() == [0, 1], head
        odds = np.exp(decided(one, "clone", at, params)[:, :2])
        np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), 0.5, atol=0.15)


def test_sharpe_is_annual_and_nil_without_risk():
    assert sharpe(np.zeros(10)) == 0.0
    x = np.array([1.0, 3.0])
    assert sharpe(x) == pytest.approx(2 / np.sqrt(2) * np.sqrt(365))


def test_states_hold_nothing_of_the_day_itself(fitted):
    model, sample = fitted
    blind = sample.rows.with_columns(pl.lit(1e9).alias("price_ccy_per_mwh"), pl.lit(0.5).alias("load_deviation_share"))
    plain, poisoned = (steps_of(r, model.params.portfolio, model.rules) for r in (sample.rows, blind))
    for key, one in plain.items():
        np.testing.assert_array_equal(one.state, poisoned[key].state)
    assert len(STATE) == one.state.shape[1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"algorithm": "dqn"}, "algorithm is 'dqn'"),
        ({"tail": 0}, "tail is 0"),
        ({"seeds": 0}, "seeds is 0"),
        ({"x": 1}, "unknown parameter"),
    ],
)
def test_settings_that_cannot_be_are_refused(values, message):
    given = registry.params_of("rl_hedger", "test")
    with pytest.raises(ValueError, match=message):
        Params.of(given | values)


def test_page_tells_what_the_hedges_saved(fitted):
    model, sample = fitted
    day = sample.target["delivery_date"].min()
    target = sample.target.filter(pl.col("delivery_date") == day)
    told = model.predict(Features(sample.rows, target), as_of=target["as_of"].max()).frame
    outcomes = target.select("hub", "product", "delivery_ts", "price_ccy_per_mwh")
    rows = report.sections(told, outcomes)[0]["rows"]
    assert {row["hub"] for row in rows} == set(target["hub"])
    expected = (told["scheduled_mwh"] * told["hedge_share"] * target.sort("hub", "delivery_ts")["price_ccy_per_mwh"]).sum()
    assert sum(row["realised_saving"] for row in rows) == pytest.approx(expected, abs=0.02)
    assert report.sections(told, outcomes.clear()) == []


def test_a_portfolio_is_needed():
    with pytest.raises(ValueError, match=r"assets\.portfolio"):
        Params.of({})
