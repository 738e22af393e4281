"""Spreads, netbacks, signals, hedges: identities to 1e-9, published definitions, no look ahead, limits kept, money that adds up."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.markets import load_markets
from models._kernel.cross.hedge import Tape, Terms, capital, foresight, positions, run
from models._kernel.cross.netback import Route, netback, supply_cost
from models._kernel.cross.signals import SIGNALS, Setting, learned, signal_table
from models._kernel.cross.spreads import Plant, clean_spread, fuel_spread, implied_heat_rate, marginal_cost, switching_price
from models._kernel.deflation import deflated_sharpe, expected_best_sharpe
from pipeline_tasks.contracts import LINEAGE, with_lineage
from pipeline_tasks.contracts.cross_asset import CROSS_COMMODITY
from pipeline_tasks.cross_asset.backtest import Case, backtest
from pipeline_tasks.cross_asset.market_frame import MarketFrame
from pipeline_tasks.cross_asset.publication import spread_rows
from pipeline_tasks.cross_asset.settings import CrossSettings, load_cross
from pipeline_tasks.sources.units import MWH_PER_MMBTU

PRICE = st.floats(0.5, 500)
GAS, COAL = Plant(1 / 0.4913, 0.411 * 0.4913), Plant(1 / 0.35, 0.973 * 0.35)
TERMS = Terms(0.5, 0.05, 30, 0.15, 0.0015, 0.0001, 0.99, 10, 250)
ROUTE = Route(4800, 17, 3.6e6, 80_000, 3, 450_000, 350_000, 0.00085, 0.45)


@given(PRICE, PRICE, PRICE, PRICE)
def test_spreads_are_identities(power: float, gas: float, coal: float, co2: float) -> None:
    clean = clean_spread(power, gas, co2, GAS)
    assert float(clean + GAS.intensity_t_per_mwh * co2 - fuel_spread(power, gas, GAS)) == pytest.approx(0.0, abs=1e-9)
    assert float(clean + marginal_cost(gas, co2, GAS)) == pytest.approx(power, abs=1e-9)
    rate = float(implied_heat_rate(power, gas, co2, GAS.co2_t_per_unit))
    idle = replace(GAS, heat_rate=rate)
    assert float(clean_spread(power, gas, co2, idle)) == pytest.approx(0.0, abs=1e-9)
    switch = float(switching_price(gas, coal, GAS, COAL))
    gap = float(clean_spread(power, gas, switch, GAS) - clean_spread(power, coal, switch, COAL))
    assert gap == pytest.approx(0.0, abs=1e-9 * max(1.0, abs(switch)))


def test_published_definitions_are_reproduced() -> None:
    # EIA: spark spread = power price - natural gas price x heat rate; 40 USD/MWh, 3 USD/MMBtu, 7,000 Btu/kWh: 19 USD/MWh
    assert float(fuel_spread(40.0, 3.0, Plant(7.0))) == pytest.approx(19.0, abs=1e-9)
    # EIA: implied heat rate = power price / gas price
    assert float(implied_heat_rate(40.0, 4.0)) == pytest.approx(10.0, abs=1e-9)
    # ICIS: gas at 49.13 % efficiency, 0.411 tCO2/MWh; 100 - 40 / 0.4913 - 0.411 x 60
    assert float(clean_spread(100.0, 40.0, 60.0, GAS)) == pytest.approx(100 - 40 / 0.4913 - 0.411 * 60, abs=1e-9)
    plant = load_cross().plant("USD", "gas", co2_priced=False)
    assert float(fuel_spread(40.0, 3.0 / MWH_PER_MMBTU, plant)) == pytest.approx(19.0, abs=1e-9)


@given(PRICE, st.floats(500, 15_000), st.floats(12, 20), st.floats(0, 0.002), st.floats(0, 2))
def test_a_netback_is_the_price_less_what_was_taken_off(price: float, miles: float, knots: float, boil_off: float, regas: float) -> None:
    route = replace(ROUTE, distance_nm=miles, speed_kn=knots, boil_off_per_day=boil_off, regas_per_mmbtu=regas)
    found = netback(price, route)
    assert float(found.netback + found.freight + found.boil_off + found.regas) == pytest.approx(price, abs=1e-9)
    by_hand = price * (1 - boil_off * miles / (24 * knots)) - route.freight_per_mmbtu - regas * (1 - route.boil_off_share)
    assert float(found.netback) == pytest.approx(by_hand, abs=1e-9)


def test_a_wrong_plant_or_route_is_refused() -> None:
    with pytest.raises(ValueError, match="heat_rate"):
        Plant(0.0)
    with pytest.raises(ValueError, match="boil_off_per_day"):
        replace(ROUTE, boil_off_per_day=0.2)
    with pytest.raises(ValueError, match="must emit more"):
        switching_price(30.0, 12.0, GAS, Plant(2.0, 0.0))
    with pytest.raises(ValueError, match="exactly one"):
        CrossSettings.model_validate(load_cross().model_dump() | {"plants": {"EUR": {"gas": {"co2_t_per_mwh": 0.4}}}})
    assert float(supply_cost(4.0, fuel_share=0.15, tolling_per_mmbtu=1.0)) == pytest.approx(5.6)


def _frame(days: int = 900, seed: int = 3) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    walk = {n: 30 * np.exp(np.cumsum(rng.normal(0, 0.02, days))) for n in ("gas", "coal", "co2", "oil", "power")}
    flows = {"gas_storage_gwh": 5e5 + np.cumsum(rng.normal(0, 1e3, days)), "lng_arrivals_gwh": rng.uniform(1e3, 2e3, days)}
    return pl.DataFrame(walk | flows | {"arbitrage_per_mmbtu": rng.normal(2, 1, days)})


def test_signals_stay_in_bounds_and_do_not_look_ahead() -> None:
    frame, setting = _frame(), Setting(GAS, COAL)
    table = signal_table(frame, setting)
    assert set(table.columns) == {n for s in SIGNALS.values() for n in s} | {"gas_mean", "co2_mean"}
    for name in table.columns:
        values = table[name].to_numpy()
        assert np.abs(values).max() <= 1.0
        assert np.abs(values[500:]).max() > 0, name
    cut = 700
    poisoned = frame.with_row_index().with_columns(
        pl.when(pl.col("index") < cut).then(pl.col(c)).otherwise(1e9) for c in frame.columns
    )  # fmt: skip
    assert signal_table(poisoned.drop("index"), setting)[:cut].equals(table[:cut])
    unpriced = Setting(Plant(GAS.heat_rate), Plant(COAL.heat_rate))
    assert signal_table(frame, unpriced)["fuel_switching"].to_list() == [0.0] * frame.height
    gone = frame.drop("oil", "coal")
    assert signal_table(gone, setting)["oil_momentum"].to_list() == [0.0] * frame.height


def test_what_is_learned_of_signals_uses_moves_known_by_then() -> None:
    rng = np.random.default_rng(5)
    signals = np.clip(rng.normal(0, 0.5, (1500, 3)), -1, 1)
    moves = np.concatenate((0.004 * signals[1:, 0], [0.0])) + rng.normal(0, 0.004, 1500)
    found = learned(signals, moves, known_rows=3)
    assert not found[:500].any()
    assert np.corrcoef(found[600:], signals[600:, 0])[0, 1] > 0.8
    cut = 1000
    later = moves.copy()
    later[cut - 3 :] = 1e6
    assert np.array_equal(learned(signals, later, known_rows=3)[:cut], found[:cut])


def _tape(days: int = 400, seed: int = 4) -> Tape:
    rng = np.random.default_rng(seed)
    price = 30 * np.exp(np.cumsum(rng.normal(0, 0.02, (days, 2)), axis=0))
    rolled = np.zeros((days, 2), dtype=bool)
    rolled[::30, 0] = True
    move = np.vstack((np.diff(price, axis=0), np.zeros((1, 2))))
    return Tape(price, np.where(rolled, 0.0, move), rolled, np.array([100.0, 40.0]), rng.uniform(0, 50, days))


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.01, 0.5))
def test_positions_never_turn_faster_than_the_cap(seed: int, cap: float) -> None:
    wanted = 1 + np.random.default_rng(seed).uniform(-0.5, 0.5, (60, 2))
    held = positions(wanted, cap)
    assert np.abs(np.diff(held, axis=0, prepend=np.ones((1, 2)))).max() <= cap + 1e-12
    assert np.all((held >= 0.5 - 1e-12) & (held <= 1.5 + 1e-12))


def test_the_money_adds_up_and_costs_only_lower_it() -> None:
    tape, held = _tape(), positions(1 + np.random.default_rng(1).uniform(-0.5, 0.5, (400, 2)), TERMS.daily_cap)
    found, free = run(held, tape, TERMS), run(held, tape, replace(TERMS, half_spread_share=0.0, fee_share=0.0))
    assert free.cost.max() == 0.0
    np.testing.assert_allclose(found.pnl + found.cost, free.pnl, atol=1e-9)
    np.testing.assert_allclose(free.pnl - tape.margin, (held * tape.move * tape.volume).sum(axis=1), atol=1e-9)
    assert capital(found, TERMS).min() > 0
    still = run(np.ones((400, 2)), tape, TERMS)
    assert still.turnover.max() == 0.0
    assert (still.cost > 0).sum() == tape.rolled.any(axis=1).sum()  # a hedge that never changes pays for its rolls


def test_foresight_is_best_and_keeps_the_limits() -> None:
    tape = _tape()
    held = foresight(tape, TERMS)
    assert np.abs(np.diff(held, axis=0)).max() <= TERMS.daily_cap + 1e-9
    best = run(held, tape, TERMS).pnl.sum()
    rng = np.random.default_rng(2)
    for _ in range(20):
        other = positions(1 + rng.uniform(-0.5, 0.5, (400, 2)), TERMS.daily_cap)
        assert best >= run(other, tape, TERMS).pnl.sum() - 1e-9
    follow = positions(1 + 0.5 * np.sign(tape.move), TERMS.daily_cap)
    assert best >= run(follow, tape, TERMS).pnl.sum()


def test_a_backtest_pays_for_a_signal_that_is_right_and_not_for_noise() -> None:
    days = 1600
    rng = np.random.default_rng(8)
    frame = _frame(days)
    price = np.column_stack([frame["gas"].to_numpy(), frame["co2"].to_numpy()])
    tape = Tape(price, np.vstack((np.diff(price, axis=0), np.zeros((1, 2)))), np.zeros((days, 2), bool), np.array([10.0, 5.0]),
                rng.uniform(0, 50, days))  # fmt: skip
    case = Case(np.arange(days), frame, Setting(GAS, COAL), tape, ("gas", "co2"))
    found = backtest(case, TERMS, warm_days=730)
    assert found.day.size == days - 730
    assert found.largest_turn <= TERMS.daily_cap + 1e-12
    assert found.yearly_return(found.oracle) > found.yearly_return(found.signalled)
    gain = found.improvement(found.signalled)
    assert gain.mean() == pytest.approx(found.yearly_return(found.signalled) - found.yearly_return(found.plain))
    with pytest.raises(ValueError, match="at least 60"):
        backtest(case, TERMS, warm_days=days - 10)


def test_the_deflated_sharpe_ratio_asks_more_of_many_trials() -> None:
    rng = np.random.default_rng(0)
    returns = rng.normal(0.06, 1.0, 2500)
    few, many = rng.normal(0, 0.02, 3), rng.normal(0, 0.02, 300)
    assert expected_best_sharpe(many) > expected_best_sharpe(few)
    assert deflated_sharpe(returns, many).probability < deflated_sharpe(returns, few).probability
    assert deflated_sharpe(returns, [0.06]).expected_best == 0.0
    with pytest.raises(ValueError, match="that vary"):
        deflated_sharpe(np.zeros(100), few)


def _found(days: int = 800) -> MarketFrame:
    frame = _frame(days).drop("power").with_columns(
        delivery_date=pl.date_range(date(2020, 1, 1), date(2020, 1, 1) + timedelta(days=days - 1), "1d", eager=True),
        power=pl.Series(np.full(days, 60.0)), power_outcome=pl.Series(np.full(days, 61.0)), missing_sessions=pl.lit(0, pl.Int64),
        gas_usd_per_mmbtu=pl.lit(12.0), hub_usd_per_mmbtu=pl.lit(3.0), asia_usd_per_mmbtu=pl.lit(None, pl.Float64),
    )  # fmt: skip
    settled = frame.select("delivery_date", "gas", "co2", gas_rolled=pl.lit(False), co2_rolled=pl.lit(False))
    return MarketFrame(load_markets()["de_fund"], "DE", frame, Setting(GAS, COAL), settled)


def test_published_spreads_are_the_identities_and_look_at_no_later_day() -> None:
    found, settings, day = _found(), load_cross(), date(2021, 12, 1)
    own, signals = spread_rows(found, settings, day)
    row = own.row(0, named=True)
    assert row["clean_spark_ccy_per_mwh"] == pytest.approx(60 - row["gas_ccy_per_mwh"] / 0.4913 - 0.411 * row["co2_ccy_per_t"], abs=1e-9)
    taken = sum(row[f"{n}_usd_per_mmbtu"] for n in ("netback_europe", "freight", "boil_off", "regas"))
    assert taken == pytest.approx(12.0, abs=1e-9)
    assert row["arbitrage_usd_per_mmbtu"] == pytest.approx(row["netback_europe_usd_per_mmbtu"] - 3.0 * 1.15, abs=1e-9)
    assert row["netback_asia_usd_per_mmbtu"] is None
    assert 0.5 <= row["gas_hedge_ratio"] <= 1.5
    assert signals.filter(pl.col("signal") == "learned").height == 2
    late = pl.col("delivery_date") > day
    poisoned = MarketFrame(
        found.market, found.hub, found.frame.with_columns(pl.when(late).then(1e9).otherwise(pl.col(c)).alias(c) for c in ("gas", "co2", "oil")),
        found.setting, found.settled.with_columns(pl.when(late).then(1e9).otherwise(pl.col(c)).alias(c) for c in ("gas", "co2")),
    )  # fmt: skip
    again, same = spread_rows(poisoned, settings, day)
    assert again.equals(own)
    assert same.equals(signals)
    with pytest.raises(ValueError, match="no row of 2030"):
        spread_rows(found, settings, date(2030, 1, 1))
    table = with_lineage(CROSS_COMMODITY, own, {c.name: None for c in LINEAGE} | {"market": "m", "hub": "h", "delivery_date": day})
    assert table.schema == CROSS_COMMODITY.polars_schema()
