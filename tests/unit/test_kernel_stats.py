"""Statistical tests against statsmodels, scipy, arch and published worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as sps

from models._kernel import bootstrap, stats

RNG = np.random.default_rng(5)


def _losses(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    noise = RNG.standard_normal(n)
    for i in range(1, n):
        noise[i] += 0.6 * noise[i - 1]
    a = RNG.gamma(2, 2, n)
    return a, a + 0.15 + noise


def _statsmodels_t(difference: np.ndarray, lag: int) -> float:
    import statsmodels.api as sm

    fit = sm.OLS(difference, np.ones(difference.size)).fit(cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": False})
    return float(fit.tvalues[0])


@pytest.mark.parametrize("lag", [0, 1, 7, 20])
def test_dm_without_correction_is_statsmodels_hac_t(lag):
    a, b = _losses()
    ours = stats.diebold_mariano(a, b, lag=lag, alternative="two-sided", small_sample=False)
    t = _statsmodels_t(a - b, lag)
    assert ours.statistic == pytest.approx(t)
    assert ours.p_value == pytest.approx(2 * sps.norm.sf(abs(t)))


@pytest.mark.parametrize("horizon", [1, 2, 24])
def test_harvey_leybourne_newbold_factor(horizon):
    a, b = _losses()
    n = a.size
    plain = stats.diebold_mariano(a, b, lag=30, horizon=horizon, small_sample=False)
    corrected = stats.diebold_mariano(a, b, lag=30, horizon=horizon)
    factor = np.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    assert corrected.statistic == pytest.approx(plain.statistic * factor)
    assert corrected.p_value == pytest.approx(sps.t.cdf(corrected.statistic, n - 1))


def test_dm_sides():
    a, b = _losses()
    less, greater, both = (stats.diebold_mariano(a, b, alternative=s) for s in ("less", "greater", "two-sided"))
    assert less.p_value + greater.p_value == pytest.approx(1)
    assert both.p_value == pytest.approx(2 * min(less.p_value, greater.p_value))
    assert stats.diebold_mariano(b, a, alternative="greater").p_value == pytest.approx(less.p_value)


def test_dm_of_equal_and_of_constant_losses():
    same = stats.diebold_mariano(np.ones(10), np.ones(10))
    assert (same.statistic, same.p_value) == (0.0, 1.0)
    better = stats.diebold_mariano(np.ones(10), np.full(10, 2.0))
    assert better.statistic == -np.inf
    assert better.p_value == 0.0
    assert stats.diebold_mariano(np.full(10, 2.0), np.ones(10)).p_value == 1.0


def test_dm_keeps_its_size():
    """Under the null, a 5 % test of correlated differences rejects about 5 % of the time."""
    rng = np.random.default_rng(3)
    rejected = 0
    for _ in range(400):
        d = rng.standard_normal(300)
        d[1:] += 0.4 * d[:-1]
        rejected += stats.diebold_mariano(d, np.zeros_like(d), alternative="two-sided").rejects()
    assert 0.02 <= rejected / 400 <= 0.10


def test_daily_dm_is_the_test_of_daily_sums():
    """Lago et al. (2021) test the series of the day's norm; equal to the plain test on summed hours, days of 23-25 hours."""
    hours = [24] * 40 + [23] + [24] * 40 + [25]
    days = np.repeat(np.arange(len(hours)), hours)
    a, b = RNG.gamma(2, 1, days.size), RNG.gamma(2, 1.05, days.size)
    order = RNG.permutation(days.size)
    ours = stats.diebold_mariano_daily(a[order], b[order], days[order], lag=0)
    sums = np.array([(a - b)[days == d].sum() for d in range(len(hours))])
    assert ours.statistic == pytest.approx(_statsmodels_t(sums, 0) * np.sqrt((len(hours) - 1) / len(hours)))
    assert ours.n == len(hours)


def test_kupiec_worked_example():
    """Textbook case (e.g. Jorion, Value at Risk): 255 days, 99 % VaR, LR of 7 failures and the acceptance region N < 7."""
    hits = np.zeros(255)
    hits[:7] = 1
    by_hand = -2 * (248 * np.log(0.99) + 7 * np.log(0.01)) + 2 * (248 * np.log(248 / 255) + 7 * np.log(7 / 255))
    result = stats.kupiec(hits, 0.01)
    assert result.statistic == pytest.approx(by_hand)
    assert result.rejects()
    hits[:] = 0
    hits[:6] = 1
    assert not stats.kupiec(hits, 0.01).rejects()  # Kupiec (1995), table: fewer than 7 of 255 are accepted at 99 %
    hits[:] = 0
    assert stats.kupiec(hits, 0.01).statistic == pytest.approx(-2 * 255 * np.log(0.99))


