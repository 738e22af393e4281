"""The battery's two-stage program: against a textbook one, theory of its value, feasibility, India's rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pyomo.environ as pyo
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from config.markets import load_markets, resolve_market
from config.settings import REPO_ROOT, get_settings
from models._kernel.delivery import AssetError
from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.rules import DeviationBand, MarketRules, cvar, per_mwh, profits
from models._kernel.storage.two_stage import ScheduleError, frontier, perfect_foresight, solve_two_stage, worth_of
from pipeline_tasks.sources.files import FilesSource

ASSET = StorageAsset.of(yaml.safe_load((REPO_ROOT / "config/assets/bess.yaml").read_text(encoding="utf-8")), "bess")
NO_RECOURSE = MarketRules(60, -500, 4000, real_time_limit_share=0.0)
FREE = MarketRules(60, -500, 4000)
FEES = MarketRules(60, -500, 4000, 0.1, 4.0)
IEX = MarketRules.of_market(load_markets()["iex"].model_dump())


def _prices(seed: int, scenarios: int = 4, n: int = 12, low: float = -80.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = 50 + 40 * np.sin(np.arange(n) * 4 * np.pi / n) + rng.normal(0, 10, (scenarios, 1)) + rng.normal(0, 5, (scenarios, n))
    second = first + rng.normal(0, 30, (scenarios, n))
    second[rng.random(second.shape) < 0.08] = low
    return first, second


def textbook(asset: StorageAsset, rules: MarketRules, first, second, share, *, aversion: float) -> float:
    """The program as the paper has it, a binary in every interval; its objective."""
    (count, n), h, m = first.shape, rules.hours, pyo.ConcreteModel()
    m.s, m.t = pyo.RangeSet(0, count), pyo.RangeSet(0, n - 1)  # row `count` is the day-ahead schedule
    m.c, m.d = pyo.Var(m.s, m.t, bounds=(0, asset.power_mw)), pyo.Var(m.s, m.t, bounds=(0, asset.power_mw))
    m.z, m.eta, m.u = pyo.Var(m.s, m.t, domain=pyo.Binary), pyo.Var(), pyo.Var(m.s, domain=pyo.NonNegativeReals)
    m.moved = pyo.Var(m.s, m.t, [1, -1], range(1 + len(rules.bands)), domain=pyo.NonNegativeReals)
    m.rows = pyo.ConstraintList()
    earned = []
    for s in m.s:
        level, discharged, profit = asset.start_mwh, 0.0, 0.0
        for t in m.t:
            m.rows.add(m.d[s, t] <= asset.power_mw * m.z[s, t])
            m.rows.add(m.c[s, t] <= asset.power_mw * (1 - m.z[s, t]))
            level = level + h * (m.c[s, t] * asset.charge_efficiency - m.d[s, t] / asset.discharge_efficiency)
            m.rows.add((asset.bounds_mwh[0], level, asset.bounds_mwh[1]))
            discharged += h * m.d[s, t]
            if s == count:
                continue
            g, net = m.d[count, t] - m.c[count, t], m.d[s, t] - m.c[s, t]
            profit += h * (first[s, t] * g + second[s, t] * (net - g) - asset.degradation_ccy_per_mwh * m.d[s, t])
            profit -= h * rules.day_ahead_fee_ccy_per_mwh * (m.d[count, t] + m.c[count, t])
            reference = max(first[s, t], second[s, t], 0.0)
            widths = [(rules.real_time_limit_share, 0.0, 0.0), *((b.up_to_share, b.surplus_share, b.shortage_share) for b in rules.bands)]
            low = 0.0
            for k, (end, surplus, shortage) in enumerate(widths):
                for sign, penalty in ((1, surplus), (-1, shortage)):
                    if end is not None and np.isfinite(end):
                        m.rows.add(m.moved[s, t, sign, k] <= (end - (low if k else 0.0)) * asset.power_mw)
                    profit -= h * (rules.real_time_fee_ccy_per_mwh + penalty * reference) * m.moved[s, t, sign, k]
                low = end if k else 0.0
            m.rows.add(net - g == sum(sign * m.moved[s, t, sign, k] for sign in (1, -1) for k in range(len(widths))))
        low_end, high_end = asset.end_bounds_mwh
        m.rows.add((low_end, level, high_end))
        m.rows.add(discharged <= asset.throughput_mwh)
        if s < count:
            m.rows.add(m.u[s] >= m.eta - profit)
            earned.append(profit)
    mean = sum(p * e for p, e in zip(share, earned, strict=True))
    tail = m.eta - sum(p * m.u[s] for s, p in enumerate(share)) / 0.05
    m.best = pyo.Objective(expr=(1 - aversion) * mean + aversion * tail, sense=pyo.maximize)
    pyo.SolverFactory("appsi_highs").solve(m, options={"mip_rel_gap": 1e-9})
    return float(pyo.value(m.best))


@pytest.mark.parametrize("terminal", ["at_least_start", "exactly_start"])
@pytest.mark.parametrize(
    "rules",
    [NO_RECOURSE, FREE, FEES, MarketRules(60, -500, 4000, 0.1, 1.0, 0.2, (DeviationBand(0.1, 0.0, 0.1), DeviationBand(np.inf, 1.0, 0.5)))],
)
def test_the_program_earns_what_the_textbook_program_earns(rules, terminal):
    asset, (first, second) = replace(ASSET, terminal=terminal), _prices(3, scenarios=3, n=8)
    share = np.array([0.5, 0.3, 0.2])
    for aversion in (0.0, 0.6):
        plan = solve_two_stage(asset, rules, first, second, share, risk_aversion=aversion)
        assert plan.objective_ccy == pytest.approx(textbook(asset, rules, first, second, share, aversion=aversion), rel=1e-5, abs=1e-3)
        assert plan.status == "optimal"


def test_risk_neutral_objective_is_the_mean_and_full_aversion_the_tail():
    first, second = _prices(5)
    neutral, averse = frontier(ASSET, FEES, first, second, lambdas=(0.0, 1.0))
    assert neutral.objective_ccy == pytest.approx(neutral.profit_ccy.mean())
    assert averse.objective_ccy == pytest.approx(averse.profit_ccy.min())  # the worst 5 % of four scenarios is the worst one
    assert neutral.expected_ccy >= averse.expected_ccy - 1e-6
    assert averse.cvar_ccy >= neutral.cvar_ccy - 1e-6
    again = solve_two_stage(ASSET, FEES, first, second, risk_aversion=1.0)
    assert again.objective_ccy == pytest.approx(averse.objective_ccy, rel=1e-7)


@pytest.mark.parametrize("rules", [NO_RECOURSE, FREE])
def test_without_costly_recourse_the_stochastic_schedule_is_worth_nothing_more(rules):
    """Finding 13: with no recourse, or free recourse, and no risk aversion the program is linear in prices, and means are enough."""
    first, second = _prices(7, low=5.0)  # no negative price: the battery's physics are convex then
    worth = worth_of(ASSET, rules, first, second)
    assert worth.vss_ccy == pytest.approx(0.0, abs=1e-3)
    assert worth.evpi_ccy > 1.0


def test_costly_recourse_and_risk_aversion_make_the_stochastic_schedule_worth_more():
    first, second = _prices(11, scenarios=6)
    assert worth_of(ASSET, FEES, first, second).vss_ccy > 1.0
    assert worth_of(ASSET, NO_RECOURSE, first, second, risk_aversion=0.8).vss_ccy > 1.0


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    aversion=st.floats(0, 1),
    terminal=st.sampled_from(["at_least_start", "exactly_start", "free"]),
    rules=st.sampled_from([NO_RECOURSE, FREE, FEES]),
)
def test_every_plan_can_be_delivered_and_information_is_never_worth_less_than_nothing(seed, aversion, terminal, rules):
    asset, (first, second) = replace(ASSET, terminal=terminal), _prices(seed, scenarios=3, n=10, low=-400.0)
    plan = solve_two_stage(asset, rules, first, second, risk_aversion=aversion)
    assert asset.faults(plan.day_ahead_mw, rules.hours) == []
    assert [asset.faults(net, rules.hours) for net in plan.net_mw] == [[], [], []]
    assert np.minimum(plan.charge_mw, plan.discharge_mw).max() == 0.0
    if not rules.has_recourse:
        assert np.allclose(plan.net_mw, plan.day_ahead_mw, atol=1e-6)
    seen = [perfect_foresight(asset, rules, p, q).profit_ccy[0] for p, q in zip(first, second, strict=True)]
    assert np.all(np.array(seen) >= plan.profit_ccy - 1e-3)


def test_negative_prices_do_not_make_it_charge_and_discharge_at_once():
    """The relaxed program would burn energy at -400; the answer must not, and must earn less than burning would."""
    n, low = 6, -400.0
    prices = np.full((1, n), low)
    asset = replace(ASSET, degradation_ccy_per_mwh=0.0, terminal="exactly_start", cycles_per_day=100.0)
    plan = solve_two_stage(asset, FREE, prices, prices, risk_aversion=0.0)
    assert asset.faults(plan.net_mw[0], 1.0) == []
    lost = 1 - asset.round_trip_efficiency
    burning = n * asset.power_mw * lost * -low  # charging at full power and giving what is left of it at once, all day
    in_turn = burning / (1 + asset.round_trip_efficiency)  # the same losses, made in turns
    assert 0.85 * in_turn < plan.profit_ccy[0] <= in_turn + 1e-6


def test_bands_settle_as_written():
    """20 MW: the first 20 traded, then 2 MW free of penalty, 1 MW at the second band, the rest at the third."""
    power, price = 20.0, 5000.0
    short = IEX.deviation_cost(-26.0, price, power)
    assert short == pytest.approx(20 * 26 + price * (0.2 * 1.0 + 0.5 * 3.0))
    over = IEX.deviation_cost(26.0, price, power)
    assert over == pytest.approx(20 * 26 + price * (1.0 * 1.0 + 1.0 * 3.0))
    assert IEX.deviation_cost(26.0, -5.0, power) == pytest.approx(20 * 26)  # no reference below nought
    with pytest.raises(ValueError, match="no bands"):
        NO_RECOURSE.deviation_cost(1.0, 50.0, power)


def test_settlement_by_hand():
    rules = MarketRules(30, -500, 4000, 1.0, 2.0)
    earned = profits(
        rules, committed_mw=[10, -4], net_mw=[6, -4], day_ahead=[100, 20], real_time=[120, 10], power_mw=20, wear_ccy_per_mwh=5.0
    )
    assert earned == pytest.approx(0.5 * ((100 * 10 - 10 + 120 * -4 - 8 - 5 * 6) + (20 * -4 - 4)))


def test_india_has_96_blocks_a_cap_and_prices_per_mwh():
    assert 24 * 60 // IEX.interval_min == 96
    rupees = per_mwh(np.linspace(1.0, 10.0, 96), "ccy_per_kwh")
    assert rupees[-1] == IEX.price_cap
    plan = solve_two_stage(replace(ASSET, degradation_ccy_per_mwh=540.0), IEX, rupees[None], rupees[None], risk_aversion=0.0)
    assert plan.profit_ccy[0] > 0
    with pytest.raises(ValueError, match=r"real_time\[0, 3\] is 10001.0; prices are finite and within 0..10000"):
        solve_two_stage(ASSET, IEX, rupees[None], np.where(np.arange(96) == 3, 10001.0, rupees)[None], risk_aversion=0.0)
    with pytest.raises(ValueError, match="unit is 'rs'"):
        per_mwh(1.0, "rs")


def test_tail_is_split_inside_a_scenario():
    profit, share = np.array([0.0, 10.0, 20.0]), np.array([0.02, 0.5, 0.48])
    assert cvar(profit, share, 0.95) == pytest.approx((0.02 * 0 + 0.03 * 10) / 0.05)
    assert cvar(profit, share, 1e-9) == pytest.approx(share @ profit)


def test_a_schedule_that_cannot_be_left_nor_delivered_is_refused():
    first, second = _prices(1, scenarios=2, n=4)
    with pytest.raises(ScheduleError, match="Infeasible"):
        solve_two_stage(ASSET, NO_RECOURSE, first, second, risk_aversion=0.0, committed=np.full(4, 20.0))
    left = solve_two_stage(ASSET, FEES, first, second, risk_aversion=0.0, committed=np.full(4, 20.0))
    assert left.day_ahead_mw.tolist() == [20.0] * 4


def test_a_schedule_for_given_deliveries_is_the_best_for_them():
    first, second = _prices(9, scenarios=5)
    free = solve_two_stage(ASSET, FEES, first, second, risk_aversion=0.3)
    net = np.repeat(free.day_ahead_mw[None, :], 5, axis=0)
    plans = frontier(ASSET, FEES, first, second, lambdas=(0.0, 0.3, 1.0), delivered=net)
    assert all(np.array_equal(p.net_mw, net) for p in plans)
    assert ASSET.faults(plans[1].day_ahead_mw, 1.0) == []
    held = profits(
        FEES, committed_mw=net, net_mw=net, day_ahead=first, real_time=second, power_mw=20.0, wear_ccy_per_mwh=ASSET.degradation_ccy_per_mwh
    )
    assert plans[0].expected_ccy >= held.mean() - 1e-6
    assert plans[2].cvar_ccy >= held.min() - 1e-6
    assert free.objective_ccy >= plans[1].objective_ccy - 1e-6
    again = solve_two_stage(ASSET, FEES, first, second, risk_aversion=0.3, committed=plans[1].day_ahead_mw, delivered=net)
    assert again.objective_ccy == pytest.approx(plans[1].objective_ccy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"risk_aversion": 1.2}, "risk_aversion is"),
        ({"alpha": 1.0}, "alpha is 1.0"),
        ({"probability": [0.5, 0.4]}, "probability has shape"),
        ({"committed": [0.0]}, "committed has shape"),
        ({"delivered": [0.0]}, "delivered has shape"),
        ({"real_time": np.zeros((2, 3))}, "real_time"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    first, second = _prices(1, scenarios=2, n=4)
    with pytest.raises(ValueError, match=message):
        solve_two_stage(**{"asset": ASSET, "rules": FREE, "day_ahead": first, "real_time": second, "risk_aversion": 0.0, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bands": (DeviationBand(0.1, 0.0, 0.0),)}, "the last band ends"),
        ({"bands": (DeviationBand(0.1, 0.5, 0.0), DeviationBand(np.inf, 0.2, 0.0))}, "penalties fall"),
        ({"price_cap": -600.0}, "price_floor"),
        ({"real_time_limit_share": -1.0}, "real_time_limit_share"),
    ],
)
def test_wrong_rules_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        replace(FEES, **change)
    with pytest.raises(AssetError, match="terminal is 'never'"):
        StorageAsset.of(
            {**yaml.safe_load((REPO_ROOT / "config/assets/bess.yaml").read_text(encoding="utf-8")), "terminal": "never"}, "bess"
        )


def test_a_published_day_of_the_exchange_is_read_and_scheduled_in_its_units():
    folder = get_settings().data_dir / "india"
    if not folder.is_dir():
        pytest.skip("the market data folder has no files of India's exchange")
    frames = [batch.frame for batch in FilesSource(get_settings().data_dir).batches(resolve_market("iex"), until=date(2099, 12, 31))]
    rows = pl.concat([f for f in frames if f["product"][0] == "da"]).sort("delivery_ts")
    day = rows.filter(pl.col("delivery_ts") < datetime(2025, 8, 7, 18, 30, tzinfo=UTC))["price_ccy_per_mwh"].to_numpy()
    assert day.size == 96
    assert day.max() == IEX.price_cap
    plan = perfect_foresight(ASSET.on(load_markets()["iex"].model_dump()), IEX, day, day)
    assert 0 < plan.profit_ccy[0] < ASSET.throughput_mwh * IEX.price_cap
    assert ASSET.faults(plan.net_mw[0], 0.25) == []
