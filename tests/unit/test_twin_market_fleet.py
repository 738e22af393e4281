"""Fleet, line limits, losses and offers of the simulated market."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from models._kernel.grid.cases import load_pypower_case
from models._kernel.grid.network import GridError
from models._kernel.grid.topology import bridges
from models._kernel.grid.validate import validate_network
from pipeline_tasks.twin.ancillary import COUNTS, ReserveNeeds, reserve_products, reserve_requirements
from pipeline_tasks.twin.fleet import build_fleet
from pipeline_tasks.twin.fleet_config import TradingConfig, load_trading
from pipeline_tasks.twin.geography import build_geography
from pipeline_tasks.twin.market_types import RESERVES, WINDOWS, DayForecast
from pipeline_tasks.twin.participants import make_offers, marginal_costs, scarcity, store_values
from pipeline_tasks.twin.ratings import loss_model, rated_network, sample_flows
from pipeline_tasks.twin.world_config import load_world

CASES = {"test": "case24_ieee_rts", "demo": "case118"}


def _fleet(profile):
    world, config = load_world(profile), load_trading(profile=profile)
    network = load_pypower_case(world.case)
    return build_fleet(network, build_geography(network, world), config.fleet, config.offers), config


@pytest.fixture(scope="module", params=list(CASES))
def built(request):
    return _fleet(request.param)


def _forecast(fleet, **changes):
    units = fleet.units
    share = np.where(units.renewable, 0.2, np.where(units.river, 0.5, 1.0))
    load = np.maximum(fleet.network.buses.load_mw, 0)
    shape = 0.8 + 0.4 * np.sin(np.pi * np.arange(24) / 24)
    values = {
        "day": 3,
        "local_hour": np.arange(24),
        "load_mw": fleet.mean_load_mw * shape[:, None] * load / load.sum(),
        "available_mw": np.tile(share * units.p_max_mw, (24, 1)),
        "branch_out": np.zeros((24, fleet.network.n_branches), dtype=bool),
        "gas": np.full(len(units.names), 30.0),
        "coal": 13.0,
        "co2": 70.0,
        "inflow": 1.0,
        "stress": 0,
        "day_of_year": 100,
        "price_floor": -500.0,
        "price_cap": 4000.0,
    }
    return DayForecast(**{**values, **changes})


def _offers(fleet, config, forecast):
    values = store_values(fleet, config.offers, 0.5 * fleet.units.store_mwh, 75.0, forecast.day_of_year)
    return make_offers(fleet, (config.fleet, config.offers), forecast, values)


def test_fleet_is_valid_named_once_and_covers_the_peak(built):
    fleet, config = built
    units = fleet.units
    validate_network(fleet.network)
    assert len(set(units.names)) == len(units.names)
    assert set(units.owner) <= set(config.fleet.owners)
    firm = units.p_max_mw[~units.renewable].sum()
    assert 1.0 < firm / fleet.peak_load_mw < 1.3
    for name, technology in config.fleet.technologies.items():
        assert units.p_max_mw[units.of(name)].sum() == pytest.approx(technology.capacity * fleet.peak_load_mw, rel=0.02)


def test_fleet_is_the_same_again(built):
    fleet, _ = built
    again, _ = _fleet("test" if fleet.network.n_buses == 24 else "demo")
    assert again.units.names == fleet.units.names
    assert np.array_equal(again.units.block_heat, fleet.units.block_heat)


def test_heat_rates_are_convex_and_meet_the_efficiencies(built):
    fleet, config = built
    units = fleet.units
    for u in np.flatnonzero(units.thermal & units.committed):
        assert np.all(np.diff(units.block_heat[u, 1:]) > 0)
        assert units.block_mw[u].sum() == pytest.approx(units.p_max_mw[u])
        mean = (units.block_heat[u] @ units.block_mw[u]) / units.p_max_mw[u]
        high = config.fleet.technologies[units.technology[u]].efficiency[1]
        assert 1 / mean == pytest.approx(high, rel=0.08)


def test_no_two_units_of_a_technology_are_equal(built):
    fleet, _ = built
    units = fleet.units
    for name in ("ccgt", "ocgt"):
        heat = units.block_heat[units.of(name), 1]
        assert len(np.unique(heat)) == len(heat)


def test_too_few_generators_are_refused():
    world, config = load_world("test"), load_trading()
    network = load_pypower_case(world.case)
    geography = build_geography(network, world)
    idle = replace(network.generators, p_max_mw=np.where(np.arange(network.n_generators) < 5, 100.0, 0.0))
    with pytest.raises(GridError, match="5 generators for"):
        build_fleet(replace(network, generators=idle), geography, config.fleet, config.offers)


def test_limits_bind_in_the_wanted_share_of_sampled_hours(built):
    fleet, config = built
    flows = sample_flows(fleet, config.ratings, config.fleet)
    network = rated_network(fleet, flows, config.ratings)
    share = (np.abs(flows.flow_mw) > network.branches.rating_mw).any(axis=1).mean()
    assert 0.1 < share < 0.42
    over = np.abs(flows.flow_mw) > network.branches.rating_mw
    assert not over[:, bridges(network)].any()
    assert np.all(network.branches.emergency_mw >= network.branches.rating_mw)
    assert np.all(np.isfinite(network.branches.rating_mw))


def test_congestion_of_the_large_test_grid_comes_from_both_directions():
    fleet, config = _fleet("demo")
    flows = sample_flows(fleet, config.ratings, config.fleet)
    over = np.abs(flows.flow_mw) > rated_network(fleet, flows, config.ratings).branches.rating_mw
    forward = (flows.flow_mw[over] > 0).mean()
    assert 0.1 < forward < 0.9
    assert over.any(axis=0).sum() >= 8


def test_losses_are_the_configured_share_at_the_mean(built):
    fleet, config = built
    flows = sample_flows(fleet, config.ratings, config.fleet)
    model = loss_model(fleet, flows, config.losses)
    lost = model.offset_mw + flows.injection_mw @ model.factor
    assert lost.mean() == pytest.approx(config.losses.share * fleet.mean_load_mw, rel=0.01)
    assert np.abs(model.factor).max() < 0.2


def test_offers_are_cost_plus_markup_and_keep_the_limits(built):
    fleet, config = built
    offers = _offers(fleet, config, _forecast(fleet))
    np.testing.assert_allclose(offers.cost + offers.markup, offers.price, atol=1e-3)
    assert offers.price.min() > -500
    assert offers.price.max() < 4000
    assert set(np.unique(offers.window)) == set(range(len(WINDOWS)))
    for u in range(len(fleet.units.names)):
        for w in range(len(WINDOWS)):
            mine = (offers.unit == u) & (offers.window == w)
            assert np.all(np.diff(offers.price[mine]) >= 0), fleet.units.names[u]
            assert np.all(np.diff(offers.start_mw[mine]) > 0)


def test_thermal_blocks_above_minimum_are_offered_near_or_above_cost(built):
    fleet, config = built
    offers = _offers(fleet, config, _forecast(fleet))
    above = fleet.units.thermal[offers.unit] & (offers.block > 0)
    assert np.all(offers.price[above] >= 0.95 * offers.cost[above] - 0.01)
    assert (offers.price[above] > offers.cost[above]).mean() > 0.8
    lowest = fleet.units.thermal[offers.unit] & (offers.block == 0)
    assert np.all(offers.price[lowest] <= offers.cost[lowest] + 0.01)


def test_true_cost_is_fuel_carbon_and_maintenance(built):
    fleet, config = built
    units = fleet.units
    cost = marginal_costs(fleet, config.fleet, _forecast(fleet))
    u = int(np.flatnonzero(units.of("ccgt"))[0])
    np.testing.assert_allclose(cost[u], units.block_heat[u] * (30 + 0.202 * 70) + units.vom[u])
    dearer = marginal_costs(fleet, config.fleet, _forecast(fleet, gas=np.full(len(units.names), 40.0)))
    gas = np.array(units.fuel) == "gas"
    np.testing.assert_allclose((dearer - cost)[gas], 10 * units.block_heat[gas])
    np.testing.assert_allclose((dearer - cost)[~gas], 0)


def test_markup_rises_with_scarcity_stress_and_rivals_outages(built):
    fleet, config = built
    units = fleet.units
    calm = _forecast(fleet)
    tight = _forecast(fleet, load_mw=calm.load_mw * 1.35)
    stressed = _forecast(fleet, stress=2)
    thermal = units.thermal

    def mean_markup(forecast, mask):
        offers = _offers(fleet, config, forecast)
        return offers.markup[mask[offers.unit] & (offers.block > 0)].mean()

    assert scarcity(fleet, config.offers, tight).max() > scarcity(fleet, config.offers, calm).max()
    assert mean_markup(tight, thermal) > mean_markup(calm, thermal)
    assert mean_markup(stressed, thermal) > mean_markup(calm, thermal)
    largest = max(set(units.owner), key=lambda o: units.p_max_mw[thermal & (np.array(units.owner) == o)].sum())
    mine = np.array(units.owner) == largest
    out = calm.available_mw.copy()
    out[:, thermal & mine & (np.cumsum(thermal & mine) % 2 == 0)] = 0.0
    without = _forecast(fleet, available_mw=out)
    assert mean_markup(without, thermal & ~mine) > mean_markup(calm, thermal & ~mine)


def test_supported_wind_and_sun_bid_minus_their_support(built):
    fleet, config = built
    offers = _offers(fleet, config, _forecast(fleet))
    green = fleet.units.renewable[offers.unit]
    np.testing.assert_allclose(offers.price[green], -fleet.units.support[offers.unit[green]], atol=0.005)
    assert (offers.price[green] < 0).any()
    assert (offers.price[green] == 0).any()


def test_a_lower_cap_bounds_the_offers(built):
    fleet, config = built
    assert _offers(fleet, config, _forecast(fleet, price_cap=90.0)).price.max() <= 89.0


def test_water_is_worth_less_when_the_reservoir_is_full(built):
    fleet, config = built
    units = fleet.units
    empty, full = (store_values(fleet, config.offers, s * units.store_mwh, 75.0, 100) for s in (0.1, 0.95))
    assert np.all(full[units.reservoir] < empty[units.reservoir])
    assert np.isnan(full[units.thermal]).all()


def test_reserve_needs_nest():
    needs = ReserveNeeds(np.array([[10.0, 12.0, 30.0, 40.0]]))
    assert needs.nested().tolist() == [[10.0, 12.0, 40.0, 80.0]]
    assert all(set(COUNTS[r]) <= set(RESERVES) for r in RESERVES)


def test_reserve_is_wanted_beyond_the_requirement_at_falling_prices():
    config = load_trading().dayahead
    sizes = np.array([50.0, 50.0, 200.0, 350.0])
    for k, requirement in enumerate(reserve_requirements(sizes, config, 0.5)):
        assert requirement.block_mw.sum() == pytest.approx(sum(config.curve_share) * sizes[k])
        assert requirement.block_mw.sum() >= 1.5 * sizes[k]
        assert np.all(np.diff(requirement.block_price) <= 0)
        assert requirement.block_price[0] == 0.5 * config.curve_price[requirement.name][0]


def test_peakers_ask_more_than_others_when_it_is_tight_up_to_a_limit(built):
    fleet, config = built
    units, calm = fleet.units, _forecast(fleet)

    def shares(level):
        offers = _offers(fleet, config, replace(calm, load_mw=calm.load_mw * level))
        share = offers.markup / np.maximum(offers.cost, 1.0)
        above = (offers.block > 0) & units.thermal[offers.unit]
        return share[above & units.fast[offers.unit]], share[above & ~units.fast[offers.unit]]

    (ample_fast, ample_slow), (tight_fast, tight_slow) = shares(0.7), shares(1.35)
    assert abs(ample_fast.mean() - ample_slow.mean()) < 0.02
    assert tight_fast.mean() > 1.5 * tight_slow.mean()
    assert shares(5.0)[0].max() == pytest.approx(config.offers.most, abs=0.01)


def test_resting_units_offer_non_spinning_reserve_only_if_fast(built):
    fleet, config = built
    units = fleet.units
    on = ~units.fast
    products = {p.name: p.capability_mw for p in reserve_products(fleet, on, units.p_max_mw, config.dayahead)}
    assert products["spinning"][units.fast].max() < 1e-3
    assert products["non_spinning"][units.fast].min() > 1
    assert all(values[units.renewable].max() == 0 for values in products.values())


def test_numbers_that_do_not_fit_are_refused():
    raw = load_trading().model_dump()
    raw["offers"]["margin"].pop("NORDKRAFT")
    with pytest.raises(ValidationError, match="NORDKRAFT"):
        TradingConfig.model_validate(raw)
    raw = load_trading().model_dump()
    raw["fleet"]["technologies"]["ccgt"]["count"] = 0.5
    with pytest.raises(ValidationError, match="counts add up"):
        TradingConfig.model_validate(raw)
    raw = load_trading().model_dump()
    raw["dayahead"]["curve_price"]["spinning"] = raw["dayahead"]["curve_price"]["spinning"][::-1]
    with pytest.raises(ValidationError, match="list them falling"):
        TradingConfig.model_validate(raw)
