"""The simulated market on RTS-24: physics of a cleared day, what each market may know, determinism."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from config.markets import load_markets
from models._kernel.grid.cases import load_pypower_case
from models._kernel.grid.sensitivities import Sensitivities
from pipeline_tasks.twin.dayahead import commit
from pipeline_tasks.twin.fleet_config import load_trading
from pipeline_tasks.twin.geography import build_geography
from pipeline_tasks.twin.market import build_market, clear_day, clear_views, commit_day, initial_state
from pipeline_tasks.twin.market_types import RESERVES, Reserve, window_of
from pipeline_tasks.twin.noise import Calendar
from pipeline_tasks.twin.realtime import hour_of_step
from pipeline_tasks.twin.views import day_actual, day_forecast
from pipeline_tasks.twin.world import simulate_world
from pipeline_tasks.twin.world_config import load_world

DAYS = 6


def _market():
    config = load_world("test")
    network = load_pypower_case(config.case)
    geography = build_geography(network, config)
    return config, geography, build_market(network, geography, load_trading(profile="test"), load_markets()["twin"])


@pytest.fixture(scope="module")
def run():
    config, geography, market = _market()
    start = date(2025, 10, 22)  # the week holds a day of 25 hours
    world = simulate_world(config, geography, market.elements, Calendar.build(start, start + timedelta(days=DAYS - 1), "Europe/Berlin"))
    state, days = initial_state(market), []
    for day in range(DAYS):
        before = state
        commitment, state = commit_day(market, world, day, state)
        days.append((before, commitment, clear_day(market, world, day, commitment)))
    return market, world, days


def _products(days):
    return [(c, r, p) for _, c, r in days for p in (r.da, r.rt)]


def test_energy_balances_in_every_step(run):
    _, _, days = run
    for _, _, product in _products(days):
        assert np.abs(product.balance_residual_mw).max() < 1e-5
        assert np.all(product.generation_mw.sum(axis=1) > 0.5 * product.load_mw)


def test_days_follow_the_local_calendar(run):
    _, _, days = run
    assert [len(r.da.energy) for _, _, r in days] == [24, 24, 24, 24, 25, 24]
    assert all(len(r.imbalance.price) == len(r.da.energy) for _, _, r in days)


def test_flows_are_those_of_the_injections_and_keep_limits_or_are_priced(run):
    market, world, days = run
    network = market.network
    for _, _, r in days:
        forecast = day_forecast(market.fleet, market.market, world, r.day)
        actual = day_actual(market.fleet, world, r.day, 60)
        for product, load, out in (
            (r.da, forecast.load_mw * (1 + market.rules.config.dayahead.load_premium), forecast.branch_out),
            (r.rt, actual.load_mw, actual.branch_out),
        ):
            for step in range(len(product.energy)):
                injection = -load[step] - network.buses.shunt_mw
                np.add.at(injection, network.generators.bus, product.generation_mw[step])
                if product.unserved_mw[step] + product.surplus_mw[step] > 1e-6:
                    continue
                lost = np.flatnonzero(out[step])
                flow = Sensitivities(network, lost).flows(injection)  # the reference bus takes up the losses, as in the dispatch
                np.testing.assert_allclose(product.flow_mw[step], flow, atol=1e-4)
                over = np.flatnonzero(np.abs(flow) > network.branches.rating_mw + 1e-4)
                priced = product.constraints.branch[product.constraints.step == step]
                assert set(over.tolist()) <= set(priced.tolist())


def test_price_parts_add_up_exactly_in_decimals(run):
    market, _, days = run
    for _, _, p in _products(days):
        assert np.array_equal(np.round(p.energy[:, None] + p.congestion + p.loss, 2), p.lmp)
        assert np.array_equal(np.round(p.hub_energy + p.hub_congestion + p.hub_loss, 2), p.hub_price)
        for values in (p.lmp, p.hub_price, p.energy):
            assert np.array_equal(np.round(values, 2), values)
        assert p.lmp.min() >= market.market.price_floor
        assert p.lmp.max() <= market.market.price_cap


def test_lmp_is_energy_plus_sensitivities_times_shadow_prices_plus_losses(run):
    market, world, days = run
    fleet, checked = market.fleet, 0
    base = Sensitivities(market.network)
    for _, _, r in days:
        out = day_forecast(fleet, market.market, world, r.day).branch_out
        for step in np.unique(r.da.constraints.step):
            if out[step].any() or np.abs(r.da.energy[step]) < 1:
                continue
            mine = r.da.constraints.step == step
            ptdf = base.ptdf(r.da.constraints.branch[mine], slack_weights=fleet.slack_weights)
            congestion = -(r.da.constraints.shadow_price[mine] * r.da.constraints.direction[mine]) @ ptdf
            np.testing.assert_allclose(r.da.congestion[step], congestion, atol=0.05)
            checked += 1
    assert checked > 3


def test_commitment_keeps_minimum_times_and_outages(run):
    market, world, days = run
    units = market.fleet.units
    on = np.concatenate([days[0][0].on[None], *[c.on for _, c, _ in days]])
    free = np.concatenate([day_forecast(market.fleet, market.market, world, c.day).available_mw for _, c, _ in days])
    for u in np.flatnonzero(units.committed):
        path, alive = on[1:, u], free[:, u] >= units.p_min_mw[u]
        assert not (path & ~alive).any()
        if not alive.all():
            continue
        changes = np.flatnonzero(np.diff(path.astype(int))) + 1
        for begin, end in pairwise(changes):
            least = units.up_h[u] if path[begin] else units.down_h[u]
            assert end - begin >= least, units.names[u]


def test_committed_units_run_within_their_range(run):
    market, world, days = run
    units = market.fleet.units
    for _, c, r in days:
        available = day_forecast(market.fleet, market.market, world, c.day).available_mw
        slow = units.committed & ~units.fast
        off = slow & ~c.on
        assert np.abs(r.da.generation_mw[off]).max(initial=0.0) < 1e-6
        running = units.committed & c.on & (available >= units.p_min_mw)
        low = np.broadcast_to(units.p_min_mw, running.shape)
        assert np.all(r.da.generation_mw[running] >= low[running] - 1e-6)
        assert np.all(r.da.generation_mw <= np.maximum(available, 0) + 1e-6)


def test_stores_stay_within_their_capacity(run):
    market, _, days = run
    full = market.fleet.units.store_mwh
    for _, c, _ in days:
        assert np.all(c.energy_mwh >= -1e-6)
        assert np.all(c.energy_mwh <= full + 1e-6)


def test_reservoirs_release_their_minimum_in_every_step_and_are_bound_in_part(run):
    market, world, days = run
    units = market.fleet.units
    bound = units.reservoir & (units.p_min_mw > 0)
    assert 0 < bound.sum() < units.reservoir.sum()
    assert not market.network.generators.p_min_mw[units.reservoir & ~bound].any()
    for _, c, r in days:
        ahead = day_forecast(market.fleet, market.market, world, c.day).available_mw
        actual = day_actual(market.fleet, world, c.day, 60).available_mw
        for output, available in ((c.schedule_mw, ahead), (r.da.generation_mw, ahead), (r.rt.generation_mw, actual)):
            assert np.all(output[:, bound] >= np.minimum(units.p_min_mw, available)[:, bound] - 1e-6)
            assert np.all(output[:, units.reservoir] <= available[:, units.reservoir] + 1e-6)


def test_a_unit_on_outage_produces_nothing(run):
    market, world, days = run
    fleet, units = market.fleet, market.fleet.units
    _, commitment, _ = days[2]
    forecast, actual = day_forecast(fleet, market.market, world, 2), day_actual(fleet, world, 2, 60)
    victim = int(
        np.argmax(
            np.where(units.committed & commitment.on.all(axis=0) & (actual.available_mw.min(axis=0) > units.p_min_mw), units.p_max_mw, 0)
        )
    )
    lost = actual.available_mw.copy()
    lost[10:18, victim] = 0.0
    hit = clear_views(market, forecast, replace(actual, available_mw=lost), commitment)
    calm = clear_views(market, forecast, actual, commitment)
    assert np.abs(hit.rt.generation_mw[10:18, victim]).max() < 1e-9
    assert hit.tripped[10:18, victim].all()
    assert np.array_equal(hit.da.lmp, calm.da.lmp)
    assert np.array_equal(hit.rt.lmp[:10], calm.rt.lmp[:10])
    assert hit.rt.energy[10:18].mean() > calm.rt.energy[10:18].mean()


def test_an_outage_of_a_line_moves_its_flow_to_others(run):
    market, world, days = run
    fleet = market.fleet
    _, commitment, _ = days[3]
    forecast, actual = day_forecast(fleet, market.market, world, 3), day_actual(fleet, world, 3, 60)
    still = np.zeros_like(actual.branch_out)
    calm = clear_views(market, forecast, replace(actual, branch_out=still), commitment)
    line = int(
        np.argmax(
            [
                abs(calm.rt.flow_mw[:, k]).mean() if market.network.branches.names[k] in {e.name for e in market.elements} else 0
                for k in range(market.network.n_branches)
            ]
        )
    )
    out = still.copy()
    out[12:, line] = True
    hit = clear_views(market, forecast, replace(actual, branch_out=out), commitment)
    assert np.array_equal(hit.rt.flow_mw[:12], calm.rt.flow_mw[:12])
    assert np.abs(hit.rt.flow_mw[12:, line]).max() == 0.0
    assert np.abs(hit.rt.flow_mw[12:] - calm.rt.flow_mw[12:]).max() > 10


def test_day_ahead_sees_nothing_of_what_happens_later(run):
    market, world, days = run
    rng = np.random.default_rng(5)
    day, after = 3, world.hours_of(3).start
    load, sites = world.load.actual_mw.copy(), world.sites.actual_mw.copy()
    load[:, after - 12 :] *= rng.uniform(3, 9, load[:, after - 12 :].shape)
    sites[:, after - 12 :] = 1e6
    fuels = world.fuels
    gas = fuels.gas.copy()
    gas[:, day - 1 :] = 1e6
    later = world.hours_of(3).stop
    load_ahead, sites_ahead = world.load.forecast_mw.copy(), world.sites.forecast_mw.copy()
    load_ahead[:, later:], sites_ahead[:, later:] = np.nan, np.nan
    regimes = world.regimes.path.copy()
    regimes[day:] = 2
    poisoned = replace(
        world,
        load=replace(world.load, actual_mw=load, forecast_mw=load_ahead),
        sites=replace(world.sites, actual_mw=sites, forecast_mw=sites_ahead),
        fuels=replace(fuels, gas=gas),
        regimes=replace(world.regimes, path=regimes),
    )
    again, _ = commit_day(market, poisoned, day, days[day][0])
    assert np.array_equal(again.on, days[day][1].on)
    assert np.array_equal(again.schedule_mw, days[day][1].schedule_mw)
    assert np.array_equal(again.offers.price, days[day][1].offers.price)
    clean, dirty = (day_forecast(market.fleet, market.market, w, day) for w in (world, poisoned))
    actual = day_actual(market.fleet, world, day, 60)
    assert np.array_equal(clear_views(market, clean, actual, again).da.lmp, clear_views(market, dirty, actual, again).da.lmp)


def test_outages_reported_after_the_gate_are_unknown_day_ahead(run):
    market, world, _ = run
    hidden = 0
    for day in range(DAYS):
        seen = day_forecast(market.fleet, market.market, world, day).available_mw
        real = day_actual(market.fleet, world, day, 60).available_mw
        firm = ~market.fleet.units.renewable
        hidden += int((real[:, firm] < seen[:, firm] - 1).any())
    assert hidden > 0


def test_a_day_does_not_depend_on_other_days_or_on_the_process(run):
    _, world, days = run
    _, _, other = _market()
    for day in (4, 1, 4):
        _, commitment, result = days[day]
        again = clear_day(other, world, day, commitment)
        for name in ("lmp", "generation_mw", "flow_mw", "reserve_price", "reserve_award_mw", "congestion"):
            assert np.array_equal(getattr(again.da, name), getattr(result.da, name)), (day, name)
            assert np.array_equal(getattr(again.rt, name), getattr(result.rt, name)), (day, name)
        assert np.array_equal(again.imbalance.price, result.imbalance.price)


def test_commitment_is_the_same_again(run):
    market, world, days = run
    before, commitment, _ = days[2]
    again, state = commit(market.fleet, market.rules, day_forecast(market.fleet, market.market, world, 2), before)
    assert np.array_equal(again.schedule_mw, commitment.schedule_mw)
    assert state.day == 2


def test_commitments_go_day_by_day(run):
    market, world, days = run
    with pytest.raises(ValueError, match="commit day 3 next"):
        commit_day(market, world, 4, days[3][0])


def test_five_minute_steps_average_to_the_hour(run):
    market, world, days = run
    _, commitment, hourly = days[1]
    fine = clear_day(market, world, 1, commitment, minutes=5)
    assert len(fine.rt.energy) == 12 * len(hourly.rt.energy)
    assert np.array_equal(fine.da.lmp, hourly.da.lmp)
    np.testing.assert_allclose(fine.rt.load_mw.reshape(-1, 12).mean(axis=1), hourly.rt.load_mw, rtol=1e-6)
    assert np.abs(fine.rt.balance_residual_mw).max() < 1e-5
    change = np.abs(np.diff(fine.rt.generation_mw, axis=0))
    actual = day_actual(market.fleet, world, 1, 5)
    units, hour = market.fleet.units, hour_of_step(actual)
    steady = units.committed & commitment.on[hour[1:]] & commitment.on[hour[:-1]] & (actual.available_mw[1:] >= units.p_max_mw - 1e-9)
    steady &= actual.available_mw[:-1] >= units.p_max_mw - 1e-9
    assert np.all(change[steady] <= np.broadcast_to(5 * units.ramp_mw_per_min, change.shape)[steady] + 1e-6)


def test_a_better_reserve_is_never_cheaper(run):
    _, _, days = run
    place = {r: k for k, r in enumerate(RESERVES)}
    for _, _, p in _products(days):
        up, spin, stand = (p.reserve_price[:, place[r]] for r in (Reserve.REGULATION_UP, Reserve.SPINNING, Reserve.NON_SPINNING))
        assert np.all(up >= spin - 0.011)
        assert np.all(spin >= stand - 0.011)
        assert np.all(p.reserve_price >= 0)


def test_reserve_and_energy_share_the_capacity(run):
    market, world, days = run
    up = [RESERVES.index(r) for r in (Reserve.REGULATION_UP, Reserve.SPINNING, Reserve.NON_SPINNING)]
    for _, c, r in days:
        available = day_forecast(market.fleet, market.market, world, c.day).available_mw
        held = r.da.generation_mw + r.da.reserve_award_mw[:, :, up].sum(axis=2)
        assert np.all(held <= available + 0.1)


def test_imbalance_price_moves_against_the_system(run):
    market, _, days = run
    load = np.maximum(market.network.buses.load_mw, 0)
    weight = np.bincount(market.fleet.hub_of_bus, weights=load) / load.sum()
    for _, _, r in days:
        component = r.imbalance.price - r.rt.hub_price @ weight
        clear = np.abs(r.imbalance.length_mw) > 5
        assert np.all(np.sign(component[clear]) * np.sign(r.imbalance.length_mw[clear]) <= 0)


def test_negative_prices_only_with_a_surplus(run):
    market, world, days = run
    units, fleet = market.fleet.units, market.fleet
    for _, c, r in days:
        forecast = day_forecast(fleet, market.market, world, c.day)
        negative = np.flatnonzero(r.da.energy < 0)
        spare = (forecast.available_mw - r.da.generation_mw)[:, units.renewable].sum(axis=1)
        assert np.all(spare[negative] > 0)


def test_offers_have_three_windows_of_the_local_day():
    assert window_of(np.array([0, 5, 6, 16, 17, 23])).tolist() == [0, 0, 1, 1, 2, 2]
