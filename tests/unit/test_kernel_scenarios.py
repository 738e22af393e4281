"""Scenarios: scores against scoringrules, copulas against the law they were drawn from, tenors against sums done by hand."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from scipy import stats

from models._kernel import reconcile, scenarios, shortfall, tenors
from models._kernel.scenarios import GAUSSIAN, INDEPENDENT, SCHAAKE, Past

LEVELS = np.array([0.01, *np.round(np.arange(0.05, 0.96, 0.05), 2), 0.99])
LADDER = stats.norm.ppf(LEVELS)[None] * np.array([[1.0], [3.0]]) + np.array([[10.0], [-5.0]])


def _past(days=300, rho=0.8, dims=6, seed=1):
    rng = np.random.default_rng(seed)
    covariance = rho ** np.abs(np.subtract.outer(np.arange(dims), np.arange(dims)))
    return Past(np.arange(days), rng.multivariate_normal(np.zeros(dims), covariance, days))


def test_scores_are_those_of_scoringrules(scoringrules):
    rng = np.random.default_rng(2)
    samples, outcome = rng.standard_normal((80, 7)), rng.standard_normal(7)
    assert scenarios.energy_score(samples, outcome) == pytest.approx(scoringrules.es_ensemble(outcome, samples), rel=1e-9)
    theirs = scoringrules.vs_ensemble(outcome, samples, p=0.5)
    assert scenarios.variogram_score(samples, outcome) == pytest.approx(theirs / 49, rel=1e-9)


def test_quantiles_meet_the_ladder_and_their_inverse_leads_back():
    u = np.linspace(0.0005, 0.9995, 400)
    values = scenarios.quantile_at(LADDER, LEVELS, np.column_stack([u, u]))
    assert np.all(np.diff(values, axis=0) > 0)
    assert np.allclose(scenarios.quantile_at(LADDER, LEVELS, np.column_stack([LEVELS, LEVELS])), LADDER.T)
    for column in (0, 1):
        back = scenarios.level_of(np.repeat(LADDER[column : column + 1], 400, axis=0), LEVELS, values[:, column])
        assert np.allclose(back, u, atol=1e-9)


def test_the_tails_are_exponential_with_the_slope_of_the_last_two_quantiles():
    values = scenarios.quantile_at(LADDER[:1], LEVELS, np.array([[0.01 / np.e], [1 - 0.01 / np.e]]))[:, 0]
    assert LADDER[0, 0] - values[0] == pytest.approx((LADDER[0, 1] - LADDER[0, 0]) / np.log(5))
    assert values[1] - LADDER[0, -1] == pytest.approx((LADDER[0, -1] - LADDER[0, -2]) / np.log(5))


def test_levels_of_equal_quantiles_are_the_middle_of_theirs():
    ladder = np.array([[0.0, 0.0, 0.0, 5.0]])
    assert scenarios.level_of(ladder, [0.1, 0.3, 0.5, 0.9], [0.0])[0] == pytest.approx(0.3)
    assert np.isnan(scenarios.level_of(ladder, [0.1, 0.3, 0.5, 0.9], [np.nan])[0])


@pytest.mark.parametrize("method", [GAUSSIAN, SCHAAKE, INDEPENDENT])
def test_every_marginal_is_a_permutation_of_the_same_levels(method):
    levels = scenarios.joint_levels(method, _past(), 400, 250, shared_seed=1, own_seed=2)
    assert np.allclose(np.sort(levels, axis=0), ((np.arange(250) + 0.5) / 250)[:, None])


@pytest.mark.parametrize("method", [GAUSSIAN, SCHAAKE])
def test_copulas_recover_the_dependence_of_the_past(method):
    levels = scenarios.joint_levels(method, _past(), 400, 300, shared_seed=1, own_seed=2)
    found = stats.spearmanr(levels).statistic
    wanted = 6 / np.pi * np.arcsin(0.8 ** np.abs(np.subtract.outer(np.arange(6), np.arange(6))) / 2)
    assert np.abs(found - wanted).max() < 0.15
    alone = scenarios.joint_levels(INDEPENDENT, _past(), 400, 300, shared_seed=1, own_seed=2)
    assert np.abs(stats.spearmanr(alone).statistic[np.triu_indices(6, 1)]).max() < 0.2


@pytest.mark.parametrize("method", [GAUSSIAN, SCHAAKE])
def test_hubs_drawn_apart_move_together_as_in_the_past(method):
    """Two hubs with the same past errors plus noise, each drawn alone; the second has a longer past."""
    rng = np.random.default_rng(3)
    past = _past(300)
    other = Past(np.arange(-30, 300), np.vstack([rng.standard_normal((30, 6)), past.score + 0.3 * rng.standard_normal((300, 6))]))
    north = scenarios.joint_levels(method, past, 310, 200, shared_seed=7, own_seed=1)
    south = scenarios.joint_levels(method, other, 310, 200, shared_seed=7, own_seed=2)
    assert stats.spearmanr(north[:, 2], south[:, 2]).statistic > 0.75


def test_the_future_is_refused_and_a_short_past_makes_independent_hours():
    with pytest.raises(ValueError, match="not before the delivery date"):
        scenarios.joint_levels(SCHAAKE, _past(20), 19, 10, shared_seed=1, own_seed=2)
    short = scenarios.joint_levels(GAUSSIAN, _past(5), 30, 200, shared_seed=1, own_seed=2)
    assert np.array_equal(short, scenarios.joint_levels(INDEPENDENT, _past(5), 30, 200, shared_seed=1, own_seed=2))
    with pytest.raises(ValueError, match="scenario method"):
        scenarios.joint_levels("vine", _past(), 400, 10, shared_seed=1, own_seed=2)


def test_pasts_that_differ_by_some_days_go_around_in_the_same_ones():
    """One outcome is known later and reaches back further: scenarios with the day in both pasts stay coupled, the others are free."""
    past = _past(60)
    assert [scenarios.span_of(p, 60) for p in (past, Past(np.arange(3, 60), past.score[3:]), _past(20))] == [56, 56, 56]
    assert [scenarios.span_of(_past(days), days) for days in (11, 27, 28, 55, 84, 400)] == [11, 27, 28, 28, 84, 112]
    late = Past(np.arange(-2, 57), np.vstack([np.zeros((2, 6)), past.score[:57]]))
    ours = scenarios.joint_levels(SCHAAKE, past, 60, 224, shared_seed=1, own_seed=1)
    theirs = scenarios.joint_levels(SCHAAKE, late, 60, 224, shared_seed=1, own_seed=2)
    shared = np.arange(224) % 56 >= 3
    assert stats.spearmanr(ours[shared, 1], theirs[shared, 1]).statistic > 0.97
    assert abs(stats.spearmanr(ours[~shared, 1], theirs[~shared, 1]).statistic) < 0.7


def test_a_scenario_has_the_ranks_of_the_day_as_many_days_before():
    past = Past(np.arange(10, 60), np.repeat(np.arange(50.0)[:, None], 2, axis=1))  # every day dearer than the one before
    levels = scenarios.joint_levels(SCHAAKE, past, 60, 28, shared_seed=1, own_seed=1)
    assert np.array_equal(np.argsort(levels[:, 0]), np.arange(28)[::-1])
    assert np.array_equal(levels[:, 0], levels[:, 1])


def test_tail_measures_by_hand_and_against_the_normal_law():
    losses = np.arange(1.0, 11.0)
    assert shortfall.value_at_risk(losses, 0.8) == 8.0
    assert shortfall.expected_shortfall(losses, 0.8) == pytest.approx(9.5)
    assert shortfall.expected_shortfall(losses, 0.85) == pytest.approx((10 + 0.5 * 9) / 1.5)
    sample = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert shortfall.expected_shortfall(sample, 0.975) == pytest.approx(stats.norm.pdf(stats.norm.ppf(0.975)) / 0.025, rel=1e-3)


@pytest.mark.parametrize(("law", "critical"), [(stats.norm(), -0.70), (stats.t(5), -0.74), (stats.t(10), -0.72)])
def test_z2_has_the_published_critical_values(law, critical):
    """Acerbi & Szekely (2014), table of thresholds: 250 days, 97.5 %, 5 % significance: about -0.70, hardly moved by the tails."""
    rng = np.random.default_rng(6)
    var = law.ppf(0.975)
    es = law.expect(lambda x: x, lb=var) / 0.025
    x = law.rvs((4000, 250), random_state=rng)
    z = 1 - (x * (x > var) / es).mean(axis=1) / 0.025
    assert shortfall.z2_statistic(x[0], np.full(250, var), np.full(250, es), 0.975) == pytest.approx(z[0])
    assert z.mean() == pytest.approx(0.0, abs=0.02)
    assert np.quantile(z, 0.05) == pytest.approx(critical, abs=0.06)


def test_z2_test_keeps_its_size_and_finds_risk_that_is_too_low():
    rng = np.random.default_rng(7)
    var, es = np.full(500, stats.norm.ppf(0.975)), np.full(500, stats.norm.pdf(stats.norm.ppf(0.975)) / 0.025)

    def draw(generator):
        return generator.standard_normal(500)

    rejected = [shortfall.z2_test(rng.standard_normal(500), var, es, 0.975, draw=draw, seed=k).p_value < 0.05 for k in range(15)]
    assert sum(rejected) <= 4
    found = shortfall.z2_test(1.5 * rng.standard_normal(500), var, es, 0.975, draw=draw, seed=1)
    assert found.p_value < 0.01
    assert found.statistic < -0.7
    with pytest.raises(ValueError, match="above zero"):
        shortfall.z2_statistic(np.ones(3), np.ones(3), np.zeros(3), 0.975)


def test_mint_is_hierarchicalforecast_s():
    methods = pytest.importorskip("hierarchicalforecast.methods")
    rng = np.random.default_rng(8)
    summing = np.vstack([np.full((1, 4), 0.25), [[0.5, 0.5, 0, 0]], np.eye(4)])
    residuals = rng.standard_normal((120, 6)) @ rng.standard_normal((6, 6))
    base = rng.standard_normal(6) + 40
    theirs = methods.MinTrace(method="mint_shrink")(
        S=summing, y_hat=base[:, None], y_insample=residuals.T, y_hat_insample=np.zeros((6, 120))
    )["mean"][:, 0]
    ours = summing @ reconcile.mint(summing, base, residuals)
    assert np.allclose(ours, theirs, rtol=1e-3)
    assert ours[0] == pytest.approx(ours[2:].mean(), abs=1e-10)


def _daily_means(days=420, seed=9):
    rng = np.random.default_rng(seed)
    level = np.zeros(days)
    for i in range(1, days):
        level[i] = 0.9 * level[i - 1] + rng.standard_normal() * 2
    dates = np.arange(17_000, 17_000 + days)
    return dates, 40 + level - 6.0 * ((dates + 3) % 7 >= 5)


def test_day_week_and_month_are_the_means_of_their_days():
    dates, means = _daily_means()
    day = int(dates[-1]) + 1
    own = means[-1] + np.random.default_rng(1).standard_normal(200) * 3
    found = tenors.extend(dates, means, day, own, seed=4)
    known = dict(zip(dates.tolist(), means.tolist(), strict=True))
    values = tenors.tenor_values(known, day, own, found.values)
    path = {**{d: np.full(200, v) for d, v in known.items()}, day: own, **{day + 1 + h: found.values[:, h] for h in range(tenors.AHEAD)}}
    for tenor, (first, last) in tenors.periods(tenors.EPOCH + timedelta(days=day)).items():
        days = range((first - tenors.EPOCH).days, (last - tenors.EPOCH).days + 1)
        assert np.abs(values[tenor] - np.mean([path[d] for d in days], axis=0)).max() <= 1e-9
    assert np.array_equal(values["day"], own)
    assert np.allclose(found.values.mean(axis=0), found.reconciled, atol=1e-9)


def test_the_extension_knows_weekends_persistence_and_uncertainty():
    dates, means = _daily_means()
    day = int(dates[-1]) + 1
    own = np.linspace(means[-1] - 8, means[-1] + 8, 300)
    values = tenors.extend(dates, means, day, own, seed=4).values
    weekend = (np.arange(day + 1, day + 1 + tenors.AHEAD) + 3) % 7 >= 5
    assert values.mean(axis=0)[~weekend].mean() - values.mean(axis=0)[weekend].mean() == pytest.approx(6.0, abs=1.5)
    assert np.corrcoef(own, values[:, 0])[0, 1] > 0.7, "a dear day is followed by a dear day"
    assert values[:, 20].std() > values[:, 0].std() - own.std(), "the further, the wider"
    again = tenors.extend(dates, means, day, own, seed=4).values
    assert np.array_equal(values, again)


def test_tenors_with_gaps_and_short_histories():
    dates, means = _daily_means(60)
    assert tenors.extend(dates, means, int(dates[-1]) + 1, np.ones(10), seed=1) is None
    day = (date(2020, 1, 9) - tenors.EPOCH).days  # Thursday; Monday known, Tuesday and Wednesday not
    only = tenors.tenor_values({day - 3: 10.0}, day, np.array([40.0]), np.empty((1, 0)))
    assert list(only) == ["day"]
    week = tenors.tenor_values({day - 3: 10.0}, day, np.array([40.0]), np.full((1, 30), 50.0))["week"]
    assert week[0] == pytest.approx(np.mean([10, 20, 30, 40, 50, 50, 50]))
    assert [d.isoformat() for d in tenors.periods(date(2024, 2, 29))["month"]] == ["2024-02-01", "2024-02-29"]
