"""Co-optimisation: the fast programs against textbook ones in Pyomo, deliverability of every answer, and the settlement by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pyomo.environ as pyo
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models._kernel import registry
from models._kernel.cooptimise import Day, Schedule, ScheduleError, optimal_battery, optimal_plant
from models._kernel.delivery import AssetError, Plant, ProductRule, Reserves
from models._kernel.settlement import positions_of, settlement_of
from models._kernel.settlement_reserves import ReserveSettlement
from models._kernel.storage.asset import StorageAsset
from models._kernel.undelivered import battery_faults, charge_of, plant_faults
from models.ancillary.spec import SPEC

ASSETS = registry.params_of("ancillary")["assets"]
BATTERY, PLANT, RESERVES = StorageAsset.of(ASSETS["battery"]), Plant.of(ASSETS["ccgt"]), Reserves.of(ASSETS["reserves"])
PROVEN = {"mip_rel_gap": 1e-9}  # else the reference may stop at a ten-thousandth below the best
ERCOT = tuple(RESERVES.products[name] for name in ("regup", "regdn", "ecrs", "nspin"))
NEM = tuple(RESERVES.products[name] for name in ("raisereg", "lowerreg", "raise6sec", "raise5min", "lower60sec"))


def _day(seed: int, rules: tuple[ProductRule, ...], n: int = 24, hours: float = 1.0, low: float = -40.0) -> Day:
    rng = np.random.default_rng(seed)
    energy = 30 + 25 * np.sin(np.arange(n) * 2 * np.pi / n) + rng.normal(0, 12, n)
    energy[rng.random(n) < 0.1] = low
    return Day(hours, energy, np.abs(rng.normal(4, 5, (len(rules), n))), rules, np.full(n, 30.0))


def slow_battery(day: Day, battery: StorageAsset) -> float:
    """The battery's day as it is written down, a binary in every interval; what it earns."""
    m, n, h = pyo.ConcreteModel(), day.energy.size, day.hours
    gained, lost = battery.charge_efficiency, 1 / battery.discharge_efficiency
    m.t, m.k = pyo.RangeSet(0, n - 1), pyo.RangeSet(0, len(day.rules) - 1)
    m.c = pyo.Var(m.t, bounds=(0, battery.power_mw))
    m.d = pyo.Var(m.t, bounds=(0, battery.power_mw))
    m.z = pyo.Var(m.t, domain=pyo.Binary)
    m.r = pyo.Var(m.k, m.t, bounds=lambda _, k, t: (0, day.rules[k].depth_mw))
    m.rows = pyo.ConstraintList()
    least, most, start = (
        s * battery.energy_mwh for s in (battery.least_charge_share, battery.most_charge_share, battery.start_charge_share)
    )
    level, earned, called = start, 0.0, 0.0
    for t in m.t:
        m.rows.add(m.d[t] <= battery.power_mw * m.z[t])
        m.rows.add(m.c[t] <= battery.power_mw * (1 - m.z[t]))
        for sign, products in day.lanes if day.rules else ():
            m.rows.add(sign * (m.d[t] - m.c[t]) + sum(m.r[k, t] for k in products) <= battery.power_mw)
        up = sum(m.r[k, t] * r.sustain_h * lost for k, r in enumerate(day.rules) if r.sign > 0)
        down = sum(m.r[k, t] * r.sustain_h * gained for k, r in enumerate(day.rules) if r.sign < 0)
        flow = m.c[t] * gained - m.d[t] * lost
        earned += h * (day.energy[t] * (m.d[t] - m.c[t]) - battery.degradation_ccy_per_mwh * m.d[t])
        called += h * m.d[t]
        for k, r in enumerate(day.rules):
            call = r.deployed_share * m.r[k, t]
            flow += -call * lost if r.sign > 0 else call * gained
            wear = battery.degradation_ccy_per_mwh * call if r.sign > 0 else 0.0
            earned += h * (day.reserves[k, t] * m.r[k, t] + r.sign * call * day.energy[t] - wear)
            called += h * call if r.sign > 0 else 0.0
        before, level = level, level + h * flow
        for at in (before, level):
            if day.rules:
                m.rows.add(up <= at - least)
                m.rows.add(down <= most - at)
        m.rows.add((least, level, most))
    m.rows.add(level >= start)
    m.rows.add(called <= battery.cycles_per_day * battery.energy_mwh)
    m.profit = pyo.Objective(expr=earned, sense=pyo.maximize)
    pyo.SolverFactory("appsi_highs").solve(m, options=PROVEN)
    return float(pyo.value(m.profit))


