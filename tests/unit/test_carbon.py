from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models._kernel.carbon_hedge import METHODS, Drift, Levels, best_drift, drifting, equal_means, pitman_morgan, ratios
from models._kernel.registry import spec_of
from models.carbon_coupling.params import Params
from pipeline_tasks.scorecard.carbon_hedge import Hedged, _settled, by_period, walked

GAS, CARBON = 2.0, 0.4


def _levels(n: int, seed: int = 0, carbon: float = CARBON) -> Levels:
    rng = np.random.default_rng(seed)
    gas, co2, load = 30 + np.cumsum(rng.standard_normal(n)), 60 + np.cumsum(rng.standard_normal(n)), rng.standard_normal(n)
    power = GAS * gas + carbon * co2 + load + np.cumsum(0.3 * rng.standard_normal(n))
    return Levels(power, np.column_stack((gas, co2)), load)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "vecm"])
def test_every_method_finds_the_ratios_of_a_linear_market(method: str) -> None:
    whole = _levels(400)
    found = ratios(method, whole.until(400, 250), whole.until(400, 400))
    np.testing.assert_allclose(found, [GAS, CARBON], atol=0.08)


def test_error_correction_finds_them_where_prices_are_cointegrated() -> None:
    rng = np.random.default_rng(1)
    whole = _levels(400)
    power = whole.hedges @ np.array([GAS, CARBON]) + rng.standard_normal(400)
    found = ratios("vecm", Levels(power, whole.hedges, whole.load), whole)
    np.testing.assert_allclose(found, [GAS, CARBON], atol=0.25)


@settings(max_examples=20, deadline=None)
@given(st.integers(60, 119), st.sampled_from(["ols", "shrunk", "state_space"]))
def test_a_ratio_sees_only_what_lies_before_it(period: int, method: str) -> None:
    whole = _levels(120)
    changed = Levels(whole.power.copy(), whole.hedges.copy(), whole.load.copy())
    changed.power[period:], changed.hedges[period:], changed.load[period:] = 1e6, -1e6, 9.0
    first, second = (ratios(method, w.until(period, 50), w.until(period, period)) for w in (whole, changed))
    np.testing.assert_array_equal(first, second)


def test_ratios_stay_within_what_plants_can_do() -> None:
    whole = _levels(200, carbon=5.0)
    found = ratios("ols", whole.until(200, 150), whole.until(200, 200))
    np.testing.assert_allclose(found, [GAS, 1.2], atol=0.3)
    down = Levels(-whole.power, whole.hedges, whole.load)
    np.testing.assert_array_equal(ratios("ols", down.until(200, 150), down.until(200, 200)), [0.0, 0.0])


def test_too_little_or_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="needs 30"):
        ratios("ols", _levels(20), _levels(20))
    with pytest.raises(ValueError, match="'garch' is not known"):
        ratios("garch", _levels(90), _levels(90))
    with pytest.raises(ValueError, match="hedge_method is 'x'"):
        Params.of({"hedge_method": "x"})


def test_coefficients_without_drift_are_recursive_least_squares_and_those_that_moved_are_followed() -> None:
    from statsmodels.regression.recursive_ls import RecursiveLS

    rng = np.random.default_rng(2)
    x = rng.standard_normal((300, 2))
    y = x @ np.array([1.0, 0.5]) + 0.1 * rng.standard_normal(300)
    spread = np.sqrt(np.mean(x**2, axis=0))
    fixed = drifting(y, x, Drift(0.0, 0.01, spread))[0]
    np.testing.assert_allclose(fixed[-1], RecursiveLS(y, x).fit().params, atol=1e-3)
    y[150:] += x[150:] @ np.array([1.0, 0.0])
    drift = best_drift(y, x)
    assert drift.ratio > 0
    assert drifting(y, x, drift)[0][-1] == pytest.approx([2.0, 0.5], abs=0.15)


