"""LNG: tanks balance exactly, reports come in order, delays add up, and the known effect is recovered with the instrument but not without."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from scipy.signal import lfilter

from models._kernel.grid.cases import load_pypower_case
from pipeline_tasks.twin.dials import NO_DIALS
from pipeline_tasks.twin.fuels import Settlements, simulate_fuels
from pipeline_tasks.twin.geography import build_geography
from pipeline_tasks.twin.lng import DailyWeather, simulate_lng
from pipeline_tasks.twin.noise import Calendar
from pipeline_tasks.twin.regimes import simulate_regimes
from pipeline_tasks.twin.world import simulate_world
from pipeline_tasks.twin.world_config import WorldConfig, load_world
from pipeline_tasks.twin.world_types import Lng, World

LAG = 3  # settlements between the two prices of a change


@pytest.fixture(scope="module")
def world() -> World:
    config = load_world("test")
    geography = build_geography(load_pypower_case("case24_ieee_rts"), config)
    return simulate_world(config, geography, (), Calendar.build(date(2025, 1, 1), date(2025, 12, 31), "Europe/Berlin"))


def _years(seed: int, **lng: float) -> tuple[WorldConfig, Lng, Settlements]:
    """Sixteen years of gas with a made-up daily weather: enough for a statement about an estimator."""
    base = load_world("test")
    config = base.model_copy(update={"seed": seed, "lng": base.lng.model_copy(update=lng)})
    calendar = Calendar.build(date(2005, 1, 1), date(2020, 12, 31), "Europe/Berlin")
    shocks = np.random.default_rng(seed).standard_normal((2, calendar.days))
    cold, wind = lfilter([0.6], [1, -0.8], shocks, axis=1)
    weather = DailyWeather(cold_degc=3.5 * cold, sea_wind_m_s=8 + 2.5 * wind, calm=-0.1 * wind)
    found = simulate_lng(config, calendar, weather)
    return config, found, simulate_fuels(config, calendar, simulate_regimes(config, calendar, NO_DIALS), found, NO_DIALS)


def _changes(lng: Lng, fuels: Settlements) -> tuple[np.ndarray, ...]:
    """Changes over `LAG` settlements of log price, cumulative unexpected arrivals (TWh), the instrument, and the weather's part."""
    days = np.flatnonzero(fuels.trading)
    series = (np.log(fuels.prices[0]), np.cumsum(lng.unexpected_gwh) / 1000, np.cumsum(lng.instrument_gwh) / 1000, lng.weather_log)
    return tuple(s[days][LAG:] - s[days][:-LAG] for s in series)


def _slope(outcome: np.ndarray, treatment: np.ndarray, instrument: np.ndarray) -> tuple[float, float]:
    """Two-stage least squares (least squares where the instrument is the treatment) and its standard error for overlapping changes."""
    z, x = instrument - instrument.mean(), treatment - treatment.mean()
    slope = float(z @ outcome / (z @ x))
    score = z * (outcome - outcome.mean() - slope * x)
    spread = score @ score + 2 * sum((1 - k / LAG) * (score[k:] @ score[:-k]) for k in range(1, LAG))
    return slope, float(np.sqrt(spread) / abs(z @ x))


def test_two_stage_least_squares_recovers_the_effect_and_least_squares_does_not() -> None:
    slopes, truths, errors, biased = [], [], [], []
    for seed in (1, 2, 3):
        _, lng, fuels = _years(seed)
        price, arrivals, instrument, _ = _changes(lng, fuels)
        assert np.corrcoef(arrivals, instrument)[0, 1] ** 2 * len(price) / LAG > 30  # a strong first stage
        slope, error = _slope(price, arrivals, instrument)
        truth = float(lng.effect_per_twh.mean())
        assert abs(slope - truth) < 3.3 * error
        slopes.append(slope)
        errors.append(error)
        truths.append(truth)
        biased.append(_slope(price, arrivals, arrivals)[0])
    assert np.mean(slopes) == pytest.approx(np.mean(truths), rel=0.2)
    assert np.mean(biased) < 1.25 * np.mean(truths)  # too negative: cold holds vessels and raises demand
    assert max(biased) < min(truths)


def test_the_bias_comes_from_the_weather_that_holds_vessels() -> None:
    found = []
    for change in ({}, {"cold_delay_days": 0.0, "storm_delay_days": 0.0}):
        _, lng, fuels = _years(4, **change)
        price, arrivals, _, _ = _changes(lng, fuels)
        found.append(_slope(price, arrivals, arrivals)[0] / float(lng.effect_per_twh.mean()))
    assert found[0] > 1.25
    assert found[1] == pytest.approx(1.0, abs=0.12)


def test_the_instrument_is_exogenous_and_the_treatment_is_not() -> None:
    _, lng, fuels = _years(5)
    _, arrivals, instrument, weather = _changes(lng, fuels)
    assert abs(np.corrcoef(instrument, weather)[0, 1]) < 0.05
    assert np.corrcoef(arrivals, weather)[0, 1] < -0.15


def test_the_effect_grows_with_tightness_and_is_what_the_price_contains() -> None:
    config, lng, fuels = _years(6)
    numbers = config.lng
    np.testing.assert_allclose(lng.effect_per_twh, -numbers.effect_per_twh * (1 + numbers.effect_tightness * lng.tightness))
    assert np.ptp(lng.tightness) > 0.5
    np.testing.assert_allclose(lng.effect_log, -lng.effect_per_twh * lng.late_gwh / 1000)
    first = np.argmax(fuels.trading)
    ratio = np.log(fuels.prices[0] / fuels.without_lng[0])[first:]
    last = np.maximum.accumulate(np.where(fuels.trading, np.arange(len(fuels.trading)), 0))[first:]
    np.testing.assert_allclose(ratio, lng.effect_log[last], atol=1e-12)


