"""curve_dist: the members against independent solutions, the distribution against its promises, the day vectors against the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import polars as pl
import pytest

from models._kernel import registry
from models._kernel.protocol import Features
from models._kernel.synthetic import SyntheticMarket, day_ahead_features, gate
from models.curve_dist import kernel_ridge, lasso, panel
from models.curve_dist.design import Inputs
from models.curve_dist.distribution import Calibrator, mean_of
from models.curve_dist.members import Base
from models.curve_dist.model import CurveDist
from models.curve_dist.params import KernelParams, Params
from models.curve_dist.spec import LEVELS, QUANTILES, SPEC

FIRST_TARGET = date(2020, 3, 2)


@lru_cache(maxsize=1)
def rows():
    return day_ahead_features(SyntheticMarket(date(2019, 8, 20), date(2020, 3, 15)))


def target(days=2):
    return rows().filter(pl.col("delivery_date").is_between(FIRST_TARGET, FIRST_TARGET + timedelta(days=days - 1)))


@lru_cache(maxsize=1)
def fitted():
    model = CurveDist(registry.params_of("curve_dist", "test"))
    return model.fit(Features(rows(), rows().clear()), cutoff=gate(FIRST_TARGET), seed=3)


def answer(history=None, asked=None):
    asked = target() if asked is None else asked
    return fitted().predict(Features(rows() if history is None else history, asked), as_of=gate(FIRST_TARGET + timedelta(days=13))).frame


def one_hub(frame=None):
    return (rows() if frame is None else frame).filter(pl.col("hub") == "HUB_A")


def test_lasso_equals_scikit_learn_at_the_same_penalty():
    from sklearn.linear_model import Lasso

    rng = np.random.default_rng(1)
    design = rng.standard_normal((200, 12))
    targets = np.stack([design[:, 0] * 2 - design[:, 3] + 0.1 * rng.standard_normal(200), design[:, 5] + rng.standard_normal(200)])
    design -= design.mean(axis=0)
    targets -= targets.mean(axis=1, keepdims=True)
    ours = lasso._lasso(np.asfortranarray(design), targets, 0.05)
    for coefficients, goal in zip(ours, targets, strict=True):
        penalty = 0.05 * np.abs(design.T @ goal).max() / 200
        oracle = Lasso(alpha=penalty, fit_intercept=False, tol=1e-10).fit(design, goal).coef_
        assert np.allclose(coefficients, oracle, atol=0.02)
        assert set(np.flatnonzero(np.abs(coefficients) > 0.02)) == set(np.flatnonzero(np.abs(oracle) > 0.02))


def test_lasso_recovers_a_linear_market():
    rng = np.random.default_rng(2)
    inputs = rng.standard_normal((300, 30)) * 10 + 50
    prices = np.sinh(np.arcsinh((inputs[:, :2] - 50) / 10)) * 4 + 30
    forecast = lasso.forecast(inputs[:-5], np.zeros((295, 7)), prices[:-5], (inputs[-5:], np.zeros((5, 7))), {295: 0.001})
    assert np.abs(forecast - prices[-5:]).mean() < 0.5


def test_windows_longer_than_history_count_once():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((40, 5)), rng.standard_normal((40, 2))
    query = (x[:1], np.zeros((1, 7)))
    both = lasso.forecast(x, np.zeros((40, 7)), y, query, {100: 0.5, 200: 0.1})
    one = lasso.forecast(x, np.zeros((40, 7)), y, query, {200: 0.1})
    assert np.array_equal(both, one)


def test_kernel_ridge_is_the_mean_of_a_gaussian_process():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, RationalQuadratic

    rng = np.random.default_rng(4)
    x, new = rng.standard_normal((60, 4)), rng.standard_normal((6, 4))
    y = np.column_stack([np.sin(x[:, 0]), x[:, 1]])
    params = KernelParams(drift=0.0, level=0.0, linear=0.4, shape=2.0, noise=0.1, mean_days=60)
    days = np.arange(66.0)
    dual, mean = kernel_ridge.solve(kernel_ridge.kernel(x, x, days[:60], days[:60], params), y, params)
    ours = kernel_ridge.kernel(new, x, days[60:], days[:60], params) @ dual + mean
    law = ConstantKernel(0.4, "fixed") * DotProduct(0.0, "fixed") + RationalQuadratic(1.0, 2.0, "fixed", "fixed")
    oracle = GaussianProcessRegressor(law, alpha=0.1, optimizer=None).fit(x, y - y.mean(axis=0)).predict(new) + y.mean(axis=0)
    assert np.allclose(ours, oracle, atol=1e-6)


def test_relative_kernel_follows_a_shift_of_the_price_level():
    built, _ = panel.build(one_hub(), 24, with_price=True)
    shift = 100.0
    lifted = one_hub().with_columns(
        (pl.col(c) + shift).alias(c)
        for c in (*panel.LAG_COLUMNS, "price_ccy_per_mwh", "price_last_ccy_per_mwh", "price_mean_7d_ccy_per_mwh")
    )
    moved, _ = panel.build(lifted, 24, with_price=True)
    inputs = Inputs.learn(built)
    standard = kernel_ridge.standardise(inputs, built, KernelParams(), relative=True)
    later = slice(30, 60)
    assert np.allclose(kernel_ridge.targets(inputs, built, standard)[later], kernel_ridge.targets(inputs, moved, standard)[later])


def test_day_vectors_hold_what_the_rows_say():
    built, entry = panel.build(one_hub(), 24, with_price=True)
    frame = one_hub()
    some = 24 * 40 + 7
    hour = frame["local_hour"][some]
    assert built.price[entry[some], hour] == frame["price_ccy_per_mwh"][some]
    assert built.hourly["wind_forecast_mw"][entry[some], hour] == frame["wind_forecast_mw"][some]
    assert built.days == frame["delivery_date"].n_unique()


def test_missing_hour_is_interpolated_and_repeated_hour_averaged():
    spring = day_ahead_features(SyntheticMarket(date(2020, 3, 20), date(2020, 4, 2)))
    built, _ = panel.build(one_hub(spring), 24, with_price=True)
    short = int(np.flatnonzero(built.date == (date(2020, 3, 29) - date(1970, 1, 1)).days)[0])
    assert np.isnan(built.price[short, 2])
    load = built.hourly["load_forecast_mw"][short]
    assert load[2] == pytest.approx((load[1] + load[3]) / 2)
    autumn = day_ahead_features(SyntheticMarket(date(2020, 10, 20), date(2020, 10, 28)))
    frame = one_hub(autumn)
    built, _ = panel.build(frame, 24, with_price=True)
    long = int(np.flatnonzero(built.date == (date(2020, 10, 25) - date(1970, 1, 1)).days)[0])
    twice = frame.filter((pl.col("delivery_date") == date(2020, 10, 25)) & (pl.col("local_hour") == 2))["price_ccy_per_mwh"]
    assert len(twice) == 2
    assert built.price[long, 2] == pytest.approx(twice.mean())


def test_gaps_are_filled_from_neighbours_then_from_older_values():
    values = np.arange(24.0)[None].repeat(2, axis=0)
    values[0, 5] = np.nan
    values[1, 3:9] = np.nan
    filled = panel._fill(values, [np.full((2, 24), 99.0)])
    assert filled[0, 5] == 5.0
    assert (filled[1, 3:9] == 99.0).all()


def quarter_hours(frame):
    """Every hour as four quarter hours at the hour's price plus a pattern."""
    parts = [
        frame.with_columns(
            delivery_ts=pl.col("delivery_ts") + pl.duration(minutes=15 * k),
            resolution_min=pl.lit(15, pl.Int64),
            price_ccy_per_mwh=pl.col("price_ccy_per_mwh") + 2.0 * (k - 1.5),
        )
        for k in range(4)
    ]
    return pl.concat(parts).sort("hub", "delivery_ts")


