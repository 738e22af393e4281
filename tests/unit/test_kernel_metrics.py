"""Metrics against scikit-learn, scoringrules and examples worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from models._kernel import metrics

RNG = np.random.default_rng(11)
Y = RNG.normal(40, 20, 400)
F = Y + RNG.normal(0, 5, 400)
EVENT = (RNG.random(400) < 0.15).astype(float)
PROB = np.round(np.clip(0.15 + 0.3 * (EVENT - 0.15) + RNG.normal(0, 0.1, 400), 0, 1), 2)  # rounded: ties
LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
LADDER = np.sort(F[:, None] + np.quantile(RNG.normal(0, 6, 2000), LEVELS), axis=1)


def test_point_metrics_match_sklearn():
    assert metrics.mae(Y, F) == pytest.approx(sk.mean_absolute_error(Y, F))
    assert metrics.rmse(Y, F) == pytest.approx(sk.root_mean_squared_error(Y, F))


def test_relative_metrics_by_hand():
    y, f, naive = [10.0, -10.0, 0.0, 20.0], [12.0, -8.0, 0.0, 20.0], [14.0, -14.0, 0.0, 20.0]
    assert metrics.wmape(y, f) == pytest.approx(4 / 40)
    assert metrics.rmae(y, f, naive) == pytest.approx(0.5)
    assert metrics.smape(y, f) == pytest.approx((2 / 11 + 2 / 9) / 4)
    assert metrics.mape(y, f) == pytest.approx((0.2 + 0.2) / 4)
    assert np.isnan(metrics.wmape([0.0], [1.0]))
    assert np.isnan(metrics.rmae([1.0], [2.0], [1.0]))


def test_pinball_matches_sklearn_level_by_level():
    losses = metrics.pinball_losses(Y, LADDER, LEVELS)
    for k, level in enumerate(LEVELS):
        assert losses[:, k].mean() == pytest.approx(sk.mean_pinball_loss(Y, LADDER[:, k], alpha=level))
    assert metrics.pinball(Y, LADDER, LEVELS) == pytest.approx(losses.mean())


def test_crps_from_a_fine_ladder_is_the_normal_law_s(scoringrules):
    from scipy import stats

    levels = np.arange(1, 1000) / 1000
    ladder = F[:, None] + stats.norm.ppf(levels)[None, :] * 5
    expected = scoringrules.crps_normal(Y, F, 5.0).mean()
    assert metrics.crps_from_quantiles(Y, ladder, levels) == pytest.approx(expected, rel=2e-3)


def test_crps_on_an_equidistant_ladder_is_twice_the_mean_pinball():
    levels = np.array([0.25, 0.5, 0.75])
    ladder = np.array([[1.0, 2.0, 3.0]])
    pinball = metrics.pinball_losses([2.5], ladder, levels)[0]
    assert metrics.crps_from_quantiles([2.5], ladder, levels) == pytest.approx(
        2 * (0.375 * pinball[0] + 0.25 * pinball[1] + 0.375 * pinball[2])
    )


def test_interval_score_and_coverage(scoringrules):
    low, high = LADDER[:, 0], LADDER[:, -1]
    assert metrics.winkler(Y, low, high, alpha=0.1) == pytest.approx(scoringrules.interval_score(Y, low, high, 0.1).mean())
    assert metrics.coverage([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 5.0], [1.0, 3.0, 2.0, 6.0]) == 0.5
    with pytest.raises(ValueError, match="alpha"):
        metrics.winkler(Y, low, high, alpha=1.0)


def test_probability_metrics_match_sklearn():
    assert metrics.brier(EVENT, PROB) == pytest.approx(sk.brier_score_loss(EVENT, PROB))
    assert metrics.log_score(EVENT, PROB, eps=1e-6) == pytest.approx(sk.log_loss(EVENT, np.clip(PROB, 1e-6, 1 - 1e-6)))
    assert metrics.auc(EVENT, PROB) == pytest.approx(sk.roc_auc_score(EVENT, PROB))
    assert metrics.pr_auc(EVENT, PROB) == pytest.approx(sk.average_precision_score(EVENT, PROB))
    reference = np.full(EVENT.size, EVENT.mean())
    assert metrics.brier_skill(EVENT, PROB, reference) == pytest.approx(sk.d2_brier_score(EVENT, PROB))


def test_probability_metrics_without_events():
    assert np.isnan(metrics.auc([0, 0], [0.1, 0.2]))
    assert np.isnan(metrics.pr_auc([0, 0], [0.1, 0.2]))
    assert np.isnan(metrics.brier_skill([0.0, 0.0], [0.1, 0.2], [0.0, 0.0]))


def test_ece_by_hand():
    event, probability = [0, 1, 1, 1], [0.1, 0.2, 0.8, 1.0]
    width = metrics.reliability(event, probability, bins=2)
    assert [(b.n, b.mean_probability, b.observed) for b in width] == [(2, pytest.approx(0.15), 0.5), (2, pytest.approx(0.9), 1.0)]
    assert metrics.ece(event, probability, bins=2) == pytest.approx(0.5 * 0.35 + 0.5 * 0.1)
    mass = metrics.reliability(event, probability, bins=4, equal_mass=True)
    assert [b.n for b in mass] == [1, 1, 1, 1]
    assert metrics.ece(event, probability, bins=4, equal_mass=True) == pytest.approx((0.1 + 0.8 + 0.2 + 0.0) / 4)


def test_equal_width_bins_match_sklearn_calibration_curve():
    from sklearn.calibration import calibration_curve

    inside = np.clip(PROB, 0.005, 0.995)
    observed, predicted = calibration_curve(EVENT, inside, n_bins=10)
    table = metrics.reliability(EVENT, inside + 1e-9, bins=10)  # their bins close on the right, ours on the left
    ours = metrics.reliability(EVENT, inside - 1e-9, bins=10)
    assert [b.mean_probability for b in ours] == pytest.approx(list(predicted), abs=1e-6)
    assert [b.observed for b in ours] == pytest.approx(list(observed))
    assert sum(b.n for b in table) == EVENT.size


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.mae([1.0, float("nan")], [1.0, 2.0]), "missing or infinite"),
        (lambda: metrics.mae([], []), "empty"),
        (lambda: metrics.mae([1.0], [1.0, 2.0]), "join them"),
        (lambda: metrics.pinball([1.0], [[1.0, 2.0]], [0.9, 0.1]), "rise strictly"),
        (lambda: metrics.pinball([1.0], [[1.0]], [0.1, 0.9]), "shape"),
        (lambda: metrics.brier([2.0], [0.5]), "0 or 1"),
        (lambda: metrics.brier([1.0], [1.5]), r"\[0, 1\]"),
    ],
)
def test_bad_rows_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