def test_kupiec_is_the_binomial_g_test():
    hits = (RNG.random(500) < 0.13).astype(int)
    x = hits.sum()
    expected = sps.power_divergence([x, 500 - x], [50, 450], lambda_="log-likelihood")
    result = stats.kupiec(hits, 0.10)
    assert result.statistic == pytest.approx(expected.statistic)
    assert result.p_value == pytest.approx(expected.pvalue)


def test_christoffersen_independence_is_the_contingency_g_test():
    hits = (RNG.random(600) < 0.2).astype(int)
    hits[1:] |= hits[:-1] & (RNG.random(599) < 0.3)
    table = np.array([[np.sum((hits[:-1] == i) & (hits[1:] == j)) for j in (0, 1)] for i in (0, 1)])
    expected = sps.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    result = stats.christoffersen_independence(hits)
    assert result.statistic == pytest.approx(expected.statistic)
    assert result.p_value == pytest.approx(expected.pvalue)
    both = stats.christoffersen(hits, 0.2)
    assert both.statistic == pytest.approx(result.statistic + stats.kupiec(hits, 0.2).statistic)
    assert both.p_value == pytest.approx(sps.chi2.sf(both.statistic, 2))


def test_clusters_are_caught_by_christoffersen_only():
    hits = np.zeros(1000)
    hits[200:250] = hits[700:750] = 1
    assert not stats.kupiec(hits, 0.10).rejects()
    assert stats.christoffersen(hits, 0.10).p_value < 1e-6


@pytest.mark.parametrize(("n", "low", "high"), [(728, 0.878, 0.9215), (8760, 0.8935, 0.9065)])
def test_coverage_band_is_the_published_one(n, low, high):
    band = stats.coverage_band(n, 0.90)
    assert band == (pytest.approx(low, abs=1.5e-3), pytest.approx(high, abs=1.5e-3))
    for share, accepted in ((band[0], True), (band[1], True), (band[0] - 1 / n, False), (band[1] + 1 / n, False)):
        hits = np.zeros(n)
        hits[: round(n * (1 - share))] = 1
        assert stats.kupiec(hits, 0.10).rejects() is not accepted


def test_spiegelhalter_by_hand_and_under_the_null():
    event, p = np.array([1.0, 0.0, 1.0]), np.array([0.8, 0.3, 0.4])
    top = np.sum((event - p) * (1 - 2 * p))
    z = top / np.sqrt(np.sum((1 - 2 * p) ** 2 * p * (1 - p)))
    result = stats.spiegelhalter(event, p)
    assert result.statistic == pytest.approx(z)
    assert result.p_value == pytest.approx(2 * sps.norm.sf(abs(z)))
    brier = np.sum((event - p) ** 2)
    assert top == pytest.approx(brier - np.sum(p * (1 - p)))  # Spiegelhalter (1986): Brier less its expectation
    assert stats.spiegelhalter([1.0, 0.0], [0.5, 0.5]).p_value == 1.0
    draws = np.random.default_rng(1)
    p = draws.uniform(0.01, 0.6, 4000)
    assert not stats.spiegelhalter(draws.random(4000) < p, p).rejects(0.01)
    assert stats.spiegelhalter(draws.random(4000) < p / 2, p).rejects(0.01)


def test_giacomini_white_is_a_wald_test_of_predictability():
    a, b = _losses()
    unconditional = stats.giacomini_white(a, b)
    d = a - b
    z = np.column_stack((np.ones(d.size - 1), d[:-1])) * d[1:, None]
    mean, omega = z.mean(axis=0), z.T @ z / z.shape[0]
    assert unconditional.statistic == pytest.approx(z.shape[0] * mean @ np.linalg.inv(omega) @ mean)
    assert unconditional.p_value == pytest.approx(sps.chi2.sf(unconditional.statistic, 2))