def test_tanks_balance_exactly_and_stay_within_their_limits(world: World) -> None:
    lng, terminals = world.lng, list(world.config.lng.terminals.values())
    before = np.concatenate([lng.stock_before_gwh[:, None], lng.stock_gwh[:, :-1]], axis=1)
    np.testing.assert_allclose(lng.stock_gwh, before + lng.unloaded_gwh - lng.sendout_gwh - lng.boil_off_gwh, rtol=0, atol=1e-9)
    for k, terminal in enumerate(terminals):
        assert lng.stock_gwh[k].max() <= terminal.tank_gwh + 1e-9
        assert lng.stock_gwh[k].min() >= 0
        assert 0 <= lng.sendout_gwh[k].min() <= lng.sendout_gwh[k].max() <= terminal.regas_gwh_per_day
        assert 0 <= lng.unloaded_gwh[k].min() <= lng.unloaded_gwh[k].max() <= terminal.unload_gwh_per_day
        np.testing.assert_array_less(lng.sendout_gwh[k], before[k] - terminal.heel_gwh + 1e-9 + 1e9 * (lng.sendout_gwh[k] == 0))
    waiting = np.cumsum(lng.arrived_gwh - lng.unloaded_gwh, axis=1)
    assert waiting.min() > -2 * max(world.config.lng.cargo_gwh)  # vessels at anchor on the first day are unloaded later
    assert np.all((lng.storage_fill > 0) & (lng.storage_fill <= 1))


def test_unexpected_arrivals_are_the_change_of_what_is_late(world: World) -> None:
    lng = world.lng
    np.testing.assert_allclose(lng.unexpected_gwh, (lng.arrived_gwh - lng.scheduled_gwh).sum(axis=0))
    np.testing.assert_allclose(-np.diff(lng.late_gwh), lng.unexpected_gwh[1:], atol=1e-9)


def test_delays_add_up_by_cause(world: World) -> None:
    truth = world.lng.voyage_truth
    slack = world.config.lng.schedule_slack_days
    delay = (truth["arrived_ts"] - truth["scheduled_ts"]).dt.total_minutes() / 1440
    parts = truth["closure_days"] + truth["weather_days"] + truth["noise_days"] - slack
    np.testing.assert_allclose(delay.to_numpy(), parts.to_numpy(), atol=0.002)
    assert (truth["weather_days"] >= 0).all()
    assert (truth["closure_days"] >= 0).all()


def test_reports_of_a_voyage_come_in_order_and_end_with_the_arrival(world: World) -> None:
    voyages, truth = world.lng.voyages, world.lng.voyage_truth
    ordered = voyages.sort("voyage_id", "revision")
    within = ordered.with_columns(pl.col("known_ts").diff().over("voyage_id").alias("gap")).drop_nulls("gap")
    assert within.get_column("gap").dt.total_minutes().min() >= 0
    assert not voyages.select("voyage_id", "known_ts", "revision").is_duplicated().any()
    first, last = (ordered.group_by("voyage_id", maintain_order=True).agg(pl.all().__getattribute__(f)()) for f in ("first", "last"))
    assert set(first["status"]) == {"departed"}
    assert (first["known_ts"] == first["departed_ts"]).all()
    arrived = last.join(truth.select("voyage_id", "arrived_ts"), on="voyage_id")
    assert arrived.height == truth.height
    assert (arrived["eta_ts"] == arrived["arrived_ts"]).all()
    assert (arrived["known_ts"] == arrived["arrived_ts"]).all()
    revised = voyages.filter(status="revised").join(truth.select("voyage_id", "arrived_ts"), on="voyage_id")
    assert (revised["known_ts"] < revised["arrived_ts"]).all()
    # the last word before arrival is nearer to it than the schedule was
    said = (
        revised.sort("known_ts")
        .group_by("voyage_id")
        .last()
        .filter((pl.col("scheduled_ts") - pl.col("arrived_ts")).abs() > pl.duration(days=2))
    )
    miss, schedule = ((said[c] - said["arrived_ts"]).dt.total_hours().abs().mean() for c in ("eta_ts", "scheduled_ts"))
    assert miss < 0.3 * schedule


def test_a_vessel_makes_one_voyage_at_a_time(world: World) -> None:
    trips = world.lng.voyages.group_by("voyage_id").agg(pl.first("vessel"), pl.first("departed_ts"))
    trips = trips.join(world.lng.voyage_truth, on="voyage_id").sort("vessel", "departed_ts")
    rest = trips.with_columns((pl.col("departed_ts").shift(-1) - pl.col("arrived_ts")).over("vessel").alias("rest")).drop_nulls("rest")
    assert rest["rest"].dt.total_days().min() >= 10
    assert trips["vessel"].n_unique() == world.config.lng.vessels
    assert trips["cargo_gwh"].is_between(*world.config.lng.cargo_gwh).all()


def test_closures_delay_exactly_those_that_meet_them(world: World) -> None:
    truth, closures = world.lng.voyage_truth.filter(pl.col("closure_days") > 0), world.lng.closures
    assert truth.height > 5
    assert (closures["known_ts"] > closures["start_ts"]).all()
    assert (closures["end_ts"] > closures["start_ts"]).all()
    origins = world.lng.voyages.unique("voyage_id").join(truth, on="voyage_id")["origin"].unique().to_list()
    assert "NIGERIA" not in origins
