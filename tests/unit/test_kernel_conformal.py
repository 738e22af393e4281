"""Conformal calibration against MAPIE, by hand, and over adversarial delays and gaps."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from models._kernel import artifacts, conformal, metrics

RNG = np.random.default_rng(8)
LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


class _Linear(RegressorMixin, BaseEstimator):
    """A fitted regressor x -> x + shift."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift
        self.fitted_ = True

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.asarray(X)[:, 0] + self.shift


@pytest.mark.parametrize("n", [57, 99, 250])
def test_split_conformal_is_mapie_s(n):
    from mapie.regression import SplitConformalRegressor

    x = RNG.normal(0, 1, (n, 1))
    y = x[:, 0] + RNG.normal(0, 1, n)
    theirs = SplitConformalRegressor(_Linear(), confidence_level=0.9, prefit=True).conformalize(x, y)
    _, interval = theirs.predict_interval(np.zeros((1, 1)))
    width = conformal.split_conformal_offsets(y, x[:, 0], alpha=0.1)
    assert interval[0, :, 0] == pytest.approx([-width, width])


@pytest.mark.parametrize("n", [57, 99, 250])
def test_cqr_is_mapie_s(n):
    from mapie.regression import ConformalizedQuantileRegressor

    x = RNG.normal(0, 1, (n, 1))
    y = x[:, 0] + RNG.normal(0, 2, n)
    low, high, middle = _Linear(-1.0), _Linear(1.2), _Linear(0.0)
    theirs = ConformalizedQuantileRegressor([low, high, middle], confidence_level=0.9, prefit=True).conformalize(x, y)
    _, interval = theirs.predict_interval(np.zeros((1, 1)), symmetric_correction=True)
    offset = conformal.cqr_offsets(y, low.predict(x), high.predict(x), alpha=0.1)
    assert interval[0, :, 0] == pytest.approx([-1.0 - offset, 1.2 + offset])


def test_conformal_quantile_by_hand_and_over_groups():
    scores = np.arange(1.0, 20.0)  # n = 19: the 18th of 20 at 90 %
    assert conformal.conformal_quantile(scores, 0.9) == 18.0
    assert conformal.conformal_quantile(scores, 0.96) == np.inf
    both = conformal.conformal_quantile(np.column_stack((scores, -scores)), 0.9)
    assert both.tolist() == [18.0, -2.0]
    with pytest.raises(ValueError, match="strictly between"):
        conformal.conformal_quantile(scores, 1.0)