def slow_plant(day: Day, plant: Plant) -> float:
    """The plant's day with starts and stops as binaries and least times counted hour by hour; what it earns."""
    m, n, h = pyo.ConcreteModel(), day.energy.size, day.hours
    m.t, m.k = pyo.RangeSet(0, n - 1), pyo.RangeSet(0, len(day.rules) - 1)
    m.u, m.v, m.w = (pyo.Var(m.t, domain=pyo.Binary) for _ in range(3))
    m.p = pyo.Var(m.t, bounds=(0, plant.max_mw))
    m.r = pyo.Var(m.k, m.t, bounds=lambda _, k, t: (0, day.rules[k].depth_mw))
    m.rows, earned = pyo.ConstraintList(), 0.0
    up, down = round(plant.min_up_h / h), round(plant.min_down_h / h)
    for t in m.t:
        m.rows.add(m.u[t] - (m.u[t - 1] if t else 0) == m.v[t] - m.w[t])
        for later in range(t, min(t + up, n)):
            m.rows.add(m.u[later] >= m.v[t])
        for later in range(t, min(t + down, n)):
            m.rows.add(m.u[later] <= 1 - m.w[t])
        m.rows.add(m.p[t] <= plant.max_mw * m.u[t])
        m.rows.add(m.p[t] >= plant.min_mw * m.u[t])
        for sign, products in day.lanes:
            held = sum(m.r[k, t] for k in products)
            m.rows.add(m.p[t] + held <= plant.max_mw * m.u[t] if sign > 0 else m.p[t] - held >= plant.min_mw * m.u[t])
            m.rows.add(sum(m.r[k, t] / (plant.ramp_mw_per_min * day.rules[k].response_min) for k in products) <= m.u[t])
        margin = day.energy[t] - day.cost[t]
        earned += h * margin * m.p[t] - plant.start_cost_ccy * m.v[t]
        earned += h * sum(m.r[k, t] * (day.reserves[k, t] + r.sign * r.deployed_share * margin) for k, r in enumerate(day.rules))
    m.profit = pyo.Objective(expr=earned, sense=pyo.maximize)
    pyo.SolverFactory("appsi_highs").solve(m, options=PROVEN)
    return float(pyo.value(m.profit))


def _rows(day: Day, names: tuple[str, ...], start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> pl.DataFrame:
    """Feature rows of a day whose outcomes are its prices."""
    parts = []
    for name, prices in [("da", day.energy), *zip(names, day.reserves, strict=True)]:
        n = len(prices)
        parts.append(
            pl.DataFrame(
                {
                    "market": ["m"] * n,
                    "hub": ["h"] * n,
                    "product": [name] * n,
                    "delivery_ts": [start + timedelta(hours=i * day.hours) for i in range(n)],
                    "delivery_date": [date(2026, 1, 1)] * n,
                    "as_of": [start - timedelta(hours=12)] * n,
                    "local_hour": [int(i * day.hours) for i in range(n)],
                    "resolution_min": [int(60 * day.hours)] * n,
                    "is_energy": [name == "da"] * n,
                    "price_ccy_per_mwh": prices,
                }
            )
        )
    return pl.concat(parts)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), rules=st.sampled_from([ERCOT, NEM, ()]), n=st.sampled_from([23, 24]))
@example(seed=1807, rules=ERCOT, n=23)
def test_the_battery_earns_what_the_textbook_program_earns_and_can_deliver(seed, rules, n):
    day = _day(seed, rules, n)
    made = optimal_battery(day, BATTERY)
    assert battery_faults(day, BATTERY, made) == []
    assert charge_of(day, BATTERY, made)[-1] >= 0.5 * BATTERY.energy_mwh - 1e-6
    assert _profit(day, made, 0) == pytest.approx(slow_battery(day, BATTERY), rel=1e-5, abs=1e-4)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), rules=st.sampled_from([ERCOT, NEM]))
def test_the_plant_earns_what_the_textbook_program_earns_and_can_deliver(seed, rules):
    day = _day(seed, rules)
    made = optimal_plant(day, PLANT)
    assert plant_faults(day, PLANT, made) == []
    assert _profit(day, made, 1) == pytest.approx(slow_plant(day, PLANT), rel=1e-5, abs=1e-3)