def test_equal_variances_are_rejected_as_pitman_and_morgan_say() -> None:
    rng = np.random.default_rng(3)
    common = rng.standard_normal(500)
    a, b = common + 0.3 * rng.standard_normal(500), common + 0.8 * rng.standard_normal(500)
    found = pitman_morgan(a, b)
    assert found.ratio == pytest.approx(np.var(a, ddof=1) / np.var(b, ddof=1))
    assert found.p_value == pytest.approx(stats.pearsonr(a + b, a - b, alternative="less").pvalue)
    assert pitman_morgan(b, a).p_value == pytest.approx(1 - found.p_value)
    assert pitman_morgan(a, a).p_value == 0.5


def test_means_are_equal_only_where_both_tests_say_so() -> None:
    rng = np.random.default_rng(4)
    b = rng.standard_normal(400)
    near, far = b + 0.01 * rng.standard_normal(400), b + 0.2 + 0.01 * rng.standard_normal(400)
    assert equal_means(near, b, 0.05) < 0.01
    assert equal_means(far, b, 0.05) > 0.99
    assert equal_means(b, b, 0.05) == 0.0


def _table(n: int, carbon: float) -> pl.DataFrame:
    levels = _levels(n, seed=5, carbon=carbon)
    days = [date(2020, 1, 6) + timedelta(days=k) for k in range(n)]
    return pl.DataFrame(
        {"delivery_date": days, "power": levels.power, "gas": levels.hedges[:, 0], "co2": levels.hedges[:, 1], "load": levels.load}
    )


def test_the_walked_hedge_gains_where_carbon_moves_power_and_not_where_it_does_not() -> None:
    gains = {}
    for carbon in (1.0, 0.0):
        two, three = (walked(_table(400, carbon), "ols", assets, 100, 20) for assets in (("gas",), ("gas", "co2")))
        gains[carbon] = pitman_morgan(three.pnl, two.pnl)
        assert len(three.pnl) == len(two.pnl) == 400 - 101
    assert gains[1.0].ratio < 0.97
    assert gains[1.0].p_value < 0.01
    assert gains[0.0].ratio > 0.97


def test_profit_is_what_is_held_less_what_is_sold_and_trading_costs() -> None:
    ratio = np.array([[1.0, 0.5], [2.0, 0.5]])
    found = _settled(np.array([50.0, 60.0, 55.0]), np.array([[20.0, 80.0], [22.0, 84.0], [21.0, 90.0]]), ratio)
    assert isinstance(found, Hedged)
    np.testing.assert_allclose(found.pnl, [10 - 2 - 2, -5 + 2 - 3])
    np.testing.assert_allclose(found.cost, [0.05 + 0.5 * 0.03, 0.05])


def test_weeks_are_whole_and_do_not_overlap() -> None:
    weeks = by_period(_table(20, 0.0), 7)
    assert weeks["delivery_date"].to_list() == [date(2020, 1, 6), date(2020, 1, 13)]
    assert weeks["power"][0] == pytest.approx(_table(20, 0.0)["power"][:7].mean())


def test_the_model_applies_only_where_gas_and_carbon_are_known() -> None:
    from typing import Any

    from config.markets import resolve_market
    from pipeline_tasks.steps.reading import lacks_input

    class Empty:
        sql = ""

        def scalar(self, sql: str, _params: Any) -> int:
            Empty.sql = sql
            return 0

    reason = lacks_input(Empty(), spec_of("carbon_coupling"), resolve_market("epf_de"))  # type: ignore[arg-type]
    assert "co2_price_ccy_per_unit is not null" in Empty.sql
    assert reason.endswith("has no row of it with gas_price_ccy_per_unit and co2_price_ccy_per_unit")


def test_an_artifact_of_an_earlier_version_says_what_it_lacks_and_what_to_do(tmp_path) -> None:
    from models._kernel import artifacts
    from models.carbon_coupling.model import CarbonCoupling

    head = {"params": {}, "cutoff": "2026-06-14T10:00:00+00:00", "ratio": 1.0, "noise": 1.0, "centre": 50.0, "expected": []}
    artifacts.save_json(tmp_path, "model", head)
    artifacts.save_arrays(tmp_path, "arrays", {"spread": np.ones(3), "ladder": np.zeros((24, 9))})
    artifacts.seal(tmp_path, model="carbon_coupling")
    with pytest.raises(artifacts.ArtifactError, match=r"lacks model.json: spread: an earlier version .* desk train carbon_coupling"):
        CarbonCoupling.load(tmp_path)
