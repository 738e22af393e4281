"""New wind and solar plants on RTS-24: weather makes their output, both markets use and curtail it, and they are in the unit register."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from pipeline_tasks.contracts.grid import GRID_UNITS
from pipeline_tasks.sources.protocol import contract_columns
from pipeline_tasks.twin.dials import NewPlant, ScenarioDials
from pipeline_tasks.twin.profiles import load_profile
from pipeline_tasks.twin.simulation import Simulation
from pipeline_tasks.twin.views import day_actual, day_forecast
from pipeline_tasks.warehouse.validation import check_rows

PROFILE = load_profile("test").model_copy(update={"start_date": date(2025, 12, 2)})  # windy days
START, DAYS = PROFILE.start_date, 4
FIRST, LAST = 1, 2  # window of the park, days; the sun plant is there from before the start
PARK = NewPlant(
    first=START + timedelta(FIRST), last=START + timedelta(LAST), name="NEW_WIND", hub="HUB_NORTH", fuel="wind", capacity_mw=2500.0
)
ROOF = NewPlant(first=date(2020, 1, 1), last=START + timedelta(900), name="NEW_SUN", hub="HUB_CITY", fuel="solar", capacity_mw=80.0)


@pytest.fixture(scope="module")
def grown():
    """A simulation with both plants, and its first days: (commitment, rows)."""
    profile = PROFILE.model_copy(update={"dials": ScenarioDials(new_plants=(PARK, ROOF))})
    simulation = Simulation(profile, START + timedelta(DAYS - 1))
    state, days = simulation.start(), []
    for day in range(DAYS):
        commitment, state = simulation.commit(day, state)
        days.append((commitment, simulation.rows(day, commitment)))
    return simulation, days


def _output(rows, name):
    return rows["units"].filter(pl.col("unit_id") == name).sort("delivery_ts")


def test_output_follows_the_weather_and_never_exceeds_it_or_the_capacity(grown):
    simulation, days = grown
    world = simulation.scene.world
    for day, (_, rows) in enumerate(days):
        park, roof = _output(rows, PARK.name), _output(rows, ROOF.name)
        assert park.height == (24 if FIRST <= day <= LAST else 0)
        assert roof.height == 24
        for row, found in zip((-2, -1), (park, roof), strict=True):
            if found.height:
                offered = world.sites.actual_mw[row, world.hours_of(day)]
                np.testing.assert_allclose(found["capability_mw"], offered, atol=0.006)
                assert (found["output_mw"] <= found["capability_mw"] + 0.011).all()
                assert (found["output_mw"] >= 0).all()
    wind = pl.concat([_output(r, PARK.name) for _, r in days])
    assert wind["output_mw"].sum() > 0
    assert _output(days[0][1], ROOF.name)["output_mw"][:5].sum() == 0, "no sun at night"


def test_forecasts_and_actuals_count_the_plants_within_their_windows(grown):
    simulation, days = grown
    world = simulation.scene.world
    wind = world.geography.sites.is_wind
    assert world.geography.sites.names[-2:] == (PARK.name, ROOF.name)
    for day, (_, rows) in enumerate(days):
        hours = world.hours_of(day)
        table = rows["quantities_system"]
        forecast = table.filter(quantity="wind", kind="forecast").sort("delivery_ts")["value"]
        np.testing.assert_allclose(forecast, world.sites.forecast_mw[wind][:, hours].sum(axis=0), atol=0.051)
        actual = table.filter(quantity="wind", kind="actual").sort("delivery_ts")["value"]
        by_unit = rows["units"].filter(fuel="wind").group_by("delivery_ts").agg(pl.col("output_mw").sum()).sort("delivery_ts")["output_mw"]
        np.testing.assert_allclose(actual, by_unit, atol=0.1)
        share = world.sites.forecast_mw[-2, hours].sum()
        assert (share > 0) == (FIRST <= day <= LAST)


def test_both_markets_see_the_plants_and_curtail_them_in_surplus(grown):
    simulation, days = grown
    world = simulation.scene.world
    market = simulation.market.at(world, FIRST)
    units = market.fleet.units
    park = units.names.index(PARK.name)
    assert units.renewable[park]
    ahead, actual = day_forecast(market.fleet, market.market, world, FIRST), day_actual(market.fleet, world, FIRST, 60)
    hours = world.hours_of(FIRST)
    np.testing.assert_array_equal(ahead.available_mw[:, park], world.sites.forecast_mw[-2, hours])
    np.testing.assert_array_equal(actual.available_mw[:, park], world.sites.actual_mw[-2, hours])
    offers = days[FIRST][0].offers
    assert not offers.price[offers.unit == park].any(), "wind without support is offered at nothing"
    assert not offers.cost[offers.unit == park].any()
    curtailed = pl.concat([_output(r, PARK.name) for d, (_, r) in enumerate(days) if FIRST <= d <= LAST])
    spilled = curtailed.filter(pl.col("output_mw") < pl.col("capability_mw") - 1)
    prices = pl.concat([r["nodal_prices_rt"] for _, r in days]).filter(node=market.network.buses.names[int(units.bus[park])])
    seen = spilled.join(prices, on="delivery_ts")
    assert seen.height > 0, "a park larger than the load is spilled in some hour"
    assert (seen["price_ccy_per_mwh"] <= 0.01).all(), "it is spilled only where its energy is worth nothing"


def test_every_new_plant_is_in_the_register_from_the_day_before_it_exists_until_its_end(grown):
    simulation, days = grown
    rows = [r["grid_units"] for _, r in days]
    assert [f.height for f in rows] == [len(simulation.market.fleet.units.names) + 1, 1, 0, 0]
    register = pl.concat(rows)
    checked = check_rows(GRID_UNITS, register.select(contract_columns(GRID_UNITS)), list(register.columns))
    assert set(checked.broken) == {""}
    assert register["unit_id"].n_unique() == register.height
    park, roof = (register.row(by_predicate=pl.col("unit_id") == p.name, named=True) for p in (PARK, ROOF))
    assert park["fuel"] == "wind"
    assert park["hub"] == PARK.hub
    assert (park["p_min_mw"], park["p_max_mw"], park["ramp_mw_per_min"]) == (0.0, 2500.0, None)
    assert park["delivery_ts"] == datetime(2025, 12, 2, 23, tzinfo=UTC)
    assert park["valid_to_ts"] == datetime(2025, 12, 4, 23, tzinfo=UTC)
    assert park["known_ts"] == datetime(2025, 12, 2, 7, tzinfo=UTC), "08:00 of the day before"
    assert roof["delivery_ts"] == datetime(2025, 12, 1, 23, tzinfo=UTC), "with the others, on the first day"
    assert roof["valid_to_ts"] == datetime(2028, 5, 20, 22, tzinfo=UTC)
    others = register.filter(~pl.col("unit_id").is_in([PARK.name, ROOF.name]))
    assert others["valid_to_ts"].null_count() == others.height
    for _, found in days:
        known = found["units"]["unit_id"].unique()
        assert known.is_in(register["unit_id"].implode()).all()


def test_an_offshore_park_stands_in_stronger_wind():
    plants = tuple(PARK.model_copy(update={"name": f"NEW_{f}", "fuel": f}) for f in ("wind", "wind_offshore"))
    profile = PROFILE.model_copy(update={"dials": ScenarioDials(new_plants=plants)})
    world = Simulation(profile, START + timedelta(DAYS - 1)).scene.world
    land, sea = world.sites.actual_mw[-2:].sum(axis=1)
    assert sea > 1.2 * land


def test_order_of_plants_of_several_kinds_is_kept():
    gas = NewPlant(first=START, last=START + timedelta(9), name="NEW_GAS", hub="HUB_EAST", fuel="gas", capacity_mw=200.0)
    profile = PROFILE.model_copy(update={"dials": ScenarioDials(new_plants=(PARK, gas, ROOF))})
    market = Simulation(profile, START).market
    assert [(u.names[0], u.technology[0], int(u.site[0])) for _, u in market.plants] == [
        ("NEW_WIND", "wind", market.geography.sites.own),
        ("NEW_GAS", "ccgt", -1),
        ("NEW_SUN", "solar", market.geography.sites.own + 1),
    ]
