from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from models._kernel import laws, registry
from models._kernel.protocol import Features
from models._kernel.scaled_band import Base
from models._kernel.synthetic import SyntheticMarket, intraday_features
from models.price_prediction.inputs import NAMES, centre, complete, matrix
from models.price_prediction.model import PricePredictionModel
from models.price_prediction.params import Params
from models.price_prediction.views import predict_all_horizons, predict_with_confidence

PARAMS = registry.params_of("price_prediction", "test")


@pytest.fixture(scope="module")
def subject() -> laws.Subject:
    return laws.Subject(PricePredictionModel, PARAMS)


def test_views_show_what_predict_says(subject: laws.Subject) -> None:
    data = Features(subject.sample.rows, subject.sample.target)
    parts = predict_all_horizons(subject.fitted, data, as_of=subject.sample.as_of)
    assert list(parts) == [15, 60]
    assert pl.concat(parts.values()).sort("hub", "delivery_ts", "as_of").equals(subject.answered.sort("hub", "delivery_ts", "as_of"))
    interval = predict_with_confidence(subject.fitted, data, as_of=subject.sample.as_of)
    assert interval["low_ccy_per_mwh"].equals(subject.answered["q10_ccy_per_mwh"].alias("low_ccy_per_mwh"))
    with pytest.raises(ValueError, match=r"confidence is 0\.7; .* 0\.5, 0\.8, 0\.9"):
        predict_with_confidence(subject.fitted, data, as_of=subject.sample.as_of, confidence=0.7)


def test_the_interval_holds_what_it_says(subject: laws.Subject) -> None:
    price = subject.sample.target.sort("hub", "delivery_ts", "as_of")["price_ccy_per_mwh"].to_numpy()
    answer = subject.answered.sort("hub", "delivery_ts", "as_of")
    for low, high, nominal in (("q10", "q90", 0.8), ("q05", "q95", 0.9)):
        inside = (answer[f"{low}_ccy_per_mwh"].to_numpy() <= price) & (price <= answer[f"{high}_ccy_per_mwh"].to_numpy())
        assert abs(float(inside.mean()) - nominal) < 0.04


def test_a_level_shift_moves_the_answer_and_not_the_changes() -> None:
    rows = complete(intraday_features(SyntheticMarket(*_dates(), hubs=("A",))))
    prices = [c for c in rows.columns if c.startswith("price_") and c.endswith("_ccy_per_mwh") and "_std_" not in c]
    moved = rows.with_columns(pl.col(prices) + 1000.0)
    relative = [n for n in NAMES if n not in {"price_last", "price_da", "hub_code"}]
    assert np.allclose(matrix(moved, relative, []), matrix(rows, relative, []), equal_nan=True, atol=1e-9)
    assert np.allclose(centre(moved, 1000.0) - centre(rows, 0.0), 1000.0)


def test_without_a_last_price_the_next_best_known_one_is_the_centre() -> None:
    rows = complete(intraday_features(SyntheticMarket(*_dates(), hubs=("A",)))).tail(3)
    blind = rows.with_columns(pl.lit(None, pl.Float64).alias("price_last_ccy_per_mwh"))
    assert centre(blind, 7.0).tolist() == rows["price_lag_1d_ccy_per_mwh"].to_list()
    nothing = blind.with_columns(
        pl.lit(None, pl.Float64).alias(c) for c in rows.columns if c.startswith("price_") and rows.schema[c] == pl.Float64
    )
    assert centre(nothing, 7.0).tolist() == [7.0] * 3


def test_scores_and_ladder_are_inverse() -> None:
    base = Base(np.array([10.0, 10.0, 10.0]), np.array([2.0, 2.0, 2.0]), np.array([4.0, 4.0, 4.0]))
    assert base.scores(np.array([6.0, 10.0, 18.0])).tolist() == [-2.0, 0.0, 2.0]
    assert base.ladder(np.array([[2.0, -2.0]] * 3)).tolist() == [[6.0, 18.0]] * 3


def test_an_unknown_horizon_takes_the_nearest_and_says_so(subject: laws.Subject) -> None:
    few = subject.sample.target.filter(pl.col("horizon_min") == 15).head(4)
    asked = few.with_columns(pl.lit(30, pl.Int64).alias("horizon_min"), pl.col("as_of") - timedelta(minutes=15))
    answer = subject.answer(subject.fitted, target=asked)
    assert answer["status_reason"].unique().to_list() == ["horizon 30 min answered as 15 min"]
    assert answer["horizon_min"].to_list() == [30] * 4


def test_an_old_last_price_degrades(subject: laws.Subject) -> None:
    few = subject.sample.target.head(4).with_columns(pl.lit(900, pl.Int64).alias("price_last_age_min"))
    assert subject.answer(subject.fitted, target=few)["status_reason"].str.contains("the last known price is 900 min old").all()


def test_outcomes_that_came_in_widen_the_interval(subject: laws.Subject) -> None:
    rows, target = subject.sample.rows, subject.sample.target
    last = target.filter(pl.col("delivery_date") == target["delivery_date"].max())
    wild = rows.with_columns(
        pl.when(pl.col("as_of") > subject.sample.cutoff)
        .then(pl.col("price_ccy_per_mwh") + 80.0 * (-1.0) ** pl.col("local_hour"))
        .otherwise(pl.col("price_ccy_per_mwh"))
        .alias("price_ccy_per_mwh")
    )
    width = pl.col("q90_ccy_per_mwh") - pl.col("q10_ccy_per_mwh")
    calm, shaken = (subject.answer(subject.fitted, history=h, target=last).select(width.mean()).item() for h in (rows, wild))
    assert shaken > 2 * calm


def test_training_uses_days_that_have_prices() -> None:
    rows = intraday_features(SyntheticMarket(*_dates(), hubs=("A",)))
    shifted = rows.with_columns(
        pl.col("delivery_ts", "as_of", "price_known_ts") - timedelta(days=400), pl.col("delivery_date") - timedelta(days=400)
    )
    cutoff = rows["as_of"].max()
    fitted = PricePredictionModel({**PARAMS, "train_days": 30}).fit(Features(shifted, shifted.clear()), cutoff=cutoff, seed=1)
    assert fitted.predict(Features(shifted, rows.tail(5)), as_of=cutoff).frame.height == 5


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"rounds": 0}, "rounds is 0"),
        ({"depth": 3}, "unknown parameter"),
        ({"track_step": 1.5}, "track_step is 1.5"),
        ({"leaves": 1}, "leaves is 1"),
        ({"calibration_days": 400}, "calibration_days 400"),
    ],
)
def test_bad_parameters_are_named(given: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Params.of(given)


def test_an_unfitted_model_says_so(subject: laws.Subject) -> None:
    with pytest.raises(ValueError, match="not fitted"):
        PricePredictionModel(PARAMS).predict(Features(subject.sample.rows, subject.sample.target), as_of=subject.sample.as_of)


def _dates():
    from datetime import date

    return date(2020, 1, 1), date(2020, 2, 20)
