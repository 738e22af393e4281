"""The twin's weather, load, renewables, regimes and fuels: physics of each part, and how they hang together."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models._kernel.grid.cases import load_pypower_case
from pipeline_tasks.twin.demand import as_published, days_off
from pipeline_tasks.twin.dials import NO_DIALS, HeatWave
from pipeline_tasks.twin.fronts import Front, Push, add_fronts
from pipeline_tasks.twin.fuels import trading_days
from pipeline_tasks.twin.geography import SOLAR, Points, build_geography
from pipeline_tasks.twin.noise import Calendar
from pipeline_tasks.twin.regimes import simulate_regimes, transition_matrix
from pipeline_tasks.twin.renewables import power_curve, solar_share
from pipeline_tasks.twin.sun import clear_sky, sine_elevation
from pipeline_tasks.twin.weather import Places, simulate_weather
from pipeline_tasks.twin.world import simulate_world
from pipeline_tasks.twin.world_config import load_world
from pipeline_tasks.twin.world_types import World

START, END = date(2025, 6, 15), date(2026, 6, 14)


@pytest.fixture(scope="module")
def world() -> World:
    config = load_world("demo")
    geography = build_geography(load_pypower_case("case118"), config)
    return simulate_world(config, geography, (), Calendar.build(START, END, "Europe/Berlin"))


def _hours(*instants: datetime) -> np.ndarray:
    return np.array([i.timestamp() / 3600 for i in instants])


def _highest(day: datetime, lon: float) -> float:
    """UTC hour of the day at which the sun stands highest."""
    minutes = _hours(day)[0] + np.arange(0, 24, 1 / 60)
    return float(sine_elevation(minutes, np.array([lon]), np.array([51.0]))[0].argmax() / 60)


def test_the_sun_stands_where_almanacs_have_it() -> None:
    lon, lat = np.array([10.0]), np.array([51.0])
    noon = [
        datetime(2025, 6, 21, 11, 22, tzinfo=UTC),
        datetime(2025, 12, 21, 11, 18, tzinfo=UTC),
        datetime(2025, 3, 20, 11, 27, tzinfo=UTC),
    ]
    height = np.rad2deg(np.arcsin(sine_elevation(_hours(*noon), lon, lat)[0]))
    np.testing.assert_allclose(height, [62.44, 15.56, 39.0], atol=0.1)
    # equation of time at Greenwich: +14.2 minutes on 11 February, -16.4 on 3 November
    assert _highest(datetime(2025, 2, 11, tzinfo=UTC), 0.0) == pytest.approx(12 + 14.2 / 60, abs=0.03)
    assert _highest(datetime(2025, 11, 3, tzinfo=UTC), 0.0) == pytest.approx(12 - 16.4 / 60, abs=0.03)
    assert _highest(datetime(2025, 6, 21, tzinfo=UTC), 15.0) == pytest.approx(11 + 1.8 / 60, abs=0.03)
    night = clear_sky(_hours(datetime(2025, 6, 21, 23, tzinfo=UTC)), lon, lat)
    assert night[0, 0] == 0


def test_correlation_of_wind_and_temperature_falls_with_distance() -> None:
    config = load_world("demo")
    geography = build_geography(load_pypower_case("case118"), config)
    calendar = Calendar.build(START, END, "Europe/Berlin")
    field = simulate_weather(config, geography, calendar, np.zeros(calendar.frame.height), NO_DIALS)
    points = Places.of(config, geography, NO_DIALS).points
    gap = np.hypot(points.x_km[:, None] - points.x_km, points.y_km[:, None] - points.y_km)
    pairs = np.triu_indices(len(gap), 1)
    for values in (field.actual.wind_m_s, field.actual.temperature_degc - field.normal_degc, field.actual.cloud_share):
        correlation = np.corrcoef(values)[pairs]
        near, far = correlation[gap[pairs] < 120].mean(), correlation[gap[pairs] > 400].mean()
        assert near > far + 0.15
        assert np.corrcoef(gap[pairs], correlation)[0, 1] < -0.75


def test_a_front_reaches_places_downwind_later_and_turns_wind_cloud_and_temperature() -> None:
    hours = np.arange(0.0, 240.0)
    points = Points(np.array([-200.0, 0.0, 220.0]), np.zeros(3), np.zeros(3), np.full(3, 51.0))
    front = Front(centre_h=100.0, east=1.0, north=0.0, speed_km_h=20.0, strength=1.0, storm=False, late_h=3.0, forecast_strength=1.0)
    actual, ahead = Push.none(3, 240), Push.none(3, 240)
    for push, forecast in ((actual, False), (ahead, True)):
        add_fronts(push, [front], points, hours, np.full(240, 80.0), forecast=forecast)
    assert actual.wind_m_s.argmax(axis=1).tolist() == [90 + 1, 100 + 1, 111 + 1]
    assert ahead.wind_m_s.argmax(axis=1).tolist() == [93 + 1, 103 + 1, 114 + 1]
    assert np.all(actual.cloud.max(axis=1) > 2)
    before, after = actual.degc[1, 92], actual.degc[1, 112]
    assert before > 1
    assert after < -2


def test_fronts_make_the_east_follow_the_west(world: World) -> None:
    config = world.config
    calm = config.model_copy(update={"weather": config.weather.model_copy(update={"fronts_per_day": 0.0})})
    assert abs(_lead_of_the_west(calm, world)) <= 1
    assert 4 <= _lead_of_the_west(config, world) <= 18


def _lead_of_the_west(config: object, world: World) -> int:
    """Hours by which the cloud of the westernmost place leads that of the easternmost, at the peak of their cross-correlation."""
    calendar = world.calendar
    field = simulate_weather(config, world.geography, calendar, np.zeros(calendar.frame.height), NO_DIALS)  # type: ignore[arg-type]
    x = Places.of(world.config, world.geography, NO_DIALS).points.x_km
    west, east = field.actual.wind_m_s[[x.argmin(), x.argmax()]]
    lags = list(range(-30, 31))
    inner = slice(40, -40)
    scores = [np.corrcoef(west[inner], np.roll(east, -lag)[inner])[0, 1] for lag in lags]
    return lags[int(np.argmax(scores))]


def test_days_have_23_24_or_25_hours_and_every_array_follows(world: World) -> None:
    lengths = np.diff(world.day_starts)
    day = {d: lengths[(d - START).days] for d in (date(2025, 10, 26), date(2026, 3, 29), date(2025, 7, 1))}
    assert list(day.values()) == [25, 23, 24]
    assert lengths.sum() == world.n_hours == world.load.actual_mw.shape[1]
    assert world.sites.forecast_mw.shape == (len(world.geography.sites.names), world.n_hours)


def test_five_minute_values_keep_the_hours_mean_and_the_limits(world: World) -> None:
    for first, hours in ((0, 48), (world.n_hours - 30, 30), ((date(2025, 10, 26) - START).days * 24, 25)):
        fine = world.five_minutes(first, hours)
        for values, hourly in ((fine.load_mw, world.load.actual_mw), (fine.sites_mw, world.sites.actual_mw)):
            means = values.reshape(len(values), hours, 12).mean(axis=2)
            np.testing.assert_allclose(means, hourly[:, first : first + hours], rtol=1e-12, atol=1e-9)
            assert values.min() >= -1e-9
        assert np.all(fine.sites_mw <= world.geography.sites.capacity_mw[:, None] + 1e-9)
        assert fine.start_ts[0] == world.instant(first)
        assert fine.start_ts.diff().drop_nulls().unique().to_list() == [timedelta(minutes=5)]
    steps = np.abs(np.diff(world.five_minutes(0, 240).load_mw.sum(axis=0))) / world.load.actual_mw.sum(axis=0).mean()
    assert 0.0005 < steps.mean() < 0.006
    with pytest.raises(IndexError, match="not within the horizon"):
        world.five_minutes(world.n_hours - 1, 2)


def test_load_knows_weekends_holidays_and_temperature(world: World) -> None:
    load = world.load.actual_mw.sum(axis=0)
    by_day = np.array([load[world.hours_of(d)].mean() for d in range(world.calendar.days)])
    weekday = np.array([(START + timedelta(d)).isoweekday() for d in range(world.calendar.days)])
    assert by_day[weekday == 7].mean() < by_day[weekday == 6].mean() < by_day[(weekday > 1) & (weekday < 6)].mean()
    free = days_off(world.config, world.calendar)
    assert free[(date(2025, 10, 3) - START).days] == 1  # German Unity Day
    assert 0 < free[(date(2025, 12, 29) - START).days] < 1
    assert free[(date(2025, 11, 4) - START).days] == 0
    degc = np.array([world.weather.temperature_degc[:, world.hours_of(d)].mean() for d in range(world.calendar.days)])
    cold, mild = (weekday == 3) & (degc < 3), (weekday == 3) & (degc > 13) & (degc < 19)
    assert by_day[cold].mean() > 1.05 * by_day[mild].mean()
    assert 0.6 < load.mean() / load.max() < 0.75


def test_forecast_errors_are_realistic_and_come_from_one_weather_error(world: World) -> None:
    sites, load = world.sites, world.load
    wind = world.geography.sites.is_wind
    error = load.actual_mw.sum(axis=0) - load.forecast_mw.sum(axis=0)
    assert 0.018 < np.abs(error / load.actual_mw.sum(axis=0)).mean() < 0.030
    assert abs(error.mean()) < 0.005 * load.actual_mw.sum(axis=0).mean()
    wind_error = (sites.actual_mw - sites.forecast_mw)[wind].sum(axis=0) / world.geography.sites.capacity_mw[wind].sum()
    assert 0.035 < np.sqrt((wind_error**2).mean()) < 0.07
    assert abs(wind_error.mean()) < 0.012
    sun_error = (sites.actual_mw - sites.forecast_mw)[~wind].sum(axis=0)
    assert np.corrcoef(wind_error, sun_error)[0, 1] < -0.03  # windier than forecast is cloudier than forecast
    heating = np.maximum(15 - world.weather.temperature_degc, 0) - np.maximum(15 - world.weather.forecast_degc, 0)
    assert np.corrcoef(heating.mean(axis=0), error)[0, 1] > 0.12
    np.testing.assert_array_equal(sites.forecast_mw[~wind] > 0, sites.actual_mw[~wind] > 0)


def test_a_load_forecast_knows_nothing_after_eight_o_clock_of_the_day_before() -> None:
    calendar = Calendar.build(date(2025, 10, 20), date(2025, 11, 2), "Europe/Berlin")  # holds a day of 25 hours
    fade, hours = 0.99, calendar.frame.height
    path = np.random.default_rng(3).standard_normal((2, hours))
    known = as_published(calendar, path, fade)
    midnights = calendar.frame.group_by("day", maintain_order=True).agg(pl.col("delivery_ts").first())["delivery_ts"].to_list()
    begins = calendar.frame.get_column("delivery_ts").to_list()
    local = calendar.frame.get_column("delivery_ts").dt.convert_time_zone("Europe/Berlin")
    for day in range(2, calendar.days):
        issued = next(k for k, t in enumerate(local) if t.hour == 8 and (t.date() - calendar.start).days == day - 1)
        poisoned = path.copy()
        poisoned[:, issued:] = np.nan
        mine = calendar.frame.get_column("day").to_numpy() == day
        again = as_published(calendar, poisoned, fade)
        np.testing.assert_array_equal(again[:, mine], known[:, mine])
        first = begins.index(midnights[day])
        np.testing.assert_allclose(known[:, first], path[:, issued - 1] * fade ** (first - issued + 1))


def test_forecasters_mistake_the_loads_answer_to_weather_so_cold_days_are_harder(world: World) -> None:
    load = world.load.actual_mw.sum(axis=0)
    miss = np.abs(world.load.forecast_mw.sum(axis=0) - load) / load.mean()
    cold = world.weather.temperature_degc.mean(axis=0) < 3
    mild = np.abs(world.weather.temperature_degc.mean(axis=0) - 17) < 2
    assert miss[cold].mean() > 1.2 * miss[mild].mean()


def test_forecast_error_of_temperature_grows_with_lead(world: World) -> None:
    error = (world.weather.temperature_degc - world.weather.forecast_degc) ** 2
    hour = world.calendar.column("hour_of_day")
    assert error[:, hour >= 20].mean() > 1.1 * error[:, hour < 4].mean()


def test_capacity_factors_and_the_power_curve(world: World) -> None:
    sites, shares = world.geography.sites, world.sites.actual_mw / world.geography.sites.capacity_mw[:, None]
    wind = sites.is_wind
    assert 0.18 < np.average(shares[wind].mean(axis=1), weights=sites.capacity_mw[wind]) < 0.32
    assert 0.095 < np.average(shares[~wind].mean(axis=1), weights=sites.capacity_mw[~wind]) < 0.135
    offshore = np.array([k == "wind_offshore" for k in sites.kind])
    assert shares[offshore].mean() > 1.2 * shares[wind & ~offshore].mean()
    numbers = world.config.renewables
    curve = power_curve(numbers, np.array([0.0, 5.0, 8.0, 16.0, 32.0]))
    assert curve[0] < 0.01
    assert curve[1] < curve[2] < curve[3]
    assert curve[3] == pytest.approx(numbers.wind_availability, abs=1e-3)
    assert curve[4] < 0.001
    cool, hot = (solar_share(numbers, np.array([800.0]), np.array([t]), np.array([170.0]))[0] for t in (5.0, 35.0))
    assert hot / cool == pytest.approx(1 - 30 * numbers.degc_loss, abs=0.02)


def test_a_storm_cuts_turbines_out() -> None:
    config = load_world("demo")
    sizes = config.renewables
    gale = np.array([22.0, 24.0, 26.0, 28.0])
    assert np.all(np.diff(power_curve(sizes, gale)) < 0)


def test_the_regime_chain_stays_as_long_as_configured() -> None:
    config = load_world("demo")
    matrix = transition_matrix(config.regimes)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    path = simulate_regimes(config, Calendar.build(date(2000, 1, 1), date(2024, 12, 31), "Europe/Berlin"), NO_DIALS)
    for k in range(3):
        visits = np.count_nonzero((path[1:] == k) & (path[:-1] != k))
        assert np.count_nonzero(path == k) / visits == pytest.approx(config.regimes.stay_days[k], rel=0.25)
    assert np.abs(np.diff(path)).max() == 1


def test_fuels_settle_on_trading_days_and_stand_between(world: World) -> None:
    fuels = world.fuels
    trading = trading_days(world.config, world.calendar)
    days = {d: trading[(d - START).days] for d in (date(2025, 12, 25), date(2026, 4, 3), date(2026, 4, 7), date(2026, 1, 3))}
    assert list(days.values()) == [False, False, True, False]  # Christmas, Good Friday, Easter Tuesday, Saturday
    np.testing.assert_array_equal(trading, fuels.trading)
    for values in (*fuels.gas, fuels.coal, fuels.co2):
        assert np.all(values[1:][~trading[1:]] == values[:-1][~trading[1:]])
        assert np.all(values > 0)
    gas, coal, co2 = fuels.known_at_gate(10)
    assert gas.tolist() == fuels.gas[:, 8].tolist()
    assert (coal, co2) == (fuels.coal[8], fuels.co2[8])
    assert fuels.known_at_gate(0)[1] == fuels.before[0, -2]
    basis = fuels.gas[1:] - fuels.gas[0]
    np.testing.assert_allclose(basis.mean(axis=1), [-0.35, 0.75], atol=0.6)


def test_gas_moves_more_in_worse_regimes() -> None:
    config, moves = load_world("test"), {0: [], 1: [], 2: []}
    geography = build_geography(load_pypower_case("case24_ieee_rts"), config)
    for seed in range(3):
        world = simulate_world(
            config.model_copy(update={"seed": seed}), geography, (), Calendar.build(START, START + timedelta(500), "Europe/Berlin")
        )
        trading = world.fuels.trading
        change = np.diff(np.log(world.fuels.gas[0][trading]))
        for k in range(3):
            moves[k] += change[world.regimes.path[trading][1:] == k].tolist()
    vol = [np.std(moves[k]) * np.sqrt(252) for k in range(3)]
    assert vol[0] < vol[1] < vol[2]
    assert 0.25 < vol[0] < 0.55
    assert 0.5 < vol[2] < 1.0


def test_dials_of_heat_reach_load_only_through_temperature(world: World) -> None:
    config, geography = world.config, world.geography
    first = date(2025, 7, 10)
    dials = NO_DIALS.model_copy(update={"heat_waves": (HeatWave(first=first, last=first + timedelta(3), degc=8.0),)})
    calendar = Calendar.build(START, date(2025, 7, 31), "Europe/Berlin")
    hot = simulate_world(config, geography, (), calendar, dials)
    hours = hot.hours_of((date(2025, 7, 12) - START).days)
    assert hot.load.actual_mw[:, hours].mean() > 1.02 * world.load.actual_mw[:, hours].mean()
    assert hot.load.forecast_mw[:, hours].mean() > 1.02 * world.load.forecast_mw[:, hours].mean()
    sun = np.array([k == SOLAR for k in geography.sites.kind])
    assert hot.sites.actual_mw[sun][:, hours].sum() < world.sites.actual_mw[sun][:, hours].sum()


def test_frames_of_the_world_have_utc_milliseconds(world: World) -> None:
    for frame in (world.outages.events, world.outages.reports, world.lng.voyages, world.lng.closures, world.lng.voyage_truth):
        assert {t for c, t in frame.schema.items() if c.endswith("_ts")} == {pl.Datetime("ms", "UTC")}