def test_quarter_hours_get_their_own_quantiles():
    fine = quarter_hours(one_hub())
    model = CurveDist(registry.params_of("curve_dist", "test")).fit(Features(fine, fine.clear()), cutoff=gate(FIRST_TARGET), seed=1)
    asked = fine.filter(pl.col("delivery_date") == FIRST_TARGET)
    frame = model.predict(Features(fine, asked), as_of=gate(FIRST_TARGET)).frame
    assert frame.height == 96
    assert frame["status"].unique().to_list() == ["OK"]
    by_quarter = frame.group_by(pl.col("delivery_ts").dt.minute().alias("minute")).agg(pl.col("q50_ccy_per_mwh").mean()).sort("minute")
    assert by_quarter["q50_ccy_per_mwh"].is_sorted()


def test_finer_steps_than_trained_are_said():
    frame = answer(asked=quarter_hours(target(1)))
    assert frame.height == 2 * 96
    assert frame["status"].unique().to_list() == ["DEGRADED"]
    assert "steps of 60 min" in frame["status_reason"][0]


def test_scale_free_distribution_covers_what_it_says():
    rng = np.random.default_rng(5)
    days, slots = 700, 4
    spread = np.exp(0.5 * rng.standard_normal((days, slots)))
    outcome = 50 + spread * rng.standard_normal((days, slots))
    widths = np.stack([3.29 * spread, 1.35 * spread])
    base = Base(np.full((days, slots), 50.0), np.full((days, slots), 0.1), widths, np.full(days, 500))
    first = 150
    early = Base(base.point[:first], base.disagreement[:first], widths[:, :first], base.trained_on[:first])
    state = Calibrator.learn(early, outcome[:first], Params())
    inside = []
    for i in range(first, days):
        quantiles = state.quantiles(base, i, 0.5)
        inside.append((outcome[i] >= quantiles[:, 1]) & (outcome[i] <= quantiles[:, -2]))
        scale = state.scale(base, i)
        state.update(outcome[i], base.point[i], scale, state.offsets())
    assert abs(np.mean(inside) - 0.90) < 0.02
    wide = state.weights[-2:] @ np.array([3.29, 1.35])
    assert wide > 0.5, "the scale ignores the widths that tell it"


