"""PSI against an independent computation and the normal law's closed form."""

from __future__ import annotations

import numpy as np
import pytest

from models._kernel.psi import psi

RNG = np.random.default_rng(2)


def _by_numpy(expected, actual, bins):
    """The textbook recipe with histogram: bins by deciles of `expected`, open at both ends."""
    edges = np.quantile(expected, np.linspace(0, 1, bins + 1))
    edges[0], edges[-1] = -np.inf, np.inf
    e = np.histogram(expected, edges)[0] / expected.size
    a = np.histogram(actual, edges)[0] / actual.size
    return np.sum((a - e) * np.log(a / e))


def test_matches_the_textbook_recipe():
    expected, actual = RNG.normal(0, 1, 5000), RNG.normal(0.3, 1.2, 4000)
    assert psi(expected, actual) == pytest.approx(_by_numpy(expected, actual, 10), rel=1e-3)


def test_large_sample_is_the_symmetric_divergence_of_normals():
    """PSI is the symmetric Kullback-Leibler divergence of binned laws; for a shift s of a unit normal it tends to s²."""
    expected, actual = RNG.normal(0, 1, 400_000), RNG.normal(0.5, 1, 400_000)
    assert psi(expected, actual, bins=200) == pytest.approx(0.25, abs=0.01)


def test_same_sample_is_stable_and_moved_one_is_not():
    x = RNG.normal(0, 1, 3000)
    assert psi(x, x) == pytest.approx(0, abs=1e-12)
    assert psi(x, RNG.permutation(x)) == pytest.approx(0, abs=1e-12)
    assert psi(x, x + 1) > 0.25


def test_missing_values_and_constants():
    x = RNG.normal(0, 1, 1000)
    holes = x.copy()
    holes[:300] = np.nan
    assert psi(x, holes) > 0.25
    assert psi(np.ones(50), np.ones(50)) == pytest.approx(0)
    assert psi(np.ones(50), np.full(50, 2.0)) > 1
    with pytest.raises(ValueError, match="needs rows"):
        psi([], [1.0])
