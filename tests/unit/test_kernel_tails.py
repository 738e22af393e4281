"""Pareto tails against scipy and numerical integrals; the regression finds what was put in; splices neither step nor cross."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as sps
from scipy.optimize import check_grad

from models._kernel.tail_regression import ShapePrior, _loss, block_return_levels, fit_pareto, static_threshold
from models._kernel.tails import Tail, gpd_capped_mean, gpd_quantile, gpd_survival, spliced_ladder

SHAPES = (-0.3, 0.0, 0.2, 0.7, 1.0, 1.4)


@pytest.mark.parametrize("shape", SHAPES)
def test_quantile_and_survival_are_scipys(shape: float) -> None:
    share = np.array([0.9, 0.5, 0.1, 0.001])
    law = sps.genpareto(shape, scale=3.0)
    assert gpd_quantile(share, 3.0, shape) == pytest.approx(law.isf(share))
    assert gpd_survival(law.isf(share), 3.0, shape) == pytest.approx(share)
    assert gpd_survival([-1.0, 1e9], 3.0, -0.3).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cap", [0.5, 5.0, 100.0])
def test_capped_mean_is_the_integral_of_the_survival(shape: float, cap: float) -> None:
    x = np.linspace(0, cap, 400_001)
    assert float(gpd_capped_mean(3.0, shape, cap)) == pytest.approx(np.trapezoid(gpd_survival(x, 3.0, shape), x), rel=1e-5)


def test_shortfall_is_the_mean_of_the_quantiles_beyond() -> None:
    tail = Tail(0.9, np.array([50.0]), np.array([10.0]), np.array(0.4))
    p = np.linspace(0.99, 1, 200_001)[:-1] + 0.01 / 400_002
    assert float(tail.shortfall([0.99], 1e12)[0, 0]) == pytest.approx(float(tail.quantiles(p).mean()), rel=2e-2)
    assert float(tail.shortfall([0.99], 120.0)[0, 0]) == pytest.approx(float(np.minimum(tail.quantiles(p), 120.0).mean()), rel=1e-4)
    assert float(tail.exceedance(tail.quantiles([0.99])[:, 0])[0]) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="where the tail is"):
        tail.quantiles([0.8])


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 50), st.floats(-0.4, 1.2), st.floats(0.01, 50), st.floats(-0.4, 1.2))
def test_spliced_ladder_is_continuous_and_rising(scale: float, shape: float, low_scale: float, low_shape: float) -> None:
    levels = [0.01, 0.1, 0.5, 0.9, 0.99]
    body = np.array([[-5.0, 0.0, 20.0, 30.0, 60.0], [1.0, 1.0, 1.0, 1.0, 1.0]])
    upper = Tail(0.99, body[:, -1], np.full(2, scale), np.array(shape))
    lower = Tail(0.99, -body[:, 0], np.full(2, low_scale), np.array(low_shape))
    wanted = [0.001, 0.005, 0.01, 0.25, 0.5, 0.99, 0.99 + 1e-9, 0.995, 0.9999]
    made = spliced_ladder(levels, body, wanted, upper=upper, lower=lower)
    assert np.all(np.diff(made, axis=1) >= 0)
    assert made[:, 5] == pytest.approx(body[:, -1])
    assert made[:, 6] == pytest.approx(made[:, 5], abs=1e-4)
    assert made[0, 3] == pytest.approx(7.5)


def test_splice_refuses_what_it_cannot_reach() -> None:
    body = np.array([[1.0, 2.0]])
    with pytest.raises(ValueError, match="no tail reaches"):
        spliced_ladder([0.1, 0.9], body, [0.95])
    with pytest.raises(ValueError, match="must be that quantile"):
        spliced_ladder([0.1, 0.9], body, [0.95], upper=Tail(0.9, np.array([3.0]), np.array([1.0]), np.array(0.0)))


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_gradient_is_exact(shape: float) -> None:
    rng = np.random.default_rng(0)
    design = np.column_stack((np.ones(80), rng.normal(size=(80, 2))))
    args = (rng.exponential(size=80), design, rng.uniform(0.5, 1.5, 80), ShapePrior(), 2.0)
    theta = np.array([0.1, 0.2, -0.1, shape])
    gap = check_grad(lambda t: _loss(t, *args)[0], lambda t: _loss(t, *args)[1], theta)
    assert gap < 2e-3


def test_regression_finds_scale_and_shape() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4000, 2))
    y = gpd_quantile(rng.random(4000), np.exp(1.0 + 0.5 * x[:, 0]), 0.25)
    fitted = fit_pareto(y, x)
    assert fitted.weights == pytest.approx([1.0, 0.5, 0.0], abs=0.06)
    assert fitted.shape == pytest.approx(0.25, abs=0.06)
    again = type(fitted).of(fitted.arrays())
    assert np.array_equal(again.scales(x), fitted.scales(x))
    assert np.isfinite(fitted.scales([[np.nan, 1e9]])).all()
    with pytest.raises(ValueError, match="above zero"):
        fit_pareto([0.0] * 20, x[:20])


def test_static_threshold_and_block_maxima() -> None:
    rng = np.random.default_rng(5)
    assert static_threshold(rng.exponential(size=20_000)) == pytest.approx(0.90)
    body = np.where(rng.random(20_000) < 0.03, 10 + rng.pareto(2, size=20_000) * 5, rng.uniform(0, 10, 20_000))
    assert static_threshold(body) >= 0.95
    levels, (location, scale, shape) = block_return_levels(sps.gumbel_r(10, 2).rvs(600, random_state=1), [2.0, 50.0])
    assert (location, scale, shape) == pytest.approx((10, 2, 0), abs=0.3)
    assert levels == pytest.approx(sps.gumbel_r(10, 2).isf([0.5, 0.02]), rel=0.05)
    with pytest.raises(ValueError, match="at least 12"):
        block_return_levels([1.0, 2.0], [2.0])