def test_calibrator_state_is_restored():
    rng = np.random.default_rng(6)
    base = Base(np.zeros((60, 3)), np.ones((60, 3)), np.ones((2, 60, 3)), np.full(60, 100))
    state = Calibrator.learn(base, rng.standard_normal((60, 3)), Params())
    again = state.copy()
    state.update(np.ones(3), np.zeros(3), np.ones(3), state.offsets())
    assert not np.array_equal(state.fast, again.fast)
    assert np.array_equal(again.quantiles(base, 0, 0.5), Calibrator.restore(again.state()).quantiles(base, 0, 0.5))


def test_mean_of_a_symmetric_ladder_is_its_median():
    from scipy.stats import norm

    ladder = norm.ppf(LEVELS)[None] * 3 + 40
    assert mean_of(ladder)[0] == pytest.approx(40.0)


def test_contributions_add_up_to_the_boosted_median():
    data = Features(rows(), target(1))
    told = fitted().explain(data).frame
    keys = ["market", "hub", "product", "delivery_ts", "as_of"]
    sums = told.group_by(keys).agg(pl.col("contribution").sum()).sort(keys)
    assert np.allclose(sums["contribution"].to_numpy(), fitted().boosted_median(data), atol=1e-6)


def test_short_history_borrows_training_days_and_says_so():
    recent = rows().filter(pl.col("delivery_date") > FIRST_TARGET - timedelta(days=10))
    frame = answer(history=recent)
    assert frame["status"].unique().to_list() == ["DEGRADED"]
    assert frame["status_reason"].str.contains("training days of the artifact").all()
    whole = answer()
    gap = (frame["q50_ccy_per_mwh"] - whole["q50_ccy_per_mwh"]).abs().mean()
    assert gap < 5.0
    empty = answer(history=rows().clear())
    assert empty["q50_ccy_per_mwh"].is_finite().all()


def test_unknown_hub_gets_a_wide_answer_and_a_reason():
    stranger = target(1).with_columns(pl.lit("HUB_NEW").alias("hub")).unique("delivery_ts")
    frame = answer(asked=stranger)
    assert frame["status"].unique().to_list() == ["DEGRADED"]
    assert frame["status_reason"].str.contains("without trained days").all()
    assert (frame["q95_ccy_per_mwh"] > frame["q05_ccy_per_mwh"]).all()


def test_part_of_a_day_is_answered_like_the_whole_day():
    afternoon = target(1).filter(pl.col("local_hour") >= 12)
    part, whole = answer(asked=afternoon), answer(asked=target(1))
    joined = part.join(whole, on=["hub", "delivery_ts"], suffix="_whole")
    assert joined.height == part.height
    assert np.allclose(joined["q50_ccy_per_mwh"].to_numpy(), joined["q50_ccy_per_mwh_whole"].to_numpy())


def test_missing_forecast_is_named_and_answered():
    blind = target(1).with_columns(pl.lit(None, pl.Float64).alias("wind_forecast_mw"))
    frame = answer(asked=blind)
    assert frame["status_reason"].str.contains("wind_forecast_mw").all()
    assert frame["q50_ccy_per_mwh"].is_finite().all()


def late(begin=date(2019, 11, 20)):
    """The market with a load forecast that was first published on `begin`."""
    before = pl.col("delivery_date") < begin
    return rows().with_columns(pl.when(~before).then(pl.col("load_forecast_mw")).alias("load_forecast_mw"))


def test_median_and_scale_of_a_late_input_are_those_of_its_own_days():
    values = np.random.default_rng(4).normal(3.0, 2.0, (50, 3))
    values[:30, 1] = np.nan
    values[:, 2] = np.nan
    centre, scale = lasso.centre_and_scale(values)
    alone = lasso.centre_and_scale(values[30:, :2])
    assert centre[1] == alone[0][1]
    assert scale[1] == alone[1][1]
    assert (centre[2], scale[2]) == (0.0, 1.0)
    assert (lasso.standardised(values, centre, scale)[:30, 1] == 0.0).all()


