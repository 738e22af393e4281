"""Drift: distances against exact ones, thresholds that keep their rate, faults that are found, clean days that are left alone."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats

from models._kernel.drift.calendar import calendar_errors
from models._kernel.drift.day_tests import TESTS, fit_day_tests
from models._kernel.drift.distance import binned, count_in, distances, trailing
from models._kernel.drift.faults import FAULTS, Surroundings
from models._kernel.drift.likelihood import volatility
from models._kernel.drift.monitor import DETECTORS, TAIL_DAYS, Monitor, fit_monitor
from models._kernel.drift.panel import DayPanel, day_panel, season_days
from models._kernel.drift.thresholds import calibrate, episodes, prediction_bound, upper_quantile
from models._kernel.synthetic import ZONE, SyntheticMarket, day_ahead_features

DAYS = 900
FIRST = (date(2018, 1, 1) - date(1970, 1, 1)).days


def _load(seed: int, days: int = DAYS) -> DayPanel:
    """A load-like feature: seasons, week, hours, and a persistent disturbance."""
    rng = np.random.default_rng(seed)
    t = np.arange(days * 24)
    noise = np.zeros(t.size)
    steps = rng.normal(0, 150, t.size)
    for i in range(1, t.size):
        noise[i] = 0.97 * noise[i - 1] + steps[i]
    level = 40_000 + 4_000 * np.cos(2 * np.pi * t / (24 * 365.25)) - 6_000 * np.cos(2 * np.pi * (t % 24) / 24)
    weekend = -3_000 * (((t // 24 + 3 + FIRST) % 7) >= 5)
    return DayPanel(np.arange(FIRST, FIRST + days), (level + weekend + noise).reshape(days, 24))


@pytest.fixture(scope="module")
def panel() -> DayPanel:
    return _load(1)


@pytest.fixture(scope="module")
def monitor(panel: DayPanel) -> Monitor:
    return fit_monitor(panel.upto(800))


def _around(panel: DayPanel, day: int, monitor: Monitor) -> Surroundings:
    return Surroundings(float(panel.values[day - 1, -1]), float(panel.values[day + 1, 0]), monitor.mean, monitor.sigma)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_reported_on_its_first_day(panel: DayPanel, monitor: Monitor, fault: str) -> None:
    found = []
    for day in range(801, 890, 6):
        hit = monitor.check(panel.with_day(day, FAULTS[fault](panel.values[day], _around(panel, day, monitor))).upto(day + 1))
        found.append(any(f.alarm for f in hit))
    assert np.mean(found) >= 0.9


@pytest.mark.parametrize(("fault", "detector"), [("unit_1000", "unit"), ("stuck", "stuck")])
def test_data_faults_are_severe_and_named(panel: DayPanel, monitor: Monitor, fault: str, detector: str) -> None:
    day = 820
    hit = monitor.check(panel.with_day(day, FAULTS[fault](panel.values[day], _around(panel, day, monitor))).upto(day + 1))
    assert [f.severity for f in hit if f.detector == detector] == ["severe"]


def test_clean_quarters_stay_within_the_budget() -> None:
    counts = []
    for seed in range(2, 6):
        clean, alarms = _load(seed), []
        for start in (800, 830, 860):
            watcher = fit_monitor(clean.upto(start))
            alarms += [any(f.alarm for f in watcher.check(clean.upto(day + 1))) for day in range(start, start + 30)]
        counts.append(int(episodes(np.array([alarms]))[0]))
    assert np.mean(counts) <= 1.0


def test_every_detector_has_a_threshold_and_the_season_is_the_reference(monitor: Monitor, panel: DayPanel) -> None:
    assert set(monitor.thresholds) == set(DETECTORS)
    assert monitor.reference == "season"
    assert fit_monitor(panel.upto(200)).reference == "recent"


def test_too_short_a_history_is_refused(panel: DayPanel) -> None:
    with pytest.raises(ValueError, match="at least 60"):
        fit_monitor(panel.upto(50))


def test_a_gap_says_nothing_and_raises_nothing(panel: DayPanel, monitor: Monitor) -> None:
    gap = panel.with_day(820, np.full(24, np.nan)).upto(821)
    assert not any(f.alarm for f in monitor.check(gap) if f.detector in {"mean", "scale", "clock", "unit", "stuck", "repeat"})


def test_a_feature_that_moves_once_a_day_is_watched_too() -> None:
    rng = np.random.default_rng(4)
    gas = DayPanel(np.arange(FIRST, FIRST + 500), (20 + np.cumsum(rng.normal(0, 0.2, 500)))[:, None])
    watcher = fit_monitor(gas.upto(499))
    hit = watcher.check(gas.with_day(499, gas.values[499] * 1000))
    assert "unit" in {f.detector for f in hit if f.alarm}
    assert not {"stuck", "repeat", "clock"} & {f.detector for f in watcher.check(gas.with_day(499, gas.values[498])) if f.alarm}


def test_distances_are_the_exact_ones_up_to_the_bins() -> None:
    rng = np.random.default_rng(5)
    reference, window = rng.normal(0, 1, (200, 24)), rng.normal(0.4, 1.2, (1, 24 * 10))
    bins = binned(reference, np.ones(200, dtype=bool))
    found = distances(count_in(window, bins.edges), bins.counts.sum(axis=0)[None, :], bins.width)
    assert found["ks"][0] == pytest.approx(stats.ks_2samp(reference.ravel(), window.ravel()).statistic, abs=0.03)
    assert found["wasserstein"][0] == pytest.approx(stats.wasserstein_distance(reference.ravel(), window.ravel()), rel=0.2)
    shares = np.histogram(window, bins=np.quantile(reference, np.linspace(0, 1, 11)))[0] / window.size
    assert found["psi"][0] == pytest.approx(float(np.sum((shares - 0.1) * np.log(np.maximum(shares, 1e-4) / 0.1))), rel=0.25)


def test_trailing_sums_are_those_of_the_window() -> None:
    counts = np.arange(12.0).reshape(6, 2)
    assert trailing(counts, 3)[4].tolist() == counts[2:5].sum(axis=0).tolist()
    assert trailing(counts, 3)[1].tolist() == counts[:2].sum(axis=0).tolist()


def test_thresholds_keep_their_rate_on_dependent_history() -> None:
    rng = np.random.default_rng(6)
    noise = rng.normal(size=(2, 4000))
    for t in range(1, 4000):
        noise[:, t] = 0.6 * noise[:, t - 1] + noise[:, t]
    clean = {"a": noise[0, :1000], "b": noise[1, :1000]}
    limits = calibrate(clean, {"a": {"a": clean["a"] + 6, "b": clean["b"] + 6}}, least=0.0, budget=1.0, seed=1)
    later = (noise[0, 1000:] > limits["a"]) | (noise[1, 1000:] > limits["b"])
    quarters = later[: 32 * 91].reshape(32, 91)
    assert episodes(quarters).mean() <= 1.0


def test_alarms_within_a_week_are_one() -> None:
    row = np.zeros((1, 40), dtype=bool)
    row[0, [2, 5, 9, 30]] = True
    assert episodes(row).tolist() == [2]


def test_the_tail_goes_on_beyond_history() -> None:
    values = np.random.default_rng(7).exponential(1, 5000)
    assert upper_quantile(values, 0.1) == pytest.approx(np.log(10), rel=0.1)
    assert upper_quantile(values, 1e-5) == pytest.approx(np.log(1e5), rel=0.15)
    assert upper_quantile(np.array([np.nan]), 0.1) == np.inf


def test_thresholds_need_a_month() -> None:
    with pytest.raises(ValueError, match="at least 30"):
        calibrate({"a": np.zeros(20)}, {}, least=0.0, budget=1.0, seed=1)


def test_the_budget_goes_where_it_finds_faults() -> None:
    rng = np.random.default_rng(8)
    clean = {"blind": rng.standard_t(3, 1000), "sharp": rng.normal(size=1000)}
    faulty = {"fault": {"blind": clean["blind"] + 0.1, "sharp": clean["sharp"] + 4.0}}
    limits = calibrate(clean, faulty, least=0.0, budget=1.0, seed=1)
    assert limits["blind"] == np.inf
    assert limits["sharp"] < 3.2


def test_few_seasons_bound_the_next_one_generously() -> None:
    """With three seasons a bound at 5 % lies far beyond the highest; of many draws it is exceeded at its share."""
    rng = np.random.default_rng(9)
    misses = []
    for _ in range(400):
        tops = np.exp(rng.normal(0, 0.3, 4))
        misses.append(tops[3] > prediction_bound(tops[:3], np.arange(3), 0.05))
    assert 0.02 <= np.mean(misses) <= 0.09
    assert prediction_bound(np.ones(5), np.zeros(5), 0.05) == np.inf


def test_what_is_possible_follows_the_size_of_the_fault(panel: DayPanel, monitor: Monitor) -> None:
    day = panel.values[820]
    powers = [monitor.detectability(panel.upto(821), day + k * monitor.sigma, (), rate=1 / 91) for k in (0.0, 0.05, 0.5)]
    assert powers[0] == pytest.approx(1 / 91, rel=0.01)
    assert powers[0] < powers[1] < powers[2] <= 1


def test_volatility_never_knows_its_own_day() -> None:
    calm = np.ones(30)
    shock = np.append(calm, 50.0)
    assert volatility(shock)[30] == volatility(np.append(calm, 1.0))[30]
    assert volatility(np.append(shock, 1.0))[31] > 2


def test_days_keep_the_local_clock_over_both_changes() -> None:
    rows = day_ahead_features(SyntheticMarket(date(2019, 10, 20), date(2020, 4, 5), hubs=("A",)))
    made = day_panel(rows, "load_forecast_mw")
    assert made is not None
    assert made.width == 24
    assert made.known.all()
    spring, autumn = ((date(2020, 3, 29) - date(1970, 1, 1)).days, (date(2019, 10, 27) - date(1970, 1, 1)).days)
    day = made.values[np.flatnonzero(made.days == spring)[0]]
    assert day[2] == pytest.approx((day[1] + day[3]) / 2)
    twice = rows.filter((pl.col("delivery_date") == date(2019, 10, 27)) & (pl.col("local_hour") == 2))["load_forecast_mw"]
    assert twice.len() == 2
    assert made.values[np.flatnonzero(made.days == autumn)[0], 2] == pytest.approx(twice.mean())
    assert day_panel(rows, "temperature_forecast_degc") is None


def test_the_season_goes_around_new_year() -> None:
    panel = DayPanel(np.arange(FIRST, FIRST + 730), np.zeros((730, 24)))
    inside = season_days(panel, 5, 20)
    assert inside.sum() == pytest.approx(2 * 41, abs=16)
    assert inside[0]
    assert inside[360]
    assert not inside[180]


@pytest.mark.parametrize("change", ["day_of_week", "month", "is_holiday", "zone"])
def test_swapped_categories_leave_no_doubt(change: str) -> None:
    rows = day_ahead_features(SyntheticMarket(date(2020, 3, 20), date(2020, 4, 5), hubs=("A",)))
    holidays = dict(rows.select("delivery_date", "is_holiday").unique().iter_rows())
    assert set(calendar_errors(rows, time_zone=str(ZONE), holidays=holidays).values()) == {0}
    if change == "zone":
        rows = rows.with_columns(pl.col("delivery_ts") + timedelta(hours=1))
        wrong = calendar_errors(rows, time_zone=str(ZONE), holidays=holidays)["local_hour"]
    else:
        swapped = ~pl.col(change) if change == "is_holiday" else pl.col(change) % 7 + 1
        wrong = calendar_errors(rows.with_columns(swapped.alias(change)), time_zone=str(ZONE), holidays=holidays)[change]
    assert wrong == rows.height


def test_a_day_is_foretold_on_the_scales_of_the_fit() -> None:
    """The other feature stands elsewhere in the last weeks; measured on their own level it would foretell a day ten times too small."""
    rng = np.random.default_rng(4)
    n = 400
    level = np.where(np.arange(n) < n - TAIL_DAYS - 20, rng.uniform(500.0, 1500.0, n), rng.uniform(9_000.0, 11_000.0, n))
    other = level[:, None] * (1.0 + 0.01 * rng.standard_normal((n, 24)))
    values = 0.05 * other + 0.2 * rng.standard_normal((n, 24))
    panel = DayPanel(np.arange(17_000, 17_000 + n), values)
    found = fit_monitor(panel.upto(n - 1), [other[:-1]]).check(panel, [other])
    unit = next(f for f in found if f.detector == "unit")
    assert unit.statistic < 0.3


def test_customary_tests_of_one_day_keep_the_rate_and_find_what_is_far_off() -> None:
    rng = np.random.default_rng(11)
    season = 10 * np.sin(np.arange(24)) + rng.normal(0, 1, (600, 24))
    tests = fit_day_tests(season[:400], budget=1.0, seed=1)
    fresh = [tests.alarms(day) for day in season[400:]]
    far, wide = tests.alarms(season[450] + 30), tests.alarms(season[450] + rng.normal(0, 6, 24))
    assert set(tests.thresholds) == set(TESTS)
    for name in TESTS:
        assert np.mean([a[name] for a in fresh]) < 0.05
        assert far[name]
    assert wide["classifier"]  # around the mean of the hour
