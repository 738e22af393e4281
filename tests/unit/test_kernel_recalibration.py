"""Recalibration: CQR against MAPIE, one correction per group, PID by hand and over shifts; nothing looks ahead, nothing crosses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin

from models._kernel import recalibration
from models._kernel.recalibration import ConformalPid, cqr_ladder, walk_cqr

LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


class _Fixed(RegressorMixin, BaseEstimator):
    """A fitted regressor that answers a column of its input."""

    def __init__(self, column: int = 0) -> None:
        self.column = column
        self.fitted_ = True

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.asarray(X)[:, self.column]


def _base(steps, groups, width=1.0):
    return np.broadcast_to(width * stats.norm.ppf(LEVELS), (steps, groups, LEVELS.size)).copy()


def test_ladder_is_mapie_s_interval_pair_by_pair():
    from mapie.regression import ConformalizedQuantileRegressor

    rng = np.random.default_rng(1)
    past = np.sort(rng.standard_normal((150, 5)), axis=1)
    y = 2 * rng.standard_normal(150)
    new = np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]])
    found = cqr_ladder(new, past, y, LEVELS)
    for low, high, nominal in ((0, 4, 0.9), (1, 3, 0.5)):
        theirs = ConformalizedQuantileRegressor([_Fixed(low), _Fixed(high), _Fixed(2)], confidence_level=nominal, prefit=True)
        _, interval = theirs.conformalize(past, y).predict_interval(new, symmetric_correction=True)
        assert found[0, [low, high]] == pytest.approx(interval[0, :, 0])


def test_levels_must_mirror_each_other_and_few_rows_change_nothing():
    with pytest.raises(ValueError, match="mirror"):
        recalibration.mirrored([0.1, 0.5, 0.8])
    ladder = _base(1, 1)[0]
    assert np.array_equal(cqr_ladder(ladder, _base(19, 1)[:, 0], np.full(19, 99.0), LEVELS), ladder)


def test_mondrian_covers_every_group_where_one_correction_does_not():
    rng = np.random.default_rng(2)
    steps, known = 700, np.arange(700)
    spread = np.array([0.5, 2.0])
    y = rng.standard_normal((steps, 2)) * spread
    base = _base(steps, 2)
    coverage = {}
    for name, groups in (("one", None), ("mondrian", np.arange(2))):
        q = walk_cqr(base, y, LEVELS, known, window=182, groups=groups)[200:]
        coverage[name] = ((y[200:] >= q[..., 0]) & (y[200:] <= q[..., -1])).mean(axis=0)
    assert np.abs(coverage["mondrian"] - 0.9).max() < 0.03
    assert np.abs(coverage["one"] - 0.9).max() > 0.05
    assert abs(coverage["one"].mean() - 0.9) < 0.03


def test_one_step_of_pid_by_hand():
    """Level 0.9, span 5 after the first score: the tracker moves by rate * 5 * 0.9, the integrator by ki * 5 * tan(0.9 log 2 / (2 csat))."""
    pid = ConformalPid(np.array([0.9]), rate=0.1, ki=0.5, csat=2.0)
    base = np.zeros((1, 1))
    pid.update(base, pid.offsets(), [5.0])
    wanted = 0.1 * 5 * 0.9 + 0.5 * 5 * np.tan(0.9 * np.log(2) / (2.0 * 2))
    assert pid.offsets()[0, 0] == pytest.approx(wanted)
    before = pid.offsets().copy()
    pid.update(base, pid.offsets(), [np.nan])
    assert np.array_equal(pid.offsets(), before)


def test_pid_covers_through_a_jump_of_the_spread_and_follows_a_drift():
    rng = np.random.default_rng(3)
    steps = 1200
    scale = np.where(np.arange(steps) < 600, 1.0, 3.0)[:, None]
    y = rng.standard_normal((steps, 4)) * scale
    q = ConformalPid(LEVELS, 4).run(_base(steps, 4), y, np.arange(steps))
    inside = (y >= q[..., 0]) & (y <= q[..., -1])
    assert abs(inside[100:600].mean() - 0.9) < 0.02
    assert abs(inside[800:].mean() - 0.9) < 0.03
    drift = y + np.linspace(0, 900, steps)[:, None]
    plain = ConformalPid(LEVELS, 4).run(_base(steps, 4), drift, np.arange(steps))
    damped = ConformalPid(LEVELS, 4, damping=1.0).run(_base(steps, 4), drift, np.arange(steps))
    late = slice(300, 600)
    assert np.abs(damped[late, :, 2] - drift[late]).mean() < np.abs(plain[late, :, 2] - drift[late]).mean()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 3))
def test_quantiles_rise_and_later_outcomes_change_nothing(seed, delay):
    rng = np.random.default_rng(seed)
    y = rng.standard_t(2, (60, 2)) * 5
    y[rng.random(y.shape) < 0.05] = np.nan
    known = np.maximum(np.arange(60) - delay + 1, 0).clip(max=np.arange(60))
    base = np.sort(rng.standard_normal((60, 2, 5)), axis=-1)
    later = y.copy()
    later[40:] = 1e6
    for run in (lambda o: walk_cqr(base, o, LEVELS, known, window=30), lambda o: ConformalPid(LEVELS, 2, damping=0.5).run(base, o, known)):
        found = run(y)
        assert np.isfinite(found).all()
        assert np.all(np.diff(found, axis=-1) >= 0)
        upto = int(np.searchsorted(known, 40, side="right"))
        assert np.array_equal(found[:upto], run(later)[:upto])


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="damping"):
        ConformalPid(LEVELS, damping=2.0)
    with pytest.raises(ValueError, match="rate is 0"):
        ConformalPid(LEVELS, rate=0)
    with pytest.raises(ValueError, match="never includes the step itself"):
        walk_cqr(_base(3, 1), np.zeros((3, 1)), LEVELS, np.array([0, 2, 2]), window=5)