def test_giacomini_white_is_n_r_squared_of_a_regression():
    """Giacomini & White (2006, eq. 5): one step ahead, the statistic is n R² of ones on h_t * d_(t+1), uncentred."""
    import statsmodels.api as sm

    a, b = _losses()
    d = a - b
    z = np.column_stack((np.ones(d.size - 1), d[:-1])) * d[1:, None]
    fit = sm.OLS(np.ones(z.shape[0]), z).fit()
    assert stats.giacomini_white(a, b).statistic == pytest.approx(z.shape[0] * fit.rsquared)


def test_stationary_indices_have_the_right_blocks():
    index = bootstrap.stationary_indices(200, mean_block=7, draws=300, seed=0)
    continues = (np.diff(index, axis=1) % 200) == 1
    assert continues.mean() == pytest.approx(1 - 1 / 7 + 1 / 7 / 200, abs=0.01)
    counts = np.bincount(index.ravel(), minlength=200) / index.size
    assert np.abs(counts - 1 / 200).max() < 0.002
    assert np.array_equal(index, bootstrap.stationary_indices(200, mean_block=7, draws=300, seed=0))


def test_bootstrap_agrees_with_arch():
    from arch.bootstrap import StationaryBootstrap

    a, b = _losses(300)
    ours = stats.mean_difference_ci(a, b, mean_block=10, draws=4000, seed=1)
    theirs = StationaryBootstrap(10, a - b, seed=2).conf_int(np.mean, 4000, method="percentile").ravel()
    width = theirs[1] - theirs[0]
    assert ours.estimate == pytest.approx((a - b).mean())
    assert ours.low == pytest.approx(theirs[0], abs=0.08 * width)
    assert ours.high == pytest.approx(theirs[1], abs=0.08 * width)


def test_ratio_interval_agrees_with_arch():
    from arch.bootstrap import StationaryBootstrap

    a, b = _losses(300)
    b = np.abs(b) + 1
    ours = stats.ratio_ci(a, b, mean_block=10, draws=4000, seed=1)
    sample = np.column_stack((a, b))
    theirs = StationaryBootstrap(10, sample, seed=2).conf_int(lambda x: x[:, 0].mean() / x[:, 1].mean(), 4000, method="percentile").ravel()
    assert [ours.low, ours.high] == pytest.approx(list(theirs), abs=0.08 * (theirs[1] - theirs[0]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: stats.diebold_mariano([1.0, 2.0], [1.0, 2.0]), "at least 3"),
        (lambda: stats.diebold_mariano([1.0, 2.0, 3.0], [1.0, 2.0]), "same rows"),
        (lambda: stats.diebold_mariano([1.0, 2.0, np.nan], [1.0, 2.0, 3.0]), "missing"),
        (lambda: stats.diebold_mariano_daily([1.0] * 3, [2.0] * 3, [1, 2]), "one day per row"),
        (lambda: stats.kupiec([0, 1, 2], 0.1), "0 or 1"),
        (lambda: stats.kupiec([0, 1], 0.0), "strictly between"),
        (lambda: stats.newey_west_variance([1.0, 2.0], 2), "lag is 2"),
        (lambda: stats.stationary_bootstrap_ci([1.0], lambda m: m[:, 0]), "at least 2"),
        (lambda: stats.ratio_ci([1.0, 2.0], [1.0]), "same rows"),
        (lambda: bootstrap.stationary_indices(5, mean_block=0.5, draws=1, seed=0), "at least 1"),
    ],
)
def test_bad_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_clustered_spiegelhalter_holds_its_level_where_hours_of_a_day_move_together():
    rng = np.random.default_rng(11)
    plain, clustered = [], []
    for _ in range(120):
        day = np.repeat(np.arange(200), 24)
        shock = np.repeat(rng.random(200), 24)  # one draw decides a whole day
        probability = np.full(day.size, 0.1)
        event = (shock < probability).astype(float)
        plain.append(stats.spiegelhalter(event, probability).p_value < 0.05)
        clustered.append(stats.spiegelhalter_clustered(event, probability, day).p_value < 0.05)
    assert np.mean(plain) > 0.4
    assert np.mean(clustered) < 0.15
    wrong = stats.spiegelhalter_clustered((shock < 0.3).astype(float), probability, day)
    assert wrong.p_value < 0.01
    assert stats.spiegelhalter_clustered(event[:24], probability[:24], day[:24]).p_value == 1.0
    with pytest.raises(ValueError, match="align them"):
        stats.spiegelhalter_clustered(event, probability, day[:5])
