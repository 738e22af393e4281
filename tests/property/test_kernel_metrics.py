"""Properties that metrics and artifacts have for any input."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models._kernel import artifacts, metrics

LEVELS = np.array([0.1, 0.5, 0.9])
VALUES = st.floats(-500, 500, width=32)
ROWS = hnp.arrays(np.float64, st.tuples(st.integers(1, 40), st.just(4)), elements=VALUES)
EVENTS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 100)), min_size=2, max_size=60)


@settings(deadline=None)
@given(rows=ROWS, shift=VALUES, factor=st.floats(0.1, 10))
def test_scores_follow_shift_and_scale(rows, shift, factor):
    """Losses do not change with the level and scale with the unit of prices."""
    y, ladder = rows[:, 0], np.sort(rows[:, 1:], axis=1)
    for score in (
        lambda a, q: metrics.crps_from_quantiles(a, q, LEVELS),
        lambda a, q: metrics.winkler(a, q[:, 0], q[:, -1], alpha=0.2),
        lambda a, q: metrics.mae(a, q[:, 1]),
    ):
        assert score(y, ladder) >= 0
        assert score(factor * y + shift, factor * ladder + shift) == pytest.approx(factor * score(y, ladder), rel=1e-6, abs=1e-6)


@settings(deadline=None)
@given(rows=ROWS)
def test_sorting_a_ladder_never_raises_its_loss(rows):
    """Chernozhukov et al. (2010)."""
    y, ladder = rows[:, 0], rows[:, 1:]
    assert metrics.pinball(y, np.sort(ladder, axis=1), LEVELS) <= metrics.pinball(y, ladder, LEVELS) + 1e-9


@settings(deadline=None)
@given(y=hnp.arrays(np.float64, st.integers(5, 60), elements=VALUES), other=VALUES, level=st.sampled_from([0.1, 0.5, 0.9]))
def test_the_empirical_quantile_minimises_pinball(y, other, level):
    best = np.quantile(y, level, method="inverted_cdf")
    losses = [metrics.pinball(y, np.full((y.size, 1), q), [level]) for q in (best, other)]
    assert losses[0] <= losses[1] + 1e-9


@settings(deadline=None)
@given(pairs=EVENTS)
def test_rank_metrics_ignore_the_scale_of_scores(pairs):
    event, score = np.array(pairs, dtype=float).T
    for metric in (metrics.auc, metrics.pr_auc):
        assert metric(event, score) == pytest.approx(metric(event, np.exp(score / 50) * 3 - 1), nan_ok=True)


@settings(deadline=None)
@given(pairs=EVENTS, bins=st.integers(1, 12), equal_mass=st.booleans())
def test_reliability_keeps_every_row(pairs, bins, equal_mass):
    event, score = np.array(pairs, dtype=float).T
    table = metrics.reliability(event, score / 100, bins=bins, equal_mass=equal_mass)
    assert sum(b.n for b in table) == event.size
    assert sum(b.n * b.observed for b in table) == pytest.approx(event.sum())
    assert 0 <= metrics.ece(event, score / 100, bins=bins, equal_mass=equal_mass) <= 1


ARRAYS = st.dictionaries(
    st.from_regex(r"[a-z]{1,6}", fullmatch=True),
    hnp.arrays(st.sampled_from([np.float64, np.int64, np.bool_, np.dtype("<U4")]), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=60)
@given(arrays=ARRAYS)
def test_arrays_come_back_as_they_were_and_save_to_the_same_bytes(arrays):
    with tempfile.TemporaryDirectory() as folder:
        artifacts.save_arrays(Path(folder), "a", arrays)
        loaded = artifacts.load_arrays(Path(folder), "a")
        artifacts.save_arrays(Path(folder), "b", loaded)
        assert (Path(folder) / "a.npz").read_bytes() == (Path(folder) / "b.npz").read_bytes()
    assert set(loaded) == set(arrays)
    for key, array in arrays.items():
        assert loaded[key].dtype == array.dtype
        np.testing.assert_array_equal(loaded[key], array)