def _series(steps: int, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """A base ladder that is too narrow, and outcomes whose spread doubles half way."""
    from scipy import stats

    scale = np.where(np.arange(steps) < steps // 2, 2.0, 4.0)[:, None]
    base = np.broadcast_to(stats.norm.ppf(LEVELS), (steps, groups, LEVELS.size)).copy()
    return base, RNG.standard_normal((steps, groups)) * scale


def test_one_step_by_hand():
    """Level 0.9, gamma 0.1: a violation raises the effective level by 0.09, a hit lowers it by 0.01."""
    aci = conformal.AdaptiveConformal(np.array([0.9]), gamma=0.1)
    base = np.zeros((1, 1))
    aci.update(base, aci.raw(base), [5.0])
    assert aci.effective[0, 0] == pytest.approx(0.99)
    aci.update(base, np.full((1, 1), 9.0), [5.0])
    assert aci.effective[0, 0] == pytest.approx(0.98)


def test_offsets_read_the_window():
    """19 scores 1..19 at level 0.5: position 0.5 * 20 - 1, the 10th; beyond the ends the offset goes on linearly."""
    aci = conformal.AdaptiveConformal(np.array([0.5]), window=19, stretch=2.0)
    aci.warm(np.zeros((19, 1, 1)), np.arange(1.0, 20.0)[:, None])
    assert aci.offsets()[0, 0] == pytest.approx(10.0)
    aci.effective[:] = 0.95
    assert aci.offsets()[0, 0] == pytest.approx(19.0)
    aci.effective[:] = 1.05
    assert aci.offsets()[0, 0] == pytest.approx(19.0 + 2.0 * 18 * 0.10)
    aci.effective[:] = -0.05
    assert aci.offsets()[0, 0] == pytest.approx(1.0 - 2.0 * 18 * 0.10)


def test_adaptation_mends_coverage_and_scores():
    base, y = _series(1500, 24)
    aci = conformal.AdaptiveConformal(LEVELS, groups=24, gamma=0.02, window=182)
    issued = aci.run(base, y)
    assert np.all(np.diff(issued, axis=-1) >= 0)
    assert np.all(np.isfinite(issued))
    hits = (y[..., None] <= issued).mean(axis=(0, 1))
    assert hits == pytest.approx(LEVELS, abs=0.012)
    flat = y[182:].reshape(-1)
    after = metrics.pinball(flat, issued[182:].reshape(-1, LEVELS.size), LEVELS)
    assert after < 0.95 * metrics.pinball(flat, base[182:].reshape(-1, LEVELS.size), LEVELS)


def test_groups_do_not_touch_each_other():
    base, y = _series(200, 3)
    together = conformal.AdaptiveConformal(LEVELS, groups=3).run(base, y)
    for g in range(3):
        alone = conformal.AdaptiveConformal(LEVELS, groups=1).run(base[:, [g]], y[:, [g]])
        assert np.array_equal(together[:, [g]], alone)


def test_late_outcomes_are_used_only_when_known():
    base, y = _series(120, 2)
    known = np.maximum(np.arange(120) - 2, 0)
    issued = conformal.AdaptiveConformal(LEVELS, groups=2).run(base, y, known_before=known)
    poisoned = y.copy()
    poisoned[98:] = 1e9
    again = conformal.AdaptiveConformal(LEVELS, groups=2).run(base, poisoned, known_before=known)
    assert np.array_equal(issued[:101], again[:101])
    assert not np.array_equal(issued[101:], again[101:])


def test_missing_hours_teach_nothing():
    base, y = _series(60, 2)
    y[30, 1] = np.nan
    whole = conformal.AdaptiveConformal(LEVELS, groups=2)
    whole.run(base, y)
    without = conformal.AdaptiveConformal(LEVELS, groups=1)
    without.run(np.delete(base[:, [1]], 30, axis=0), np.delete(y[:, [1]], 30, axis=0))
    assert np.array_equal(whole.effective[1], without.effective[0])
    assert whole.seen.tolist() == [59, 58]


def test_state_goes_on_where_it_stopped(tmp_path):
    base, y = _series(300, 2)
    whole = conformal.AdaptiveConformal(LEVELS, groups=2, window=50)
    expected = whole.run(base, y)
    first = conformal.AdaptiveConformal(LEVELS, groups=2, window=50)
    first.run(base[:200], y[:200])
    first.update(base[199], first.raw(base[199]), y[199])  # run learns of a step before the next, so the last is still due
    artifacts.save_arrays(tmp_path, "aci", first.state())
    second = conformal.AdaptiveConformal.from_state(artifacts.load_arrays(tmp_path, "aci"))
    assert np.array_equal(second.run(base[200:], y[200:]), expected[200:])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: conformal.AdaptiveConformal(np.array([0.9, 0.1])), "rise strictly"),
        (lambda: conformal.AdaptiveConformal(LEVELS, gamma=0.0), "gamma is 0.0"),
        (lambda: conformal.AdaptiveConformal(LEVELS).raw(np.zeros((2, 5))), "shape"),
        (lambda: conformal.AdaptiveConformal(LEVELS).run(np.zeros((2, 1, 5)), np.zeros((2, 1)), known_before=[1, 1]), "never includes"),
    ],
)
def test_bad_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def _slow_tracker(levels, offsets, step, scores, known, asked):
    """The same recursion, one instant at a time."""
    made, q, done = [], np.array(offsets, dtype=float), set()
    for instant in asked:
        for i in sorted((i for i in range(len(scores)) if known[i] <= instant and i not in done), key=lambda i: known[i]):
            done.add(i)
            if np.isfinite(scores[i]):
                q = q + step * (np.asarray(levels) - (scores[i] <= q))
        made.append(q.copy())
    return np.array(made)


def test_the_tracker_agrees_with_the_slow_recursion():
    scores = RNG.normal(0, 1, 200)
    scores[::17] = np.nan
    known = np.sort(RNG.integers(0, 120, 200)) + RNG.integers(0, 9, 200)
    asked = np.arange(0, 130, 3)
    tracker = conformal.QuantileTracker(LEVELS, np.zeros(5), 0.05)
    order = np.argsort(known, kind="stable")
    slow = _slow_tracker(LEVELS, np.zeros(5), 0.05, scores[order], known[order], asked)
    assert tracker.run(scores, known, asked) == pytest.approx(slow, abs=1e-12)


@pytest.mark.parametrize("delay", [0, 12])
def test_the_tracker_covers_whatever_the_scores_do(delay):
    n, step = 6000, 0.05
    scores = np.clip(RNG.standard_t(3, n) * np.where(np.arange(n) > n // 2, 4.0, 1.0) + np.sin(np.arange(n) / 300), -8, 8)
    at = np.arange(n)
    issued = conformal.QuantileTracker(LEVELS, np.zeros(5), step).run(scores, at + 1 + delay, at)
    share = (scores[:, None] <= issued).mean(axis=0)
    bound = (2 * 8 + step * (delay + 1)) / (step * n) + delay / n
    assert np.all(np.abs(share - LEVELS) <= bound)
    assert np.all(np.abs(share - LEVELS) <= 0.03)
    fixed = np.quantile(scores[: n // 2], LEVELS)
    assert np.abs(share - LEVELS).max() < np.abs((scores[n // 2 :, None] <= fixed).mean(axis=0) - LEVELS).max()


def test_the_tracker_refuses_what_cannot_work():
    with pytest.raises(ValueError, match="one offset per level"):
        conformal.QuantileTracker(LEVELS, np.zeros(4), 0.1)
    with pytest.raises(ValueError, match="step is 0"):
        conformal.QuantileTracker(LEVELS, np.zeros(5), 0)
    with pytest.raises(ValueError, match="must not fall"):
        conformal.QuantileTracker(LEVELS, np.zeros(5), 0.1).run([1.0], [0], [2, 1])
