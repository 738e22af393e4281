"""Whatever the day is like: offers are cost plus markup, rise along a unit, and stay inside the market's limits."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models._kernel.grid.cases import load_pypower_case
from pipeline_tasks.twin.fleet import build_fleet
from pipeline_tasks.twin.fleet_config import load_trading
from pipeline_tasks.twin.geography import build_geography
from pipeline_tasks.twin.market_types import DayForecast
from pipeline_tasks.twin.participants import make_offers, store_values
from pipeline_tasks.twin.world_config import load_world


@lru_cache(maxsize=1)
def _built():
    world, config = load_world("test"), load_trading(profile="test")
    network = load_pypower_case(world.case)
    return build_fleet(network, build_geography(network, world), config.fleet, config.offers), config


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    level=st.floats(0.2, 2.0),
    gas=st.floats(1.0, 400.0),
    co2=st.floats(0.0, 200.0),
    stress=st.integers(0, 2),
    fill=st.floats(0.0, 1.0),
    recent=st.floats(-50.0, 900.0),
    cap=st.floats(50.0, 4000.0),
)
def test_offers_are_consistent_on_any_day(*, seed, level, gas, co2, stress, fill, recent, cap):
    fleet, config = _built()
    units, rng = fleet.units, np.random.default_rng(seed)
    load = np.maximum(fleet.network.buses.load_mw, 0)
    forecast = DayForecast(
        day=seed % 400,
        local_hour=np.arange(24),
        load_mw=level * fleet.mean_load_mw * rng.uniform(0.6, 1.4, (24, 1)) * load / load.sum(),
        available_mw=np.tile(np.where(rng.random(len(units.names)) < 0.15, 0.0, 1.0) * units.p_max_mw, (24, 1)),
        branch_out=np.zeros((24, fleet.network.n_branches), dtype=bool),
        gas=np.full(len(units.names), gas),
        coal=13.0,
        co2=co2,
        inflow=1.0,
        stress=stress,
        day_of_year=1 + seed % 365,
        price_floor=-500.0,
        price_cap=cap,
    )
    values = store_values(fleet, config.offers, fill * units.store_mwh, recent, forecast.day_of_year)
    offers = make_offers(fleet, (config.fleet, config.offers), forecast, values)
    np.testing.assert_allclose(offers.cost + offers.markup, offers.price, atol=1e-3)
    assert np.isfinite(offers.price).all()
    assert offers.price.min() > -500
    assert offers.price.max() <= cap - 1 + 0.01
    same = (np.diff(offers.unit) == 0) & (np.diff(offers.window) == 0)
    assert np.all(np.diff(offers.price)[same] >= 0)
    assert np.all(np.diff(offers.block)[same] == 1)
