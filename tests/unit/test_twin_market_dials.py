"""New plants and price caps on RTS-24: within their window they act, before it nothing changes."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from config.markets import load_markets
from models._kernel.grid.cases import load_pypower_case
from models._kernel.grid.network import GridError
from pipeline_tasks.twin.ancillary import COUNTS, scarcity_worth
from pipeline_tasks.twin.dials import NO_DIALS, NewPlant, PriceCap, ScenarioDials
from pipeline_tasks.twin.fleet_config import load_trading
from pipeline_tasks.twin.geography import build_geography
from pipeline_tasks.twin.market import build_market, clear_day, clear_views, commit_day, initial_state
from pipeline_tasks.twin.market_types import RESERVES, Constraints, Reserve
from pipeline_tasks.twin.new_plants import technology_of
from pipeline_tasks.twin.noise import Calendar
from pipeline_tasks.twin.views import day_actual, day_forecast
from pipeline_tasks.twin.world import simulate_world
from pipeline_tasks.twin.world_config import load_world

START = date(2026, 1, 12)
DAYS = 5
FIRST, LAST = 2, 3  # window of the new plant, days
PLANT = NewPlant(
    first=START + timedelta(FIRST), last=START + timedelta(LAST), name="NEW_GAS", hub="HUB_CITY", fuel="gas", capacity_mw=300.0
)


def _built(dials, plants=None):
    config = load_world("test")
    network = load_pypower_case(config.case)
    geography = build_geography(network, config)
    market = build_market(
        network, geography, load_trading(profile="test"), load_markets()["twin"], dials.new_plants if plants is None else plants
    )
    calendar = Calendar.build(START, START + timedelta(days=DAYS - 1), "Europe/Berlin")
    return market, simulate_world(config, market.geography, market.elements, calendar, dials)


def _run(market, world, count=DAYS):
    state, days = initial_state(market), []
    for day in range(count):
        commitment, state = commit_day(market, world, day, state)
        days.append((commitment, clear_day(market, world, day, commitment)))
    return days


@pytest.fixture(scope="module")
def plain():
    market, world = _built(NO_DIALS)
    return market, world, _run(market, world)


@pytest.fixture(scope="module")
def grown():
    market, world = _built(ScenarioDials(new_plants=(PLANT,)))
    return market, world, _run(market, world)


def _equal(one, other):
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if hasattr(a, "__dataclass_fields__"):
            _equal(a, b)
        else:
            assert np.array_equal(a, b, equal_nan=isinstance(a, np.ndarray) and a.dtype.kind == "f"), field.name


def test_days_before_a_new_plant_are_the_same_to_the_last_bit(plain, grown):
    for day in range(FIRST):
        for mine, theirs in zip(plain[2][day], grown[2][day], strict=True):
            _equal(mine, theirs)


def test_a_new_plant_redraws_nothing(plain, grown):
    base, more = plain[1], grown[1]
    for name in ("events", "reports"):
        other = getattr(more.outages, name).filter(pl.col("element") != PLANT.name)
        assert_frame_equal(other, getattr(base.outages, name))
    assert np.array_equal(base.load.actual_mw, more.load.actual_mw)
    assert np.array_equal(base.fuels.gas, more.fuels.gas)
    assert np.array_equal(plain[0].network.branches.rating_mw, grown[0].network.branches.rating_mw)


def test_a_new_plant_produces_within_its_window_and_lowers_prices(plain, grown):
    market, world, days = grown
    inside = range(FIRST, LAST + 1)
    for day in range(DAYS):
        names = market.at(world, day).fleet.units.names
        assert (PLANT.name in names) == (day in inside)
        assert days[day][1].rt.generation_mw.shape[1] == len(names)
    output = np.concatenate([days[d][1].rt.generation_mw[:, -1] for d in inside])
    assert output.sum() > 0.2 * 48 * PLANT.capacity_mw
    assert output.max() <= PLANT.capacity_mw + 1e-6
    before, after = (np.mean([r[2][d][1].da.hub_price.mean() for d in inside]) for r in (plain, grown))
    assert after < before
    offers = days[FIRST][0].offers
    assert (offers.unit == len(market.fleet.units.names)).sum() == 3 * (
        1 + load_trading(profile="test").offers.blocks
    )  # windows; minimum output and blocks


def test_outages_of_a_new_plant_lie_in_its_window():
    long = PLANT.model_copy(update={"first": START + timedelta(200), "last": START + timedelta(700)})
    config = load_world("test")
    market, _ = _built(ScenarioDials(new_plants=(long,)))
    calendar = Calendar.build(START, START + timedelta(days=900), "Europe/Berlin")
    world = simulate_world(config, build_geography(load_pypower_case(config.case), config), market.elements, calendar)
    events = world.outages.events.filter(pl.col("element") == PLANT.name)
    reports = world.outages.reports.filter(pl.col("element") == PLANT.name)
    midnight = pl.Series([long.first, long.last + timedelta(1)]).cast(pl.Datetime("ms")).dt.replace_time_zone("Europe/Berlin")
    begin, end = midnight.dt.convert_time_zone("UTC").to_list()
    assert {"forced", "planned"} <= set(events.get_column("kind"))
    assert events.get_column("announced_ts").min() >= begin
    assert reports.get_column("known_ts").min() >= begin
    assert events.get_column("end_ts").max() <= end


def test_a_plant_stands_at_the_bus_it_names():
    placed = PLANT.model_copy(update={"hub": "HUB_NORTH"})
    market, _ = _built(ScenarioDials(new_plants=(placed,)))
    hub = market.fleet.hubs.index("HUB_NORTH")
    buses = np.flatnonzero(market.fleet.hub_of_bus == hub)
    last = int(buses[-1])
    named = placed.model_copy(update={"bus": market.network.buses.names[last]})
    (_, chosen), (_, given) = (_built(ScenarioDials(new_plants=(p,)))[0].plants[0] for p in (placed, named))
    assert chosen.bus[0] in buses
    assert given.bus[0] == last


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hub": "HUB_MOON"}, "no hub 'HUB_MOON'"),
        ({"bus": "nowhere"}, "no bus 'nowhere'"),
        ({"fuel": "peat"}, "take a class"),
    ],
)
def test_a_plant_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(GridError, match=message):
        _built(NO_DIALS, plants=(PLANT.model_copy(update=changes),))


def test_a_name_that_is_taken_is_refused(plain):
    taken = PLANT.model_copy(update={"name": plain[0].fleet.units.names[0]})
    with pytest.raises(GridError, match="exists"):
        _built(NO_DIALS, plants=(taken,))


def test_a_fuel_means_its_largest_class():
    config = load_trading(profile="test")
    assert technology_of("gas", config) == "ccgt"
    assert technology_of("ocgt", config) == "ocgt"


def test_a_world_on_another_map_is_refused(plain):
    park = PLANT.model_copy(update={"fuel": "wind"})
    market, _ = _built(ScenarioDials(new_plants=(park,)))
    elsewhere = replace(plain[1], dials=ScenarioDials(new_plants=(park,)))
    with pytest.raises(ValueError, match="the market's geography"):
        market.at(elsewhere, FIRST)


def test_a_market_without_the_worlds_plants_is_refused(plain, grown):
    with pytest.raises(ValueError, match="different new plants"):
        commit_day(plain[0], grown[1], 0, initial_state(plain[0]))


def test_a_cap_bounds_prices_offers_and_duals_and_changes_nothing_before(plain):
    cap = 90.0
    dials = ScenarioDials(price_caps=(PriceCap(first=START + timedelta(2), last=START + timedelta(3), cap_eur_per_mwh=cap),))
    market, world = _built(dials)
    days = _run(market, world, 4)
    for day in range(2):
        for mine, theirs in zip(plain[2][day], days[day], strict=True):
            _equal(mine, theirs)
    for day in (2, 3):
        capped, free = days[day][1], plain[2][day][1]
        assert market.at(world, day).solver.options.unserved_price == cap
        assert days[day][0].offers.price.max() <= cap
        assert capped.da.lmp.max() <= cap
        assert capped.da.constraints.shadow_price.max(initial=0.0) <= cap + 1e-6
        assert free.da.lmp.max() > cap
    with pytest.raises(ValueError, match="market of the day"):
        clear_views(
            market, day_forecast(market.fleet, market.at(world, 2).market, world, 2), day_actual(market.fleet, world, 2, 60), days[2][0]
        )


def test_load_is_given_up_at_the_cap_and_only_after_reserve(plain):
    market, world, _ = plain
    cap = 250.0
    capped = ScenarioDials(price_caps=(PriceCap(first=START, last=START, cap_eur_per_mwh=cap),))
    world = replace(world, dials=capped)
    today = market.at(world, 0)
    commitment, _ = commit_day(market, world, 0, initial_state(market))
    forecast, actual = day_forecast(today.fleet, today.market, world, 0), day_actual(today.fleet, world, 0, 60)
    short = replace(actual, load_mw=actual.load_mw * 2.5)
    product = clear_views(today, forecast, short, commitment).rt
    gone = product.unserved_mw > 1.0
    assert gone.any()
    np.testing.assert_allclose(product.energy[gone], cap, atol=0.02)
    up = [RESERVES.index(r) for r in COUNTS[Reserve.NON_SPINNING]]
    held = product.reserve_award_mw[gone][:, today.fleet.units.committed & commitment.on.all(axis=0)][:, :, up]
    assert held.max(initial=0.0) < 1e-3


def test_scarcity_prices_fit_under_the_cap(plain):
    config, offers = load_trading().dayahead, plain[2][0][0].offers
    most = sum(max(config.curve_price[r]) for r in COUNTS[Reserve.NON_SPINNING])
    assert scarcity_worth(config, offers, 20_000.0) == 1.0
    worth = scarcity_worth(config, offers, 1000.0)
    assert 0 < worth < 1
    assert offers.price.max() + worth * most == pytest.approx(1000.0)


def test_a_unit_at_rest_cannot_deliver_in_full_at_once(plain):
    market, world, days = plain
    units = market.fleet.units
    resting = units.fast & ~days[1][0].on.any(axis=0)
    assert resting.any()
    actual = day_actual(market.fleet, world, 1, 5)
    tight = replace(actual, load_mw=actual.load_mw * 1.6)
    product = clear_views(market, day_forecast(market.fleet, market.market, world, 1), tight, days[1][0]).rt
    assert isinstance(product.constraints, Constraints)
    output = np.vstack([np.where(resting, 0.0, np.nan), np.where(resting, product.generation_mw, np.nan)])[:, resting]
    step = 5 / (5 + load_trading(profile="test").realtime.lead_min)
    assert output.max() > 1.0
    assert np.all(np.diff(output, axis=0) <= step * units.p_max_mw[resting] + 1e-6)