def test_late_input_is_missing_before_it_begins_and_typical_in_later_gaps():
    begin, gap = date(2019, 11, 20), date(2020, 1, 10)
    frame = late(begin).with_columns(pl.when(pl.col("delivery_date") != gap).then(pl.col("load_forecast_mw")).alias("load_forecast_mw"))
    days = panel.build(one_hub(frame.drop("load_forecast_lag_1d_mw", "load_forecast_lag_7d_mw")), 24, with_price=True)[0]
    inputs = Inputs.learn(days)
    values = inputs.vector(days, "load_forecast_mw")
    day = np.array([date(1970, 1, 1) + timedelta(days=int(d)) for d in days.date])
    assert inputs.begins == {"load_forecast_mw": (begin - date(1970, 1, 1)).days}
    assert np.isnan(values[day < begin]).all()
    assert np.isfinite(values[day >= begin]).all()
    assert np.array_equal(values[day == gap][0], inputs.typical["load_forecast_mw"])
    assert inputs.expected_missing["load_forecast_mw"] < 0.02


@pytest.mark.parametrize(("days", "used"), [(90, False), (91, True)])
def test_late_input_is_used_from_a_quarter_of_a_year_on(days, used):
    whole = panel.build(one_hub(), 24, with_price=True)[0]
    rare = whole.take(np.tile(np.arange(whole.days), 4))
    date_, begin = np.arange(rare.days) + int(whole.date[0]), rare.days - days
    values = np.where((np.arange(rare.days) >= begin)[:, None], 5.0, np.nan)
    missing = {"wind_forecast_mw": np.isnan(values[:, 0]).astype(float)}
    made = replace(rare, date=date_, hourly={**rare.hourly, "wind_forecast_mw": values}, missing=missing)
    assert ("wind" in Inputs.learn(made).forecasts) is used


def test_market_with_a_late_input_is_answered_and_survives_the_artifact(tmp_path):
    model = CurveDist(registry.params_of("curve_dist", "test"))
    model.fit(Features(late(), rows().clear()), cutoff=gate(FIRST_TARGET), seed=3)
    data = Features(late(), target())
    frame = model.predict(data, as_of=gate(FIRST_TARGET)).frame
    assert frame["q50_ccy_per_mwh"].is_finite().all()
    assert set(frame["status"]) == {"OK"}
    model.save(tmp_path)
    assert CurveDist.load(tmp_path).predict(data, as_of=gate(FIRST_TARGET)).frame.equals(frame)


def test_days_before_an_input_begins_still_teach():
    """Prices are twice the input; where it begins late, the earlier days still give the rest of the relation."""
    rng = np.random.default_rng(11)
    inputs = rng.normal(0, 1, (200, 2))
    prices = (inputs @ np.array([2.0, 3.0]))[:, None].repeat(24, axis=1) + rng.normal(0, 0.1, (200, 24))
    seen = inputs.copy()
    seen[:140, 1] = np.nan
    query = (inputs[-20:], np.zeros((20, 7)))
    dummies = np.zeros((180, 7))
    found = lasso.forecast(seen[:180], dummies, prices[:180], query, {180: 0.003})
    blind = lasso.forecast(inputs[:180, :1], dummies, prices[:180], (query[0][:, :1], query[1]), {180: 0.003})
    assert np.abs(found - prices[-20:]).mean() < 0.6 * np.abs(blind - prices[-20:]).mean()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"surprise": 1}, "surprise"),
        ({"kernel": {"surprise": 1}}, "kernel.surprise"),
        ({"lasso_windows": [[3, 0.1]]}, "lasso_windows"),
        ({"weights": {"lasso": 1.0}}, "weights"),
        ({"aci_gamma": 2.0}, "aci_gamma"),
        ({"kernel": {"weights": {"price_9d": 1.0}}}, "price_9d"),
        ({"calibration_days": 0}, "calibration_days"),
    ],
)
def test_wrong_parameters_are_refused_by_name(values, said):
    with pytest.raises(ValueError, match=said):
        CurveDist(values)


def test_parameters_survive_the_artifact():
    params = Params.of(registry.params_of("curve_dist", "full"))
    assert Params.of(params.as_json()) == params


def test_too_short_a_history_is_refused():
    with pytest.raises(ValueError, match="60 complete days"):
        CurveDist({}).fit(Features(rows(), rows().clear()), cutoff=gate(date(2019, 9, 15)), seed=0)


def test_spec_has_all_levels():
    assert len(QUANTILES) == 21
    assert list(QUANTILES.values())[:3] == ["q01_ccy_per_mwh", "q05_ccy_per_mwh", "q10_ccy_per_mwh"]
    assert {c.name for c in SPEC.output} == {"point_ccy_per_mwh", "mean_ccy_per_mwh", *QUANTILES.values()}