def test_a_slow_plant_keeps_its_ramps_in_quarter_hours():
    slow = replace(PLANT, ramp_mw_per_min=0.05)
    day = replace(_day(5, ERCOT, n=96, hours=0.25), cost=np.full(96, 20.0))
    made = optimal_plant(day, slow)
    assert plant_faults(day, slow, made) == []
    assert made.energy_mw.max() > slow.min_mw
    assert any("ramp" in fault for fault in plant_faults(day, replace(slow, ramp_mw_per_min=0.005), made))


def _profit(day: Day, made: Schedule, asset: int) -> float:
    names = tuple(f"p{k}" for k in range(len(day.rules)))
    rule = ReserveSettlement(
        BATTERY,
        replace(PLANT, fuel_cost_ccy_per_mwh=27.5, other_cost_ccy_per_mwh=2.5),
        Reserves(dict(zip(names, day.rules, strict=True)), 500),
    )
    rows = _rows(day, names)
    position = np.zeros((rows.height, 2))
    position[:, asset] = np.concatenate((made.energy_mw, made.awards_mw.ravel()))
    assert rule.breaches(rows, position).sum() == 0
    return float(-rule.cost(rows, position).sum())


def test_energy_alone_where_no_reserve_has_a_price_and_given_awards_are_served():
    day = _day(1, ERCOT)
    alone = optimal_battery(replace(day, reserves=np.full_like(day.reserves, np.nan)), BATTERY)
    assert alone.awards_mw.max() == 0.0
    joint = optimal_battery(day, BATTERY)
    again = optimal_battery(day, BATTERY, joint.awards_mw)
    assert np.abs(again.awards_mw - joint.awards_mw).max() < 1e-6
    with pytest.raises(ScheduleError):
        optimal_battery(day, BATTERY, np.full_like(day.reserves, 5.0))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda e, a: (e + 2.0, a), "power"),
        (lambda e, a: (e, a + 1.0), "headroom"),
        (lambda e, a: (np.where(np.arange(24) < 4, 0.9, 0.0), 0 * a), "low charge"),
        (lambda e, a: (0 * e, np.where(np.arange(4)[:, None] == 3, 0.9, 0 * a)), "energy behind upward awards"),
        (lambda e, a: (np.where(np.arange(24) % 2 == 0, -0.9, 0.7), 0 * a), "cycles"),
    ],
)
def test_what_cannot_be_delivered_is_found(spoil, said):
    day = _day(2, ERCOT)
    made = optimal_battery(day, BATTERY)
    energy, awards = spoil(made.energy_mw, made.awards_mw)
    assert any(said in fault for fault in battery_faults(day, BATTERY, Schedule(energy, awards)))


def test_an_award_of_a_standing_plant_is_found():
    day = _day(2, ERCOT)
    idle, awards = np.zeros(24), np.zeros((4, 24))
    awards[0, 3] = 0.5
    assert any("award while off" in f for f in plant_faults(day, PLANT, Schedule(idle, awards)))
    short = np.zeros(24)
    short[5:7] = 3.0
    assert any("least time" in f for f in plant_faults(day, PLANT, Schedule(short, 0 * awards)))


def test_settlement_by_hand_and_the_price_of_a_breach():
    rules = {"regup": RESERVES.products["regup"], "regdn": RESERVES.products["regdn"]}
    day = Day(1.0, np.full(24, 50.0), np.vstack((np.full(24, 10.0), np.full(24, 4.0))), tuple(rules.values()), np.full(24, 30.0))
    rule, rows = ReserveSettlement(BATTERY, PLANT, Reserves(rules, 500.0)), _rows(day, tuple(rules))
    position = np.zeros((72, 2))
    position[10, 0], position[24 + 3, 0], position[48 + 3, 0] = 0.2, 0.3, 0.3
    # 0.2 MWh at 50 less wear 6; up 0.3 at 10, 15 % called at 50 less wear; down 0.3 at 4, 15 % called at 50
    expected = 0.2 * 44 + 0.3 * 10 + 0.045 * 44 + 0.3 * 4 - 0.045 * 50
    position[2, 0] = -0.4  # the charge that the calls and the sale take
    expected -= 0.4 * 50
    assert rule.breaches(rows, position).sum() == 0
    assert -rule.cost(rows, position).sum() == pytest.approx(expected)
    position[48 + 3, 1] = 1.0  # the plant stands: its award of 4 and the calls it saves are forfeit, and the penalty is due
    assert rule.breaches(rows, position).sum() == 1
    gain = 4.0 - 0.15 * (50 - 30)
    assert -rule.cost(rows, position).sum() == pytest.approx(expected + min(0.0, gain) - 500.0)
    assert sum(c.sum() for c in rule.asset_costs(rows, position).values()) == pytest.approx(rule.cost(rows, position).sum())
    assert rule.volume(rows).sum() == 24 * (BATTERY.power_mw + PLANT.max_mw)


