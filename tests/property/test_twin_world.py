"""Laws of the twin's world: same arguments same bytes, a later end changes nothing before it, a dial changes only what it can affect."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.markets import load_markets
from models._kernel.grid.cases import load_pypower_case
from models._kernel.grid.network import Network
from pipeline_tasks.twin.dials import ElementOutage, FuelShock, HeatWave, NewPlant, PriceCap, RegimeOverride, ScenarioDials, WindDrought
from pipeline_tasks.twin.fleet_config import load_trading
from pipeline_tasks.twin.geography import Geography, build_geography
from pipeline_tasks.twin.market import TwinMarket, build_market
from pipeline_tasks.twin.new_plants import plant_sites
from pipeline_tasks.twin.noise import Calendar
from pipeline_tasks.twin.outage_types import OutageElement
from pipeline_tasks.twin.world import simulate_world
from pipeline_tasks.twin.world_config import WorldConfig, load_world
from pipeline_tasks.twin.world_types import World

START, DAYS = date(2025, 9, 20), 45  # holds the 25-hour day of 2025-10-26
FEW = settings(max_examples=6, deadline=None, derandomize=True)
WINDOW = st.tuples(st.integers(3, 30), st.integers(0, 10)).map(lambda w: (START + timedelta(w[0]), START + timedelta(w[0] + w[1])))


@lru_cache(maxsize=1)
def _setting() -> tuple[Network, WorldConfig, Geography, tuple[OutageElement, ...]]:
    network = load_pypower_case("case24_ieee_rts")
    config = load_world("test")
    units = tuple(OutageElement("unit", n, 100.0, 6.0, 40.0, 20.0, hub=k % 5) for k, n in enumerate(network.generators.names))
    lines = tuple(OutageElement("line", n, 300.0, 2.0, 15.0, 3.0) for n in network.branches.names)
    return network, config, build_geography(network, config), units + lines


def _world(days: int = DAYS, dials: ScenarioDials | None = None, **change: object) -> World:
    _, config, geography, elements = _setting()
    calendar = Calendar.build(START, START + timedelta(days - 1), "Europe/Berlin")
    return simulate_world(config.model_copy(update=change), geography, elements, calendar, dials or ScenarioDials())


@lru_cache(maxsize=1)
def _base() -> World:
    return _world()


def _arrays(world: World) -> dict[str, np.ndarray]:
    """Every array of the world by name; hourly ones end in the number of hours, daily ones in that of days."""
    parts = {
        "weather": world.weather,
        "load": world.load,
        "sites": world.sites,
        "regimes": world.regimes,
        "fuels": world.fuels,
        "lng": world.lng,
    }
    found = {f"{p}.{f.name}": getattr(part, f.name) for p, part in parts.items() for f in fields(part)}
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def _frames(world: World) -> dict[str, tuple[pl.DataFrame, str]]:
    return {
        "events": (world.outages.events, "announced_ts"),
        "reports": (world.outages.reports, "known_ts"),
        "voyages": (world.lng.voyages, "known_ts"),
        "arrivals": (world.lng.voyage_truth, "arrived_ts"),
        "closures": (world.lng.closures, "known_ts"),
    }


def _changed(dials: ScenarioDials) -> set[str]:
    """Names of arrays and frames that the dials change."""
    base, other = _base(), _world(dials=dials)
    arrays = {n for n, v in _arrays(other).items() if not np.array_equal(v, _arrays(base)[n])}
    return arrays | {n for n, (f, _) in _frames(other).items() if not f.equals(_frames(base)[n][0])}


def _same_before(dials: ScenarioDials, first: date) -> None:
    """Nothing differs before the window."""
    base, other = _arrays(_base()), _arrays(_world(dials=dials))
    day = (first - START).days
    hour = _base().hours_of(day).start
    for name, values in other.items():
        until = hour if values.shape[-1] == _base().n_hours else day
        if values.shape[-1] in (_base().n_hours, DAYS):
            np.testing.assert_array_equal(values[..., :until], base[name][..., :until], err_msg=name)
    for name, (frame, known) in _frames(_world(dials=dials)).items():
        # the weather of an arrival is reported up to two days ahead
        end = _base().instant(_base().hours_of(day - 3 if name == "voyages" else day).start)
        assert frame.filter(pl.col(known) < end).equals(_frames(_base())[name][0].filter(pl.col(known) < end)), name


def test_same_arguments_same_bytes_and_another_seed_another_world() -> None:
    again, other = _arrays(_world()), _arrays(_world(seed=7))
    for name, values in _arrays(_base()).items():
        assert values.tobytes() == again[name].tobytes(), name
    for name, (frame, _) in _frames(_world()).items():
        assert frame.equals(_frames(_base())[name][0])
    assert not np.array_equal(other["load.actual_mw"], _arrays(_base())["load.actual_mw"])


@FEW
@given(days=st.integers(1, DAYS - 1))
def test_a_later_end_changes_no_value_and_no_row_before_it(days: int) -> None:
    short, long = _world(days), _base()
    longer = _arrays(long)
    for name, values in _arrays(short).items():
        np.testing.assert_array_equal(values, longer[name][..., : values.shape[-1]], err_msg=name)
    end = long.instant(long.hours_of(days).start)
    for name, (frame, known) in _frames(short).items():
        whole = _frames(long)[name][0]
        assert frame.equals(whole.filter(pl.col(known) < end)), name


@FEW
@given(days=st.integers(2, 12), first=st.integers(0, 20), hours=st.integers(1, 30))
def test_five_minute_values_hang_on_neither_window_nor_horizon(days: int, first: int, hours: int) -> None:
    short = _world(days)
    hours = min(hours, short.n_hours - first)
    part, last = short.five_minutes(first, hours), short.five_minutes(0, short.n_hours)
    whole = _base().five_minutes(0, short.n_hours + 5)
    cut = slice(12 * first, 12 * (first + hours))
    for name in ("load_mw", "sites_mw"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[:, cut])
        np.testing.assert_array_equal(getattr(last, name), getattr(whole, name)[:, : 12 * short.n_hours])
    assert part.start_ts.equals(whole.start_ts[cut])


@FEW
@given(window=WINDOW, fuel=st.sampled_from(["gas", "coal", "co2"]), multiplier=st.floats(0.3, 4))
def test_a_fuel_shock_multiplies_that_fuel_in_its_window(window: tuple[date, date], fuel: str, multiplier: float) -> None:
    dials = ScenarioDials(fuel_shocks=(FuelShock(first=window[0], last=window[1], fuel=fuel, multiplier=multiplier),))
    allowed = {"gas": {"fuels.gas", "fuels.gas_without_lng"}, "coal": {"fuels.coal"}, "co2": {"fuels.co2"}}[fuel]
    assert _changed(dials) <= allowed
    base, other = getattr(_base().fuels, fuel), getattr(_world(dials=dials).fuels, fuel)
    inside = np.array([window[0] <= START + timedelta(k) <= window[1] for k in range(DAYS)]) & _base().fuels.trading
    np.testing.assert_allclose(other[..., inside], base[..., inside] * multiplier)
    outside = ~np.array([window[0] <= START + timedelta(k) <= window[1] for k in range(DAYS)]) & _base().fuels.trading
    np.testing.assert_array_equal(other[..., outside], base[..., outside])


@FEW
@given(window=WINDOW, degc=st.floats(-8, 8))
def test_a_heat_wave_moves_what_feels_temperature_and_not_before_it_begins(window: tuple[date, date], degc: float) -> None:
    dials = ScenarioDials(heat_waves=(HeatWave(first=window[0], last=window[1], degc=degc),))
    untouched = {n for n in _arrays(_base()) if n.startswith(("regimes", "weather.wind", "weather.irr", "weather.cloud", "weather.normal"))}
    untouched |= {"fuels.coal", "fuels.co2", "fuels.trading", "fuels.before", "lng.stock_before_gwh", "lng.scheduled_gwh", "closures"}
    changed = _changed(dials)
    # vessels that a cold spell holds sail later next time, so the schedule may move, after the window only
    assert not changed & (untouched - {"lng.scheduled_gwh"})
    _same_before(dials, window[0])
    wind = _base().geography.sites.is_wind
    np.testing.assert_array_equal(_world(dials=dials).sites.actual_mw[wind], _base().sites.actual_mw[wind])


def test_a_heat_wave_at_one_hub_fades_with_distance() -> None:
    first, last = START + timedelta(10), START + timedelta(12)
    dials = ScenarioDials(heat_waves=(HeatWave(first=first, last=last, degc=5, hub="HUB_SOUTH"),))
    warmer = (_world(dials=dials).weather.temperature_degc - _base().weather.temperature_degc).max(axis=1)
    assert warmer[1] == pytest.approx(5.0)
    centre = _base().geography.hub_points
    away = np.hypot(centre.x_km - centre.x_km[1], centre.y_km - centre.y_km[1])
    assert np.all(np.diff(warmer[np.argsort(away)]) < 0)
    assert warmer.min() < 0.5


@FEW
@given(window=WINDOW, multiplier=st.floats(0.1, 0.9))
def test_a_wind_drought_lowers_wind_and_leaves_load_and_sun(window: tuple[date, date], multiplier: float) -> None:
    dials = ScenarioDials(wind_droughts=(WindDrought(first=window[0], last=window[1], multiplier=multiplier),))
    changed = _changed(dials)
    assert not {n for n in changed if n.startswith(("load", "regimes", "weather.temp", "weather.irr", "fuels.coal", "fuels.co2"))}
    _same_before(dials, window[0])
    world, wind = _world(dials=dials), _base().geography.sites.is_wind
    np.testing.assert_array_equal(world.sites.actual_mw[~wind], _base().sites.actual_mw[~wind])
    assert np.all(world.weather.wind_m_s <= _base().weather.wind_m_s + 1e-12)


@FEW
@given(window=WINDOW, regime=st.sampled_from(["normal", "transition", "stressed"]))
def test_a_regime_override_leaves_weather_and_the_actual_load(window: tuple[date, date], regime: str) -> None:
    dials = ScenarioDials(regimes=(RegimeOverride(first=window[0], last=window[1], regime=regime),))
    world = _world(dials=dials)
    inside = np.array([window[0] <= START + timedelta(k) <= window[1] for k in range(DAYS)])
    assert {world.regimes.names[k] for k in world.regimes.path[inside]} == {regime}
    np.testing.assert_array_equal(world.regimes.path[~inside], _base().regimes.path[~inside])
    felt = {"regimes.path", "load.forecast_mw", "sites.forecast_mw", "fuels.gas", "fuels.gas_without_lng", "fuels.coal", "fuels.co2"}
    felt |= {"weather.forecast_degc", "weather.forecast_wind_m_s", "weather.forecast_irradiance_w_m2", "events", "reports"}
    assert _changed(dials) <= felt
    _same_before(dials, window[0])


@FEW
@given(window=WINDOW, line=st.integers(0, 37))
def test_an_outage_dial_adds_one_outage(window: tuple[date, date], line: int) -> None:
    name = _setting()[0].branches.names[line]
    dials = ScenarioDials(outages=(ElementOutage(first=window[0], last=window[1], element_kind="line", element=name),))
    assert _changed(dials) <= {"events", "reports"}
    world = _world(dials=dials)
    added = world.outages.events.join(_base().outages.events, on="outage_id", how="anti")
    assert added.get_column("kind").to_list() == ["scenario"]
    first, last = ((d - START).days for d in window)
    hours = slice(world.hours_of(first).start, world.hours_of(last).stop)
    assert np.all(world.availability("line", (name,), hours) == 0)


def test_plants_and_caps_are_passed_on_and_change_nothing_here() -> None:
    day = START + timedelta(5)
    plant = NewPlant(first=day, last=day, name="NEW_1", hub="HUB_EAST", fuel="gas", capacity_mw=400)
    dials = ScenarioDials(new_plants=(plant,), price_caps=(PriceCap(first=day, last=day, cap_eur_per_mwh=300),))
    assert _changed(dials) == set()
    assert _world(dials=dials).dials == dials


@lru_cache(maxsize=1)
def _market() -> TwinMarket:
    network, _, geography, _ = _setting()
    return build_market(network, geography, load_trading(profile="test"), load_markets()["twin"])


@FEW
@given(
    window=WINDOW,
    fuel=st.sampled_from(["wind", "wind_offshore", "solar"]),
    hub=st.sampled_from(["HUB_NORTH", "HUB_CITY", "HUB_SOUTH"]),
    capacity=st.floats(1, 2000),
    second=st.booleans(),
)
def test_a_new_park_adds_its_own_series_and_changes_no_other_number(
    window: tuple[date, date], fuel: str, hub: str, capacity: float, second: bool
) -> None:
    other = NewPlant(first=START, last=START + timedelta(DAYS), name="OTHER", hub="HUB_EAST", fuel="solar", capacity_mw=70)
    park = NewPlant(first=window[0], last=window[1], name="PARK", hub=hub, fuel=fuel, capacity_mw=capacity)
    plants = (other, park) if second else (park,)
    _, config, geography, elements = _setting()
    more = geography.with_sites(plant_sites(_market().fleet, geography, plants))
    world = simulate_world(config, more, elements, _base().calendar, ScenarioDials(new_plants=plants))
    own = len(geography.sites.names)
    for name, values in _arrays(world).items():
        mine = values[:own] if name.startswith("sites.") else values
        assert mine.tobytes() == _arrays(_base())[name].tobytes(), name
    for name, (frame, _) in _frames(world).items():
        assert frame.equals(_frames(_base())[name][0]), name
    fine, base = (w.five_minutes(0, w.n_hours) for w in (world, _base()))
    assert fine.load_mw.tobytes() == base.load_mw.tobytes()
    assert fine.sites_mw[:own].tobytes() == base.sites_mw.tobytes()
    _park_is_plausible(world, (window[0] - START).days, (window[1] - START).days, capacity)
    alone = simulate_world(
        config, geography.with_sites(plant_sites(_market().fleet, geography, (park,))), elements, _base().calendar, ScenarioDials()
    )
    assert alone.sites.actual_mw[own:].tobytes() == world.sites.actual_mw[-1:].tobytes(), "a park does not feel another"
    assert alone.five_minutes(0, 48).sites_mw[own:].tobytes() == world.five_minutes(0, 48).sites_mw[-1:].tobytes()


def _park_is_plausible(world: World, first: int, last: int, capacity: float) -> None:
    """The last site gives something within its window, never more than it has, nothing outside."""
    inside = np.zeros(world.n_hours, dtype=bool)
    inside[world.hours_of(first).start : world.hours_of(last).stop] = True
    fine = world.five_minutes(0, world.n_hours).sites_mw[-1].reshape(world.n_hours, 12)
    np.testing.assert_allclose(fine.mean(axis=1), world.sites.actual_mw[-1], atol=1e-9 * capacity)
    assert fine.max() <= capacity * (1 + 1e-12)
    for values in (world.sites.actual_mw[-1], world.sites.forecast_mw[-1]):
        assert not values[~inside].any()
        assert 0 <= values.min() < values[inside].max() <= capacity
    assert not np.array_equal(world.sites.actual_mw[-1], world.sites.forecast_mw[-1])


def test_another_element_changes_no_other_elements_outages() -> None:
    _, config, geography, elements = _setting()
    calendar = _base().calendar
    more = simulate_world(config, geography, (OutageElement("unit", "NEW", 50.0, 9.0, 30.0, 10.0), *elements[::-1]), calendar)
    assert more.outages.events.filter(pl.col("element") != "NEW").equals(_base().outages.events)
    assert "NEW" in more.outages.events.get_column("element").to_list()


@pytest.mark.parametrize(
    "dials",
    [
        ScenarioDials(regimes=(RegimeOverride(first=START, last=START, regime="calm"),)),
        ScenarioDials(heat_waves=(HeatWave(first=START, last=START, degc=1, hub="HUB_X"),)),
        ScenarioDials(outages=(ElementOutage(first=START, last=START, element_kind="line", element="no such line"),)),
    ],
)
def test_a_dial_that_names_nothing_is_refused(dials: ScenarioDials) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        _world(3, dials)