def test_foresight_beats_order_and_blindness():
    names = ("regup", "regdn", "ecrs", "nspin")
    rule = ReserveSettlement(BATTERY, PLANT, RESERVES)
    for seed in range(3):
        day = _day(seed, ERCOT)
        rows = _rows(day, names)
        price = rows["price_ccy_per_mwh"].to_numpy()
        wrong = price[np.random.default_rng(seed).permutation(price.size)]
        alone = np.where(rows["is_energy"].to_numpy(), price, np.nan)
        earned = [-rule.cost(rows, p).sum() for p in (rule.best(rows, price), rule.sequential(rows, price, price), rule.best(rows, wrong))]
        assert earned[0] >= max(earned[1:]) - 1e-6
        assert earned[0] >= -rule.cost(rows, rule.best(rows, alone)).sum() - 1e-6
        for position in (rule.best(rows, price), rule.sequential(rows, price, price)):
            assert rule.breaches(rows, position).sum() == 0


def test_products_without_a_rule_and_gaps_of_energy_get_no_award():
    day = _day(4, ERCOT[:1])
    rows = _rows(day, ("novel",))
    rule = ReserveSettlement(BATTERY, PLANT, RESERVES)
    position = rule.best(rows, rows["price_ccy_per_mwh"].to_numpy())
    assert np.abs(position[24:]).max() == 0.0
    gap = _rows(day, ("regup",)).filter(~(pl.col("is_energy") & (pl.col("local_hour") == 7)))
    position = rule.best(gap, gap["price_ccy_per_mwh"].to_numpy())
    assert np.abs(position[(gap["local_hour"] == 7).to_numpy()]).max() == 0.0
    assert rule.breaches(gap, position).sum() == 0
    assert rule.best(rows.clear(), np.empty(0)).shape == (0, 2)


def test_fuel_and_carbon_follow_the_market_where_it_has_them():
    rule, rows = ReserveSettlement(BATTERY, PLANT, RESERVES), _rows(_day(4, ()), ())
    assert set(rule.marginal_cost(rows).tolist()) == {PLANT.fuel_cost_ccy_per_mwh + PLANT.other_cost_ccy_per_mwh}
    priced = rows.with_columns(gas_price_ccy_per_unit=pl.lit(20.0), co2_price_ccy_per_unit=pl.lit(50.0))
    assert rule.marginal_cost(priced)[0] == pytest.approx(1.85 * 20 + 0.36 * 50 + 2.5)


@pytest.mark.parametrize(
    ("asset", "change", "message"),
    [
        ("battery", {"charge_efficiency": 1.4}, "charge_efficiency is 1.4"),
        ("battery", {"powermw": 1}, "unknown"),
        ("battery", {"start_charge_share": 0.99}, "start_charge_share is 0.99"),
        ("ccgt", {"min_mw": 9.0}, "min_mw is 9.0"),
        ("reserves", {"products": {"x": {"direction": "sideways"}}}, "sideways"),
        ("reserves", {"breach_penalty_ccy": -1}, "breach_penalty_ccy is -1"),
    ],
)
def test_wrong_assets_are_refused_with_their_field(asset, change, message):
    cls = {"battery": StorageAsset, "ccgt": Plant, "reserves": Reserves}[asset]
    with pytest.raises(AssetError, match=message):
        cls.of({**ASSETS[asset], **change})


def test_rules_are_found_by_name_with_their_assets():
    assert isinstance(settlement_of(SPEC, {"assets": ASSETS}), ReserveSettlement)
    with pytest.raises(ValueError, match=r"no assets\.ccgt"):
        settlement_of(SPEC, {"assets": {"battery": ASSETS["battery"]}})
    with pytest.raises(ValueError, match="decides nothing"):
        positions_of(pl.DataFrame(), replace(SPEC, decision=None, kind="distribution"))
    assert Reserves.of(RESERVES.as_json()) == RESERVES
